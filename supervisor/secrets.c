#include "supervisor/secrets.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"

static const char *const names[ZN_SECRETS] = {
    "pg_super_password", "pg_zane_password", "pg_temporal_password", "valkey_password",
    "encryption_key",    "signing_key",      "ingest_token",         "setup_token",
};

static int check_private(const char *path, mode_t type, struct zn_err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return zn_fail_errno(err, errno, "reading %s", path);
    if ((st.st_mode & S_IFMT) != type)
        return zn_fail(err, ZN_DENIED, "%s is not a %s", path,
                       type == S_IFDIR ? "directory" : "file");
    if (st.st_uid != geteuid() || (st.st_mode & 077))
        return zn_fail(err, ZN_DENIED,
                       "%s can be read by others (owner %u, mode %03o); chown and chmod it to the "
                       "supervisor alone",
                       path, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
    return 0;
}

/* 32 random bytes in hexadecimal: strong enough for every use, and safe inside URLs and SQL. */
static int generate(const char *path, struct zn_err *err)
{
    unsigned char key[32];
    char text[2 * sizeof key + 2];
    int r;

    zn_random(key, sizeof key);
    zn_hex(key, sizeof key, text);
    text[2 * sizeof key] = '\n';
    r = zn_write_file(path, text, 2 * sizeof key + 1, 0600, err);
    explicit_bzero(key, sizeof key);
    explicit_bzero(text, sizeof text);
    return r;
}

static void name_in_engine(struct zn_secret *s)
{
    unsigned char hash[crypto_generichash_BYTES];
    char hex[2 * sizeof hash + 1];

    crypto_generichash(hash, sizeof hash, (const unsigned char *)s->value, strlen(s->value),
                       (const unsigned char *)s->name, strlen(s->name));
    zn_hex(hash, sizeof hash, hex);
    snprintf(s->engine_name, sizeof s->engine_name, "%s-%.12s", s->name, hex);
}

static int load_one(const char *dir, struct zn_secret *s, struct zn_err *err)
{
    char path[256], *text = NULL;
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", dir, s->name);
    if (lstat(path, &st) < 0 && errno == ENOENT) {
        if (generate(path, err) < 0)
            return -1;
        zn_info("secret made name=%s", s->name);
    }
    if (check_private(path, S_IFREG, err) < 0 || zn_read_line_file(path, &text, err) < 0)
        return -1;
    size_t n = text ? strlen(text) : 0;
    if (n >= 16 && n < sizeof s->value)
        memcpy(s->value, text, n + 1);
    if (text)
        explicit_bzero(text, n);
    free(text);
    if (n < 16 || n >= sizeof s->value)
        return zn_fail(err, ZN_INVALID, "%s holds %zu bytes, 16 to %zu are allowed", path, n,
                       sizeof s->value - 1);
    name_in_engine(s);
    return 0;
}

int zn_secrets_load(const char *dir, struct zn_secrets *ret, struct zn_err *err)
{
    if (sodium_init() < 0)
        return zn_fail(err, ZN_INTERNAL, "libsodium cannot start");
    if (zn_mkdirs(dir, 0700, err) < 0 || check_private(dir, S_IFDIR, err) < 0)
        return -1;
    for (unsigned i = 0; i < ZN_SECRETS; i++) {
        ret->all[i] = (struct zn_secret){ .name = names[i] };
        if (load_one(dir, &ret->all[i], err) < 0) {
            zn_secrets_wipe(ret);
            return -1;
        }
    }
    return 0;
}

struct zn_secret *zn_secrets_find(struct zn_secrets *s, const char *name)
{
    for (unsigned i = 0; i < ZN_SECRETS; i++)
        if (strcmp(s->all[i].name, name) == 0)
            return &s->all[i];
    return NULL;
}

/* --- keys ------------------------------------------------------------------------------------ */

enum { KEYS_TEXT = 4096 };

struct keys {
    char path[256], next_path[256];
    char text[KEYS_TEXT];     /* of which line[] are parts */
    char next[ZN_SECRET_MAX]; /* "" = none waits */
    char *line[ZN_SECRET_KEYS + 1];
    unsigned n;
};

static void keys_wipe(struct keys *k)
{
    explicit_bzero(k, sizeof *k);
}
#define auto_keys ZN_AUTO(keys_wipe) struct keys

static int read_private(const char *path, char *ret, size_t size, struct zn_err *err)
{
    char *text = NULL;

    if (check_private(path, S_IFREG, err) < 0 || zn_read_line_file(path, &text, err) < 0)
        return -1;
    size_t n = strlen(text);
    bool fits = n < size;
    if (fits)
        memcpy(ret, text, n + 1);
    explicit_bzero(text, n);
    free(text);
    return fits ? 0 : zn_fail(err, ZN_INVALID, "%s is too long", path);
}

static int keys_read(struct keys *k, const char *dir, struct zn_err *err)
{
    struct stat st;

    snprintf(k->path, sizeof k->path, "%s/encryption_key", dir);
    snprintf(k->next_path, sizeof k->next_path, "%s/encryption_key.next", dir);
    if (read_private(k->path, k->text, sizeof k->text, err) < 0)
        return -1;
    if (lstat(k->next_path, &st) == 0 &&
        read_private(k->next_path, k->next, sizeof k->next, err) < 0)
        return -1;
    char *rest = k->text, *line;
    while ((line = strsep(&rest, "\r\n"))) {
        if (!*line)
            continue;
        if (k->n == ZN_SECRET_KEYS)
            return zn_fail(err, ZN_INVALID, "%s holds more than %d keys", k->path, ZN_SECRET_KEYS);
        k->line[k->n++] = line;
    }
    return k->n ? 0 : zn_fail(err, ZN_INVALID, "%s holds no key", k->path);
}

static bool has_next(const struct keys *k, unsigned from)
{
    for (unsigned i = from; i < k->n; i++)
        if (strcmp(k->line[i], k->next) == 0)
            return true;
    return false;
}

/* The lines in order; first is written before them, and not again where it stands among them. */
static int keys_write(const struct keys *k, const char *first, unsigned n, const char *last,
                      struct zn_err *err)
{
    char text[KEYS_TEXT];
    size_t at = 0;
    int r;

    text[0] = '\0';
    if (first)
        at += (size_t)snprintf(text, sizeof text, "%s\n", first);
    for (unsigned i = 0; i < n; i++)
        if (!first || strcmp(k->line[i], first) != 0)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s\n", k->line[i]);
    if (last)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s\n", last);
    r = at < ZN_SECRET_MAX ? zn_write_file(k->path, text, at, 0600, err)
                           : zn_fail(err, ZN_INVALID, "%s would be too long", k->path);
    explicit_bzero(text, sizeof text);
    return r;
}

int zn_key_learn(const char *dir, struct zn_err *err)
{
    auto_keys k = { 0 };

    if (keys_read(&k, dir, err) < 0)
        return -1;
    if (k.n == ZN_SECRET_KEYS && !(k.next[0] && has_next(&k, 0)))
        return zn_fail(err, ZN_CONFLICT,
                       "there are %d keys already: remove the old ones first "
                       "(zane rotate-keys --drop-old)",
                       ZN_SECRET_KEYS);
    if (!k.next[0] && (generate(k.next_path, err) < 0 ||
                       read_private(k.next_path, k.next, sizeof k.next, err) < 0))
        return -1;
    return has_next(&k, 0) ? 0 : keys_write(&k, NULL, k.n, k.next, err);
}

int zn_key_turn(const char *dir, struct zn_err *err)
{
    auto_keys k = { 0 };

    if (keys_read(&k, dir, err) < 0)
        return -1;
    if (!k.next[0])
        return 0;
    if (strcmp(k.line[0], k.next) != 0 && keys_write(&k, k.next, k.n, NULL, err) < 0)
        return -1;
    return unlink(k.next_path) < 0 ? zn_fail_errno(err, errno, "removing %s", k.next_path) : 0;
}

int zn_key_drop(const char *dir, struct zn_err *err)
{
    auto_keys k = { 0 };

    if (keys_read(&k, dir, err) < 0)
        return -1;
    if (k.next[0])
        return zn_fail(err, ZN_CONFLICT, "a change of the key is not done yet: zane rotate-keys");
    return k.n > 1 ? keys_write(&k, NULL, 1, NULL, err) : 0;
}

int zn_key_count(const char *dir, unsigned *ret, bool *next, struct zn_err *err)
{
    auto_keys k = { 0 };

    if (keys_read(&k, dir, err) < 0)
        return -1;
    *ret = k.n;
    *next = k.next[0] != '\0';
    return 0;
}

void zn_secrets_wipe(struct zn_secrets *s)
{
    for (unsigned i = 0; i < ZN_SECRETS; i++)
        explicit_bzero(s->all[i].value, sizeof s->all[i].value);
}
