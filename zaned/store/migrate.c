/* Migrations: files in order, each in a transaction, all under an advisory lock. */
#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/io.h"
#include "base/log.h"
#include "zaned/store/store.h"

enum { FILES_MAX = 1000, FILE_MAX = 4 << 20 };

struct migration {
    char name[256], sha256[65];
    struct zn_buf text;
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_migration(const struct dirent *d)
{
    return zn_ends_with(d->d_name, ".expand.sql") || zn_ends_with(d->d_name, ".contract.sql");
}

static int load(const char *dir, const char *name, struct migration *m, struct zn_err *err)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char path[512];

    snprintf(m->name, sizeof m->name, "%s", name);
    m->text = ZN_BUF(FILE_MAX);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (zn_read_file(path, &m->text, err) < 0)
        return zn_wrap(err, "migration");
    crypto_hash_sha256(hash, (const unsigned char *)(m->text.mem ? m->text.mem : ""), m->text.len);
    zn_hex(hash, sizeof hash, m->sha256);
    return 0;
}

static int apply_tx(struct zn_conn *c, const struct migration *m, struct zn_err *err)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(FILE_MAX + 4096);
    struct zn_err ignored = { 0 };

    /* One simple query is one transaction unless it says otherwise. */
    zn_buf_puts(&b, "begin; set local lock_timeout = '10s'; set local statement_timeout = '10min';");
    zn_buf_add(&b, m->text.mem, m->text.len);
    if (!zn_buf_str(&b))
        return zn_fail(err, ZN_INTERNAL, "migration %s is too large", m->name);
    if (zn_conn_plain(c, zn_buf_str(&b), err) < 0 ||
        zn_sql(c, ZN_SQL_MIGRATION_RECORD, ZN_P(m->name, m->sha256), NULL, err) < 0) {
        zn_conn_plain(c, "rollback", &ignored);
        return zn_wrap(err, "migration %s", m->name);
    }
    return zn_conn_plain(c, "commit", err);
}

/* 1 applied now, 0 there already, -1 error. */
static int step(struct zn_conn *c, const struct migration *m, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_MIGRATION_BY_NAME, ZN_P(m->name), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0) {
        if (apply_tx(c, m, err) < 0)
            return -1;
        zn_info("migration %s applied", m->name);
        return 1;
    }
    if (strcmp(zn_col(res, 0, "sha256"), m->sha256) != 0)
        return zn_fail(err, ZN_CONFLICT,
                       "migration %s was changed after it had been applied; restore the file, or "
                       "write a new one",
                       m->name);
    return 0;
}

static int run_all(struct zn_conn *c, const char *dir, struct dirent **list, int n,
                   unsigned *applied, struct zn_err *err)
{
    for (int i = 0; i < n; i++) {
        struct migration m;
        int r = load(dir, list[i]->d_name, &m, err);

        if (r == 0)
            r = step(c, &m, err);
        zn_buf_done(&m.text);
        if (r < 0)
            return -1;
        *applied += (unsigned)r;
    }
    return 0;
}

static int locked(struct zn_conn *c, const char *dir, struct dirent **list, int n,
                  unsigned *applied, struct zn_err *err)
{
    static const char first[] = "create table if not exists schema_migration (name text primary key,"
                                " sha256 text not null, applied_at timestamptz not null default now())";
    struct zn_err ignored = { 0 };
    int r;

    if (zn_conn_plain(c, "set statement_timeout = '5min'", err) < 0 ||
        zn_conn_plain(c, "select pg_advisory_lock(7262)", err) < 0)
        return zn_wrap(err, "migration lock");
    r = zn_conn_plain(c, first, err);
    if (r == 0)
        r = run_all(c, dir, list, n, applied, err);
    zn_conn_plain(c, "select pg_advisory_unlock(7262)", &ignored);
    return r;
}

int zn_migrate(struct zn_store *s, const char *dir, unsigned *applied, struct zn_err *err)
{
    struct dirent **list = NULL;
    struct zn_conn *c;
    int n = scandir(dir, &list, is_migration, by_name), r;

    *applied = 0;
    if (n < 0)
        return zn_fail_errno(err, errno, "migrations folder %s", dir);
    if (n == 0 || n > FILES_MAX)
        r = zn_fail(err, ZN_INVALID, "%s holds %d migrations", dir, n);
    else
        r = zn_store_acquire(s, &c, err);
    if (r == 0) {
        r = locked(c, dir, list, n, applied, err);
        zn_store_release(s, c);
    }
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return r;
}
