/* The gate: whether the platform as a whole does what people need of it, seen from where they are. Every few
 * seconds it asks, through the proxy, for the dashboard, the API and a small app of its own, and looks for a
 * line of that app's log. Used by an upgrade before it is kept, and by `zane doctor`. */
#ifndef ZN_SUPERVISOR_GATE_H
#define ZN_SUPERVISOR_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/supervisor.h"

enum {
    ZN_GATE_HOLD_MS = 60000,     /* of an upgrade */
    ZN_GATE_DEADLINE_MS = 600000 /* at most, beside zero */
};

struct zn_gate_opts {
    int64_t hold_ms;     /* all must be good for this long in a row; 0 = one round, good or bad */
    int64_t deadline_ms; /* for all of it, from now; 0 = ZN_GATE_DEADLINE_MS */
    /* How far the hold is, and what stands in the way ("" = nothing): on each change. May be NULL. */
    void (*progress)(void *arg, unsigned percent, const char *obstacle);
    void *arg;           /* of progress and done */
};

/* Once, at the end. why: "" if it passed, else which check failed and why, for people. */
typedef void (*zn_gate_done)(void *arg, bool passed, const char *why);

int zn_gate_open(struct zn_supervisor *s, struct zn_err *err);
void zn_gate_close(struct zn_supervisor *s);

/* ZN_CONFLICT: one is under way, or the platform stops. */
int zn_gate_start(struct zn_supervisor *s, const struct zn_gate_opts *o, zn_gate_done done,
                  struct zn_err *err);
/* Ends it without a call of done; its app is removed. */
void zn_gate_cancel(struct zn_supervisor *s);
/* Removes the app of a run whose supervisor was killed. */
void zn_gate_tidy(struct zn_supervisor *s);

/* {"state": "none"|"running"|"passed"|"failed", "percent", "message", "checks": [{"id", "title",
 * "state": "waiting"|"good"|"bad", "message", "ms"}]} of the latest; new reference. */
json_t *zn_gate_json(const struct zn_supervisor *s);

#endif
