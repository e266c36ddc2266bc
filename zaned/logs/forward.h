/* Forward protocol, receiving side, as Docker's fluentd log driver speaks it (fluent-logger: Message
 * mode with option.chunk), and its Forward and PackedForward modes. Incremental and bounded: a message
 * is decoded once it is there whole. */
#ifndef ZN_LOGS_FORWARD_H
#define ZN_LOGS_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { ZN_FORWARD_MAX = 4 * 1024 * 1024 }; /* bytes of one message */

/* One record; views into the decoder, valid during the call. Absent texts have s NULL. */
struct zn_log_entry {
    struct zn_str tag;
    int64_t time_ns;
    struct zn_str log, container_id, container_name, stream; /* stream: the record's "source" */
    struct zn_str partial_id; /* of a piece of a line over 16 KiB; all pieces have one time */
    int ordinal;              /* of the piece, from 1; 0 = whole line */
    bool partial_last;
};

struct zn_forward_sink {
    void *arg;
    /* -1 = could not be kept (err filled): the message is not acknowledged. */
    int (*entry)(void *arg, const struct zn_log_entry *e, struct zn_err *err);
    /* The message is over. chunk.s NULL: nobody asked for an acknowledgement. */
    int (*done)(void *arg, struct zn_str chunk, struct zn_err *err);
};

struct zn_forward {
    struct zn_buf in;
    size_t scanned; /* of `in`, into the message that is arriving */
    uint64_t need;  /* objects still missing from it */
    struct zn_forward_sink sink;
};

void zn_forward_init(struct zn_forward *f, const struct zn_forward_sink *sink);
void zn_forward_done(struct zn_forward *f);
/* 0, or -1: not the protocol or over a limit (ZN_INVALID), or what the sink said. After -1 the
 * connection is of no use any more. */
int zn_forward_feed(struct zn_forward *f, const char *p, size_t n, struct zn_err *err);

/* The acknowledgement {"ack": chunk}. */
void zn_forward_ack(struct zn_buf *out, struct zn_str chunk);
/* Bytes of the first of the acknowledgements in out that zn_forward_ack wrote; 0 = none. */
size_t zn_forward_ack_size(const struct zn_buf *out);

#endif
