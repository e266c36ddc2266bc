/* One attempt of an activity: decode, run, report; heartbeats come from the worker's ticker. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/str.h"
#include "zaned/temporal/wire.h"
#include "zaned/temporal/worker_internal.h"

/* Beats come four times within the heartbeat time-out: one that is lost costs nothing, and a
 * cancellation, which only their answers bring, is seen soon. */
static const int64_t BEAT_MIN_MS = 500, BEAT_MAX_MS = 30000, BEAT_CALL_MS = 5000;
static const int64_t REPORT_MIN_MS = 10000;
enum { BEATS = 4 };

struct zt_actx {
    struct zt_actx *next; /* in the worker's list */
    struct zt_worker *w;
    struct zn_arena arena; /* of the decoded task */
    const Zt__PollActivityTaskQueueResponse *task;
    int64_t deadline_ms, beat_every_ms; /* zn_now_ms clock */
    int cancel_fd;
    atomic_bool canceled, by_server, stopping, gone; /* gone: the server has given the attempt up */
    atomic_int refs;        /* the attempt, and each heartbeat under way */
    pthread_mutex_t lock;   /* of the next four */
    json_t *details;
    bool beating;
    bool told;              /* the author has given details: they go out even without a time-out */
    int64_t next_beat_ms;   /* INT64_MAX = never */
    json_t *last_details;   /* of the attempt before */
    char type[128], message[1024];
    int64_t next_retry_ms;
};

/* --- the author's side -------------------------------------------------------------------------- */

static void cancel(struct zt_actx *c)
{
    uint64_t one = 1;

    if (!atomic_exchange(&c->canceled, true) && write(c->cancel_fd, &one, sizeof one) < 0)
        zn_warn("activity: eventfd: %s", strerror(errno));
}

void zt_heartbeat(struct zt_actx *c, json_t *details)
{
    if (zt_json_size(details) > ZT_PAYLOAD_MAX) {
        zn_warn("activity of %s: heartbeat details over %d bytes are left out", zt_actx_workflow_id(c),
                ZT_PAYLOAD_MAX);
        json_decref(details);
        return;
    }
    pthread_mutex_lock(&c->lock);
    json_decref(c->details);
    c->details = details;
    if (!c->told) /* the first at once, the others with the beat */
        c->next_beat_ms = 0;
    c->told = true;
    pthread_mutex_unlock(&c->lock);
}

json_t *zt_actx_details(struct zt_actx *c)
{
    return c->last_details;
}

bool zt_actx_canceled(struct zt_actx *c)
{
    if (zn_now_ms() >= c->deadline_ms)
        cancel(c);
    return atomic_load(&c->canceled);
}

int zt_actx_cancel_fd(struct zt_actx *c)
{
    return c->cancel_fd;
}

bool zt_actx_stopping(struct zt_actx *c)
{
    return atomic_load(&c->stopping);
}

int zt_actx_attempt(struct zt_actx *c)
{
    return c->task->attempt;
}

int64_t zt_actx_left_ms(struct zt_actx *c)
{
    int64_t left = c->deadline_ms - zn_now_ms();

    return left > 0 ? left : 0;
}

const char *zt_actx_workflow_id(struct zt_actx *c)
{
    return c->task->workflow_execution ? c->task->workflow_execution->workflow_id : "";
}

const char *zt_actx_run_id(struct zt_actx *c)
{
    return c->task->workflow_execution ? c->task->workflow_execution->run_id : "";
}

bool zt_actx_wait(struct zt_actx *c, int64_t ms)
{
    int64_t end = zn_now_ms() + ms;

    while (!zt_actx_canceled(c)) {
        int64_t left = end - zn_now_ms(), own = zt_actx_left_ms(c);
        struct pollfd p = { .fd = c->cancel_fd, .events = POLLIN };

        if (left <= 0)
            return true;
        poll(&p, 1, (int)(left < own ? left : own));
    }
    return false;
}

enum zt_res zt_fail(struct zt_actx *c, const char *type, int64_t next_retry_ms, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->message, sizeof c->message, fmt, ap);
    va_end(ap);
    zn_utf8_mend(c->message); /* the server refuses anything else */
    snprintf(c->type, sizeof c->type, "%s", type);
    c->next_retry_ms = next_retry_ms;
    return ZT_FAILED;
}

/* --- life of an attempt ------------------------------------------------------------------------- */

static void unref(struct zt_actx *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    json_decref(c->details);
    json_decref(c->last_details);
    close(c->cancel_fd);
    pthread_mutex_destroy(&c->lock);
    zn_arena_done(&c->arena);
    free(c);
}

/* How long this attempt may take: its own limit, and what all attempts together have left. */
static int64_t allowed_ms(const Zt__PollActivityTaskQueueResponse *t)
{
    int64_t one = zt_duration_ms(t->start_to_close_timeout);
    int64_t all = zt_duration_ms(t->schedule_to_close_timeout);
    int64_t ms = one ? one : INT32_MAX;

    if (all && t->scheduled_time && t->started_time) {
        int64_t left = all - (zt_timestamp_ms(t->started_time) - zt_timestamp_ms(t->scheduled_time));

        ms = left < ms ? left : ms;
    }
    return ms > 0 ? ms : 1;
}

static struct zt_actx *attempt_new(struct zt_worker *w, const uint8_t *body, size_t n)
{
    struct zt_actx *c = calloc(1, sizeof *c);
    int64_t beat, now = zn_now_ms();

    if (!c)
        return NULL;
    c->w = w;
    c->arena.limit = ZT_TASK_ARENA;
    pthread_mutex_init(&c->lock, NULL);
    atomic_init(&c->refs, 1);
    c->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->task = zt_pb_unpack(&zt__poll_activity_task_queue_response__descriptor, &c->arena, body, n);
    if (c->cancel_fd < 0 || !c->task) {
        unref(c);
        return NULL;
    }
    c->deadline_ms = now + allowed_ms(c->task);
    beat = zt_duration_ms(c->task->heartbeat_timeout);
    c->beat_every_ms = beat ? beat / BEATS : BEAT_MAX_MS;
    if (c->beat_every_ms < BEAT_MIN_MS)
        c->beat_every_ms = BEAT_MIN_MS;
    if (c->beat_every_ms > BEAT_MAX_MS)
        c->beat_every_ms = BEAT_MAX_MS;
    c->next_beat_ms = beat ? now + c->beat_every_ms : INT64_MAX;
    json_t *details = zt_payloads_json(c->task->heartbeat_details);
    c->last_details = json_is_null(details) ? NULL : details;
    return c;
}

static void enlist(struct zt_actx *c)
{
    pthread_mutex_lock(&c->w->lock);
    c->next = c->w->running;
    c->w->running = c;
    pthread_mutex_unlock(&c->w->lock);
}

static void delist(struct zt_actx *c)
{
    pthread_mutex_lock(&c->w->lock);
    for (struct zt_actx **p = &c->w->running; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    if (!c->w->running)
        pthread_cond_broadcast(&c->w->idle);
    pthread_mutex_unlock(&c->w->lock);
}

/* --- heartbeats --------------------------------------------------------------------------------- */

static void beat_done(void *arg, const struct zt_grpc_reply *r)
{
    struct zt_actx *c = arg;

    if (r->code == ZT_GRPC_OK) {
        zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
        Zt__RecordActivityTaskHeartbeatResponse *resp = zt_pb_unpack(
            &zt__record_activity_task_heartbeat_response__descriptor, &a, r->body, r->len);

        if (resp && resp->cancel_requested)
            atomic_store(&c->by_server, true);
        if (resp && (resp->cancel_requested || resp->activity_paused || resp->activity_reset))
            cancel(c); /* paused or reset by an operator: this attempt ends as failed */
    } else if (r->code == ZT_GRPC_NOT_FOUND) {
        atomic_store(&c->gone, true);
        cancel(c);
    }
    pthread_mutex_lock(&c->lock);
    c->beating = false;
    pthread_mutex_unlock(&c->lock);
    unref(c);
}

/* Sends a heartbeat unless one is under way. */
static void beat(struct zt_actx *c)
{
    zn_auto_arena struct zn_arena a = { .limit = ZT_WIRE_ARENA };
    Zt__RecordActivityTaskHeartbeatRequest req;
    size_t n;

    zt__record_activity_task_heartbeat_request__init(&req);
    pthread_mutex_lock(&c->lock);
    bool busy = c->beating;
    if (!busy) {
        c->beating = true;
        /* The server keeps only the newest: without own ones, those of the attempt before stay. */
        req.details = zt_payloads(&a, c->details ? c->details : c->last_details);
    }
    pthread_mutex_unlock(&c->lock);
    if (busy)
        return;
    req.task_token = c->task->task_token;
    req.identity = zt_text(&a, zt_client_identity(c->w->cfg.client));
    req.namespace_ = zt_text(&a, zt_client_namespace(c->w->cfg.client));
    void *bytes = zt_pb_pack(&a, &req.base, &n);
    atomic_fetch_add(&c->refs, 1);
    zt_grpc_submit(c->w->grpc, ZT_RPC("RecordActivityTaskHeartbeat"), bytes, n, BEAT_CALL_MS, beat_done,
                   c);
}

static bool beat_is_due(struct zt_actx *c, int64_t now)
{
    pthread_mutex_lock(&c->lock);
    bool due = now >= c->next_beat_ms && !c->beating && !atomic_load(&c->gone);
    if (due)
        c->next_beat_ms = now + c->beat_every_ms;
    pthread_mutex_unlock(&c->lock);
    return due;
}

void zt_activity_tick(struct zt_worker *w, int64_t now)
{
    pthread_mutex_lock(&w->lock);
    for (struct zt_actx *c = w->running; c; c = c->next) {
        if (now >= c->deadline_ms)
            cancel(c);
        if (atomic_load(&w->drop)) {
            atomic_store(&c->stopping, true);
            cancel(c);
        }
        if (beat_is_due(c, now))
            beat(c);
    }
    pthread_mutex_unlock(&w->lock);
}

/* --- reports ------------------------------------------------------------------------------------ */

static void report(struct zt_actx *c, const char *path, const ProtobufCMessage *m, struct zn_arena *a)
{
    char why[512] = "";
    enum zt_grpc_code code = ZT_GRPC_OK;
    int64_t until = zn_now_ms() + REPORT_MIN_MS;
    size_t n;
    void *bytes = zt_pb_pack(a, m, &n);

    if (until < c->deadline_ms)
        until = c->deadline_ms;
    if (bytes && zt_worker_respond(c->w, path, bytes, n, until, &code, why))
        return;
    if (code != ZT_GRPC_NOT_FOUND) /* not found: the attempt is over for the server */
        zn_warn("activity %s of %s: its end could not be reported: %s",
                c->task->activity_type ? c->task->activity_type->name : "?",
                zt_actx_workflow_id(c), why);
}

static void report_failure(struct zt_actx *c, struct zn_arena *a)
{
    Zt__RespondActivityTaskFailedRequest req;

    zt__respond_activity_task_failed_request__init(&req);
    req.task_token = c->task->task_token;
    req.identity = zt_text(a, zt_client_identity(c->w->cfg.client));
    req.namespace_ = zt_text(a, zt_client_namespace(c->w->cfg.client));
    req.failure = zt_failure(a, req.identity, c->message, c->type, c->next_retry_ms < 0,
                             c->next_retry_ms > 0 ? c->next_retry_ms : 0);
    pthread_mutex_lock(&c->lock);
    req.last_heartbeat_details = zt_payloads(a, c->details ? c->details : c->last_details);
    pthread_mutex_unlock(&c->lock);
    report(c, ZT_RPC("RespondActivityTaskFailed"), &req.base, a);
}

static void report_completed(struct zt_actx *c, json_t *result, struct zn_arena *a)
{
    Zt__RespondActivityTaskCompletedRequest req;

    zt__respond_activity_task_completed_request__init(&req);
    req.task_token = c->task->task_token;
    req.result = zt_payloads(a, result ? result : json_null());
    req.identity = zt_text(a, zt_client_identity(c->w->cfg.client));
    req.namespace_ = zt_text(a, zt_client_namespace(c->w->cfg.client));
    report(c, ZT_RPC("RespondActivityTaskCompleted"), &req.base, a);
}

static void report_canceled(struct zt_actx *c, struct zn_arena *a)
{
    Zt__RespondActivityTaskCanceledRequest req;

    zt__respond_activity_task_canceled_request__init(&req);
    req.task_token = c->task->task_token;
    req.identity = zt_text(a, zt_client_identity(c->w->cfg.client));
    req.namespace_ = zt_text(a, zt_client_namespace(c->w->cfg.client));
    report(c, ZT_RPC("RespondActivityTaskCanceled"), &req.base, a);
}

/* Why an attempt gave up that the server did not cancel. */
static const char *interruption(struct zt_actx *c)
{
    if (zt_actx_stopping(c))
        return "the worker is stopping";
    if (zn_now_ms() >= c->deadline_ms)
        return "the attempt timed out";
    return zt_actx_canceled(c) ? "the attempt was paused or reset" : "the attempt gave up unasked";
}

static void report_end(struct zt_actx *c, enum zt_res r, json_t *result)
{
    zn_auto_arena struct zn_arena a = { .limit = ZT_WIRE_ARENA };
    size_t size = zt_json_size(result);

    if (atomic_load(&c->gone))
        return;
    if (r == ZT_OK && size > ZT_PAYLOAD_MAX)
        r = zt_fail(c, "result_too_large", -1, "the result has %zu bytes, at most %d", size,
                    ZT_PAYLOAD_MAX);
    if (r == ZT_CANCELED && !atomic_load(&c->by_server))
        r = zt_fail(c, "interrupted", 0, "%s", interruption(c));
    if (r == ZT_OK) {
        report_completed(c, result, &a);
    } else if (r == ZT_CANCELED) {
        report_canceled(c, &a);
    } else {
        if (!c->message[0])
            zt_fail(c, "failed", 0, "the activity failed and gave no reason");
        report_failure(c, &a);
    }
}

static const struct zt_activity *find(const struct zt_worker *w, const char *type)
{
    for (size_t i = 0; i < w->cfg.nactivities; i++)
        if (strcmp(w->cfg.activities[i].type, type) == 0)
            return &w->cfg.activities[i];
    return NULL;
}

void zt_activity_run(struct zt_worker *w, const uint8_t *body, size_t n)
{
    struct zt_actx *c = attempt_new(w, body, n);
    json_t *result = NULL;

    if (!c) {
        zn_error("an activity task could not be read; the server hands it out again");
        return;
    }
    const char *type = c->task->activity_type ? c->task->activity_type->name : "";
    const struct zt_activity *act = find(w, type);
    json_t *input = zt_payloads_json(c->task->input);
    enum zt_res r;

    enlist(c);
    if (atomic_load(&w->stop)) { /* came with the last poll: another worker has it sooner */
        atomic_store(&c->stopping, true);
        r = zt_fail(c, "interrupted", 0, "the worker is stopping");
    } else if (!act)
        r = zt_fail(c, "unknown_activity", 0, "this worker has no activity %s", type);
    else if (!input)
        r = zt_fail(c, "bad_input", -1, "the input of %s has an encoding not known here", type);
    else
        r = act->fn(c, w->cfg.arg, input, &result);
    delist(c);
    report_end(c, r, result);
    json_decref(result);
    json_decref(input);
    unref(c);
}
