/* Shared by worker.c (threads, polls, workflow tasks) and activity.c (activity attempts). */
#ifndef ZT_WORKER_INTERNAL_H
#define ZT_WORKER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "zaned/temporal/grpc.h"
#include "zaned/temporal/worker.h"

enum {
    ZT_WORKFLOW_POLLERS = 2,
    ZT_TASK_ARENA = 64 << 20, /* of one task as it came; the API's histories are at most 50 MiB */
};

/* One blocking call of a poller at a time, so that stopping can cancel it. */
struct zt_poller {
    struct zt_worker *worker;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    uint64_t call;
    bool answered;
    struct zt_grpc_reply *reply;
};

struct zt_worker {
    struct zt_worker_config cfg;
    char *queue;
    struct zt_grpc *grpc;
    struct zt_poller *pollers; /* first the workflow pollers, then one for each activity thread */
    size_t npollers;
    pthread_t ticker;
    bool ticking;
    atomic_bool stop, drop, end; /* no new tasks; draining is over; no poller runs any more */
    atomic_llong drop_ms;        /* when drop was set */
    atomic_bool pinging;
    atomic_llong heard_ms;       /* last good answer */
    atomic_int failing;          /* pollers that were refused several times in a row */
    pthread_mutex_t lock;   /* of the list of running attempts */
    pthread_cond_t idle;
    struct zt_actx *running;
};

/* Sends req until it is answered for good or until_ms (zn_now_ms clock) has come; a few seconds at most
 * once draining is over. *code: what the server said last; message into why. True if it was taken. */
bool zt_worker_respond(struct zt_worker *w, const char *path, const void *req, size_t n,
                       int64_t until_ms, enum zt_grpc_code *code, char why[512]);

/* Runs one polled activity task to its end. body: PollActivityTaskQueueResponse. */
void zt_activity_run(struct zt_worker *w, const uint8_t *body, size_t n);
/* Sends the heartbeats that are due; called by the ticker every 250 ms. */
void zt_activity_tick(struct zt_worker *w, int64_t now);

#endif
