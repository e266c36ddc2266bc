/* Reader of gRPC's length-prefixed message (1 byte compressed flag, 4 bytes big-endian length). One
 * message a stream; input may be cut anywhere. */
#ifndef ZT_GRPC_FRAME_H
#define ZT_GRPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { ZT_FRAME_PREFIX = 5 };

struct zt_frame { /* zero it, set body.max; release with zn_buf_done(&body) */
    uint8_t prefix[ZT_FRAME_PREFIX];
    size_t have;     /* prefix bytes seen */
    size_t want;     /* length of the message, once have == 5 */
    struct zn_buf body;
};

/* 0, or -EPROTO (compressed, or bytes after the message), -EMSGSIZE (longer than body.max),
 * -ENOMEM. */
int zt_frame_feed(struct zt_frame *f, const uint8_t *p, size_t n);
/* True if exactly one whole message has arrived. */
bool zt_frame_whole(const struct zt_frame *f);

#endif
