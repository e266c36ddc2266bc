/* What the supervisor shows: supervisor.sock (root's API) and status/status.sock (the status page).
 * Both serve from the loop; nothing here blocks. */
#ifndef ZN_SUPERVISOR_SERVER_H
#define ZN_SUPERVISOR_SERVER_H

#include "base/err.h"
#include "supervisor/handoff.h"
#include "supervisor/supervisor.h"

struct zn_server;

/* Creates the directories under config.run as needed, opens both sockets and takes over s->changed.
 * Call after zn_supervisor_init and before zn_supervisor_start. s and door (may be NULL) are
 * borrowed and must outlive the server. */
int zn_server_start(struct zn_supervisor *s, const struct zn_handoff *door, struct zn_server **ret,
                    struct zn_err *err);

/* Sends what is buffered as far as it goes at once, closes everything, removes the socket files. */
void zn_server_stop(struct zn_server *srv);

#endif
