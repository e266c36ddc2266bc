#include "zaned/store/rotate.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"

enum {
    BLOCKS = 8,       /* of a table in one transaction: 64 KiB, some hundred rows at most */
    PASSES = 40, /* in all: one does it all but for rows that others hold or wrote meanwhile */
    PAUSE_MS = 500,
};

/* A table with sealed values, and the piece of it that is being worked on. */
struct piece {
    const struct zn_sealer *sealer;
    const char *table, *texts, *docs; /* names of the columns, as array literals */
    long long first;
    unsigned long long rows, values, lost; /* of this piece */
};

/* One row; a row with a value that no key opens stays as it is. */
static int reseal_row(struct zn_conn *c, struct piece *p, const char *place, const char *text,
                      struct zn_err *err)
{
    zn_auto_json doc = json_loads(text, 0, NULL);
    zn_auto_json patches = json_array();
    unsigned lost = 0;

    if (!doc)
        return zn_fail(err, ZN_INTERNAL, "a row of %s is not readable as JSON", p->table);
    if (zn_reseal_json(p->sealer, doc, patches, &lost, err) < 0)
        return -1;
    p->lost += lost;
    if (lost || json_array_size(patches) == 0)
        return 0;
    zn_auto_mem char *list = json_dumps(patches, JSON_COMPACT);
    if (!list)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    p->rows++;
    p->values += json_array_size(patches);
    return zn_sql(c, ZN_SQL_SEALED_PUT,
                  ZN_P(p->table, p->texts, p->docs, place, zn_sealer_key_id(p->sealer), list), NULL,
                  err);
}

static int piece_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct piece *p = arg;
    zn_auto_pgresult rows = NULL;
    char first[24], blocks[12];

    p->rows = p->values = p->lost = 0;
    snprintf(first, sizeof first, "%lld", p->first);
    snprintf(blocks, sizeof blocks, "%d", BLOCKS);
    if (zn_sql(c, ZN_SQL_SEALED_TAKE,
               ZN_P(p->table, p->texts, p->docs, first, blocks, zn_sealer_key_id(p->sealer)), &rows,
               err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows); i++)
        if (reseal_row(c, p, zn_col(rows, i, "place"), zn_col(rows, i, "doc"), err) < 0)
            return zn_wrap(err, "sealing a row of %s", p->table);
    return 0;
}

static int do_table(struct zn_store *store, struct piece *p, long long blocks,
                    struct zn_rotation *sum, struct zn_err *err)
{
    zn_auto_pgresult left = NULL;

    for (p->first = 0; p->first < blocks; p->first += BLOCKS) {
        if (zn_tx(store, piece_tx, p, err) < 0)
            return -1;
        sum->rows += p->rows;
        sum->values += p->values;
        sum->lost += p->lost;
    }
    if (zn_sql_once(store, ZN_SQL_SEALED_LEFT,
                    ZN_P(p->table, p->texts, p->docs, zn_sealer_key_id(p->sealer)), &left, err) < 0)
        return -1;
    sum->left += (unsigned long long)zn_col_i64(left, 0, "n");
    return 0;
}

/* A pass over all tables. A table whose sealed columns have no key_id beside them is a mistake of
 * ours that would cost the values in it once the old key is gone. */
static int pass(struct zn_store *store, const struct zn_sealer *sealer, struct zn_rotation *sum,
                struct zn_err *err)
{
    zn_auto_pgresult tables = NULL;

    sum->left = sum->lost = 0;
    if (zn_sql_once(store, ZN_SQL_SEALED_TABLES, ZN_P0, &tables, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(tables); i++) {
        struct piece p = { .sealer = sealer,
                           .table = zn_col(tables, i, "tab"),
                           .texts = zn_col(tables, i, "texts"),
                           .docs = zn_col(tables, i, "docs") };

        if (!zn_col_bool(tables, i, "keyed"))
            return zn_fail(err, ZN_INTERNAL, "table %s has sealed columns, but no key_id", p.table);
        if (do_table(store, &p, zn_col_i64(tables, i, "blocks"), sum, err) < 0)
            return -1;
    }
    return 0;
}

int zn_rotate_keys(struct zn_store *store, const struct zn_sealer *sealer, struct zn_rotation *ret,
                   struct zn_err *err)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < PASSES; i++) {
        if (i)
            zn_pause_ms(PAUSE_MS);
        if (pass(store, sealer, ret, err) < 0)
            return -1;
        if (ret->left == 0)
            return 0;
        if (ret->lost)
            return zn_fail(err, ZN_INVALID, "%llu values were sealed with a key that is not here",
                           ret->lost);
    }
    return zn_fail(err, ZN_BUSY,
                   "%llu rows are held by others, or somebody still seals with another key", ret->left);
}
