/* Batches for fluentd's in_forward out of what Docker's fluentd driver writes: one message a line,
 * [tag, time, {text: text …}, {}] in MessagePack (Forward protocol, Message mode) becomes
 * [tag, [[time, record] …], {"chunk": id}] (Forward mode). Pure. What fluentd could not
 * decode must not reach it: one connection carries the batches of all containers. */
#ifndef ZN_RELAY_BATCH_H
#define ZN_RELAY_BATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    MESSAGE_MAX = 128 * 1024, /* bytes; Docker's are below 20 KiB */
    CHUNK_SIZE = 8,           /* characters of a chunk id, hex digits */
};

/* Room that the batch of n bytes of messages takes at most: each message loses head and tag and gains a
 * byte, the batch has one tag, a count and a chunk id. */
#define BATCH_ROOM(n) ((n) + 64)

/* Writes the whole messages at the start of in[n] that share one tag to out[*len], which has BATCH_ROOM(n)
 * bytes, and adds to *len. Bytes of in that they take; 0 = none is there whole; -1 = the first one is not
 * what the driver sends, or asks for an acknowledgement, or is longer than MESSAGE_MAX. */
ssize_t batch_add(const unsigned char *in, size_t n, uint32_t chunk, unsigned char *out, size_t *len);

#endif
