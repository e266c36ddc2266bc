/* Activities and the worker that runs workflows and activities of one task queue. */
#ifndef ZT_WORKER_H
#define ZT_WORKER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "zaned/temporal/client.h"
#include "zaned/temporal/workflow.h"

struct zt_actx; /* one attempt of an activity; valid until the function returns */

/* Runs on an activity thread and may block. input: borrowed, JSON null if none. *result: new
 * reference for the worker, or left NULL. Return ZT_OK; or zt_fail(…); or ZT_CANCELED once
 * zt_actx_canceled() is true and everything is put away. */
typedef enum zt_res (*zt_activity_fn)(struct zt_actx *c, void *arg, json_t *input, json_t **result);

struct zt_activity {
    const char *type;
    zt_activity_fn fn;
};

/* The worker beats by itself while the function runs (activities with a heartbeat time-out); this
 * sets the details that go with the next beat. details: reference stolen. Never blocks. */
void zt_heartbeat(struct zt_actx *c, json_t *details);
json_t *zt_actx_details(struct zt_actx *c); /* last details of the attempt before; borrowed or NULL */
bool zt_actx_canceled(struct zt_actx *c);   /* cancelled, timed out, or the worker is stopping */
int zt_actx_cancel_fd(struct zt_actx *c);   /* readable once zt_actx_canceled; for poll only */
bool zt_actx_stopping(struct zt_actx *c);   /* canceled because the worker drains: fail, retryable */
int zt_actx_attempt(struct zt_actx *c);     /* from 1 */
int64_t zt_actx_left_ms(struct zt_actx *c); /* until this attempt's time-out */
const char *zt_actx_workflow_id(struct zt_actx *c);
const char *zt_actx_run_id(struct zt_actx *c);
/* Waits ms unless cancelled; true if it waited to the end. */
bool zt_actx_wait(struct zt_actx *c, int64_t ms);

/* Describes the failure of this attempt and returns ZT_FAILED. type: stable machine name.
 * next_retry_ms > 0 overrides the policy's interval; 0 = by policy; -1 = do not retry. */
enum zt_res zt_fail(struct zt_actx *c, const char *type, int64_t next_retry_ms, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

struct zt_worker;

struct zt_worker_config {
    struct zt_client *client; /* borrowed; must outlive the worker */
    const char *queue;        /* task queue; copied */
    const struct zt_workflow *workflows; /* borrowed tables */
    size_t nworkflows;
    const struct zt_activity *activities;
    size_t nactivities;
    void *arg;                /* handed to every activity */
    unsigned activity_threads;
    size_t run_limit;         /* most bytes of one run's arena; 0 = 16 MiB */
};

/* Starts polling; the server need not be there yet. */
int zt_worker_start(const struct zt_worker_config *cfg, struct zt_worker **ret, struct zn_err *err);
bool zt_worker_ready(struct zt_worker *w); /* a poll was answered within the last 90 s */
/* Stops polling, lets running activities end within drain_ms, then cancels them and waits. */
void zt_worker_stop(struct zt_worker *w, int64_t drain_ms);

#endif
