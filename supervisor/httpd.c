#include "supervisor/httpd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"

enum {
    REPLY_MAX = 4 * 1024 * 1024,
    ACCEPT_BATCH = 16,
    ACCEPT_RETRY_MS = 100,
    LINGER_MS = 2000,
    READ_CHUNK = 16 * 1024
};

/* What a connection waits for. */
enum conn_state {
    CS_REQUEST, /* bytes of a request */
    CS_REPLY,   /* room to send the answer */
    CS_STREAM,  /* events, or the reader's leaving */
    CS_LINGER   /* answered and half closed: the peer may still be sending */
};

struct zn_conn {
    struct zn_httpd *h;
    struct zn_conn *prev, *next;
    struct zn_watch watch;
    struct zn_timer timer;
    enum conn_state state;
    struct zn_buf in, out;
    bool keep_alive, head_only, eof, answered;
    bool served; /* at least one request was answered */
};

struct zn_httpd {
    struct zn_loop *loop;
    struct zn_watch watch;
    struct zn_timer resume;
    struct zn_httpd_limits limits;
    zn_httpd_fn fn;
    void *arg;
    char *path;
    struct zn_conn *first; /* newest first */
    unsigned nconns, nstreams;
    bool paused;
};

/* hint: what is said when the server itself refuses a request. */
static const struct status {
    int status;
    const char *reason, *code, *hint;
} statuses[] = {
    { 200, "OK", NULL, NULL },
    { 202, "Accepted", NULL, NULL },
    { 400, "Bad Request", "bad_request", "the request is malformed" },
    { 404, "Not Found", NULL, NULL },
    { 405, "Method Not Allowed", NULL, NULL },
    { 408, "Request Timeout", "timeout", "the request did not arrive in time" },
    { 409, "Conflict", NULL, NULL },
    { 413, "Content Too Large", "too_large", "the body is larger than 65536 bytes" },
    { 431, "Request Header Fields Too Large", "head_too_large",
      "the head is larger than 8192 bytes or has more than 64 headers" },
    { 500, "Internal Server Error", NULL, NULL },
    { 501, "Not Implemented", "not_implemented", "only bodies with a Content-Length are taken" },
    { 503, "Service Unavailable", NULL, NULL },
    { 505, "HTTP Version Not Supported", "version", "only HTTP/1.0 and HTTP/1.1 are spoken" },
};

static const struct status *status_row(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return &statuses[i];
    zn_bug("HTTP status %d is not in the table", status);
}

static void resume_accepting(void *arg)
{
    struct zn_httpd *h = arg;

    h->paused = false;
    zn_watch_set(&h->watch, EPOLLIN);
}

/* Something has changed for the better: a connection ended, or one is idle and can be closed. */
static void may_accept(struct zn_httpd *h)
{
    if (h->paused && !h->resume.armed)
        resume_accepting(h);
}

static void pause_accepting(struct zn_httpd *h, int64_t ms)
{
    h->paused = true;
    zn_watch_set(&h->watch, 0);
    if (ms)
        zn_timer_set(h->loop, &h->resume, ms);
}

static void conn_close(struct zn_conn *c)
{
    struct zn_httpd *h = c->h;

    zn_watch_del(&c->watch);
    zn_timer_clear(h->loop, &c->timer);
    close(c->watch.fd);
    if (c->prev)
        c->prev->next = c->next;
    else
        h->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    h->nconns--;
    h->nstreams -= c->state == CS_STREAM;
    zn_buf_done(&c->in);
    zn_buf_done(&c->out);
    free(c);
    may_accept(h);
}

/* Sends what waits. False: the connection is gone (closed here). */
static bool flush(struct zn_conn *c)
{
    while (c->out.len) {
        ssize_t n = send(c->watch.fd, c->out.mem, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            conn_close(c);
            return false;
        }
        zn_buf_eat(&c->out, (size_t)n);
        zn_timer_clear(c->h->loop, &c->timer); /* progress: the deadline starts anew below */
    }
    if (c->out.len && !c->timer.armed)
        zn_timer_set(c->h->loop, &c->timer, c->h->limits.write_ms);
    zn_watch_set(&c->watch, (c->out.len ? EPOLLOUT : 0) | (c->state == CS_REPLY ? 0 : EPOLLIN));
    return true;
}

/* The answer is out, and no other request may follow. */
static void finish_conn(struct zn_conn *c)
{
    if (c->eof) {
        conn_close(c);
        return;
    }
    /* Closing with unread bytes would reset the connection and could take the answer with it. */
    c->state = CS_LINGER;
    zn_buf_clear(&c->in);
    shutdown(c->watch.fd, SHUT_WR);
    zn_timer_set(c->h->loop, &c->timer, LINGER_MS);
    zn_watch_set(&c->watch, EPOLLIN);
    may_accept(c->h);
}

static void await_request(struct zn_conn *c)
{
    const struct zn_httpd_limits *l = &c->h->limits;
    bool idle = c->served && !c->in.len;

    c->state = CS_REQUEST;
    c->answered = c->head_only = false;
    zn_timer_set(c->h->loop, &c->timer, idle ? l->idle_ms : l->request_ms);
    zn_watch_set(&c->watch, EPOLLIN);
    if (idle)
        may_accept(c->h);
}

static void refuse(struct zn_conn *c, int status)
{
    const struct status *row = status_row(status);

    c->keep_alive = false;
    zn_conn_fail(c, status, row->code, "%s", row->hint);
}

static bool is_head(const struct zn_request *r)
{
    return r->method.n == 4 && memcmp(r->method.s, "HEAD", 4) == 0;
}

/* Handles the request at the start of the input if it is complete. True if it was answered; used
 * says how many bytes it took. */
static bool take_request(struct zn_conn *c, size_t *used)
{
    struct zn_httpd *h = c->h;
    struct zn_request r;
    int head = c->in.len ? zn_request_parse(c->in.mem, c->in.len, &r) : 0;

    *used = 0;
    if (head == 0)
        return false;
    if (head < 0) {
        refuse(c, -head);
        return true;
    }
    c->keep_alive = r.keep_alive && !c->eof;
    c->head_only = is_head(&r);
    *used = (size_t)head;
    if (h->limits.ignore_bodies && r.length != 0) {
        c->keep_alive = false;
    } else if (r.length < 0 || r.length > ZN_REQUEST_BODY_MAX) {
        refuse(c, r.length < 0 ? 501 : 413);
        return true;
    } else if (c->in.len - *used < (size_t)r.length) {
        return false;
    } else {
        r.body = (struct zn_str){ c->in.mem + head, (size_t)r.length };
        *used += (size_t)r.length;
    }
    h->fn(h->arg, c, &r);
    if (!c->answered)
        zn_bug("a handler did not answer %.*s", (int)r.path.n, r.path.s);
    return true;
}

/* Answers what the input holds, one request after the other. */
static void serve(struct zn_conn *c)
{
    size_t used;

    while (c->state == CS_REQUEST && take_request(c, &used)) {
        if (c->state == CS_STREAM) {
            zn_buf_done(&c->in);
            zn_timer_clear(c->h->loop, &c->timer);
            flush(c);
            return;
        }
        zn_buf_eat(&c->in, used);
        c->state = CS_REPLY;
        c->served = true;
        zn_timer_clear(c->h->loop, &c->timer);
        if (!flush(c) || c->out.len)
            return;
        if (!c->keep_alive) {
            finish_conn(c);
            return;
        }
        await_request(c);
    }
    if (c->eof)
        conn_close(c);
}

static void on_writable(struct zn_conn *c)
{
    if (!flush(c) || c->out.len || c->state != CS_REPLY)
        return;
    if (!c->keep_alive) {
        finish_conn(c);
        return;
    }
    await_request(c);
    serve(c);
}

static void on_readable(struct zn_conn *c)
{
    char chunk[READ_CHUNK];
    ssize_t n = recv(c->watch.fd, chunk, sizeof chunk, MSG_DONTWAIT);
    bool first = c->in.len == 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || (n == 0 && c->state != CS_REQUEST)) {
        conn_close(c);
        return;
    }
    if (c->state != CS_REQUEST)
        return; /* a stream's reader or a lingering peer has nothing more to say to us */
    c->eof = n == 0;
    zn_buf_add(&c->in, chunk, (size_t)n);
    if (first && n)
        zn_timer_set(c->h->loop, &c->timer, c->h->limits.request_ms);
    serve(c);
}

static void on_conn(void *arg, uint32_t events)
{
    struct zn_conn *c = arg;

    if (events & EPOLLOUT)
        on_writable(c);
    else if ((events & (EPOLLHUP | EPOLLERR)) && c->state == CS_REPLY)
        conn_close(c); /* input is not watched meanwhile, but the end of the peer always shows */
    else
        on_readable(c);
}

static void on_deadline(void *arg)
{
    struct zn_conn *c = arg;

    if (c->state != CS_REQUEST || !c->in.len) {
        if (c->state == CS_STREAM)
            zn_debug("%s: a stream's reader takes nothing, dropped", c->h->path);
        conn_close(c);
        return;
    }
    refuse(c, 408);
    zn_buf_clear(&c->in);
    c->state = CS_REPLY;
    if (flush(c) && !c->out.len)
        finish_conn(c);
}

/* Closes the connection that has waited longest for its next request. One that was never served is
 * spared: its first request may be under way. */
static bool evict_idle(struct zn_httpd *h)
{
    struct zn_conn *oldest = NULL;

    for (struct zn_conn *c = h->first; c; c = c->next)
        if ((c->state == CS_REQUEST && c->served && !c->in.len) || c->state == CS_LINGER)
            if (!oldest || c->timer.at_ms < oldest->timer.at_ms)
                oldest = c;
    if (oldest)
        conn_close(oldest);
    return oldest;
}

static int conn_open(struct zn_httpd *h, int fd, struct zn_err *err)
{
    struct zn_conn *c = calloc(1, sizeof *c);

    if (!c) {
        close(fd);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    c->h = h;
    c->in = ZN_BUF(ZN_REQUEST_HEAD_MAX + ZN_REQUEST_BODY_MAX + READ_CHUNK);
    c->out = ZN_BUF(REPLY_MAX);
    c->watch = (struct zn_watch){ .fd = fd, .events = EPOLLIN, .fn = on_conn, .arg = c };
    c->timer = (struct zn_timer){ .fn = on_deadline, .arg = c };
    if (zn_watch_add(h->loop, &c->watch, err) < 0) {
        close(fd);
        free(c);
        return -1;
    }
    c->next = h->first;
    if (c->next)
        c->next->prev = c;
    h->first = c;
    h->nconns++;
    await_request(c);
    return 0;
}

static void accept_some(void *arg, uint32_t events)
{
    struct zn_httpd *h = arg;
    struct zn_err err = { 0 };

    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd;

        if (h->nconns >= h->limits.conns && !evict_idle(h)) {
            pause_accepting(h, 0);
            return;
        }
        fd = accept4(h->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        if (fd < 0) {
            zn_warn("%s: accept: %s; pausing %d ms", h->path, strerror(errno), ACCEPT_RETRY_MS);
            pause_accepting(h, ACCEPT_RETRY_MS);
            return;
        }
        if (conn_open(h, fd, &err) < 0)
            zn_warn("%s: %s", h->path, err.msg);
    }
}

int zn_httpd_open(struct zn_loop *loop, const char *path, mode_t mode,
                  const struct zn_httpd_limits *limits, zn_httpd_fn fn, void *arg,
                  struct zn_httpd **ret, struct zn_err *err)
{
    struct zn_httpd *h = calloc(1, sizeof *h);

    if (!h)
        return zn_fail(err, ZN_INTERNAL, "%s: out of memory", path);
    *h = (struct zn_httpd){ .loop = loop, .limits = *limits, .fn = fn, .arg = arg,
                            .path = strdup(path) };
    h->resume = (struct zn_timer){ .fn = resume_accepting, .arg = h };
    h->watch = (struct zn_watch){ .fd = -1, .events = EPOLLIN, .fn = accept_some, .arg = h };
    if (!h->path)
        zn_fail(err, ZN_INTERNAL, "%s: out of memory", path);
    else
        h->watch.fd = zn_listen_unix(path, SOCK_STREAM, mode, err);
    if (h->watch.fd < 0 || zn_watch_add(loop, &h->watch, err) < 0) {
        zn_auto_fd(&h->watch.fd);
        free(h->path);
        free(h);
        return -1;
    }
    *ret = h;
    return 0;
}

void zn_httpd_close(struct zn_httpd *h)
{
    if (!h)
        return;
    zn_watch_del(&h->watch);
    close(h->watch.fd);
    unlink(h->path);
    h->paused = false;
    for (struct zn_conn *c = h->first, *next; c; c = next) {
        next = c->next;
        if (flush(c))
            conn_close(c);
    }
    zn_timer_clear(h->loop, &h->resume);
    free(h->path);
    free(h);
}

/* The head of an answer, and the end of the duty to give one. */
static void add_head(struct zn_conn *c, int status, const char *type, const char *headers)
{
    if (c->answered)
        zn_bug("a request was answered twice");
    c->answered = true;
    zn_buf_printf(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
                  "X-Content-Type-Options: nosniff\r\n%s", status,
                  status_row(status)->reason, type, headers ? headers : "");
}

void zn_conn_reply(struct zn_conn *c, int status, const char *type, const char *headers,
                   const void *body, size_t n)
{
    size_t before = c->out.len;

    add_head(c, status, type, headers);
    zn_buf_printf(&c->out, "Content-Length: %zu\r\nConnection: %s\r\n\r\n", n,
                  c->keep_alive ? "keep-alive" : "close");
    if (!c->head_only)
        zn_buf_add(&c->out, body, n);
    if (!c->out.failed)
        return;
    zn_error("%s: an answer of %zu bytes is too large", c->h->path, n);
    c->out.failed = false;
    c->out.len = before;
    c->keep_alive = false;
    zn_buf_puts(&c->out, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n"
                "Connection: close\r\n\r\n");
}

void zn_conn_fail(struct zn_conn *c, int status, const char *code, const char *fmt, ...)
{
    char msg[512];
    va_list ap;
    zn_auto_json doc = NULL;
    zn_auto_mem char *text = NULL;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    doc = json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", msg);
    text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    zn_conn_reply(c, status, "application/json", NULL, text ? text : "", text ? strlen(text) : 0);
}

bool zn_conn_stream(struct zn_conn *c, const char *headers, const void *first, size_t n)
{
    struct zn_httpd *h = c->h;

    if (h->nstreams >= h->limits.streams) {
        zn_conn_fail(c, 503, "busy", "all %u event streams are in use", h->limits.streams);
        return false;
    }
    add_head(c, 200, "text/event-stream", headers);
    zn_buf_puts(&c->out, "Connection: close\r\n\r\n");
    if (c->head_only) {
        c->keep_alive = false;
        return true;
    }
    zn_buf_add(&c->out, first, n);
    c->state = CS_STREAM;
    h->nstreams++;
    return true;
}

void zn_httpd_broadcast(struct zn_httpd *h, const void *data, size_t n)
{
    for (struct zn_conn *c = h->first, *next; c; c = next) {
        next = c->next;
        if (c->state != CS_STREAM)
            continue;
        zn_buf_add(&c->out, data, n);
        if (flush(c) && (c->out.failed || c->out.len > h->limits.backlog)) {
            zn_debug("%s: a stream's reader is %zu bytes behind, dropped", h->path, c->out.len);
            conn_close(c);
        }
    }
}

void zn_httpd_end_streams(struct zn_httpd *h)
{
    for (struct zn_conn *c = h->first, *next; c; c = next) {
        next = c->next;
        if (c->state == CS_STREAM && flush(c))
            conn_close(c);
    }
}

unsigned zn_httpd_conns(const struct zn_httpd *h)
{
    return h->nconns;
}

unsigned zn_httpd_streams(const struct zn_httpd *h)
{
    return h->nstreams;
}
