#include "zaned/http/stream.h"

#include <stdlib.h>

enum { BLOCK = 2048 }; /* memory of a stream, and most bytes of one read */

struct zn_stream {
    struct zn_stream *next, **at; /* at: what points to this one */
    struct zn_streams *all;
    struct MHD_Connection *conn;
    struct zn_stream_source source;
    bool suspended, woken; /* woken: since the last read began */
};

void zn_streams_init(struct zn_streams *s)
{
    *s = (struct zn_streams){ 0 };
    pthread_mutex_init(&s->lock, NULL);
}

void zn_streams_done(struct zn_streams *s)
{
    pthread_mutex_destroy(&s->lock);
}

/* The lock is held. */
static void wake(struct zn_stream *st)
{
    st->woken = true;
    if (!st->suspended)
        return;
    st->suspended = false;
    MHD_resume_connection(st->conn);
}

void zn_stream_wake(struct zn_stream *st)
{
    struct zn_streams *all = st->all;

    pthread_mutex_lock(&all->lock);
    wake(st);
    pthread_mutex_unlock(&all->lock);
}

void zn_streams_close(struct zn_streams *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    for (struct zn_stream *st = s->first; st; st = st->next)
        wake(st);
    pthread_mutex_unlock(&s->lock);
}

/* False: the stream is over. */
static bool begin_read(struct zn_stream *st)
{
    pthread_mutex_lock(&st->all->lock);
    st->woken = false;
    bool open = !st->all->closing;
    pthread_mutex_unlock(&st->all->lock);
    return open;
}

/* Rests until the next wake. False: there was one since the read began, so it is read again. */
static bool rest(struct zn_stream *st)
{
    pthread_mutex_lock(&st->all->lock);
    bool quiet = !st->woken;
    if (quiet) {
        st->suspended = true;
        MHD_suspend_connection(st->conn);
    }
    pthread_mutex_unlock(&st->all->lock);
    return quiet;
}

static ssize_t on_read(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct zn_stream *st = arg;

    (void)pos;
    do {
        ssize_t n = begin_read(st) ? st->source.read(st->source.self, buf, max) : -1;

        if (n)
            return n > 0 ? n : MHD_CONTENT_READER_END_OF_STREAM;
    } while (!rest(st));
    return 0;
}

static void on_end(void *arg)
{
    struct zn_stream *st = arg;

    /* The source first: after this it wakes nobody. */
    st->source.end(st->source.self);
    pthread_mutex_lock(&st->all->lock);
    *st->at = st->next;
    if (st->next)
        st->next->at = st->at;
    pthread_mutex_unlock(&st->all->lock);
    free(st);
}

struct MHD_Response *zn_stream_response(struct zn_streams *s, struct MHD_Connection *conn,
                                        struct zn_stream_source *source)
{
    struct zn_stream *st = calloc(1, sizeof *st);
    struct MHD_Response *r = st ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, st, on_end)
                                : NULL;
    struct zn_stream_source taken = *source;

    *source = (struct zn_stream_source){ 0 };
    if (!r) {
        taken.end(taken.self);
        free(st);
        return NULL;
    }
    st->all = s;
    st->conn = conn;
    st->source = taken;
    pthread_mutex_lock(&s->lock);
    st->next = s->first;
    st->at = &s->first;
    if (st->next)
        st->next->at = &st->next;
    s->first = st;
    pthread_mutex_unlock(&s->lock);
    taken.begin(taken.self, st);
    return r;
}
