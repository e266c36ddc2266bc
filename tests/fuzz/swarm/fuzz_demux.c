/* The first byte chooses the split width; the rest is the stream. Payload handed out may never
 * exceed what came in, and splitting may not change the verdict. */
#include <stdint.h>

#include "zaned/swarm/demux.h"

static int count(void *arg, int stream, const char *p, size_t n)
{
    size_t *sum = arg;

    (void)p;
    if (stream < 0 || stream > 3)
        __builtin_trap();
    *sum += n;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole_sum = 0, split_sum = 0, step;
    struct zn_demux whole = { .sink = count, .arg = &whole_sum };
    struct zn_demux split = { .sink = count, .arg = &split_sum };
    int a, b = 0;

    if (size < 1)
        return 0;
    step = (size_t)data[0] % 13 + 1;
    const char *p = (const char *)data + 1;
    size--;
    a = zn_demux_feed(&whole, p, size);
    for (size_t at = 0; at < size && b == 0; at += step)
        b = zn_demux_feed(&split, p + at, size - at < step ? size - at : step);
    if (a != b || whole_sum != split_sum || whole_sum > size)
        __builtin_trap();
    return 0;
}
