/* Workflows of worker_probe, shared with the replay of their recorded histories. */
#ifndef TESTS_WORKER_WORKFLOWS_H
#define TESTS_WORKER_WORKFLOWS_H

#include "base/json.h"
#include "zaned/temporal/workflow.h"

#define OPTS(t)                                                                                 \
    { .type = t, .start_to_close_ms = 30000, .heartbeat_ms = 2000, .first_ms = 100, .max_ms = 1000 }
static const struct zt_activity_opts add = OPTS("add"), flaky = OPTS("flaky"), final = OPTS("final"),
                                     longer = OPTS("long"), undo = OPTS("undo"), slow = OPTS("slow"),
                                     huge = OPTS("huge"), progress = OPTS("progress");
static const struct zt_activity_opts held = { .type = "held", .start_to_close_ms = 60000,
                                              .heartbeat_ms = 20000, .first_ms = 100 };

/* What the workflow "late" does in the middle of its task; NULL while replaying a record. */
static void (*in_the_task)(void);
/* Another version of the workflow "changing", as after a careless change of its code. */
static bool changed_code;

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

/* A workflow that fails itself: the reason is the activity's. */
static enum zt_res wf_fails(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    (void)result;
    return zt_do(w, &final, NULL, NULL);
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

/* One that is not waited for would end the next wait at once, and every one after it. */
static void pass_over_signals(struct zt_wf *w)
{
    while (zt_signal(w, NULL, NULL))
        ;
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
        pass_over_signals(w);
    }
    *result = zt_keep(w, json_integer(sum));
    return ZT_OK;
}

/* Wants to end; a signal accepted by the server meanwhile must still be seen. */
static enum zt_res wf_late(struct zt_wf *w, json_t *in, json_t **result)
{
    int64_t seen = 0;

    (void)in;
    zt_do(w, &add, json_integer(1), NULL);
    while (zt_signal(w, NULL, NULL))
        seen++;
    if (in_the_task && !seen)
        in_the_task();
    *result = zt_keep(w, json_integer(seen));
    return ZT_OK;
}

static enum zt_res wf_parent(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f = zt_child(w, "five", zn_arena_printf(zt_arena(w), "%s-child", zt_workflow_id(w)),
                               json_incref(in));
    return zt_await(w, f, result);
}

/* Cancels a child that has started; the child undoes, then both are cancelled. */
static enum zt_res wf_guardian(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f = zt_child(w, "cancel", zn_arena_printf(zt_arena(w), "%s-child", zt_workflow_id(w)),
                               NULL);
    (void)in;
    (void)result;
    if (zt_select(w, &f, 1, ZT_ON_CANCEL) == ZT_CANCEL_REQUESTED)
        zt_cancel(w, f);
    return zt_await(w, f, NULL);
}

static enum zt_res wf_again(struct zt_wf *w, json_t *in, json_t **result)
{
    json_int_t left = json_integer_value(in);

    if (left > 0)
        return zt_continue_as_new(w, json_integer(left - 1));
    *result = zt_keep(w, json_string("done"));
    return ZT_OK;
}

/* Two activities against a timer; who loses is cancelled, or dropped unsent. */
static enum zt_res wf_race(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f[3] = { zt_start(w, &longer, NULL), zt_start(w, &add, json_integer(1)),
                           zt_timer(w, 60000) };
    struct zt_fut never = zt_timer(w, 1000);

    (void)in;
    zt_cancel(w, never);
    int first = zt_select(w, f, 3, 0);
    zt_cancel(w, f[2]);
    zt_sleep(w, 1500); /* let the long one start: then only its heartbeat tells it */
    zt_cancel(w, f[0]);
    enum zt_res lost = zt_await(w, f[0], NULL);
    *result = zt_keep(w, json_pack("[i,i,b]", first, (int)lost, zt_random(w) != zt_random(w)));
    return ZT_OK;
}

/* Ten activities of 300 ms each, then their sum: long enough to lose a worker or a server. */
static enum zt_res wf_chain(struct zt_wf *w, json_t *in, json_t **result)
{
    json_t *v = in;

    for (int i = 0; i < 10; i++)
        if (zt_do(w, &slow, json_incref(v), &v) != ZT_OK)
            return ZT_FAILED;
    *result = v;
    return ZT_OK;
}

/* An activity's last heartbeat details reach its next attempt. */
static enum zt_res wf_progress(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    return zt_do(w, &progress, NULL, result);
}

static enum zt_res wf_huge(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    zt_do(w, &huge, NULL, NULL);
    *result = zt_keep(w, json_string(zt_reason_type(w)));
    return ZT_OK;
}

/* The attempt that at last reported its end. */
static enum zt_res wf_held(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    return zt_do(w, &held, NULL, result);
}

/* Many activities at once: a long history, which comes in pages. */
static enum zt_res wf_pages(struct zt_wf *w, json_t *in, json_t **result)
{
    enum { N = 150 };
    struct zt_fut f[N];
    int64_t sum = 0;
    json_t *v;

    (void)in;
    for (int i = 0; i < N; i++)
        f[i] = zt_start(w, &add, json_integer(i));
    for (int i = 0; i < N; i++)
        if (zt_await(w, f[i], &v) == ZT_OK)
            sum += json_integer_value(v);
    *result = zt_keep(w, json_integer(sum));
    return ZT_OK;
}

static enum zt_res wf_changing(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    zt_do(w, changed_code ? &undo : &add, json_integer(1), NULL);
    while (!zt_signal(w, "go", NULL)) {
        pass_over_signals(w);
        zt_select(w, NULL, 0, ZT_ON_SIGNAL);
    }
    return zt_do(w, &add, json_integer(2), result);
}

/* What became of an activity, as a value: for those who look from outside. */
static json_t *outcome(struct zt_wf *w, enum zt_res r, json_t *value)
{
    if (r == ZT_OK)
        return zt_keep(w, json_pack("{s:O?}", "value", value));
    return zt_keep(w, json_pack("{s:i,s:s,s:s}", "res", (int)r, "type", zt_reason_type(w), "reason", zt_reason(w)));
}

/* An activity that somebody else's worker serves: {"queue", "activity", "input", "no_retry": type}. */
static enum zt_res wf_foreign(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_activity_opts *o = zn_arena_alloc(zt_arena(w), sizeof *o);
    const char **no_retry = zn_arena_alloc(zt_arena(w), 2 * sizeof *no_retry);
    json_t *value = NULL;

    no_retry[0] = zn_json_str(in, "no_retry", NULL);
    no_retry[1] = NULL;
    *o = (struct zt_activity_opts)OPTS(zn_json_str(in, "activity", ""));
    o->queue = zn_json_str(in, "queue", "");
    o->no_retry = no_retry;
    o->schedule_to_close_ms = 30000;
    enum zt_res r = zt_do(w, o, json_incref(json_object_get(in, "input")), &value);
    if (r == ZT_CANCELED)
        return r;
    *result = outcome(w, r, value);
    return ZT_OK;
}

/* A child that somebody else's worker runs: {"queue", "type", "input"}. */
static enum zt_res wf_foster(struct zt_wf *w, json_t *in, json_t **result)
{
    const char *id = zn_arena_printf(zt_arena(w), "%s-child", zt_workflow_id(w));
    struct zt_fut child = zt_child_on(w, zn_json_str(in, "queue", NULL), zn_json_str(in, "type", ""), id,
                                      json_incref(json_object_get(in, "input")));
    json_t *value = NULL;

    if (zt_select(w, &child, 1, ZT_ON_CANCEL) == ZT_CANCEL_REQUESTED)
        zt_cancel(w, child);
    enum zt_res r = zt_await(w, child, &value);
    *result = outcome(w, r, value);
    return ZT_OK;
}

/* Some of everything at once; then a signal tells it to go on, or it is cancelled and undoes. */
static enum zt_res wf_busy(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f[] = { zt_start(w, &slow, json_integer(1)), zt_start(w, &add, json_integer(2)), zt_timer(w, 100),
                          zt_start(w, &flaky, NULL) };
    struct zt_fut held_up = json_is_true(in) ? zt_start(w, &longer, NULL) : zt_timer(w, 60000);
    json_t *v = NULL;

    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        zt_await(w, f[i], NULL);
    while (!zt_signal(w, "go", &v)) {
        pass_over_signals(w);
        if (zt_select(w, NULL, 0, ZT_ON_SIGNAL | ZT_ON_CANCEL) == ZT_CANCEL_REQUESTED)
            break;
    }
    zt_cancel(w, held_up);
    if (zt_await(w, held_up, NULL) != ZT_CANCELED)
        return ZT_FAILED;
    if (v)
        return zt_do(w, &add, json_incref(v), result);
    zt_shield(w, true);
    zt_do(w, &undo, NULL, NULL);
    return ZT_CANCELED;
}

static const struct zt_workflow workflows[] = {
    { "five", wf_five },         { "timer", wf_timer },       { "flaky", wf_flaky },
    { "final", wf_final },       { "fails", wf_fails },       { "cancel", wf_cancel },
    { "signals", wf_signals },   { "late", wf_late },         { "parent", wf_parent },
    { "guardian", wf_guardian }, { "again", wf_again },       { "race", wf_race },
    { "chain", wf_chain },       { "progress", wf_progress }, { "huge", wf_huge },
    { "held", wf_held },         { "pages", wf_pages },       { "changing", wf_changing },
    { "foreign", wf_foreign },   { "foster", wf_foster },   { "busy", wf_busy },
};
enum { NWORKFLOWS = sizeof workflows / sizeof *workflows };

#endif
