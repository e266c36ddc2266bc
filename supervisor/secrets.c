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

void zn_secrets_wipe(struct zn_secrets *s)
{
    for (unsigned i = 0; i < ZN_SECRETS; i++)
        explicit_bzero(s->all[i].value, sizeof s->all[i].value);
}
