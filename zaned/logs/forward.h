/* Forward protocol, receiving side, as Docker's fluentd log driver speaks it (fluent-logger: Message
 * mode, no acknowledgements), and its Forward and PackedForward modes. Keeps no state: a message is
 * decoded once it is there whole, from a buffer that the caller peeked. */
#ifndef ZN_LOGS_FORWARD_H
#define ZN_LOGS_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Bytes of one message. It must fit the receive queue of a unix socket (about 208 KiB), because nothing
 * is read away before all of it is there. Docker's are at most 16 KiB of text and some hundred bytes. */
enum { ZN_FORWARD_MAX = 128 * 1024 };

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
    /* -1 = could not be kept (err filled). */
    int (*entry)(void *arg, const struct zn_log_entry *e, struct zn_err *err);
};

/* Decodes the whole messages at the start of the n bytes; *used = their bytes, also on failure. 0: what
 * is left is the beginning of a message. -1: what comes after *used is not the protocol, over a limit
 * or asks for an acknowledgement (all ZN_INVALID), or what the sink said; the sink may have got entries
 * of that message. */
int zn_forward_take(const struct zn_forward_sink *sink, const char *p, size_t n, size_t *used,
                    struct zn_err *err);

#endif
