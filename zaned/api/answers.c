#include "zaned/api/answers.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "zaned/api/cache.h"
#include "zaned/api/etag.h"

enum { TAG_ROOM = 40, WAIT_S = 10 }; /* a blob is the tag, NUL-ended, in TAG_ROOM bytes, then the body */
static const int64_t KEPT_MS = 60000;

/* One who works an answer out; it lives in that request's arena. */
struct zn_flight {
    struct zn_flight *next;
    const char *key;
    uint64_t seen; /* generation before it began */
    unsigned waiting;
    bool done;
    struct zn_blob *answer; /* NULL once done: it was no 200 */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t landed = PTHREAD_COND_INITIALIZER;
static struct zn_flight *flights;

static const char *key_of(struct zn_call *c)
{
    const char *guest = zn_guest_of(c);

    return zn_arena_printf(c->arena, "%s|%s|%s", c->who.workspace_id ? c->who.workspace_id : "",
                           guest ? guest : "", c->req->raw_target);
}

struct zn_blob *zn_answer_recall(struct zn_call *c)
{
    const char *key = key_of(c);

    return key ? zn_cache_get(c->api->answers, key) : NULL;
}

static struct zn_flight *find(const char *key, uint64_t seen)
{
    struct zn_flight *f = flights;

    while (f && !(f->seen == seen && strcmp(f->key, key) == 0))
        f = f->next;
    return f;
}

/* What f brings, once it is there; it began after the last change that we know of. The lock is held. */
static struct zn_blob *wait_for(struct zn_flight *f)
{
    struct zn_blob *answer = NULL;
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += WAIT_S;
    f->waiting++;
    while (!f->done && pthread_cond_clockwait(&landed, &lock, CLOCK_MONOTONIC, &end) == 0)
        ;
    if (f->done && f->answer)
        answer = zn_blob_ref(f->answer);
    f->waiting--;
    pthread_cond_broadcast(&landed);
    return answer;
}

struct zn_blob *zn_answer_begin(struct zn_call *c)
{
    struct zn_blob *answer = zn_answer_recall(c);
    struct zn_flight *own = zn_arena_alloc(c->arena, sizeof *own), *f;

    if (answer || !own || !(own->key = key_of(c)))
        return answer;
    own->seen = zn_cache_generation(c->api->answers);
    pthread_mutex_lock(&lock);
    if ((f = find(own->key, own->seen))) {
        answer = wait_for(f);
    } else {
        own->next = flights;
        flights = own;
        c->flight = own;
    }
    pthread_mutex_unlock(&lock);
    return answer;
}

static struct zn_blob *blob_of(const struct zn_reply *reply)
{
    struct zn_blob *b = reply->status == 200 ? zn_blob_new(TAG_ROOM + reply->body.len) : NULL;

    if (!b)
        return NULL;
    memset(b->bytes, 0, TAG_ROOM);
    zn_etag_of(reply->body.mem, reply->body.len, b->bytes);
    memcpy(b->bytes + TAG_ROOM, reply->body.mem, reply->body.len);
    return b;
}

/* The flight is in our arena: it goes when nobody looks at it any more. */
static void land(struct zn_flight *f, struct zn_blob *answer)
{
    pthread_mutex_lock(&lock);
    for (struct zn_flight **p = &flights; *p; p = &(*p)->next)
        if (*p == f) {
            *p = f->next;
            break;
        }
    f->answer = answer;
    f->done = true;
    pthread_cond_broadcast(&landed);
    while (f->waiting)
        pthread_cond_wait(&landed, &lock);
    pthread_mutex_unlock(&lock);
}

void zn_answer_end(struct zn_call *c, struct zn_reply *reply)
{
    struct zn_flight *f = c->flight;
    zn_auto_blob answer = blob_of(reply);

    if (f && answer)
        zn_cache_put(c->api->answers, f->key, f->seen, KEPT_MS, answer);
    /* It may have read what no notice told of yet. Whoever gets it must not be given something older that was
     * worked out meanwhile, so that is forgotten. */
    if (f && f->seen != zn_cache_generation(c->api->answers))
        zn_cache_raise(c->api->answers);
    if (f)
        land(f, answer);
    c->flight = NULL;
    if (answer)
        zn_answer_reply(c, reply, ZN_TAKE(answer));
}

void zn_answer_reply(struct zn_call *c, struct zn_reply *reply, struct zn_blob *steals)
{
    const char *tag = zn_arena_strdup(c->arena, steals->bytes);

    if (tag)
        zn_reply_header(reply, "ETag", tag);
    zn_reply_blob(reply, 200, "application/json", steals, TAG_ROOM);
}
