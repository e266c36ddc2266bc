#include "zaned/api/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/periodic.h"
#include "zaned/api/hub.h"

enum { LINE_MAX_BYTES = 1 << 20, READERS_MAX = 1000 };
static const int64_t ASK_MS = 2000, STREAM_MS = 86400000, RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000;
/* The supervisor says something every 15 s. */
static const int64_t BEAT_MS = 15000, SILENCE_MS = 35000;
/* Then a reader has to come again, with its Last-Event-ID: whether it still may is asked anew. */
static const int64_t READER_MS = 600000;

struct zn_events {
    char *socket;
    struct zn_periodic *thread;
    struct zn_hub *hub;
    /* The listener's own: */
    bool away;       /* the supervisor does not answer */
    int64_t told_ms; /* when the last frame came */
    struct zn_buf frame, line;
    char id[ZN_EVENT_ID];
};

/* --- frames out --------------------------------------------------------------------------------------- */

static void publish(struct zn_events *e, const char *id, const char *text, size_t n)
{
    e->told_ms = zn_now_ms();
    zn_hub_publish(e->hub, id, NULL, text, n);
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
    uint64_t before = zn_hub_count(e->hub);
    int r = listen_once(e, zn_periodic_stop_fd(self), err);

    if (zn_periodic_stopping(self))
        return 0;
    if (zn_hub_count(e->hub) > before + 1)
        r = 0;
    set_away(e, true);
    beat(e);
    return r;
}

int zn_events_start(const char *socket, struct zn_events **ret, struct zn_err *err)
{
    struct zn_events *e = calloc(1, sizeof *e);

    if (!e || !(e->socket = strdup(socket)) || !(e->hub = zn_hub_new(READERS_MAX, READER_MS))) {
        zn_events_stop(e);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    e->frame = e->line = ZN_BUF(LINE_MAX_BYTES);
    struct zn_periodic_config c = { .name = "events of the supervisor",
                                    .fn = session,
                                    .arg = e,
                                    .period_ms = RETRY_FIRST_MS,
                                    .retry_first_ms = RETRY_FIRST_MS,
                                    .retry_max_ms = RETRY_MAX_MS };
    if (zn_periodic_start(&c, &e->thread, err) < 0) {
        zn_events_stop(e);
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
    zn_hub_free(e->hub);
    zn_buf_done(&e->frame);
    zn_buf_done(&e->line);
    free(e->socket);
    free(e);
}

/* --- readers ------------------------------------------------------------------------------------------ */

static int call(struct zn_events *e, const char *method, const char *path, struct zn_http_resp *resp, struct zn_err *err)
{
    struct zn_http_req req = { .unix_path = e->socket, .method = method, .target = path, .deadline_ms = ASK_MS };

    return zn_http_call(&req, resp, err) < 0 ? zn_fail(err, ZN_UNAVAILABLE, "the supervisor does not answer") : 0;
}

int zn_events_ask(struct zn_events *e, const char *path, json_t **ret, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };

    if (call(e, "GET", path, &resp, err) < 0)
        return -1;
    if (resp.status != 200)
        return zn_fail(err, ZN_UNAVAILABLE, "the supervisor answered %d", resp.status);
    return zn_json_parse(resp.body.mem, resp.body.len, ret, err);
}

int zn_events_do(struct zn_events *e, const char *path, json_t **ret, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };
    zn_auto_json doc = NULL;

    if (call(e, "POST", path, &resp, err) < 0 || zn_json_parse(resp.body.mem, resp.body.len, &doc, err) < 0)
        return -1;
    if (resp.status / 100 != 2)
        return zn_fail(err, resp.status == 404 ? ZN_NOT_FOUND : resp.status == 409 ? ZN_CONFLICT : ZN_UNAVAILABLE,
                       "the supervisor refused: %s",
                       zn_json_str(json_object_get(doc, "error"), "message", "no reason"));
    *ret = ZN_TAKE(doc);
    return 0;
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

int zn_events_stream(struct zn_events *e, const char *last, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_hub_reader r = { 0 };
    char id[ZN_EVENT_ID];

    /* The place before the state: what happens in between is told twice rather than not at all. */
    if (!zn_hub_place(e->hub, last, &r.from, id) && !(r.first = snapshot(e, id, err)))
        return -1;
    return zn_hub_stream(e->hub, &r, reply, err);
}
