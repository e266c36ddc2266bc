#include "zaned/temporal/grpc_frame.h"

#include <errno.h>

int zt_frame_feed(struct zt_frame *f, const uint8_t *p, size_t n)
{
    while (n && f->have < ZT_FRAME_PREFIX) {
        f->prefix[f->have++] = *p++;
        n--;
        if (f->have < ZT_FRAME_PREFIX)
            continue;
        if (f->prefix[0])
            return -EPROTO;
        f->want = (size_t)f->prefix[1] << 24 | (size_t)f->prefix[2] << 16 |
                  (size_t)f->prefix[3] << 8 | f->prefix[4];
        if (f->want > f->body.max)
            return -EMSGSIZE;
    }
    if (!n)
        return 0;
    if (n > f->want - f->body.len)
        return -EPROTO;
    zn_buf_add(&f->body, p, n);
    return f->body.failed ? -ENOMEM : 0;
}

bool zt_frame_whole(const struct zt_frame *f)
{
    return f->have == ZT_FRAME_PREFIX && f->body.len == f->want;
}
