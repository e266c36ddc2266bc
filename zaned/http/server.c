/* libmicrohttpd in front of a queue of workers. An exchange goes COLLECT → (suspended, on a worker) →
 * ANSWER. The access handler's first call only sets the context: answering there costs the connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/log.h"
#include "zaned/http/conns.h"
#include "zaned/http/http.h"
#include "zaned/http/queue.h"
#include "zaned/http/stream.h"

enum { SPARE_CONNS = 64 }; /* until those that make room are closed */
enum { ANSWER_MS = 2000 };
enum { ARENA_LIMIT = 64 << 20, TARGET_MAX = 8192, CONN_MEMORY = 10240 };
static const size_t SWALLOW_MAX = 16 << 20; /* of a refused body, so that the answer can be read */

enum phase { COLLECT, WORKING, ANSWER };

struct exchange {
    struct zn_job job; /* first: the queue's jobs are exchanges */
    struct zn_server *s;
    struct MHD_Connection *conn;
    enum phase phase;
    struct zn_arena arena;
    struct zn_request req;
    struct zn_reply reply;
    enum zn_lane lane;
    struct zn_buf body;
    size_t limit, swallowed;
    int64_t began_ms, queued_ms;
    long long announced; /* length of the body, as the head says it */
    bool decided; /* the reply is there before the body was read */
};

struct zn_server {
    struct zn_server_config cfg;
    struct MHD_Daemon *daemon;
    pthread_t *threads;
    unsigned nthreads;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct zn_queue queue;
    atomic_uint running; /* exchanges between head and end of the answer */
    atomic_bool draining;
    bool stop;
    struct zn_streams streams;
    struct zn_conns conns; /* the loop thread's */
};

/* --- reading the head ----------------------------------------------------------------------------- */

static void refuse(struct exchange *x, int status, const char *detail)
{
    if (x->decided)
        return;
    x->decided = true;
    x->s->cfg.app.refuse(x->s->cfg.app.self, &x->req, status, detail, &x->reply);
}

static const char *take(struct exchange *x, const char *s)
{
    const char *copy = zn_arena_strdup(&x->arena, s ? s : "");

    if (!copy)
        refuse(x, 431, "the request's head is too large");
    else if (!zn_utf8_valid(copy, strlen(copy)))
        refuse(x, 400, "the request's head is not valid UTF-8");
    return copy ? copy : "";
}

static const char *decode(struct exchange *x, const char *s, bool plus)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(TARGET_MAX * 2);

    if (!zn_percent_decode(s, strlen(s), plus, &b) || (b.len && memchr(b.mem, '\0', b.len))) {
        refuse(x, 400, "the address has a broken escape");
        return "";
    }
    return take(x, zn_buf_str(&b));
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    struct exchange *x = arg;

    (void)kind;
    if (x->req.nheaders == ZN_HEADERS_MAX)
        refuse(x, 431, "the request has more than 64 headers");
    else
        x->req.headers[x->req.nheaders++] = (struct zn_pair){ take(x, key), take(x, value) };
    return MHD_YES;
}

static enum MHD_Result on_query(void *arg, enum MHD_ValueKind kind, const char *key,
                                const char *value)
{
    struct exchange *x = arg;

    (void)kind;
    if (x->req.nquery == ZN_QUERY_MAX)
        refuse(x, 400, "the request has more than 64 query parameters");
    else
        x->req.query[x->req.nquery++] =
            (struct zn_pair){ decode(x, key, true), decode(x, value ? value : "", true) };
    return MHD_YES;
}

/* The proxy appends the address it saw, so the last one of X-Forwarded-For can be believed. */
static void read_client(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *forwarded = zn_request_header(&x->req, "X-Forwarded-For");
    const char *proto = zn_request_header(&x->req, "X-Forwarded-Proto");
    char text[INET6_ADDRSTRLEN] = "";

    if (info && info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in sa;
        memcpy(&sa, info->client_addr, sizeof sa);
        inet_ntop(AF_INET, &sa.sin_addr, text, sizeof text);
    }
    if (forwarded) {
        const char *last = strrchr(forwarded, ',');
        last = last ? last + 1 : forwarded;
        snprintf(text, sizeof text, "%s", last + strspn(last, " "));
    }
    x->req.forwarded = forwarded != NULL;
    x->req.secure = proto && strcmp(proto, "https") == 0;
    x->req.client = take(x, text);
}

static void read_head(struct exchange *x, const char *method, const char *url)
{
    struct zn_request *r = &x->req;

    r->arena = &x->arena;
    r->body = "";
    zn_id("", 20, r->id, sizeof r->id);
    r->method = take(x, method);
    if (strlen(url) > TARGET_MAX)
        refuse(x, 414, "the address is longer than 8192 bytes");
    r->path = x->decided ? "" : decode(x, url, false);
    MHD_get_connection_values(x->conn, MHD_HEADER_KIND, on_header, x);
    MHD_get_connection_values(x->conn, MHD_GET_ARGUMENT_KIND, on_query, x);
    read_client(x);
}

/* --- the exchange --------------------------------------------------------------------------------- */

static struct exchange *exchange_new(struct zn_server *s, struct MHD_Connection *conn,
                                     const char *method, const char *url, const char *target)
{
    struct exchange *x = calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->s = s;
    x->conn = conn;
    atomic_fetch_add(&s->running, 1);
    x->arena.limit = ARENA_LIMIT;
    x->began_ms = zn_now_ms();
    x->limit = ZN_BODY_MAX;
    x->reply.body = ZN_BUF(ZN_REPLY_MAX);
    read_head(x, method, url);
    x->req.raw_target = take(x, target ? target : url);
    if (!x->decided)
        s->cfg.app.route(s->cfg.app.self, &x->req, &x->lane, &x->limit, &x->reply);
    x->decided = x->decided || x->reply.status != 0;
    const char *length = zn_request_header(&x->req, "Content-Length");
    if (length && zn_parse_i64(length, 0, INT64_MAX, &x->announced) &&
        (size_t)x->announced > x->limit)
        refuse(x, 413, "the request's body is too large"); /* nothing of it need be sent */
    zn_conns_move(&s->conns, conn, ZN_CONN_ARRIVING);
    x->body = ZN_BUF(x->limit + 1);
    return x;
}

static enum MHD_Result collect(struct exchange *x, const char *data, size_t *n)
{
    size_t got = *n;

    *n = 0;
    if (!x->decided && got > x->limit - x->body.len)
        refuse(x, 413, "the request's body is too large");
    if (!x->decided && zn_now_ms() - x->began_ms > x->s->cfg.arrive_ms)
        refuse(x, 408, "the request took too long to arrive");
    if (x->decided) {
        x->reply.close = true;
        x->swallowed += got;
        return x->swallowed > SWALLOW_MAX ? MHD_NO : MHD_YES;
    }
    zn_buf_add(&x->body, data, got);
    return MHD_YES;
}

static void unref_blob(void *blob)
{
    zn_blob_unref(blob);
}

/* The response takes over what the reply's body is made of. */
static struct MHD_Response *response_of(struct exchange *x)
{
    struct zn_reply *rep = &x->reply;
    struct MHD_Response *r;

    if (rep->stream.read) {
        r = zn_stream_response(&x->s->streams, x->conn, &rep->stream);
    } else if (rep->blob) {
        r = MHD_create_response_from_buffer_with_free_callback_cls(
            rep->blob->n - rep->blob_from, rep->blob->bytes + rep->blob_from, unref_blob, zn_blob_ref(rep->blob));
        if (!r)
            zn_blob_unref(rep->blob);
    } else {
        r = MHD_create_response_from_buffer(rep->body.len, rep->body.mem ? rep->body.mem : (char[]){ "" },
                                            rep->body.mem ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
        if (r)
            rep->body = ZN_BUF(ZN_REPLY_MAX);
    }
    return r;
}

static enum MHD_Result answer(struct exchange *x)
{
    struct zn_reply *rep = &x->reply;
    enum zn_conn_place place = rep->stream.read ? ZN_CONN_WORKING : ZN_CONN_SENDING;
    struct MHD_Response *r;

    if (rep->status == 0 || rep->body.failed)
        x->s->cfg.app.refuse(x->s->cfg.app.self, &x->req, 500, "the answer is too large", rep);
    r = response_of(x);
    if (!r)
        return MHD_NO;
    if (rep->content_type)
        MHD_add_response_header(r, "Content-Type", rep->content_type);
    MHD_add_response_header(r, "X-Request-Id", x->req.id);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (rep->close || atomic_load(&x->s->draining))
        MHD_add_response_header(r, "Connection", "close");
    bool may_store = false;
    for (unsigned i = 0; i < rep->nheaders; i++) {
        MHD_add_response_header(r, rep->headers[i].name, rep->headers[i].value);
        may_store = may_store || strcmp(rep->headers[i].name, "ETag") == 0;
    }
    /* What has a tag may be kept by who asked for it, and is asked for again each time. */
    MHD_add_response_header(r, "Cache-Control", may_store ? "private, no-cache" : "no-store");
    enum MHD_Result q = MHD_queue_response(x->conn, (unsigned)rep->status, r);
    MHD_destroy_response(r);
    zn_conns_move(&x->s->conns, x->conn, place);
    zn_debug("request %s %s %s status=%d ms=%lld", x->req.id, x->req.method, x->req.path,
             rep->status, (long long)(zn_now_ms() - x->began_ms));
    return q;
}

static enum MHD_Result to_worker(struct exchange *x)
{
    struct zn_server *s = x->s;
    bool room;

    pthread_mutex_lock(&s->lock);
    room = !s->stop && zn_queue_push(&s->queue, x->req.client, &x->job);
    if (room) {
        x->phase = WORKING;
        x->queued_ms = zn_now_ms();
        zn_conns_move(&s->conns, x->conn, ZN_CONN_WORKING);
        MHD_suspend_connection(x->conn);
        pthread_cond_signal(&s->more);
    }
    pthread_mutex_unlock(&s->lock);
    if (room)
        return MHD_YES;
    refuse(x, 503, "too many requests are waiting");
    x->phase = ANSWER;
    return answer(x);
}

static enum MHD_Result dispatch(struct exchange *x)
{
    if (!x->decided) {
        x->req.body = zn_buf_str(&x->body);
        x->req.body_len = x->body.len;
        if (!x->req.body)
            refuse(x, 500, "out of memory");
        else if (x->lane == ZN_LANE_WORKER)
            return to_worker(x);
        else
            x->s->cfg.app.handle(x->s->cfg.app.self, &x->req, &x->reply);
    }
    x->phase = ANSWER;
    return answer(x);
}

/* What *req_cls points to: the target as sent comes first (URI callback), the exchange with the head. */
struct holder {
    char *uri;
    struct exchange *x;
};

static void *hold_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
    struct holder *h = calloc(1, sizeof *h);

    (void)arg;
    (void)conn;
    if (h)
        h->uri = strdup(uri);
    return h;
}

/* A refused body that the client asks about first, or that is too long to be swallowed: then the answer comes
 * at once, and the connection goes with it. */
static bool is_unwanted(const struct exchange *x)
{
    return x->decided && (x->announced > (long long)SWALLOW_MAX ||
                          (x->announced && zn_request_header(&x->req, "Expect")));
}

static enum MHD_Result answer_now(struct exchange *x)
{
    x->phase = ANSWER;
    x->reply.close = true;
    return answer(x);
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *conn, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *n, void **req_cls)
{
    struct holder *h = *req_cls;

    (void)version;
    if (!h)
        return MHD_NO;
    if (!h->x) {
        h->x = exchange_new(arg, conn, method, url, h->uri);
        return !h->x ? MHD_NO : is_unwanted(h->x) ? answer_now(h->x) : MHD_YES;
    }
    if (*n)
        return collect(h->x, data, n);
    return h->x->phase == COLLECT ? dispatch(h->x) : answer(h->x);
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **req_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct holder *h = *req_cls;

    (void)arg;
    (void)why;
    if (!h)
        return;
    if (h->x) {
        atomic_fetch_sub(&h->x->s->running, 1);
        zn_conns_move(&h->x->s->conns, conn, ZN_CONN_QUIET);
        if (h->x->reply.stream.end)
            h->x->reply.stream.end(h->x->reply.stream.self);
        zn_buf_done(&h->x->reply.body);
        zn_blob_unref(h->x->reply.blob);
        zn_buf_done(&h->x->body);
        zn_arena_done(&h->x->arena);
        free(h->x);
    }
    free(h->uri);
    free(h);
    *req_cls = NULL;
}

/* The next exchange to work on; NULL once the server stops and none is left. */
static struct exchange *next_exchange(struct zn_server *s)
{
    struct zn_job *job;

    pthread_mutex_lock(&s->lock);
    while (!(job = zn_queue_take(&s->queue)) && !(s->stop && !s->queue.waiting))
        pthread_cond_wait(&s->more, &s->lock);
    if (s->stop)
        pthread_cond_broadcast(&s->more); /* this may have been the last that others wait for */
    pthread_mutex_unlock(&s->lock);
    return (struct exchange *)(void *)job;
}

static void *worker_main(void *arg)
{
    struct zn_server *s = arg;
    struct exchange *x;

    while ((x = next_exchange(s))) {
        if (zn_now_ms() - x->queued_ms > s->cfg.wait_ms)
            refuse(x, 503, "no worker became free in time");
        else
            s->cfg.app.handle(s->cfg.app.self, &x->req, &x->reply);
        x->phase = ANSWER;
        pthread_mutex_lock(&s->lock);
        zn_queue_done(&s->queue, &x->job);
        pthread_mutex_unlock(&s->lock);
        MHD_resume_connection(x->conn);
    }
    return NULL;
}

/* Escapes stay in path and query: they are decoded by us, with checks. */
static size_t keep_escapes(void *arg, struct MHD_Connection *conn, char *s)
{
    (void)arg;
    (void)conn;
    return strlen(s);
}

static void silent(void *arg, const char *fmt, va_list ap)
{
    (void)arg;
    (void)fmt;
    (void)ap;
}

static int start_daemon(struct zn_server *s, struct zn_err *err)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->cfg.port) };

    if (inet_pton(AF_INET, s->cfg.address, &sa.sin_addr) != 1)
        return zn_fail(err, ZN_INVALID, "%s is not an IPv4 address to listen on", s->cfg.address);
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
        (uint16_t)s->cfg.port, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, silent, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, hold_uri, NULL, MHD_OPTION_SOCK_ADDR, &sa,
        MHD_OPTION_CONNECTION_LIMIT, s->cfg.max_conns + SPARE_CONNS,
        MHD_OPTION_NOTIFY_CONNECTION, zn_conns_notify, &s->conns, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONN_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((s->cfg.idle_ms + 999) / 1000), MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    if (!s->daemon)
        return zn_fail_errno(err, errno, "listening on %s:%d", s->cfg.address, s->cfg.port);
    return 0;
}

int zn_server_start(const struct zn_server_config *cfg, struct zn_server **ret, struct zn_err *err)
{
    struct zn_server *s = calloc(1, sizeof *s);

    if (!s || !(s->threads = calloc(cfg->workers + 1, sizeof *s->threads))) {
        free(s);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    s->cfg = *cfg;
    s->queue.max = cfg->queue;
    s->queue.share = cfg->workers > 3 ? cfg->workers - cfg->workers / 4 : cfg->workers;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    json_object_seed(0);
    zn_streams_init(&s->streams);
    s->conns.max = cfg->max_conns;
    s->conns.longest_ms[ZN_CONN_QUIET] = cfg->idle_ms;
    /* Whoever still sends is told so (408) first. */
    s->conns.longest_ms[ZN_CONN_ARRIVING] = cfg->arrive_ms + ANSWER_MS;
    while (s->nthreads < cfg->workers &&
           pthread_create(&s->threads[s->nthreads], NULL, worker_main, s) == 0)
        s->nthreads++;
    if (s->nthreads < cfg->workers || start_daemon(s, err) < 0) {
        if (s->nthreads < cfg->workers)
            zn_fail(err, ZN_INTERNAL, "starting the HTTP workers failed");
        zn_server_stop(s, 0);
        return -1;
    }
    *ret = s;
    return 0;
}

int zn_server_port(const struct zn_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info ? info->port : -1;
}

/* Waits until no request is under way, at most ms; idle kept-alive connections don't count. */
static void drain(struct zn_server *s, int64_t ms)
{
    int64_t end = zn_now_ms() + ms;

    for (unsigned i = 0; atomic_load(&s->running) && zn_now_ms() < end; i++)
        zn_pause_ms(zn_backoff_ms(i, 5, 50, 0));
}

void zn_server_stop(struct zn_server *s, int64_t drain_ms)
{
    if (!s)
        return;
    if (s->daemon) {
        MHD_socket fd = MHD_quiesce_daemon(s->daemon);
        if (fd != MHD_INVALID_SOCKET)
            close(fd);
        atomic_store(&s->draining, true);
        zn_streams_close(&s->streams);
        drain(s, drain_ms);
    }
    /* The workers finish what is queued: no connection may stay suspended. */
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->more);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->nthreads; i++)
        pthread_join(s->threads[i], NULL);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->more);
    zn_streams_done(&s->streams);
    free(s->threads);
    free(s);
}
