#include "zaned/workflows/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/workflows/check.h"
#include "base/periodic.h"

static const int64_t TICK_MS = 2000, FAILING_MS = 20000;
static const int64_t INTERVAL_MIN_MS = 5000, INTERVAL_MAX_MS = 60000;
static const int64_t SOON_MS = 5000; /* one that is not well is looked at this often */
enum { HASH_LEN = 40 };

/* When a deployment is looked at next. */
struct due {
    char hash[HASH_LEN];
    int64_t at_ms;
    bool doubted; /* the last look found nothing good, and may have been wrong */
    bool seen;    /* in the current round */
};

struct zn_monitor {
    struct zn_work *work;
    struct zn_periodic *thread;
    struct due *due;
    size_t ndue, cap;
};

static struct due *due_of(struct zn_monitor *m, const char *hash)
{
    for (size_t i = 0; i < m->ndue; i++)
        if (strcmp(m->due[i].hash, hash) == 0)
            return &m->due[i];
    if (m->ndue == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 32;
        struct due *more = realloc(m->due, cap * sizeof *more);

        if (!more)
            return NULL;
        m->due = more;
        m->cap = cap;
    }
    struct due *d = &m->due[m->ndue++];
    *d = (struct due){ .at_ms = 0 };
    snprintf(d->hash, sizeof d->hash, "%s", hash);
    return d;
}

static void forget_unseen(struct zn_monitor *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->ndue; i++)
        if (m->due[i].seen)
            m->due[kept++] = m->due[i];
    m->ndue = kept;
}

/* Status of one whose newest task does not run, from the swarm's list. */
static const char *not_running(const struct zn_task_view *v, struct zn_check *c)
{
    zn_check_stopped(v, "gone", c);
    if (!v->any || v->newest.phase == ZN_TASK_FAILED)
        return "UNHEALTHY";
    return v->total > 1 ? "RESTARTING" : "STARTING";
}

/* Looks at one deployment. *status: NULL if nothing can be said yet. */
static int look(struct zn_monitor *m, struct zn_periodic *self, const struct zn_dep *d, struct due *due,
                struct zn_check *c, const char **status, struct zn_err *err)
{
    struct zn_task_view view;
    int r;

    *status = NULL;
    if (zn_engine_service_tasks(m->work->engine, d->name, &view, err) < 0)
        return -1;
    if (!view.any && !due->doubted && strcmp(d->status, "STARTING") == 0) {
        due->doubted = true; /* just woken: the swarm has not heard of it yet */
        return 0;
    }
    if (!view.any || view.newest.phase != ZN_TASK_RUNNING) {
        *status = not_running(&view, c);
        return 0;
    }
    r = zn_check_ask(m->work, d, &view.newest, zn_periodic_stop_fd(self), c, err);
    if (r < 0)
        return -1;
    /* One bad answer may be a hiccup; the next look comes soon and decides. */
    bool sure = r > 0 || due->doubted || strcmp(d->status, "HEALTHY") != 0;
    due->doubted = r == 0;
    if (sure)
        *status = r > 0 ? "HEALTHY" : "UNHEALTHY";
    return 0;
}

static int64_t between(int64_t ms, int64_t min, int64_t max)
{
    return ms < min ? min : ms > max ? max : ms;
}

static int watch(struct zn_monitor *m, struct zn_periodic *self, PGresult *rows, int row,
                 struct zn_err *err)
{
    struct zn_dep d = { 0 };
    struct zn_check c;
    const char *status;
    struct due *due = due_of(m, zn_col(rows, row, "hash"));
    int r;

    if (!due)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    due->seen = true;
    if (zn_now_ms() < due->at_ms)
        return 0;
    due->at_ms = zn_now_ms() + SOON_MS;
    if (zn_dep_read(m->work, rows, row, &d, err) < 0)
        return -1;
    zn_check_read(d.snapshot, &c);
    r = look(m, self, &d, due, &c, &status, err);
    if (r == 0 && status && !zn_periodic_stopping(self)) {
        bool well = strcmp(status, "HEALTHY") == 0;
        const char *reason = well ? NULL : c.last;

        if (well)
            due->at_ms = zn_now_ms() + between(c.interval_ms, INTERVAL_MIN_MS, INTERVAL_MAX_MS);
        if (strcmp(d.status, status) != 0)
            zn_info("deployment %s is %s%s%s", d.hash, status, well ? "" : ": ", well ? "" : reason);
        r = zn_sql_once(m->work->store, ZN_SQL_DEPLOYMENT_WATCHED, ZN_P(d.hash, status, reason), NULL,
                        err);
    }
    zn_dep_done(&d);
    return r;
}

static int round_of(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_monitor *m = arg;
    zn_auto_pgresult rows = NULL;
    int bad = 0;

    if (zn_sql_once(m->work->store, ZN_SQL_WORK_WANTED, ZN_P0, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < m->ndue; i++)
        m->due[i].seen = false;
    for (int i = 0; i < PQntuples(rows) && !zn_periodic_stopping(self); i++) {
        struct zn_err one = { 0 };

        if (watch(m, self, rows, i, &one) < 0 && !bad++)
            *err = one;
    }
    forget_unseen(m);
    return bad ? -1 : 0;
}

int zn_monitor_start(struct zn_work *w, struct zn_monitor **ret, struct zn_err *err)
{
    struct zn_monitor *m = calloc(1, sizeof *m);

    if (!m)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    m->work = w;
    struct zn_periodic_config c = { .name = "monitor",
                                    .fn = round_of,
                                    .arg = m,
                                    .period_ms = TICK_MS,
                                    .retry_first_ms = TICK_MS,
                                    .retry_max_ms = FAILING_MS };
    if (zn_periodic_start(&c, &m->thread, err) < 0) {
        free(m);
        return -1;
    }
    *ret = m;
    return 0;
}

void zn_monitor_stop(struct zn_monitor *m)
{
    if (!m)
        return;
    zn_periodic_stop(m->thread);
    free(m->due);
    free(m);
}
