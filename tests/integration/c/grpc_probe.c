/* Drives zt_grpc and zt_client for the integration tests: `grpc_probe HOST:PORT [MAX_REPLY
 * [PING_MS]]`. One JSON command a line on stdin, one JSON line on stdout for each end of a call, in
 * the order they end:
 *   {"op":"submit","id":N,"path":P,"body":TEXT or "size":N,"deadline":MS}
 *   {"op":"cancel","id":N}               the call of that submit
 *   {"op":"repeat","id":N,"n":COUNT,"path":P,"body":TEXT,"deadline":MS}   blocking calls, one by
 * one
 *   {"op":"client","id":N,"call":NAME,…} one blocking call of zt_client
 * The end of stdin closes the client; then the line {"closed":true}. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "zaned/temporal/client.h"
#include "zaned/temporal/grpc.h"

enum { IDS_MAX = 4096, BODY_SHOWN = 256 };

struct pending {
    int64_t id, start_ms;
};

static struct zt_client *client;
static struct zt_grpc *grpc;
static uint64_t call_ids[IDS_MAX];

static void say(json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);

    flockfile(stdout);
    puts(text ? text : "{\"broken\":true}");
    fflush(stdout);
    funlockfile(stdout);
    free(text);
    json_decref(line);
}

static json_t *reply_json(int64_t id, int64_t start_ms, const struct zt_grpc_reply *r)
{
    char shown[2 * BODY_SHOWN + 1], details[2 * BODY_SHOWN + 1];
    size_t n = r->len < BODY_SHOWN ? r->len : BODY_SHOWN;
    size_t nd = r->details_len < BODY_SHOWN ? r->details_len : BODY_SHOWN;
    uint32_t sum = (uint32_t)crc32(0, r->body, (unsigned)r->len);

    zn_hex(r->body ? r->body : (const uint8_t *)"", n, shown);
    zn_hex(r->details ? r->details : (const uint8_t *)"", nd, details);
    return json_pack("{s:I,s:i,s:s,s:I,s:I,s:s,s:s,s:I}", "id", (json_int_t)id, "code",
                     (int)r->code, "message", r->message, "len", (json_int_t)r->len, "sum",
                     (json_int_t)sum, "body", shown, "details", details, "ms",
                     (json_int_t)(zn_now_ms() - start_ms));
}

static void done(void *arg, const struct zt_grpc_reply *r)
{
    struct pending *p = arg;

    say(reply_json(p->id, p->start_ms, r));
    free(p);
}

/* The request's bytes: text, or a pattern of the size that was asked for. */
static char *body_of(const json_t *cmd, size_t *n)
{
    int64_t size = zn_json_int(cmd, "size", -1);
    const char *text = zn_json_str(cmd, "body", "");
    char *p;

    *n = size >= 0 ? (size_t)size : strlen(text);
    p = malloc(*n + 1);
    for (size_t i = 0; i < *n; i++)
        p[i] = size >= 0 ? (char)(i * 7) : text[i];
    return p;
}

static void submit(const json_t *cmd, int64_t id)
{
    struct pending *p = malloc(sizeof *p);
    size_t n;
    char *body = body_of(cmd, &n);

    *p = (struct pending){ id, zn_now_ms() };
    call_ids[id % IDS_MAX] = zt_grpc_submit(grpc, zn_json_str(cmd, "path", ""), body, n,
                                            zn_json_int(cmd, "deadline", 10000), done, p);
    free(body);
}

static void repeat(const json_t *cmd, int64_t id)
{
    int64_t start = zn_now_ms(), n = zn_json_int(cmd, "n", 1), bad = 0;
    const char *body = zn_json_str(cmd, "body", "");

    for (int64_t i = 0; i < n; i++) {
        struct zt_grpc_reply r = { 0 };

        zt_grpc_call(grpc, zn_json_str(cmd, "path", ""), body, strlen(body),
                     zn_json_int(cmd, "deadline", 10000), &r);
        bad += r.code != ZT_GRPC_OK || r.len != strlen(body) || memcmp(r.body, body, r.len);
        zt_grpc_reply_done(&r);
    }
    say(json_pack("{s:I,s:I,s:I}", "id", (json_int_t)id, "bad", (json_int_t)bad, "ms",
                  (json_int_t)(zn_now_ms() - start)));
}

static void client_call(const json_t *cmd, int64_t id)
{
    const char *call = zn_json_str(cmd, "call", ""), *wf = zn_json_str(cmd, "workflow", "");
    int64_t deadline = zn_json_int(cmd, "deadline", 10000), start = zn_now_ms();
    struct zn_err err = { 0 };
    enum zt_status status = 0;
    json_t *result = NULL;
    char run[40] = "";
    int r = -1;

    if (strcmp(call, "ping") == 0) {
        r = zt_client_ping(client, deadline, &err);
    } else if (strcmp(call, "ensure_namespace") == 0) {
        r = zt_client_ensure_namespace(client, 86400, &err);
    } else if (strcmp(call, "start") == 0) {
        struct zt_start_opts o = { .id = wf,
                                   .type = zn_json_str(cmd, "type", "probe"),
                                   .queue = "probe",
                                   .input = json_object_get(cmd, "input"),
                                   .request_id = zn_json_str(cmd, "request_id", NULL),
                                   .execution_timeout_ms = zn_json_int(cmd, "timeout", 0),
                                   .reuse = (enum zt_reuse)zn_json_int(cmd, "reuse", 0) };
        r = zt_client_start(client, &o, run, &err);
    } else if (strcmp(call, "signal") == 0) {
        r = zt_client_signal(client, wf, "go", json_object_get(cmd, "input"), &err);
    } else if (strcmp(call, "cancel") == 0) {
        r = zt_client_cancel(client, wf, "probe", &err);
    } else if (strcmp(call, "terminate") == 0) {
        r = zt_client_terminate(client, wf, "probe", &err);
    } else if (strcmp(call, "describe") == 0) {
        r = zt_client_describe(client, wf, &status, &err);
    } else if (strcmp(call, "result") == 0) {
        r = zt_client_result(client, wf, deadline, &status, &result, &err);
    }
    say(json_pack("{s:I,s:b,s:s,s:s,s:s,s:i,s:o,s:I}", "id", (json_int_t)id, "ok", r == 0, "code",
                  zn_code_name(err.code), "message", err.msg, "run", run, "status", (int)status,
                  "result", result ? result : json_null(), "ms",
                  (json_int_t)(zn_now_ms() - start)));
}

static void obey(const json_t *cmd)
{
    const char *op = zn_json_str(cmd, "op", "");
    int64_t id = zn_json_int(cmd, "id", 0);

    if (strcmp(op, "submit") == 0)
        submit(cmd, id);
    else if (strcmp(op, "cancel") == 0)
        zt_grpc_cancel(grpc, call_ids[id % IDS_MAX]);
    else if (strcmp(op, "repeat") == 0)
        repeat(cmd, id);
    else if (strcmp(op, "client") == 0)
        client_call(cmd, id);
    else
        say(json_pack("{s:s}", "unknown", op));
}

static long long number(const char *s)
{
    long long n = 0;

    return s && zn_parse_i64(s, 0, INT32_MAX, &n) ? n : 0;
}

static int open_for(char **argv, int argc, struct zn_err *err)
{
    static const char *const headers[] = { "client-name", "probe", "client-version", "1.2.3",
                                           NULL };
    struct zt_client_config cfg = { argv[1], "probe", "probe@test", "probe", "1.2.3" };
    struct zt_grpc_config g = { .target = argv[1], .user_agent = "probe/1", .headers = headers };

    g.max_reply = (size_t)number(argc > 2 ? argv[2] : NULL);
    g.ping_idle_ms = g.ping_wait_ms = number(argc > 3 ? argv[3] : NULL);
    if (zt_grpc_open(&g, &grpc, err) < 0)
        return -1;
    return zt_client_open(&cfg, &client, err);
}

int main(int argc, char **argv)
{
    struct zn_err err = { 0 };
    char *line = NULL;
    size_t cap = 0;

    zn_log_setup("probe", ZN_LOG_DEBUG);
    if (argc < 2 || open_for(argv, argc, &err) < 0) {
        fprintf(stderr, "usage: grpc_probe HOST:PORT [MAX_REPLY [PING_MS]] (%s)\n", err.msg);
        return 2;
    }
    while (getline(&line, &cap, stdin) > 0) {
        json_t *cmd = json_loads(line, 0, NULL);

        obey(cmd);
        json_decref(cmd);
    }
    free(line);
    zt_grpc_close(grpc);
    zt_client_close(client);
    say(json_pack("{s:b}", "closed", 1));
    return 0;
}
