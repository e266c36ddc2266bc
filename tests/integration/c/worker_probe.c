/* Runs a worker against a real server and walks scenarios through it: worker_probe HOST:PORT [NAME …].
 * One line for each: "ok NAME" or "not ok NAME: why". `worker_probe HOST:PORT serve` only works. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/log.h"
#include "zaned/temporal/worker.h"

#define QUEUE "probe"

static struct zt_client *client;
static atomic_int tries, undone;

/* --- activities ---------------------------------------------------------------------------------- */

static enum zt_res act_add(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)c;
    (void)arg;
    *out = json_integer(json_integer_value(in) + 1);
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

static const struct zt_activity activities[] = { { "add", act_add },
                                                 { "flaky", act_flaky },
                                                 { "final", act_final },
                                                 { "long", act_long },
                                                 { "undo", act_undo } };

#define OPTS(t) { .type = t, .start_to_close_ms = 30000, .heartbeat_ms = 4000, .first_ms = 100 }
static const struct zt_activity_opts add = OPTS("add"), flaky = OPTS("flaky"), final = OPTS("final"),
                                     longer = OPTS("long"), undo = OPTS("undo");

/* --- workflows ------------------------------------------------------------------------------------ */

static enum zt_res wf_five(struct zt_wf *w, json_t *in, json_t **result)
{
    json_t *v = in;

    for (int i = 0; i < 5; i++)
        if (zt_do(w, &add, json_incref(v), &v) != ZT_OK)
            return ZT_FAILED;
    *result = v;
    return ZT_OK;
}

static enum zt_res wf_timer(struct zt_wf *w, json_t *in, json_t **result)
{
    int64_t from = zt_now_ms(w);

    (void)in;
    zt_sleep(w, 300);
    *result = zt_keep(w, json_boolean(zt_now_ms(w) - from >= 300));
    return ZT_OK;
}

static enum zt_res wf_flaky(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    return zt_do(w, &flaky, NULL, result);
}

static enum zt_res wf_final(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    zt_do(w, &final, NULL, NULL);
    *result = zt_keep(w, json_pack("[s,s]", zt_reason_type(w), zt_reason(w)));
    return ZT_OK;
}

static enum zt_res wf_cancel(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    (void)result;
    enum zt_res r = zt_do(w, &longer, NULL, NULL);
    zt_shield(w, true);
    zt_do(w, &undo, NULL, NULL);
    return r;
}

static enum zt_res wf_signals(struct zt_wf *w, json_t *in, json_t **result)
{
    int64_t sum = 0;
    json_t *v;

    (void)in;
    for (int n = 0; n < 20;) {
        zt_select(w, NULL, 0, ZT_ON_SIGNAL);
        while (zt_signal(w, "n", &v)) {
            sum += json_integer_value(v);
            n++;
        }
    }
    *result = zt_keep(w, json_integer(sum));
    return ZT_OK;
}

static enum zt_res wf_parent(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f = zt_child(w, "five", zn_arena_printf(zt_arena(w), "%s-child", zt_workflow_id(w)),
                               json_incref(in));
    return zt_await(w, f, result);
}

static enum zt_res wf_again(struct zt_wf *w, json_t *in, json_t **result)
{
    json_int_t left = json_integer_value(in);

    if (left > 0)
        return zt_continue_as_new(w, json_integer(left - 1));
    *result = zt_keep(w, json_string("done"));
    return ZT_OK;
}

static const struct zt_workflow workflows[] = {
    { "five", wf_five },     { "timer", wf_timer },     { "flaky", wf_flaky },   { "final", wf_final },
    { "cancel", wf_cancel }, { "signals", wf_signals }, { "parent", wf_parent }, { "again", wf_again },
};

/* --- scenarios ------------------------------------------------------------------------------------ */

static int begin(const char *type, json_t *input, char id[64], struct zn_err *err)
{
    char run[40], part[20];
    zn_auto_json in = input;

    zn_id("", 12, part, sizeof part);
    snprintf(id, 64, "%s-%s", type, part);
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
                  { "parent", sc_parent },   { "again", sc_again },   { "twice", sc_twice } };

static int walk(int argc, char **argv)
{
    int bad = 0;

    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        struct zn_err err = { 0 };
        bool wanted = argc <= 2;
        int64_t from = zn_now_ms();

        for (int k = 2; k < argc; k++)
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

int main(int argc, char **argv)
{
    struct zn_err err = { 0 };
    struct zt_worker *worker = NULL;
    struct zt_client_config cc = { .target = argc > 1 ? argv[1] : "", .namespace_ = "default",
                                   .identity = "probe", .client_name = "probe", .client_version = "1.0.0" };
    bool serve = argc > 2 && strcmp(argv[2], "serve") == 0;
    int bad = 1;

    zn_log_setup("probe", ZN_LOG_INFO);
    if (zt_client_open(&cc, &client, &err) < 0 || zt_client_ensure_namespace(client, 86400, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    struct zt_worker_config wc = { .client = client, .queue = QUEUE, .workflows = workflows,
                                   .nworkflows = sizeof workflows / sizeof *workflows,
                                   .activities = activities,
                                   .nactivities = sizeof activities / sizeof *activities,
                                   .activity_threads = 4 };
    if (zt_worker_start(&wc, &worker, &err) == 0) {
        if (serve)
            while (getchar() != EOF)
                ;
        bad = serve ? 0 : walk(argc, argv);
    }
    int64_t from = zn_now_ms();
    zt_worker_stop(worker, 2000);
    zt_client_close(client);
    fprintf(stderr, "stopped in %lld ms\n", (long long)(zn_now_ms() - from));
    return bad != 0;
}
