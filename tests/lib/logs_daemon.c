/* The log part of zaned alone, for tests that need no database: the real ingest, search and collector
 * behind the real HTTP server, without sessions.
 *   logs_daemon api PORT LOKI_URL TOKEN         POST /api/logs/ingest, GET /api/search/logs
 *   logs_daemon collector HANDOFF DIR API_URL TOKEN [BUFFER_BYTES [NAME]]   prints its counters on SIGUSR1
 *
 * A fault at an exact step: the file that ZN_FAULT names holds "STEP N". The next time the collector comes
 * to that step the file is removed and signal N raised, or for N < 0 the call fails with errno -N. Steps:
 * lock (before it), peek, peeked, store, stored, away (before stored bytes are read away), read. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/log.h"
#include "zaned/http/http.h"
#include "zaned/logs/collector.h"
#include "zaned/logs/ingest.h"
#include "zaned/logs/reader.h"
#include "zaned/logs/search.h"

ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
int __real_flock(int fd, int op);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
int __wrap_flock(int fd, int op);

/* errno of the fault that is due at this step, or 0. */
static int fault(const char *step)
{
    const char *path = getenv("ZN_FAULT");
    FILE *f = path ? fopen(path, "re") : NULL;
    char wanted[16];
    int n, got;

    if (!f)
        return 0;
    got = fscanf(f, "%15s %d", wanted, &n);
    fclose(f);
    if (got != 2 || strcmp(wanted, step) != 0)
        return 0;
    unlink(path);
    if (n > 0)
        raise(n);
    return n < 0 ? -n : 0;
}

/* -1 if the call is to fail. */
static int before(const char *step)
{
    errno = fault(step);
    return errno ? -1 : 0;
}

static void after(const char *step)
{
    int saved = errno;

    fault(step);
    errno = saved;
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
    bool peek = flags & MSG_PEEK;
    ssize_t r;

    if (!(flags & MSG_DONTWAIT)) /* the shipper's */
        return __real_recv(fd, buf, n, flags);
    r = before(peek ? "peek" : "away") < 0 ? -1 : __real_recv(fd, buf, n, flags);
    after(peek ? "peeked" : "read");
    return r;
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    ssize_t r;

    if (n <= ZN_READER_ID)
        return __real_pwrite(fd, buf, n, at);
    r = before("store") < 0 ? -1 : __real_pwrite(fd, buf, n, at);
    after("stored");
    return r;
}

int __wrap_flock(int fd, int op)
{
    return op & LOCK_EX && before("lock") < 0 ? -1 : __real_flock(fd, op);
}

static struct zn_loki loki;
static char auth[300];

static void on_route(void *self, struct zn_request *req, enum zn_lane *lane, size_t *body_max,
                     struct zn_reply *reply)
{
    (void)self;
    (void)req;
    (void)reply;
    *lane = ZN_LANE_WORKER;
    *body_max = ZN_INGEST_BODY_MAX;
}

static int ingest(struct zn_request *req, struct zn_reply *reply, struct zn_err *err)
{
    const char *given = zn_request_header(req, "Authorization");
    struct zn_ingest_result r;
    zn_auto_json batch = NULL;

    if (!given || strcmp(given, auth) != 0)
        return zn_fail(err, ZN_UNAUTHENTICATED, "wrong token");
    if (zn_json_parse(req->body, req->body_len, &batch, err) < 0 ||
        zn_ingest(&loki, batch, zn_wall_ns(), &r, err) < 0)
        return -1;
    if (r.refused)
        zn_warn("refused %u: %s", r.refused, r.reason);
    zn_reply_json(reply, 200, json_pack("{s:i,s:i,s:i,s:s}", "simple_logs_inserted", (int)r.inserted,
                                        "http_logs_inserted", 0, "refused", (int)r.refused, "reason",
                                        r.reason));
    return 0;
}

static int search(struct zn_request *req, struct zn_reply *reply, struct zn_err *err)
{
    const char *per_page = zn_request_query(req, "per_page"), *order = zn_request_query(req, "order");
    struct zn_search q = { .service_id = zn_request_query(req, "service_id"),
                           .deployment_id = zn_request_query(req, "deployment_id"),
                           .container_id = zn_request_query(req, "container_id"),
                           .text = zn_request_query(req, "query"),
                           .stream = zn_request_query(req, "stream"),
                           .levels = zn_request_query(req, "errors") ? 1u << ZN_LEVEL_ERROR : 0,
                           .asc = order && strcmp(order, "asc") == 0,
                           .per_page = per_page ? (unsigned)strtoul(per_page, NULL, 10) : 50,
                           .cursor = zn_request_query(req, "cursor") };
    json_t *page = NULL;

    if (zn_search(&loki, &q, zn_wall_ns(), &page, err) < 0)
        return -1;
    zn_reply_json(reply, 200, page);
    return 0;
}

static void on_handle(void *self, struct zn_request *req, struct zn_reply *reply)
{
    struct zn_err err = { 0 };
    int r;

    (void)self;
    if (strcmp(req->path, "/api/logs/ingest") == 0)
        r = ingest(req, reply, &err);
    else if (strcmp(req->path, "/api/search/logs") == 0)
        r = search(req, reply, &err);
    else
        r = zn_fail(&err, ZN_NOT_FOUND, "no such path");
    if (r < 0) {
        zn_warn("%s %s: %s (%s)", req->method, req->path, err.msg, err.detail);
        zn_reply_json(reply, err.code == ZN_INVALID ? 400 : err.code == ZN_UNAUTHENTICATED ? 401
                          : err.code == ZN_UNAVAILABLE ? 503 : err.code == ZN_NOT_FOUND ? 404 : 500,
                      json_pack("{s:s}", "error", err.msg));
    }
}

static void on_refuse(void *self, struct zn_request *req, int status, const char *detail,
                      struct zn_reply *reply)
{
    (void)self;
    (void)req;
    zn_reply_json(reply, status, json_pack("{s:s}", "error", detail));
}

static int run_api(char **argv, const sigset_t *set)
{
    struct zn_buf text = ZN_BUF(sizeof auth - 8), pair = ZN_BUF(200);
    struct zn_server_config cfg = { .address = "0.0.0.0", .port = (int)strtol(argv[2], NULL, 10),
                                    .workers = 4, .queue = 64, .max_conns = 64, .arrive_ms = 10000, .idle_ms = 60000,
                                    .wait_ms = 10000,
                                    .app = { NULL, on_route, on_handle, on_refuse } };
    struct zn_server *s = NULL;
    struct zn_err err = { 0 };
    int sig;

    zn_buf_printf(&pair, "zane:%s", argv[4]);
    zn_base64_add(&text, pair.mem, pair.len, false);
    snprintf(auth, sizeof auth, "Basic %s", zn_buf_str(&text));
    if (zn_loki_init(&loki, argv[3], &err) < 0 || zn_server_start(&cfg, &s, &err) < 0) {
        zn_error("%s", err.msg);
        return 1;
    }
    while (sigwait(set, &sig) == 0 && sig == SIGUSR1)
        ;
    zn_server_stop(s, 1000);
    return 0;
}

static int run_collector(int argc, char **argv, const sigset_t *set)
{
    struct zn_collector_opts opts = { .name = argc > 7 ? argv[7] : "embedded", .handoff = argv[2], .dir = argv[3],
                                      .api_url = argv[4], .token = argv[5],
                                      .spool_max = argc > 6 ? strtoull(argv[6], NULL, 10) : 0 };
    struct zn_collector *c = NULL;
    struct zn_collector_stats st;
    struct zn_err err = { 0 };
    int sig;

    if (zn_collector_start(&opts, &c, &err) < 0) {
        zn_error("%s", err.msg);
        return 1;
    }
    while (sigwait(set, &sig) == 0 && sig == SIGUSR1) {
        zn_collector_stats(c, &st);
        printf("{\"accepting\":%d,\"connections\":%u,\"records\":%" PRIu64 ",\"refused\":%" PRIu64
               ",\"batches\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"refused_segments\":%" PRIu64 "}\n",
               st.accepting, st.connections, st.records, st.refused_records, st.shipped_batches,
               st.spool_bytes, st.refused_segments);
        fflush(stdout);
    }
    zn_collector_stop(c);
    return 0;
}

int main(int argc, char **argv)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    zn_log_setup("logs-daemon", ZN_LOG_DEBUG);
    if (argc == 5 && strcmp(argv[1], "api") == 0)
        return run_api(argv, &set);
    if (argc >= 6 && argc <= 8 && strcmp(argv[1], "collector") == 0)
        return run_collector(argc, argv, &set);
    fprintf(stderr, "usage: see the head of tests/lib/logs_daemon.c\n");
    return 2;
}
