/* Drives the worker and the client against a real server:
 *   worker_probe HOST:PORT walk [NAME …]        scenarios, with a worker of its own; "ok NAME" or
 *                                               "not ok NAME: why" for each
 *   worker_probe HOST:PORT serve [changed]      a worker until its standard input ends
 *   worker_probe HOST:PORT crowd N ID           N workflows at once; the worker is stopped in the middle and
 *                                               another takes over; prints how they ended
 *   worker_probe HOST:PORT start TYPE ID [JSON [QUEUE]]
 *                                               prints the run's id
 *   worker_probe HOST:PORT signal ID NAME [JSON] | signal-once ID NAME JSON REQUEST_ID | cancel ID |
 *                                               terminate ID
 *   worker_probe HOST:PORT wait ID              prints "STATUS RESULT"
 *   worker_probe HOST:PORT events ID[/RUN] [FILE]
 *                                               prints "ID TYPE CAUSE" of each event; FILE gets the bytes
 *   worker_probe HOST:PORT pending ID           prints "TYPE ATTEMPT ENCODING DETAILS" of each open activity
 * The queue is "probe" unless another is named, the namespace "default". */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "tests/integration/c/worker_workflows.h"
#include "zaned/temporal/grpc.h"
#include "zaned/temporal/pb.h"
#include "zaned/temporal/worker.h"

#define QUEUE "probe"

static struct zt_client *client;
static atomic_int tries, undone;
static char late_id[64];        /* workflow that waits in the middle of its task for a signal */
static atomic_bool late_inside, late_signaled;

/* --- activities ---------------------------------------------------------------------------------- */

static enum zt_res act_add(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)c;
    (void)arg;
    *out = json_integer(json_integer_value(in) + 1);
    return ZT_OK;
}

static enum zt_res act_echo(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)c;
    (void)arg;
    *out = json_incref(in);
    return ZT_OK;
}

static enum zt_res act_flaky(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)arg;
    (void)in;
    atomic_fetch_add(&tries, 1);
    if (zt_actx_attempt(c) < 3)
        return zt_fail(c, "flaky", 100, "attempt %d fails", zt_actx_attempt(c));
    *out = json_integer(zt_actx_attempt(c));
    return ZT_OK;
}

static enum zt_res act_final(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)arg;
    (void)in;
    (void)out;
    return zt_fail(c, "final", -1, "never again");
}

static enum zt_res act_long(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)arg;
    (void)in;
    (void)out;
    zt_heartbeat(c, json_pack("{s:s}", "at", "work"));
    zt_actx_wait(c, 60000);
    return zt_actx_canceled(c) ? ZT_CANCELED : ZT_OK;
}

static enum zt_res act_undo(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)c;
    (void)arg;
    (void)in;
    (void)out;
    atomic_fetch_add(&undone, 1);
    return ZT_OK;
}

static enum zt_res act_slow(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)arg;
    if (!zt_actx_wait(c, 300))
        return ZT_CANCELED;
    *out = json_integer(json_integer_value(in) + 1);
    return ZT_OK;
}

/* Three parts; each attempt does one, and goes on where the one before was. */
static enum zt_res act_progress(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    json_int_t done = json_integer_value(zt_actx_details(c)) + 1;

    (void)arg;
    (void)in;
    zt_heartbeat(c, json_integer(done));
    if (done < 3)
        return zt_fail(c, "more", 50, "%d of 3 parts", (int)done);
    *out = json_pack("[i,i]", (int)done, zt_actx_attempt(c));
    return ZT_OK;
}

/* Tells that it has begun, and ends a second later whoever listens. */
static enum zt_res act_held(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)arg;
    (void)in;
    printf("held\n");
    fflush(stdout);
    zn_pause_ms(1000);
    printf("done\n");
    fflush(stdout);
    *out = json_integer(zt_actx_attempt(c));
    return ZT_OK;
}

static enum zt_res act_huge(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    enum { SIZE = 3 << 20 };
    zn_auto_mem char *text = malloc(SIZE);

    (void)c;
    (void)arg;
    (void)in;
    memset(text, 'x', SIZE);
    *out = json_stringn(text, SIZE);
    return ZT_OK;
}

static const struct zt_activity activities[] = { { "add", act_add },
                                                 { "echo", act_echo },
                                                 { "flaky", act_flaky },
                                                 { "final", act_final },
                                                 { "long", act_long },
                                                 { "undo", act_undo },
                                                 { "slow", act_slow },
                                                 { "progress", act_progress },
                                                 { "held", act_held },
                                                 { "huge", act_huge } };

/* --- scenarios ------------------------------------------------------------------------------------ */

static int begin(const char *type, json_t *input, char id[64], struct zn_err *err)
{
    char run[40], part[20];
    zn_auto_json in = input;

    const char *suffix = getenv("PROBE_SUFFIX"); /* known ids, to look at afterwards */

    zn_id("", 12, part, sizeof part);
    snprintf(id, 64, "%s-%s", type, suffix ? suffix : part);
    struct zt_start_opts o = { .id = id, .type = type, .queue = QUEUE, .input = in };
    return zt_client_start(client, &o, run, err);
}

/* Runs type(input) and compares how it ended. expect: stolen, NULL = no result. */
static int expect_end(const char *id, enum zt_status want, json_t *expect, struct zn_err *err)
{
    zn_auto_json e = expect;
    zn_auto_json got = NULL;
    enum zt_status status;

    if (zt_client_result(client, id, 60000, &status, &got, err) < 0)
        return -1;
    if (status != want)
        return zn_fail(err, ZN_INTERNAL, "status %d, not %d", (int)status, (int)want);
    if (e && !json_equal(e, got)) {
        zn_auto_mem char *text = got ? json_dumps(got, JSON_ENCODE_ANY) : NULL;
        return zn_fail(err, ZN_INTERNAL, "result %s", text ? text : "none");
    }
    return 0;
}

static int simple(const char *type, json_t *input, json_t *expect, struct zn_err *err)
{
    char id[64];

    if (begin(type, input, id, err) < 0)
        return -1;
    return expect_end(id, ZT_COMPLETED, expect, err);
}

static int sc_five(struct zn_err *err)
{
    return simple("five", json_integer(1), json_integer(6), err);
}

static int sc_timer(struct zn_err *err)
{
    return simple("timer", NULL, json_true(), err);
}

static int sc_flaky(struct zn_err *err)
{
    return simple("flaky", NULL, json_integer(3), err);
}

static int sc_final(struct zn_err *err)
{
    return simple("final", NULL, json_pack("[s,s]", "final", "never again"), err);
}

static int sc_cancel(struct zn_err *err)
{
    char id[64];
    int before = atomic_load(&undone);

    if (begin("cancel", NULL, id, err) < 0)
        return -1;
    zn_pause_ms(700);
    if (zt_client_cancel(client, id, "test", err) < 0 || zt_client_cancel(client, id, "again", err) < 0)
        return -1;
    if (expect_end(id, ZT_ST_CANCELED, NULL, err) < 0)
        return -1;
    return atomic_load(&undone) == before + 1 ? 0 : zn_fail(err, ZN_INTERNAL, "undo did not run once");
}

static int sc_signals(struct zn_err *err)
{
    char id[64];

    if (begin("signals", NULL, id, err) < 0)
        return -1;
    for (int i = 1; i <= 20; i++) {
        zn_auto_json v = json_integer(i);
        if (zt_client_signal(client, id, "n", v, err) < 0)
            return -1;
    }
    return expect_end(id, ZT_COMPLETED, json_integer(210), err);
}

static int sc_parent(struct zn_err *err)
{
    return simple("parent", json_integer(10), json_integer(15), err);
}

static int sc_again(struct zn_err *err)
{
    return simple("again", json_integer(3), json_string("done"), err);
}

static int sc_fails(struct zn_err *err)
{
    char id[64];

    if (begin("fails", NULL, id, err) < 0)
        return -1;
    return expect_end(id, ZT_ST_FAILED, NULL, err);
}

static int sc_race(struct zn_err *err)
{
    return simple("race", NULL, json_pack("[i,i,b]", 1, (int)ZT_CANCELED, 1), err);
}

static int sc_progress(struct zn_err *err)
{
    return simple("progress", NULL, json_pack("[i,i]", 3, 3), err);
}

static int sc_huge(struct zn_err *err)
{
    return simple("huge", NULL, json_string("result_too_large"), err);
}

static int sc_pages(struct zn_err *err)
{
    return simple("pages", NULL, json_integer(150 * 151 / 2), err);
}

/* The parent's cancellation goes to the child, which undoes first. */
static int sc_guardian(struct zn_err *err)
{
    char id[64];
    int before = atomic_load(&undone);

    if (begin("guardian", NULL, id, err) < 0)
        return -1;
    zn_pause_ms(700);
    if (zt_client_cancel(client, id, "test", err) < 0 || expect_end(id, ZT_ST_CANCELED, NULL, err) < 0)
        return -1;
    return atomic_load(&undone) == before + 1 ? 0 : zn_fail(err, ZN_INTERNAL, "undo did not run once");
}

/* In the workflow thread: waits until the signal is with the server, within the task. */
static void late_wait(void)
{
    int64_t end = zn_now_ms() + 1500;

    atomic_store(&late_inside, true);
    while (!atomic_load(&late_signaled) && zn_now_ms() < end)
        zn_pause_ms(5);
}

/* The answer "complete" meets a signal that came during the task: the server hands the task out again. */
static int sc_late(struct zn_err *err)
{
    int64_t end = zn_now_ms() + 5000;
    int r = begin("late", NULL, late_id, err);

    while (r == 0 && !atomic_load(&late_inside) && zn_now_ms() < end)
        zn_pause_ms(5);
    if (r == 0)
        r = zt_client_signal(client, late_id, "late", NULL, err);
    atomic_store(&late_signaled, true);
    return r < 0 ? -1 : expect_end(late_id, ZT_COMPLETED, json_integer(1), err);
}

static int sc_twice(struct zn_err *err)
{
    char run[40];
    struct zt_start_opts o = { .id = "same", .type = "signals", .queue = QUEUE };

    if (zt_client_start(client, &o, run, err) < 0)
        return -1;
    if (zt_client_start(client, &o, run, err) == 0 || err->code != ZN_CONFLICT)
        return zn_fail(err, ZN_INTERNAL, "a second start was not a conflict");
    memset(err, 0, sizeof *err);
    enum zt_status status;
    if (zt_client_describe(client, "same", &status, err) < 0 || status != ZT_RUNNING)
        return zn_fail(err, ZN_INTERNAL, "not running");
    if (zt_client_terminate(client, "same", "test", err) < 0)
        return -1;
    if (zt_client_signal(client, "nobody", "n", NULL, err) == 0 || err->code != ZN_NOT_FOUND)
        return zn_fail(err, ZN_INTERNAL, "a signal to nobody was not refused");
    memset(err, 0, sizeof *err);
    return expect_end("same", ZT_TERMINATED, NULL, err);
}

static const struct {
    const char *name;
    int (*run)(struct zn_err *err);
} scenarios[] = { { "five", sc_five },       { "timer", sc_timer },   { "flaky", sc_flaky },
                  { "final", sc_final },     { "cancel", sc_cancel }, { "signals", sc_signals },
                  { "parent", sc_parent },   { "again", sc_again },   { "twice", sc_twice },
                  { "fails", sc_fails },     { "race", sc_race },     { "progress", sc_progress },
                  { "huge", sc_huge },       { "pages", sc_pages },   { "guardian", sc_guardian },
                  { "late", sc_late } };

static int walk(int argc, char **argv)
{
    int bad = 0;

    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        struct zn_err err = { 0 };
        bool wanted = argc == 0;
        int64_t from = zn_now_ms();

        for (int k = 0; k < argc; k++)
            wanted = wanted || strcmp(argv[k], scenarios[i].name) == 0;
        if (!wanted)
            continue;
        int r = scenarios[i].run(&err);
        printf("%s %s%s%s (%lld ms)\n", r ? "not ok" : "ok", scenarios[i].name, r ? ": " : "",
               r ? err.msg : "", (long long)(zn_now_ms() - from));
        fflush(stdout);
        bad += r != 0;
    }
    return bad;
}

/* --- single calls --------------------------------------------------------------------------------- */

static json_t *value_of(const char *text)
{
    json_t *v = text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;

    if (text && !v)
        zn_bug("not JSON: %s", text);
    return v;
}

static int call_wait(const char *id, struct zn_err *err)
{
    static const char *const names[] = { "?", "running", "completed", "failed", "canceled",
                                         "terminated", "continued", "timed_out" };
    zn_auto_json got = NULL;
    enum zt_status status;

    if (zt_client_result(client, id, 120000, &status, &got, err) < 0)
        return -1;
    zn_auto_mem char *text = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    printf("%s %s\n", names[status], text ? text : "none");
    return 0;
}

/* The whole history of a run ("ID" or "ID/RUN"), as one History message. */
static int call_events(const char *id, const char *file, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = 64 << 20 };
    zn_auto_buf struct zn_buf all = ZN_BUF(64 << 20);
    Zt__GetWorkflowExecutionHistoryRequest req;

    zt__get_workflow_execution_history_request__init(&req);
    req.namespace_ = zt_text(&a, zt_client_namespace(client));
    char *name = zt_text(&a, id), *run = strchr(name, '/');

    if (run)
        *run++ = '\0';
    req.execution = zt_execution(&a, name, run ? run : "");
    do {
        struct zt_grpc_reply r = { 0 };
        Zt__GetWorkflowExecutionHistoryResponse *page = NULL;
        size_t n;
        void *bytes = zt_pb_pack(&a, &req.base, &n);

        zt_grpc_call(zt_client_grpc(client), ZT_RPC("GetWorkflowExecutionHistory"), bytes, n, 10000, &r);
        if (r.code == ZT_GRPC_OK)
            page = zt_pb_unpack(&zt__get_workflow_execution_history_response__descriptor, &a, r.body, r.len);
        zt_grpc_reply_done(&r);
        if (!page || !page->history)
            return zn_fail(err, ZN_UNAVAILABLE, "no history: %s", r.message);
        for (size_t i = 0; i < page->history->n_events; i++) {
            const Zt__HistoryEvent *e = page->history->events[i];
            bool failed = e->attributes_case ==
                          ZT__HISTORY_EVENT__ATTRIBUTES_WORKFLOW_TASK_FAILED_EVENT_ATTRIBUTES;

            printf("%lld %d %d\n", (long long)e->event_id, e->event_type,
                   failed ? e->workflow_task_failed_event_attributes->cause : 0);
        }
        void *text = zt_pb_pack(&a, &page->history->base, &n);
        zn_buf_add(&all, text, n); /* messages of one type joined are one message */
        req.next_page_token = page->next_page_token;
    } while (req.next_page_token.len);
    return file ? zn_write_file(file, all.mem, all.len, 0644, err) : 0;
}

/* What the server shows of the activities under way: the newest heartbeat details as they came. */
static int call_pending(const char *id, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
    Zt__DescribeWorkflowExecutionRequest req;
    Zt__DescribeWorkflowExecutionResponse *resp = NULL;
    struct zt_grpc_reply r = { 0 };
    size_t n;

    zt__describe_workflow_execution_request__init(&req);
    req.namespace_ = zt_text(&a, zt_client_namespace(client));
    req.execution = zt_execution(&a, id, "");
    void *bytes = zt_pb_pack(&a, &req.base, &n);
    zt_grpc_call(zt_client_grpc(client), ZT_RPC("DescribeWorkflowExecution"), bytes, n, 10000, &r);
    if (r.code == ZT_GRPC_OK)
        resp = zt_pb_unpack(&zt__describe_workflow_execution_response__descriptor, &a, r.body, r.len);
    if (!resp)
        zn_fail(err, ZN_UNAVAILABLE, "%s", r.message);
    for (size_t i = 0; resp && i < resp->n_pending_activities; i++) {
        const Zt__PendingActivityInfo *p = resp->pending_activities[i];
        const Zt__Payload *d = p->heartbeat_details && p->heartbeat_details->n_payloads
                                   ? p->heartbeat_details->payloads[0] : NULL;
        const ProtobufCBinaryData *e = d && d->n_metadata ? &d->metadata[0]->value : NULL;

        printf("%s %d %.*s %.*s\n", p->activity_type->name, p->attempt, e ? (int)e->len : 0,
               e ? (const char *)e->data : "", d ? (int)d->data.len : 0, d ? (const char *)d->data.data : "");
    }
    zt_grpc_reply_done(&r);
    return resp ? 0 : -1;
}

static int call(int argc, char **argv, struct zn_err *err)
{
    const char *what = argv[0], *id = argc > 1 ? argv[1] : "", *third = argc > 2 ? argv[2] : NULL;
    zn_auto_json value = value_of(argc > 3 ? argv[3] : NULL);
    char run[40];

    if (strcmp(what, "wait") == 0)
        return call_wait(id, err);
    if (strcmp(what, "events") == 0)
        return call_events(id, third, err);
    if (strcmp(what, "pending") == 0)
        return call_pending(id, err);
    if (strcmp(what, "cancel") == 0)
        return zt_client_cancel(client, id, "asked", err);
    if (strcmp(what, "signal") == 0)
        return zt_client_signal(client, id, third, value, err);
    if (strcmp(what, "signal-once") == 0)
        return zt_client_signal_once(client, id, third, value, argc > 4 ? argv[4] : "", err);
    if (strcmp(what, "terminate") == 0)
        return zt_client_terminate(client, id, "by hand", err);
    if (strcmp(what, "start") != 0)
        return zn_fail(err, ZN_INVALID, "unknown call %s", what);
    struct zt_start_opts o = { .type = id, .id = third, .queue = argc > 4 ? argv[4] : QUEUE, .input = value };
    if (zt_client_start(client, &o, run, err) < 0)
        return -1;
    printf("%s\n", run);
    return 0;
}

/* --- a crowd -------------------------------------------------------------------------------------- */

enum { CLIENTS = 4 };

struct crowd { /* what one client thread does: every CLIENTS-th workflow from first on */
    pthread_t thread;
    const char *id;
    int first, n;
    atomic_int *begun;
    int ends[8]; /* by status */
    struct zn_err err;
};

static const char *crowd_name(const struct crowd *c, int i, char name[80])
{
    snprintf(name, 80, "%.50s-%d", c->id, i);
    return name;
}

static int crowd_start(struct crowd *c, int i)
{
    zn_auto_json input = json_boolean(i % 10 == 0); /* fewer than there are threads: they hold one until the end */
    char name[80], run[40];
    struct zt_start_opts o = { .id = crowd_name(c, i, name), .type = "busy", .queue = QUEUE, .input = input };
    int r = zt_client_start(client, &o, run, &c->err);

    atomic_fetch_add(c->begun, 1);
    return r;
}

/* Every third is cancelled, the others may go on. */
static int crowd_poke(struct crowd *c, int i)
{
    zn_auto_json value = json_integer(i);
    char name[80];

    crowd_name(c, i, name);
    return i % 3 == 0 ? zt_client_cancel(client, name, "test", &c->err)
                      : zt_client_signal(client, name, "go", value, &c->err);
}

static int crowd_end(struct crowd *c, int i)
{
    zn_auto_json got = NULL;
    enum zt_status status;
    char name[80];

    if (zt_client_result(client, crowd_name(c, i, name), 240000, &status, &got, &c->err) < 0)
        return -1;
    if (status == ZT_COMPLETED && json_integer_value(got) != i + 1)
        return zn_fail(&c->err, ZN_INTERNAL, "%s has a result of another", name);
    c->ends[status]++;
    return 0;
}

static void *crowd_main(void *arg)
{
    static int (*const steps[])(struct crowd *, int) = { crowd_start, crowd_poke, crowd_end };
    struct crowd *c = arg;

    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (int i = c->first; i < c->n; i += CLIENTS)
            if (steps[s](c, i) < 0)
                return NULL;
    return NULL;
}

static int crowd(const struct zt_worker_config *wc, struct zt_worker **worker, int n, const char *id,
                 struct zn_err *err)
{
    struct crowd c[CLIENTS];
    atomic_int begun = 0;
    int ends[8] = { 0 }, r = 0;

    for (int i = 0; i < CLIENTS; i++) {
        c[i] = (struct crowd){ .id = id, .first = i, .n = n, .begun = &begun };
        if (pthread_create(&c[i].thread, NULL, crowd_main, &c[i]))
            zn_bug("no thread");
    }
    while (atomic_load(&begun) < n)
        zn_pause_ms(10);
    zt_worker_stop(*worker, 100); /* activities of 300 ms are cut short: the next worker runs them again */
    *worker = NULL;
    r = zt_worker_start(wc, worker, err);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(c[i].thread, NULL);
        for (int s = 0; s < 8; s++)
            ends[s] += c[i].ends[s];
        if (r == 0 && c[i].err.code)
            r = zn_fail(err, c[i].err.code, "%s", c[i].err.msg);
    }
    printf("%d completed, %d canceled, %d failed\n", ends[ZT_COMPLETED], ends[ZT_ST_CANCELED], ends[ZT_ST_FAILED]);
    return r;
}

static int with_worker(int argc, char **argv, struct zn_err *err)
{
    struct zt_worker *worker = NULL;
    bool serve = strcmp(argv[0], "serve") == 0;
    struct zt_worker_config wc = { .client = client, .queue = QUEUE, .workflows = workflows,
                                   .nworkflows = NWORKFLOWS, .activities = activities,
                                   .nactivities = sizeof activities / sizeof *activities,
                                   .activity_threads = 4 };
    long long n = 0;
    int r = 0, bad = 0;

    changed_code = serve && argc > 1 && strcmp(argv[1], "changed") == 0;
    in_the_task = strcmp(argv[0], "walk") == 0 ? late_wait : NULL;
    if (strcmp(argv[0], "crowd") == 0) {
        if (argc < 3 || !zn_parse_i64(argv[1], 1, 10000, &n))
            return zn_fail(err, ZN_INVALID, "crowd: how many, and an id");
        wc.activity_threads = 16;
    }
    if (zt_worker_start(&wc, &worker, err) < 0)
        return -1;
    if (n)
        r = crowd(&wc, &worker, (int)n, argv[2], err);
    else if (serve)
        while (getchar() != EOF)
            ;
    else
        bad = walk(argc - 1, argv + 1);
    int64_t from = zn_now_ms();
    zt_worker_stop(worker, 2000);
    fprintf(stderr, "stopped in %lld ms\n", (long long)(zn_now_ms() - from));
    return bad ? zn_fail(err, ZN_INTERNAL, "%d scenarios failed", bad) : r;
}

static bool needs_worker(const char *verb)
{
    return strcmp(verb, "walk") == 0 || strcmp(verb, "serve") == 0 || strcmp(verb, "crowd") == 0;
}

int main(int argc, char **argv)
{
    struct zn_err err = { 0 };
    struct zt_client_config cc = { .target = argc > 1 ? argv[1] : "", .namespace_ = "default",
                                   .identity = "probe", .client_name = "probe", .client_version = "1.0.0" };
    int r = -1;

    zn_log_setup("probe", ZN_LOG_INFO);
    if (argc < 3)
        zn_fail(&err, ZN_INVALID, "usage: see the head of worker_probe.c");
    else if (zt_client_open(&cc, &client, &err) == 0 &&
             zt_client_ensure_namespace(client, 86400, &err) == 0)
        r = needs_worker(argv[2]) ? with_worker(argc - 2, argv + 2, &err) : call(argc - 2, argv + 2, &err);
    if (r < 0)
        fprintf(stderr, "worker_probe: %s\n", err.msg);
    zt_client_close(client);
    return r < 0;
}
