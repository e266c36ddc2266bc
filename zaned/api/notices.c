#include "zaned/api/notices.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/periodic.h"
#include "zaned/api/cache.h"
#include "zaned/api/feed.h"
#include "zaned/store/store.h"

/* A connection that died without a word is noticed by its keepalive; a look at it costs nothing. */
static const int64_t RETRY_FIRST_MS = 100, RETRY_MAX_MS = 5000, STABLE_MS = 60000;
enum { BEAT_MS = 5000 };

struct zn_notices {
    struct zn_store *store;
    struct zn_cache *callers, *answers;
    struct zn_feed *feed;
    struct zn_periodic *thread;
};

static void trust(struct zn_notices *n, bool yes)
{
    zn_cache_trust(n->callers, yes);
    zn_cache_trust(n->answers, yes);
}

static void take(struct zn_notices *n, const PGnotify *note)
{
    if (strcmp(note->relname, "events") == 0) {
        zn_feed_notice(n->feed, note->extra);
        return;
    }
    if (strcmp(note->extra, "callers") == 0)
        zn_cache_raise(n->callers);
    zn_cache_raise(n->answers); /* who is what changes what is shown to them */
}

static int hear(struct zn_notices *n, struct zn_periodic *self, PGconn *pg, struct zn_err *err)
{
    struct pollfd p[2] = { { .fd = PQsocket(pg), .events = POLLIN },
                           { .fd = zn_periodic_stop_fd(self), .events = POLLIN } };
    PGnotify *note;

    if (poll(p, 2, BEAT_MS) < 0 && errno != EINTR)
        return zn_fail_errno(err, errno, "poll");
    zn_feed_beat(n->feed);
    if (!PQconsumeInput(pg) || PQstatus(pg) != CONNECTION_OK)
        return zn_fail(err, ZN_UNAVAILABLE, "the database closed the connection");
    while ((note = PQnotifies(pg))) {
        take(n, note);
        PQfreemem(note);
    }
    return 0;
}

/* Listens on one connection until it breaks or the end. */
static int session(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_notices *n = arg;
    struct zn_conn *conn = NULL;
    int r;

    if (zn_store_acquire(n->store, &conn, err) < 0)
        return -1;
    r = zn_conn_listen(conn, "changed", err);
    if (r == 0)
        r = zn_conn_listen(conn, "events", err);
    if (r == 0) {
        trust(n, true);
        zn_feed_reset(n->feed); /* what was changed meanwhile nobody told of */
    }
    while (r == 0 && !zn_periodic_stopping(self))
        r = hear(n, self, zn_conn_pg(conn), err);
    trust(n, false);
    zn_feed_away(n->feed);
    zn_store_release(n->store, conn);
    return r;
}

int zn_notices_start(struct zn_store *store, struct zn_cache *callers, struct zn_cache *answers,
                     struct zn_feed *feed, struct zn_notices **ret, struct zn_err *err)
{
    struct zn_notices *n = calloc(1, sizeof *n);

    if (!n)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    n->store = store;
    n->callers = callers;
    n->answers = answers;
    n->feed = feed;
    struct zn_periodic_config c = { .name = "change notices",
                                    .fn = session,
                                    .arg = n,
                                    .retry_first_ms = RETRY_FIRST_MS,
                                    .retry_max_ms = RETRY_MAX_MS,
                                    .stable_ms = STABLE_MS };
    if (zn_periodic_start(&c, &n->thread, err) < 0) {
        free(n);
        return -1;
    }
    *ret = n;
    return 0;
}

void zn_notices_stop(struct zn_notices *n)
{
    if (!n)
        return;
    zn_periodic_stop(n->thread);
    free(n);
}
