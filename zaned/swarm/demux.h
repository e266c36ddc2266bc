/* Docker log demultiplexer: splits the engine's framed log stream (8-byte header: type, 0, 0, 0,
 * size big endian) into its streams. Incremental: input may be cut anywhere. */
#ifndef ZN_SWARM_DEMUX_H
#define ZN_SWARM_DEMUX_H

#include <stddef.h>
#include <stdint.h>

enum { ZN_DEMUX_HEAD = 8, ZN_DEMUX_FRAME_MAX = 16 << 20 };

/* Gets a piece of one frame's payload; stream 0 stdin echo, 1 stdout, 2 stderr, 3 engine error.
 * A negative return ends the feed and is passed on. */
typedef int (*zn_demux_sink)(void *arg, int stream, const char *p, size_t n);

/* Zero it, then set sink and arg. Owns nothing. */
struct zn_demux {
    zn_demux_sink sink;
    void *arg;
    unsigned char head[ZN_DEMUX_HEAD];
    size_t have;   /* header bytes seen */
    uint32_t left; /* payload bytes of the frame still to come */
};

/* 0; -EPROTO on a header that no engine sends (the stream is then lost); or the sink's refusal. */
int zn_demux_feed(struct zn_demux *d, const char *p, size_t n);

#endif
