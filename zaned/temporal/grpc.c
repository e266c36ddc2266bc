/* Calls and the loop of the I/O thread. A connection that got GOAWAY drains beside the next one; a
 * new one takes calls once the peer's SETTINGS came. What one connection does is in grpc_conn.c. */
#include "zaned/temporal/grpc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "zaned/temporal/grpc_dial.h"
#include "zaned/temporal/grpc_internal.h"

static const size_t REPLY_MAX = 64u << 20;
static const int64_t PING_IDLE_MS = 30000, PING_WAIT_MS = 15000;
static const int64_t BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000;
static const int64_t HELLO_MS = 5000; /* until the peer's SETTINGS must be there */
static const int64_t STEADY_MS = 5000; /* one lost sooner, without an answer, counts as a failure */
static const int64_t GRACE_MIN_MS = 250, GRACE_MAX_MS = 5000;

static void wake(struct zt_grpc *g)
{
    uint64_t one = 1;

    if (write(g->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        zn_warn("grpc: wake: %s", strerror(errno));
}

/* --- calls ----------------------------------------------------------------------------------- */

static void call_free(struct zt_call *c)
{
    free(c->path);
    free(c->req);
    zt_answer_done(&c->answer);
    free(c);
}

static void unlink_call(struct zt_grpc *g, struct zt_call *c)
{
    for (struct zt_call **p = &g->calls; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            return;
        }
}

/* Ends a call: tells the caller, frees it. message NULL = what the answer says. */
static void finish(struct zt_grpc *g, struct zt_call *c, enum zt_grpc_code code,
                   const char *message)
{
    struct zt_grpc_reply r = { .code = code };
    const struct zt_answer *a = &c->answer;

    unlink_call(g, c);
    snprintf(r.message, sizeof r.message, "%s", message ? message : a->message);
    if (code == ZT_GRPC_OK) {
        r.body = (const uint8_t *)(a->frame.body.mem ? a->frame.body.mem : "");
        r.len = a->frame.body.len;
    }
    if (a->details.len) {
        r.details = (const uint8_t *)a->details.mem;
        r.details_len = a->details.len;
    }
    c->done(c->arg, &r);
    call_free(c);
}

/* Never processed by the server: goes out again on the next connection. */
static void wait_again(struct zt_grpc *g, struct zt_call *c)
{
    zt_answer_done(&c->answer);
    zt_answer_init(&c->answer, g->max_reply);
    c->sent = 0;
    c->on_wire = false;
}

void zt_call_over(struct zt_grpc *g, struct zt_call *c, uint32_t h2_error)
{
    uint64_t serial = c->conn->serial;

    c->conn = NULL;
    if (h2_error == NGHTTP2_REFUSED_STREAM && c->answer.grpc_status < 0 &&
        c->refused_by != serial) {
        c->refused_by = serial; /* once for each connection */
        wait_again(g, c);
        return;
    }
    finish(g, c, zt_answer_code(&c->answer, h2_error), NULL);
}

static void cancel_call(struct zt_grpc *g, struct zt_call *c, enum zt_grpc_code code,
                        const char *why)
{
    if (c->conn)
        zt_conn_cancel(c->conn, c);
    finish(g, c, code, why);
}

/* Takes over what other threads have submitted and cancelled. */
static void take_submitted(struct zt_grpc *g)
{
    pthread_mutex_lock(&g->lock);
    struct zt_call *list = g->submitted;
    uint64_t *cancels = g->cancels;
    size_t ncancels = g->ncancels;

    g->submitted = NULL;
    g->cancels = NULL;
    g->ncancels = 0;
    pthread_mutex_unlock(&g->lock);

    struct zt_call **tail = &g->calls;
    while (*tail)
        tail = &(*tail)->next;
    while (list) { /* the list is newest first: turn it round */
        struct zt_call *c = list;

        list = c->next;
        c->next = *tail;
        *tail = c;
    }
    for (size_t i = 0; i < ncancels; i++)
        for (struct zt_call *c = g->calls; c; c = c->next)
            if (c->id == cancels[i]) {
                cancel_call(g, c, ZT_GRPC_CANCELLED, "cancelled");
                break;
            }
    free(cancels);
}

static int64_t end_of(const struct zt_call *c)
{
    return c->deadline + (c->conn ? c->grace : 0);
}

static void expire(struct zt_grpc *g, int64_t now)
{
    char text[512];

    for (struct zt_call *c = g->calls, *next; c; c = next) {
        next = c->next; /* done functions only submit, so the list changes here alone */
        if (now < end_of(c))
            continue;
        if (c->conn) {
            cancel_call(g, c, ZT_GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
            continue;
        }
        snprintf(text, sizeof text, "no connection to %s before the deadline%s%s", g->authority,
                 g->why[0] ? ": " : "", g->why);
        finish(g, c, ZT_GRPC_UNAVAILABLE, text);
    }
}

static void send_waiting(struct zt_grpc *g)
{
    for (struct zt_call *c = g->calls; c && g->current && !g->current->goaway; c = c->next)
        if (!c->conn)
            zt_conn_send(g->current, c);
}

/* --- connections ----------------------------------------------------------------------------- */

static void retry_later(struct zt_grpc *g, const char *why)
{
    uint32_t rnd;

    if (g->failures == 0 || g->failures == 8)
        zn_warn("grpc: connecting to %s: %s", g->authority, why);
    snprintf(g->why, sizeof g->why, "%s", why);
    zn_random(&rnd, sizeof rnd);
    g->next_try_ms =
        zn_now_ms() + zn_backoff_ms(g->failures++, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, rnd);
}

static void end_connect(struct zt_grpc *g)
{
    char why[ZT_DIAL_WHY];
    int fd, slot = 0;

    if (!g->dial || !zt_dial_done(g->dial))
        return;
    fd = zt_dial_end(g->dial, why);
    g->dial = NULL;
    if (fd < 0) {
        retry_later(g, why);
        return;
    }
    while (slot < ZT_CONNS_MAX && g->conns[slot])
        slot++;
    if (slot == ZT_CONNS_MAX) {
        close(fd);
        retry_later(g, "too many connections are draining");
        return;
    }
    g->opening = g->conns[slot] = zt_conn_open(g, fd);
    if (!g->opening)
        retry_later(g, "out of memory");
}

static void begin_connect(struct zt_grpc *g, int64_t now)
{
    bool waiting = false;

    for (const struct zt_call *c = g->calls; c && !waiting; c = c->next)
        waiting = !c->conn;
    if (!waiting || g->current || g->opening || g->dial || now < g->next_try_ms)
        return;
    g->dial = zt_dial_begin(g->host, g->port, g->wake);
    if (!g->dial)
        retry_later(g, "out of memory or threads");
}

/* No new calls for k. If it came to nothing, the next attempt is not made at once. */
static void retire(struct zt_grpc *g, struct zt_conn *k, int64_t now)
{
    if (k != g->current && k != g->opening)
        return;
    bool hello = k->ready;
    g->current = g->opening = NULL;
    if (hello && (k->useful || now - k->opened_ms >= STEADY_MS))
        return;
    retry_later(g, hello ? "the connection ended at once" : "no HTTP/2 greeting from the server");
}

static void drop_conn(struct zt_grpc *g, int slot)
{
    struct zt_conn *k = g->conns[slot];

    for (struct zt_call *c = g->calls, *next; c; c = next) {
        next = c->next;
        if (c->conn != k)
            continue;
        c->conn = NULL;
        if (c->on_wire)
            finish(g, c, ZT_GRPC_UNAVAILABLE, "the connection was lost");
        else
            wait_again(g, c);
    }
    g->conns[slot] = NULL;
    zt_conn_free(k);
}

static void tend(struct zt_grpc *g, int slot, int64_t now)
{
    struct zt_conn *k = g->conns[slot];

    if (k == g->opening && k->ready && !k->dead && !k->goaway) {
        g->current = k;
        g->opening = NULL;
        g->why[0] = '\0';
    }
    if (k == g->opening && now - k->opened_ms > HELLO_MS)
        k->dead = true;
    if (k->useful && k == g->current)
        g->failures = 0;
    if (k->pinged_ms && now - k->pinged_ms > g->ping_wait_ms && now - k->heard_ms > g->ping_wait_ms)
        k->dead = true;
    if (!k->dead && !k->pinged_ms && now - k->heard_ms > g->ping_idle_ms)
        zt_conn_ping(k, now);
    if (k->dead || k->goaway)
        retire(g, k, now);
    if (k->dead || (k->goaway && k->streams == 0))
        drop_conn(g, slot);
}

/* --- the loop -------------------------------------------------------------------------------- */

static int next_timeout(const struct zt_grpc *g, int64_t now)
{
    int64_t at = now + 60000;
    bool connecting = g->current || g->opening || g->dial;

    for (int i = 0; i < ZT_CONNS_MAX; i++)
        if (g->conns[i])
            at = now + 1000; /* pings and greetings are looked at this often */
    for (const struct zt_call *c = g->calls; c; c = c->next) {
        if (end_of(c) < at)
            at = end_of(c);
        if (!c->conn && !connecting && g->next_try_ms < at)
            at = g->next_try_ms;
    }
    return at <= now ? 0 : (int)(at - now);
}

static void wait_events(struct zt_grpc *g)
{
    struct pollfd pf[ZT_CONNS_MAX + 1] = { { .fd = g->wake, .events = POLLIN } };
    struct zt_conn *of[ZT_CONNS_MAX + 1] = { 0 };
    nfds_t n = 1;

    for (int i = 0; i < ZT_CONNS_MAX; i++)
        if (g->conns[i]) {
            of[n] = g->conns[i];
            pf[n++] = (struct pollfd){ .fd = g->conns[i]->fd,
                                       .events = g->conns[i]->out_len ? POLLIN | POLLOUT : POLLIN };
        }
    if (poll(pf, n, next_timeout(g, zn_now_ms())) <= 0)
        return;
    if (pf[0].revents) {
        uint64_t count;
        if (read(g->wake, &count, sizeof count) < 0 && errno != EAGAIN)
            zn_warn("grpc: eventfd: %s", strerror(errno));
    }
    for (nfds_t i = 1; i < n; i++)
        if (pf[i].revents & ~POLLOUT)
            zt_conn_read(of[i]);
}

static void shut(struct zt_grpc *g)
{
    zt_dial_abandon(g->dial);
    for (take_submitted(g); g->calls; take_submitted(g))
        cancel_call(g, g->calls, ZT_GRPC_CANCELLED, "the client is closing");
    for (int i = 0; i < ZT_CONNS_MAX; i++)
        if (g->conns[i]) {
            nghttp2_session_terminate_session(g->conns[i]->session, NGHTTP2_NO_ERROR);
            zt_conn_write(g->conns[i]); /* resets and GOAWAY, as far as the socket takes them */
            zt_conn_free(g->conns[i]);
        }
}

static void *io_main(void *arg)
{
    struct zt_grpc *g = arg;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* signals are for the program's own threads */
    while (!atomic_load(&g->stop)) {
        int64_t now = zn_now_ms();

        take_submitted(g);
        end_connect(g);
        expire(g, now);
        for (int i = 0; i < ZT_CONNS_MAX; i++)
            if (g->conns[i])
                tend(g, i, now);
        begin_connect(g, now);
        send_waiting(g);
        for (int i = 0; i < ZT_CONNS_MAX; i++)
            if (g->conns[i])
                zt_conn_write(g->conns[i]);
        wait_events(g);
    }
    shut(g);
    return NULL;
}

/* --- public ---------------------------------------------------------------------------------- */

static int parse_target(struct zt_grpc *g, const char *target, struct zn_err *err)
{
    const char *colon = strrchr(target, ':'), *host = target, *end = colon;
    long long port;

    if (colon && host[0] == '[' && colon > host && colon[-1] == ']') { /* [::1]:7233 */
        host++;
        end--;
    }
    if (!colon || end <= host || (size_t)(end - host) >= sizeof g->host ||
        !zn_parse_i64(colon + 1, 1, 65535, &port))
        return zn_fail(err, ZN_INVALID, "target %.100s is not host:port", target);
    snprintf(g->host, sizeof g->host, "%.*s", (int)(end - host), host);
    snprintf(g->port, sizeof g->port, "%lld", port);
    snprintf(g->authority, sizeof g->authority, "%.*s:%s", (int)(colon - target), target, g->port);
    return 0;
}

static void grpc_free(struct zt_grpc *g)
{
    if (g->wake >= 0)
        close(g->wake);
    for (size_t i = 0; i < g->nheaders; i++)
        free(g->headers[i]);
    free(g->user_agent);
    free(g->cancels);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static int copy_texts(struct zt_grpc *g, const struct zt_grpc_config *cfg, struct zn_err *err)
{
    g->user_agent = strdup(cfg->user_agent ? cfg->user_agent : "grpc-c/1");
    bool good = g->user_agent;
    for (size_t i = 0; cfg->headers && cfg->headers[i]; i++) {
        if (i == ZT_HEADERS_MAX)
            return zn_fail(err, ZN_INVALID, "headers: at most %d", ZT_HEADERS_MAX / 2);
        g->headers[g->nheaders++] = strdup(cfg->headers[i]);
        good = good && g->headers[i];
    }
    if (g->nheaders % 2)
        return zn_fail(err, ZN_INVALID, "headers: a name without a value");
    return good ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

int zt_grpc_open(const struct zt_grpc_config *cfg, struct zt_grpc **ret, struct zn_err *err)
{
    struct zt_grpc *g = calloc(1, sizeof *g);

    if (!g)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    pthread_mutex_init(&g->lock, NULL);
    g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g->max_reply = cfg->max_reply ? cfg->max_reply : REPLY_MAX;
    g->ping_idle_ms = cfg->ping_idle_ms ? cfg->ping_idle_ms : PING_IDLE_MS;
    g->ping_wait_ms = cfg->ping_wait_ms ? cfg->ping_wait_ms : PING_WAIT_MS;
    if (parse_target(g, cfg->target, err) < 0 || copy_texts(g, cfg, err) < 0) {
        grpc_free(g);
        return -1;
    }
    if (g->wake < 0 || pthread_create(&g->thread, NULL, io_main, g)) {
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
    grpc_free(g);
}

static struct zt_call *call_new(struct zt_grpc *g, const char *path, const void *body, size_t len)
{
    struct zt_call *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    zt_answer_init(&c->answer, g->max_reply);
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
    return c;
}

uint64_t zt_grpc_submit(struct zt_grpc *g, const char *path, const void *body, size_t len,
                        int64_t deadline_ms, zt_grpc_done done, void *arg)
{
    struct zt_call *c = call_new(g, path, body, len);

    if (!c)
        zn_bug("out of memory for a gRPC call");
    c->deadline = zn_now_ms() + deadline_ms;
    c->grace = deadline_ms / 10 < GRACE_MIN_MS   ? GRACE_MIN_MS
               : deadline_ms / 10 > GRACE_MAX_MS ? GRACE_MAX_MS
                                                 : deadline_ms / 10;
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
    if ((r->body && !w->reply->body) || (r->details && !w->reply->details)) {
        w->reply->code = ZT_GRPC_RESOURCE_EXHAUSTED;
        w->reply->len = w->reply->details_len = 0;
        snprintf(w->reply->message, sizeof w->reply->message, "no memory for the answer");
    }
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

void zt_grpc_call(struct zt_grpc *g, const char *path, const void *body, size_t len,
                  int64_t deadline_ms, struct zt_grpc_reply *reply)
{
    struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER,
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
