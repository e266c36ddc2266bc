#include "zaned/api/notices.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/api/cache.h"
#include "zaned/store/store.h"

/* A connection that died without a word is noticed by its keepalive; a look at it costs nothing. */
static const int64_t RETRY_FIRST_MS = 100, RETRY_MAX_MS = 5000, STABLE_MS = 60000;

struct zn_notices {
    struct zn_store *store;
    struct zn_cache *callers, *answers;
    pthread_t thread;
    int wake; /* eventfd: readable for good once it stops */
    atomic_bool stop;
};

static void trust(struct zn_notices *n, bool yes)
{
    zn_cache_trust(n->callers, yes);
    zn_cache_trust(n->answers, yes);
}

static void take(struct zn_notices *n, const PGnotify *note)
{
    if (strcmp(note->extra, "callers") == 0)
        zn_cache_raise(n->callers);
    zn_cache_raise(n->answers); /* who is what changes what is shown to them */
}

static int hear(struct zn_notices *n, PGconn *pg, struct zn_err *err)
{
    struct pollfd p[2] = { { .fd = PQsocket(pg), .events = POLLIN },
                           { .fd = n->wake, .events = POLLIN } };
    PGnotify *note;

    if (poll(p, 2, -1) < 0 && errno != EINTR)
        return zn_fail_errno(err, errno, "poll");
    if (!PQconsumeInput(pg) || PQstatus(pg) != CONNECTION_OK)
        return zn_fail(err, ZN_UNAVAILABLE, "the database closed the connection");
    while ((note = PQnotifies(pg))) {
        take(n, note);
        PQfreemem(note);
    }
    return 0;
}

/* Listens on one connection until it breaks or the end. */
static int session(struct zn_notices *n, struct zn_err *err)
{
    struct zn_conn *conn = NULL;
    int r;

    if (zn_store_acquire(n->store, &conn, err) < 0)
        return -1;
    r = zn_conn_listen(conn, "changed", err);
    if (r == 0)
        trust(n, true);
    while (r == 0 && !atomic_load(&n->stop))
        r = hear(n, zn_conn_pg(conn), err);
    trust(n, false);
    zn_store_release(n->store, conn);
    return r;
}

static void *notices_main(void *arg)
{
    struct zn_notices *n = arg;
    unsigned failures = 0;

    while (!atomic_load(&n->stop)) {
        struct pollfd p = { .fd = n->wake, .events = POLLIN };
        struct zn_err err = { 0 };
        int64_t began = zn_now_ms();

        if (session(n, &err) == 0)
            break;
        if (zn_now_ms() - began > STABLE_MS)
            failures = 0;
        if (failures++ % 10 == 0)
            zn_warn("change notices: %s %s", err.msg, err.detail);
        poll(&p, 1, (int)zn_backoff_ms(failures, RETRY_FIRST_MS, RETRY_MAX_MS, failures * 2654435761u));
    }
    return NULL;
}

int zn_notices_start(struct zn_store *store, struct zn_cache *callers, struct zn_cache *answers,
                     struct zn_notices **ret, struct zn_err *err)
{
    struct zn_notices *n = calloc(1, sizeof *n);
    int r;

    if (!n)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    n->store = store;
    n->callers = callers;
    n->answers = answers;
    n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = n->wake < 0 ? errno : pthread_create(&n->thread, NULL, notices_main, n);
    if (r) {
        if (n->wake >= 0)
            close(n->wake);
        free(n);
        return zn_fail_errno(err, r, "starting the thread of change notices");
    }
    *ret = n;
    return 0;
}

void zn_notices_stop(struct zn_notices *n)
{
    uint64_t one = 1;

    if (!n)
        return;
    atomic_store(&n->stop, true);
    if (write(n->wake, &one, sizeof one) < 0)
        zn_warn("change notices: eventfd: %s", strerror(errno));
    pthread_join(n->thread, NULL);
    close(n->wake);
    free(n);
}
