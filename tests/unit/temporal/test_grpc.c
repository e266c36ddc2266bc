/* Parts of the gRPC client that need no peer: framing, the verdict on an answer, the codec, bounds.
 * How it behaves on the wire is in tests/integration/test_grpc.py. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "zaned/temporal/client.h"
#include "zaned/temporal/grpc_answer.h"
#include "zaned/temporal/pb.h"

/* --- frames ---------------------------------------------------------------------------------- */

struct frame_case {
    char bytes[16];
    size_t n, max;
    int ret;
    bool whole;
};

ParameterizedTestParameters(frame, verdict)
{
    static struct frame_case cases[] = {
        { "", 0, 9, 0, false },
        { "\0\0\0\0", 4, 9, 0, false },
        { "\0\0\0\0\0", 5, 9, 0, true },
        { "\0\0\0\0\2hi", 7, 9, 0, true },
        { "\0\0\0\0\2h", 6, 9, 0, false },
        { "\0\0\0\0\2hix", 8, 9, -EPROTO, false },
        { "\0\0\0\0\0x", 6, 9, -EPROTO, false },
        { "\1\0\0\0\2hi", 7, 9, -EPROTO, false },
        { "\0\0\0\0\t123456789", 14, 9, 0, true },
        { "\0\0\0\0\12", 5, 9, -EMSGSIZE, false },
        { "\0\377\377\377\377", 5, 9, -EMSGSIZE, false },
    };
    return cr_make_param_array(struct frame_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct frame_case *c, frame, verdict)
{
    for (size_t step = 1; step <= 16; step++) {
        struct zt_frame f = { .body = ZN_BUF(c->max) };
        int r = 0;

        for (size_t at = 0; at < c->n && r == 0; at += step)
            r = zt_frame_feed(&f, (const uint8_t *)c->bytes + at,
                              c->n - at < step ? c->n - at : step);
        cr_expect_eq(r, c->ret, "step %zu: %d", step, r);
        if (r == 0)
            cr_expect_eq(zt_frame_whole(&f), c->whole, "step %zu", step);
        zn_buf_done(&f.body);
    }
}

/* --- answers --------------------------------------------------------------------------------- */

struct answer_case {
    char head[160]; /* "name: value\n" … */
    char data[16];
    size_t n;
    uint32_t h2_error;
    int code;
    char message[96];
};

#define GRPC ":status: 200\ncontent-type: application/grpc\n"

ParameterizedTestParameters(answer, verdict)
{
    static struct answer_case cases[] = {
        { GRPC "grpc-status: 0\n", "\0\0\0\0\2hi", 7, 0, ZT_GRPC_OK, "" },
        { GRPC "grpc-status: 0\n", "", 0, 0, ZT_GRPC_INTERNAL,
          "status OK without a whole message" },
        { GRPC, "\0\0\0\0\2hi", 7, 0, ZT_GRPC_UNAVAILABLE, "the stream ended without a status" },
        { GRPC "grpc-status: 5\ngrpc-message: a%20b%25\n", "", 0, 0, ZT_GRPC_NOT_FOUND, "a b%" },
        { GRPC "grpc-status: 5\ngrpc-message: 50%\n", "", 0, 0, ZT_GRPC_NOT_FOUND, "50%" },
        { GRPC "grpc-status: 5\ngrpc-message: %C3%A9%0A%00x\n", "", 0, 0, ZT_GRPC_NOT_FOUND,
          "é  x" },
        { GRPC "grpc-status: 5\ngrpc-message: a%FFb\n", "", 0, 0, ZT_GRPC_NOT_FOUND, "a?b" },
        { GRPC "grpc-status: 17\n", "", 0, 0, ZT_GRPC_UNKNOWN, "" },
        { GRPC "grpc-status: x\n", "", 0, 0, ZT_GRPC_UNKNOWN, "" },
        { GRPC "grpc-status: 0000\n", "", 0, 0, ZT_GRPC_UNKNOWN, "" },
        { GRPC "grpc-status: 7\n", "", 0, NGHTTP2_CANCEL, ZT_GRPC_PERMISSION_DENIED, "" },
        { GRPC, "", 0, NGHTTP2_CANCEL, ZT_GRPC_CANCELLED, "CANCEL" },
        { GRPC, "", 0, NGHTTP2_REFUSED_STREAM, ZT_GRPC_UNAVAILABLE, "REFUSED_STREAM" },
        { GRPC, "", 0, NGHTTP2_ENHANCE_YOUR_CALM, ZT_GRPC_RESOURCE_EXHAUSTED, "ENHANCE_YOUR_CALM" },
        { GRPC, "", 0, NGHTTP2_PROTOCOL_ERROR, ZT_GRPC_INTERNAL, "PROTOCOL_ERROR" },
        { ":status: 401\n", "", 0, 0, ZT_GRPC_UNAUTHENTICATED,
          "HTTP status 401 instead of a gRPC answer" },
        { ":status: 502\ncontent-type: text/html\n", "<h1>", 4, 0, ZT_GRPC_UNAVAILABLE,
          "HTTP status 502 instead of a gRPC answer" },
        { ":status: 200\ncontent-type: text/html\n", "<h1>", 4, 0, ZT_GRPC_UNKNOWN,
          "the answer is not gRPC" },
        { GRPC "grpc-status: 0\n", "\1\0\0\0\2hi", 7, 0, ZT_GRPC_INTERNAL,
          "malformed gRPC message" },
        { GRPC "grpc-status: 0\n", "\0\0\0\1\0", 5, 0, ZT_GRPC_RESOURCE_EXHAUSTED,
          "grpc: received message larger than max (256 > 100)" },
    };
    return cr_make_param_array(struct answer_case, cases, sizeof cases / sizeof *cases);
}

static void headers(struct zt_answer *a, const char *p)
{
    while (*p) {
        const char *colon = strchr(p + 1, ':'), *nl = strchr(p, '\n');

        zt_answer_header(a, (struct zn_str){ p, (size_t)(colon - p) },
                         (struct zn_str){ colon + 2, (size_t)(nl - colon - 2) });
        p = nl + 1;
    }
}

ParameterizedTest(struct answer_case *c, answer, verdict)
{
    struct zt_answer a;

    zt_answer_init(&a, 100);
    headers(&a, c->head);
    if (c->n)
        zt_answer_data(&a, (const uint8_t *)c->data, c->n);
    cr_expect_eq(zt_answer_code(&a, c->h2_error), (enum zt_grpc_code)c->code);
    cr_expect_str_eq(a.message, c->message);
    zt_answer_done(&a);
}

Test(answer, details_are_decoded_without_padding_and_dropped_if_broken)
{
    struct zt_answer a;

    zt_answer_init(&a, 100);
    headers(&a, "grpc-status-details-bin: CAUSAWE\n");
    cr_assert_eq(a.details.len, 5);
    cr_expect_arr_eq(a.details.mem, "\x08\x05\x12\x01\x61", 5);
    headers(&a, "grpc-status-details-bin: C!\n");
    cr_expect_eq(a.details.len, 0);
    headers(&a, "grpc-status-details-bin: CAU=\n");
    cr_expect_eq(a.details.len, 2);
    zt_answer_done(&a);
}

/* --- codec ----------------------------------------------------------------------------------- */

/* Both made with the official package: a StartWorkflowExecutionRequest and a history page. */
static const char start_hex[] =
    "0a026e731203772d311a030a017422050a017110012a230a210a160a08656e636f64696e67120a6a"
    "736f6e2f706c61696e12077b2261223a317d3a0808011080cab5ee014a026d655201725802b00101";
static const char page_hex[] =
    "0a420a400809120b0880e2cfaa0610c096b1021802284d3a2b0a270a250a160a08656e636f64696e"
    "67120a6a736f6e2f706c61696e120b7b226f6b223a747275657d10081a03746f6b";

Test(codec, request_has_the_official_bytes)
{
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
    Zt__StartWorkflowExecutionRequest r;
    zt__start_workflow_execution_request__init(&r);
    Zt__WorkflowType type;
    zt__workflow_type__init(&type);
    zn_auto_json input = json_pack("{s:i}", "a", 1);
    char hex[1024];
    size_t n;

    type.name = zt_text(&a, "t");
    r.namespace_ = zt_text(&a, "ns");
    r.workflow_id = zt_text(&a, "w-1");
    r.workflow_type = &type;
    r.task_queue = zt_queue(&a, "q");
    r.input = zt_payloads(&a, input);
    r.workflow_run_timeout = zt_duration(&a, 1500);
    r.identity = zt_text(&a, "me");
    r.request_id = zt_text(&a, "r");
    r.workflow_id_reuse_policy = 2;
    r.workflow_id_conflict_policy = 1;
    void *bytes = zt_pb_pack(&a, &r.base, &n);
    cr_assert(bytes && n < sizeof hex / 2);
    zn_hex(bytes, n, hex);
    cr_expect_str_eq(hex, start_hex);
}

static size_t unhex(const char *hex, uint8_t *ret)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++)
        cr_assert_eq(sscanf(hex + 2 * i, "%2hhx", &ret[i]), 1);
    return n;
}

Test(codec, official_bytes_are_read)
{
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
    uint8_t bytes[sizeof page_hex];
    size_t n = unhex(page_hex, bytes);
    Zt__GetWorkflowExecutionHistoryResponse *r =
        zt_pb_unpack(&zt__get_workflow_execution_history_response__descriptor, &a, bytes, n);

    cr_assert(r && r->history && r->history->n_events == 1);
    Zt__HistoryEvent *e = r->history->events[0];
    cr_expect_eq(e->event_id, 9);
    cr_expect_eq(zt_timestamp_ms(e->event_time), 1700000000005);
    cr_assert_eq(e->attributes_case,
                 ZT__HISTORY_EVENT__ATTRIBUTES_WORKFLOW_EXECUTION_COMPLETED_EVENT_ATTRIBUTES);
    zn_auto_json v = zt_payloads_json(e->workflow_execution_completed_event_attributes->result);
    cr_expect(json_is_true(json_object_get(v, "ok")));
    cr_expect(r->next_page_token.len == 3 && memcmp(r->next_page_token.data, "tok", 3) == 0);
    for (size_t cut = 0; cut < n; cut++) /* never a crash; most cuts are malformed */
        zt_pb_unpack(&zt__get_workflow_execution_history_response__descriptor, &a, bytes, cut);
}

Test(codec, nesting_is_bounded)
{
    for (int depth = 60; depth <= 70; depth++) {
        zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
        Zt__Failure f[80];
        size_t n;

        for (int i = 0; i <= depth; i++) {
            zt__failure__init(&f[i]);
            f[i].cause = i ? &f[i - 1] : NULL;
        }
        void *bytes = zt_pb_pack(&a, &f[depth].base, &n);
        cr_expect_eq(zt_pb_unpack(&zt__failure__descriptor, &a, bytes, n) != NULL, depth <= 64,
                     "%d", depth);
    }
}

Test(codec, message_over_the_arenas_limit_is_refused)
{
    zn_auto_arena struct zn_arena a = { .limit = 200 };
    uint8_t bytes[sizeof page_hex];
    size_t n = unhex(page_hex, bytes);

    cr_expect_null(
        zt_pb_unpack(&zt__get_workflow_execution_history_response__descriptor, &a, bytes, n));
}

Test(codec, payloads_both_ways)
{
    static const char *const values[] = { "null", "{\"a\":[1,\"\xc3\xa9\",null,true]}", "\"\"",
                                          "-7", "[]" };
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        zn_auto_json v = json_loads(values[i], JSON_DECODE_ANY, NULL);
        zn_auto_json back = zt_payloads_json(zt_payloads(&a, v));

        cr_expect(json_equal(v, back), "%s", values[i]);
    }
    cr_expect_null(zt_payloads(&a, NULL));
    zn_auto_json none = zt_payloads_json(NULL);
    cr_expect(json_is_null(none));
}

Test(codec, foreign_payloads)
{
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
    zn_auto_json v = json_string("x");
    Zt__Payloads *p = zt_payloads(&a, v);
    Zt__Payload__MetadataEntry *encoding = p->payloads[0]->metadata[0];

    encoding->value = zt_bytes(&a, "binary/plain", 12);
    zn_auto_json text = zt_payloads_json(p);
    cr_expect_str_eq(json_string_value(text), "\"x\"");
    encoding->value = zt_bytes(&a, "json/protobuf", 13);
    zn_auto_json other = zt_payloads_json(p);
    cr_expect_null(other);
    encoding->value = zt_bytes(&a, "json/plain", 10);
    p->payloads[0]->data = zt_bytes(&a, "{\"a\"", 4);
    zn_auto_json broken = zt_payloads_json(p);
    cr_expect_null(broken);
}

/* --- opening --------------------------------------------------------------------------------- */

struct target_case {
    char target[40];
    bool good;
};

ParameterizedTestParameters(open, target)
{
    static struct target_case cases[] = {
        { "localhost:7233", true },
        { "127.0.0.1:1", true },
        { "[::1]:65535", true },
        { "localhost", false },
        { ":7233", false },
        { "localhost:", false },
        { "localhost:0", false },
        { "localhost:65536", false },
        { "localhost:72x", false },
        { "[]:7233", false },
        { "", false },
    };
    return cr_make_param_array(struct target_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct target_case *c, open, target, .timeout = 10)
{
    struct zt_grpc_config cfg = { .target = c->target };
    struct zt_grpc *g = NULL;
    struct zn_err err = { 0 };

    cr_expect_eq(zt_grpc_open(&cfg, &g, &err), c->good ? 0 : -1, "%s", c->target);
    cr_expect(c->good || (err.code == ZN_INVALID && strstr(err.msg, "host:port")));
    zt_grpc_close(g);
}

Test(open, headers_come_in_pairs_and_not_too_many)
{
    const char *odd[] = { "a", "b", "c", NULL }, *many[40] = { NULL };
    struct zt_grpc_config cfg = { .target = "localhost:1", .headers = odd };
    struct zt_grpc *g = NULL;
    struct zn_err err = { 0 };

    cr_expect_eq(zt_grpc_open(&cfg, &g, &err), -1);
    cr_expect_str_eq(err.msg, "headers: a name without a value");
    for (int i = 0; i < 34; i++)
        many[i] = "x";
    cfg.headers = many;
    cr_expect_eq(zt_grpc_open(&cfg, &g, &err), -1);
    cr_expect_str_eq(err.msg, "headers: at most 16");
    cr_expect_null(g);
}

/* A listener whose queue is full: connecting to it neither succeeds nor fails. */
static int full_listener(int fill[3])
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 0) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    for (int i = 0; i < 3; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        cr_assert(connect(fill[i], (struct sockaddr *)&sa, sizeof sa) == 0 || errno == EINPROGRESS);
    }
    return fd;
}

Test(open, close_waits_for_no_call_and_no_attempt, .timeout = 10)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    char target[32];
    struct zt_client_config cfg = { target, "ns", "me", "test", "1" };
    struct zt_client *c = NULL;
    struct zn_err err = { 0 };
    int fill[3], fd = full_listener(fill);

    getsockname(fd, (struct sockaddr *)&sa, &len);
    snprintf(target, sizeof target, "127.0.0.1:%d", ntohs(sa.sin_port));
    cr_assert_eq(zt_client_open(&cfg, &c, &err), 0, "%s", err.msg);
    cr_expect_eq(zt_client_ping(c, 200, &err), -1);
    cr_expect_eq(err.code, ZN_UNAVAILABLE);
    cr_expect(strstr(err.msg, "no connection to 127.0.0.1"), "%s", err.msg);
    int64_t start = zn_now_ms();
    zt_client_close(c);
    cr_expect_lt(zn_now_ms() - start, 1000);
    for (int i = 0; i < 3; i++)
        close(fill[i]);
    close(fd); /* ends the attempt */
}
