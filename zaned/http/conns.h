/* Connections by how long they have had nothing to do. At the limit the one that has been idle longest
 * makes room, so that nobody can lock others out by holding connections. On the loop thread only. Inner
 * part of zaned/http. */
#ifndef ZN_HTTP_CONNS_H
#define ZN_HTTP_CONNS_H

#include <microhttpd.h>
#include <stdbool.h>

struct zn_conn_entry;
struct zn_conns {
    unsigned n, max;
    struct zn_conn_entry *oldest, *newest; /* of those without a request under way */
};

/* For MHD_OPTION_NOTIFY_CONNECTION; arg is the zn_conns. */
void zn_conns_notify(void *arg, struct MHD_Connection *conn, void **context,
                     enum MHD_ConnectionNotificationCode code);
/* A request of the connection came under way, or ended. One whose body still arrives is not under way. */
void zn_conns_busy(struct zn_conns *c, struct MHD_Connection *conn, bool busy);

#endif
