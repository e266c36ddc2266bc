/* Keeps the log socket and the log connections while no supervisor runs after a stop of the platform.
 *
 * The engine's driver connects before a container starts, and a driver that looks for its socket or whose
 * connection is gone can keep the engine from removing the container for ever (engine 20.10.24). So after
 * a stop of the platform a process of its own holds what the supervisor held: containers go on starting and
 * ending, and write what fits a queue (about 165 short lines each); then they wait. To the next supervisor it comes as a collector that is never
 * ready, brings everything, and ends. It also ends when log_path is gone or another socket took its
 * place, and on SIGTERM. Its pid: run_dir/log-holder.pid. */
#ifndef ZN_SUPERVISOR_HOLDER_H
#define ZN_SUPERVISOR_HOLDER_H

#include <stddef.h>

#include "base/err.h"

#define ZN_HOLDER_NAME "holder" /* in the introduction */

/* Forks the process; fds are the n connections, log_fd the listening socket, all borrowed. The caller
 * must not listen on handoff.sock any more. */
int zn_holder_start(const char *run_dir, int log_fd, const int *fds, size_t n, struct zn_err *err);

#endif
