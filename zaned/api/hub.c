#include "zaned/api/hub.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { TOPIC_MAX = 160 };

/* Comments have no id. */
struct frame {
    char id[ZN_EVENT_ID], topic[TOPIC_MAX]; /* topic "": everybody's */
    struct zn_blob *text;
};

struct reader {
    struct reader *next, **at;
    struct zn_hub *hub;
    struct zn_stream *stream; /* NULL until it begins */
    uint64_t next_frame;
    int64_t end_ms;
    struct zn_blob *now;      /* being sent, from `sent` on */
    size_t sent;
    zn_hub_filter filter;
    void *filter_arg;
};

struct zn_hub {
    pthread_mutex_t lock;
    unsigned readers_max;
    int64_t reader_ms;
    struct frame ring[ZN_HUB_RING];
    uint64_t n; /* the next frame goes to ring[n % ZN_HUB_RING] */
    struct reader *readers;
    unsigned nreaders; /* with those that have not begun */
};

struct zn_hub *zn_hub_new(unsigned readers_max, int64_t reader_ms)
{
    struct zn_hub *h = calloc(1, sizeof *h);

    if (h) {
        pthread_mutex_init(&h->lock, NULL);
        h->readers_max = readers_max;
        h->reader_ms = reader_ms;
    }
    return h;
}

void zn_hub_free(struct zn_hub *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < ZN_HUB_RING; i++)
        zn_blob_unref(h->ring[i].text);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static bool wants(const struct reader *r, const char *topic)
{
    return !topic || !*topic || !r->filter || r->filter(r->filter_arg, topic);
}

void zn_hub_publish(struct zn_hub *h, const char *id, const char *topic, const char *text, size_t n)
{
    struct zn_blob *b = zn_blob_of(text, n);

    if (!b)
        return;
    pthread_mutex_lock(&h->lock);
    struct frame *f = &h->ring[h->n++ % ZN_HUB_RING];
    zn_blob_unref(f->text);
    f->text = b;
    snprintf(f->id, sizeof f->id, "%s", id);
    snprintf(f->topic, sizeof f->topic, "%s", topic ? topic : "");
    for (struct reader *r = h->readers; r; r = r->next)
        if (r->stream && wants(r, topic))
            zn_stream_wake(r->stream);
    pthread_mutex_unlock(&h->lock);
}

uint64_t zn_hub_count(struct zn_hub *h)
{
    pthread_mutex_lock(&h->lock);
    uint64_t n = h->n;
    pthread_mutex_unlock(&h->lock);
    return n;
}

bool zn_hub_place(struct zn_hub *h, const char *last, uint64_t *ret, char id[ZN_EVENT_ID])
{
    bool found = false;

    id[0] = '\0';
    pthread_mutex_lock(&h->lock);
    uint64_t oldest = h->n > ZN_HUB_RING ? h->n - ZN_HUB_RING : 0;
    *ret = h->n;
    for (uint64_t i = h->n; i > oldest; i--) {
        const struct frame *f = &h->ring[(i - 1) % ZN_HUB_RING];

        if (f->id[0] && !id[0])
            snprintf(id, ZN_EVENT_ID, "%s", f->id);
        if (last && f->id[0] && strcmp(f->id, last) == 0) {
            *ret = i;
            found = true;
            break;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

/* --- readers ------------------------------------------------------------------------------------------ */

static void reader_begin(void *self, struct zn_stream *s)
{
    struct reader *r = self;
    struct zn_hub *h = r->hub;

    pthread_mutex_lock(&h->lock);
    r->stream = s;
    r->next = h->readers;
    r->at = &h->readers;
    if (r->next)
        r->next->at = &r->next;
    h->readers = r;
    pthread_mutex_unlock(&h->lock);
}

/* The next frame into r->now. 1 there is one · 0 not yet · -1 it is gone: the reader was too slow. */
static int next_frame(struct reader *r)
{
    struct zn_hub *h = r->hub;
    int ret = 0;

    pthread_mutex_lock(&h->lock);
    while (ret == 0 && r->next_frame < h->n) {
        const struct frame *f = &h->ring[r->next_frame % ZN_HUB_RING];

        if (r->next_frame + ZN_HUB_RING < h->n) {
            ret = -1;
            break;
        }
        r->next_frame++;
        if (!wants(r, f->topic))
            continue;
        r->now = zn_blob_ref(f->text);
        r->sent = 0;
        ret = 1;
    }
    pthread_mutex_unlock(&h->lock);
    return ret;
}

static ssize_t reader_read(void *self, char *p, size_t n)
{
    struct reader *r = self;
    int more = r->now ? 1 : next_frame(r);

    if (more < 0 || (!r->now && zn_now_ms() > r->end_ms))
        return -1;
    if (!more)
        return 0;
    size_t left = r->now->n - r->sent, k = left < n ? left : n;
    memcpy(p, r->now->bytes + r->sent, k);
    r->sent += k;
    if (r->sent == r->now->n) {
        zn_blob_unref(r->now);
        r->now = NULL;
    }
    return (ssize_t)k;
}

static void reader_free(struct reader *r)
{
    zn_blob_unref(r->now);
    free(r->filter_arg);
    free(r);
}

static void reader_end(void *self)
{
    struct reader *r = self;

    pthread_mutex_lock(&r->hub->lock);
    if (r->at) {
        *r->at = r->next;
        if (r->next)
            r->next->at = r->at;
    }
    r->hub->nreaders--;
    pthread_mutex_unlock(&r->hub->lock);
    reader_free(r);
}

/* Counts one more reader; false: there are too many. */
static bool admit(struct zn_hub *h)
{
    pthread_mutex_lock(&h->lock);
    bool room = h->nreaders < h->readers_max;
    h->nreaders += room;
    pthread_mutex_unlock(&h->lock);
    return room;
}

int zn_hub_stream(struct zn_hub *h, const struct zn_hub_reader *wanted, struct zn_reply *reply, struct zn_err *err)
{
    struct reader *r = calloc(1, sizeof *r);

    if (!r) {
        zn_blob_unref(wanted->first);
        free(wanted->filter_arg);
        return zn_fail(err, ZN_UNAVAILABLE, "out of memory");
    }
    *r = (struct reader){ .hub = h, .next_frame = wanted->from, .end_ms = zn_now_ms() + h->reader_ms,
                          .now = wanted->first, .filter = wanted->filter, .filter_arg = wanted->filter_arg };
    if (!admit(h)) {
        reader_free(r);
        return zn_fail(err, ZN_UNAVAILABLE, "%u streams of events are open, no more are taken", h->readers_max);
    }
    zn_reply_stream(reply, "text/event-stream",
                    &(struct zn_stream_source){ r, reader_begin, reader_read, reader_end });
    return 0;
}

void zn_hub_end(struct zn_hub *h, const char *topic)
{
    pthread_mutex_lock(&h->lock);
    for (struct reader *r = h->readers; r; r = r->next)
        if (wants(r, topic)) {
            r->end_ms = 0;
            if (r->stream)
                zn_stream_wake(r->stream);
        }
    pthread_mutex_unlock(&h->lock);
}
