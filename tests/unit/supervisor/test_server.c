/* The request parser, and the server over a real socket: it runs in a child with small limits and
 * short deadlines, this process is the client. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/httpd.h"

TestSuite(server, .timeout = 40);

/* --- parser ------------------------------------------------------------------------------------ */

struct head_case {
    char head[160];
    int want; /* negative status, 0 = more needed, 1 = accepted whole */
};

ParameterizedTestParameters(request, heads)
{
    static struct head_case cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1 },
        { "GET / HTTP/1.0\r\n\r\n", 1 },
        { "GET /a?b=c HTTP/1.1\r\nhost:a\r\nX: \t y \t\r\n\r\n", 1 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 1 },
        { "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 1 },
        { "GET / HTTP/1.1\r\nHost: a\r\n", 0 },
        { "GET / HTTP/1.1\r\nHost: a\r", 0 },
        { "", 0 },
        { "GET / HTTP/1.1\r\n\r\n", -400 },                           /* no Host */
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", -400 },
        { "GET / HTTP/1.1\nHost: a\n\n", -400 },                      /* bare line feeds */
        { "GET / HTTP/1.1\r\nHost: a\n\r\n", -400 },
        { "GET / HTTP/1.1\rHost: a\r\n", -400 },
        { "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "WAYTOOLONGAMETHOD / HTTP/1.1\r\nHost: a\r\n\r\n", -400 },
        { "GET /\r\nHost: a\r\n\r\n", -400 },                          /* HTTP/0.9 */
        { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", -505 },
        { "GET / HTTP/1.1\r\nHost : a\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01z\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999\r\n\r\n", -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
          -400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", -501 },
    };
    return cr_make_param_array(struct head_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct head_case *c, request, heads, .timeout = 5)
{
    struct zn_request r;
    size_t n = strlen(c->head);
    int got = zn_request_parse(c->head, n, &r);

    cr_assert_eq(got, c->want == 1 ? (int)n : c->want, "%s: %d", c->head, got);
}

Test(request, limits_of_the_head)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(64 * 1024);
    struct zn_request r;

    zn_buf_puts(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 63; i++)
        zn_buf_printf(&b, "X-%d: y\r\n", i);
    cr_assert_eq(zn_request_parse(b.mem, b.len, &r), 0);
    zn_buf_puts(&b, "\r\n");
    cr_assert_eq(zn_request_parse(b.mem, b.len, &r), (int)b.len, "64 headers are taken");
    b.len -= 2;
    zn_buf_puts(&b, "One: more\r\n\r\n");
    cr_assert_eq(zn_request_parse(b.mem, b.len, &r), -431);
    zn_buf_clear(&b);
    zn_buf_puts(&b, "GET /");
    while (b.len < ZN_REQUEST_HEAD_MAX - 1)
        zn_buf_putc(&b, 'a');
    cr_assert_eq(zn_request_parse(b.mem, b.len, &r), 0);
    zn_buf_putc(&b, 'a');
    cr_assert_eq(zn_request_parse(b.mem, b.len, &r), -431);
}

Test(request, views_and_headers)
{
    static const char head[] = "GET /a/b?c=d HTTP/1.1\r\nHost: h\r\nLast-Event-ID:  7.ab \r\n"
                               "Connection: x, Close\r\nContent-Length: 12\r\n\r\nrest";
    struct zn_request r;

    cr_assert_eq(zn_request_parse(head, sizeof head - 1, &r), (int)sizeof head - 5);
    cr_assert(zn_str_eq(r.method, zn_str("GET")));
    cr_assert(zn_str_eq(r.path, zn_str("/a/b")));
    cr_assert(zn_str_eq(r.query, zn_str("c=d")));
    cr_assert(zn_str_eq(zn_request_header(&r, "last-event-id"), zn_str("7.ab")));
    cr_assert_null(zn_request_header(&r, "Last-Event").s);
    cr_assert_eq(r.length, 12);
    cr_assert_not(r.keep_alive);
}

/* --- server ------------------------------------------------------------------------------------ */

enum { PATIENCE_MS = 10000, CONNS = 8, STREAMS = 3, BACKLOG = 64 * 1024 };

static char path[64];
static pid_t child;
static struct zn_httpd *httpd; /* in the child */
static int64_t write_ms = 700;

static void handle(void *arg, struct zn_conn *c, const struct zn_request *r)
{
    static char big[300 * 1024];
    char text[64];

    (void)arg;
    if (zn_str_eq(r->path, zn_str("/stream"))) {
        zn_conn_stream(c, NULL, "data: first\n\n", 13);
        return;
    }
    if (zn_str_eq(r->path, zn_str("/push"))) {
        memset(big, 'x', 32 * 1024);
        zn_httpd_broadcast(httpd, big, 32 * 1024);
    }
    if (zn_str_eq(r->path, zn_str("/end")))
        zn_httpd_end_streams(httpd);
    if (zn_str_eq(r->path, zn_str("/big"))) {
        memset(big, 'b', sizeof big);
        zn_conn_reply(c, 200, "text/plain", NULL, big, sizeof big);
        return;
    }
    if (zn_str_eq(r->path, zn_str("/stats"))) {
        snprintf(text, sizeof text, "%u %u", zn_httpd_conns(httpd), zn_httpd_streams(httpd));
        zn_conn_reply(c, 200, "text/plain", NULL, text, strlen(text));
        return;
    }
    zn_conn_reply(c, 200, "text/plain", "X-Extra: 1\r\n", r->body.s, r->body.n);
}

static void start(bool ignore_bodies)
{
    struct zn_httpd_limits limits = { .conns = CONNS, .streams = STREAMS, .backlog = BACKLOG,
                                      .ignore_bodies = ignore_bodies, .idle_ms = 3000,
                                      .request_ms = 500, .write_ms = write_ms };
    struct zn_err err = { 0 };
    struct zn_loop *l;

    snprintf(path, sizeof path, "/tmp/zn-httpd-%d.sock", (int)getpid());
    child = fork();
    if (child == 0) {
        zn_log_setup("test", ZN_LOG_ERROR);
        if (zn_loop_open(&l, &err) < 0 ||
            zn_httpd_open(l, path, 0600, &limits, handle, NULL, &httpd, &err) < 0)
            _exit(1);
        zn_loop_run(l);
        _exit(0);
    }
}

static void set_up(void)
{
    start(false);
}

/* Whatever is dropped then is dropped for what waits, not for how long. */
static void set_up_patient(void)
{
    write_ms = 60000;
    start(false);
}

static void tear_down(void)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    unlink(path);
}

static int dial(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int64_t end = zn_now_ms() + PATIENCE_MS;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    while (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        cr_assert_lt(zn_now_ms(), end, "%s", strerror(errno));
        zn_pause_ms(5);
    }
    return fd;
}

static void put(int fd, const char *s)
{
    cr_assert_eq(zn_write_all(fd, s, strlen(s)), 0, "%s", strerror(errno));
}

/* Everything until the text occurs, the peer closes or patience ends. Static storage. */
static const char *take(int fd, const char *until)
{
    static struct zn_buf b;
    int64_t end = zn_now_ms() + PATIENCE_MS;

    b.max = 1 << 20;
    zn_buf_clear(&b);
    zn_buf_puts(&b, "");
    while (zn_now_ms() < end && !(until && strstr(zn_buf_str(&b), until))) {
        struct pollfd pf = { .fd = fd, .events = POLLIN };
        char chunk[65536];
        ssize_t n = poll(&pf, 1, 100) > 0 ? recv(fd, chunk, sizeof chunk, 0) : -2;

        if (n == 0 || n == -1)
            break;
        if (n > 0)
            zn_buf_add(&b, chunk, (size_t)n);
    }
    return zn_buf_str(&b);
}

static bool closed(int fd)
{
    struct pollfd pf = { .fd = fd, .events = POLLIN };
    char c;

    return poll(&pf, 1, PATIENCE_MS) > 0 && recv(fd, &c, 1, 0) <= 0;
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

Test(server, keep_alive_pipelining_and_split_writes, .init = set_up, .fini = tear_down)
{
    static const char post[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    int fd = dial();
    const char *got;

    for (const char *s = post; *s; s++) /* byte by byte */
        cr_assert_eq(write(fd, s, 1), 1);
    got = take(fd, "hello");
    cr_assert_not_null(strstr(got, "HTTP/1.1 200 OK"));
    cr_assert_not_null(strstr(got, "Connection: keep-alive"));
    cr_assert_not_null(strstr(got, "X-Extra: 1"));
    put(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
            "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntwo");
    got = take(fd, NULL); /* closes at the end */
    cr_assert_not_null(strstr(got, "\r\n\r\noneHTTP/1.1 200"), "%s", got);
    cr_assert_not_null(strstr(got, "\r\n\r\ntwo"));
}

Test(server, head_gets_no_body_and_http10_closes, .init = set_up, .fini = tear_down)
{
    int fd = dial();
    const char *got;

    put(fd, "HEAD /stats HTTP/1.1\r\nHost: x\r\n\r\n" GET("/stats"));
    got = take(fd, "1 0");
    cr_assert_not_null(strstr(got, "Content-Length: 3\r\nConnection: keep-alive\r\n\r\nHTTP/1.1"));
    fd = dial();
    put(fd, "GET /stats HTTP/1.0\r\n\r\n");
    cr_assert_not_null(strstr(take(fd, NULL), "Connection: close"));
}

Test(server, half_closed_client_gets_its_answer, .init = set_up, .fini = tear_down)
{
    int fd = dial();

    put(fd, GET("/big"));
    shutdown(fd, SHUT_WR);
    cr_assert_gt(strlen(take(fd, NULL)), 300 * 1024);
}

Test(server, bad_requests_get_a_status_and_the_end, .init = set_up, .fini = tear_down)
{
    static const char *const cases[][2] = {
        { "nonsense\r\n\r\n", "400 Bad Request" },
        { "GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505 HTTP Version" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", "413 Content" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501 Not" },
        { "GET / HTTP/1.1\r\nHos", "408 Request Timeout" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", "408 Request Timeout" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial();
        const char *got;

        put(fd, cases[i][0]);
        got = take(fd, NULL);
        cr_assert_not_null(strstr(got, cases[i][1]), "%s: %s", cases[i][0], got);
        cr_assert_not_null(strstr(got, "{\"error\":{\"code\":"));
        close(fd);
    }
}

Test(server, refused_body_does_not_take_the_answer_with_it, .init = set_up, .fini = tear_down)
{
    static char body[200000];
    int fd = dial();

    memset(body, 'z', sizeof body);
    put(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
    cr_assert_eq(zn_write_all(fd, body, sizeof body), 0); /* no reset while we send */
    cr_assert_not_null(strstr(take(fd, NULL), "413"));
}

Test(server, ignored_bodies_are_answered_on_the_head, .fini = tear_down)
{
    int fd;

    start(true);
    fd = dial();
    put(fd, "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    cr_assert_not_null(strstr(take(fd, NULL), "200 OK"));
    fd = dial();
    put(fd, "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nhello");
    cr_assert_not_null(strstr(take(fd, NULL), "200 OK"));
}

Test(server, silent_connections_end_and_serve_others_meanwhile, .init = set_up, .fini = tear_down)
{
    int silent[CONNS];
    int64_t since = zn_now_ms();

    for (int i = 0; i < CONNS; i++)
        silent[i] = dial();
    int fd = dial(); /* waits in the backlog until the first ones are closed */
    put(fd, GET("/stats"));
    cr_assert_not_null(strstr(take(fd, "\r\n\r\n"), "200 OK"));
    cr_assert_leq(zn_now_ms() - since, 3000);
    for (int i = 0; i < CONNS; i++)
        cr_assert(closed(silent[i]));
}

Test(server, two_hundred_connections_are_all_served, .init = set_up, .fini = tear_down)
{
    int fd[200];

    for (int i = 0; i < 200; i++) {
        fd[i] = dial();
        put(fd[i], GET("/stats"));
    }
    for (int i = 0; i < 200; i++) { /* keep-alive all of them: idle ones make room */
        cr_assert_not_null(strstr(take(fd[i], "\r\n\r\n"), "200 OK"), "connection %d", i);
    }
}

static void wait_stats(const char *want)
{
    int64_t end = zn_now_ms() + PATIENCE_MS;
    const char *got = "";

    while (zn_now_ms() < end) {
        int fd = dial();
        put(fd, "GET /stats HTTP/1.0\r\n\r\n");
        got = take(fd, NULL);
        close(fd);
        if (zn_ends_with(got, want))
            return;
        zn_pause_ms(20);
    }
    cr_assert_fail("wanted \"%s\", last saw %s", want, got);
}

Test(server, streams_are_limited_and_counted, .init = set_up, .fini = tear_down)
{
    int fd[STREAMS + 1];
    const char *got;

    for (int i = 0; i <= STREAMS; i++) {
        fd[i] = dial();
        put(fd[i], GET("/stream"));
        got = take(fd[i], i < STREAMS ? "data: first\n\n" : "}}");
        cr_assert_not_null(strstr(got, i < STREAMS ? "text/event-stream" : "503 Service"), "%s",
                           got);
    }
    close(fd[0]);
    wait_stats(" 2");
    close(fd[1]);
    close(fd[2]);
    wait_stats(" 0");
}

Test(server, ended_streams_close_and_nothing_else_does, .init = set_up, .fini = tear_down)
{
    int one = dial(), two = dial(), asker = dial();

    put(one, GET("/stream"));
    put(two, GET("/stream"));
    take(one, "first\n\n");
    take(two, "first\n\n");
    put(asker, GET("/end"));
    cr_assert_not_null(strstr(take(asker, "\r\n\r\n"), "200 OK"));
    cr_assert(closed(one));
    cr_assert(closed(two));
    put(asker, GET("/stats"));
    cr_assert(zn_ends_with(take(asker, "1 0"), "1 0"));
}

/* A reader that takes nothing is dropped; one that reads gets every byte, and pushing never stalls. */
Test(server, slow_reader_is_dropped_others_are_not, .init = set_up_patient, .fini = tear_down)
{
    enum { PUSHES = 40 };
    int slow = dial(), quick = dial(), pusher = dial();
    int64_t since = zn_now_ms();
    size_t got = 0, want = (size_t)PUSHES * 32 * 1024;

    put(slow, GET("/stream"));
    put(quick, GET("/stream"));
    cr_assert_not_null(strstr(take(slow, "first\n\n"), "200"));
    cr_assert_not_null(strstr(take(quick, "first\n\n"), "200"));
    for (int i = 0; i < PUSHES; i++) {
        size_t part = 0;

        put(pusher, GET("/push"));
        cr_assert_not_null(strstr(take(pusher, "\r\n\r\n"), "200 OK"), "push %d", i);
        while (part < 32 * 1024) {
            char chunk[65536];
            ssize_t n = recv(quick, chunk, sizeof chunk, 0);

            cr_assert_gt(n, 0, "the quick reader was dropped at push %d", i);
            part += (size_t)n;
        }
        got += part;
    }
    cr_assert_eq(got, want);
    cr_assert_leq(zn_now_ms() - since, 5000);
    wait_stats(" 1");
}

/* A reader that stands still with little waiting falls to the write deadline instead. */
Test(server, stalled_answer_ends_by_deadline, .init = set_up, .fini = tear_down)
{
    int fd = dial();

    put(fd, GET("/big")); /* more than the socket buffers hold */
    wait_stats("1 0");    /* the stalled one is gone: only the asking connection is left */
    close(fd);
}
