#include "zaned/logs/record.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/guard.h"
#include "zaned/logs/text.h"

/* "key":"text" with a comma in front unless it is the first member. */
static void member(struct zn_buf *out, const char *key, struct zn_str text)
{
    static const char *const ctl[] = { ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",
                                       ['\f'] = "\\f", ['\r'] = "\\r" };
    ZN_AUTO(zn_buf_done) struct zn_buf clean = ZN_BUF(4 * (size_t)ZN_FORWARD_MAX);
    size_t start = 0;

    zn_log_scrub(&clean, text.s, text.n);
    zn_buf_printf(out, "%s\"%s\":\"", out->len && out->mem[out->len - 1] != '{' ? "," : "", key);
    for (size_t i = 0; i < clean.len; i++) {
        unsigned char c = (unsigned char)clean.mem[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        zn_buf_add(out, clean.mem + start, i - start);
        start = i + 1;
        if (c == '"' || c == '\\')
            zn_buf_printf(out, "\\%c", c);
        else if (c < sizeof ctl / sizeof *ctl && ctl[c])
            zn_buf_puts(out, ctl[c]);
        else
            zn_buf_printf(out, "\\u%04x", c);
    }
    if (clean.len > start) /* mem is NULL with nothing in it */
        zn_buf_add(out, clean.mem + start, clean.len - start);
    zn_buf_putc(out, '"');
    out->failed |= clean.failed;
}

int zn_record_write(const struct zn_log_entry *e, struct zn_buf *out, struct zn_err *err)
{
    char text[32];

    if (!e->log.s || !e->container_id.s)
        return zn_fail(err, ZN_INVALID, "record without %s", e->log.s ? "container_id" : "log");
    zn_buf_putc(out, '{');
    member(out, "log", e->log);
    member(out, "container_id", e->container_id);
    member(out, "container_name", e->container_name);
    snprintf(text, sizeof text, "%" PRId64 ".%09" PRId64, e->time_ns / 1000000000,
             e->time_ns % 1000000000);
    member(out, "time", zn_str(text));
    member(out, "tag", e->tag);
    member(out, "source", e->stream);
    if (e->ordinal) {
        snprintf(text, sizeof text, "%d", e->ordinal);
        member(out, "partial_id", e->partial_id);
        member(out, "partial_ordinal", zn_str(text));
        member(out, "partial_last", zn_str(e->partial_last ? "true" : "false"));
    }
    zn_buf_putc(out, '}');
    return out->failed ? zn_fail(err, ZN_INVALID, "record too large") : 0;
}
