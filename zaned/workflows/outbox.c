#include "zaned/workflows/outbox.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/periodic.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

static const int64_t RETRY_FIRST_MS = 200, RETRY_MAX_MS = 10000;
static const int64_t CONNECT_FIRST_MS = 100, CONNECT_MAX_MS = 5000;
static const int64_t STABLE_MS = 10000; /* a connection that held this long starts the backoff anew */
static const int64_t IDLE_MS = 5000; /* a lost notification costs at most this */

struct zn_outbox {
    struct zn_work *work;
    struct zn_periodic *thread;
};

static int start_workflow(struct zn_work *w, const json_t *p, struct zn_err *err)
{
    char run[40];
    const char *id = zn_json_str(p, "workflow_id", "");
    struct zt_start_opts o = { .id = id,
                               .type = zn_json_str(p, "workflow_type", ""),
                               .queue = ZN_TASK_QUEUE,
                               .input = json_object_get(p, "input"),
                               .request_id = id,
                               .reuse = ZT_REUSE_FAILED_ONLY };

    if (zt_client_start(w->temporal, &o, run, err) == 0 || err->code == ZN_CONFLICT)
        return 0; /* started, now or by an earlier delivery */
    return -1;
}

static int cancel_workflow(struct zn_work *w, const json_t *p, struct zn_err *err)
{
    const char *id = zn_json_str(p, "workflow_id", "");

    if (zt_client_cancel(w->temporal, id, zn_json_str(p, "reason", "cancelled"), err) == 0 ||
        err->code == ZN_NOT_FOUND)
        return 0; /* it ended before */
    return -1;
}

/* request_id: of the row, so that the workflow gets it once however often it is delivered. */
static int signal_workflow(struct zn_work *w, const json_t *p, const char *request_id,
                           struct zn_err *err)
{
    const char *id = zn_json_str(p, "workflow_id", "");

    if (zt_client_signal_once(w->temporal, id, zn_json_str(p, "signal", ""),
                              json_object_get(p, "input"), request_id, err) == 0 ||
        err->code == ZN_NOT_FOUND)
        return 0; /* it ended before */
    return -1;
}

static int deliver(struct zn_work *w, const char *row_id, const char *kind, const char *payload, struct zn_err *err)
{
    zn_auto_json p = NULL;

    if (zn_json_parse(payload, strlen(payload), &p, err) < 0)
        return -1;
    if (strcmp(kind, "start_workflow") == 0)
        return start_workflow(w, p, err);
    if (strcmp(kind, "cancel_workflow") == 0)
        return cancel_workflow(w, p, err);
    if (strcmp(kind, "signal_workflow") == 0) {
        char request[48];

        snprintf(request, sizeof request, "outbox-%.40s", row_id);
        return signal_workflow(w, p, request, err);
    }
    return zn_fail(err, ZN_INVALID, "unknown outbox kind %s", kind);
}

static int deliver_row(struct zn_work *w, PGresult *rows, int i, struct zn_err *err)
{
    const char *id = zn_col(rows, i, "id"), *kind = zn_col(rows, i, "kind");
    struct zn_err why = { 0 };
    char wait[32];
    unsigned tries = (unsigned)zn_col_i64(rows, i, "attempts");

    if (deliver(w, id, kind, zn_col(rows, i, "payload"), &why) == 0)
        return zn_sql_once(w->store, ZN_SQL_OUTBOX_DONE, ZN_P(id, NULL), NULL, err);
    zn_warn("outbox %s of %s: %s try=%u", kind, zn_col(rows, i, "key"), why.msg, tries + 1);
    if (why.code == ZN_INVALID) /* no later try can succeed; the row keeps the reason */
        return zn_sql_once(w->store, ZN_SQL_OUTBOX_DONE, ZN_P(id, why.msg), NULL, err);
    uint32_t rnd;
    zn_random(&rnd, sizeof rnd);
    snprintf(wait, sizeof wait, "%lld",
             (long long)zn_backoff_ms(tries, RETRY_FIRST_MS, RETRY_MAX_MS, rnd));
    return zn_sql_once(w->store, ZN_SQL_OUTBOX_RETRY, ZN_P(id, why.msg, wait), NULL, err);
}

/* Delivers what is due; *wait_ms: until the next row is. */
static int round_of(struct zn_work *w, int64_t *wait_ms, struct zn_err *err)
{
    zn_auto_pgresult next = NULL;
    int n;

    do {
        zn_auto_pgresult rows = NULL;

        if (zn_sql_once(w->store, ZN_SQL_OUTBOX_DUE, ZN_P0, &rows, err) < 0)
            return -1;
        n = PQntuples(rows);
        for (int i = 0; i < n; i++)
            if (deliver_row(w, rows, i, err) < 0)
                return -1;
    } while (n > 0);
    if (zn_sql_once(w->store, ZN_SQL_OUTBOX_WAIT_MS, ZN_P0, &next, err) < 0)
        return -1;
    *wait_ms = zn_col_i64(next, 0, "ms");
    return 0;
}

/* Sleeps until a notification, the time-out or the stop. False if the connection is gone. */
static bool sleep_until(struct zn_periodic *self, PGconn *pg, int64_t ms)
{
    struct pollfd p[2] = { { .fd = PQsocket(pg), .events = POLLIN },
                           { .fd = zn_periodic_stop_fd(self), .events = POLLIN } };
    PGnotify *note;

    if (poll(p, 2, ms < 1 ? 1 : ms > IDLE_MS ? (int)IDLE_MS : (int)ms) < 0 && errno != EINTR)
        return false;
    if (!PQconsumeInput(pg))
        return false;
    while ((note = PQnotifies(pg)))
        PQfreemem(note);
    return PQstatus(pg) == CONNECTION_OK;
}

/* Works on one connection until it breaks. */
static int session(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_outbox *o = arg;
    struct zn_conn *listen = NULL;
    int r;

    if (zn_store_acquire(o->work->store, &listen, err) < 0)
        return -1;
    r = zn_conn_listen(listen, "outbox", err);
    while (r == 0 && !zn_periodic_stopping(self)) {
        int64_t wait = IDLE_MS;

        r = round_of(o->work, &wait, err);
        if (r == 0 && !sleep_until(self, zn_conn_pg(listen), wait))
            r = zn_fail(err, ZN_UNAVAILABLE, "the database closed the connection");
    }
    zn_store_release(o->work->store, listen);
    return r;
}

int zn_outbox_start(struct zn_work *w, struct zn_outbox **ret, struct zn_err *err)
{
    struct zn_outbox *o = calloc(1, sizeof *o);

    if (!o)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    o->work = w;
    struct zn_periodic_config c = { .name = "outbox",
                                    .fn = session,
                                    .arg = o,
                                    .retry_first_ms = CONNECT_FIRST_MS,
                                    .retry_max_ms = CONNECT_MAX_MS,
                                    .stable_ms = STABLE_MS };
    if (zn_periodic_start(&c, &o->thread, err) < 0) {
        free(o);
        return -1;
    }
    *ret = o;
    return 0;
}

void zn_outbox_stop(struct zn_outbox *o)
{
    if (!o)
        return;
    zn_periodic_stop(o->thread);
    free(o);
}
