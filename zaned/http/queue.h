/* What waits for a worker, by whom it came from: clients take turns, and none has more than its share of
 * the workers, so that one with many or slow requests holds up its own only. Not locked: the caller's lock
 * covers each call. Inner part of zaned/http. */
#ifndef ZN_HTTP_QUEUE_H
#define ZN_HTTP_QUEUE_H

#include <stdbool.h>

enum { ZN_QUEUE_BUCKETS = 256 };

struct zn_queue_client;
struct zn_job { /* embedded; between push and done it belongs to the queue */
    struct zn_job *next;
    struct zn_queue_client *client;
};

struct zn_queue {
    unsigned max, share; /* jobs that may wait, half of them of one client; jobs of one client that may run */
    unsigned waiting;
    struct zn_queue_client *buckets[ZN_QUEUE_BUCKETS];
    struct zn_queue_client *first, *last; /* those with jobs that wait, whose turn it is first */
};

/* False: no room for it. client is copied. */
bool zn_queue_push(struct zn_queue *q, const char *client, struct zn_job *job);
/* The next job, which now runs; NULL: none waits that may. */
struct zn_job *zn_queue_take(struct zn_queue *q);
/* A job that was taken is over. */
void zn_queue_done(struct zn_queue *q, struct zn_job *job);

#endif
