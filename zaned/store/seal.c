#include "zaned/store/seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

enum { SECRET_MIN = 32 };

struct zn_sealer {
    unsigned char key[crypto_secretbox_KEYBYTES];
    char id[17];
};

int zn_sealer_new(const char *secret, struct zn_sealer **ret, struct zn_err *err)
{
    struct zn_sealer *s;
    unsigned char id[crypto_generichash_BYTES_MIN];

    if (sodium_init() < 0)
        return zn_fail(err, ZN_INTERNAL, "libsodium does not start");
    if (strlen(secret) < SECRET_MIN)
        return zn_fail(err, ZN_INVALID, "the encryption key has fewer than %d characters", SECRET_MIN);
    s = sodium_malloc(sizeof *s);
    if (!s)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    crypto_generichash(s->key, sizeof s->key, (const unsigned char *)secret, strlen(secret), NULL, 0);
    /* The id is a hash of the key and a word, cut to 8 bytes: it names the key and tells nothing. */
    crypto_generichash(id, sizeof id, (const unsigned char *)"zane key id", 11, s->key, sizeof s->key);
    zn_hex(id, 8, s->id);
    *ret = s;
    return 0;
}

void zn_sealer_free(struct zn_sealer *s)
{
    sodium_free(s); /* wipes */
}

const char *zn_sealer_key_id(const struct zn_sealer *s)
{
    return s->id;
}

int zn_seal(const struct zn_sealer *s, struct zn_arena *a, const char *plain, const char **ret,
            struct zn_err *err)
{
    size_t n = strlen(plain), total = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + n;
    unsigned char *box = zn_arena_alloc(a, total);
    zn_auto_buf struct zn_buf text = ZN_BUF(total * 2 + 16);

    if (!box)
        return zn_fail(err, ZN_INTERNAL, "value too large to encrypt");
    randombytes_buf(box, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(box + crypto_secretbox_NONCEBYTES, (const unsigned char *)plain, n, box, s->key);
    zn_base64_add(&text, box, total, false);
    const char *copy = zn_buf_str(&text) ? zn_arena_strdup(a, zn_buf_str(&text)) : NULL;
    if (!copy)
        return zn_fail(err, ZN_INTERNAL, "value too large to encrypt");
    *ret = copy;
    return 0;
}

int zn_unseal(const struct zn_sealer *s, struct zn_arena *a, const char *key_id,
              const char *sealed, const char **ret, struct zn_err *err)
{
    enum { OVER = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES };
    size_t n = strlen(sealed);
    zn_auto_buf struct zn_buf box = ZN_BUF(n + 16);

    if (strcmp(key_id, s->id) != 0)
        return zn_fail(err, ZN_INVALID, "a stored value was encrypted with another key (%.16s)", key_id);
    if (!zn_base64_decode(sealed, n, &box) || box.failed || box.len < OVER)
        return zn_fail(err, ZN_INVALID, "a stored encrypted value is damaged");
    unsigned char *plain = zn_arena_alloc(a, box.len - OVER + 1);
    if (!plain)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    const unsigned char *p = (const unsigned char *)box.mem;
    if (crypto_secretbox_open_easy(plain, p + crypto_secretbox_NONCEBYTES,
                                   box.len - crypto_secretbox_NONCEBYTES, p, s->key) != 0)
        return zn_fail(err, ZN_INVALID, "a stored encrypted value is damaged");
    plain[box.len - OVER] = '\0';
    *ret = (const char *)plain;
    return 0;
}

static int seal_one(const struct zn_sealer *s, json_t *item, const char *member, struct zn_err *err)
{
    json_t *v = json_object_get(item, member);
    zn_auto_arena struct zn_arena a = { .limit = 4 << 20 };
    const char *box;

    if (!json_is_string(v))
        return 0;
    if (zn_seal(s, &a, json_string_value(v), &box, err) < 0)
        return -1;
    json_object_set_new(item, member, json_pack("{s:s,s:s}", "sealed", box, "key_id", s->id));
    return 0;
}

static int unseal_one(const struct zn_sealer *s, json_t *item, const char *member, struct zn_err *err)
{
    json_t *v = json_object_get(item, member);
    zn_auto_arena struct zn_arena a = { .limit = 4 << 20 };
    const char *plain;

    if (!json_is_object(v) || !json_is_string(json_object_get(v, "sealed")))
        return 0;
    if (zn_unseal(s, &a, zn_json_str(v, "key_id", ""), zn_json_str(v, "sealed", ""), &plain, err) < 0)
        return -1;
    json_object_set_new(item, member, json_string(plain));
    return 0;
}

static int each(const struct zn_sealer *s, json_t *items, const char *member,
                int (*one)(const struct zn_sealer *, json_t *, const char *, struct zn_err *),
                struct zn_err *err)
{
    size_t i;
    json_t *v;

    if (!json_is_array(items))
        return one(s, items, member, err);
    json_array_foreach (items, i, v)
        if (one(s, v, member, err) < 0)
            return -1;
    return 0;
}

int zn_seal_member(const struct zn_sealer *s, json_t *items, const char *member, struct zn_err *err)
{
    return each(s, items, member, seal_one, err);
}

int zn_unseal_member(const struct zn_sealer *s, json_t *items, const char *member, struct zn_err *err)
{
    return each(s, items, member, unseal_one, err);
}

int zn_seal_env(const struct zn_sealer *s, json_t *vars, struct zn_err *err)
{
    return zn_seal_member(s, vars, "value", err);
}

int zn_unseal_env(const struct zn_sealer *s, json_t *vars, struct zn_err *err)
{
    return zn_unseal_member(s, vars, "value", err);
}
