#include "zaned/api/limits.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/periodic.h"
#include "zaned/api/session.h"

enum { ANON_LIMIT = 60, TLS_LIMIT = 60, REGISTRATION_LIMIT = 30, WEBHOOK_LIMIT = 60, WINDOW_S = 60 };

static void refuse(struct zn_call *c, struct zn_reply *reply, int wait_s)
{
    zn_reply_header(reply, "Retry-After", zn_arena_printf(c->arena, "%d", wait_s));
    zn_reply_error(reply, 429, "throttled",
                   zn_arena_printf(c->arena, "Request was throttled. Expected available in %d seconds.", wait_s),
                   NULL);
}

/* Addresses that were refused, until their minute ends: so that those who go on cost Valkey nothing. */
enum { REFUSED_MAX = 1024, ADDRESS_KEY = 104 };
static pthread_mutex_t refused_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char key[ADDRESS_KEY];
    int64_t end_ms;
} refused[REFUSED_MAX];

static unsigned slot_of(const char *key)
{
    unsigned h = 2166136261u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 16777619u;
    return h ^ h >> 15;
}

/* Seconds that the address still has to wait. */
static int refused_for(const char *key)
{
    int64_t left = 0;
    unsigned at = slot_of(key) % REFUSED_MAX;

    pthread_mutex_lock(&refused_lock);
    if (strcmp(refused[at].key, key) == 0)
        left = refused[at].end_ms - zn_now_ms();
    pthread_mutex_unlock(&refused_lock);
    return left > 0 ? (int)((left + 999) / 1000) : 0;
}

static void remember_refused(const char *key, int wait_s)
{
    unsigned at = slot_of(key) % REFUSED_MAX;

    pthread_mutex_lock(&refused_lock);
    snprintf(refused[at].key, ADDRESS_KEY, "%s", key);
    refused[at].end_ms = zn_now_ms() + wait_s * 1000LL;
    pthread_mutex_unlock(&refused_lock);
}

int zn_limit_check(struct zn_call *c, const struct zn_route *r, struct zn_reply *reply,
                   struct zn_err *err)
{
    enum zn_throttle t = r->throttle;
    int limit = ANON_LIMIT, wait = 0;
    char key[ADDRESS_KEY];

    if (t == ZN_THROTTLE_AUTO)
        t = r->scope == ZN_SCOPE_PUBLIC ? ZN_THROTTLE_ANON : ZN_THROTTLE_NONE;
    if (t == ZN_THROTTLE_NONE || (t == ZN_THROTTLE_ANON && c->who.user_id))
        return 0;
    limit = t == ZN_THROTTLE_TLS            ? TLS_LIMIT
            : t == ZN_THROTTLE_REGISTRATION ? REGISTRATION_LIMIT
            : t == ZN_THROTTLE_WEBHOOK      ? WEBHOOK_LIMIT
                                            : ANON_LIMIT;
    snprintf(key, sizeof key, "%d:%.100s", (int)t, c->req->client);
    wait = refused_for(key);
    if (!wait) {
        if (zn_throttle_count(c->api->sessions, key, limit, WINDOW_S, &wait, err) < 0)
            return -1;
        if (!wait)
            return 0;
        remember_refused(key, wait);
    }
    refuse(c, reply, wait);
    return 1;
}

/* --- accounts --------------------------------------------------------------------------------------- */

enum { ACCOUNTS_MAX = 4096, PROBES = 16, KEY_SIZE = 80 };
static const int64_t SETTLE_MS = 250, RETRY_MAX_MS = 5000;

struct account {
    char key[KEY_SIZE]; /* "" = free */
    int64_t window;     /* the minute it counts */
    int settled, fresh; /* calls that Valkey knows of, and those that it does not yet */
};

struct zn_limits {
    struct zn_sessions *sessions;
    int a_minute;
    struct zn_periodic *thread;
    pthread_mutex_t lock;
    struct account accounts[ACCOUNTS_MAX];
};

static int64_t window_now(int *left_s)
{
    int64_t s = zn_wall_ns() / 1000000000;

    *left_s = (int)(WINDOW_S - s % WINDOW_S);
    return s / WINDOW_S;
}

/* The account's place, a free or outdated one near it, or NULL if all of them are busy this minute. */
static struct account *account_of(struct zn_limits *l, const char *key, int64_t window)
{
    struct account *place = NULL;
    unsigned at = slot_of(key);

    for (unsigned i = 0; i < PROBES; i++) {
        struct account *a = &l->accounts[(at + i) % ACCOUNTS_MAX];

        if (a->window == window && strcmp(a->key, key) == 0)
            return a;
        if (!place && a->window != window)
            place = a;
    }
    if (place) {
        *place = (struct account){ .window = window };
        snprintf(place->key, sizeof place->key, "%s", key);
    }
    return place;
}

bool zn_limit_account(struct zn_call *c, struct zn_reply *reply)
{
    struct zn_limits *l = c->api->limits;
    char key[KEY_SIZE];
    int left_s;
    bool over;

    if (!l || !c->who.user_id)
        return false;
    if (c->who.token_id)
        snprintf(key, sizeof key, "%s", c->who.token_id);
    else
        snprintf(key, sizeof key, "user:%lld", c->who.user_id);
    int64_t window = window_now(&left_s);
    pthread_mutex_lock(&l->lock);
    struct account *a = account_of(l, key, window);
    over = a && a->settled + a->fresh >= l->a_minute;
    if (a && !over)
        a->fresh++;
    pthread_mutex_unlock(&l->lock);
    if (over)
        refuse(c, reply, left_s);
    return over;
}

/* The first account from *at on with calls that Valkey does not know of; false: there is none. */
static bool next_fresh(struct zn_limits *l, size_t *at, struct account *ret)
{
    pthread_mutex_lock(&l->lock);
    while (*at < ACCOUNTS_MAX && !l->accounts[*at].fresh)
        ++*at;
    bool found = *at < ACCOUNTS_MAX;
    if (found)
        *ret = l->accounts[*at];
    pthread_mutex_unlock(&l->lock);
    return found;
}

static int settle_one(struct zn_limits *l, size_t i, const struct account *was, struct zn_err *err)
{
    char key[KEY_SIZE + 32];
    int total;

    snprintf(key, sizeof key, "%s:%lld", was->key, (long long)was->window);
    if (zn_throttle_add(l->sessions, key, was->fresh, 2 * WINDOW_S, &total, err) < 0)
        return -1;
    pthread_mutex_lock(&l->lock);
    struct account *a = &l->accounts[i];
    if (a->window == was->window && strcmp(a->key, was->key) == 0) {
        a->settled = total;
        a->fresh -= was->fresh;
    }
    pthread_mutex_unlock(&l->lock);
    return 0;
}

static int settle(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_limits *l = arg;
    struct account was;

    for (size_t i = 0; next_fresh(l, &i, &was) && !zn_periodic_stopping(self); i++)
        if (settle_one(l, i, &was, err) < 0)
            return -1;
    return 0;
}

int zn_limits_new(struct zn_sessions *sessions, int a_minute, struct zn_limits **ret, struct zn_err *err)
{
    struct zn_limits *l;

    *ret = NULL;
    if (!a_minute)
        return 0;
    if (!(l = calloc(1, sizeof *l)))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    l->sessions = sessions;
    l->a_minute = a_minute;
    pthread_mutex_init(&l->lock, NULL);
    struct zn_periodic_config c = { .name = "settling the counts of accounts",
                                    .fn = settle,
                                    .arg = l,
                                    .period_ms = SETTLE_MS,
                                    .retry_first_ms = SETTLE_MS,
                                    .retry_max_ms = RETRY_MAX_MS };
    if (zn_periodic_start(&c, &l->thread, err) < 0) {
        pthread_mutex_destroy(&l->lock);
        free(l);
        return -1;
    }
    *ret = l;
    return 0;
}

void zn_limits_free(struct zn_limits *l)
{
    if (!l)
        return;
    zn_periodic_stop(l->thread);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
