/* The engine's rules one by one, on histories written by hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zaned/temporal/engine.h"

static const struct zt_activity_opts act_a = { .type = "a", .start_to_close_ms = 1000 };
static const struct zt_activity_opts act_b = { .type = "b", .start_to_close_ms = 1000 };

struct script { /* a history under construction */
    struct zt_event ev[64];
    size_t n;
    int64_t ms; /* time of the next event */
};

static struct zt_event *add(struct script *s, int type)
{
    cr_assert(s->n < 64);
    struct zt_event *e = &s->ev[s->n];

    *e = (struct zt_event){ .id = (int64_t)s->n + 1, .type = type, .time_ms = s->ms };
    s->n++;
    return e;
}

static void begin(struct script *s)
{
    *s = (struct script){ .ms = 1000 };
    add(s, ZT_E_STARTED)->key = "seed-1";
}

static void task(struct script *s) /* handed out */
{
    add(s, ZT_E_TASK_SCHEDULED);
    add(s, ZT_E_TASK_STARTED);
}

static void done(struct script *s)
{
    add(s, ZT_E_TASK_COMPLETED);
}

static int64_t scheduled(struct script *s, const char *id, const char *type)
{
    struct zt_event *e = add(s, ZT_E_ACT_SCHEDULED);

    e->key = id;
    e->name = type;
    return e->id;
}

static int64_t timer(struct script *s, const char *id)
{
    struct zt_event *e = add(s, ZT_E_TIMER_STARTED);

    e->key = id;
    return e->id;
}

static struct zt_event *about(struct script *s, int type, int64_t ref)
{
    struct zt_event *e = add(s, type);

    e->ref = ref;
    return e;
}

/* Runs fn on the script; the caller frees. */
static struct zt_wf *run(struct script *s, zt_workflow_fn fn, enum zt_outcome want)
{
    static struct zt_workflow table[1];

    table[0] = (struct zt_workflow){ "wf", fn };
    struct zt_run_task t = { .events = s->ev, .nevents = s->n, .workflow_id = "id", .run_id = "run",
                             .type = "wf", .workflows = table, .nworkflows = 1 };
    struct zt_wf *w = zt_run_new(&t);
    enum zt_outcome got = zt_run_execute(w);

    cr_assert_eq(got, want, "outcome %d: %s", (int)got, zt_run_why(w));
    return w;
}

static void expect_commands(struct zt_wf *w, const char *want)
{
    static const char *const names[] = { "activity", "cancel-activity", "timer", "cancel-timer", "child",
                                         "cancel-child", "complete", "fail", "cancel", "continue" };
    const struct zt_command *c;
    char got[512] = "";

    for (size_t i = 0; (c = zt_run_command(w, i)); i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s%s%s", i ? " " : "", names[c->kind],
                 c->key ? ":" : "", c->key ? c->key : "");
    cr_expect_str_eq(got, want);
}

static void refused(struct script *s, zt_workflow_fn fn, const char *why)
{
    struct zt_wf *w = run(s, fn, ZT_RUN_NONDETERMINISM);

    cr_expect(strstr(zt_run_why(w), why), "%s", zt_run_why(w));
    zt_run_free(w);
}

/* --- what does not match ------------------------------------------------------------------------- */

static enum zt_res one(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    return zt_do(w, &act_a, NULL, result);
}

Test(mismatch, each_kind_is_refused)
{
    struct script s;

    begin(&s), task(&s), done(&s), scheduled(&s, "1", "other"), task(&s);
    refused(&s, one, "of 1/other");
    begin(&s), task(&s), done(&s), scheduled(&s, "2", "a"), task(&s);
    refused(&s, one, "of 2/a");
    begin(&s), task(&s), done(&s), timer(&s, "1"), task(&s);
    refused(&s, one, "asks for something else");
    begin(&s), task(&s), done(&s), task(&s);
    refused(&s, one, "that history lacks");
    begin(&s), task(&s), done(&s), scheduled(&s, "1", "a"), scheduled(&s, "2", "a"), task(&s);
    refused(&s, one, "asks for nothing");
    begin(&s), task(&s), done(&s), scheduled(&s, "1", "a"), about(&s, ZT_E_ACT_COMPLETED, 4), task(&s);
    refused(&s, one, "which the code did not cause");
    begin(&s), add(&s, ZT_E_STARTED)->type = 25, task(&s); /* a marker: no code of ours writes one */
    refused(&s, one, "not known here");
    s = (struct script){ 0 };
    task(&s);
    refused(&s, one, "does not begin");
}

static enum zt_res after_the_end(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    (void)result;
    zt_do(w, &act_a, NULL, NULL);
    return zt_do(w, &act_b, NULL, NULL);
}

Test(mismatch, asking_after_the_end_of_history)
{
    struct script s;

    begin(&s), task(&s), done(&s);
    about(&s, ZT_E_ACT_COMPLETED, scheduled(&s, "1", "a")), task(&s), done(&s), add(&s, ZT_E_COMPLETED);
    refused(&s, after_the_end, "WorkflowExecutionCompleted");
    zt_run_free(run(&s, one, ZT_RUN_OK));
}

/* --- tasks that never happened --------------------------------------------------------------------- */

static enum zt_res clock_of_tasks(struct zt_wf *w, json_t *in, json_t **result)
{
    int64_t first = zt_now_ms(w), second;

    (void)in;
    zt_do(w, &act_a, NULL, NULL);
    second = zt_now_ms(w);
    *result = zt_keep(w, json_pack("[I,I]", (json_int_t)first, (json_int_t)second));
    return ZT_OK;
}

static void expect_result(struct zt_wf *w, json_t *want)
{
    const struct zt_command *c = zt_run_command(w, 0);

    cr_assert(c && c->kind == ZT_C_COMPLETE, "not completed");
    cr_expect(json_equal(c->value, want));
    json_decref(want);
    zt_run_free(w);
}

/* A failed or timed-out task sets no time; a transient attempt is one more Scheduled and Started. Time
 * never goes back. */
Test(tasks, time_is_of_the_tasks_that_happened)
{
    struct script s;

    begin(&s);
    s.ms = 2000, task(&s), add(&s, ZT_E_TASK_TIMED_OUT);
    s.ms = 3000, task(&s), add(&s, ZT_E_TASK_FAILED)->cause = 24;
    s.ms = 4000, task(&s), done(&s);
    int64_t a = scheduled(&s, "1", "a");
    about(&s, ZT_E_ACT_STARTED, a), about(&s, ZT_E_ACT_COMPLETED, a);
    s.ms = 3500, task(&s);
    expect_result(run(&s, clock_of_tasks, ZT_RUN_OK), json_pack("[i,i]", 4000, 4000));
    s.ev[s.n - 1].time_ms = 9000;
    expect_result(run(&s, clock_of_tasks, ZT_RUN_OK), json_pack("[i,i]", 4000, 9000));
}

static enum zt_res three_numbers(struct zt_wf *w, json_t *in, json_t **result)
{
    json_t *list = zt_keep(w, json_array());

    (void)in;
    json_array_append_new(list, json_integer((json_int_t)(zt_random(w) >> 1)));
    json_array_append_new(list, json_integer((json_int_t)(zt_random(w) >> 1)));
    zt_do(w, &act_a, NULL, NULL);
    json_array_append_new(list, json_integer((json_int_t)(zt_random(w) >> 1)));
    *result = list;
    return ZT_OK;
}

static json_t *numbers(const char *seed, int reset_cause)
{
    struct script s;

    begin(&s);
    s.ev[0].key = seed;
    task(&s), done(&s);
    about(&s, ZT_E_ACT_COMPLETED, scheduled(&s, "1", "a"));
    if (reset_cause) {
        task(&s);
        struct zt_event *e = add(&s, ZT_E_TASK_FAILED);
        e->cause = reset_cause;
        e->key = "seed-2";
    }
    task(&s);
    struct zt_wf *w = run(&s, three_numbers, ZT_RUN_OK);
    json_t *list = json_incref(zt_run_command(w, 0)->value);
    zt_run_free(w);
    return list;
}

Test(tasks, random_numbers_follow_the_run_and_a_reset)
{
    json_t *first = numbers("seed-1", 0), *again = numbers("seed-1", 0), *other = numbers("seed-9", 0),
           *failed = numbers("seed-1", 1), *reset = numbers("seed-1", 20);

    cr_expect(json_equal(first, again) && json_equal(first, failed) && !json_equal(first, other));
    cr_expect(json_equal(json_array_get(first, 1), json_array_get(reset, 1)));
    cr_expect(!json_equal(json_array_get(first, 2), json_array_get(reset, 2)));
    json_decref(first), json_decref(again), json_decref(other), json_decref(failed), json_decref(reset);
}

/* --- waiting and giving up -------------------------------------------------------------------------- */

static enum zt_res selects(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f[2] = { zt_start(w, &act_a, NULL), zt_timer(w, 50) };
    int first = zt_select(w, f, 2, ZT_ON_SIGNAL | ZT_ON_CANCEL);

    (void)in;
    *result = zt_keep(w, json_integer(first));
    return ZT_OK;
}

static void selected(int first, int second, int want)
{
    struct script s;

    begin(&s), task(&s), done(&s);
    int64_t a = scheduled(&s, "1", "a"), t = timer(&s, "2");
    for (int i = 0; i < 2; i++) {
        int type = i ? second : first;
        struct zt_event *e = about(&s, type, type == ZT_E_TIMER_FIRED ? t : a);
        e->key = "x";
    }
    task(&s);
    expect_result(run(&s, selects, ZT_RUN_OK), json_integer(want));
}

Test(select, the_first_in_history_wins)
{
    selected(ZT_E_ACT_COMPLETED, ZT_E_TIMER_FIRED, 0);
    selected(ZT_E_TIMER_FIRED, ZT_E_ACT_COMPLETED, 1);
    selected(ZT_E_SIGNALED, ZT_E_TIMER_FIRED, ZT_SIGNALED);
    selected(ZT_E_TIMER_FIRED, ZT_E_SIGNALED, 1);
    selected(ZT_E_CANCEL_REQUESTED, ZT_E_SIGNALED, ZT_CANCEL_REQUESTED);
    selected(ZT_E_ACT_FAILED, ZT_E_CANCEL_REQUESTED, 0);
}

static enum zt_res drops(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut a = zt_start(w, &act_a, NULL), t = zt_timer(w, 5), c = zt_child(w, "x", "kid", NULL);

    (void)in;
    (void)result;
    zt_cancel(w, a), zt_cancel(w, t), zt_cancel(w, c);
    cr_expect(zt_done(w, a) && zt_await(w, a, NULL) == ZT_CANCELED && zt_await(w, c, NULL) == ZT_CANCELED);
    return zt_do(w, &act_b, NULL, NULL);
}

Test(cancel, what_was_not_sent_is_never_sent)
{
    struct script s;

    begin(&s), task(&s);
    struct zt_wf *w = run(&s, drops, ZT_RUN_OK);
    expect_commands(w, "activity:4"); /* ids are used up all the same */
    zt_run_free(w);
    done(&s), scheduled(&s, "4", "b"), task(&s);
    w = run(&s, drops, ZT_RUN_OK);
    expect_commands(w, "");
    zt_run_free(w);
}

static enum zt_res with_child(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut c = zt_child(w, "x", "kid", NULL);

    (void)in;
    (void)result;
    if (zt_select(w, &c, 1, ZT_ON_CANCEL) == ZT_CANCEL_REQUESTED)
        zt_cancel(w, c);
    return zt_await(w, c, NULL);
}

/* A child can be asked to cancel only once it runs; until then the wish is kept. */
Test(cancel, a_child_is_cancelled_once_it_has_started)
{
    struct script s;

    begin(&s), task(&s), done(&s);
    struct zt_event *e = add(&s, ZT_E_CHILD_INITIATED);
    e->key = "kid", e->name = "x";
    int64_t child = e->id;
    add(&s, ZT_E_CANCEL_REQUESTED), task(&s);
    struct zt_wf *w = run(&s, with_child, ZT_RUN_OK);
    expect_commands(w, "");
    zt_run_free(w);
    done(&s), about(&s, ZT_E_CHILD_STARTED, child), task(&s);
    w = run(&s, with_child, ZT_RUN_OK);
    expect_commands(w, "cancel-child:kid");
    zt_run_free(w);
    done(&s), add(&s, ZT_E_EXTERNAL_CANCEL_INITIATED), add(&s, ZT_E_EXTERNAL_CANCEL_REQUESTED);
    about(&s, ZT_E_CHILD_CANCELED, child), task(&s);
    w = run(&s, with_child, ZT_RUN_OK);
    expect_commands(w, "cancel");
    zt_run_free(w);
}

static enum zt_res cancels_second(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f[2] = { zt_start(w, &act_a, NULL), zt_start(w, &act_a, NULL) };

    (void)in;
    (void)result;
    zt_select(w, NULL, 0, ZT_ON_SIGNAL);
    zt_cancel(w, f[1]);
    return zt_await(w, f[1], NULL);
}

Test(mismatch, another_activity_is_cancelled)
{
    struct script s;

    begin(&s), task(&s), done(&s);
    int64_t first = scheduled(&s, "1", "a"), second = scheduled(&s, "2", "a");
    add(&s, ZT_E_SIGNALED)->key = "x";
    task(&s), done(&s);
    struct zt_event *e = about(&s, ZT_E_ACT_CANCEL_REQUESTED, second);
    task(&s);
    zt_run_free(run(&s, cancels_second, ZT_RUN_OK));
    e->ref = first;
    refused(&s, cancels_second, "the code another");
}

static enum zt_res undoes(struct zt_wf *w, json_t *in, json_t **result)
{
    enum zt_res r = zt_do(w, &act_a, NULL, NULL);

    (void)in;
    (void)result;
    cr_expect(zt_do(w, &act_a, json_object(), NULL) == ZT_CANCELED, "started although cancelled");
    cr_expect(zt_sleep(w, 10) == ZT_CANCELED && zt_cancel_requested(w));
    zt_shield(w, true);
    zt_do(w, &act_b, NULL, NULL);
    return r;
}

Test(cancel, seen_outside_the_shield_only)
{
    struct script s;

    begin(&s), task(&s), done(&s);
    int64_t a = scheduled(&s, "1", "a");
    add(&s, ZT_E_CANCEL_REQUESTED), task(&s);
    struct zt_wf *w = run(&s, undoes, ZT_RUN_OK);
    expect_commands(w, "cancel-activity");
    cr_expect_eq(zt_run_command(w, 0)->ref, a);
    zt_run_free(w);
    done(&s), about(&s, ZT_E_ACT_CANCEL_REQUESTED, a), about(&s, ZT_E_ACT_CANCELED, a), task(&s);
    w = run(&s, undoes, ZT_RUN_OK);
    expect_commands(w, "activity:2");
    zt_run_free(w);
}

static enum zt_res reads_signals(struct zt_wf *w, json_t *in, json_t **result)
{
    json_t *list = zt_keep(w, json_array()), *v;

    (void)in;
    while (zt_signal(w, "b", &v))
        json_array_append(list, v);
    while (zt_signal(w, NULL, &v))
        json_array_append(list, v);
    *result = list;
    return ZT_OK;
}

Test(signals, each_is_read_once_in_order)
{
    struct script s;
    json_t *values[3] = { json_integer(1), json_integer(2), json_integer(3) };

    begin(&s);
    for (int i = 0; i < 3; i++) {
        struct zt_event *e = add(&s, ZT_E_SIGNALED);
        e->key = i % 2 ? "b" : "a";
        e->value = values[i];
    }
    add(&s, ZT_E_SIGNALED)->key = "a";
    s.ev[s.n - 1].unreadable = true;
    task(&s);
    expect_result(run(&s, reads_signals, ZT_RUN_OK), json_pack("[i,i,i,n]", 2, 1, 3));
    for (int i = 0; i < 3; i++)
        json_decref(values[i]);
}

/* --- ends and limits --------------------------------------------------------------------------------- */

static enum zt_res ends_with_reason(struct zt_wf *w, json_t *in, json_t **result)
{
    enum zt_res r = zt_do(w, &act_a, NULL, result);

    (void)in;
    return r;
}

Test(ends, the_reason_is_the_failures)
{
    struct script s;
    struct zt_event *e;

    begin(&s), task(&s), done(&s);
    e = about(&s, ZT_E_ACT_FAILED, scheduled(&s, "1", "a"));
    e->reason = "no space", e->reason_type = "disk";
    task(&s);
    struct zt_wf *w = run(&s, ends_with_reason, ZT_RUN_OK);
    expect_commands(w, "fail");
    cr_expect_str_eq(zt_run_command(w, 0)->reason, "no space");
    cr_expect_str_eq(zt_run_command(w, 0)->reason_type, "disk");
    zt_run_free(w);
    e->type = ZT_E_ACT_COMPLETED;
    e->unreadable = true;
    w = run(&s, ends_with_reason, ZT_RUN_OK);
    cr_expect_str_eq(zt_run_command(w, 0)->reason_type, "bad_payload");
    zt_run_free(w);
    s.ev[0].unreadable = true;
    w = run(&s, ends_with_reason, ZT_RUN_ERROR);
    cr_expect(strstr(zt_run_why(w), "input"));
    zt_run_free(w);
}

static enum zt_res spins(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut t = zt_timer(w, 10);

    (void)in;
    (void)result;
    while (!zt_done(w, t))
        zt_keep(w, NULL);
    return ZT_OK;
}

Test(limits, a_loop_that_never_waits_is_ended, .timeout = 10)
{
    struct script s;

    begin(&s), task(&s);
    struct zt_wf *w = run(&s, spins, ZT_RUN_ERROR);
    cr_expect(strstr(zt_run_why(w), "2000 ms"), "%s", zt_run_why(w));
    zt_run_free(w);
}

static enum zt_res keeps_too_much(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    (void)result;
    for (int i = 0; i < 100000000; i++)
        zt_keep(w, json_object());
    return ZT_OK;
}

static long blocks; /* of JSON values, in use */

static void *count_alloc(size_t n)
{
    blocks++;
    return malloc(n);
}

static void count_free(void *p)
{
    blocks -= p != NULL;
    free(p);
}

Test(limits, values_kept_are_freed_at_the_limit)
{
    struct script s;

    json_set_alloc_funcs(count_alloc, count_free);
    begin(&s), task(&s);
    struct zt_wf *w = run(&s, keeps_too_much, ZT_RUN_ERROR);
    cr_expect(strstr(zt_run_why(w), "bytes"), "%s", zt_run_why(w));
    cr_expect_gt(blocks, 1000);
    zt_run_free(w);
    cr_expect_eq(blocks, 0);
}
