#include "zaned/api/tail.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/blob.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/periodic.h"

enum {
    READERS_MAX = 500,
    PAGE_MAX = 500,    /* lines of one event; fewer after the store failed: its answer may have been too large */
    PAGE_MIN = 64,
    GAP_LINES = 5000,  /* who is further behind goes on with what is new */
    SENT_MAX = 1024,   /* lines whose identity a reader remembers */
    ROUNDS_MAX = 32,   /* SENT_MAX lines in pages of PAGE_MIN, and more */
    FRAME_MAX = 64 << 20,
    CURSOR_MAX = 512,
};
/* Lines of other processes (the worker's build logs, ingest by another zaned-api) are not told here: everybody looks now and then. */
static const int64_t LOOK_MS = 1000, BATCH_MS = 100, AWAY_MS = 2000, PING_MS = 15000;
/* Then a reader comes again and is asked anew who it is. */
static const int64_t READER_MS = 300000;
/* So far back a look goes for lines that came after younger ones. */
static const int64_t LATE_NS = 5 * 1000000000LL;

/* Of a line that was sent. */
struct sent {
    int64_t ns;
    char id[ZN_LOG_IDENTITY_LEN];
};

struct reader {
    struct reader *next, **at; /* at NULL: not in the list yet */
    struct zn_tail *tail;
    struct zn_stream *stream;
    struct zn_blob *out;       /* being sent, from `done` on */
    size_t done;
    int64_t end_ms, due_ms, looked_ms, told_ms;
    int64_t late_ns;           /* oldest line that was told of since the last look; INT64_MAX: none */
    bool busy, gone;           /* busy: the pump works on it; gone: and frees it then */
    /* The pump's alone while busy: */
    struct zn_arena arena;     /* of q */
    struct zn_search q;
    struct zn_search_place place;
    int64_t floor_ns;          /* from here on it is known which lines were sent */
    unsigned behind;           /* lines since it last had all */
    struct sent sent[SENT_MAX];
    size_t nsent;              /* the next goes to sent[nsent % SENT_MAX] */
};

struct zn_tail {
    struct zn_loki *loki;
    struct zn_periodic *pump;
    int kick;                  /* eventfd: somebody may be due */
    bool away;                 /* the store does not answer; the pump's own */
    pthread_mutex_t lock;
    struct reader *readers;
    unsigned nreaders;         /* with those that have not begun */
};

static void kick(struct zn_tail *t)
{
    uint64_t one = 1;

    if (write(t->kick, &one, sizeof one) < 0)
        return; /* full: it is awake */
}

static void reader_free(struct reader *r)
{
    zn_blob_unref(r->out);
    zn_arena_done(&r->arena);
    free(r);
}

/* --- frames ------------------------------------------------------------------------------------------- */

static struct zn_blob *frame(const struct zn_search_place *id, const char *event, const char *data)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(FRAME_MAX);

    if (id) {
        zn_buf_puts(&b, "id: ");
        zn_search_place_write(id, &b);
        zn_buf_putc(&b, '\n');
    }
    zn_buf_printf(&b, "event: %s\ndata: ", event);
    zn_buf_puts(&b, data);
    zn_buf_puts(&b, "\n\n");
    return b.failed ? NULL : zn_blob_of(b.mem, b.len);
}

/* The client goes on from here; what lies between can be searched from the cursor on. */
static struct zn_blob *gap(struct reader *r)
{
    zn_auto_buf struct zn_buf cursor = ZN_BUF(CURSOR_MAX);

    zn_search_place_write(&r->place, &cursor);
    zn_auto_json doc = json_pack("{s:s}", "cursor", zn_buf_str(&cursor) ? cursor.mem : "");
    zn_auto_mem char *data = json_dumps(doc, JSON_COMPACT);
    r->place = (struct zn_search_place){ .ns = zn_wall_ns(), .asc = true };
    r->floor_ns = r->place.ns;
    r->nsent = r->behind = 0;
    return data ? frame(&r->place, "gap", data) : NULL;
}

/* --- the pump ----------------------------------------------------------------------------------------- */

static bool was_sent(const struct reader *r, const char *id)
{
    size_t n = r->nsent < SENT_MAX ? r->nsent : SENT_MAX;

    for (size_t i = 0; i < n; i++)
        if (strcmp(r->sent[i].id, id) == 0)
            return true;
    return false;
}

static void remember(struct reader *r, const char *id, int64_t ns)
{
    struct sent *s = &r->sent[r->nsent++ % SENT_MAX];

    if (r->nsent > SENT_MAX && s->ns >= r->floor_ns)
        r->floor_ns = s->ns + 1;
    s->ns = ns;
    snprintf(s->id, sizeof s->id, "%s", id);
}

/* Takes out what was sent before and remembers the rest. */
static void only_new(struct reader *r, json_t *lines)
{
    for (size_t i = 0; i < json_array_size(lines);) {
        const json_t *line = json_array_get(lines, i);
        const char *id = zn_json_str(line, "id", ""), *time = zn_json_str(line, "time", "");
        int64_t ns = 0;

        if (was_sent(r, id)) {
            json_array_remove(lines, i);
            continue;
        }
        zn_log_time_parse(time, strlen(time), &ns);
        remember(r, id, ns);
        i++;
    }
}

/* Where a look begins: at the reader's place, or before it where younger lines may have come first. */
static struct zn_search_place begin_at(const struct reader *r, int64_t late_ns)
{
    struct zn_search_place back = { .ns = r->place.ns - LATE_NS, .asc = true };

    if (late_ns < back.ns)
        back.ns = late_ns;
    if (back.ns < r->floor_ns)
        back.ns = r->floor_ns;
    return back.ns < r->place.ns ? back : r->place;
}

static bool is_after(const struct zn_search_place *a, const struct zn_search_place *b)
{
    return a->ns != b->ns ? a->ns > b->ns : strcmp(a->key, b->key) > 0;
}

/* One look for one reader: *ret = the frame to send or NULL; *more: look again at once. */
static int look(struct zn_tail *t, struct reader *r, int64_t late_ns, struct zn_blob **ret, bool *more,
                struct zn_err *err)
{
    struct zn_search_place at = begin_at(r, late_ns);
    zn_auto_json all = json_array();

    *more = true;
    for (int rounds = 0; *more && !json_array_size(all) && rounds < ROUNDS_MAX; rounds++) {
        zn_auto_json lines = NULL;

        if (zn_search_onward(t->loki, &r->q, zn_wall_ns(), &at, &lines, more, err) < 0)
            return -1;
        only_new(r, lines);
        json_array_extend(all, lines);
    }
    if (is_after(&at, &r->place))
        r->place = at;
    r->behind = *more ? r->behind + (unsigned)json_array_size(all) : 0;
    if (json_array_size(all)) {
        zn_auto_mem char *data = json_dumps(all, JSON_COMPACT);
        *ret = data ? frame(&r->place, "lines", data) : NULL;
        if (!*ret)
            return zn_fail(err, ZN_INTERNAL, "out of memory for log lines");
    }
    return 0;
}

/* The reader whose turn it is, and how long until there is one. Locked. */
static struct reader *next_due(struct zn_tail *t, int64_t now, int *wait_ms)
{
    struct reader *best = NULL;

    for (struct reader *r = t->readers; r; r = r->next)
        if (!r->out && (!best || r->due_ms < best->due_ms))
            best = r;
    *wait_ms = best && best->due_ms - now < LOOK_MS ? (int)(best->due_ms - now) : (int)LOOK_MS;
    return best && best->due_ms <= now ? best : NULL;
}

static void said_away(struct zn_tail *t, bool away, const struct zn_err *err)
{
    if (away && !t->away)
        zn_warn("live log lines wait: %s", err->msg);
    t->away = away;
}

/* Hands a reader its frame; what is new for all: pings, and the end of those that go. Locked. */
static void hand_over(struct reader *r, struct zn_blob *out, int64_t now)
{
    if (!out && now - r->told_ms >= PING_MS)
        out = frame(NULL, "ping", "{}");
    if (out) {
        r->out = out;
        r->done = 0;
        r->told_ms = now;
    }
    if (out || now > r->end_ms)
        zn_stream_wake(r->stream);
}

static void serve(struct zn_tail *t, struct reader *r, int64_t late_ns)
{
    struct zn_err err = { 0 };
    struct zn_blob *out = NULL;
    bool more = false;
    int64_t wait = LOOK_MS;

    if (r->behind >= GAP_LINES)
        out = gap(r);
    else if (look(t, r, late_ns, &out, &more, &err) < 0) {
        r->q.per_page = r->q.per_page / 2 > PAGE_MIN ? r->q.per_page / 2 : PAGE_MIN;
        wait = AWAY_MS;
        more = false;
    } else if (r->q.per_page < PAGE_MAX) {
        r->q.per_page = r->q.per_page + PAGE_MIN / 4 < PAGE_MAX ? r->q.per_page + PAGE_MIN / 4 : PAGE_MAX;
    }
    said_away(t, err.code != ZN_OK, &err);
    pthread_mutex_lock(&t->lock);
    r->busy = false;
    if (r->gone) {
        zn_blob_unref(out);
        reader_free(r);
    } else {
        int64_t now = zn_now_ms();

        r->looked_ms = now;
        if (err.code != ZN_OK && late_ns < r->late_ns)
            r->late_ns = late_ns;
        /* Told of something meanwhile: soon. */
        r->due_ms = more ? now : r->late_ns < INT64_MAX && wait == LOOK_MS ? now + BATCH_MS : now + wait;
        hand_over(r, out, now);
    }
    pthread_mutex_unlock(&t->lock);
}

static int pump(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_tail *t = arg;
    struct pollfd fds[] = { { .fd = zn_periodic_stop_fd(self), .events = POLLIN },
                            { .fd = t->kick, .events = POLLIN } };
    uint64_t kicks;

    (void)err;
    while (!zn_periodic_stopping(self)) {
        int wait;
        int64_t late_ns = INT64_MAX;

        pthread_mutex_lock(&t->lock);
        struct reader *r = next_due(t, zn_now_ms(), &wait);
        if (r) {
            r->busy = true;
            late_ns = r->late_ns;
            r->late_ns = INT64_MAX;
        }
        pthread_mutex_unlock(&t->lock);
        if (r)
            serve(t, r, late_ns);
        else if (poll(fds, 2, wait) > 0 && (fds[1].revents & POLLIN) && read(t->kick, &kicks, sizeof kicks) < 0)
            continue;
    }
    return 0;
}

void zn_tail_heard(struct zn_tail *t, const char *service_id, int64_t first_ns)
{
    bool any = false;

    pthread_mutex_lock(&t->lock);
    for (struct reader *r = t->readers; r; r = r->next) {
        int64_t soon = r->looked_ms + BATCH_MS;

        if (strcmp(r->q.service_id, service_id) != 0)
            continue;
        if (first_ns < r->late_ns)
            r->late_ns = first_ns;
        if (soon < r->due_ms)
            r->due_ms = soon;
        any = true;
    }
    pthread_mutex_unlock(&t->lock);
    if (any)
        kick(t);
}

/* --- readers ------------------------------------------------------------------------------------------ */

static void reader_begin(void *self, struct zn_stream *s)
{
    struct reader *r = self;
    struct zn_tail *t = r->tail;

    pthread_mutex_lock(&t->lock);
    r->stream = s;
    r->next = t->readers;
    r->at = &t->readers;
    if (r->next)
        r->next->at = &r->next;
    t->readers = r;
    pthread_mutex_unlock(&t->lock);
}

static ssize_t reader_read(void *self, char *p, size_t n)
{
    struct reader *r = self;
    struct zn_tail *t = r->tail;
    ssize_t ret = 0;

    pthread_mutex_lock(&t->lock);
    if (r->out) {
        size_t left = r->out->n - r->done, k = left < n ? left : n;

        memcpy(p, r->out->bytes + r->done, k);
        r->done += k;
        if (r->done == r->out->n) {
            zn_blob_unref(r->out);
            r->out = NULL;
            kick(t);
        }
        ret = (ssize_t)k;
    } else if (zn_now_ms() > r->end_ms) {
        ret = -1;
    }
    pthread_mutex_unlock(&t->lock);
    return ret;
}

static void reader_end(void *self)
{
    struct reader *r = self;
    struct zn_tail *t = r->tail;

    pthread_mutex_lock(&t->lock);
    if (r->at) {
        *r->at = r->next;
        if (r->next)
            r->next->at = r->at;
    }
    t->nreaders--;
    r->gone = true;
    bool mine = !r->busy;
    pthread_mutex_unlock(&t->lock);
    if (mine)
        reader_free(r);
}

static bool copy(struct reader *r, const char **text)
{
    return !*text || (*text = zn_arena_strdup(&r->arena, *text));
}

static struct reader *reader_new(struct zn_tail *t, const struct zn_search *q, const struct zn_search_place *place)
{
    int64_t now = zn_now_ms();
    struct reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->tail = t;
    r->arena.limit = 16 << 10;
    r->q = *q;
    r->q.per_page = PAGE_MAX;
    r->place = *place;
    /* Lines of the place's own time that came before it are the client's already. */
    r->floor_ns = place->ns + (*place->key ? 1 : 0);
    r->late_ns = INT64_MAX;
    r->end_ms = now + READER_MS;
    r->due_ms = r->told_ms = now;
    r->out = frame(place, "hello", "{}");
    if (!r->out || !copy(r, &r->q.service_id) || !copy(r, &r->q.deployment_id) || !copy(r, &r->q.container_id) ||
        !copy(r, &r->q.text) || !copy(r, &r->q.stream)) {
        reader_free(r);
        return NULL;
    }
    return r;
}

int zn_tail_stream(struct zn_tail *t, const struct zn_search *q, const char *since, struct zn_reply *reply,
                   struct zn_err *err)
{
    struct zn_search_place place = { .ns = zn_wall_ns() };

    if (since && !zn_search_place_read(since, &place)) {
        zn_field_err(err, "since", "invalid", "Invalid cursor.");
        return zn_fail(err, ZN_INVALID, "invalid cursor");
    }
    place.asc = true;
    struct reader *r = reader_new(t, q, &place);
    if (!r)
        return zn_fail(err, ZN_UNAVAILABLE, "out of memory");
    pthread_mutex_lock(&t->lock);
    bool room = t->nreaders < READERS_MAX;
    t->nreaders += room;
    pthread_mutex_unlock(&t->lock);
    if (!room) {
        reader_free(r);
        return zn_fail(err, ZN_UNAVAILABLE, "%d streams of log lines are open, no more are taken", READERS_MAX);
    }
    zn_reply_stream(reply, "text/event-stream", &(struct zn_stream_source){ r, reader_begin, reader_read, reader_end });
    return 0;
}

int zn_tail_start(struct zn_loki *loki, struct zn_tail **ret, struct zn_err *err)
{
    struct zn_tail *t = calloc(1, sizeof *t);

    if (!t)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    t->loki = loki;
    t->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&t->lock, NULL);
    struct zn_periodic_config c = { .name = "live log lines", .fn = pump, .arg = t, .period_ms = LOOK_MS,
                                    .retry_first_ms = LOOK_MS, .retry_max_ms = LOOK_MS };
    if (t->kick < 0 || zn_periodic_start(&c, &t->pump, err) < 0) {
        zn_tail_stop(t);
        return zn_fail(err, ZN_INTERNAL, "no thread for live log lines");
    }
    *ret = t;
    return 0;
}

void zn_tail_stop(struct zn_tail *t)
{
    if (!t)
        return;
    zn_periodic_stop(t->pump);
    if (t->kick >= 0)
        close(t->kick);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
