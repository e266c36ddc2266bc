#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/http.h"
#include "base/io.h"

static const char *where(const struct zn_http_req *req)
{
    return req->unix_path ? req->unix_path : req->host;
}

void zn_http_format(const struct zn_http_req *req, struct zn_buf *ret)
{
    zn_buf_printf(ret, "%s %s HTTP/1.1\r\n", req->method, req->target);
    if (req->host_header)
        zn_buf_printf(ret, "Host: %s\r\n", req->host_header);
    else if (req->unix_path)
        zn_buf_puts(ret, "Host: localhost\r\n");
    else
        zn_buf_printf(ret, "Host: %s:%d\r\n", req->host, req->port);
    zn_buf_puts(ret, "Connection: close\r\n");
    if (req->headers)
        zn_buf_puts(ret, req->headers);
    if (req->body_len || strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0)
        zn_buf_printf(ret, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                      req->content_type ? req->content_type : "application/json", req->body_len);
    zn_buf_puts(ret, "\r\n");
}

/* Waits for the descriptor; 0, or -1 with err on deadline or cancel. */
static int await(int fd, short events, const struct zn_http_req *req, int64_t end,
                 struct zn_err *err)
{
    struct pollfd pf[2] = { { .fd = fd, .events = events },
                            { .fd = req->cancel_fd > 0 ? req->cancel_fd : -1, .events = POLLIN } };

    for (;;) {
        int64_t left = end - zn_now_ms();
        int r;
        if (left <= 0)
            return zn_fail(err, ZN_UNAVAILABLE, "%s %s on %s: no answer within %lld ms",
                           req->method, req->target, where(req), (long long)req->deadline_ms);
        r = poll(pf, 2, left > 60000 ? 60000 : (int)left);
        if (r < 0 && errno != EINTR)
            return zn_fail_errno(err, errno, "poll");
        if (r > 0 && pf[1].revents)
            return zn_fail(err, ZN_CONFLICT, "cancelled");
        if (r > 0 && pf[0].revents)
            return 0;
    }
}

static int finish_connect(int fd, const struct sockaddr *sa, socklen_t len,
                          const struct zn_http_req *req, int64_t end, struct zn_err *err)
{
    int so = 0;
    socklen_t sl = sizeof so;

    if (connect(fd, sa, len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EAGAIN) {
        so = errno;
    } else {
        if (await(fd, POLLOUT, req, end, err) < 0)
            return -1;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &so, &sl);
    }
    if (so) {
        zn_fail_errno(err, so, "connecting to %s", where(req));
        err->code = ZN_UNAVAILABLE;
        return -1;
    }
    return 0;
}

static int open_unix(const struct zn_http_req *req, int64_t end, struct zn_err *err)
{
    ZN_AUTO(zn_auto_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int ret;

    if (fd < 0)
        return zn_fail_errno(err, errno, "socket");
    if (snprintf(sa.sun_path, sizeof sa.sun_path, "%s", req->unix_path) >=
        (int)sizeof sa.sun_path)
        return zn_fail(err, ZN_INVALID, "socket path longer than 107 bytes: %s", req->unix_path);
    if (finish_connect(fd, (struct sockaddr *)&sa, sizeof sa, req, end, err) < 0)
        return -1;
    ret = fd;
    fd = -1;
    return ret;
}

static int open_tcp(const struct zn_http_req *req, int64_t end, struct zn_err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list;
    char port[8];
    int r, fd = -1;

    snprintf(port, sizeof port, "%d", req->port);
    r = getaddrinfo(req->host, port, &hints, &list);
    if (r)
        return zn_fail(err, ZN_UNAVAILABLE, "looking up %s: %s", req->host, gai_strerror(r));
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
        fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && finish_connect(fd, ai->ai_addr, ai->ai_addrlen, req, end, err) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0 && !err->msg[0])
        return zn_fail(err, ZN_UNAVAILABLE, "connecting to %s: no usable address", req->host);
    return fd;
}

static int lost(const struct zn_http_req *req, int errnum, struct zn_err *err)
{
    zn_fail_errno(err, errnum, "talking to %s", where(req));
    err->code = ZN_UNAVAILABLE;
    return -1;
}

static int send_part(int fd, const char *p, size_t n, const struct zn_http_req *req, int64_t end,
                     struct zn_err *err)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (k < 0 && errno == EAGAIN) {
            if (await(fd, POLLOUT, req, end, err) < 0)
                return -1;
        } else if (k < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return 0; /* an early answer (413, say) may wait to be read */
        } else if (k < 0 && errno != EINTR) {
            return lost(req, errno, err);
        }
    }
    return 0;
}

static int receive(int fd, struct zn_http_parser *p, const struct zn_http_req *req, int64_t end,
                   struct zn_err *err)
{
    char chunk[16384];
    size_t used;

    while (p->state != ZN_HTTP_DONE) {
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EAGAIN) {
            int64_t quiet = zn_now_ms() + req->silence_ms;

            if (await(fd, POLLIN, req, req->silence_ms && quiet < end ? quiet : end, err) < 0)
                return -1;
        } else if (n < 0 && errno != EINTR) {
            return lost(req, errno, err);
        } else if (n == 0) {
            if (zn_http_parser_eof(p) < 0)
                return zn_fail(err, ZN_UNAVAILABLE, "%s closed the connection in mid-answer",
                               where(req));
        } else if (n > 0 && zn_http_parser_feed(p, chunk, (size_t)n, &used) < 0) {
            return zn_fail(err, ZN_INVALID, "%s %s on %s: malformed or too large answer",
                           req->method, req->target, where(req));
        }
    }
    return 0;
}

static int keep_body(void *arg, const char *p, size_t n)
{
    struct zn_buf *b = arg;

    zn_buf_add(b, p, n);
    return b->failed ? -1 : 0;
}

/* The answer is here whole. Ended as usual, the peer's end would stand for another minute, and a connection that comes
 * from the same port meanwhile be taken only after its first packet was sent anew: seconds, where many calls follow each
 * other. */
static void end_at_once(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
}

int zn_http_call(const struct zn_http_req *req, struct zn_http_resp *resp, struct zn_err *err)
{
    int64_t end = zn_now_ms() + req->deadline_ms;
    ZN_AUTO(zn_auto_fd) int fd = -1;
    ZN_AUTO(zn_buf_done) struct zn_buf head = ZN_BUF(65536);

    resp->body = ZN_BUF(req->max_body ? req->max_body : 1 << 20);
    zn_http_parser_init(&resp->parser, req->sink ? req->sink : keep_body,
                        req->sink ? req->sink_arg : &resp->body);
    resp->parser.head_request = strcmp(req->method, "HEAD") == 0;
    zn_http_format(req, &head);
    if (head.failed)
        return zn_fail(err, ZN_INVALID, "request head larger than 64 KiB");
    fd = req->unix_path ? open_unix(req, end, err) : open_tcp(req, end, err);
    if (fd < 0)
        return -1;
    if (send_part(fd, head.mem, head.len, req, end, err) < 0 ||
        send_part(fd, req->body, req->body_len, req, end, err) < 0 ||
        receive(fd, &resp->parser, req, end, err) < 0)
        return -1;
    if (!req->unix_path)
        end_at_once(fd);
    resp->status = resp->parser.status;
    return 0;
}

void zn_http_resp_done(struct zn_http_resp *resp)
{
    zn_buf_done(&resp->body);
    zn_http_parser_done(&resp->parser);
}
