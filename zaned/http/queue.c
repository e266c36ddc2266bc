#include "zaned/http/queue.h"

#include <stdlib.h>
#include <string.h>

struct zn_queue_client {
    struct zn_queue_client *chain; /* of the bucket */
    struct zn_queue_client *next;  /* by turn, while something waits */
    struct zn_job *head, **tail;
    unsigned waiting, running; /* it goes when both are 0 */
    char name[];
};

static struct zn_queue_client **place_of(struct zn_queue *q, const char *name)
{
    unsigned h = 2166136261u;
    struct zn_queue_client **at;

    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    at = &q->buckets[(h ^ h >> 16) % ZN_QUEUE_BUCKETS];
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->chain;
    return at;
}

static struct zn_queue_client *client_of(struct zn_queue *q, const char *name)
{
    struct zn_queue_client **at = place_of(q, name);
    size_t n = strlen(name) + 1;

    if (!*at && (*at = calloc(1, sizeof **at + n))) {
        memcpy((*at)->name, name, n);
        (*at)->tail = &(*at)->head;
    }
    return *at;
}

static void add_turn(struct zn_queue *q, struct zn_queue_client *c)
{
    c->next = NULL;
    *(q->last ? &q->last->next : &q->first) = c;
    q->last = c;
}

bool zn_queue_push(struct zn_queue *q, const char *client, struct zn_job *job)
{
    struct zn_queue_client *c = q->waiting < q->max ? client_of(q, client) : NULL;

    if (!c || c->waiting >= (q->max + 1) / 2)
        return false;
    *job = (struct zn_job){ .client = c };
    *c->tail = job;
    c->tail = &job->next;
    if (c->waiting++ == 0)
        add_turn(q, c);
    q->waiting++;
    return true;
}

/* The first in turn that may have another worker, taken out. */
static struct zn_queue_client *next_turn(struct zn_queue *q)
{
    struct zn_queue_client *before = NULL, *c = q->first;

    while (c && c->running >= q->share) {
        before = c;
        c = c->next;
    }
    if (!c)
        return NULL;
    *(before ? &before->next : &q->first) = c->next;
    if (q->last == c)
        q->last = before;
    return c;
}

struct zn_job *zn_queue_take(struct zn_queue *q)
{
    struct zn_queue_client *c = next_turn(q);
    struct zn_job *job;

    if (!c)
        return NULL;
    job = c->head;
    if (!(c->head = job->next))
        c->tail = &c->head;
    q->waiting--;
    c->running++;
    if (--c->waiting)
        add_turn(q, c);
    return job;
}

void zn_queue_done(struct zn_queue *q, struct zn_job *job)
{
    struct zn_queue_client *c = job->client, **at = place_of(q, c->name);

    if (--c->running || c->waiting)
        return;
    *at = c->chain;
    free(c);
}
