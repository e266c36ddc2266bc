/* Migrations: files in order, each in a transaction, all under an advisory lock. */
#include <ctype.h>
#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "zaned/store/conn.h"

enum { FILES_MAX = 1000, NAME_MAX_LEN = 120, FILE_MAX = 4 * 1024 * 1024 };
enum { LOCK_WAIT_MS = 60000, RUN_MS = 600000 };

struct step {
    char name[NAME_MAX_LEN + 1];
    char sha256[2 * crypto_hash_sha256_BYTES + 1];
    struct zn_buf text;
};

struct steps {
    struct step *v;
    size_t n;
};

static void steps_done(struct steps *s)
{
    for (size_t i = 0; i < s->n; i++)
        zn_buf_done(&s->v[i].text);
    free(s->v);
}

/* NNNN_name.expand.sql or NNNN_name.contract.sql */
static bool step_name(const char *s)
{
    const char *p = s;

    while (isdigit((unsigned char)*p))
        p++;
    if (p - s != 4 || *p != '_' || strlen(s) > NAME_MAX_LEN)
        return false;
    for (p++; islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_'; p++)
        ;
    return strcmp(p, ".expand.sql") == 0 || strcmp(p, ".contract.sql") == 0;
}

static int by_name(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    int d = strncmp(x->name, y->name, 4);

    /* Of one number, expand comes before contract. */
    if (!d)
        d = zn_ends_with(x->name, ".contract.sql") - zn_ends_with(y->name, ".contract.sql");
    return d ? d : strcmp(x->name, y->name);
}

static int read_step(const char *dir, struct step *s, struct zn_err *err)
{
    unsigned char sum[crypto_hash_sha256_BYTES];
    char path[600];

    snprintf(path, sizeof path, "%.400s/%s", dir, s->name);
    s->text = ZN_BUF(FILE_MAX);
    if (zn_read_file(path, &s->text, err) < 0)
        return -1;
    crypto_hash_sha256(sum, (const unsigned char *)s->text.mem, s->text.len);
    zn_hex(sum, sizeof sum, s->sha256);
    return zn_buf_str(&s->text) ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int list_steps(const char *dir, struct steps *ret, struct zn_err *err)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    if (!d)
        return zn_fail_errno(err, errno, "opening %s", dir);
    ret->v = calloc(FILES_MAX, sizeof *ret->v);
    while (ret->v && (e = readdir(d))) {
        if (!zn_ends_with(e->d_name, ".sql"))
            continue;
        if (!step_name(e->d_name) || ret->n == FILES_MAX) {
            zn_fail(err, ZN_INVALID, "%.120s is not named NNNN_name.expand.sql or .contract.sql",
                    e->d_name);
            closedir(d);
            return -1;
        }
        snprintf(ret->v[ret->n++].name, NAME_MAX_LEN + 1, "%s", e->d_name);
    }
    closedir(d);
    if (!ret->v)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (!ret->n)
        return zn_fail(err, ZN_NOT_FOUND, "no migrations in %s", dir);
    qsort(ret->v, ret->n, sizeof *ret->v, by_name);
    for (size_t i = 0; i < ret->n; i++)
        if (read_step(dir, &ret->v[i], err) < 0)
            return -1;
    return 0;
}

static int take_lock(struct zn_conn *c, struct zn_err *err)
{
    int64_t until = zn_now_ms() + LOCK_WAIT_MS;

    for (unsigned attempt = 0;; attempt++) {
        zn_auto_pgresult res = NULL;

        if (zn_sql(c, ZN_SQL_MIGRATION_LOCK, ZN_P0, &res, err) < 0)
            return -1;
        if (zn_col_bool(res, 0, "taken"))
            return 0;
        if (zn_now_ms() > until)
            return zn_fail(err, ZN_BUSY, "another migration has been running for %d s",
                           LOCK_WAIT_MS / 1000);
        zn_pause_ms(zn_backoff_ms(attempt, 50, 2000, 0));
    }
}

static int exec(struct zn_conn *c, const char *text, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    return zn_conn_exec(c, text, RUN_MS, &res, err);
}

static int apply(struct zn_conn *c, struct step *s, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (exec(c, "begin; set local statement_timeout = '10min'; set local lock_timeout = '10s'",
             err) < 0 ||
        exec(c, zn_buf_str(&s->text), err) < 0 ||
        zn_sql(c, ZN_SQL_MIGRATION_RECORD, ZN_P(s->name, s->sha256), &res, err) < 0 ||
        exec(c, "commit", err) < 0) {
        struct zn_err ignored = { 0 };
        exec(c, "rollback", &ignored); /* the connection is closed after an error anyway */
        return zn_wrap(err, "migration %s", s->name);
    }
    return 0;
}

static int apply_missing(struct zn_conn *c, struct steps *steps, unsigned *applied,
                         struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_pgresult made = NULL;
    unsigned count = 0;

    if (zn_sql(c, ZN_SQL_MIGRATION_TABLE, ZN_P0, &made, err) < 0 ||
        zn_sql(c, ZN_SQL_MIGRATION_LIST, ZN_P0, &res, err) < 0)
        return -1;
    for (size_t i = 0; i < steps->n; i++) {
        struct step *s = &steps->v[i];
        const char *known = NULL;

        for (int row = 0; row < PQntuples(res) && !known; row++)
            if (strcmp(zn_col(res, row, "name"), s->name) == 0)
                known = zn_col(res, row, "sha256");
        if (known && strcmp(known, s->sha256) != 0)
            return zn_fail(err, ZN_CONFLICT, "migration %s was changed after it was applied",
                           s->name);
        if (known)
            continue;
        if (apply(c, s, err) < 0)
            return -1;
        zn_info("migration applied name=%s", s->name);
        count++;
    }
    *applied = count;
    return 0;
}

int zn_migrate(struct zn_store *s, const char *dir, unsigned *applied, struct zn_err *err)
{
    ZN_AUTO(steps_done) struct steps steps = { 0 };
    struct zn_conn *c;
    int r;

    if (list_steps(dir, &steps, err) < 0 || zn_store_acquire(s, &c, err) < 0)
        return -1;
    r = take_lock(c, err);
    if (r == 0) {
        struct zn_err ignored = { 0 };
        zn_auto_pgresult res = NULL;

        r = apply_missing(c, &steps, applied, err);
        /* If this fails the lock goes with the connection. */
        zn_sql(c, ZN_SQL_MIGRATION_UNLOCK, ZN_P0, &res, &ignored);
    }
    zn_store_release(s, c);
    return r;
}
