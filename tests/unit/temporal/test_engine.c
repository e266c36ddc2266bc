#include "tests/unit/temporal/toy.h"

enum { SEEDS = 10000 };

static const struct zt_activity_opts step_a = { .type = "a", .start_to_close_ms = 1000 };
static const struct zt_activity_opts step_b = { .type = "b", .start_to_close_ms = 1000 };
static const struct zt_activity_opts undo_a = { .type = "undo", .start_to_close_ms = 1000 };

/* What a careless change of the code could be. */
static enum { AS_IT_WAS, OTHER_FIRST, OTHER_CHILD, OTHER_UNDO, ONE_MORE, CHANGES } change;

/* A bit of everything: parallel activities, a race against a timer, signals, a child, undo. */
static enum zt_res mixed(struct zt_wf *w, json_t *input, json_t **result)
{
    struct zt_fut race[3], timer, child;
    int64_t sum = 0;
    enum zt_res r;

    (void)input;
    race[0] = zt_start(w, change == OTHER_FIRST ? &step_b : &step_a, json_pack("{s:i}", "n", 1));
    race[1] = zt_start(w, &step_b, NULL);
    race[2] = timer = zt_timer(w, 5000);
    int which = zt_select(w, race, 3, ZT_ON_SIGNAL | ZT_ON_CANCEL);
    if (which == ZT_SIGNALED)
        zt_signal(w, NULL, NULL);
    if (which == 2)
        zt_cancel(w, race[1]);
    zt_cancel(w, timer);
    for (int i = 0; i < 2; i++)
        sum += zt_await(w, race[i], NULL);
    if (zt_random(w) % 2) {
        child = zt_child(w, change == OTHER_CHILD ? "another" : "other", "child-1", json_integer(7));
        if (zt_select(w, &child, 1, ZT_ON_CANCEL) == ZT_CANCEL_REQUESTED)
            zt_cancel(w, child);
        sum += zt_await(w, child, NULL);
    }
    struct zt_fut never = zt_timer(w, 99);
    zt_cancel(w, never); /* asked for and dropped in the same task */
    for (int i = 0; i < 3; i++) {
        r = zt_do(w, i % 2 ? &step_a : &step_b, json_integer(i), NULL);
        if (r != ZT_OK)
            break;
        r = zt_sleep(w, 10);
    }
    if (r != ZT_OK) {
        zt_shield(w, true);
        zt_do(w, change == OTHER_UNDO ? &step_a : &undo_a, NULL, NULL);
        return r;
    }
    if (change == ONE_MORE)
        zt_timer(w, 1);
    if (sum > 6)
        return zt_continue_as_new(w, json_integer(sum));
    *result = zt_keep(w, json_integer(sum));
    return ZT_OK;
}

static const struct zt_workflow table[] = { { "mixed", mixed } };

static struct toy *play(uint64_t seed)
{
    struct toy *t = calloc(1, sizeof *t);

    cr_assert_not_null(t);
    t->rng = seed * 0x9e3779b97f4a7c15ull + 1;
    t->wf = table;
    t->fail_percent = 25;
    t->cancel_percent = 8;
    toy_play(t);
    return t;
}

Test(engine, every_prefix_replays_to_the_same_commands, .timeout = 300)
{
    unsigned closed[16] = { 0 }, counts[4] = { 0 };

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct toy *t = play(seed);

        cr_assert(t->closed, "seed %llu never ends", (unsigned long long)seed);
        closed[t->closed_kind]++;
        for (int i = 0; i < 4; i++)
            counts[i] += t->counts[i];
        toy_done(t);
        free(t);
    }
    /* The seeds must reach every outcome, or the test shows less than it says. */
    cr_expect(closed[ZT_C_COMPLETE] && closed[ZT_C_FAIL] && closed[ZT_C_CANCEL] && closed[ZT_C_CONTINUE]);
    cr_expect(counts[ZT_OK] && counts[ZT_FAILED] && counts[ZT_TIMED_OUT] && counts[ZT_CANCELED]);
}

/* Whether the change touches what this history did. */
static bool touched(const struct toy *t)
{
    if (change == OTHER_FIRST)
        return true;
    if (change == ONE_MORE)
        return t->closed_kind == ZT_C_COMPLETE || t->closed_kind == ZT_C_CONTINUE;
    for (size_t i = 0; i < t->n; i++)
        if ((change == OTHER_CHILD && t->ev[i].type == ZT_E_CHILD_INITIATED) ||
            (change == OTHER_UNDO && t->ev[i].type == ZT_E_ACT_SCHEDULED && !strcmp(t->ev[i].name, "undo")))
            return true;
    return false;
}

/* Every history that the change touches is refused, every other one still runs. */
Test(engine, a_changed_workflow_is_refused, .timeout = 60)
{
    unsigned refused[CHANGES] = { 0 }, fine[CHANGES] = { 0 };

    for (uint64_t seed = 1; seed <= 500; seed++) {
        change = AS_IT_WAS;
        struct toy *t = play(seed);

        for (change = OTHER_FIRST; change < CHANGES; change++) {
            struct zt_run_task task = { .events = t->ev, .nevents = t->n, .workflow_id = "wf",
                                        .run_id = "run", .type = "mixed", .workflows = table,
                                        .nworkflows = 1 };
            struct zt_wf *w = zt_run_new(&task);
            enum zt_outcome o = zt_run_execute(w);

            cr_assert_eq(o, touched(t) ? ZT_RUN_NONDETERMINISM : ZT_RUN_OK, "seed %llu, change %d: %s",
                         (unsigned long long)seed, (int)change, zt_run_why(w));
            (o == ZT_RUN_OK ? fine : refused)[change]++;
            zt_run_free(w);
        }
        toy_done(t);
        free(t);
    }
    for (int i = OTHER_CHILD; i < CHANGES; i++)
        cr_expect(refused[i] > 50 && fine[i] > 50, "change %d: %u refused, %u fine", i, refused[i], fine[i]);
}

static enum zt_res greedy(struct zt_wf *w, json_t *input, json_t **result)
{
    (void)input;
    (void)result;
    for (int i = 0; i < 1000000; i++)
        zt_start(w, &step_a, json_pack("{s:s}", "k", "v"));
    return ZT_OK;
}

Test(engine, memory_of_a_run_is_limited)
{
    static const struct zt_workflow g[] = { { "greedy", greedy } };
    struct zt_event ev[] = { { .id = 1, .type = ZT_E_STARTED, .key = "r" },
                             { .id = 2, .type = ZT_E_TASK_SCHEDULED },
                             { .id = 3, .type = ZT_E_TASK_STARTED } };
    struct zt_run_task task = { .events = ev, .nevents = 3, .workflow_id = "w", .run_id = "r",
                                .type = "greedy", .workflows = g, .nworkflows = 1,
                                .run_limit = 256 * 1024 };
    struct zt_wf *w = zt_run_new(&task);

    cr_expect_eq(zt_run_execute(w), ZT_RUN_ERROR);
    cr_expect(strstr(zt_run_why(w), "bytes"), "%s", zt_run_why(w));
    zt_run_free(w);
}

Test(engine, unknown_type_and_unknown_event)
{
    struct zt_event ev[] = { { .id = 1, .type = ZT_E_STARTED, .key = "r" },
                             { .id = 2, .type = 9999 },
                             { .id = 3, .type = ZT_E_TASK_SCHEDULED },
                             { .id = 4, .type = ZT_E_TASK_STARTED } };
    struct zt_run_task task = { .events = ev, .nevents = 4, .workflow_id = "w", .run_id = "r",
                                .type = "nobody", .workflows = table, .nworkflows = 1 };
    struct zt_wf *w = zt_run_new(&task);

    cr_expect_eq(zt_run_execute(w), ZT_RUN_ERROR);
    zt_run_free(w);
    task.type = "mixed";
    w = zt_run_new(&task);
    cr_expect_eq(zt_run_execute(w), ZT_RUN_NONDETERMINISM);
    zt_run_free(w);
    ev[1].may_ignore = true;
    w = zt_run_new(&task);
    cr_expect_eq(zt_run_execute(w), ZT_RUN_OK);
    zt_run_free(w);
}
