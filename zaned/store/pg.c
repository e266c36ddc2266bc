#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "zaned/store/store.h"

enum { TX_TRIES = 5, FREE_MAX = 32 };
static const int64_t TX_FIRST_MS = 10, TX_MAX_MS = 300;

const struct zn_sql zn_sql_table[ZN_SQL_MAX] = {
#define X(id, nargs, text) [ZN_SQL_##id] = { #id, text, nargs },
    ZN_SQL_CATALOGUE(X)
#undef X
};

struct zn_conn {
    PGconn *pg;
    struct zn_conn *next; /* in the free list */
    bool prepared[ZN_SQL_MAX];
    bool in_tx;
};

struct zn_store {
    char *conninfo;
    unsigned max_conns;
    int acquire_ms, statement_ms;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct zn_conn *free;
    unsigned in_use;
};

/* key='value' with quotes and backslashes escaped, as libpq reads it. */
static void option(struct zn_buf *b, const char *key, const char *value)
{
    zn_buf_printf(b, "%s='", key);
    for (const char *p = value ? value : ""; *p; p++) {
        if (*p == '\'' || *p == '\\')
            zn_buf_putc(b, '\\');
        zn_buf_putc(b, *p);
    }
    zn_buf_puts(b, "' ");
}

int zn_store_open(const struct zn_store_config *cfg, struct zn_store **ret, struct zn_err *err)
{
    struct zn_store *s = calloc(1, sizeof *s);
    zn_auto_buf struct zn_buf b = ZN_BUF(8192);
    char text[96];

    option(&b, "host", cfg->host);
    option(&b, "user", cfg->user);
    option(&b, "password", cfg->password);
    option(&b, "dbname", cfg->dbname);
    option(&b, "application_name", cfg->application);
    snprintf(text, sizeof text, "-c statement_timeout=%d -c idle_in_transaction_session_timeout=60000",
             cfg->statement_ms);
    option(&b, "options", text);
    zn_buf_printf(&b, "port=%d connect_timeout=%d keepalives_idle=30 keepalives_interval=5 "
                      "keepalives_count=3 tcp_user_timeout=15000 client_encoding=UTF8",
                  cfg->port, (cfg->statement_ms + 999) / 1000);
    if (!s || !zn_buf_str(&b)) {
        free(s);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    s->conninfo = zn_buf_take(&b);
    s->max_conns = cfg->max_conns ? cfg->max_conns : 4;
    s->acquire_ms = cfg->acquire_ms ? cfg->acquire_ms : 5000;
    s->statement_ms = cfg->statement_ms;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->freed, &attr);
    pthread_condattr_destroy(&attr);
    *ret = s;
    return 0;
}

static void conn_free(struct zn_conn *c)
{
    PQfinish(c->pg);
    free(c);
}

void zn_store_close(struct zn_store *s)
{
    if (!s)
        return;
    while (s->free) {
        struct zn_conn *c = s->free;
        s->free = c->next;
        conn_free(c);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->freed);
    explicit_bzero(s->conninfo, strlen(s->conninfo));
    free(s->conninfo);
    free(s);
}

/* First line of the server's words, without the line break. */
static void first_line(const char *text, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static int connect_new(struct zn_store *s, struct zn_conn **ret, struct zn_err *err)
{
    struct zn_conn *c = calloc(1, sizeof *c);
    char why[200];

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    c->pg = PQconnectdb(s->conninfo);
    if (PQstatus(c->pg) != CONNECTION_OK) {
        first_line(PQerrorMessage(c->pg), why, sizeof why);
        conn_free(c);
        return zn_fail(err, ZN_UNAVAILABLE, "database: %s", why);
    }
    *ret = c;
    return 0;
}

/* A place in the pool, with an old connection if one is left. */
static int take_place(struct zn_store *s, struct zn_conn **ret, struct zn_err *err)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += s->acquire_ms / 1000;
    until.tv_nsec += s->acquire_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&s->lock);
    int r = 0;
    while (s->in_use >= s->max_conns && r == 0)
        r = pthread_cond_timedwait(&s->freed, &s->lock, &until);
    if (s->in_use >= s->max_conns) {
        pthread_mutex_unlock(&s->lock);
        return zn_fail(err, ZN_BUSY, "no database connection became free within %d ms",
                       s->acquire_ms);
    }
    s->in_use++;
    *ret = s->free;
    if (s->free)
        s->free = s->free->next;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static void give_place(struct zn_store *s, struct zn_conn *c)
{
    pthread_mutex_lock(&s->lock);
    s->in_use--;
    if (c) {
        c->next = s->free;
        s->free = c;
    }
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

/* The server closed the connection while it lay in the pool? Then there is something to read. */
static bool alive(struct zn_conn *c)
{
    struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };

    if (PQstatus(c->pg) != CONNECTION_OK || p.fd < 0)
        return false;
    if (poll(&p, 1, 0) > 0 && !PQconsumeInput(c->pg))
        return false;
    return PQstatus(c->pg) == CONNECTION_OK;
}

int zn_store_acquire(struct zn_store *s, struct zn_conn **ret, struct zn_err *err)
{
    struct zn_conn *c = NULL;

    if (take_place(s, &c, err) < 0)
        return -1;
    if (c && !alive(c)) {
        conn_free(c);
        c = NULL;
    }
    if (!c && connect_new(s, &c, err) < 0) {
        give_place(s, NULL);
        return -1;
    }
    *ret = c;
    return 0;
}

void zn_store_release(struct zn_store *s, struct zn_conn *c)
{
    if (PQstatus(c->pg) != CONNECTION_OK || PQtransactionStatus(c->pg) != PQTRANS_IDLE) {
        conn_free(c);
        c = NULL;
    }
    give_place(s, c);
}

PGconn *zn_conn_pg(struct zn_conn *c)
{
    return c->pg;
}

/* --- statements --------------------------------------------------------------------------------- */

static bool starts(const char *state, const char *cls)
{
    return state && strncmp(state, cls, strlen(cls)) == 0;
}

/* Column names in "Key (a, b)=(…) already exists." say which field is taken. */
static void conflict_text(const PGresult *res, char *ret, size_t size)
{
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *open = detail ? strchr(detail, '(') : NULL;
    const char *close = open ? strchr(open, ')') : NULL;

    if (close)
        snprintf(ret, size, "%.*s is taken already", (int)(close - open - 1), open + 1);
    else
        snprintf(ret, size, "it exists already");
}

static int sql_error(struct zn_conn *c, const char *name, const PGresult *res, struct zn_err *err)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *words = res ? PQresultErrorMessage(res) : PQerrorMessage(c->pg);
    char line[300];

    first_line(words, line, sizeof line);
    if (PQstatus(c->pg) != CONNECTION_OK || !state || starts(state, "57P") || starts(state, "08"))
        zn_fail(err, ZN_UNAVAILABLE, "the database connection was lost");
    else if (strcmp(state, "23505") == 0) {
        char text[160];
        conflict_text(res, text, sizeof text);
        zn_fail(err, ZN_CONFLICT, "%s", text);
    } else if (strcmp(state, "23503") == 0)
        zn_fail(err, ZN_NOT_FOUND, "something it refers to does not exist");
    else if (starts(state, "22")) /* data exception: a date that is none, a number out of range */
        zn_fail(err, ZN_INVALID, "a value is not valid: %s", line);
    else if (strcmp(state, "57014") == 0)
        zn_fail(err, ZN_BUSY, "the database took too long");
    else if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 ||
             strcmp(state, "55P03") == 0)
        zn_fail(err, ZN_BUSY, "the database is busy with the same rows");
    else
        zn_fail(err, ZN_INTERNAL, "database error");
    zn_detail(err, "statement=%s state=%s %s", name, state ? state : "-", line);
    return -1;
}

static int prepare(struct zn_conn *c, enum zn_sql_id id, struct zn_err *err)
{
    const struct zn_sql *q = &zn_sql_table[id];
    zn_auto_pgresult res = NULL;

    if (c->prepared[id])
        return 0;
    res = PQprepare(c->pg, q->name, q->text, 0, NULL);
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return sql_error(c, q->name, res, err);
    c->prepared[id] = true;
    return 0;
}

int zn_sql(struct zn_conn *c, enum zn_sql_id id, int nparams, const char *const *params,
           PGresult **ret, struct zn_err *err)
{
    const struct zn_sql *q = &zn_sql_table[id];
    zn_auto_pgresult res = NULL;

    if (nparams != q->nargs)
        zn_bug("statement %s takes %d parameters, not %d", q->name, q->nargs, nparams);
    if (prepare(c, id, err) < 0)
        return -1;
    res = PQexecPrepared(c->pg, q->name, nparams, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        return sql_error(c, q->name, res, err);
    if (ret)
        *ret = ZN_TAKE(res);
    return 0;
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

/* A statement without parameters that the catalogue cannot hold (BEGIN, LISTEN, migrations). */
static int plain(struct zn_conn *c, const char *text, struct zn_err *err)
{
    zn_auto_pgresult res = PQexec(c->pg, text);
    ExecStatusType st = PQresultStatus(res);

    if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK)
        return 0;
    return sql_error(c, "plain", res, err);
}

int zn_conn_plain(struct zn_conn *c, const char *text, struct zn_err *err)
{
    return plain(c, text, err);
}

int zn_conn_listen(struct zn_conn *c, const char *channel, struct zn_err *err)
{
    char text[80];

    snprintf(text, sizeof text, "listen %.60s", channel);
    return plain(c, text, err);
}

static bool worth_again(const struct zn_err *err)
{
    return err->code == ZN_BUSY && (strstr(err->detail, "state=40001") ||
                                    strstr(err->detail, "state=40P01"));
}

static int tx_once(struct zn_conn *c, zn_tx_fn fn, void *arg, struct zn_err *err)
{
    struct zn_err ignored = { 0 };

    if (plain(c, "begin", err) < 0)
        return -1;
    if (fn(c, arg, err) < 0) {
        plain(c, "rollback", &ignored);
        return -1;
    }
    return plain(c, "commit", err);
}

int zn_tx(struct zn_store *s, zn_tx_fn fn, void *arg, struct zn_err *err)
{
    struct zn_conn *c;
    int r = -1;

    if (zn_store_acquire(s, &c, err) < 0)
        return -1;
    for (unsigned i = 0; i < TX_TRIES; i++) {
        uint32_t rnd;

        memset(err, 0, sizeof *err);
        r = tx_once(c, fn, arg, err);
        if (r == 0 || !worth_again(err))
            break;
        zn_random(&rnd, sizeof rnd);
        zn_pause_ms(zn_backoff_ms(i, TX_FIRST_MS, TX_MAX_MS, rnd));
    }
    zn_store_release(s, c);
    return r;
}

/* --- reading rows ------------------------------------------------------------------------------- */

const char *zn_col(const PGresult *res, int row, const char *name)
{
    int col = PQfnumber(res, name);

    if (col < 0)
        zn_bug("no column %s in the result", name);
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
