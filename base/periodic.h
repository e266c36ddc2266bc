/* A thread that does one thing over and over: at once, then every so often; sooner or later after
 * failures, with backoff. A round may also last as long as a connection does, and end with it. */
#ifndef ZN_BASE_PERIODIC_H
#define ZN_BASE_PERIODIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct zn_periodic;

struct zn_periodic_config {
    const char *name; /* for the log; a literal */
    int (*fn)(void *arg, struct zn_periodic *self, struct zn_err *err);
    void *arg;        /* borrowed */
    int64_t period_ms, retry_first_ms, retry_max_ms;
    int64_t stable_ms; /* a round that lasted this long before it failed starts the backoff anew; 0 = none does */
};

int zn_periodic_start(const struct zn_periodic_config *cfg, struct zn_periodic **ret,
                      struct zn_err *err);
/* Waits for the end of a round under way; NULL is fine. */
void zn_periodic_stop(struct zn_periodic *p);
/* For a round: whether it should end early, and a descriptor that is readable once it should. */
bool zn_periodic_stopping(struct zn_periodic *p);
int zn_periodic_stop_fd(struct zn_periodic *p);

#endif
