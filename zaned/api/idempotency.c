#include "zaned/api/idempotency.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "zaned/api/audit.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"

enum { KEY_MAX = 255, HASH_BYTES = 32, ANSWER_MAX = 256 * 1024 };

struct zn_once {
    struct zn_once *next; /* of those under way */
    char user[24];
    const char *key;
    char hash[HASH_BYTES * 2 + 1]; /* of workspace, method, address and body */
    bool taken;                    /* committed with the change */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct zn_once *under_way;

static bool key_valid(const char *key)
{
    size_t n = strlen(key);

    for (const char *p = key; *p; p++)
        if (*p < ' ' || *p > '~')
            return false;
    return n >= 1 && n <= KEY_MAX;
}

static void hash_request(const struct zn_call *c, char ret[HASH_BYTES * 2 + 1])
{
    const struct zn_request *r = c->req;
    const char *workspace = c->who.workspace_id ? c->who.workspace_id : "";
    crypto_generichash_state st;
    unsigned char hash[HASH_BYTES];

    crypto_generichash_init(&st, NULL, 0, sizeof hash);
    crypto_generichash_update(&st, (const unsigned char *)workspace, strlen(workspace) + 1);
    crypto_generichash_update(&st, (const unsigned char *)r->method, strlen(r->method) + 1);
    crypto_generichash_update(&st, (const unsigned char *)r->raw_target, strlen(r->raw_target) + 1);
    crypto_generichash_update(&st, (const unsigned char *)r->body, r->body_len);
    crypto_generichash_final(&st, hash, sizeof hash);
    zn_hex(hash, sizeof hash, ret);
}

static bool same(const struct zn_once *a, const struct zn_once *b)
{
    return strcmp(a->user, b->user) == 0 && strcmp(a->key, b->key) == 0;
}

/* False: a request with that key is under way. */
static bool enter(struct zn_once *o)
{
    bool alone = true;

    pthread_mutex_lock(&lock);
    for (struct zn_once *p = under_way; p && alone; p = p->next)
        alone = !same(p, o);
    if (alone) {
        o->next = under_way;
        under_way = o;
    }
    pthread_mutex_unlock(&lock);
    return alone;
}

static void leave(struct zn_once *o)
{
    pthread_mutex_lock(&lock);
    for (struct zn_once **p = &under_way; *p; p = &(*p)->next)
        if (*p == o) {
            *p = o->next;
            break;
        }
    pthread_mutex_unlock(&lock);
}

static int conflict(struct zn_reply *reply, const char *why)
{
    zn_reply_error(reply, 409, "resource_conflict", why, "Idempotency-Key");
    return 1;
}

/* The answer of the first time. 0: there was none. */
static int replay(struct zn_call *c, const struct zn_once *o, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    const char *body = "";

    if (zn_sql_once(c->api->store, ZN_SQL_IDEMPOTENCY_FIND, ZN_P(o->user, o->key), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return 0;
    if (strcmp(zn_col(res, 0, "request_hash"), o->hash) != 0)
        return conflict(reply, "This key was used for another request.");
    if (!zn_col(res, 0, "status"))
        return conflict(reply, "A request with this key was carried out, but its answer was lost.");
    if (zn_col(res, 0, "answer_sealed") &&
        zn_unseal(c->api->sealer, c->arena, zn_col(res, 0, "key_id"), zn_col(res, 0, "answer_sealed"), &body,
                  err) < 0)
        return -1;
    zn_reply_text(reply, (int)zn_col_i64(res, 0, "status"), *body ? "application/json" : NULL, body,
                  strlen(body));
    zn_reply_header(reply, "Idempotent-Replayed", "true");
    return 1;
}

int zn_once_begin(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const char *key = zn_request_header(c->req, "Idempotency-Key");
    struct zn_once *o;
    int r;

    if (!key || !c->who.user_id || strcmp(c->req->method, "POST") != 0)
        return 0;
    if (!key_valid(key)) {
        zn_call_field(c, err, "Idempotency-Key", "invalid", "1 to 255 printable ASCII characters are needed.");
        return zn_fail(err, ZN_INVALID, "the request has an invalid header");
    }
    if (!(o = zn_arena_alloc(c->arena, sizeof *o)))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    o->key = key;
    snprintf(o->user, sizeof o->user, "%lld", c->who.user_id);
    hash_request(c, o->hash);
    if (!enter(o))
        return conflict(reply, "A request with this key is under way.");
    r = replay(c, o, reply, err);
    if (r == 0)
        c->once = o;
    else
        leave(o);
    return r;
}

static void keep(struct zn_call *c, const struct zn_once *o, const struct zn_reply *reply)
{
    struct zn_err err = { 0 };
    const char *body = reply->body.len ? zn_arena_strndup(c->arena, reply->body.mem, reply->body.len) : NULL;
    const char *sealed = NULL;
    char status[12];

    if (reply->body.len > ANSWER_MAX)
        return; /* a repeat is told that the answer is gone */
    snprintf(status, sizeof status, "%d", reply->status);
    if ((body && zn_seal(c->api->sealer, c->arena, body, &sealed, &err) < 0) ||
        zn_sql_once(c->api->store, ZN_SQL_IDEMPOTENCY_ANSWER,
                    ZN_P(o->user, o->key, status, sealed, sealed ? zn_sealer_key_id(c->api->sealer) : NULL),
                    NULL, &err) < 0)
        zn_warn("request %s: its answer could not be kept for repeats: %s", c->req->id, err.msg);
}

void zn_once_end(struct zn_call *c, const struct zn_reply *reply)
{
    if (!c->once)
        return;
    if (c->once->taken)
        keep(c, c->once, reply);
    leave(c->once);
    c->once = NULL;
}

struct once_tx {
    struct zn_once *once;
    int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err);
    void *arg;
};

static int take_then(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct once_tx *t = arg;
    zn_auto_pgresult res = NULL;

    if (!t->once->taken) {
        if (zn_sql(conn, ZN_SQL_IDEMPOTENCY_TIDY, ZN_P0, NULL, err) < 0 ||
            zn_sql(conn, ZN_SQL_IDEMPOTENCY_TAKE, ZN_P(t->once->user, t->once->key, t->once->hash), &res, err) < 0)
            return -1;
        if (PQntuples(res) == 0)
            return zn_fail(err, ZN_CONFLICT, "A request with this key is under way.");
    }
    return t->fn(conn, t->arg, err);
}

int zn_once_tx(struct zn_call *c, int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err), void *arg,
               struct zn_err *err)
{
    struct once_tx t = { c->once, fn, arg };

    if (zn_audit_tx(c, take_then, &t, err) < 0)
        return -1;
    c->once->taken = true;
    return 0;
}
