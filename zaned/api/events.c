#include "zaned/api/events.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/periodic.h"

enum { RING = 256, ID_SIZE = 64, LINE_MAX_BYTES = 1 << 20, READERS_MAX = 1000 };
static const int64_t ASK_MS = 2000, STREAM_MS = 86400000, RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000;
/* The supervisor says something every 15 s. */
static const int64_t BEAT_MS = 15000, SILENCE_MS = 35000;
/* Then a reader has to come again, with its Last-Event-ID: whether it still may is asked anew. */
static const int64_t READER_MS = 600000;

/* One frame as it goes out, its blank line included. Comments have no id. */
struct frame {
    char id[ID_SIZE];
    struct zn_blob *text;
};

struct reader {
    struct reader *next, **at;
    struct zn_events *hub;
    struct zn_stream *stream; /* NULL until it begins */
    uint64_t next_frame;
    int64_t end_ms;
    struct zn_blob *now;      /* being sent, from `sent` on */
    size_t sent;
};

struct zn_events {
    char *socket;
    struct zn_periodic *thread;
    pthread_mutex_t lock;
    struct frame ring[RING];
    uint64_t n; /* frames so far: the next goes to ring[n % RING] */
    bool away;  /* the supervisor does not answer */
    struct reader *readers;
    unsigned nreaders; /* with those that have not begun */
    /* The listener's own: */
    int64_t told_ms; /* when the last frame came */
    struct zn_buf frame, line;
    char id[ID_SIZE];
};

/* --- frames out --------------------------------------------------------------------------------------- */

static void publish(struct zn_events *e, const char *id, const char *text, size_t n)
{
    struct zn_blob *b = zn_blob_of(text, n);

    if (!b)
        return;
    e->told_ms = zn_now_ms();
    pthread_mutex_lock(&e->lock);
    struct frame *f = &e->ring[e->n++ % RING];
    zn_blob_unref(f->text);
    f->text = b;
    snprintf(f->id, sizeof f->id, "%s", id);
    for (struct reader *r = e->readers; r; r = r->next)
        if (r->stream)
            zn_stream_wake(r->stream);
    pthread_mutex_unlock(&e->lock);
}

static void set_away(struct zn_events *e, bool away)
{
    static const char text[] = "event: away\ndata: {\"reason\":\"the supervisor does not answer\"}\n\n";

    if (e->away == away)
        return;
    e->away = away;
    if (away)
        publish(e, "", text, sizeof text - 1);
}

/* --- frames in ---------------------------------------------------------------------------------------- */

static void end_line(struct zn_events *e)
{
    const char *line = zn_buf_str(&e->line);

    if (!line || !*line) { /* a blank line ends the frame */
        zn_buf_putc(&e->frame, '\n');
        if (e->frame.len > 1 && !e->frame.failed)
            publish(e, e->id, e->frame.mem, e->frame.len);
        zn_buf_clear(&e->frame);
        e->id[0] = '\0';
    } else if (strncmp(line, "retry:", 6) != 0) {
        if (strncmp(line, "id: ", 4) == 0)
            snprintf(e->id, sizeof e->id, "%s", line + 4);
        zn_buf_printf(&e->frame, "%s\n", line);
    }
    zn_buf_clear(&e->line);
}

static int on_bytes(void *arg, const char *p, size_t n)
{
    struct zn_events *e = arg;

    set_away(e, false);
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n')
            end_line(e);
        else if (p[i] != '\r')
            zn_buf_putc(&e->line, p[i]);
    }
    return e->line.failed || e->frame.failed ? -1 : 0;
}

static int listen_once(struct zn_events *e, int cancel_fd, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };
    struct zn_http_req req = { .unix_path = e->socket, .method = "GET", .target = "/v1/events",
                               .deadline_ms = STREAM_MS, .silence_ms = SILENCE_MS, .sink = on_bytes, .sink_arg = e,
                               .cancel_fd = cancel_fd };

    zn_buf_clear(&e->frame);
    zn_buf_clear(&e->line);
    e->id[0] = '\0';
    if (zn_http_call(&req, &resp, err) < 0)
        return -1;
    return zn_fail(err, ZN_UNAVAILABLE, "the stream ended");
}

/* While the supervisor is away, nobody else keeps readers and what is between awake. */
static void beat(struct zn_events *e)
{
    static const char text[] = ": away\n\n";

    if (zn_now_ms() - e->told_ms >= BEAT_MS)
        publish(e, "", text, sizeof text - 1);
}

/* One connection to the supervisor; one that brought something was none that failed. */
static int session(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_events *e = arg;
    uint64_t before = e->n;
    int r = listen_once(e, zn_periodic_stop_fd(self), err);

    if (zn_periodic_stopping(self))
        return 0;
    if (e->n > before + 1)
        r = 0;
    set_away(e, true);
    beat(e);
    return r;
}

int zn_events_start(const char *socket, struct zn_events **ret, struct zn_err *err)
{
    struct zn_events *e = calloc(1, sizeof *e);

    if (!e || !(e->socket = strdup(socket))) {
        free(e);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    e->frame = e->line = ZN_BUF(LINE_MAX_BYTES);
    pthread_mutex_init(&e->lock, NULL);
    struct zn_periodic_config c = { .name = "events of the supervisor",
                                    .fn = session,
                                    .arg = e,
                                    .period_ms = RETRY_FIRST_MS,
                                    .retry_first_ms = RETRY_FIRST_MS,
                                    .retry_max_ms = RETRY_MAX_MS };
    if (zn_periodic_start(&c, &e->thread, err) < 0) {
        pthread_mutex_destroy(&e->lock);
        free(e->socket);
        free(e);
        return -1;
    }
    *ret = e;
    return 0;
}

void zn_events_stop(struct zn_events *e)
{
    if (!e)
        return;
    zn_periodic_stop(e->thread);
    for (size_t i = 0; i < RING; i++)
        zn_blob_unref(e->ring[i].text);
    zn_buf_done(&e->frame);
    zn_buf_done(&e->line);
    pthread_mutex_destroy(&e->lock);
    free(e->socket);
    free(e);
}

/* --- readers ------------------------------------------------------------------------------------------ */

int zn_events_ask(struct zn_events *e, const char *path, json_t **ret, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };
    struct zn_http_req req = { .unix_path = e->socket, .method = "GET", .target = path, .deadline_ms = ASK_MS };

    if (zn_http_call(&req, &resp, err) < 0)
        return zn_fail(err, ZN_UNAVAILABLE, "the supervisor does not answer");
    if (resp.status != 200)
        return zn_fail(err, ZN_UNAVAILABLE, "the supervisor answered %d", resp.status);
    return zn_json_parse(resp.body.mem, resp.body.len, ret, err);
}

static void reader_begin(void *self, struct zn_stream *s)
{
    struct reader *r = self;
    struct zn_events *e = r->hub;

    pthread_mutex_lock(&e->lock);
    r->stream = s;
    r->next = e->readers;
    r->at = &e->readers;
    if (r->next)
        r->next->at = &r->next;
    e->readers = r;
    pthread_mutex_unlock(&e->lock);
}

/* The next frame into r->now. 1 there is one · 0 not yet · -1 it is gone: the reader was too slow. */
static int next_frame(struct reader *r)
{
    struct zn_events *e = r->hub;
    int ret = 0;

    pthread_mutex_lock(&e->lock);
    if (r->next_frame + RING < e->n) {
        ret = -1;
    } else if (r->next_frame < e->n) {
        r->now = zn_blob_ref(e->ring[r->next_frame++ % RING].text);
        r->sent = 0;
        ret = 1;
    }
    pthread_mutex_unlock(&e->lock);
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
    zn_blob_unref(r->now);
    free(r);
}

/* Where a reader goes on that has seen `last`; id: of the newest event. False: last is not known (any more). */
static bool place_of(struct zn_events *e, const char *last, uint64_t *ret, char id[ID_SIZE])
{
    bool found = false;

    id[0] = '\0';
    pthread_mutex_lock(&e->lock);
    uint64_t oldest = e->n > RING ? e->n - RING : 0;
    *ret = e->n;
    for (uint64_t i = e->n; i > oldest; i--) {
        const struct frame *f = &e->ring[(i - 1) % RING];

        if (f->id[0] && !id[0])
            snprintf(id, ID_SIZE, "%s", f->id);
        if (last && f->id[0] && strcmp(f->id, last) == 0) {
            *ret = i;
            found = true;
            break;
        }
    }
    pthread_mutex_unlock(&e->lock);
    return found;
}

static struct zn_blob *snapshot(struct zn_events *e, const char *id, struct zn_err *err)
{
    zn_auto_json doc = NULL;
    zn_auto_buf struct zn_buf b = ZN_BUF(LINE_MAX_BYTES);

    if (zn_events_ask(e, "/v1/health", &doc, err) < 0)
        return NULL;
    zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT);
    zn_buf_puts(&b, "retry: 1000\n\n");
    if (*id)
        zn_buf_printf(&b, "id: %s\n", id);
    zn_buf_printf(&b, "event: snapshot\ndata: %s\n\n", text ? text : "{}");
    struct zn_blob *ret = b.failed ? NULL : zn_blob_of(b.mem, b.len);
    if (!ret)
        zn_fail(err, ZN_INTERNAL, "out of memory");
    return ret;
}

/* NULL: no memory, or too many of them. */
static struct reader *reader_new(struct zn_events *e)
{
    struct reader *r = calloc(1, sizeof *r);
    bool room;

    if (!r)
        return NULL;
    pthread_mutex_lock(&e->lock);
    room = e->nreaders < READERS_MAX;
    e->nreaders += room;
    pthread_mutex_unlock(&e->lock);
    if (!room) {
        free(r);
        return NULL;
    }
    r->hub = e;
    r->end_ms = zn_now_ms() + READER_MS;
    return r;
}

int zn_events_stream(struct zn_events *e, const char *last, struct zn_reply *reply, struct zn_err *err)
{
    struct reader *r = reader_new(e);
    char id[ID_SIZE];

    if (!r)
        return zn_fail(err, ZN_UNAVAILABLE, "%d streams of events are open, no more are taken", READERS_MAX);
    /* The place before the state: what happens in between is told twice rather than not at all. */
    if (!place_of(e, last, &r->next_frame, id) && !(r->now = snapshot(e, id, err))) {
        reader_end(r);
        return -1;
    }
    zn_reply_stream(reply, "text/event-stream",
                    &(struct zn_stream_source){ r, reader_begin, reader_read, reader_end });
    return 0;
}
