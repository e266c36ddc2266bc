/* Role `zaned worker`: the Temporal worker, the outbox, reconciliation, readiness on its port, and the
 * standby log collector where the configuration asks for it. */
#ifndef ZN_WORKER_MAIN_H
#define ZN_WORKER_MAIN_H

struct zn_config;

/* Runs until SIGTERM or SIGINT; returns the process's exit status. */
int zn_worker_main(const struct zn_config *cfg);

#endif
