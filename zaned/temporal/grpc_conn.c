#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/temporal/grpc_internal.h"

enum { STREAM_WINDOW = 4 << 20, CONN_WINDOW = 16 << 20, READ_ROUNDS = 16 };

static int on_stream_close(nghttp2_session *s, int32_t id, uint32_t error, void *arg)
{
    struct zt_conn *k = arg;
    struct zt_call *c = nghttp2_session_get_stream_user_data(s, id);

    if (k->streams)
        k->streams--;
    if (!c)
        return 0;
    k->useful = k->useful || c->answer.grpc_status >= 0;
    zt_call_over(k->g, c, error);
    return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nn,
                     const uint8_t *v, size_t nv, uint8_t flags, void *arg)
{
    struct zt_call *c = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);

    (void)flags;
    (void)arg;
    if (c)
        zt_answer_header(&c->answer, (struct zn_str){ (const char *)name, nn },
                         (struct zn_str){ (const char *)v, nv });
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    struct zt_call *c = nghttp2_session_get_stream_user_data(s, id);

    (void)flags;
    (void)arg;
    if (c && !zt_answer_data(&c->answer, p, n))
        nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    return 0;
}

static void goaway(struct zt_conn *k, const nghttp2_goaway *f)
{
    k->goaway = true;
    if (f->error_code != NGHTTP2_NO_ERROR)
        zn_warn("grpc: %s closes the connection: %s", k->g->authority,
                nghttp2_http2_strerror(f->error_code));
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
    struct zt_conn *k = arg;
    struct zt_call *c;

    switch (f->hd.type) {
    case NGHTTP2_SETTINGS:
        k->ready = k->ready || !(f->hd.flags & NGHTTP2_FLAG_ACK);
        break;
    case NGHTTP2_GOAWAY:
        goaway(k, &f->goaway);
        break;
    case NGHTTP2_PING:
        if (f->hd.flags & NGHTTP2_FLAG_ACK)
            k->pinged_ms = 0;
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        /* An answer before the whole request has gone: the server will not read the rest, so the
         * stream would never close by itself. */
        c = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);
        if (c && (f->hd.flags & NGHTTP2_FLAG_END_STREAM) && c->sent < c->len)
            nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, f->hd.stream_id, NGHTTP2_CANCEL);
        break;
    default:
        break;
    }
    return 0;
}

static int before_send(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
    struct zt_call *c;

    (void)arg;
    if (f->hd.type == NGHTTP2_HEADERS &&
        (c = nghttp2_session_get_stream_user_data(s, f->hd.stream_id)))
        c->on_wire = true;
    return 0;
}

static ssize_t read_body(nghttp2_session *s, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                         nghttp2_data_source *src, void *arg)
{
    struct zt_call *c = nghttp2_session_get_stream_user_data(s, id);

    (void)src;
    (void)arg;
    if (!c)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* cancelled: the stream is being reset */
    size_t left = c->len - c->sent, take = left < n ? left : n;
    memcpy(buf, c->req + c->sent, take);
    c->sent += take;
    if (c->sent == c->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

static int session_open(struct zt_conn *k)
{
    nghttp2_session_callbacks *cb;
    nghttp2_settings_entry set[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
                                     { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW } };

    if (nghttp2_session_callbacks_new(&cb))
        return -1;
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_before_frame_send_callback(cb, before_send);
    int r = nghttp2_session_client_new(&k->session, cb, k);
    nghttp2_session_callbacks_del(cb);
    if (r)
        return -1;
    if (nghttp2_submit_settings(k->session, NGHTTP2_FLAG_NONE, set, sizeof set / sizeof *set) ||
        nghttp2_session_set_local_window_size(k->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW))
        return -1;
    return 0;
}

struct zt_conn *zt_conn_open(struct zt_grpc *g, int fd)
{
    struct zt_conn *k = calloc(1, sizeof *k);
    int one = 1;

    if (!k) {
        close(fd);
        return NULL;
    }
    k->g = g;
    k->fd = fd;
    k->opened_ms = k->heard_ms = zn_now_ms();
    k->serial = ++g->last_serial;
    if (session_open(k) < 0) {
        zt_conn_free(k);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return k;
}

void zt_conn_free(struct zt_conn *k)
{
    nghttp2_session_del(k->session);
    close(k->fd);
    free(k);
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
                         .value = (uint8_t *)(uintptr_t)value,
                         .namelen = strlen(name),
                         .valuelen = strlen(value),
                         .flags = NGHTTP2_NV_FLAG_NONE };
}

void zt_conn_send(struct zt_conn *k, struct zt_call *c)
{
    const struct zt_grpc *g = k->g;
    nghttp2_nv nv[8 + ZT_HEADERS_MAX / 2];
    nghttp2_data_provider body = { .read_callback = read_body };
    char timeout[24];
    size_t n = 0;
    int64_t left = c->deadline - zn_now_ms();

    /* At most 8 digits are allowed: 99,999,999 ms are 27 hours. */
    snprintf(timeout, sizeof timeout, "%lldm",
             (long long)(left < 1          ? 1
                         : left > 99999999 ? 99999999
                                           : left));
    nv[n++] = pair(":method", "POST");
    nv[n++] = pair(":scheme", "http");
    nv[n++] = pair(":authority", g->authority);
    nv[n++] = pair(":path", c->path);
    nv[n++] = pair("content-type", "application/grpc");
    nv[n++] = pair("te", "trailers");
    nv[n++] = pair("grpc-timeout", timeout);
    nv[n++] = pair("user-agent", g->user_agent);
    for (size_t i = 0; i < g->nheaders; i += 2)
        nv[n++] = pair(g->headers[i], g->headers[i + 1]);
    c->stream = nghttp2_submit_request(k->session, NULL, nv, n, &body, c);
    if (c->stream < 0) { /* the session takes no more: it drains from now on */
        k->goaway = true;
        return;
    }
    c->conn = k;
    k->streams++;
}

void zt_conn_cancel(struct zt_conn *k, struct zt_call *c)
{
    nghttp2_session_set_stream_user_data(k->session, c->stream, NULL);
    nghttp2_submit_rst_stream(k->session, NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_CANCEL);
    c->conn = NULL;
}

void zt_conn_ping(struct zt_conn *k, int64_t now)
{
    nghttp2_submit_ping(k->session, NGHTTP2_FLAG_NONE, NULL);
    k->pinged_ms = now;
}

void zt_conn_read(struct zt_conn *k)
{
    static _Thread_local uint8_t buf[65536];

    for (int round = 0; round < READ_ROUNDS && !k->dead; round++) {
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

void zt_conn_write(struct zt_conn *k)
{
    while (!k->dead) {
        if (!k->out_len) {
            ssize_t n = nghttp2_session_mem_send(k->session, &k->out);

            if (n == 0)
                return;
            if (n < 0) {
                k->dead = true;
                return;
            }
            k->out_len = (size_t)n;
        }
        ssize_t w = send(k->fd, k->out, k->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (w < 0 && errno == EAGAIN)
            return; /* the loop polls for room */
        if (w < 0 && errno != EINTR)
            k->dead = true;
        if (w > 0) {
            k->out += w;
            k->out_len -= (size_t)w;
        }
    }
}
