/* Applies the migrations of argv[1] twice, then prepares every statement of the catalogue and compares
 * its parameters with what the server says. Connection by ZN_PG_… as zaned; password in $PGPASSWORD. */
#include <stdio.h>
#include <stdlib.h>

#include "zaned/store/store.h"

static int check(struct zn_conn *c, const struct zn_sql *q)
{
    /* Under a name of its own: the migrations have prepared some already. */
    zn_auto_pgresult made = PQprepare(zn_conn_pg(c), "check", q->text, 0, NULL);
    zn_auto_pgresult described = NULL;
    zn_auto_pgresult gone = NULL;

    if (PQresultStatus(made) != PGRES_COMMAND_OK) {
        printf("not ok %s: %s", q->name, PQresultErrorMessage(made));
        return 1;
    }
    described = PQdescribePrepared(zn_conn_pg(c), "check");
    gone = PQexec(zn_conn_pg(c), "deallocate \"check\"");
    if (PQnparams(described) != q->nargs) {
        printf("not ok %s: %d parameters, the catalogue says %d\n", q->name, PQnparams(described), q->nargs);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct zn_store_config cfg = { .host = "127.0.0.1", .user = "zane", .dbname = "zane",
                                   .password = getenv("PGPASSWORD"), .max_conns = 2, .acquire_ms = 5000,
                                   .statement_ms = 10000, .application = "catalogue" };
    struct zn_store *store = NULL;
    struct zn_conn *c = NULL;
    struct zn_err err = { 0 };
    unsigned first = 0, again = 0;
    int bad = 0;

    if (argc != 3)
        return 2;
    cfg.port = (int)strtol(argv[2], NULL, 10);
    if (zn_store_open(&cfg, &store, &err) < 0 || zn_migrate(store, argv[1], &first, &err) < 0 ||
        zn_migrate(store, argv[1], &again, &err) < 0 || zn_store_acquire(store, &c, &err) < 0) {
        printf("not ok: %s %s\n", err.msg, err.detail);
        zn_store_close(store);
        return 1;
    }
    for (int i = 0; i < ZN_SQL_MAX; i++)
        bad += check(c, &zn_sql_table[i]);
    printf("%d statements, %d bad, migrations first=%u again=%u\n", ZN_SQL_MAX, bad, first, again);
    zn_store_release(store, c);
    zn_store_close(store);
    return bad != 0;
}
