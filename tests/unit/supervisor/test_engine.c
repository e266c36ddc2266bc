/* The engine client against a fake engine in a thread: it answers what the real one was measured to
 * answer, and misbehaves in the ways that networks and processes do. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "supervisor/engine.h"

static char path[64];
static int listener = -1;
static atomic_int most, open_now;
static atomic_llong upload_bytes;
static const char *api = "1.41";

static void reply(int fd, const char *head, const char *body)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nApi-Version: %s\r\nContent-Length: %zu\r\n\r\n%s",
                     head, api, strlen(body), body);

    zn_write_all(fd, text, (size_t)n);
}

static void slow_reply(int fd)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "4\r\n{\"a\"\r\n3\r\n:7}\r\n0\r\n\r\n";

    for (size_t i = 0; i < sizeof text - 1; i++) {
        zn_write_all(fd, text + i, 1);
        zn_pause_ms(1);
    }
}

static void take_upload(int fd, const char *head, size_t got)
{
    const char *len = strstr(head, "Content-Length: "), *body = strstr(head, "\r\n\r\n");
    long long want = len ? strtoll(len + 16, NULL, 10) : 0;
    long long have = (long long)(got - (size_t)(body + 4 - head));
    char chunk[65536];

    while (have < want) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0)
            return;
        have += n;
    }
    upload_bytes = have;
    reply(fd, "200 OK", "{\"stream\":\"Loaded\"}\r\n{\"error\":\"no space\"}");
}

static void answer(int fd, const char *head, size_t got)
{
    if (strstr(head, "GET /elsewhere HTTP/1.1\r\nHost: app.test\r\n") && strstr(head, "\r\nZane-Dial: a:1\r\n")) {
        reply(fd, "502 Bad Gateway", "{\"a\":9}");
    } else if (strstr(head, " /_ping ")) {
        reply(fd, "200 OK", "OK");
    } else if (strstr(head, "/slow")) {
        slow_reply(fd);
    } else if (strstr(head, "/busy")) {
        reply(fd, "500 Internal Server Error",
              "{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}");
    } else if (strstr(head, "/absent")) {
        reply(fd, "404 Not Found", "{\"message\":\"service nope not found\"}");
    } else if (strstr(head, "/plain")) {
        reply(fd, "400 Bad Request", "client version 1.1 is too old");
    } else if (strstr(head, "/cut")) {
        static const char cut[] = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{";
        zn_write_all(fd, cut, sizeof cut - 1);
    } else if (strstr(head, "/stall")) {
        zn_pause_ms(1500);
    } else if (strstr(head, "/load")) {
        take_upload(fd, head, got);
    } else {
        zn_pause_ms(30);
        reply(fd, "200 OK", "{\"a\":7}");
    }
}

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg, now = ++open_now;
    char head[8192];
    size_t got = 0;

    if (now > most)
        most = now;
    while (got < sizeof head - 1) {
        ssize_t n = read(fd, head + got, sizeof head - 1 - got);
        if (n <= 0)
            break;
        got += (size_t)n;
        head[got] = '\0';
        if (strstr(head, "\r\n\r\n")) {
            answer(fd, head, got);
            break;
        }
    }
    close(fd);
    open_now--;
    return NULL;
}

static void *serve(void *arg)
{
    int fd;

    while ((fd = accept((int)(intptr_t)arg, NULL, NULL)) >= 0) {
        pthread_t t;
        pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd);
        pthread_detach(t);
    }
    return NULL;
}

static void begin_listening(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    pthread_t t;

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    cr_assert_eq(listen(listener, 64), 0);
    pthread_create(&t, NULL, serve, (void *)(intptr_t)listener);
    pthread_detach(t);
}

struct seen {
    struct zn_loop *loop;
    struct zn_engine *e;
    int left, ups, downs, calls, status[32];
    enum zn_code code[32];
    char msg[256], why[256];
    json_int_t a;
    struct zn_timer guard;
    bool stop_on_up, cancel_all;
};

static void give_up(void *arg)
{
    (void)arg;
    cr_assert_fail("the loop did not come to an end");
}

static void on_state(void *arg, bool up, const char *why)
{
    struct seen *s = arg;

    snprintf(s->why, sizeof s->why, "%s", why);
    *(up ? &s->ups : &s->downs) += 1;
    if (!up && s->cancel_all)
        zn_engine_cancel(s->e, s); /* as the supervisor does when the engine goes away */
    if (up && s->stop_on_up)
        zn_loop_stop(s->loop);
}

static void on_done(void *arg, const struct zn_engine_reply *r)
{
    struct seen *s = arg;

    s->status[s->calls] = r->status;
    s->code[s->calls++] = r->err ? r->err->code : ZN_OK;
    if (r->err)
        snprintf(s->msg, sizeof s->msg, "%s", r->err->msg);
    if (r->json)
        s->a = zn_json_int(r->json, "a", 0);
    if (--s->left == 0)
        zn_loop_stop(s->loop);
}

static struct seen *begin(void)
{
    struct seen *s = calloc(1, sizeof *s);
    struct zn_err err = { 0 };
    static char dir[] = "/tmp/zn-engine-test-XXXXXX";

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    cr_assert_eq(zn_loop_open(&s->loop, &err), 0);
    cr_assert_eq(zn_engine_open(s->loop, path, on_state, s, &s->e, &err), 0);
    s->guard = (struct zn_timer){ .fn = give_up };
    zn_timer_set(s->loop, &s->guard, 15000);
    return s;
}

static void connect_up(struct seen *s)
{
    begin_listening();
    s->stop_on_up = true;
    zn_engine_connect(s->e);
    zn_loop_run(s->loop);
    s->stop_on_up = false;
    cr_assert(zn_engine_up(s->e));
    cr_assert_eq(zn_engine_api(s->e), 41);
}

static void end(struct seen *s)
{
    zn_timer_clear(s->loop, &s->guard);
    zn_engine_close(s->e);
    zn_loop_close(s->loop);
    free(s);
    unlink(path);
    *strrchr(path, '/') = '\0';
    cr_assert_eq(rmdir(path), 0);
}

static void send_to(struct seen *s, const char *target, int64_t deadline)
{
    s->left++;
    zn_engine_send(s->e, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                   .deadline_ms = deadline, .done = on_done,
                                                   .arg = s });
}

Test(engine, answers_split_into_bytes_and_chunks_arrive_whole)
{
    struct seen *s = begin();

    connect_up(s);
    send_to(s, "/slow", 0);
    zn_loop_run(s->loop);
    cr_assert_eq(s->status[0], 200);
    cr_assert_eq(s->a, 7);
    end(s);
}

Test(engine, errors_keep_the_engines_words_and_get_our_codes)
{
    struct seen *s = begin();

    connect_up(s);
    send_to(s, "/busy", 0);
    zn_loop_run(s->loop);
    cr_assert_eq(s->code[0], ZN_BUSY);
    send_to(s, "/absent", 0);
    zn_loop_run(s->loop);
    cr_assert_eq(s->code[1], ZN_NOT_FOUND);
    cr_assert_str_eq(s->msg, "service nope not found");
    send_to(s, "/plain", 0);
    zn_loop_run(s->loop);
    cr_assert_eq(s->code[2], ZN_INVALID);
    cr_assert_not_null(strstr(s->msg, "too old"));
    end(s);
}

Test(engine, a_stalled_call_ends_at_its_deadline_and_the_engine_stays_up)
{
    struct seen *s = begin();
    int64_t t;

    connect_up(s);
    t = zn_now_ms();
    send_to(s, "/stall", 200);
    zn_loop_run(s->loop);
    cr_assert_lt(zn_now_ms() - t, 1200);
    cr_assert_eq(s->status[0], 0);
    cr_assert_eq(s->code[0], ZN_UNAVAILABLE);
    cr_assert(zn_engine_up(s->e));
    end(s);
}

Test(engine, many_calls_share_few_connections_and_all_end)
{
    struct seen *s = begin();

    connect_up(s);
    for (int i = 0; i < 30; i++)
        send_to(s, "/x", 0);
    zn_loop_run(s->loop);
    cr_assert_eq(s->calls, 30);
    cr_assert_leq(most, ZN_ENGINE_SLOTS + 1, "the ping's connection may still be open");
    end(s);
}

Test(engine, a_cut_answer_makes_it_down_then_up_again_and_owners_may_cancel)
{
    struct seen *s = begin();

    connect_up(s);
    s->cancel_all = true;
    send_to(s, "/cut", 0);
    for (int i = 0; i < 20; i++)
        send_to(s, "/x", 0);
    s->stop_on_up = true;
    s->left = -1000; /* only the return of the engine ends the loop */
    zn_loop_run(s->loop);
    cr_assert_eq(s->ups, 2);
    cr_assert_geq(s->downs, 1);
    cr_assert_eq(s->code[s->calls - 1], ZN_UNAVAILABLE);
    end(s);
}

Test(engine, without_an_engine_calls_end_at_once_and_it_is_found_when_it_comes)
{
    struct seen *s = begin();

    send_to(s, "/x", 0);
    zn_loop_run(s->loop);
    cr_assert_eq(s->code[0], ZN_UNAVAILABLE);
    zn_engine_connect(s->e);
    connect_up(s);
    end(s);
}

Test(engine, an_old_engine_is_refused_with_words)
{
    struct seen *s = begin();

    api = "1.30";
    begin_listening();
    zn_engine_connect(s->e);
    s->left = 1;
    zn_timer_clear(s->loop, &s->guard);
    s->guard.fn = (void (*)(void *))zn_loop_stop;
    s->guard.arg = s->loop;
    zn_timer_set(s->loop, &s->guard, 300);
    zn_loop_run(s->loop);
    cr_assert_not(zn_engine_up(s->e));
    cr_assert_not_null(strstr(s->why, "at least 1.41"), "%s", s->why);
    end(s);
}

Test(engine, uploads_stream_a_file_larger_than_any_buffer)
{
    struct seen *s = begin();
    char file[80];
    FILE *f;

    connect_up(s);
    snprintf(file, sizeof file, "%s.tar", path);
    f = fopen(file, "w");
    cr_assert_not_null(f);
    cr_assert_eq(ftruncate(fileno(f), 20 << 20), 0);
    fclose(f);
    s->left++;
    zn_engine_send(s->e, &(struct zn_engine_call){ .method = "POST", .target = "/images/load",
                                                   .upload = file, .done = on_done, .arg = s });
    zn_loop_run(s->loop);
    cr_assert_eq(s->status[0], 200);
    cr_assert_eq(upload_bytes, 20 << 20);
    unlink(file);
    end(s);
}

static void send_elsewhere(struct seen *s, const char *socket, const char *target)
{
    s->left++;
    zn_engine_send(s->e, &(struct zn_engine_call){ .method = "GET", .target = target, .socket = socket,
                                                   .host = "app.test", .headers = "Zane-Dial: a:1\r\n",
                                                   .deadline_ms = 1000, .done = on_done, .arg = s });
}

Test(engine, a_call_to_another_server_says_nothing_about_the_engine)
{
    struct seen *s = begin();

    begin_listening();
    send_elsewhere(s, path, "/elsewhere"); /* before the engine was ever asked */
    zn_loop_run(s->loop);
    cr_assert_eq(s->status[0], 502);
    cr_assert_eq(s->a, 9);
    s->stop_on_up = true;
    zn_engine_connect(s->e);
    zn_loop_run(s->loop);
    send_elsewhere(s, "/nowhere/edge.sock", "/");
    zn_loop_run(s->loop);
    cr_assert_eq(s->status[1], 0);
    cr_assert_not_null(strstr(s->msg, "/nowhere/edge.sock"), "%s", s->msg);
    send_elsewhere(s, path, "/cut");
    zn_loop_run(s->loop);
    cr_assert_eq(s->status[2], 0);
    cr_assert(zn_engine_up(s->e), "the engine still counts as there");
    cr_assert_eq(s->downs, 0);
    end(s);
}
