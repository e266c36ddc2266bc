#include "zaned/api/session.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/json.h"

enum { POOL_MAX = 16, NAME_LEN = 12, ADDRESS_MAX = 64, AGENT_MAX = 200, SEEN_EVERY_S = 60 };
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

/* Keys hold a hash of the cookie: who reads the store can't use what is there. */
static void key_of(const char *id, char ret[80])
{
    unsigned char h[32];
    char hex[65];

    crypto_generichash(h, sizeof h, (const unsigned char *)id, strlen(id), NULL, 0);
    zn_hex(h, sizeof h, hex);
    snprintf(ret, 80, "session:%s", hex);
}

/* When a session was last seen stands beside it, so that noting it never undoes a change of the
 * session. */
static void seen_key_of(const char *key, char ret[80])
{
    snprintf(ret, 80, "seen:%s", strchr(key, ':') + 1);
}

static long long now_s(void)
{
    return zn_wall_ns() / 1000000000;
}

static int note_seen(struct zn_sessions *s, const char *key, struct zn_err *err)
{
    char seen[80], now[24], seconds[16];

    seen_key_of(key, seen);
    snprintf(now, sizeof now, "%lld", now_s());
    snprintf(seconds, sizeof seconds, "%d", ZN_SESSION_SECONDS);
    zn_auto_reply r = COMMAND(s, err, "SETEX", seen, seconds, now);
    return r ? 0 : -1;
}

/* At most n bytes that are text: the client chose them. */
static json_t *shown(const char *text, size_t n)
{
    char copy[256];

    snprintf(copy, n < sizeof copy ? n + 1 : sizeof copy, "%s", text ? text : "");
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = ' ';
    zn_utf8_mend(copy);
    return json_string(copy);
}

int zn_session_create(struct zn_sessions *s, const struct zn_session *what, char *id,
                      struct zn_err *err)
{
    char key[80], set[64], seconds[16], name[24];

    zn_id("ses_", NAME_LEN, name, sizeof name);
    zn_auto_json doc = json_pack(
        "{s:I,s:s,s:s?,s:s,s:I,s:o,s:o}", "user", (json_int_t)what->user_id, "csrf", what->csrf,
        "workspace", what->workspace_id, "name", name, "created", (json_int_t)now_s(), "address",
        shown(what->address, ADDRESS_MAX), "agent", shown(what->agent, AGENT_MAX));
    zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT);

    if (!text)
        return zn_fail(err, ZN_INTERNAL, "no memory for a session");
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
    return expires ? note_seen(s, key, err) : -1;
}

static const char *text_of(struct zn_arena *a, const json_t *doc, const char *member)
{
    const char *text = zn_json_str(doc, member, NULL);

    return text ? zn_arena_strdup(a, text) : NULL;
}

static int load_key(struct zn_sessions *s, struct zn_arena *a, const char *key,
                    struct zn_session *ret, struct zn_err *err)
{
    char seen[80];

    seen_key_of(key, seen);
    zn_auto_reply r = COMMAND(s, err, "MGET", key, seen);
    if (!r)
        return -1;
    bool both = r->type == REDIS_REPLY_ARRAY && r->elements == 2;
    const redisReply *body = both ? r->element[0] : NULL, *at = both ? r->element[1] : NULL;
    zn_auto_json doc = body && body->type == REDIS_REPLY_STRING
                           ? json_loadb(body->str, (size_t)body->len, 0, NULL)
                           : NULL;
    if (!doc)
        return zn_fail(err, ZN_NOT_FOUND, "no such session");
    *ret = (struct zn_session){ .user_id = zn_json_int(doc, "user", 0),
                                .csrf = text_of(a, doc, "csrf"),
                                .workspace_id = text_of(a, doc, "workspace"),
                                .name = text_of(a, doc, "name"),
                                .address = text_of(a, doc, "address"),
                                .agent = text_of(a, doc, "agent"),
                                .created_at = zn_json_int(doc, "created", 0) };
    if (at && at->type == REDIS_REPLY_STRING)
        zn_parse_i64(at->str, 0, INT64_MAX, &ret->seen_at);
    return ret->csrf ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

int zn_session_load(struct zn_sessions *s, struct zn_arena *a, const char *id,
                    struct zn_session *ret, struct zn_err *err)
{
    char key[80];

    key_of(id, key);
    if (load_key(s, a, key, ret, err) < 0)
        return -1;
    return now_s() - ret->seen_at < SEEN_EVERY_S ? 0 : note_seen(s, key, err);
}

/* What is deleted is deleted in one command: a part of it would be seen by nobody. */
static int delete_key(struct zn_sessions *s, const char *key, struct zn_err *err)
{
    char seen[80];

    seen_key_of(key, seen);
    zn_auto_reply r = COMMAND(s, err, "DEL", key, seen);
    return r ? 0 : -1;
}

int zn_session_delete(struct zn_sessions *s, const char *id, struct zn_err *err)
{
    char key[80];

    key_of(id, key);
    return delete_key(s, key, err);
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
        if (delete_key(s, key, err) < 0)
            return -1;
        zn_auto_reply forgotten = COMMAND(s, err, "SREM", set, key);
        if (!forgotten)
            return -1;
    }
    return 0;
}

/* Calls each for the sessions of the user until it says 1; sessions that ran out are forgotten
 * here. */
static int find(struct zn_sessions *s, struct zn_arena *a, long long user_id,
                int (*each)(void *arg, const char *key, const struct zn_session *one), void *arg,
                struct zn_err *err)
{
    char set[64];

    snprintf(set, sizeof set, "sessions-of:%lld", user_id);
    zn_auto_reply all = COMMAND(s, err, "SMEMBERS", set);
    if (!all)
        return -1;
    for (size_t i = 0; all->type == REDIS_REPLY_ARRAY && i < all->elements; i++) {
        const char *key = all->element[i]->str;
        struct zn_session one;

        if (load_key(s, a, key, &one, err) == 0) {
            if (each(arg, key, &one))
                return 1;
            continue;
        }
        if (err->code != ZN_NOT_FOUND)
            return -1;
        memset(err, 0, sizeof *err);
        zn_auto_reply forgotten = COMMAND(s, err, "SREM", set, key);
        if (!forgotten)
            return -1;
    }
    return 0;
}

struct listing {
    struct zn_session *all;
    size_t n;
};

static int collect(void *arg, const char *key, const struct zn_session *one)
{
    struct listing *l = arg;

    (void)key;
    l->all[l->n++] = *one;
    return l->n == ZN_SESSIONS_LISTED;
}

int zn_session_list(struct zn_sessions *s, struct zn_arena *a, long long user_id,
                    struct zn_session **ret, size_t *n, struct zn_err *err)
{
    struct listing l = { .all = zn_arena_alloc(a, ZN_SESSIONS_LISTED * sizeof *l.all) };

    if (!l.all)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (find(s, a, user_id, collect, &l, err) < 0)
        return -1;
    *ret = l.all;
    *n = l.n;
    return 0;
}

struct wanted {
    const char *name;
    char key[80];
};

static int is_wanted(void *arg, const char *key, const struct zn_session *one)
{
    struct wanted *w = arg;

    if (!one->name || strcmp(one->name, w->name) != 0)
        return 0;
    snprintf(w->key, sizeof w->key, "%s", key);
    return 1;
}

int zn_session_delete_named(struct zn_sessions *s, long long user_id, const char *name,
                            struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = 4 << 20 };
    struct wanted w = { .name = name };
    int found = find(s, &a, user_id, is_wanted, &w, err);

    if (found == 0)
        return zn_fail(err, ZN_NOT_FOUND, "You have no such session.");
    return found < 0 ? -1 : delete_key(s, w.key, err);
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
    *wait_s = left->integer > 0 ? (int)left->integer : left->integer == -1 ? window_s : 1;
    if (left->integer == -1) { /* the expiry of an earlier count was lost */
        zn_auto_reply e = COMMAND(s, err, "EXPIRE", full, seconds);
        return e ? 0 : -1;
    }
    return 0;
}

int zn_throttle_add(struct zn_sessions *s, const char *key, int n, int ttl_s, int *total, struct zn_err *err)
{
    char full[200], by[16], seconds[16];

    snprintf(full, sizeof full, "count:%.180s", key);
    snprintf(by, sizeof by, "%d", n);
    snprintf(seconds, sizeof seconds, "%d", ttl_s);
    zn_auto_reply sum = COMMAND(s, err, "INCRBY", full, by);
    if (!sum)
        return -1;
    zn_auto_reply e = COMMAND(s, err, "EXPIRE", full, seconds);
    if (!e)
        return -1;
    *total = (int)sum->integer;
    return 0;
}

int zn_sessions_ping(struct zn_sessions *s, struct zn_err *err)
{
    zn_auto_reply r = COMMAND(s, err, "PING");

    return r ? 0 : -1;
}
