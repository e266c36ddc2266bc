/* Any bytes through what every line goes through: cleaning gives UTF-8 without NUL and is stable, plain
 * text holds no escape, times that are accepted come back the same. */
#include <stdint.h>

#include "zaned/logs/ingest.h"
#include "zaned/logs/search.h"
#include "zaned/logs/text.h"

static void times(const char *s, size_t n)
{
    char text[ZN_LOG_TIME_LEN];
    int64_t a, b;

    if (!zn_log_time_parse(s, n, &a))
        return;
    zn_log_time_format(a, text);
    if (a < 0 || !zn_log_time_parse(text, strlen(text), &b) || a != b)
        __builtin_trap();
}

static void cursors(struct zn_buf *text)
{
    struct zn_search_place a, b;
    struct zn_buf again = ZN_BUF(2048);

    if (zn_buf_str(text) && zn_search_place_read(text->mem, &a)) {
        zn_search_place_write(&a, &again);
        if (!zn_buf_str(&again) || !zn_search_place_read(again.mem, &b) || a.ns != b.ns ||
            a.asc != b.asc || strcmp(a.key, b.key) != 0)
            __builtin_trap();
    }
    zn_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_buf clean = ZN_BUF(1 << 20), twice = ZN_BUF(1 << 20), plain = ZN_BUF(1 << 20);
    const char *s = (const char *)data;

    if (size > 65536)
        return 0;
    zn_log_scrub(&clean, s, size);
    if (!zn_utf8_valid(clean.mem ? clean.mem : "", clean.len) ||
        (clean.len && memchr(clean.mem, 0, clean.len)))
        __builtin_trap();
    zn_log_scrub(&twice, clean.mem ? clean.mem : "", clean.len);
    if (twice.len != clean.len)
        __builtin_trap();
    zn_log_plain(&plain, clean.mem ? clean.mem : "", clean.len);
    if (plain.len > clean.len || (plain.len && memchr(plain.mem, 0x1b, plain.len)) ||
        !zn_utf8_valid(plain.mem ? plain.mem : "", plain.len))
        __builtin_trap();
    zn_log_level(plain.mem ? plain.mem : "", plain.len, size & 1);
    times(s, size);
    if (zn_piece_mark_cut(plain.mem ? plain.mem : "", plain.len) > plain.len)
        __builtin_trap();
    cursors(&clean);
    zn_buf_done(&clean);
    zn_buf_done(&twice);
    zn_buf_done(&plain);
    return 0;
}
