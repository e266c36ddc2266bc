/* Hand-over of the log socket: fluent.sock is bound and listening once and for all; the collectors
 * that connect to handoff.sock get it, and one of them at a time is told to accept on it. What it
 * accepts is kept here as well (handoff_conns.h) and goes to its successor (docs/internals.md, "Log
 * socket hand-over"). Who accepts is decided in arbiter.h. */
#ifndef ZN_SUPERVISOR_HANDOFF_H
#define ZN_SUPERVISOR_HANDOFF_H

#include <stdbool.h>

#include "base/err.h"
#include "supervisor/loop.h"

struct zn_handoff;

/* Opens run_dir/logs/handoff.sock and takes or creates run_dir/logs/fluent.sock: a listening socket
 * that a collector still holds from before a restart of the supervisor is taken back, never
 * replaced under the feet of the engine. Creates run_dir/logs/reader, or keeps the one that is
 * there. Raises the process's limit of open files. embedded: the embedded collector is the wanted
 * one. Needs CAP_CHOWN, and CAP_NET_ADMIN to recognise a socket that is given back. loop is
 * borrowed. */
int zn_handoff_start(struct zn_loop *loop, const char *run_dir, bool embedded,
                     struct zn_handoff **ret, struct zn_err *err);

/* After a stop of the platform, before zn_handoff_stop: a process of its own keeps the log socket and the
 * connections for the next supervisor (holder.h). */
int zn_handoff_leave(struct zn_handoff *h, const char *run_dir, struct zn_err *err);

/* Closes connections and descriptors, the kept ones too; the files stay, so that collectors and the
 * engine find them again after a restart. */
void zn_handoff_stop(struct zn_handoff *h);

/* Name of the collector that accepts log connections, or NULL if none does; static storage. */
const char *zn_handoff_owner(const struct zn_handoff *h);

#endif
