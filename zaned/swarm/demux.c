#include "zaned/swarm/demux.h"

#include <errno.h>

/* True once the header is whole and sane; the payload size is then in d->left. */
static int head_done(struct zn_demux *d)
{
    const unsigned char *h = d->head;

    d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    if (h[0] > 3 || h[1] || h[2] || h[3] || d->left > ZN_DEMUX_FRAME_MAX)
        return -EPROTO;
    return 0;
}

int zn_demux_feed(struct zn_demux *d, const char *p, size_t n)
{
    while (n) {
        if (d->have < ZN_DEMUX_HEAD) {
            d->head[d->have++] = (unsigned char)*p++;
            n--;
            if (d->have == ZN_DEMUX_HEAD && head_done(d) < 0)
                return -EPROTO;
        } else {
            size_t k = n < d->left ? n : d->left;
            int r = d->sink(d->arg, d->head[0], p, k);

            if (r < 0)
                return r;
            p += k;
            n -= k;
            d->left -= (uint32_t)k;
        }
        if (d->have == ZN_DEMUX_HEAD && d->left == 0)
            d->have = 0;
    }
    return 0;
}
