/* Postgres: a pool of connections, transactions with bounded retry, the catalogue of statements.
 * SQL text lives in the sql_*.h files only, as X(ID, number of parameters, text).
 *
 *     static int rename_it(struct zn_conn *c, void *arg, struct zn_err *err)
 *     {
 *         zn_auto_pgresult res = NULL;
 *         return zn_sql(c, ZN_SQL_THING_RENAME, ZN_P(id, name), &res, err);
 *     }
 *     zn_tx(store, rename_it, arg, err);
 */
#ifndef ZN_STORE_STORE_H
#define ZN_STORE_STORE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/guard.h"
#include "base/json.h"
#include "zaned/store/sql_api.h"
#include "zaned/store/sql_auth.h"
#include "zaned/store/sql_change.h"
#include "zaned/store/sql_deploy.h"
#include "zaned/store/sql_http.h"
#include "zaned/store/sql_people.h"
#include "zaned/store/sql_place.h"
#include "zaned/store/sql_registry.h"
#include "zaned/store/sql_security.h"

#define ZN_SQL_CATALOGUE(X)                                                                    \
    ZN_SQL_AUTH(X) ZN_SQL_API(X) ZN_SQL_DEPLOY(X) ZN_SQL_PEOPLE(X) ZN_SQL_SECURITY(X)          \
    ZN_SQL_CHANGE(X) ZN_SQL_REGISTRY(X) ZN_SQL_PLACE(X) ZN_SQL_HTTP(X)

enum zn_sql_id {
#define X(id, nargs, text) ZN_SQL_##id,
    ZN_SQL_CATALOGUE(X)
#undef X
        ZN_SQL_MAX
};

struct zn_sql {
    const char *name, *text;
    int nargs;
};
extern const struct zn_sql zn_sql_table[ZN_SQL_MAX];

ZN_DEFINE_AUTO(pgresult, PGresult *, PQclear);
#define zn_auto_pgresult ZN_AUTO(zn_auto_pgresult) PGresult *

struct zn_store; /* shared by all threads */
struct zn_conn;  /* one connection; used by one thread at a time */

struct zn_store_config {
    const char *host, *user, *password, *dbname; /* copied */
    int port;
    unsigned max_conns;      /* most connections at once */
    int acquire_ms;          /* deadline to get one: then ZN_BUSY */
    int statement_ms;        /* statement_timeout; also the connect time-out, rounded up to s */
    const char *application; /* application_name */
};

/* No connection is made here: the database may come later. Owner: the caller. */
int zn_store_open(const struct zn_store_config *cfg, struct zn_store **ret, struct zn_err *err);
void zn_store_close(struct zn_store *s); /* all connections must have been released; NULL is fine */

/* A connection for one thread until zn_store_release. ZN_BUSY: none became free in time;
 * ZN_UNAVAILABLE: the database does not answer. */
int zn_store_acquire(struct zn_store *s, struct zn_conn **ret, struct zn_err *err);
void zn_store_release(struct zn_store *s, struct zn_conn *c);
/* The connection underneath, for LISTEN and PQconsumeInput only; owned by c. */
PGconn *zn_conn_pg(struct zn_conn *c);
/* LISTEN on a channel (a plain identifier). Notifications then arrive on zn_conn_pg; the connection
 * is closed, not pooled, when it is released. */
int zn_conn_listen(struct zn_conn *c, const char *channel, struct zn_err *err);

/* BEGIN, fn, COMMIT; ROLLBACK if fn fails. All of it again, at most 5 times with backoff, on
 * serialization failure or deadlock, so fn must not have effects outside the database. */
typedef int (*zn_tx_fn)(struct zn_conn *c, void *arg, struct zn_err *err);
int zn_tx(struct zn_store *s, zn_tx_fn fn, void *arg, struct zn_err *err);

/* Parameters of a statement: texts, NULL for SQL null. A wrong number is a bug and aborts. */
#define ZN_P(...)                                                              \
    (int)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *)), \
        (const char *const[])                                                  \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define ZN_P0 0, NULL

/* Runs one catalogue statement (prepared on first use). *ret: the rows, for PQclear by the caller
 * (use zn_auto_pgresult); ret may be NULL. No row is not an error. 23505 → ZN_CONFLICT, 23503 →
 * ZN_NOT_FOUND, a value of wrong form (22…) → ZN_INVALID, no connection or no answer in time →
 * ZN_UNAVAILABLE, statement time-out → ZN_BUSY, else ZN_INTERNAL with the server's words in
 * err->detail. */
int zn_sql(struct zn_conn *c, enum zn_sql_id id, int nparams, const char *const *params,
           PGresult **ret, struct zn_err *err);

/* One statement outside a transaction function: acquire, zn_sql, release. */
int zn_sql_once(struct zn_store *s, enum zn_sql_id id, int nparams, const char *const *params,
                PGresult **ret, struct zn_err *err);

/* Value of a named column, NULL if it is SQL null; borrowed from res. A missing column aborts. */
const char *zn_col(const PGresult *res, int row, const char *name);
bool zn_col_bool(const PGresult *res, int row, const char *name);         /* null = false */
long long zn_col_i64(const PGresult *res, int row, const char *name);     /* null = 0 */
/* The JSON of the column doc of all rows, as a list; new reference, NULL: out of memory. */
json_t *zn_col_docs(const PGresult *res);

/* A statement without parameters that the catalogue cannot hold; for the store's own files only. */
int zn_conn_plain(struct zn_conn *c, const char *text, struct zn_err *err);

/* Applies migrations/NNNN_name.{expand,contract}.sql from dir in order, each in a transaction, all
 * under an advisory lock. A file that changed after it was applied is refused (ZN_CONFLICT).
 * *applied = how many ran now. */
int zn_migrate(struct zn_store *s, const char *dir, unsigned *applied, struct zn_err *err);

#endif
