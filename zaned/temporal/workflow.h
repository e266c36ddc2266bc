/* Author's side of a workflow. A workflow function is executed again from its start for each workflow
 * task; a call that must wait for something not yet in history does not return (longjmp to the driver).
 *
 * Rules for authors: same inputs, same calls in the same order. No clock, random, environment, files,
 * sockets, locks, static writes. Memory only from zt_arena(); JSON values only through zt_keep().
 * No cleanup attribute (zn_auto_…) whose scope spans a call that may wait. Parallel work: start several
 * futures, then await them. */
#ifndef ZT_WORKFLOW_H
#define ZT_WORKFLOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct zt_wf; /* one run being (re-)executed */

struct zt_fut { /* an activity, timer or child workflow of this run */
    int id;
};

enum zt_res { ZT_OK, ZT_FAILED, ZT_TIMED_OUT, ZT_CANCELED };

/* How an activity is run; static const, one per activity type. Times in milliseconds, 0 = not set
 * (start_to_close_ms must be set). The retry policy is always sent. */
struct zt_activity_opts {
    const char *type, *queue; /* queue NULL = the workflow's own */
    int64_t start_to_close_ms, schedule_to_close_ms, heartbeat_ms;
    int max_attempts; /* 0 = unlimited, 1 = no retry */
    double backoff;   /* coefficient; 0 = 2.0 */
    int64_t first_ms, max_ms; /* 0 = 1,000 and 100 × first */
    const char *const *no_retry; /* failure types, NULL-ended; may be NULL */
};

/* input: reference stolen; NULL = no argument. */
struct zt_fut zt_start(struct zt_wf *w, const struct zt_activity_opts *act, json_t *input);
struct zt_fut zt_timer(struct zt_wf *w, int64_t ms);
struct zt_fut zt_child(struct zt_wf *w, const char *type, const char *workflow_id, json_t *input);
/* The same for a worker of another task queue; NULL = the workflow's own. */
struct zt_fut zt_child_on(struct zt_wf *w, const char *queue, const char *type, const char *workflow_id,
                          json_t *input);
/* Asks the future to end; await it afterwards. A future not sent yet is dropped. */
void zt_cancel(struct zt_wf *w, struct zt_fut f);
bool zt_done(struct zt_wf *w, struct zt_fut f); /* resolved already; never waits */

/* Waits until f is resolved. *ret (may be NULL): the result, owned by the run, NULL if none. After a
 * result other than ZT_OK zt_reason() and zt_reason_type() tell why. Does not react to cancellation. */
enum zt_res zt_await(struct zt_wf *w, struct zt_fut f, json_t **ret);

enum { ZT_ON_SIGNAL = 1, ZT_ON_CANCEL = 2 }; /* what else ends a select */
enum { ZT_SIGNALED = -1, ZT_CANCEL_REQUESTED = -2 };
/* Index of the first resolved future of n, or ZT_SIGNALED (an unread signal of any name), or
 * ZT_CANCEL_REQUESTED (not while shielded). In the order in which history has them; what is already
 * true returns at once. */
int zt_select(struct zt_wf *w, const struct zt_fut *f, int n, unsigned flags);

/* Start and wait, giving way to cancellation: not started at all if it was requested before; if it is
 * requested meanwhile the activity is cancelled and waited for, and the result is ZT_CANCELED unless
 * the activity ended well first. While shielded: plain start and await. */
enum zt_res zt_do(struct zt_wf *w, const struct zt_activity_opts *act, json_t *input, json_t **ret);
enum zt_res zt_sleep(struct zt_wf *w, int64_t ms); /* ZT_OK or ZT_CANCELED */

/* Next unread signal of that name (NULL = any); false if none. Never waits. Value owned by the run. */
bool zt_signal(struct zt_wf *w, const char *name, json_t **ret);
bool zt_cancel_requested(struct zt_wf *w); /* whether or not shielded */
void zt_shield(struct zt_wf *w, bool on);  /* compensation: cancellation is not seen */

int64_t zt_now_ms(struct zt_wf *w);  /* time of the current workflow task, ms since 1970 */
uint64_t zt_random(struct zt_wf *w); /* the same numbers on every replay */
const char *zt_workflow_id(struct zt_wf *w);
const char *zt_run_id(struct zt_wf *w);
const char *zt_reason(struct zt_wf *w);      /* message of the last failure; never NULL */
const char *zt_reason_type(struct zt_wf *w); /* its type, "" if it had none */
void zt_log(struct zt_wf *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* silent while replaying */
/* Ends this run and starts the next with the same id. Return its value from the workflow at once. */
enum zt_res zt_continue_as_new(struct zt_wf *w, json_t *input);

struct zn_arena *zt_arena(struct zt_wf *w);     /* freed with the run; limit per run */
json_t *zt_keep(struct zt_wf *w, json_t *value); /* the run takes the reference; returns value */

/* input: borrowed, JSON null if there was none. *result: kept by the run (zt_keep) or NULL.
 * ZT_OK completes the workflow with *result, ZT_CANCELED closes it as cancelled, anything else fails
 * it with zt_reason(). */
typedef enum zt_res (*zt_workflow_fn)(struct zt_wf *w, json_t *input, json_t **result);

struct zt_workflow {
    const char *type;
    zt_workflow_fn fn;
};

#endif
