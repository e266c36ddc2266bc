/* Threads of a worker: each poller asks for one task, carries it out and asks again, so that nothing is
 * ever taken without a free thread. Workflow tasks are a run of the engine; the ticker beats hearts. */
#include "zaned/temporal/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "zaned/temporal/engine.h"
#include "zaned/temporal/wire.h"
#include "zaned/temporal/worker_internal.h"

static const int64_t POLL_MS = 70000, TICK_MS = 250, PING_MS = 5000, FRESH_MS = 90000;
static const int64_t FIRST_MS = 200, MAX_MS = 10000, EXHAUSTED_MS = 1000;
static const int64_t ANSWER_MS = 9000; /* a workflow task is handed out again after 10 s */
static const int64_t LAST_WORDS_MS = 3000;
enum { CAUSE_NONDETERMINISM = 24, CAUSE_UNHANDLED = 14, FAILING = 3, OUT_ARENA = ZT_WIRE_ARENA };

/* --- calls that can be given up ------------------------------------------------------------------- */

static void poll_done(void *arg, const struct zt_grpc_reply *r)
{
    struct zt_poller *p = arg;
    uint8_t *body = r->len ? malloc(r->len) : NULL;

    if (body)
        memcpy(body, r->body, r->len);
    pthread_mutex_lock(&p->lock);
    *p->reply = *r;
    p->reply->body = body;
    p->reply->len = body ? r->len : 0;
    p->reply->details = NULL;
    p->answered = true;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

/* A long poll; reply->body is malloc'ed. */
static void poll_server(struct zt_poller *p, const char *path, const void *req, size_t n,
                        struct zt_grpc_reply *reply)
{
    pthread_mutex_lock(&p->lock);
    p->answered = false;
    p->reply = reply;
    p->call = zt_grpc_submit(p->worker->grpc, path, req, n, POLL_MS, poll_done, p);
    if (atomic_load(&p->worker->stop))
        zt_grpc_cancel(p->worker->grpc, p->call);
    while (!p->answered)
        pthread_cond_wait(&p->cond, &p->lock);
    p->call = 0;
    pthread_mutex_unlock(&p->lock);
    if (reply->code == ZT_GRPC_OK)
        atomic_store(&p->worker->heard_ms, zn_now_ms());
}

/* Codes worth another try. A message over the server's limit would be refused for ever. */
static bool retryable(enum zt_grpc_code code, const char *message)
{
    static const unsigned again = 1u << ZT_GRPC_UNKNOWN | 1u << ZT_GRPC_DEADLINE_EXCEEDED |
                                  1u << ZT_GRPC_RESOURCE_EXHAUSTED | 1u << ZT_GRPC_ABORTED |
                                  1u << ZT_GRPC_OUT_OF_RANGE | 1u << ZT_GRPC_INTERNAL |
                                  1u << ZT_GRPC_UNAVAILABLE | 1u << ZT_GRPC_DATA_LOSS;

    if (code == ZT_GRPC_RESOURCE_EXHAUSTED && zn_starts_with(message, "grpc: received message larger"))
        return false;
    return again >> code & 1;
}

/* When a report has to be through: sooner than wanted once the worker must end. */
static int64_t cut_short(const struct zt_worker *w, int64_t until_ms)
{
    int64_t last = atomic_load(&w->drop_ms) + LAST_WORDS_MS;

    return atomic_load(&w->drop) && last < until_ms ? last : until_ms;
}

bool zt_worker_respond(struct zt_worker *w, const char *path, const void *req, size_t n,
                       int64_t until_ms, enum zt_grpc_code *code, char why[512])
{
    for (unsigned i = 0;; i++) {
        struct zt_grpc_reply r = { 0 };
        int64_t left = cut_short(w, until_ms) - zn_now_ms(), wait;
        uint32_t rnd;

        zt_grpc_call(w->grpc, path, req, n, left < 1 ? 1 : left > 10000 ? 10000 : left, &r);
        bool again = retryable(r.code, r.message);
        bool taken = r.code == ZT_GRPC_OK;
        *code = r.code;
        snprintf(why, 512, "%s", r.message);
        zt_grpc_reply_done(&r);
        zn_random(&rnd, sizeof rnd);
        wait = zn_backoff_ms(i, *code == ZT_GRPC_RESOURCE_EXHAUSTED ? EXHAUSTED_MS : FIRST_MS, 2000,
                             rnd);
        if (taken || !again || zn_now_ms() + wait >= cut_short(w, until_ms))
            return taken;
        zn_pause_ms(wait);
    }
}

/* --- workflow tasks ------------------------------------------------------------------------------- */

struct task {
    struct zt_worker *w;
    struct zn_arena arena; /* the history */
    struct zn_arena out;   /* the answer */
    int64_t until_ms;      /* the server takes the task back then */
    const Zt__PollWorkflowTaskQueueResponse *m;
    struct zt_event *events;
    size_t n, cap;
    struct zt_values values;
};

static bool add_events(struct task *t, const Zt__History *h)
{
    for (size_t i = 0; h && i < h->n_events; i++) {
        if (t->n && h->events[i]->event_id <= t->events[t->n - 1].id)
            continue; /* a page may repeat what we have */
        if (h->events[i]->event_id != (t->n ? t->events[t->n - 1].id + 1 : 1)) {
            zn_warn("workflow %s: its history lacks what comes before event %lld",
                    t->m->workflow_execution->workflow_id, (long long)h->events[i]->event_id);
            return false;
        }
        if (t->n == t->cap) {
            size_t cap = t->cap ? t->cap * 2 : 256;
            struct zt_event *more = zn_arena_alloc(&t->arena, cap * sizeof *more);

            if (!more)
                return false;
            if (t->n)
                memcpy(more, t->events, t->n * sizeof *more);
            t->events = more;
            t->cap = cap;
        }
        zt_event_read(h->events[i], &t->values, &t->events[t->n++]);
    }
    return true;
}

/* One more page, tried again while the task is ours. NULL: not to be had. */
static Zt__GetWorkflowExecutionHistoryResponse *fetch_page(struct task *t, ProtobufCBinaryData token)
{
    Zt__GetWorkflowExecutionHistoryRequest req;
    Zt__GetWorkflowExecutionHistoryResponse *resp = NULL;
    size_t n;

    zt__get_workflow_execution_history_request__init(&req);
    req.namespace_ = zt_text(&t->out, zt_client_namespace(t->w->cfg.client));
    req.execution = t->m->workflow_execution;
    req.next_page_token = token;
    void *bytes = zt_pb_pack(&t->out, &req.base, &n);
    for (unsigned i = 0; bytes && !resp; i++) {
        struct zt_grpc_reply r = { 0 };
        int64_t left = t->until_ms - zn_now_ms();

        zt_grpc_call(t->w->grpc, ZT_RPC("GetWorkflowExecutionHistory"), bytes, n, left > 1 ? left : 1, &r);
        bool again = retryable(r.code, r.message) && left > 0;
        if (r.code == ZT_GRPC_OK)
            resp = zt_pb_unpack(&zt__get_workflow_execution_history_response__descriptor, &t->arena,
                                r.body, r.len);
        if (!resp && !again)
            zn_warn("workflow %s: its history could not be read: %s",
                    t->m->workflow_execution->workflow_id, r.code ? r.message : "malformed or too large");
        zt_grpc_reply_done(&r);
        if (!resp && !again)
            break;
        if (!resp)
            zn_pause_ms(zn_backoff_ms(i, FIRST_MS, 2000, 0));
    }
    return resp;
}

/* The pages that did not fit in the poll's answer; one may be empty and still name the next. */
static bool fetch_rest(struct task *t)
{
    ProtobufCBinaryData token = t->m->next_page_token;

    while (token.len) {
        Zt__GetWorkflowExecutionHistoryResponse *page = fetch_page(t, token);

        if (!page || !add_events(t, page->history))
            return false;
        token = page->next_page_token;
    }
    if (t->m->query || (t->n && t->events[t->n - 1].id >= t->m->started_event_id))
        return true;
    zn_warn("workflow %s: its history ends before the task's event %lld",
            t->m->workflow_execution->workflow_id, (long long)t->m->started_event_id);
    return false;
}

static void answer(struct task *t, const char *path, const ProtobufCMessage *m, const char *what)
{
    char why[512] = "";
    enum zt_grpc_code code = ZT_GRPC_OK;
    size_t n;
    void *bytes = zt_pb_pack(&t->out, m, &n);
    const char *id = t->m->workflow_execution->workflow_id;

    if (bytes && zt_worker_respond(t->w, path, bytes, n, t->until_ms, &code, why))
        return;
    if (code == ZT_GRPC_NOT_FOUND || (code == ZT_GRPC_INVALID_ARGUMENT && strstr(why, "UnhandledCommand")))
        zn_debug("workflow %s: the %s came too late: %s", id, what, why);
    else if (retryable(code, why))
        zn_warn("workflow %s: the %s did not get through: %s", id, what, why);
    else
        zn_error("workflow %s: the %s was not taken: %s", id, what, bytes ? why : "too large");
}

/* Every query on an ordinary task is answered with the same words. */
static void refuse_queries(struct task *t, Zt__RespondWorkflowTaskCompletedRequest *req)
{
    size_t n = t->m->n_queries;

    if (!n)
        return;
    req->query_results = zn_arena_alloc(&t->out, n * sizeof(void *));
    if (!req->query_results)
        zn_bug("arena full");
    for (size_t i = 0; i < n; i++) {
        Zt__RespondWorkflowTaskCompletedRequest__QueryResultsEntry *e =
            ZT_NEW(&t->out, Zt__RespondWorkflowTaskCompletedRequest__QueryResultsEntry,
                   zt__respond_workflow_task_completed_request__query_results_entry__init);
        e->key = t->m->queries[i]->key;
        e->value = ZT_NEW(&t->out, Zt__WorkflowQueryResult, zt__workflow_query_result__init);
        e->value->result_type = 2; /* FAILED */
        e->value->error_message = zt_text(&t->out, "this workflow answers no queries");
        req->query_results[i] = e;
    }
    req->n_query_results = n;
}

static void send_failure(struct task *t, enum zt_outcome o, const char *why);

static void send_commands(struct task *t, struct zt_wf *run)
{
    Zt__RespondWorkflowTaskCompletedRequest req;
    struct zn_err err = { 0 };

    zt__respond_workflow_task_completed_request__init(&req);
    if (zt_commands_write(&t->out, run, t->w->queue, zt_client_identity(t->w->cfg.client),
                          &req.commands, &req.n_commands, &err) < 0) {
        send_failure(t, ZT_RUN_ERROR, err.msg);
        return;
    }
    req.task_token = t->m->task_token;
    req.identity = zt_text(&t->out, zt_client_identity(t->w->cfg.client));
    req.namespace_ = zt_text(&t->out, zt_client_namespace(t->w->cfg.client));
    refuse_queries(t, &req);
    answer(t, ZT_RPC("RespondWorkflowTaskCompleted"), &req.base, "answer");
}

static void send_failure(struct task *t, enum zt_outcome o, const char *why)
{
    Zt__RespondWorkflowTaskFailedRequest req;

    zn_error("workflow %s (%s), attempt %d: %s", t->m->workflow_execution->workflow_id,
             t->m->workflow_type->name, t->m->attempt, why);
    if (t->m->attempt > 1)
        return; /* left to time out: that gives the server's backoff */
    zt__respond_workflow_task_failed_request__init(&req);
    req.task_token = t->m->task_token;
    req.cause = o == ZT_RUN_NONDETERMINISM ? CAUSE_NONDETERMINISM : CAUSE_UNHANDLED;
    req.identity = zt_text(&t->out, zt_client_identity(t->w->cfg.client));
    req.namespace_ = zt_text(&t->out, zt_client_namespace(t->w->cfg.client));
    req.failure = zt_failure(&t->out, req.identity, why, "workflow_task", false, 0);
    answer(t, ZT_RPC("RespondWorkflowTaskFailed"), &req.base, "failure");
}

static void send_query_refusal(struct task *t)
{
    Zt__RespondQueryTaskCompletedRequest req;

    zt__respond_query_task_completed_request__init(&req);
    req.task_token = t->m->task_token;
    req.completed_type = 2; /* FAILED */
    req.error_message = zt_text(&t->out, "this workflow answers no queries");
    req.namespace_ = zt_text(&t->out, zt_client_namespace(t->w->cfg.client));
    answer(t, ZT_RPC("RespondQueryTaskCompleted"), &req.base, "refusal of a query");
}

static void carry_out(struct task *t)
{
    if (t->m->query) {
        send_query_refusal(t);
        return;
    }
    struct zt_run_task r = { .events = t->events,
                             .nevents = t->n,
                             .workflow_id = t->m->workflow_execution->workflow_id,
                             .run_id = t->m->workflow_execution->run_id,
                             .type = t->m->workflow_type->name,
                             .workflows = t->w->cfg.workflows,
                             .nworkflows = t->w->cfg.nworkflows,
                             .run_limit = t->w->cfg.run_limit };
    struct zt_wf *run = zt_run_new(&r);

    if (!run) {
        zn_error("workflow %s: out of memory; its task is handed out again", r.workflow_id);
        return;
    }
    enum zt_outcome o = zt_run_execute(run);
    if (o == ZT_RUN_OK)
        send_commands(t, run);
    else
        send_failure(t, o, zt_run_why(run));
    zt_run_free(run);
}

static void workflow_task(struct zt_worker *w, const uint8_t *body, size_t n)
{
    struct task t = { .w = w,
                      .arena = { .limit = ZT_TASK_ARENA },
                      .out = { .limit = OUT_ARENA },
                      .until_ms = zn_now_ms() + ANSWER_MS };

    t.m = zt_pb_unpack(&zt__poll_workflow_task_queue_response__descriptor, &t.arena, body, n);
    if (!t.m)
        zn_error("a workflow task could not be read; the server hands it out again");
    else if (t.m->task_token.len && t.m->workflow_execution && t.m->workflow_type &&
             add_events(&t, t.m->history) && fetch_rest(&t))
        carry_out(&t);
    zt_values_done(&t.values);
    zn_arena_done(&t.arena);
    zn_arena_done(&t.out);
}

/* --- pollers -------------------------------------------------------------------------------------- */

static bool is_activity(const struct zt_poller *p)
{
    return p - p->worker->pollers >= ZT_WORKFLOW_POLLERS;
}

/* The poll's request is the same each time. */
static void *poll_request(struct zt_poller *p, struct zn_arena *a, size_t *n)
{
    struct zt_worker *w = p->worker;
    Zt__PollWorkflowTaskQueueRequest wf;
    Zt__PollActivityTaskQueueRequest act;

    zt__poll_workflow_task_queue_request__init(&wf);
    zt__poll_activity_task_queue_request__init(&act);
    wf.namespace_ = act.namespace_ = zt_text(a, zt_client_namespace(w->cfg.client));
    wf.task_queue = act.task_queue = zt_queue(a, w->queue);
    wf.identity = act.identity = zt_text(a, zt_client_identity(w->cfg.client));
    return zt_pb_pack(a, is_activity(p) ? &act.base : &wf.base, n);
}

static void rest(struct zt_worker *w, int64_t ms)
{
    int64_t end = zn_now_ms() + ms;

    while (!atomic_load(&w->stop) && zn_now_ms() < end)
        zn_pause_ms(end - zn_now_ms() < 50 ? 5 : 50);
}

static bool has_task(const struct zt_grpc_reply *r)
{
    return r->code == ZT_GRPC_OK && r->len > 0; /* an empty answer: nothing came within the poll */
}

/* Counts refusals in a row; a server that is only starting gets a few without a word. */
static void note(struct zt_worker *w, unsigned *failures, bool good, const char *why)
{
    if (good) {
        if (*failures >= FAILING)
            atomic_fetch_sub(&w->failing, 1);
        *failures = 0;
        return;
    }
    if (++*failures == FAILING)
        atomic_fetch_add(&w->failing, 1);
    if (*failures == 2 * FAILING && !atomic_load(&w->stop))
        zn_warn("polling for tasks: %s", why);
}

static void *poller_main(void *arg)
{
    struct zt_poller *p = arg;
    struct zt_worker *w = p->worker;
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
    size_t n;
    void *req = poll_request(p, &a, &n);
    unsigned failures = 0;

    while (!atomic_load(&w->stop)) {
        struct zt_grpc_reply r = { 0 };
        uint32_t rnd;

        poll_server(p, is_activity(p) ? ZT_RPC("PollActivityTaskQueue") : ZT_RPC("PollWorkflowTaskQueue"),
                    req, n, &r);
        bool good = r.code == ZT_GRPC_OK || r.code == ZT_GRPC_DEADLINE_EXCEEDED;
        if (has_task(&r)) {
            if (is_activity(p))
                zt_activity_run(w, r.body, r.len);
            else
                workflow_task(w, r.body, r.len);
        }
        free((void *)(uintptr_t)r.body);
        note(w, &failures, good, r.message);
        if (good)
            continue;
        zn_random(&rnd, sizeof rnd);
        rest(w, zn_backoff_ms(failures - 1, FIRST_MS, MAX_MS, rnd));
    }
    return NULL;
}

static void ping_done(void *arg, const struct zt_grpc_reply *r)
{
    struct zt_worker *w = arg;

    if (r->code == ZT_GRPC_OK)
        atomic_store(&w->heard_ms, zn_now_ms());
    atomic_store(&w->pinging, false);
}

static uint64_t ping(struct zt_worker *w)
{
    if (atomic_exchange(&w->pinging, true))
        return 0;
    return zt_grpc_submit(w->grpc, ZT_RPC("GetSystemInfo"), "", 0, PING_MS, ping_done, w);
}

/* Beats on while the worker drains, until no poller runs any more. */
static void *ticker_main(void *arg)
{
    struct zt_worker *w = arg;
    int64_t next_ping = 0;
    uint64_t call = 0;

    while (!atomic_load(&w->end)) {
        int64_t now = zn_now_ms();

        zt_activity_tick(w, now);
        if (now >= next_ping && !atomic_load(&w->stop)) {
            uint64_t id = ping(w);

            call = id ? id : call;
            next_ping = now + PING_MS * 2;
        }
        zn_pause_ms(atomic_load(&w->stop) ? TICK_MS / 10 : TICK_MS);
    }
    if (call)
        zt_grpc_cancel(w->grpc, call);
    while (atomic_load(&w->pinging)) /* its answer still comes to us */
        zn_pause_ms(5);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------------ */

static void worker_free(struct zt_worker *w)
{
    for (size_t i = 0; i < w->npollers; i++) {
        pthread_mutex_destroy(&w->pollers[i].lock);
        pthread_cond_destroy(&w->pollers[i].cond);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->idle);
    free(w->pollers);
    free(w->queue);
    free(w);
}

int zt_worker_start(const struct zt_worker_config *cfg, struct zt_worker **ret, struct zn_err *err)
{
    struct zt_worker *w = calloc(1, sizeof *w);

    if (!w)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    w->cfg = *cfg;
    w->grpc = zt_client_grpc(cfg->client);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w->queue = strdup(cfg->queue);
    w->npollers = ZT_WORKFLOW_POLLERS + (cfg->activity_threads ? cfg->activity_threads : 4);
    w->pollers = calloc(w->npollers, sizeof *w->pollers);
    if (!w->queue || !w->pollers) {
        w->npollers = 0;
        worker_free(w);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < w->npollers; i++) {
        w->pollers[i].worker = w;
        pthread_mutex_init(&w->pollers[i].lock, NULL);
        pthread_cond_init(&w->pollers[i].cond, NULL);
    }
    w->ticking = pthread_create(&w->ticker, NULL, ticker_main, w) == 0;
    bool all = w->ticking;
    for (size_t i = 0; all && i < w->npollers; i++)
        all = w->pollers[i].started =
            pthread_create(&w->pollers[i].thread, NULL, poller_main, &w->pollers[i]) == 0;
    if (!all) {
        zt_worker_stop(w, 0);
        return zn_fail(err, ZN_INTERNAL, "the worker's threads could not be started");
    }
    *ret = w;
    return 0;
}

bool zt_worker_ready(struct zt_worker *w)
{
    int64_t heard = atomic_load(&w->heard_ms);

    return heard && zn_now_ms() - heard < FRESH_MS && atomic_load(&w->failing) == 0;
}

/* Until no attempt runs or the time is over. */
static void drain(struct zt_worker *w, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&w->lock);
    while (w->running && pthread_cond_timedwait(&w->idle, &w->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&w->lock);
}

void zt_worker_stop(struct zt_worker *w, int64_t drain_ms)
{
    if (!w)
        return;
    atomic_store(&w->stop, true);
    for (size_t i = 0; i < w->npollers; i++) {
        pthread_mutex_lock(&w->pollers[i].lock);
        if (w->pollers[i].call)
            zt_grpc_cancel(w->grpc, w->pollers[i].call);
        pthread_mutex_unlock(&w->pollers[i].lock);
    }
    drain(w, drain_ms);
    atomic_store(&w->drop_ms, zn_now_ms());
    atomic_store(&w->drop, true);
    for (size_t i = 0; i < w->npollers; i++)
        if (w->pollers[i].started)
            pthread_join(w->pollers[i].thread, NULL);
    atomic_store(&w->end, true);
    if (w->ticking)
        pthread_join(w->ticker, NULL);
    worker_free(w);
}
