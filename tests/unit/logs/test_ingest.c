/* Ingest: what goes to the store, what is ignored, what is refused, and when the sender tries again. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/guard.h"
#include "zaned/logs/ingest.h"

#define NOW 1764085000000000000LL
#define TAG "{\\\"service_id\\\":\\\"srv_dkr_A\\\",\\\"deployment_id\\\":\\\"dpl_dkr_B\\\"}"

static json_t *pushed; /* body of the last push */
static enum zn_code answer;
static struct zn_ingest_result res;
static struct zn_err err;

static int fake_push(struct zn_loki *l, const char *body, size_t n, unsigned *refused,
                     struct zn_err *e)
{
    (void)l;
    json_decref(pushed);
    pushed = json_loadb(body, n, 0, NULL);
    cr_assert(pushed);
    *refused = 1;
    return answer == ZN_OK ? 0 : zn_fail(e, answer, "total ignored: 1 out of 2");
}

static struct zn_loki loki = { .push = fake_push };

__attribute__((format(printf, 1, 2)))
static int ingest(const char *fmt, ...)
{
    char text[8192];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    zn_auto_json batch = json_loads(text, JSON_DECODE_ANY, NULL);
    cr_assert(batch, "%s", text);
    err = (struct zn_err){ 0 };
    return zn_ingest(&loki, batch, NOW, &res, &err);
}

#define ITEM(log, more)                                                                            \
    "{\"log\":\"" log "\",\"container_id\":\"c1\",\"container_name\":\"/n\",\"tag\":\"" TAG        \
    "\",\"time\":\"1764084999.123456789\",\"source\":\"stdout\"" more "}"

#define TAGGED(tag)                                                                                \
    "{\"log\":\"error: it is\",\"container_id\":\"c1\",\"tag\":\"{\\\"service_id\\\":\\\"srv_dkr_A\\\"," tag \
    "}\",\"time\":\"1764084999.123456789\",\"source\":\"stdout\"}"

static json_t *value(size_t stream, size_t i)
{
    return json_array_get(
        json_object_get(json_array_get(json_object_get(pushed, "streams"), stream), "values"), i);
}

static const char *meta(json_t *v, const char *key)
{
    return zn_json_str(json_array_get(v, 2), key, "");
}

Test(ingest, stores_a_line_under_its_service, .timeout = 5)
{
    cr_assert_eq(ingest("[" ITEM("hello", "") "]"), 0, "%s", err.msg);
    cr_expect_eq(res.inserted, 1);
    json_t *labels =
        json_object_get(json_array_get(json_object_get(pushed, "streams"), 0), "stream");
    cr_expect_str_eq(zn_json_str(labels, "app", ""), "zane");
    cr_expect_str_eq(zn_json_str(labels, "service_id", ""), "srv_dkr_A");
    cr_expect_str_eq(zn_json_str(labels, "source", ""), "SERVICE");
    cr_expect_str_eq(zn_json_str(labels, "slice", ""), "2025-11-25T12");
    cr_expect_eq(json_object_size(labels), 4);
    cr_expect_str_eq(json_string_value(json_array_get(value(0, 0), 0)), "1764084999123456789");
    cr_expect_str_eq(json_string_value(json_array_get(value(0, 0), 1)), "hello");
    cr_expect_str_eq(meta(value(0, 0), "deployment_id"), "dpl_dkr_B");
    cr_expect_str_eq(meta(value(0, 0), "container_id"), "c1");
    cr_expect_str_eq(meta(value(0, 0), "stream"), "stdout");
    cr_expect_str_eq(meta(value(0, 0), "level"), "INFO");
    cr_expect_str_eq(meta(value(0, 0), "seq"), "");
}

Test(ingest, equal_times_keep_their_order, .timeout = 5)
{
    cr_assert_eq(ingest("[" ITEM("a", "") "," ITEM("b", "") "," ITEM("c", "") "]"), 0);
    cr_expect_str_eq(meta(value(0, 0), "seq"), "");
    cr_expect_str_eq(meta(value(0, 1), "seq"), "1");
    cr_expect_str_eq(meta(value(0, 2), "seq"), "2");
}

/* Docker's driver sends a line again whenever stdout and stderr mixed up their acknowledgements. */
Test(ingest, repetitions_in_a_batch_are_stored_once, .timeout = 5)
{
    cr_assert_eq(ingest("[" ITEM("a", "") "," ITEM("b", "") "," ITEM("a", "") "," ITEM("b", "") "]"), 0);
    cr_expect_eq(res.inserted, 4);
    cr_expect_eq(res.refused, 0);
    cr_expect_eq(json_array_size(json_object_get(
                     json_array_get(json_object_get(pushed, "streams"), 0), "values")), 2);
    cr_expect_str_eq(meta(value(0, 1), "seq"), "1");
}

Test(ingest, pieces_of_one_line_differ, .timeout = 5)
{
#define PIECE(n, last)                                                                             \
    ITEM("xx", ",\"partial_id\":\"p1\",\"partial_ordinal\":\"" n "\",\"partial_last\":\"" last "\"")
    cr_assert_eq(ingest("[" PIECE("1", "false") "," PIECE("12", "true") "]"), 0);
    const char *one = json_string_value(json_array_get(value(0, 0), 1));
    const char *two = json_string_value(json_array_get(value(0, 1), 1));
    cr_expect_str_neq(one, two);
    cr_expect_eq(zn_piece_mark_cut(one, strlen(one)), 2);
    cr_expect_eq(zn_piece_mark_cut(two, strlen(two)), 2);
    cr_expect_str_eq(meta(value(0, 1), "partial_ordinal"), "12");
    cr_expect_str_eq(meta(value(0, 1), "partial_last"), "true");
    cr_expect_eq(zn_piece_mark_cut("abc", 3), 3);
    cr_expect_eq(zn_piece_mark_cut("\xee\x80\x81", 3), 3);
}

Test(ingest, colours_are_kept_beside_the_plain_text, .timeout = 5)
{
    cr_assert_eq(ingest("[" ITEM("\\u001b[31mERROR\\u001b[0m x", "") "]"), 0);
    cr_expect_str_eq(json_string_value(json_array_get(value(0, 0), 1)), "ERROR x");
    cr_expect_str_eq(meta(value(0, 0), "ansi"), "\x1b[31mERROR\x1b[0m x");
    cr_expect_str_eq(meta(value(0, 0), "level"), "ERROR");
}

Test(ingest, six_hours_are_a_stream, .timeout = 5)
{
    cr_assert_eq(ingest("[" ITEM("now", "") ",{\"log\":\"then\",\"container_id\":\"c1\",\"tag\":\"" TAG
                        "\",\"time\":\"1764060000.000000000\",\"source\":\"stderr\"}]"), 0);
    cr_expect_eq(json_array_size(json_object_get(pushed, "streams")), 2);
    cr_expect_eq(res.inserted, 2);
    cr_expect_str_eq(meta(value(1, 0), "level"), "ERROR");
}

struct refusal {
    char item[400];
    char reason[120]; /* empty: ignored */
};

ParameterizedTestParameters(ingest, refuses)
{
#define WITH(t, c, time, src)                                                                      \
    "{\"log\":\"x\",\"container_id\":\"" c "\",\"tag\":\"" t "\",\"time\":\"" time                 \
    "\",\"source\":\"" src "\"}"
    static struct refusal cases[] = {
        { "3", "item 1: not an object" },
        { "{}", "item 1: log: This field is required." },
        { WITH(TAG, "c", "yesterday", "stdout"), "item 1: time: neither seconds with 9 digits nor RFC 3339" },
        { WITH(TAG, "c", "1762000000.0", "stdout"), "item 1: time: more than 334 hours ago" },
        { WITH(TAG, "c", "1764089000.0", "stdout"), "item 1: time: more than 9 minutes ahead" },
        { WITH(TAG, "c", "1764085000.0", "stdin"), "item 1: source: must be stdout or stderr" },
        { WITH(TAG, "c d", "1764085000.0", "stdout"),
          "item 1: container_id: must be 1 to 64 letters, digits, '_' or '-'" },
        { WITH("{\\\"service_id\\\":\\\"zane.proxy\\\"}", "c", "1764085000.0", "stdout"), "" },
        { WITH("abc", "c", "1764085000.0", "stdout"), "" },
        { WITH("[]", "c", "1764085000.0", "stdout"), "" },
        { WITH("{\\\"service_id\\\":7}", "c", "1764085000.0", "stdout"), "" },
    };
    return cr_make_param_array(struct refusal, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct refusal *c, ingest, refuses, .timeout = 5)
{
    cr_assert_eq(ingest("[" ITEM("good", "") ",%s," ITEM("good too", "") "]", c->item), 0, "%s", err.msg);
    cr_expect_eq(res.inserted, 2);
    cr_expect_eq(res.refused, *c->reason ? 1 : 0, "%s", c->item);
    cr_expect_eq(res.ignored, *c->reason ? 0 : 1, "%s", c->item);
    cr_expect_str_eq(res.reason, c->reason);
}

Test(ingest, sender_tries_again_only_if_that_can_help, .timeout = 5)
{
    answer = ZN_UNAVAILABLE;
    cr_expect_eq(ingest("[" ITEM("a", "") "]"), -1);
    cr_expect_eq(err.code, ZN_UNAVAILABLE);
    answer = ZN_INVALID;
    cr_expect_eq(ingest("[" ITEM("a", "") "," ITEM("b", "") "]"), 0);
    cr_expect_eq(res.inserted, 1);
    cr_expect_eq(res.refused, 1);
    cr_expect_str_eq(res.reason, "total ignored: 1 out of 2");
    answer = ZN_OK;
    cr_expect_eq(ingest("{}"), -1);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_expect_eq(ingest("[]"), 0);
    cr_expect_eq(res.inserted, 0);
}

Test(ingest, many_services_in_one_batch, .timeout = 20)
{
    zn_auto_json batch = json_array();

    for (int i = 0; i < 6000; i++) {
        zn_auto_mem char *tag = NULL;
        json_t *item;
        char id[24];
        snprintf(id, sizeof id, "srv_%d", i);
        zn_auto_json t = json_pack("{s:s,s:s}", "service_id", id, "deployment_id", "d");
        tag = json_dumps(t, JSON_COMPACT);
        item = json_pack("{s:s,s:s,s:s,s:s,s:s}", "log", "x", "container_id", "c", "time",
                         "1764085000.000000000", "tag", tag, "source", "stdout");
        json_array_append_new(batch, item);
    }
    cr_assert_eq(zn_ingest(&loki, batch, NOW, &res, &err), 0);
    cr_expect_eq(res.inserted, 6000);
    cr_expect_eq(json_array_size(json_object_get(pushed, "streams")), 6000);
}

/* The platform's own lines about a deployment say their source and level in the tag. */
Test(ingest, lines_of_a_build_log)
{
    cr_assert_eq(ingest("[%s]", TAGGED("\\\"source\\\":\\\"SYSTEM\\\",\\\"level\\\":\\\"INFO\\\"")), 0);
    json_t *streams = json_object_get(pushed, "streams");
    json_t *stream = json_object_get(json_array_get(streams, 0), "stream");
    cr_expect_str_eq(zn_json_str(stream, "source", ""), "SYSTEM");
    cr_expect_str_eq(meta(value(0, 0), "level"), "INFO");
    cr_assert_eq(ingest("[%s]", TAGGED("\\\"source\\\":\\\"ELSEWHERE\\\",\\\"level\\\":\\\"LOUD\\\"")), 0);
    stream = json_object_get(json_array_get(json_object_get(pushed, "streams"), 0), "stream");
    cr_expect_str_eq(zn_json_str(stream, "source", ""), "SERVICE");
    cr_expect_str_eq(meta(value(0, 0), "level"), "ERROR");
}
