/* Text, levels, times, identities. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "base/guard.h"
#include "zaned/logs/text.h"

#define S(text) text, sizeof(text) - 1

static void expect(void (*fn)(struct zn_buf *, const char *, size_t), const char *in, size_t n,
                   const char *out, size_t m)
{
    struct zn_buf b = ZN_BUF(65536);

    fn(&b, in, n);
    cr_expect(b.len == m && memcmp(b.mem ? b.mem : "", out, m) == 0, "%.*s: got %.*s", (int)n, in,
              (int)b.len, b.mem ? b.mem : "");
    zn_buf_done(&b);
}

Test(text, scrub_replaces_maximal_broken_parts, .timeout = 5)
{
    expect(zn_log_scrub, S("plain"), S("plain"));
    expect(zn_log_scrub, S(""), S(""));
    expect(zn_log_scrub, S("a\0b"), S("a\xe2\x90\x80" "b"));
    expect(zn_log_scrub, S("\xff"), S("\xef\xbf\xbd"));
    expect(zn_log_scrub, S("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), S("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    expect(zn_log_scrub, S("\xf0\x9f\x98"), S("\xef\xbf\xbd"));            /* cut short: one part */
    expect(zn_log_scrub, S("\xf0\x9f\x98x"), S("\xef\xbf\xbdx"));
    expect(zn_log_scrub, S("\xc0\xaf"), S("\xef\xbf\xbd\xef\xbf\xbd"));    /* overlong */
    expect(zn_log_scrub, S("\xed\xa0\x80"), S("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")); /* surrogate */
    expect(zn_log_scrub, S("\xf4\x90\x80\x80"),
           S("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")); /* past U+10FFFF */
}

Test(text, scrub_of_any_bytes_is_valid_and_stable, .timeout = 20)
{
    unsigned x = 7;

    for (int round = 0; round < 20000; round++) {
        struct zn_buf once = ZN_BUF(4096), twice = ZN_BUF(4096);
        char in[16];
        for (size_t i = 0; i < sizeof in; i++) {
            static const unsigned char pool[] = { 0, 'a', 0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0x9f, 0x90, 0xff };
            x = x * 1103515245 + 12345;
            in[i] = (char)pool[(x >> 16) % sizeof pool];
        }
        zn_log_scrub(&once, in, sizeof in);
        cr_assert(zn_utf8_valid(once.mem, once.len) && !memchr(once.mem, 0, once.len));
        zn_log_scrub(&twice, once.mem, once.len);
        cr_assert(once.len == twice.len && memcmp(once.mem, twice.mem, once.len) == 0);
        zn_buf_done(&once);
        zn_buf_done(&twice);
    }
}

Test(text, plain_drops_control_sequences, .timeout = 5)
{
    expect(zn_log_plain, S("\x1b[1;31mred\x1b[0m!"), S("red!"));
    expect(zn_log_plain, S("a\x1b]0;title\ab"), S("ab"));
    expect(zn_log_plain, S("a\x1b]8;;http://x\x1b\\link"), S("alink"));
    expect(zn_log_plain, S("a\x1b(Bb\x1b" "7c"), S("abc"));
    expect(zn_log_plain, S("cut \x1b["), S("cut "));
    expect(zn_log_plain, S("cut \x1b"), S("cut "));
    expect(zn_log_plain, S("\x1b[31\x01x"), S("\x01x"));
}

struct level_case {
    char text[120];
    bool is_stderr;
    enum zn_log_level level;
};

ParameterizedTestParameters(text, level)
{
    static struct level_case cases[] = {
        { "hello", false, ZN_LEVEL_INFO },
        { "hello", true, ZN_LEVEL_ERROR },
        { "", false, ZN_LEVEL_INFO },
        { "ERROR something broke", false, ZN_LEVEL_ERROR },
        { "2026-01-01 10:00:00 WARN  [main] slow", false, ZN_LEVEL_WARN },
        { "[warning] careful", true, ZN_LEVEL_WARN },
        { "[info] fine", true, ZN_LEVEL_INFO },
        { "0 errors found", false, ZN_LEVEL_INFO },
        { "no error here", false, ZN_LEVEL_INFO },
        { "error: no such file", false, ZN_LEVEL_ERROR },
        { "Traceback", true, ZN_LEVEL_ERROR },
        { "level=debug msg=x", true, ZN_LEVEL_DEBUG },
        { "time=1 lvl=eror", false, ZN_LEVEL_INFO },
        { "{\"level\":\"warn\",\"msg\":\"ERROR in text\"}", false, ZN_LEVEL_WARN },
        { "{\"msg\":\"ERROR in text\"}", false, ZN_LEVEL_INFO },
        { "{\"severity\": \"CRITICAL\"}", false, ZN_LEVEL_ERROR },
        { "{\"level\":30,\"time\":1}", true, ZN_LEVEL_INFO },
        { "{\"level\":50}", false, ZN_LEVEL_ERROR },
        { "{\"level\":500}", false, ZN_LEVEL_INFO },
        { "2026-01-01 00:00:00 UTC [1] LOG:  ready", true, ZN_LEVEL_INFO },
        { "2026-01-01 00:00:00 UTC [1] FATAL:  no", false, ZN_LEVEL_ERROR },
        { "MY_ERROR_CODE=3", false, ZN_LEVEL_INFO },
        { "ERROR2 is a name", false, ZN_LEVEL_INFO },
    };
    return cr_make_param_array(struct level_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct level_case *c, text, level, .timeout = 5)
{
    enum zn_log_level got = zn_log_level(c->text, strlen(c->text), c->is_stderr);

    cr_expect_eq(got, c->level, "%s: %s", c->text, zn_log_level_name(got));
}

Test(text, times_keep_every_nanosecond, .timeout = 5)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        { "1764085000.123456789", 1764085000123456789 },
        { "1764085000.000000001", 1764085000000000001 },
        { "1764085000", 1764085000000000000 },
        { "0.5", 500000000 },
        { "2025-11-25T15:36:40.123456789Z", 1764085000123456789 },
        { "2025-11-25T16:36:40.123456789+01:00", 1764085000123456789 },
        { "2025-11-25T15:36:40.123456789+0000", 1764085000123456789 },
        { "2025-11-25t12:06:40-03:30", 1764085000000000000 },
        { "2024-02-29T00:00:00Z", 1709164800000000000 },
    };
    static const char *const bad[] = { "", ".", "1.", "x", "1.1234567890", "12345678901", "-1",
                                       "2025-02-29T00:00:00Z", "2025-11-25T24:00:00Z",
                                       "2025-11-25T15:36:40", "2025-11-25T15:36:40.Z",
                                       "2025-11-25", "2025-11-25T15:36:40+25:00",
                                       "9999-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
                                       "2025-11-25T15:36:40Zx", "1764085000.1 " };
    char back[ZN_LOG_TIME_LEN];
    int64_t ns;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect(zn_log_time_parse(good[i].text, strlen(good[i].text), &ns), "%s", good[i].text);
        cr_expect_eq(ns, good[i].ns, "%s: %lld", good[i].text, (long long)ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(zn_log_time_parse(bad[i], strlen(bad[i]), &ns), "%s", bad[i]);
    zn_log_time_format(1764085000000000001, back);
    cr_expect_str_eq(back, "2025-11-25T15:36:40.000000001Z");
}

Test(text, identity_is_of_every_part, .timeout = 5)
{
    struct zn_log_key base = { 1, zn_str("c"), zn_str("stdout"), zn_str(""), zn_str("x"), 0 };
    struct zn_log_key other[6] = { base, base, base, base, base, base };
    char a[ZN_LOG_IDENTITY_LEN], b[ZN_LOG_IDENTITY_LEN];

    other[0].time_ns = 2;
    other[1].container_id = zn_str("d");
    other[2].stream = zn_str("stderr");
    other[3].partial_id = zn_str("p");
    other[4].text = zn_str("y");
    other[5].ordinal = 1;
    zn_log_identity(&base, a);
    for (int i = 0; i < 6; i++) {
        zn_log_identity(&other[i], b);
        cr_expect_str_neq(a, b, "part %d", i);
    }
    zn_log_identity(&base, b);
    cr_expect_str_eq(a, b);
    /* Parts do not run into each other. */
    base.container_id = zn_str("cs");
    base.stream = zn_str("tdout");
    zn_log_identity(&base, b);
    cr_expect_str_neq(a, b);
}
