/* The Forward decoder: modes, arrival in any pieces, limits; the record that goes on to ingest. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <msgpack.h>

#include "base/guard.h"
#include "base/json.h"
#include "zaned/logs/forward.h"
#include "zaned/logs/record.h"

static struct zn_buf seen; /* what the sink got, one line each */

static int on_entry(void *arg, const struct zn_log_entry *e, struct zn_err *err)
{
    (void)arg;
    (void)err;
    zn_buf_printf(&seen, "%.*s %lld %.*s %.*s %d%s\n", (int)e->tag.n, e->tag.s,
                  (long long)e->time_ns, (int)e->stream.n, e->stream.s ? e->stream.s : "",
                  (int)e->log.n, e->log.s ? e->log.s : "(none)", e->ordinal,
                  e->partial_last ? " last" : "");
    return 0;
}

static const struct zn_forward_sink sink = { .entry = on_entry };

static void pack_str(msgpack_packer *p, const char *s)
{
    msgpack_pack_str(p, strlen(s));
    msgpack_pack_str_body(p, s, strlen(s));
}

static void pack_time(msgpack_packer *p, uint32_t sec, uint32_t ns)
{
    unsigned char b[8];

    for (int i = 0; i < 4; i++) {
        b[i] = (unsigned char)(sec >> (24 - 8 * i));
        b[4 + i] = (unsigned char)(ns >> (24 - 8 * i));
    }
    msgpack_pack_ext(p, 8, 0);
    msgpack_pack_ext_body(p, b, 8);
}

static void pack_record(msgpack_packer *p, const char *log, const char *ordinal)
{
    msgpack_pack_map(p, ordinal ? 6 : 3);
    pack_str(p, "log");
    pack_str(p, log);
    pack_str(p, "source");
    pack_str(p, "stderr");
    pack_str(p, "container_id");
    pack_str(p, "c1");
    if (ordinal) {
        pack_str(p, "partial_id");
        pack_str(p, "p1");
        pack_str(p, "partial_ordinal");
        pack_str(p, ordinal);
        pack_str(p, "partial_last");
        pack_str(p, "true");
    }
}

/* What Docker's driver sends: [tag, EventTime, record, {}]. option: name of one more member. */
static void pack_message(msgpack_packer *p, const char *log, const char *option)
{
    msgpack_pack_array(p, 4);
    pack_str(p, "tag");
    pack_time(p, 100, 7);
    pack_record(p, log, NULL);
    msgpack_pack_map(p, option ? 1 : 0);
    if (option) {
        pack_str(p, option);
        pack_str(p, "text");
    }
}

static void all_modes(msgpack_sbuffer *out)
{
    msgpack_sbuffer inner;
    msgpack_packer p, q;

    msgpack_packer_init(&p, out, msgpack_sbuffer_write);
    pack_message(&p, "one", "compressed");
    pack_message(&p, "two", NULL);
    msgpack_pack_nil(&p);
    msgpack_pack_array(&p, 3); /* Forward */
    pack_str(&p, "f");
    msgpack_pack_array(&p, 2);
    msgpack_pack_array(&p, 2);
    msgpack_pack_uint32(&p, 5);
    pack_record(&p, "three", "2");
    msgpack_pack_array(&p, 2);
    pack_time(&p, 6, 0);
    pack_record(&p, "four", NULL);
    msgpack_pack_map(&p, 1);
    pack_str(&p, "size");
    msgpack_pack_uint32(&p, 2);
    msgpack_sbuffer_init(&inner); /* PackedForward */
    msgpack_packer_init(&q, &inner, msgpack_sbuffer_write);
    for (int i = 0; i < 2; i++) {
        msgpack_pack_array(&q, 2);
        pack_time(&q, 8, (uint32_t)i);
        pack_record(&q, i ? "six" : "five", NULL);
    }
    msgpack_pack_array(&p, 2);
    pack_str(&p, "p");
    msgpack_pack_bin(&p, inner.size);
    msgpack_pack_bin_body(&p, inner.data, inner.size);
    msgpack_sbuffer_destroy(&inner);
}

static const char expected[] = "tag 100000000007 stderr one 0\ntag 100000000007 stderr two 0\n"
                               "f 5000000000 stderr three 2 last\nf 6000000000 stderr four 0\n"
                               "p 8000000000 stderr five 0\np 8000000001 stderr six 0\n";

/* As a queue that is peeked at each time something arrived: whole messages leave it, the rest stays. */
Test(forward, every_mode_in_every_split, .timeout = 20)
{
    msgpack_sbuffer in;

    msgpack_sbuffer_init(&in);
    all_modes(&in);
    for (size_t step = 1; step <= in.size; step++) {
        struct zn_err err = { 0 };
        size_t from = 0, to = 0, used;
        seen = ZN_BUF(1 << 20);
        while (to < in.size) {
            to += in.size - to < step ? in.size - to : step;
            cr_assert_eq(zn_forward_take(&sink, in.data + from, to - from, &used, &err), 0,
                         "step %zu: %s", step, err.msg);
            from += used;
        }
        cr_assert_str_eq(zn_buf_str(&seen), expected, "step %zu", step);
        cr_assert_eq(from, in.size);
        zn_buf_done(&seen);
    }
    msgpack_sbuffer_destroy(&in);
}

Test(forward, what_came_before_a_fault_is_counted, .timeout = 5)
{
    static const char *const chunk[] = { "chunk", NULL };
    struct zn_err err = { 0 };
    msgpack_sbuffer in;
    msgpack_packer p;
    size_t used, sound;

    for (unsigned i = 0; i < 2; i++) {
        msgpack_sbuffer_init(&in);
        msgpack_packer_init(&p, &in, msgpack_sbuffer_write);
        pack_message(&p, "one", NULL);
        pack_message(&p, "two", NULL);
        sound = in.size;
        if (chunk[i])
            pack_message(&p, "three", chunk[i]);
        else
            msgpack_sbuffer_write(&in, "\xc1", 1);
        seen = ZN_BUF(1 << 16);
        cr_expect_eq(zn_forward_take(&sink, in.data, in.size, &used, &err), -1);
        cr_expect_eq(err.code, ZN_INVALID);
        cr_expect_eq(used, sound);
        cr_expect_str_eq(zn_buf_str(&seen),
                         "tag 100000000007 stderr one 0\ntag 100000000007 stderr two 0\n");
        cr_expect_eq(strstr(err.msg, "fluentd-request-ack must be false") != NULL, chunk[i] != NULL);
        zn_buf_done(&seen);
        msgpack_sbuffer_destroy(&in);
    }
}

static int refuse_second(void *arg, const struct zn_log_entry *e, struct zn_err *err)
{
    unsigned *n = arg;

    (void)e;
    return ++*n == 2 ? zn_fail(err, ZN_INTERNAL, "no room") : 0;
}

Test(forward, what_the_sink_refused_is_not_counted, .timeout = 5)
{
    unsigned n = 0;
    struct zn_forward_sink full = { &n, refuse_second };
    struct zn_err err = { 0 };
    msgpack_sbuffer in;
    msgpack_packer p;
    size_t used, first;

    msgpack_sbuffer_init(&in);
    msgpack_packer_init(&p, &in, msgpack_sbuffer_write);
    pack_message(&p, "one", NULL);
    first = in.size;
    pack_message(&p, "two", NULL);
    pack_message(&p, "three", NULL);
    cr_expect_eq(zn_forward_take(&full, in.data, in.size, &used, &err), -1);
    cr_expect_eq(err.code, ZN_INTERNAL);
    cr_expect_eq(used, first);
    cr_expect_eq(n, 2);
    msgpack_sbuffer_destroy(&in);
}

struct bad_case {
    unsigned char bytes[24];
    size_t n;
};

ParameterizedTestParameters(forward, rejects)
{
    static struct bad_case cases[] = {
        { { 0xdd, 0xff, 0xff, 0xff, 0xff }, 5 },       /* array of 4 G elements */
        { { 0xdf, 0x7f, 0xff, 0xff, 0xff }, 5 },       /* map of 2 G pairs */
        { { 0xdb, 0x40, 0x00, 0x00, 0x00 }, 5 },       /* text of 1 GiB */
        { { 0xc1 }, 1 },                               /* never used */
        { { 0x91, 0xa1, 't' }, 3 },                    /* too short a message */
        { { 0x93, 0x01, 0x01, 0x80 }, 4 },             /* tag is a number */
        { { 0x93, 0xa1, 't', 0x01, 0x01 }, 5 },        /* record is a number */
        { { 0x93, 0xa1, 't', 0xc3, 0x80 }, 5 },        /* time is true */
        { { 0x93, 0xa1, 't', 0xff, 0x80 }, 5 },        /* time is negative */
        { { 0x92, 0xa1, 't', 0x91, 0x01 }, 5 },        /* entry is a number */
        { { 0x92, 0xa1, 't', 0xc4, 0x01, 0x92 }, 6 },  /* packed entries cut short */
        { { 0x93, 0xa1, 't', 0xd7, 0x00, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x80 }, 14 }, /* ns */
        { { 0x93, 0xa1, 't', 0x90, 0x81, 0xaa, 'c', 'o', 'm', 'p', 'r', 'e', 's', 's', 'e', 'd',
            0xa4, 'g', 'z', 'i', 'p' }, 21 },
        { { 0xa5, 'h', 'e', 'l', 'l', 'o' }, 6 },      /* not an array */
    };
    return cr_make_param_array(struct bad_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct bad_case *c, forward, rejects, .timeout = 5)
{
    struct zn_err err = { 0 };
    size_t used;

    seen = ZN_BUF(1 << 16);
    cr_expect_eq(zn_forward_take(&sink, (char *)c->bytes, c->n, &used, &err), -1, "%02x", c->bytes[0]);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_expect_eq(used, 0);
    zn_buf_done(&seen);
}

Test(forward, depth_is_bounded, .timeout = 5)
{
    char deep[4096];
    struct zn_err err = { 0 };
    size_t used;

    memset(deep, (char)0x91, sizeof deep);
    deep[sizeof deep - 1] = (char)0xc0;
    cr_expect_eq(zn_forward_take(&sink, deep, sizeof deep, &used, &err), -1);
}

/* A message with a text of n bytes; to be freed. */
static char *long_message(size_t n, size_t *size)
{
    msgpack_sbuffer in;
    msgpack_packer p;
    zn_auto_mem char *text = calloc(1, n + 1);

    memset(text, 'x', n);
    msgpack_sbuffer_init(&in);
    msgpack_packer_init(&p, &in, msgpack_sbuffer_write);
    pack_message(&p, text, NULL);
    *size = in.size;
    return msgpack_sbuffer_release(&in);
}

/* The limit holds for a message that is there whole, and for one of which so much has arrived. */
Test(forward, message_over_the_limit_is_refused, .timeout = 10)
{
    size_t size, over, used;
    struct zn_err err = { 0 };
    zn_auto_mem char *fits = long_message(ZN_FORWARD_MAX - 100, &size);
    zn_auto_mem char *longer = long_message(ZN_FORWARD_MAX - 20, &over);

    cr_assert(size <= ZN_FORWARD_MAX && over > ZN_FORWARD_MAX);
    seen = ZN_BUF(1 << 20);
    cr_expect_eq(zn_forward_take(&sink, fits, size - 1, &used, &err), 0);
    cr_expect_eq(used, 0);
    cr_expect_eq(zn_forward_take(&sink, fits, size, &used, &err), 0);
    cr_expect_eq(used, size);
    cr_expect_eq(zn_forward_take(&sink, longer, over, &used, &err), -1);
    cr_expect_eq(used, 0);
    cr_expect_eq(zn_forward_take(&sink, longer, ZN_FORWARD_MAX, &used, &err), 0);
    cr_expect_eq(zn_forward_take(&sink, longer, ZN_FORWARD_MAX + 1, &used, &err), -1);
    zn_buf_done(&seen);
}

Test(record, is_the_object_that_ingest_takes, .timeout = 5)
{
    struct zn_log_entry e = { .tag = zn_str("{\"service_id\":\"s\"}"), .time_ns = 1000000007,
                              .log = { "a\"\\\n\x01\0\xff", 7 }, .container_id = zn_str("c"),
                              .stream = zn_str("stdout"), .partial_id = zn_str("p"), .ordinal = 3 };
    struct zn_buf b = ZN_BUF(1024);
    struct zn_err err = { 0 };
    zn_auto_json doc = NULL;

    cr_assert_eq(zn_record_write(&e, &b, &err), 0);
    cr_assert_eq(zn_json_parse(b.mem, b.len, &doc, &err), 0, "%s: %.*s", err.msg, (int)b.len, b.mem);
    cr_expect_str_eq(zn_json_str(doc, "log", ""), "a\"\\\n\x01\xe2\x90\x80\xef\xbf\xbd");
    cr_expect_str_eq(zn_json_str(doc, "time", ""), "1.000000007");
    cr_expect_str_eq(zn_json_str(doc, "tag", ""), "{\"service_id\":\"s\"}");
    cr_expect_str_eq(zn_json_str(doc, "partial_ordinal", ""), "3");
    cr_expect_str_eq(zn_json_str(doc, "partial_last", ""), "false");
    e.log = (struct zn_str){ 0 };
    cr_expect_eq(zn_record_write(&e, &b, &err), -1);
    cr_expect_str_eq(err.msg, "record without log");
    zn_buf_done(&b);
}
