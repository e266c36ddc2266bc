/* The first byte chooses the split width, the second the largest message; the rest is the stream.
 * How it is cut may change nothing, and what is kept can never exceed the limit or the input. */
#include "zaned/temporal/grpc_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zt_frame whole = { 0 }, cut = { 0 };
    int a, b = 0;

    if (size < 2)
        return 0;
    size_t step = (size_t)data[0] % 13 + 1, max = data[1];
    data += 2;
    size -= 2;
    whole.body = cut.body = ZN_BUF(max);
    a = zt_frame_feed(&whole, data, size);
    for (size_t at = 0; at < size && b == 0; at += step)
        b = zt_frame_feed(&cut, data + at, size - at < step ? size - at : step);
    if (a != b || whole.body.len > max || whole.body.len > size)
        __builtin_trap();
    if (a == 0) {
        if (whole.have != cut.have || whole.body.len != cut.body.len ||
            zt_frame_whole(&whole) != zt_frame_whole(&cut))
            __builtin_trap();
        if (zt_frame_whole(&whole) !=
            (size >= ZT_FRAME_PREFIX && size == ZT_FRAME_PREFIX + whole.want))
            __builtin_trap();
    }
    zn_buf_done(&whole.body);
    zn_buf_done(&cut.body);
    return 0;
}
