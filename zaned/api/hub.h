/* Server-sent events for any number of readers: one ring of the latest frames, and no thread or buffer for a reader. */
#ifndef ZN_API_HUB_H
#define ZN_API_HUB_H

#include "base/blob.h"
#include "base/err.h"
#include "zaned/http/http.h"

enum { ZN_EVENT_ID = 64, ZN_HUB_RING = 256 };

/* Whether a reader gets a frame of this topic. Called under the hub's lock: it may only touch memory. */
typedef bool (*zn_hub_filter)(const void *arg, const char *topic);

struct zn_hub; /* owner: the caller */

struct zn_hub *zn_hub_new(unsigned readers_max, int64_t reader_ms); /* NULL: out of memory */
void zn_hub_free(struct zn_hub *h); /* readers must have ended; NULL is fine */

/* A frame as it goes out, its blank line included. id: what a reader may go on from, "" = nothing; topic: what the
 * readers' filters see, NULL = for everybody. Both are copied. */
void zn_hub_publish(struct zn_hub *h, const char *id, const char *topic, const char *text, size_t n);
uint64_t zn_hub_count(struct zn_hub *h); /* frames so far */

/* Where a reader goes on that has seen `last` (NULL = nothing); id: of the newest frame. False: last is not known
 * (any more). */
bool zn_hub_place(struct zn_hub *h, const char *last, uint64_t *ret, char id[ZN_EVENT_ID]);

struct zn_hub_reader {
    uint64_t from;          /* first frame, from zn_hub_place */
    struct zn_blob *first;  /* sent before it; NULL = nothing. Taken over, also on failure */
    zn_hub_filter filter;   /* NULL: every frame */
    void *filter_arg;       /* heap; freed with the reader, also on failure */
};

/* Streams to the reply until the reader's time is over: then it has to come again, and is asked anew who it is. One
 * that falls behind the ring is cut off. */
int zn_hub_stream(struct zn_hub *h, const struct zn_hub_reader *r, struct zn_reply *reply, struct zn_err *err);
/* Ends the readers whose filter takes the topic, once they were sent what there is. */
void zn_hub_end(struct zn_hub *h, const char *topic);

#endif
