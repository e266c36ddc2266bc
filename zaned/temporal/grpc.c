/* One I/O thread owns the connections. A connection that got GOAWAY drains beside the next one.
 * Connecting (name resolution included) happens in a thread of its own, since getaddrinfo blocks. */
#include "zaned/temporal/grpc.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "zaned/temporal/grpc_dial.h"
#include "zaned/temporal/grpc_frame.h"

enum { CONNS_MAX = 8, HEADERS_MAX = 24, STREAM_WINDOW = 4 << 20, CONN_WINDOW = 16 << 20 };
static const size_t REPLY_MAX = 64u << 20;
static const int64_t PING_IDLE_MS = 30000, PING_WAIT_MS = 15000;
static const int64_t BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000;
static const int64_t GRACE_MS = 2000; /* the server's own answer to a deadline gets this long */

struct call {
    struct call *next;
    uint64_t id;
    char *path;
    uint8_t *req; /* prefix and message */
    size_t len, sent;
    int64_t deadline;
    zt_grpc_done done;
    void *arg;
    struct conn *conn; /* NULL = waits for a connection */
    int32_t stream;
    bool resent;
    int http_status, grpc_status; /* 0, -1 = not seen */
    int frame_error;
    char message[512];
    struct zt_frame frame;
    struct zn_buf details;
};

struct conn {
    struct zt_grpc *g;
    int fd;
    nghttp2_session *session;
    bool goaway, dead;
    unsigned streams;
    int64_t heard_ms, pinged_ms; /* pinged_ms: 0 = no ping outstanding */
};

struct zt_grpc {
    char host[256], port[8], authority[272];
    char *user_agent, **headers;
    size_t nheaders, max_reply;
    pthread_t thread;
    int wake;
    atomic_bool stop;
    pthread_mutex_t lock; /* of the three below */
    struct call *submitted;
    uint64_t *cancels;
    size_t ncancels;
    uint64_t last_id;
    /* the I/O thread's own */
    struct call *calls;
    struct conn *conns[CONNS_MAX];
    struct conn *current;
    struct zt_dial *dial; /* NULL = no attempt is under way */
    unsigned failures;
    int64_t next_try_ms;
};

static void wake(struct zt_grpc *g)
{
    uint64_t one = 1;

    if (write(g->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        zn_warn("grpc: wake: %s", strerror(errno));
}

static void call_free(struct call *c)
{
    free(c->path);
    free(c->req);
    zn_buf_done(&c->frame.body);
    zn_buf_done(&c->details);
    free(c);
}

static void unlink_call(struct zt_grpc *g, struct call *c)
{
    for (struct call **p = &g->calls; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            return;
        }
}

/* Ends a call: tells the caller, frees it. message NULL = what the server said. */
static void finish(struct zt_grpc *g, struct call *c, enum zt_grpc_code code, const char *message)
{
    struct zt_grpc_reply r = { .code = code };

    unlink_call(g, c);
    snprintf(r.message, sizeof r.message, "%s", message ? message : c->message);
    if (code == ZT_GRPC_OK) {
        r.body = (const uint8_t *)(c->frame.body.mem ? c->frame.body.mem : "");
        r.len = c->frame.body.len;
    }
    if (c->details.len) {
        r.details = (const uint8_t *)c->details.mem;
        r.details_len = c->details.len;
    }
    c->done(c->arg, &r);
    call_free(c);
}

static enum zt_grpc_code from_http(int status)
{
    switch (status) {
    case 400:
        return ZT_GRPC_INTERNAL;
    case 401:
        return ZT_GRPC_UNAUTHENTICATED;
    case 403:
        return ZT_GRPC_PERMISSION_DENIED;
    case 404:
        return ZT_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return ZT_GRPC_UNAVAILABLE;
    default:
        return ZT_GRPC_UNKNOWN;
    }
}

static enum zt_grpc_code from_reset(uint32_t error)
{
    switch (error) {
    case NGHTTP2_CANCEL:
        return ZT_GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return ZT_GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_REFUSED_STREAM:
    case NGHTTP2_NO_ERROR:
        return ZT_GRPC_UNAVAILABLE;
    default:
        return ZT_GRPC_INTERNAL;
    }
}

/* The stream is over: what does it mean for the call? */
static void conclude(struct zt_grpc *g, struct call *c, uint32_t error)
{
    c->conn = NULL;
    if (c->frame_error == -EMSGSIZE)
        return finish(g, c, ZT_GRPC_RESOURCE_EXHAUSTED, "the answer is larger than allowed here");
    if (c->frame_error)
        return finish(g, c, ZT_GRPC_INTERNAL, "malformed gRPC message");
    if (c->grpc_status > 0)
        return finish(g, c, (enum zt_grpc_code)c->grpc_status, NULL);
    if (c->grpc_status == 0) {
        if (zt_frame_whole(&c->frame))
            return finish(g, c, ZT_GRPC_OK, NULL);
        return finish(g, c, ZT_GRPC_INTERNAL, "status OK without a whole message");
    }
    if (error == NGHTTP2_REFUSED_STREAM && !c->resent) {
        c->resent = true; /* never processed: safe to send again on the next connection */
        c->sent = 0;
        return;
    }
    if (error != NGHTTP2_NO_ERROR)
        return finish(g, c, from_reset(error), nghttp2_http2_strerror(error));
    if (c->http_status && c->http_status != 200)
        return finish(g, c, from_http(c->http_status), "HTTP error instead of gRPC");
    finish(g, c, ZT_GRPC_UNAVAILABLE, "the stream ended without a status");
}

static int on_stream_close(nghttp2_session *s, int32_t id, uint32_t error, void *arg)
{
    struct conn *k = arg;
    struct call *c = nghttp2_session_get_stream_user_data(s, id);

    if (k->streams)
        k->streams--;
    if (c)
        conclude(k->g, c, error);
    return 0;
}

static void take_message(struct call *c, const uint8_t *v, size_t n)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(65536);

    if (!zn_percent_decode((const char *)v, n, false, &b) || b.failed)
        snprintf(c->message, sizeof c->message, "%.*s", (int)n, (const char *)v);
    else
        snprintf(c->message, sizeof c->message, "%.*s", (int)b.len, b.mem ? b.mem : "");
}

static int number(const uint8_t *v, size_t n)
{
    int x = 0;

    if (!n || n > 3)
        return ZT_GRPC_UNKNOWN;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < '0' || v[i] > '9')
            return ZT_GRPC_UNKNOWN;
        x = x * 10 + (v[i] - '0');
    }
    return x;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nn,
                     const uint8_t *v, size_t nv, uint8_t flags, void *arg)
{
    struct call *c = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);
    struct zn_str key = { (const char *)name, nn };

    (void)flags;
    (void)arg;
    if (!c)
        return 0;
    if (zn_str_eq(key, zn_str(":status"))) {
        c->http_status = number(v, nv);
    } else if (zn_str_eq(key, zn_str("grpc-status"))) {
        c->grpc_status = number(v, nv);
    } else if (zn_str_eq(key, zn_str("grpc-message"))) {
        take_message(c, v, nv);
    } else if (zn_str_eq(key, zn_str("grpc-status-details-bin"))) {
        zn_buf_clear(&c->details);
        if (!zn_base64_decode((const char *)v, nv, &c->details))
            zn_buf_clear(&c->details);
    }
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    struct call *c = nghttp2_session_get_stream_user_data(s, id);

    (void)flags;
    (void)arg;
    if (!c || c->frame_error || (c->http_status && c->http_status != 200))
        return 0;
    c->frame_error = zt_frame_feed(&c->frame, p, n);
    if (c->frame_error)
        nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
    struct conn *k = arg;

    (void)s;
    if (f->hd.type == NGHTTP2_GOAWAY)
        k->goaway = true;
    if (f->hd.type == NGHTTP2_PING && (f->hd.flags & NGHTTP2_FLAG_ACK))
        k->pinged_ms = 0;
    return 0;
}

static ssize_t read_body(nghttp2_session *s, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                         nghttp2_data_source *src, void *arg)
{
    struct call *c = nghttp2_session_get_stream_user_data(s, id);

    (void)src;
    (void)arg;
    if (!c)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = c->len - c->sent, take = left < n ? left : n;
    memcpy(buf, c->req + c->sent, take);
    c->sent += take;
    if (c->sent == c->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
                         .value = (uint8_t *)(uintptr_t)value,
                         .namelen = strlen(name),
                         .valuelen = strlen(value),
                         .flags = NGHTTP2_NV_FLAG_NONE };
}

static void send_call(struct zt_grpc *g, struct conn *k, struct call *c)
{
    nghttp2_nv nv[HEADERS_MAX];
    nghttp2_data_provider body = { .read_callback = read_body };
    char timeout[24];
    size_t n = 0;
    int64_t left = c->deadline - zn_now_ms();

    snprintf(timeout, sizeof timeout, "%lldm",
             (long long)(left < 1 ? 1 : left > 99999999 ? 99999999 : left));
    nv[n++] = pair(":method", "POST");
    nv[n++] = pair(":scheme", "http");
    nv[n++] = pair(":authority", g->authority);
    nv[n++] = pair(":path", c->path);
    nv[n++] = pair("content-type", "application/grpc");
    nv[n++] = pair("te", "trailers");
    nv[n++] = pair("grpc-timeout", timeout);
    nv[n++] = pair("user-agent", g->user_agent);
    for (size_t i = 0; i + 1 < g->nheaders && n < HEADERS_MAX; i += 2)
        nv[n++] = pair(g->headers[i], g->headers[i + 1]);
    c->stream = nghttp2_submit_request(k->session, NULL, nv, n, &body, c);
    if (c->stream < 0) { /* the session takes no more: it drains from now on */
        k->goaway = true;
        return;
    }
    c->conn = k;
    k->streams++;
}

static void conn_free(struct conn *k)
{
    struct zt_grpc *g = k->g;

    for (struct call *c = g->calls, *next; c; c = next) {
        next = c->next;
        if (c->conn == k) {
            c->conn = NULL;
            finish(g, c, ZT_GRPC_UNAVAILABLE, "the connection was lost");
            next = g->calls; /* the callback may have ended others: begin again */
        }
    }
    for (int i = 0; i < CONNS_MAX; i++)
        if (g->conns[i] == k)
            g->conns[i] = NULL;
    if (g->current == k)
        g->current = NULL;
    nghttp2_session_del(k->session);
    close(k->fd);
    free(k);
}

static int session_open(struct conn *k)
{
    nghttp2_session_callbacks *cb;
    nghttp2_settings_entry set[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
                                     { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
                                     { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100 } };

    if (nghttp2_session_callbacks_new(&cb))
        return -1;
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    int r = nghttp2_session_client_new(&k->session, cb, k);
    nghttp2_session_callbacks_del(cb);
    if (r)
        return -1;
    nghttp2_submit_settings(k->session, NGHTTP2_FLAG_NONE, set, sizeof set / sizeof *set);
    nghttp2_session_set_local_window_size(k->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    return 0;
}

static void adopt(struct zt_grpc *g, int fd)
{
    struct conn *k = calloc(1, sizeof *k);
    int one = 1, slot = 0;

    while (slot < CONNS_MAX && g->conns[slot])
        slot++;
    if (!k || slot == CONNS_MAX || (k->g = g, k->fd = fd, session_open(k)) < 0) {
        zn_warn("grpc: no room for another connection");
        close(fd);
        free(k);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    k->heard_ms = zn_now_ms();
    g->conns[slot] = g->current = k;
    g->failures = 0;
}

/* Reads and writes what is possible; marks the connection dead on any error. */
static void pump_read(struct conn *k)
{
    static _Thread_local uint8_t buf[65536];

    for (int round = 0; round < 16 && !k->dead; round++) {
        ssize_t n = recv(k->fd, buf, sizeof buf, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            k->dead = true;
            return;
        }
        k->heard_ms = zn_now_ms();
        if (nghttp2_session_mem_recv(k->session, buf, (size_t)n) < 0)
            k->dead = true;
    }
}

static void pump_write(struct conn *k)
{
    const uint8_t *p;
    ssize_t n;

    while (!k->dead && (n = nghttp2_session_mem_send(k->session, &p)) != 0) {
        if (n < 0) {
            k->dead = true;
            return;
        }
        while (n > 0) {
            ssize_t w = send(k->fd, p, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);

            if (w < 0 && errno == EAGAIN) {
                struct pollfd pf = { .fd = k->fd, .events = POLLOUT };

                /* mem_send gives a block only once, so it must go out; the peer reads or is dead. */
                if (poll(&pf, 1, (int)PING_WAIT_MS) <= 0)
                    k->dead = true;
            } else if (w < 0 && errno != EINTR) {
                k->dead = true;
            }
            if (k->dead)
                return;
            if (w > 0) {
                p += w;
                n -= w;
            }
        }
    }
}

/* --- connecting --------------------------------------------------------------------------------- */

static void end_connect(struct zt_grpc *g)
{
    char why[ZT_DIAL_WHY];
    uint32_t rnd;
    int fd;

    if (!g->dial || !zt_dial_done(g->dial))
        return;
    fd = zt_dial_end(g->dial, why);
    g->dial = NULL;
    if (fd >= 0) {
        adopt(g, fd);
        return;
    }
    if (g->failures == 0 || g->failures == 8)
        zn_warn("grpc: connecting to %s: %s", g->authority, why);
    zn_random(&rnd, sizeof rnd);
    g->next_try_ms =
        zn_now_ms() + zn_backoff_ms(g->failures++, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, rnd);
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void cancel_call(struct zt_grpc *g, struct call *c, enum zt_grpc_code code, const char *why)
{
    if (c->conn) {
        nghttp2_session_set_stream_user_data(c->conn->session, c->stream, NULL);
        nghttp2_submit_rst_stream(c->conn->session, NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_CANCEL);
    }
    finish(g, c, code, why);
}

/* Takes over what other threads have submitted and cancelled. */
static void take_submitted(struct zt_grpc *g)
{
    pthread_mutex_lock(&g->lock);
    struct call *list = g->submitted;
    uint64_t *cancels = g->cancels;
    size_t ncancels = g->ncancels;

    g->submitted = NULL;
    g->cancels = NULL;
    g->ncancels = 0;
    pthread_mutex_unlock(&g->lock);

    struct call **tail = &g->calls;
    while (*tail)
        tail = &(*tail)->next;
    while (list) { /* the list is newest first: turn it round */
        struct call *c = list;

        list = c->next;
        c->next = *tail;
        *tail = c;
    }
    for (size_t i = 0; i < ncancels; i++)
        for (struct call *c = g->calls; c; c = c->next)
            if (c->id == cancels[i]) {
                cancel_call(g, c, ZT_GRPC_CANCELLED, "cancelled");
                break;
            }
    free(cancels);
}

static void expire(struct zt_grpc *g, int64_t now)
{
    for (struct call *c = g->calls, *next; c; c = next) {
        next = c->next;
        if (now < c->deadline + (c->conn ? GRACE_MS : 0))
            continue;
        cancel_call(g, c, c->conn ? ZT_GRPC_DEADLINE_EXCEEDED : ZT_GRPC_UNAVAILABLE,
                    c->conn ? "deadline exceeded" : "no connection before the deadline");
        next = g->calls;
    }
}

static void send_waiting(struct zt_grpc *g)
{
    for (struct call *c = g->calls; c && g->current && !g->current->goaway; c = c->next)
        if (!c->conn)
            send_call(g, g->current, c);
}

static void tend_connections(struct zt_grpc *g, int64_t now)
{
    bool waiting = false;

    for (int i = 0; i < CONNS_MAX; i++) {
        struct conn *k = g->conns[i];

        if (!k)
            continue;
        if (k->goaway && k == g->current)
            g->current = NULL;
        if (k->pinged_ms && now - k->pinged_ms > PING_WAIT_MS && now - k->heard_ms > PING_WAIT_MS)
            k->dead = true;
        if (!k->dead && !k->pinged_ms && now - k->heard_ms > PING_IDLE_MS) {
            nghttp2_submit_ping(k->session, NGHTTP2_FLAG_NONE, NULL);
            k->pinged_ms = now;
        }
        if (k->dead || (k->goaway && k->streams == 0))
            conn_free(k);
    }
    for (struct call *c = g->calls; c; c = c->next)
        waiting = waiting || !c->conn;
    if (waiting && !g->current && !g->dial && now >= g->next_try_ms) {
        g->dial = zt_dial_begin(g->host, g->port, g->wake);
        g->next_try_ms = now + BACKOFF_MAX_MS; /* if there was no thread or memory for it */
    }
}

static int next_timeout(const struct zt_grpc *g, int64_t now)
{
    int64_t at = now + 5000;

    for (const struct call *c = g->calls; c; c = c->next) {
        int64_t end = c->deadline + (c->conn ? GRACE_MS : 0);

        if (end < at)
            at = end;
        if (!c->conn && !g->current && !g->dial && g->next_try_ms < at)
            at = g->next_try_ms;
    }
    return at <= now ? 1 : (int)(at - now);
}

static void wait_events(struct zt_grpc *g)
{
    struct pollfd pf[CONNS_MAX + 1] = { { .fd = g->wake, .events = POLLIN } };
    struct conn *of[CONNS_MAX + 1] = { 0 };
    nfds_t n = 1;

    for (int i = 0; i < CONNS_MAX; i++)
        if (g->conns[i]) {
            of[n] = g->conns[i];
            pf[n++] = (struct pollfd){ .fd = g->conns[i]->fd, .events = POLLIN };
        }
    if (poll(pf, n, next_timeout(g, zn_now_ms())) <= 0)
        return;
    if (pf[0].revents) {
        uint64_t count;
        if (read(g->wake, &count, sizeof count) < 0 && errno != EAGAIN)
            zn_warn("grpc: eventfd: %s", strerror(errno));
    }
    for (nfds_t i = 1; i < n; i++)
        if (pf[i].revents)
            pump_read(of[i]);
}

static void *io_main(void *arg)
{
    struct zt_grpc *g = arg;

    while (!atomic_load(&g->stop)) {
        take_submitted(g);
        end_connect(g);
        expire(g, zn_now_ms());
        tend_connections(g, zn_now_ms());
        send_waiting(g);
        for (int i = 0; i < CONNS_MAX; i++)
            if (g->conns[i])
                pump_write(g->conns[i]);
        wait_events(g);
    }
    take_submitted(g);
    while (g->calls)
        cancel_call(g, g->calls, ZT_GRPC_CANCELLED, "the client is closing");
    for (int i = 0; i < CONNS_MAX; i++)
        if (g->conns[i]) {
            nghttp2_submit_goaway(g->conns[i]->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR,
                                  NULL, 0);
            pump_write(g->conns[i]);
            conn_free(g->conns[i]);
        }
    return NULL;
}

/* --- public ------------------------------------------------------------------------------------- */

static int parse_target(struct zt_grpc *g, const char *target, struct zn_err *err)
{
    const char *colon = strrchr(target, ':');
    long long port;

    if (!colon || colon == target || (size_t)(colon - target) >= sizeof g->host ||
        !zn_parse_i64(colon + 1, 1, 65535, &port))
        return zn_fail(err, ZN_INVALID, "target %.100s is not host:port", target);
    snprintf(g->host, sizeof g->host, "%.*s", (int)(colon - target), target);
    snprintf(g->port, sizeof g->port, "%lld", port);
    snprintf(g->authority, sizeof g->authority, "%s", target);
    return 0;
}

static void grpc_free(struct zt_grpc *g)
{
    if (g->wake >= 0)
        close(g->wake);
    for (size_t i = 0; i < g->nheaders; i++)
        free(g->headers[i]);
    free(g->headers);
    free(g->user_agent);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

int zt_grpc_open(const struct zt_grpc_config *cfg, struct zt_grpc **ret, struct zn_err *err)
{
    struct zt_grpc *g = calloc(1, sizeof *g);
    size_t n = 0;

    if (!g)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    pthread_mutex_init(&g->lock, NULL);
    g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    while (cfg->headers && cfg->headers[n])
        n++;
    g->headers = calloc(n + 1, sizeof *g->headers);
    g->user_agent = strdup(cfg->user_agent ? cfg->user_agent : "grpc-c/1");
    for (size_t i = 0; g->headers && i < n; i++, g->nheaders++)
        g->headers[i] = strdup(cfg->headers[i]);
    g->max_reply = cfg->max_reply ? cfg->max_reply : REPLY_MAX;
    if (parse_target(g, cfg->target, err) < 0) {
        grpc_free(g);
        return -1;
    }
    if (g->wake < 0 || !g->headers || !g->user_agent ||
        pthread_create(&g->thread, NULL, io_main, g)) {
        grpc_free(g);
        return zn_fail(err, ZN_INTERNAL, "starting the gRPC client failed");
    }
    *ret = g;
    return 0;
}

void zt_grpc_close(struct zt_grpc *g)
{
    if (!g)
        return;
    atomic_store(&g->stop, true);
    wake(g);
    pthread_join(g->thread, NULL);
    if (g->dial) {
        int fd = zt_dial_end(g->dial, NULL);
        if (fd >= 0)
            close(fd);
    }
    grpc_free(g);
}

static struct call *call_new(struct zt_grpc *g, const char *path, const void *body, size_t len)
{
    struct call *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->path = strdup(path);
    c->req = malloc(len + ZT_FRAME_PREFIX);
    if (!c->path || !c->req) {
        call_free(c);
        return NULL;
    }
    c->len = len + ZT_FRAME_PREFIX;
    c->req[0] = 0;
    for (int i = 0; i < 4; i++)
        c->req[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    if (len)
        memcpy(c->req + ZT_FRAME_PREFIX, body, len);
    c->grpc_status = -1;
    c->frame.body = ZN_BUF(g->max_reply);
    c->details = ZN_BUF(65536);
    return c;
}

uint64_t zt_grpc_submit(struct zt_grpc *g, const char *path, const void *body, size_t len,
                        int64_t deadline_ms, zt_grpc_done done, void *arg)
{
    struct call *c = call_new(g, path, body, len);

    if (!c)
        zn_bug("out of memory for a gRPC call");
    c->deadline = zn_now_ms() + deadline_ms;
    c->done = done;
    c->arg = arg;
    pthread_mutex_lock(&g->lock);
    uint64_t id = c->id = ++g->last_id;
    c->next = g->submitted;
    g->submitted = c;
    pthread_mutex_unlock(&g->lock);
    wake(g);
    return id;
}

void zt_grpc_cancel(struct zt_grpc *g, uint64_t id)
{
    pthread_mutex_lock(&g->lock);
    uint64_t *more = realloc(g->cancels, (g->ncancels + 1) * sizeof *more);
    if (more) {
        g->cancels = more;
        g->cancels[g->ncancels++] = id;
    }
    pthread_mutex_unlock(&g->lock);
    wake(g);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    struct zt_grpc_reply *reply;
};

static const uint8_t *copy(const uint8_t *p, size_t n)
{
    uint8_t *c = p ? malloc(n + 1) : NULL;

    if (c) {
        memcpy(c, p, n);
        c[n] = 0;
    }
    return c;
}

static void wait_done(void *arg, const struct zt_grpc_reply *r)
{
    struct waiter *w = arg;

    pthread_mutex_lock(&w->lock);
    *w->reply = *r;
    w->reply->body = copy(r->body, r->len);
    w->reply->details = copy(r->details, r->details_len);
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

void zt_grpc_call(struct zt_grpc *g, const char *path, const void *body, size_t len,
                  int64_t deadline_ms, struct zt_grpc_reply *reply)
{
    struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER,
                        .reply = reply };

    zt_grpc_submit(g, path, body, len, deadline_ms, wait_done, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.cond);
}

void zt_grpc_reply_done(struct zt_grpc_reply *reply)
{
    free((void *)(uintptr_t)reply->body);
    free((void *)(uintptr_t)reply->details);
    memset(reply, 0, sizeof *reply);
}
