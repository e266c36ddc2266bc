/* The first byte chooses the split width; the rest is the stream. Splitting may not change what comes out,
 * and what comes out may not be more than came in. */
#include <stdint.h>

#include "base/str.h"
#include "zaned/logs/forward.h"

static int on_entry(void *arg, const struct zn_log_entry *e, struct zn_err *err)
{
    struct zn_buf *sum = arg;

    (void)err;
    zn_buf_add(sum, e->tag.s, e->tag.n);
    zn_buf_add(sum, &e->time_ns, sizeof e->time_ns);
    if (e->log.s)
        zn_buf_add(sum, e->log.s, e->log.n);
    zn_buf_add(sum, &e->ordinal, sizeof e->ordinal);
    if (e->time_ns < 0 || e->ordinal < 0)
        __builtin_trap();
    return 0;
}

static int on_done(void *arg, struct zn_str chunk, struct zn_err *err)
{
    (void)err;
    zn_buf_putc(arg, '!');
    if (chunk.s)
        zn_forward_ack(arg, chunk);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_buf sum[2] = { ZN_BUF(16 << 20), ZN_BUF(16 << 20) };
    struct zn_forward whole, split;
    struct zn_err err = { 0 };
    size_t step;
    int a, b = 0;

    if (size < 1)
        return 0;
    step = (size_t)data[0] % 13 + 1;
    zn_forward_init(&whole, &(struct zn_forward_sink){ &sum[0], on_entry, on_done });
    zn_forward_init(&split, &(struct zn_forward_sink){ &sum[1], on_entry, on_done });
    const char *p = (const char *)data + 1;
    size--;
    a = zn_forward_feed(&whole, p, size, &err);
    for (size_t at = 0; at < size && b == 0; at += step)
        b = zn_forward_feed(&split, p + at, size - at < step ? size - at : step, &err);
    if (a != b || sum[0].len != sum[1].len ||
        (sum[0].len && memcmp(sum[0].mem, sum[1].mem, sum[0].len) != 0))
        __builtin_trap();
    zn_forward_done(&whole);
    zn_forward_done(&split);
    zn_buf_done(&sum[0]);
    zn_buf_done(&sum[1]);
    return 0;
}
