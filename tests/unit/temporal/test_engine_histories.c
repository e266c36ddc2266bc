/* Histories that a real server wrote, replayed at every prefix: what a released worker must still do.
 * Made by `python3 tests/integration/test_worker.py record`. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "tests/integration/c/worker_workflows.h"
#include "zaned/temporal/wire.h"

static const char DIRECTORY[] = "tests/unit/temporal/histories";

struct record {
    struct zn_arena arena;
    struct zt_event *events;
    size_t n;
    struct zt_values values;
    const char *type;
    char id[64];
};

static void load(const char *file, struct record *r)
{
    struct zn_buf b = ZN_BUF(16 << 20);
    struct zn_err err = { 0 };
    char path[300];

    *r = (struct record){ .arena.limit = 16 << 20 };
    snprintf(path, sizeof path, "%s/%s", DIRECTORY, file);
    cr_assert_eq(zn_read_file(path, &b, &err), 0, "%s", err.msg);
    Zt__History *h = zt_pb_unpack(&zt__history__descriptor, &r->arena, b.mem, b.len);
    cr_assert(h && h->n_events > 3, "%s", file);
    r->n = h->n_events;
    r->events = zn_arena_alloc(&r->arena, r->n * sizeof *r->events);
    for (size_t i = 0; i < r->n; i++)
        zt_event_read(h->events[i], &r->values, &r->events[i]);
    r->type = h->events[0]->workflow_execution_started_event_attributes->workflow_type->name;
    snprintf(r->id, sizeof r->id, "%s-rec", r->type);
    zn_buf_done(&b);
}

static void record_done(struct record *r)
{
    zt_values_done(&r->values);
    zn_arena_done(&r->arena);
}

static struct zt_wf *replay(struct record *r, size_t n, enum zt_outcome *ret)
{
    struct zt_run_task t = { .events = r->events, .nevents = n, .workflow_id = r->id, .run_id = "run",
                             .type = r->type, .workflows = workflows, .nworkflows = NWORKFLOWS };
    struct zt_wf *w = zt_run_new(&t);

    *ret = zt_run_execute(w);
    return w;
}

static int command_of(int type)
{
    static const int pairs[][2] = {
        { ZT_E_ACT_SCHEDULED, ZT_C_ACTIVITY },   { ZT_E_ACT_CANCEL_REQUESTED, ZT_C_CANCEL_ACTIVITY },
        { ZT_E_TIMER_STARTED, ZT_C_TIMER },      { ZT_E_TIMER_CANCELED, ZT_C_CANCEL_TIMER },
        { ZT_E_CHILD_INITIATED, ZT_C_CHILD },    { ZT_E_EXTERNAL_CANCEL_INITIATED, ZT_C_CANCEL_CHILD },
        { ZT_E_COMPLETED, ZT_C_COMPLETE },       { ZT_E_FAILED, ZT_C_FAIL },
        { ZT_E_CANCELED, ZT_C_CANCEL },          { ZT_E_CONTINUED_AS_NEW, ZT_C_CONTINUE },
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] == type)
            return pairs[i][1];
    return -1;
}

/* The history up to the start of a completed task must give the commands whose events follow it. */
static void check_answer(struct record *r, struct zt_wf *w, size_t completed, const char *file)
{
    size_t i = completed + 1, k = 0;

    for (; i < r->n && command_of(r->events[i].type) >= 0; i++, k++) {
        const struct zt_command *c = zt_run_command(w, k);

        cr_assert(c, "%s: nothing asked for where event %zu is", file, i + 1);
        cr_assert_eq((int)c->kind, command_of(r->events[i].type), "%s: event %zu", file, i + 1);
        if (r->events[i].key)
            cr_assert_str_eq(c->key, r->events[i].key, "%s: event %zu", file, i + 1);
        if (r->events[i].name)
            cr_assert_str_eq(c->type, r->events[i].name, "%s: event %zu", file, i + 1);
    }
    cr_assert_null(zt_run_command(w, k), "%s: more asked for than event %zu", file, i);
}

/* Returns how many tasks were compared. */
static unsigned check(const char *file)
{
    struct record r;
    unsigned tasks = 0;

    load(file, &r);
    for (size_t n = 3; n <= r.n; n++) {
        enum zt_outcome o;
        struct zt_wf *w = replay(&r, n, &o);

        cr_assert_eq(o, ZT_RUN_OK, "%s cut after event %zu: %s", file, n, zt_run_why(w));
        if (r.events[n - 1].type == ZT_E_TASK_STARTED && n < r.n &&
            r.events[n].type == ZT_E_TASK_COMPLETED) {
            check_answer(&r, w, n, file);
            tasks++;
        }
        if (n == r.n)
            cr_assert_null(zt_run_command(w, 0), "%s: something is left to do at its end", file);
        zt_run_free(w);
    }
    record_done(&r);
    return tasks;
}

Test(histories, every_prefix_of_every_record, .timeout = 60)
{
    DIR *d = opendir(DIRECTORY);
    unsigned files = 0, tasks = 0;

    cr_assert(d, "run from the checkout's root");
    for (struct dirent *e; (e = readdir(d));)
        if (zn_ends_with(e->d_name, ".pb")) {
            tasks += check(e->d_name);
            files++;
        }
    closedir(d);
    cr_expect(files >= 17 && tasks >= 90, "%u files, %u tasks", files, tasks);
}

Test(histories, changed_code_is_refused)
{
    struct record r;
    enum zt_outcome o;

    load("changing.pb", &r);
    changed_code = true;
    struct zt_wf *w = replay(&r, r.n, &o);
    changed_code = false;
    cr_expect_eq(o, ZT_RUN_NONDETERMINISM);
    cr_expect_str_eq(zt_run_why(w), "history has ActivityTaskScheduled of 1/add (event 5), the code asks for 1/undo");
    zt_run_free(w);
    record_done(&r);
}
