/* What a replay costs grows with the history, not with its square. Short and long histories of one shape
 * are replayed in one run; only their ratio counts. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "zaned/temporal/engine.h"

enum { SHORT = 2000, TIMES = 10, ROUNDS = 9 };

static const struct zt_activity_opts act = { .type = "a", .start_to_close_ms = 1000 };

struct script {
    struct zt_event ev[SHORT * TIMES + 16];
    size_t n;
    char ids[SHORT * TIMES][12];
    size_t commands;
};

static struct zt_event *add(struct script *s, int type)
{
    struct zt_event *e = &s->ev[s->n];

    *e = (struct zt_event){ .id = (int64_t)++s->n, .type = type, .time_ms = 1000 };
    return e;
}

static void task(struct script *s)
{
    add(s, ZT_E_TASK_SCHEDULED);
    add(s, ZT_E_TASK_STARTED);
    add(s, ZT_E_TASK_COMPLETED);
}

static struct zt_event *command(struct script *s, int type)
{
    struct zt_event *e = add(s, type);
    size_t i = s->commands++;

    snprintf(s->ids[i], sizeof s->ids[i], "%zu", i + 1);
    e->key = s->ids[i];
    e->name = "a";
    return e;
}

/* --- shapes: a workflow, and a history of some n events that it would have --------------------------- */

static enum zt_res in_turn(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    (void)result;
    while (zt_do(w, &act, NULL, NULL) == ZT_OK)
        ;
    return ZT_FAILED;
}

static void write_in_turn(struct script *s, size_t n)
{
    for (size_t i = 0; i < n / 6; i++) {
        if (i)
            task(s);
        int64_t id = command(s, ZT_E_ACT_SCHEDULED)->id;
        add(s, ZT_E_ACT_STARTED);
        add(s, ZT_E_ACT_COMPLETED)->ref = id;
    }
}

static enum zt_res at_once(struct zt_wf *w, json_t *in, json_t **result)
{
    struct zt_fut f = { 0 };

    (void)result;
    for (json_int_t i = 0; i < json_integer_value(in); i++)
        f = zt_timer(w, 10);
    for (; f.id >= 0; f.id--)
        zt_await(w, f, NULL);
    return zt_sleep(w, 1);
}

static void write_at_once(struct script *s, size_t n)
{
    int64_t first = (int64_t)s->n + 1;

    s->ev[0].value = json_integer((json_int_t)n / 2);
    for (size_t i = 0; i < n / 2; i++)
        command(s, ZT_E_TIMER_STARTED);
    for (size_t i = 0; i < n / 2; i++)
        add(s, ZT_E_TIMER_FIRED)->ref = first + (int64_t)i;
}

static enum zt_res signals(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)in;
    (void)result;
    while (zt_select(w, NULL, 0, ZT_ON_SIGNAL) == ZT_SIGNALED)
        zt_signal(w, NULL, NULL);
    return ZT_FAILED;
}

static void write_signals(struct script *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(s, ZT_E_SIGNALED)->key = "s";
}

static const struct zt_workflow table[] = { { "in turn", in_turn }, { "at once", at_once }, { "signals", signals } };
static void (*const write[])(struct script *s, size_t n) = { write_in_turn, write_at_once, write_signals };
enum { SHAPES = sizeof table / sizeof *table };

/* --- measuring ---------------------------------------------------------------------------------------- */

static struct script *script(int shape, size_t n)
{
    struct script *s = calloc(1, sizeof *s);

    add(s, ZT_E_STARTED);
    task(s);
    write[shape](s, n);
    add(s, ZT_E_TASK_SCHEDULED);
    add(s, ZT_E_TASK_STARTED);
    return s;
}

static void script_free(struct script *s)
{
    json_decref(s->ev[0].value);
    free(s);
}

/* Time of this thread alone: what else runs on the machine does not count. */
static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double replay(const struct script *s, int shape)
{
    struct zt_run_task t = { .events = s->ev, .nevents = s->n, .workflow_id = "id", .run_id = "run",
                             .type = table[shape].type, .workflows = table, .nworkflows = SHAPES };
    double began = cpu_s();
    struct zt_wf *w = zt_run_new(&t);
    enum zt_outcome o = zt_run_execute(w);

    cr_assert_eq(o, ZT_RUN_OK, "%s: %s", table[shape].type, zt_run_why(w));
    zt_run_free(w);
    return cpu_s() - began;
}

/* Linear is TIMES, quadratic TIMES * TIMES; in between is for caches that a long history does not fit. */
Test(growth, replay_is_linear, .timeout = 60)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* else only large runs pay for new pages, each time */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    for (int shape = 0; shape < SHAPES; shape++) {
        struct script *a = script(shape, SHORT), *b = script(shape, SHORT * TIMES);
        double small = 1e9, large = 1e9;

        for (int i = 0; i < ROUNDS; i++) {
            double x = replay(a, shape), y = replay(b, shape);

            small = x < small ? x : small;
            large = y < large ? y : large;
        }
        cr_log_info("%s: %.3f ms, %.3f ms, ratio %.1f", table[shape].type, small * 1e3, large * 1e3, large / small);
        cr_expect(large < small * 2.5 * TIMES, "%s: %d events take %.3f ms, %d take %.3f ms", table[shape].type,
                  SHORT, small * 1e3, SHORT * TIMES, large * 1e3);
        script_free(a);
        script_free(b);
    }
}
