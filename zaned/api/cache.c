#include "zaned/api/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"

enum { BUCKETS = 4096 };

struct entry {
    struct entry *chain;          /* of the bucket */
    struct entry *newer, *older;  /* by last use */
    uint64_t hash;
    int64_t end_ms;
    struct zn_blob *data;
    size_t key_len, size; /* size: of all of it */
    char key[];
};

struct zn_cache {
    pthread_mutex_t lock;
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    size_t bytes, max_bytes;
    uint64_t generation, seed;
    bool trusted;
};

struct zn_cache *zn_cache_new(size_t max_bytes)
{
    struct zn_cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->max_bytes = max_bytes;
    zn_random(&c->seed, sizeof c->seed); /* nobody can choose keys of one bucket */
    return c;
}

/* FNV-1a with a seed; collisions are compared byte by byte. */
static uint64_t hash_of(const struct zn_cache *c, const char *key, size_t n)
{
    uint64_t h = c->seed ^ 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static void unlink_use(struct zn_cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct zn_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct zn_cache *c, struct entry *e)
{
    struct entry **at = &c->buckets[e->hash % BUCKETS];

    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(c, e);
    c->bytes -= e->size;
    zn_blob_unref(e->data);
    free(e);
}

static void drop_all(struct zn_cache *c)
{
    while (c->oldest)
        drop(c, c->oldest);
}

static struct entry *find(struct zn_cache *c, const char *key, size_t n, uint64_t hash)
{
    for (struct entry *e = c->buckets[hash % BUCKETS]; e; e = e->chain)
        if (e->hash == hash && e->key_len == n && memcmp(e->key, key, n) == 0)
            return e;
    return NULL;
}

void zn_cache_free(struct zn_cache *c)
{
    if (!c)
        return;
    drop_all(c);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

uint64_t zn_cache_generation(struct zn_cache *c)
{
    if (!c)
        return 0;
    pthread_mutex_lock(&c->lock);
    uint64_t g = c->generation;
    pthread_mutex_unlock(&c->lock);
    return g;
}

void zn_cache_raise(struct zn_cache *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->generation++;
    drop_all(c);
    pthread_mutex_unlock(&c->lock);
}

void zn_cache_trust(struct zn_cache *c, bool trusted)
{
    pthread_mutex_lock(&c->lock);
    c->trusted = trusted;
    c->generation++;
    drop_all(c);
    pthread_mutex_unlock(&c->lock);
}

struct zn_blob *zn_cache_get(struct zn_cache *c, const char *key)
{
    size_t key_len = strlen(key);
    struct zn_blob *data = NULL;
    uint64_t hash;

    if (!c)
        return NULL;
    hash = hash_of(c, key, key_len);
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, key, key_len, hash);
    if (e && zn_now_ms() >= e->end_ms) {
        drop(c, e);
        e = NULL;
    }
    if (e) {
        unlink_use(c, e);
        link_newest(c, e);
        data = zn_blob_ref(e->data);
    }
    pthread_mutex_unlock(&c->lock);
    return data;
}

static struct entry *entry_new(const struct zn_cache *c, const char *key, int64_t ttl_ms, struct zn_blob *data)
{
    size_t key_len = strlen(key);
    struct entry *e = malloc(sizeof *e + key_len);

    if (!e)
        return NULL;
    *e = (struct entry){ .hash = hash_of(c, key, key_len),
                         .end_ms = zn_now_ms() + ttl_ms,
                         .data = zn_blob_ref(data),
                         .key_len = key_len,
                         .size = sizeof *e + key_len + sizeof *data + data->n };
    memcpy(e->key, key, key_len);
    return e;
}

/* The entry is taken over. */
static void put(struct zn_cache *c, struct entry *e)
{
    struct entry *old = find(c, e->key, e->key_len, e->hash);

    if (old)
        drop(c, old);
    while (c->oldest && c->bytes + e->size > c->max_bytes)
        drop(c, c->oldest);
    e->chain = c->buckets[e->hash % BUCKETS];
    c->buckets[e->hash % BUCKETS] = e;
    link_newest(c, e);
    c->bytes += e->size;
}

void zn_cache_put(struct zn_cache *c, const char *key, uint64_t seen, int64_t ttl_ms, struct zn_blob *data)
{
    struct entry *e = c ? entry_new(c, key, ttl_ms, data) : NULL;

    if (!e)
        return;
    pthread_mutex_lock(&c->lock);
    bool fits = c->trusted && seen == c->generation && e->size <= c->max_bytes / 4;
    if (fits)
        put(c, e);
    pthread_mutex_unlock(&c->lock);
    if (!fits) {
        zn_blob_unref(e->data);
        free(e);
    }
}
