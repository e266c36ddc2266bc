#include "zaned/api/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { LOST_MAX = 64 };

static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

struct question {
    struct question *next; /* in lost */
    struct gaicb cb;
    char name[256];
};

/* Questions whose asker has gone: the C library still writes to them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct question *lost;

static void question_free(struct question *q)
{
    if (q && q->cb.ar_result)
        freeaddrinfo(q->cb.ar_result);
    free(q);
}

/* Frees those that have been answered since; the number of the others. */
static int sweep(void)
{
    int left = 0;

    pthread_mutex_lock(&lock);
    for (struct question **at = &lost; *at;) {
        struct question *q = *at;

        if (gai_error(&q->cb) == EAI_INPROGRESS) {
            at = &q->next;
            left++;
            continue;
        }
        *at = q->next;
        question_free(q);
    }
    pthread_mutex_unlock(&lock);
    return left;
}

static void lose(struct question *q)
{
    pthread_mutex_lock(&lock);
    q->next = lost;
    lost = q;
    pthread_mutex_unlock(&lock);
}

static struct question *ask(const char *name)
{
    struct question *q = calloc(1, sizeof *q);
    struct gaicb *list[1];

    if (!q || strlen(name) >= sizeof q->name) {
        free(q);
        return NULL;
    }
    memcpy(q->name, name, strlen(name) + 1);
    q->cb.ar_name = q->name;
    q->cb.ar_request = &hints;
    list[0] = &q->cb;
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        free(q);
        return NULL;
    }
    return q;
}

static void add(struct zn_lookup *l, const struct sockaddr *a)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text, sizeof text);
    else if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, text, sizeof text);
    if (*text && l->n < ZN_LOOKUP_ADDRESSES)
        memcpy(l->addresses[l->n++], text, sizeof text);
}

static void take(struct zn_lookup *l, struct question *q, int status)
{
    if (status == 0)
        for (const struct addrinfo *a = q->cb.ar_result; a; a = a->ai_next)
            add(l, a->ai_addr);
    l->state = l->n                                              ? ZN_LOOKUP_FOUND
               : status == EAI_NONAME || status == EAI_NODATA || !status ? ZN_LOOKUP_MISSING
                                                                 : ZN_LOOKUP_UNKNOWN;
}

void zn_lookup(struct zn_lookup *list, size_t n, int64_t deadline_ms)
{
    bool room = sweep() < LOST_MAX;
    int64_t end = zn_now_ms() + deadline_ms;
    struct question **asked = calloc(n ? n : 1, sizeof(struct question *));

    for (size_t i = 0; i < n; i++) {
        list[i].state = ZN_LOOKUP_UNKNOWN;
        list[i].n = 0;
        if (asked && room)
            asked[i] = ask(list[i].name);
    }
    for (size_t i = 0; asked && i < n; i++) {
        struct question *q = asked[i];
        int status = EAI_AGAIN;

        if (!q)
            continue;
        while ((status = gai_error(&q->cb)) == EAI_INPROGRESS && zn_now_ms() < end) {
            const struct gaicb *one[] = { &q->cb };
            int64_t left = end - zn_now_ms();

            gai_suspend(one, 1, &(struct timespec){ left / 1000, left % 1000 * 1000000 });
        }
        if (status == EAI_INPROGRESS && gai_cancel(&q->cb) != EAI_CANCELED) {
            lose(q);
            continue;
        }
        take(&list[i], q, status);
        question_free(q);
    }
    free(asked);
}
