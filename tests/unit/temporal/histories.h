/* Histories that a real server wrote, in one folder for each released version, replayed at every
 * prefix: what a worker must still do with a run that an older version has begun. */
#ifndef TESTS_HISTORIES_H
#define TESTS_HISTORIES_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "zaned/temporal/wire.h"

struct record {
    char file[300];
    struct zn_arena arena;
    struct zt_event *events;
    size_t n;
    struct zt_values values;
    const char *type, *id, *run;
};

struct replayed { /* how much was compared */
    unsigned versions, files, tasks;
};

static void record_load(struct record *r, const char *file)
{
    struct zn_buf b = ZN_BUF(16 << 20);
    struct zn_err err = { 0 };

    *r = (struct record){ .arena.limit = 16 << 20 };
    snprintf(r->file, sizeof r->file, "%s", file);
    cr_assert_eq(zn_read_file(file, &b, &err), 0, "%s", err.msg);
    Zt__History *h = zt_pb_unpack(&zt__history__descriptor, &r->arena, b.mem, b.len);
    cr_assert(h && h->n_events > 3, "%s is no history", file);
    r->n = h->n_events;
    r->events = zn_arena_alloc(&r->arena, r->n * sizeof *r->events);
    for (size_t i = 0; i < r->n; i++)
        zt_event_read(h->events[i], &r->values, &r->events[i]);
    r->type = h->events[0]->workflow_execution_started_event_attributes->workflow_type->name;
    r->id = h->events[0]->workflow_execution_started_event_attributes->workflow_id;
    r->run = h->events[0]->workflow_execution_started_event_attributes->original_execution_run_id;
    zn_buf_done(&b);
}

static void record_done(struct record *r)
{
    zt_values_done(&r->values);
    zn_arena_done(&r->arena);
}

static struct zt_wf *record_replay(struct record *r, size_t n, const struct zt_workflow *table, size_t ntable,
                                   enum zt_outcome *ret)
{
    struct zt_run_task t = { .events = r->events, .nevents = n, .workflow_id = r->id, .run_id = r->run,
                             .type = r->type, .workflows = table, .nworkflows = ntable };
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
static void record_compare(struct record *r, struct zt_wf *w, size_t completed)
{
    size_t i = completed + 1, k = 0;

    for (; i < r->n && command_of(r->events[i].type) >= 0; i++, k++) {
        const struct zt_command *c = zt_run_command(w, k);

        cr_assert(c, "%s: nothing asked for where event %zu is", r->file, i + 1);
        cr_assert_eq((int)c->kind, command_of(r->events[i].type), "%s: event %zu", r->file, i + 1);
        if (r->events[i].key)
            cr_assert_str_eq(c->key, r->events[i].key, "%s: event %zu", r->file, i + 1);
        if (r->events[i].name)
            cr_assert_str_eq(c->type, r->events[i].name, "%s: event %zu", r->file, i + 1);
    }
    cr_assert_null(zt_run_command(w, k), "%s: more asked for than event %zu", r->file, i);
}

/* Returns how many tasks were compared. */
static unsigned record_check(const char *file, const struct zt_workflow *table, size_t ntable)
{
    struct record r;
    unsigned tasks = 0;

    record_load(&r, file);
    for (size_t n = 3; n <= r.n; n++) {
        enum zt_outcome o;
        struct zt_wf *w = record_replay(&r, n, table, ntable, &o);

        cr_assert_eq(o, ZT_RUN_OK, "%s cut after event %zu: %s", file, n, zt_run_why(w));
        if (r.events[n - 1].type == ZT_E_TASK_STARTED && n < r.n && r.events[n].type == ZT_E_TASK_COMPLETED) {
            record_compare(&r, w, n);
            tasks++;
        }
        if (n == r.n)
            cr_assert_null(zt_run_command(w, 0), "%s: something is left to do at its end", file);
        zt_run_free(w);
    }
    record_done(&r);
    return tasks;
}

/* directory/VERSION/NAME.pb, all of them. A version without a file is a mistake, not an old release. */
static struct replayed records_check(const char *directory, const struct zt_workflow *table, size_t ntable)
{
    struct replayed all = { 0 };
    DIR *versions = opendir(directory);

    cr_assert(versions, "no folder %s here", directory);
    for (struct dirent *v; (v = readdir(versions));) {
        char path[300];
        unsigned before = all.files;

        if (v->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%.100s", directory, v->d_name);
        DIR *files = opendir(path);
        cr_assert(files, "%s is no folder of a version", path);
        for (struct dirent *f; (f = readdir(files));)
            if (zn_ends_with(f->d_name, ".pb")) {
                snprintf(path, sizeof path, "%s/%.100s/%.100s", directory, v->d_name, f->d_name);
                all.tasks += record_check(path, table, ntable);
                all.files++;
            }
        closedir(files);
        cr_assert(all.files > before, "%s/%s has no history", directory, v->d_name);
        all.versions++;
    }
    closedir(versions);
    return all;
}

#endif
