/* Drives the store against a real Postgres: `store_probe PORT PASSWORD COMMAND [ARG]`; prints one JSON
 * line. Commands: migrate DIR · catalogue · swallowed (a transaction function that hides a failed
 * statement) · contend (two transactions that lock two rows crosswise) · exhausted. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "zaned/store/store.h"

static struct zn_store *store;

static void say(json_t *line)
{
    zn_auto_json owned = line;
    zn_auto_mem char *text = json_dumps(line, JSON_COMPACT);

    puts(text);
}

static json_t *outcome(int r, const struct zn_err *err)
{
    return json_pack("{s:b,s:s,s:s,s:s}", "ok", r == 0, "code", zn_code_name(r ? err->code : ZN_OK),
                     "msg", r ? err->msg : "", "detail", r ? err->detail : "");
}

/* What the server says of each prepared statement against what the table says. */
static int catalogue(void)
{
    struct zn_err err = { 0 };
    json_t *bad = json_array();
    struct zn_conn *c;

    if (zn_store_acquire(store, &c, &err) < 0)
        return say(outcome(-1, &err)), 1;
    PQsetnonblocking(zn_conn_pg(c), 0);
    for (int i = 0; i < ZN_SQL_MAX; i++) {
        const struct zn_sql *q = &zn_sql_table[i];
        zn_auto_pgresult made = PQprepare(zn_conn_pg(c), q->name, q->text, 0, NULL);
        zn_auto_pgresult told = PQdescribePrepared(zn_conn_pg(c), q->name);

        if (PQresultStatus(made) != PGRES_COMMAND_OK)
            json_array_append_new(bad, json_pack("[s,s]", q->name, PQresultErrorMessage(made)));
        else if (PQnparams(told) != q->nargs)
            json_array_append_new(bad, json_pack("[s,s]", q->name, "number of parameters"));
    }
    zn_store_release(store, c);
    say(json_pack("{s:i,s:o}", "statements", (int)ZN_SQL_MAX, "bad", bad));
    return 0;
}

static int swallow(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_err ignored = { 0 };

    (void)arg;
    if (zn_sql(c, ZN_SQL_WORKSPACE_INSERT, ZN_P("wrk_kept", "kept"), NULL, err) < 0)
        return -1;
    zn_sql(c, ZN_SQL_WORKSPACE_INSERT, ZN_P("wrk_kept", "again"), NULL, &ignored);
    return 0;
}

struct side {
    const char *first, *second;
    pthread_barrier_t *both;
    unsigned tries;
    int r;
    struct zn_err err;
};

static int cross(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct side *s = arg;
    zn_auto_pgresult a = NULL;
    zn_auto_pgresult b = NULL;

    if (zn_sql(c, ZN_SQL_USER_PASSWORD, ZN_P(s->first, "x"), &a, err) < 0)
        return -1;
    if (s->tries++ == 0)
        pthread_barrier_wait(s->both);
    return zn_sql(c, ZN_SQL_USER_PASSWORD, ZN_P(s->second, "y"), &b, err);
}

static void *cross_main(void *arg)
{
    struct side *s = arg;

    s->r = zn_tx(store, cross, s, &s->err);
    return NULL;
}

static int contend(void)
{
    pthread_barrier_t both;
    struct side s[2] = { { .first = "1", .second = "2", .both = &both },
                         { .first = "2", .second = "1", .both = &both } };
    pthread_t t[2];

    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, cross_main, &s[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    say(json_pack("{s:b,s:i}", "ok", s[0].r == 0 && s[1].r == 0, "tries",
                  (int)(s[0].tries + s[1].tries)));
    return 0;
}

static int exhausted(void)
{
    struct zn_err err = { 0 };
    struct zn_conn *held[4], *more;
    int64_t start;
    int r;

    for (int i = 0; i < 4; i++)
        if (zn_store_acquire(store, &held[i], &err) < 0)
            return say(outcome(-1, &err)), 1;
    start = zn_now_ms();
    r = zn_store_acquire(store, &more, &err);
    json_t *o = outcome(r, &err);
    json_object_set_new(o, "ms", json_integer(zn_now_ms() - start));
    say(o);
    for (int i = 0; i < 4; i++)
        zn_store_release(store, held[i]);
    return 0;
}

int main(int argc, char **argv)
{
    struct zn_err err = { 0 };
    unsigned applied = 0;
    int r;

    if (argc < 4)
        return 2;
    struct zn_store_config cfg = { .host = "127.0.0.1", .user = "zane", .password = argv[2],
                                   .dbname = "zane", .port = (int)strtol(argv[1], NULL, 10),
                                   .max_conns = 4, .acquire_ms = 300, .statement_ms = 10000,
                                   .application = "store_probe" };
    if (zn_store_open(&cfg, &store, &err) < 0)
        return 1;
    if (strcmp(argv[3], "migrate") == 0 && argc == 5) {
        r = zn_migrate(store, argv[4], &applied, &err);
        json_t *o = outcome(r, &err);
        json_object_set_new(o, "applied", json_integer(applied));
        say(o);
    } else if (strcmp(argv[3], "catalogue") == 0) {
        r = catalogue();
    } else if (strcmp(argv[3], "contend") == 0) {
        r = contend();
    } else if (strcmp(argv[3], "exhausted") == 0) {
        r = exhausted();
    } else {
        r = zn_tx(store, swallow, NULL, &err);
        say(outcome(r, &err));
    }
    zn_store_close(store);
    return 0;
}
