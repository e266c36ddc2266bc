/* The first byte chooses how much arrives at a time; the rest is the stream. However it arrives, the same
 * comes out of it, and no more than came in. */
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

/* Takes what arrived, step bytes more each time; *used = all that was taken. */
static int feed(const char *p, size_t n, size_t step, struct zn_buf *sum, size_t *used)
{
    struct zn_forward_sink sink = { sum, on_entry };
    struct zn_err err = { 0 };
    int r = 0;

    *used = 0;
    for (size_t to = 0; to < n && r == 0;) {
        size_t took;
        to += n - to < step ? n - to : step;
        r = zn_forward_take(&sink, p + *used, to - *used, &took, &err);
        if (took > to - *used || (r < 0 && err.code != ZN_INVALID))
            __builtin_trap();
        *used += took;
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_buf sum[2] = { ZN_BUF(16 << 20), ZN_BUF(16 << 20) };
    size_t used[2];

    if (size < 1)
        return 0;
    const char *p = (const char *)data + 1;
    size--;
    if (feed(p, size, size ? size : 1, &sum[0], &used[0]) !=
            feed(p, size, (size_t)data[0] % 13 + 1, &sum[1], &used[1]) ||
        used[0] != used[1] || sum[0].len != sum[1].len ||
        (sum[0].len && memcmp(sum[0].mem, sum[1].mem, sum[0].len) != 0))
        __builtin_trap();
    zn_buf_done(&sum[0]);
    zn_buf_done(&sum[1]);
    return 0;
}
