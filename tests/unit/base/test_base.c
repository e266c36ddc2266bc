#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/http.h"
#include "base/io.h"
#include "base/ip.h"
#include "base/json.h"

Test(str, mends_what_is_no_utf8)
{
    static const char *const cases[][2] = {
        { "plain", "plain" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "cut \xc3", "cut ?" }, { "\xff\xfe", "??" }, { "\xed\xa0\x80x", "???x" }, { "", "" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];

        snprintf(text, sizeof text, "%s", cases[i][0]);
        zn_utf8_mend(text);
        cr_expect_str_eq(text, cases[i][1]);
    }
    struct zn_err err = { 0 };
    zn_fail(&err, ZN_INVALID, "%0253d\xe2\x82\xac", 1); /* the euro sign does not fit whole */
    cr_expect(zn_utf8_valid(err.msg, strlen(err.msg)));
}

Test(err, wrap_keeps_the_code_and_puts_context_in_front)
{
    struct zn_err err = { 0 };

    cr_assert_eq(zn_fail(&err, ZN_NOT_FOUND, "service %s", "web"), -1);
    zn_wrap(&err, "scaling");
    cr_expect_eq(err.code, ZN_NOT_FOUND);
    cr_expect_str_eq(err.msg, "scaling: service web");
}

Test(err, fields_past_the_sixteenth_are_counted_as_cut)
{
    struct zn_err err = { 0 };

    for (int i = 0; i < 17; i++)
        zn_field_err(&err, "a", "invalid", "x");
    cr_expect_eq(err.nfields, 16);
    cr_expect(err.fields_cut);
}

Test(buf, refuses_more_than_its_maximum_and_stays_failed)
{
    struct zn_buf b = ZN_BUF(4);

    zn_buf_puts(&b, "abcd");
    cr_expect_str_eq(zn_buf_str(&b), "abcd");
    zn_buf_putc(&b, 'e');
    cr_expect(b.failed);
    cr_expect_null(zn_buf_str(&b));
    zn_buf_done(&b);
}

Test(buf, printf_and_eat)
{
    struct zn_buf b = ZN_BUF(4096);

    zn_buf_printf(&b, "%d-%s", 12, "xy");
    zn_buf_eat(&b, 3);
    cr_expect_str_eq(zn_buf_str(&b), "xy");
    zn_buf_done(&b);
}

struct utf8_case {
    char text[8];
    bool ok;
};

ParameterizedTestParameters(utf8, validity)
{
    static struct utf8_case cases[] = {
        { "abc", true },          { "\xc3\xa9", true },     { "\xf0\x9f\x98\x80", true },
        { "\xc0\x80", false },    { "\xed\xa0\x80", false }, { "\xf4\x90\x80\x80", false },
        { "\xc3", false },        { "a\x80", false },       { "\xe0\x80\x80", false },
    };
    return cr_make_param_array(struct utf8_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct utf8_case *c, utf8, validity)
{
    cr_expect_eq(zn_utf8_valid(c->text, strlen(c->text)), c->ok);
}

Test(str, parse_refuses_what_is_not_a_whole_number)
{
    long long v = 7;

    cr_expect(zn_parse_i64("-12", -20, 20, &v));
    cr_expect_eq(v, -12);
    cr_expect_not(zn_parse_i64("", 0, 9, &v));
    cr_expect_not(zn_parse_i64("1x", 0, 9, &v));
    cr_expect_not(zn_parse_i64(" 1", 0, 9, &v));
    cr_expect_not(zn_parse_i64("10", 0, 9, &v));
    cr_expect_not(zn_parse_i64("99999999999999999999", 0, INT64_MAX, &v));
    cr_expect_eq(v, -12, "untouched on failure");
}

Test(arena, limit_and_zeroing)
{
    struct zn_arena a = { .limit = 8192 };
    unsigned char *p = zn_arena_alloc(&a, 100);

    cr_assert_not_null(p);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(p[i], 0);
    cr_expect_null(zn_arena_alloc(&a, 8192));
    cr_expect_not_null(zn_arena_alloc(&a, 5000), "larger than a chunk, within the limit");
    cr_expect_str_eq(zn_arena_printf(&a, "%s-%d", "a", 3), "a-3");
    zn_arena_done(&a);
}

Test(encode, base64_both_ways)
{
    struct zn_buf b = ZN_BUF(64), d = ZN_BUF(64);

    zn_base64_add(&b, "a?\xff~", 4, false);
    cr_expect_str_eq(zn_buf_str(&b), "YT//fg==");
    cr_expect(zn_base64_decode("YT__fg", 6, &d));
    cr_expect_eq(d.len, 4);
    cr_expect_eq(memcmp(d.mem, "a?\xff~", 4), 0);
    cr_expect_not(zn_base64_decode("abc!", 4, &d));
    cr_expect_not(zn_base64_decode("abcde", 5, &d));
    zn_buf_done(&b);
    zn_buf_done(&d);
}

Test(encode, percent_decoding_refuses_broken_escapes)
{
    struct zn_buf b = ZN_BUF(64);

    cr_expect(zn_percent_decode("a%20b+c%2F", 10, true, &b));
    cr_expect_str_eq(zn_buf_str(&b), "a b c/");
    cr_expect_not(zn_percent_decode("%2", 2, false, &b));
    cr_expect_not(zn_percent_decode("%zz", 3, false, &b));
    zn_buf_done(&b);
}

Test(encode, ids_have_the_shape_that_is_checked)
{
    char a[32], b[32];

    zn_id("srv_dkr_", 11, a, sizeof a);
    zn_id("srv_dkr_", 11, b, sizeof b);
    cr_expect(zn_id_valid(a, "srv_dkr_", 11));
    cr_expect_str_neq(a, b);
    cr_expect_not(zn_id_valid("srv_dkr_0OIl1aaaaaa", "srv_dkr_", 11));
    cr_expect_not(zn_id_valid("srv_dkr_abc", "srv_dkr_", 11));
}

Test(encode, secret_comparison)
{
    cr_expect(zn_secret_eq("abc", "abc"));
    cr_expect_not(zn_secret_eq("abc", "abd"));
    cr_expect_not(zn_secret_eq("abc", "abcd"));
    cr_expect_not(zn_secret_eq("", "a"));
}

Test(clock, backoff_doubles_to_its_maximum)
{
    cr_expect_eq(zn_backoff_ms(0, 1000, 60000, 20), 1000);
    cr_expect_eq(zn_backoff_ms(3, 1000, 60000, 20), 8000);
    cr_expect_eq(zn_backoff_ms(40, 1000, 60000, 20), 60000);
    cr_expect_eq(zn_backoff_ms(0, 1000, 60000, 0), 800);
}

Test(clock, rfc3339)
{
    char when[ZN_RFC3339_LEN];

    zn_rfc3339(1700000000123456789LL, when);
    cr_expect_str_eq(when, "2023-11-14T22:13:20.123456Z");
}

struct rec {
    const char *name;
    int64_t n;
    bool on;
};

static const struct zn_jfield rec_fields[] = {
    ZN_J(rec, name, STR, .required = true, .min = 1, .max = 5),
    ZN_J(rec, n, INT, .min = 1, .max = 10),
    ZN_J(rec, on, BOOL),
};

struct json_case {
    char text[64], path[16], rule[16];
};

ParameterizedTestParameters(json, rejects)
{
    static struct json_case cases[] = {
        { "{}", "name", "required" },
        { "{\"name\":null}", "name", "null" },
        { "{\"name\":\"\"}", "name", "blank" },
        { "{\"name\":\"abcdef\"}", "name", "max_length" },
        { "{\"name\":7}", "name", "invalid" },
        { "{\"name\":\"a\",\"n\":0}", "n", "min_value" },
        { "{\"name\":\"a\",\"n\":11}", "n", "max_value" },
        { "{\"name\":\"a\",\"n\":\"3\"}", "n", "invalid" },
        { "{\"name\":\"a\",\"on\":1}", "on", "invalid" },
    };
    return cr_make_param_array(struct json_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct json_case *c, json, rejects)
{
    struct zn_arena a = { .limit = 65536 };
    struct zn_err err = { 0 };
    struct rec rec = { 0 };
    json_t *doc = NULL;

    cr_assert_eq(zn_json_parse(c->text, strlen(c->text), &doc, &err), 0);
    cr_assert_eq(zn_json_decode(&a, doc, rec_fields, 3, &rec, NULL, &err), -1);
    cr_assert_eq(err.nfields, 1);
    cr_expect_str_eq(err.fields[0].path, c->path);
    cr_expect_str_eq(err.fields[0].rule, c->rule);
    json_decref(doc);
    zn_arena_done(&a);
}

Test(json, all_bad_fields_are_reported_at_once)
{
    struct zn_arena a = { .limit = 65536 };
    struct zn_err err = { 0 };
    struct rec rec = { 0 };
    json_t *doc = json_pack("{s:i,s:s,s:s}", "name", 1, "n", "x", "on", "y");

    cr_expect_eq(zn_json_decode(&a, doc, rec_fields, 3, &rec, NULL, &err), -1);
    cr_expect_eq(err.nfields, 3);
    json_decref(doc);
    zn_arena_done(&a);
}

struct inner {
    double share;
    const char *unit;
};
struct outer {
    struct zn_strs names;
    struct inner inner;
};
static const struct zn_jfield inner_fields[] = {
    ZN_J(inner, share, NUM, .required = true, .min = 1, .max = 9),
    ZN_J(inner, unit, STR, .min = 1, .max = 2),
};
static const struct zn_jfield outer_fields[] = {
    ZN_J(outer, names, STRS, .min = 1, .max = 3, .items = 2),
    ZN_J(outer, inner, OBJ, .sub = inner_fields, .nsub = 2),
};

static int decode_outer(const char *text, struct zn_arena *a, struct outer *ret, struct zn_err *err)
{
    zn_auto_json doc = json_loads(text, 0, NULL);

    return zn_json_decode(a, doc, outer_fields, 2, ret, NULL, err);
}

Test(json, numbers_lists_and_objects)
{
    struct zn_arena a = { .limit = 65536 };
    struct zn_err err = { 0 };
    struct outer out = { 0 };

    cr_assert_eq(decode_outer("{\"names\":[\"a\",\"bcd\"],\"inner\":{\"share\":2.5,\"unit\":\"MB\"}}", &a,
                              &out, &err), 0);
    cr_expect(out.names.n == 2 && strcmp(out.names.v[1], "bcd") == 0 && !out.names.v[2]);
    cr_expect(out.inner.share == 2.5 && strcmp(out.inner.unit, "MB") == 0);
    cr_expect(decode_outer("{\"inner\":{\"share\":3}}", &a, &out, &err) == 0 && out.inner.share == 3);

    static const struct json_case bad[] = {
        { "{\"names\":\"a\"}", "names", "not_a_list" },
        { "{\"names\":[\"a\",\"b\",\"c\"]}", "names", "max_length" },
        { "{\"names\":[\"a\",5]}", "names.1", "invalid" },
        { "{\"names\":[\"\"]}", "names.0", "blank" },
        { "{\"inner\":[]}", "inner", "invalid" },
        { "{\"inner\":{}}", "inner.share", "required" },
        { "{\"inner\":{\"share\":0.5}}", "inner.share", "min_value" },
        { "{\"inner\":{\"share\":\"2\"}}", "inner.share", "invalid" },
        { "{\"inner\":{\"share\":2,\"unit\":\"abc\"}}", "inner.unit", "max_length" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zn_err e = { 0 };

        cr_expect_eq(decode_outer(bad[i].text, &a, &out, &e), -1);
        cr_assert_eq(e.nfields, 1, "%s", bad[i].text);
        cr_expect_str_eq(e.fields[0].path, bad[i].path);
        cr_expect_str_eq(e.fields[0].rule, bad[i].rule);
    }
    zn_arena_done(&a);
}

Test(json, parse_refuses_depth_duplicates_and_bad_utf8)
{
    struct zn_err err = { 0 };
    char deep[200];
    json_t *doc = NULL;

    memset(deep, '[', sizeof deep);
    cr_expect_eq(zn_json_parse(deep, sizeof deep, &doc, &err), -1);
    cr_expect_eq(zn_json_parse("{\"a\":1,\"a\":2}", 13, &doc, &err), -1);
    cr_expect_eq(zn_json_parse("\"\xff\"", 3, &doc, &err), -1);
    cr_expect_null(doc);
}

static int collect(void *arg, const char *p, size_t n)
{
    zn_buf_add(arg, p, n);
    return 0;
}

/* The whole answer in pieces of every size gives the same body. */
static void parse_in_steps(const char *text, int status, const char *body)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        struct zn_buf got = ZN_BUF(4096);
        struct zn_http_parser p;
        size_t used, n = strlen(text);

        zn_http_parser_init(&p, collect, &got);
        for (size_t i = 0; i < n; i += step)
            cr_assert_eq(zn_http_parser_feed(&p, text + i, n - i < step ? n - i : step, &used), 0);
        cr_assert_eq(zn_http_parser_eof(&p), 0);
        cr_expect_eq(p.status, status);
        cr_expect_str_eq(zn_buf_str(&got), body);
        zn_http_parser_done(&p);
        zn_buf_done(&got);
    }
}

Test(http, bodies_by_length_by_chunks_and_until_close)
{
    parse_in_steps("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
    parse_in_steps("HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n"
                   "0\r\nTrailer: 1\r\n\r\n",
                   201, "abcde");
    parse_in_steps("HTTP/1.1 404 Not Found\r\n\r\ntext", 404, "text");
    parse_in_steps("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, "");
}

Test(http, malformed_answers_are_refused)
{
    static const char *const bad[] = {
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 000 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1e9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct zn_http_parser p;
        size_t used;
        zn_http_parser_init(&p, NULL, NULL);
        cr_expect_eq(zn_http_parser_feed(&p, bad[i], strlen(bad[i]), &used), -1, "%s", bad[i]);
        zn_http_parser_done(&p);
    }
}

Test(http, truncated_answer_is_not_an_answer)
{
    struct zn_http_parser p;
    size_t used;
    const char *text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";

    zn_http_parser_init(&p, NULL, NULL);
    cr_expect_eq(zn_http_parser_feed(&p, text, strlen(text), &used), 0);
    cr_expect_eq(zn_http_parser_eof(&p), -1);
    zn_http_parser_done(&p);
}

Test(http, absent_socket_is_unavailable)
{
    struct zn_http_req req = { .unix_path = "/nonexistent/zn.sock", .method = "GET",
                               .target = "/", .deadline_ms = 1000 };
    struct zn_http_resp resp = { 0 };
    struct zn_err err = { 0 };

    cr_expect_eq(zn_http_call(&req, &resp, &err), -1);
    cr_expect_eq(err.code, ZN_UNAVAILABLE);
    zn_http_resp_done(&resp);
}

Test(http, silent_peer_meets_the_deadline)
{
    struct zn_err err = { 0 };
    char dir[] = "/tmp/zn-base-XXXXXX", path[64];

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s.sock", dir);
    int fd = zn_listen_unix(path, SOCK_STREAM, 0600, &err);
    struct zn_http_req req = { .unix_path = path, .method = "GET", .target = "/",
                               .deadline_ms = 100 };
    struct zn_http_resp resp = { 0 };

    cr_assert_geq(fd, 0);
    cr_expect_eq(zn_http_call(&req, &resp, &err), -1);
    cr_expect_eq(err.code, ZN_UNAVAILABLE);
    cr_expect_not_null(strstr(err.msg, "within 100 ms"));
    zn_http_resp_done(&resp);
    close(fd);
    unlink(path);
    rmdir(dir);
}

Test(io, write_file_replaces_whole_and_sets_the_mode)
{
    struct zn_err err = { 0 };
    char dir[] = "/tmp/zn-base-XXXXXX", path[64], *line = NULL;
    struct stat st;

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
    cr_assert_eq(zn_write_file(path, "one\n", 4, 0600, &err), 0);
    cr_assert_eq(zn_write_file(path, "two\n", 4, 0600, &err), 0);
    cr_assert_eq(zn_read_line_file(path, &line, &err), 0);
    cr_expect_str_eq(line, "two");
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    free(line);
    unlink(path);
    cr_expect_eq(rmdir(dir), 0, "no temporary file is left");
}

Test(io, a_descriptor_travels_with_its_message)
{
    int ends[2], fd = 7, passed;
    char text[8] = "", byte = 0;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    cr_assert_eq(zn_send_fd(ends[0], "with", 4, ends[0], 0), 0);
    cr_assert_eq(zn_send_fd(ends[0], "without", 7, -1, 0), 0);
    cr_assert_eq(zn_recv_fd(ends[1], text, sizeof text, &passed, 0), 4);
    cr_expect_eq(strncmp(text, "with", 4), 0);
    cr_assert_geq(passed, 0);
    cr_expect(fcntl(passed, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(zn_recv_fd(ends[1], text, 4, &fd, MSG_TRUNC), 7, "the whole length");
    cr_expect_eq(fd, -1);
    close(ends[0]);
    cr_assert_eq(write(passed, "x", 1), 1, "it is the same socket");
    cr_assert_eq(read(ends[1], &byte, 1), 1);
    close(passed);
    cr_expect_eq(zn_recv_fd(ends[1], text, sizeof text, &fd, 0), 0);
    cr_expect_lt(zn_send_fd(ends[1], "x", 1, -1, 0), 0);
    cr_expect_eq(errno, EPIPE);
    close(ends[1]);
}

Test(io, of_several_descriptors_one_stays_open)
{
    int ends[2], pipes[2], passed;
    char control[CMSG_SPACE(2 * sizeof(int))] = "", byte;
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                        .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    cr_assert_eq(pipe(pipes), 0);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof pipes) };
    memcpy(CMSG_DATA(c), (int[]){ ends[0], pipes[1] }, sizeof pipes);
    cr_assert_eq(sendmsg(ends[0], &m, 0), 1);
    close(pipes[1]);
    cr_assert_eq(zn_recv_fd(ends[1], &byte, 1, &passed, 0), 1);
    cr_expect_geq(passed, 0);
    cr_expect_eq(read(pipes[0], &byte, 1), 0, "the second one is closed");
}

Test(io, dialling_says_why_it_fails)
{
    char path[200];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    cr_expect_lt(zn_dial_unix(path, SOCK_STREAM), 0);
    cr_expect_eq(errno, ENAMETOOLONG);
    cr_expect_lt(zn_dial_unix("/nonexistent/socket", SOCK_STREAM), 0);
    cr_expect_eq(errno, ENOENT);
}

Test(ip, last_host_of_a_subnet)
{
    char got[ZN_IPV4_LEN];

    cr_assert(zn_ipv4_last_host("10.0.2.0/24", 0, got));
    cr_expect_str_eq(got, "10.0.2.254");
    cr_assert(zn_ipv4_last_host("10.1.0.0/16", 0, got));
    cr_expect_str_eq(got, "10.1.255.254");
    cr_assert(zn_ipv4_last_host("10.0.0.8/29", 0, got));
    cr_expect_str_eq(got, "10.0.0.14");
    cr_assert(zn_ipv4_last_host("10.0.2.0/24", 3, got));
    cr_expect_str_eq(got, "10.0.2.251");
    cr_assert(zn_ipv4_last_host("10.0.0.8/29", 4, got));
    cr_expect_str_eq(got, "10.0.0.10");
    cr_expect_not(zn_ipv4_last_host("10.0.0.8/29", 5, got));
    cr_expect_not(zn_ipv4_last_host("10.0.2.0", 0, got));
    cr_expect_not(zn_ipv4_last_host("10.0.2.0/31", 0, got));
    cr_expect_not(zn_ipv4_last_host("10.0.2/24", 0, got));
    cr_expect_not(zn_ipv4_last_host("fd00::/64", 0, got));
}
