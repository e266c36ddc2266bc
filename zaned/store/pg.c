#include "zaned/store/store.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "zaned/store/conn.h"

enum {
    TX_TRIES = 5,
    GRACE_MS = 1000, /* the server's own statement_timeout should speak first */
    IDLE_IN_TX_MS = 60000,
};

const struct zn_sql zn_sql_table[ZN_SQL_MAX] = {
#define X(id, nargs, text) [ZN_SQL_##id] = { #id, text, nargs },
    ZN_SQL_CATALOGUE(X)
#undef X
};

struct zn_conn {
    PGconn *pg;
    struct zn_conn *next;      /* in the idle list */
    int64_t statement_ms;
    bool prepared[ZN_SQL_MAX];
    bool broken;               /* not to be used again */
    bool listening;            /* has state of its own: not to be pooled again */
    bool retry;                /* the last error asks for the whole transaction again */
};

struct zn_store {
    char *host, *user, *password, *dbname, *application;
    char port[8], options[128], connect_s[12];
    struct zn_store_config cfg; /* numbers only: its texts are the caller's */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct zn_conn *idle;
    unsigned open; /* idle and handed out */
};

static char *dup_or_empty(const char *s)
{
    return strdup(s ? s : "");
}

int zn_store_open(const struct zn_store_config *cfg, struct zn_store **ret, struct zn_err *err)
{
    struct zn_store *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;

    if (!s)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    s->cfg = *cfg;
    s->host = dup_or_empty(cfg->host);
    s->user = dup_or_empty(cfg->user);
    s->password = dup_or_empty(cfg->password);
    s->dbname = dup_or_empty(cfg->dbname);
    s->application = dup_or_empty(cfg->application);
    snprintf(s->port, sizeof s->port, "%d", cfg->port);
    snprintf(s->connect_s, sizeof s->connect_s, "%d", (cfg->statement_ms + 999) / 1000);
    snprintf(s->options, sizeof s->options,
             "-c statement_timeout=%d -c idle_in_transaction_session_timeout=%d -c timezone=UTC",
             cfg->statement_ms, IDLE_IN_TX_MS);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->freed, &attr);
    pthread_condattr_destroy(&attr);
    if (!s->host || !s->user || !s->password || !s->dbname || !s->application) {
        zn_store_close(s);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    *ret = s;
    return 0;
}

static void conn_free(struct zn_conn *c)
{
    if (!c)
        return;
    PQfinish(c->pg);
    free(c);
}

void zn_store_close(struct zn_store *s)
{
    if (!s)
        return;
    while (s->idle) {
        struct zn_conn *c = s->idle;
        s->idle = c->next;
        conn_free(c);
    }
    if (s->password)
        explicit_bzero(s->password, strlen(s->password));
    free(s->host);
    free(s->user);
    free(s->password);
    free(s->dbname);
    free(s->application);
    pthread_cond_destroy(&s->freed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

static int conn_new(struct zn_store *s, struct zn_conn **ret, struct zn_err *err)
{
    const char *const keys[] = { "host", "port", "user", "password", "dbname", "application_name",
                                 "options", "connect_timeout", "keepalives_idle",
                                 "tcp_user_timeout", "client_encoding", NULL };
    const char *const vals[] = { s->host, s->port, s->user, s->password, s->dbname, s->application,
                                 s->options, s->connect_s, "60", "15000", "UTF8", NULL };
    struct zn_conn *c = calloc(1, sizeof *c);

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    c->statement_ms = s->cfg.statement_ms;
    c->pg = PQconnectdbParams(keys, vals, 0);
    if (PQstatus(c->pg) != CONNECTION_OK || PQsetnonblocking(c->pg, 1) < 0) {
        zn_fail(err, ZN_UNAVAILABLE, "the database does not answer");
        zn_detail(err, "%s", PQerrorMessage(c->pg));
        conn_free(c);
        return -1;
    }
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    *ret = c;
    return 0;
}

/* An idle connection is readable only if the server hung up or told us something. */
static bool still_alive(struct zn_conn *c)
{
    struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };

    if (poll(&p, 1, 0) > 0 && !PQconsumeInput(c->pg))
        return false;
    return PQstatus(c->pg) == CONNECTION_OK;
}

static struct timespec deadline_ts(int64_t at_ms)
{
    return (struct timespec){ .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };
}

static void forget(struct zn_store *s, struct zn_conn *c)
{
    conn_free(c);
    pthread_mutex_lock(&s->lock);
    s->open--;
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

/* 1 = *ret is an idle connection, 0 = a new one may be made (already counted), -1 = none in time. */
static int take_slot(struct zn_store *s, struct zn_conn **ret)
{
    struct timespec until = deadline_ts(zn_now_ms() + s->cfg.acquire_ms);
    int r = -1, waited = 0;

    pthread_mutex_lock(&s->lock);
    while (!s->idle && s->open >= s->cfg.max_conns && !waited)
        waited = pthread_cond_timedwait(&s->freed, &s->lock, &until);
    if (s->idle) {
        *ret = s->idle;
        s->idle = s->idle->next;
        r = 1;
    } else if (s->open < s->cfg.max_conns) {
        s->open++;
        r = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

int zn_store_acquire(struct zn_store *s, struct zn_conn **ret, struct zn_err *err)
{
    struct zn_conn *c = NULL;
    int r;

    while ((r = take_slot(s, &c)) == 1) {
        if (still_alive(c)) {
            *ret = c;
            return 0;
        }
        forget(s, c);
    }
    if (r < 0)
        return zn_fail(err, ZN_BUSY, "all %u database connections are busy", s->cfg.max_conns);
    if (conn_new(s, &c, err) < 0) {
        forget(s, NULL);
        return -1;
    }
    *ret = c;
    return 0;
}

void zn_store_release(struct zn_store *s, struct zn_conn *c)
{
    if (c->broken || c->listening || PQstatus(c->pg) != CONNECTION_OK ||
        PQtransactionStatus(c->pg) != PQTRANS_IDLE) {
        forget(s, c);
        return;
    }
    pthread_mutex_lock(&s->lock);
    c->next = s->idle;
    s->idle = c;
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

PGconn *zn_conn_pg(struct zn_conn *c)
{
    return c->pg;
}

static int lost(struct zn_conn *c, const char *why, struct zn_err *err)
{
    c->broken = true;
    zn_fail(err, ZN_UNAVAILABLE, "the database connection was lost");
    zn_detail(err, "%s", why);
    return -1;
}

struct translation {
    const char *state; /* prefix of the SQLSTATE */
    enum zn_code code;
    const char *msg;
};

static const struct translation translations[] = {
    { "23505", ZN_CONFLICT, "it exists already" },
    { "23503", ZN_NOT_FOUND, "something it refers to does not exist" },
    { "22", ZN_INVALID, "a value is not valid" }, /* a date that is none, a number out of range */
    { "57014", ZN_BUSY, "the database took too long" },
    { "55P03", ZN_BUSY, "the database is busy with a conflicting change" },
    { "40001", ZN_BUSY, "a concurrent change got in the way" },
    { "40P01", ZN_BUSY, "a concurrent change got in the way" },
    { "08", ZN_UNAVAILABLE, "the database does not answer" },
    { "53", ZN_UNAVAILABLE, "the database is out of resources" },
    { "57P", ZN_UNAVAILABLE, "the database is stopping or starting" },
};

/* Column names in "Key (a, b)=(…) already exists." say which field is taken. */
static void name_conflict(const PGresult *res, struct zn_err *err)
{
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *open = detail ? strchr(detail, '(') : NULL;
    const char *close = open ? strchr(open, ')') : NULL;

    if (close)
        zn_fail(err, ZN_CONFLICT, "%.*s is taken already", (int)(close - open - 1), open + 1);
}

static int server_error(struct zn_conn *c, const char *what, const PGresult *res,
                        struct zn_err *err)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (!state || PQstatus(c->pg) == CONNECTION_BAD)
        return lost(c, PQresultErrorMessage(res), err);
    zn_fail(err, ZN_INTERNAL, "the database refused a statement");
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++)
        if (zn_starts_with(state, translations[i].state)) {
            zn_fail(err, translations[i].code, "%s", translations[i].msg);
            break;
        }
    if (err->code == ZN_CONFLICT)
        name_conflict(res, err);
    if (err->code == ZN_INVALID)
        zn_fail(err, ZN_INVALID, "a value is not valid: %s", text ? text : "");
    c->retry = zn_starts_with(state, "40001") || zn_starts_with(state, "40P01");
    zn_detail(err, "statement=%s state=%s %s", what, state, text ? text : "");
    return -1;
}

/* Waits until the connection can be read (or written while there is output); false past the
 * deadline or on a broken connection. */
static bool wait_io(struct zn_conn *c, bool output, int64_t until)
{
    struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN | (output ? POLLOUT : 0) };
    int64_t left = until - zn_now_ms();

    if (p.fd < 0 || left <= 0)
        return false;
    return poll(&p, 1, (int)left) >= 0;
}

/* The last result of what was sent, or an error of the first statement that failed. */
static int collect(struct zn_conn *c, const char *what, int64_t until, PGresult **ret,
                   struct zn_err *err)
{
    zn_auto_pgresult last = NULL;
    int flushing;

    while ((flushing = PQflush(c->pg)) == 1) {
        if (!wait_io(c, true, until) || !PQconsumeInput(c->pg))
            return lost(c, "deadline or broken connection while sending", err);
    }
    if (flushing < 0)
        return lost(c, PQerrorMessage(c->pg), err);
    for (;;) {
        PGresult *next;

        while (PQisBusy(c->pg)) {
            if (!wait_io(c, false, until))
                return lost(c, "deadline while waiting for the answer", err);
            if (!PQconsumeInput(c->pg))
                return lost(c, PQerrorMessage(c->pg), err);
        }
        next = PQgetResult(c->pg);
        if (!next)
            break;
        if (last && PQresultStatus(last) == PGRES_FATAL_ERROR) {
            PQclear(next);
            continue;
        }
        PQclear(last);
        last = next;
    }
    if (!last)
        return lost(c, PQerrorMessage(c->pg), err);
    if (PQresultStatus(last) != PGRES_TUPLES_OK && PQresultStatus(last) != PGRES_COMMAND_OK)
        return server_error(c, what, last, err);
    if (ret)
        *ret = ZN_TAKE(last);
    return 0;
}

int zn_conn_exec(struct zn_conn *c, const char *text, int64_t deadline_ms, PGresult **ret,
                 struct zn_err *err)
{
    c->retry = false;
    if (c->broken || !PQsendQuery(c->pg, text))
        return lost(c, PQerrorMessage(c->pg), err);
    return collect(c, "exec", zn_now_ms() + deadline_ms, ret, err);
}

static int run(struct zn_conn *c, const char *text, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    return zn_conn_exec(c, text, c->statement_ms + GRACE_MS, &res, err);
}

int zn_sql(struct zn_conn *c, enum zn_sql_id id, int nparams, const char *const *params,
           PGresult **ret, struct zn_err *err)
{
    const struct zn_sql *sql = &zn_sql_table[id];
    int64_t until = zn_now_ms() + c->statement_ms + GRACE_MS;

    if (nparams != sql->nargs)
        zn_bug("statement %s takes %d parameters, not %d", sql->name, sql->nargs, nparams);
    c->retry = false;
    if (c->broken)
        return lost(c, "the connection was lost before", err);
    if (!c->prepared[id]) {
        zn_auto_pgresult prep = NULL;
        if (!PQsendPrepare(c->pg, sql->name, sql->text, 0, NULL))
            return lost(c, PQerrorMessage(c->pg), err);
        if (collect(c, sql->name, until, &prep, err) < 0)
            return -1;
        c->prepared[id] = true;
    }
    if (!PQsendQueryPrepared(c->pg, sql->name, nparams, params, NULL, NULL, 0))
        return lost(c, PQerrorMessage(c->pg), err);
    return collect(c, sql->name, until, ret, err);
}

int zn_sql_once(struct zn_store *s, enum zn_sql_id id, int nparams, const char *const *params,
                PGresult **ret, struct zn_err *err)
{
    struct zn_conn *c;
    int r;

    if (zn_store_acquire(s, &c, err) < 0)
        return -1;
    r = zn_sql(c, id, nparams, params, ret, err);
    zn_store_release(s, c);
    return r;
}

/* COMMIT of a transaction in which a statement failed answers "ROLLBACK" without an error. */
static int commit(struct zn_conn *c, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_conn_exec(c, "commit", c->statement_ms + GRACE_MS, &res, err) < 0)
        return -1;
    if (strcmp(PQcmdStatus(res), "COMMIT") != 0)
        return zn_fail(err, ZN_INTERNAL, "the transaction was rolled back");
    return 0;
}

/* 1 = try again. */
static int tx_once(struct zn_store *s, zn_tx_fn fn, void *arg, struct zn_err *err)
{
    struct zn_conn *c;
    int r;

    if (zn_store_acquire(s, &c, err) < 0)
        return -1;
    r = run(c, "begin", err);
    if (r == 0)
        r = fn(c, arg, err);
    if (r == 0)
        r = commit(c, err);
    if (r < 0 && c->retry)
        r = 1;
    if (r && !c->broken && PQtransactionStatus(c->pg) != PQTRANS_IDLE) {
        struct zn_err ignored = { 0 };
        if (run(c, "rollback", &ignored) < 0)
            c->broken = true; /* never back into the pool: the server rolls back at the close */
    }
    zn_store_release(s, c);
    return r;
}

int zn_tx(struct zn_store *s, zn_tx_fn fn, void *arg, struct zn_err *err)
{
    for (unsigned attempt = 0;; attempt++) {
        uint32_t rnd;
        int r;

        *err = (struct zn_err){ 0 };
        r = tx_once(s, fn, arg, err);
        if (r <= 0)
            return r;
        if (attempt + 1 == TX_TRIES)
            return -1;
        zn_random(&rnd, sizeof rnd);
        zn_pause_ms(zn_backoff_ms(attempt, 10, 200, rnd));
    }
}

int zn_conn_listen(struct zn_conn *c, const char *channel, struct zn_err *err)
{
    char text[80];

    for (const char *p = channel; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || *p == '_') || p - channel > 40)
            zn_bug("\"%s\" is no channel name", channel);
    snprintf(text, sizeof text, "listen %s", channel);
    c->listening = true;
    return run(c, text, err);
}

static int column(const PGresult *res, const char *name)
{
    int col = PQfnumber(res, name);

    if (col < 0)
        zn_bug("the result has no column %s", name);
    return col;
}

const char *zn_col(const PGresult *res, int row, const char *name)
{
    int col = column(res, name);

    return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

bool zn_col_bool(const PGresult *res, int row, const char *name)
{
    const char *v = zn_col(res, row, name);

    return v && *v == 't';
}

long long zn_col_i64(const PGresult *res, int row, const char *name)
{
    const char *v = zn_col(res, row, name);

    return v ? strtoll(v, NULL, 10) : 0;
}

json_t *zn_col_docs(const PGresult *res)
{
    zn_auto_json list = json_array();

    for (int i = 0; i < PQntuples(res); i++)
        if (json_array_append_new(list, json_loads(zn_col(res, i, "doc"), 0, NULL)) < 0)
            return NULL;
    return ZN_TAKE(list);
}
