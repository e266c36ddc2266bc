#include "zaned/store/seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

enum { SECRET_MIN = 32, DEPTH_MAX = 24 };

struct key {
    unsigned char key[crypto_secretbox_KEYBYTES];
    char id[17];
};

struct zn_sealer {
    struct key keys[ZN_KEYS_MAX]; /* the first one seals */
    unsigned n;
};

static void make_key(struct key *k, const char *secret, size_t n)
{
    unsigned char id[crypto_generichash_BYTES_MIN];

    crypto_generichash(k->key, sizeof k->key, (const unsigned char *)secret, n, NULL, 0);
    /* The id is a hash of the key and a word, cut to 8 bytes: it names the key and tells nothing.
     */
    crypto_generichash(id, sizeof id, (const unsigned char *)"zane key id", 11, k->key,
                       sizeof k->key);
    zn_hex(id, 8, k->id);
}

static const struct key *key_by_id(const struct zn_sealer *s, const char *id)
{
    for (unsigned i = 0; i < s->n; i++)
        if (strcmp(s->keys[i].id, id) == 0)
            return &s->keys[i];
    return NULL;
}

static int read_keys(struct zn_sealer *s, const char *secret, struct zn_err *err)
{
    for (const char *p = secret; *p;) {
        size_t n = strcspn(p, "\r\n");

        if (n && n < SECRET_MIN)
            return zn_fail(err, ZN_INVALID, "an encryption key has fewer than %d characters",
                           SECRET_MIN);
        if (n && s->n == ZN_KEYS_MAX)
            return zn_fail(err, ZN_INVALID, "there are more than %d encryption keys", ZN_KEYS_MAX);
        if (n)
            make_key(&s->keys[s->n++], p, n);
        p += n;
        p += strspn(p, "\r\n");
    }
    return s->n ? 0 : zn_fail(err, ZN_INVALID, "there is no encryption key");
}

int zn_sealer_new(const char *secret, struct zn_sealer **ret, struct zn_err *err)
{
    struct zn_sealer *s;

    if (sodium_init() < 0)
        return zn_fail(err, ZN_INTERNAL, "libsodium does not start");
    s = sodium_malloc(sizeof *s);
    if (!s)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    s->n = 0;
    if (read_keys(s, secret, err) < 0) {
        sodium_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void zn_sealer_free(struct zn_sealer *s)
{
    sodium_free(s); /* wipes */
}

const char *zn_sealer_key_id(const struct zn_sealer *s)
{
    return s->keys[0].id;
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
    crypto_secretbox_easy(box + crypto_secretbox_NONCEBYTES, (const unsigned char *)plain, n, box,
                          s->keys[0].key);
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
    const struct key *key = key_by_id(s, key_id);

    if (!key)
        return zn_fail(err, ZN_INVALID, "a stored value was encrypted with another key (%.16s)", key_id);
    if (!zn_base64_decode(sealed, n, &box) || box.failed || box.len < OVER)
        return zn_fail(err, ZN_INVALID, "a stored encrypted value is damaged");
    unsigned char *plain = zn_arena_alloc(a, box.len - OVER + 1);
    if (!plain)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    const unsigned char *p = (const unsigned char *)box.mem;
    if (crypto_secretbox_open_easy(plain, p + crypto_secretbox_NONCEBYTES,
                                   box.len - crypto_secretbox_NONCEBYTES, p, key->key) != 0)
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
    json_object_set_new(item, member, json_pack("{s:s,s:s}", "sealed", box, "key_id", s->keys[0].id));
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

bool zn_is_sealed(const json_t *v)
{
    return json_is_string(json_object_get(v, "sealed")) &&
           json_is_string(json_object_get(v, "key_id"));
}

/* Where the walk is: keys and indices from the root. */
struct walk {
    const struct zn_sealer *s;
    json_t *patches;
    unsigned *lost;
    json_t *path;
};

static int reseal_one(struct walk *w, const json_t *v, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = 4 << 20 };
    const char *id = zn_json_str(v, "key_id", ""), *plain, *box;
    struct zn_err why = { 0 };

    if (strcmp(id, w->s->keys[0].id) == 0)
        return 0;
    if (zn_unseal(w->s, &a, id, zn_json_str(v, "sealed", ""), &plain, &why) < 0) {
        (*w->lost)++;
        return 0;
    }
    if (zn_seal(w->s, &a, plain, &box, err) < 0)
        return -1;
    zn_auto_json patch = json_pack("{s:o,s:{s:s,s:s}}", "path", json_deep_copy(w->path), "value",
                                   "sealed", box, "key_id", w->s->keys[0].id);
    return patch && json_array_append(w->patches, patch) == 0
               ? 0
               : zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int walk(struct walk *w, json_t *v, struct zn_err *err);

static int step(struct walk *w, json_t *name, json_t *v, struct zn_err *err)
{
    int r;

    json_array_append_new(w->path, name);
    r = walk(w, v, err);
    json_array_remove(w->path, json_array_size(w->path) - 1);
    return r;
}

static int walk(struct walk *w, json_t *v, struct zn_err *err)
{
    const char *name;
    json_t *item;
    size_t i;

    if (json_array_size(w->path) > DEPTH_MAX)
        return zn_fail(err, ZN_INVALID, "a stored document is nested too deeply");
    if (zn_is_sealed(v))
        return reseal_one(w, v, err);
    json_array_foreach(v, i, item) if (step(w, json_sprintf("%zu", i), item, err) < 0) return -1;
    json_object_foreach(v, name, item) if (step(w, json_string(name), item, err) < 0) return -1;
    return 0;
}

int zn_reseal_json(const struct zn_sealer *s, json_t *doc, json_t *patches, unsigned *lost,
                   struct zn_err *err)
{
    zn_auto_json path = json_array();
    struct walk w = { s, patches, lost, path };

    return walk(&w, doc, err);
}
