#include "zaned/api/session.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/encode.h"
#include "base/guard.h"
#include "base/json.h"

enum { POOL_MAX = 16 };
static const struct timeval CONNECT_TIME = { 2, 0 }, COMMAND_TIME = { 2, 0 };

struct zn_sessions {
    char *host, *password;
    int port;
    pthread_mutex_t lock;
    redisContext *pool[POOL_MAX];
    unsigned npool;
};

ZN_DEFINE_AUTO(reply, redisReply *, freeReplyObject);
#define zn_auto_reply ZN_AUTO(zn_auto_reply) redisReply *

int zn_sessions_open(const char *host, int port, const char *password, struct zn_sessions **ret,
                     struct zn_err *err)
{
    struct zn_sessions *s = calloc(1, sizeof *s);

    if (!s || !(s->host = strdup(host)) || !(s->password = strdup(password))) {
        if (s)
            free(s->host);
        free(s);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    s->port = port;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

void zn_sessions_close(struct zn_sessions *s)
{
    if (!s)
        return;
    while (s->npool)
        redisFree(s->pool[--s->npool]);
    pthread_mutex_destroy(&s->lock);
    explicit_bzero(s->password, strlen(s->password));
    free(s->password);
    free(s->host);
    free(s);
}

static redisContext *take_idle(struct zn_sessions *s)
{
    redisContext *c = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->npool)
        c = s->pool[--s->npool];
    pthread_mutex_unlock(&s->lock);
    return c;
}

static void give(struct zn_sessions *s, redisContext *c)
{
    pthread_mutex_lock(&s->lock);
    if (!c->err && s->npool < POOL_MAX) {
        s->pool[s->npool++] = c;
        c = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (c)
        redisFree(c);
}

static redisContext *connect_new(struct zn_sessions *s, struct zn_err *err)
{
    redisContext *c = redisConnectWithTimeout(s->host, s->port, CONNECT_TIME);

    if (!c || c->err) {
        zn_fail(err, ZN_UNAVAILABLE, "session store: %s", c ? c->errstr : "out of memory");
        if (c)
            redisFree(c);
        return NULL;
    }
    redisSetTimeout(c, COMMAND_TIME);
    if (*s->password) {
        zn_auto_reply r = redisCommand(c, "AUTH %s", s->password);
        if (!r || r->type == REDIS_REPLY_ERROR) {
            zn_fail(err, ZN_UNAVAILABLE, "session store: %s", r ? r->str : c->errstr);
            redisFree(c);
            return NULL;
        }
    }
    return c;
}

/* One command. An idle connection may have been closed meanwhile: then once more on a new one. */
static redisReply *command(struct zn_sessions *s, int argc, const char **argv, struct zn_err *err)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        redisContext *c = fresh ? NULL : take_idle(s);

        if (!c) {
            fresh = 1;
            c = connect_new(s, err);
        }
        if (!c)
            return NULL;
        redisReply *r = redisCommandArgv(c, argc, argv, NULL);
        if (!r && !fresh) {
            redisFree(c);
            continue;
        }
        if (!r)
            zn_fail(err, ZN_UNAVAILABLE, "session store: %s", c->errstr);
        else if (r->type == REDIS_REPLY_ERROR)
            zn_fail(err, ZN_UNAVAILABLE, "session store: %s", r->str);
        if (r && r->type == REDIS_REPLY_ERROR) {
            freeReplyObject(r);
            r = NULL;
        }
        give(s, c);
        return r;
    }
    return NULL;
}

#define COMMAND(s, err, ...)                                                          \
    command(s, (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *)), \
            (const char *[]){ __VA_ARGS__ }, err)

/* Keys hold a hash of the id: who reads the store can't use what is there. */
static void key_of(const char *id, char ret[80])
{
    unsigned char h[16];
    char hex[33];

    crypto_generichash(h, sizeof h, (const unsigned char *)id, strlen(id), NULL, 0);
    zn_hex(h, sizeof h, hex);
    snprintf(ret, 80, "session:%s", hex);
}

int zn_session_create(struct zn_sessions *s, const struct zn_session *what, char *id,
                      struct zn_err *err)
{
    char key[80], set[64], seconds[16];
    zn_auto_json doc = json_pack("{s:I,s:s,s:s?}", "user", (json_int_t)what->user_id, "csrf",
                                 what->csrf, "workspace", what->workspace_id);
    zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT);

    zn_id("", 36, id, ZN_SESSION_ID);
    key_of(id, key);
    snprintf(set, sizeof set, "sessions-of:%lld", what->user_id);
    snprintf(seconds, sizeof seconds, "%d", ZN_SESSION_SECONDS);
    zn_auto_reply r = COMMAND(s, err, "SETEX", key, seconds, text);
    if (!r)
        return -1;
    zn_auto_reply added = COMMAND(s, err, "SADD", set, key);
    if (!added)
        return -1;
    zn_auto_reply expires = COMMAND(s, err, "EXPIRE", set, seconds);
    return expires ? 0 : -1;
}

int zn_session_load(struct zn_sessions *s, struct zn_arena *a, const char *id,
                    struct zn_session *ret, struct zn_err *err)
{
    char key[80];

    key_of(id, key);
    zn_auto_reply r = COMMAND(s, err, "GET", key);
    if (!r)
        return -1;
    zn_auto_json doc = r->type == REDIS_REPLY_STRING ? json_loadb(r->str, (size_t)r->len, 0, NULL) : NULL;
    if (!doc)
        return zn_fail(err, ZN_NOT_FOUND, "no such session");
    const char *workspace = zn_json_str(doc, "workspace", NULL);
    ret->user_id = zn_json_int(doc, "user", 0);
    ret->csrf = zn_arena_strdup(a, zn_json_str(doc, "csrf", ""));
    ret->workspace_id = workspace ? zn_arena_strdup(a, workspace) : NULL;
    return ret->csrf ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

int zn_session_delete(struct zn_sessions *s, const char *id, struct zn_err *err)
{
    char key[80];

    key_of(id, key);
    zn_auto_reply r = COMMAND(s, err, "DEL", key);
    return r ? 0 : -1;
}

int zn_session_set_workspace(struct zn_sessions *s, const char *id, const char *workspace_id,
                             struct zn_err *err)
{
    char key[80];

    key_of(id, key);
    zn_auto_reply r = COMMAND(s, err, "GET", key);
    if (!r)
        return -1;
    zn_auto_json doc = r->type == REDIS_REPLY_STRING ? json_loadb(r->str, (size_t)r->len, 0, NULL) : NULL;
    if (!doc)
        return zn_fail(err, ZN_NOT_FOUND, "no such session");
    json_object_set_new(doc, "workspace", workspace_id ? json_string(workspace_id) : json_null());
    zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT);
    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_auto_reply set = COMMAND(s, err, "SET", key, text, "XX", "KEEPTTL");
    return set ? 0 : -1;
}

int zn_session_delete_others(struct zn_sessions *s, long long user_id, const char *keep,
                             struct zn_err *err)
{
    char set[64], kept[80] = "";

    if (keep)
        key_of(keep, kept);
    snprintf(set, sizeof set, "sessions-of:%lld", user_id);
    zn_auto_reply all = COMMAND(s, err, "SMEMBERS", set);
    if (!all)
        return -1;
    for (size_t i = 0; all->type == REDIS_REPLY_ARRAY && i < all->elements; i++) {
        const char *key = all->element[i]->str;

        if (strcmp(key, kept) == 0)
            continue;
        zn_auto_reply gone = COMMAND(s, err, "DEL", key);
        zn_auto_reply forgotten = COMMAND(s, err, "SREM", set, key);
        if (!gone || !forgotten)
            return -1;
    }
    return 0;
}

int zn_throttle_count(struct zn_sessions *s, const char *key, int limit, int window_s, int *wait_s,
                      struct zn_err *err)
{
    char full[200], seconds[16];

    *wait_s = 0;
    snprintf(full, sizeof full, "throttle:%.180s", key);
    snprintf(seconds, sizeof seconds, "%d", window_s);
    zn_auto_reply n = COMMAND(s, err, "INCR", full);
    if (!n)
        return -1;
    if (n->integer == 1) {
        zn_auto_reply e = COMMAND(s, err, "EXPIRE", full, seconds);
        if (!e)
            return -1;
    }
    if (n->integer <= limit)
        return 0;
    zn_auto_reply left = COMMAND(s, err, "TTL", full);
    if (!left)
        return -1;
    *wait_s = left->integer > 0 ? (int)left->integer : window_s;
    if (left->integer == -1) { /* the expiry of an earlier count was lost */
        zn_auto_reply e = COMMAND(s, err, "EXPIRE", full, seconds);
        return e ? 0 : -1;
    }
    return 0;
}

int zn_sessions_ping(struct zn_sessions *s, struct zn_err *err)
{
    zn_auto_reply r = COMMAND(s, err, "PING");

    return r ? 0 : -1;
}
