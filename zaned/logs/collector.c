#include "zaned/logs/collector.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "zaned/logs/forward.h"
#include "zaned/logs/handoff.h"
#include "zaned/logs/reader.h"
#include "zaned/logs/record.h"
#include "zaned/logs/ship.h"

enum {
    CONNS_MAX = 4096,
    PEEK_MAX = 256 * 1024, /* more than a unix socket's queue holds by default (208 KiB) */
    EVENTS_MAX = 16,       /* batches a turn: the supervisor must hear from us every 1,500 ms */
    SYNC_MS = 200,         /* what a power cut can take */
    CHECK_MS = 1000,
    AGAIN_MS = 50,         /* until a busy lock, or accepting after a failure, is tried again */
    GIVE_MS = 1000,        /* a connection that the supervisor did not take in time is read all the same */
    SUPERSEDED_MS = 1000,  /* for so long we are not ready after somebody else claimed the connections */
    FAREWELL_MS = 300,
};

/* Registered edge-triggered: an event that was not used is owed, and asked for again by rearm. */
struct conn {
    struct zn_collector *owner;
    int fd; /* -1 = closed in this turn */
    uint64_t cookie;
    bool given;   /* the supervisor has a descriptor as well */
    bool owed;    /* something may be in its queue that was not looked at */
    bool over;    /* the driver will write no more */
    struct conn *prev, *next;
};

enum role { HOLDING, CLAIMING, READING };

struct zn_collector {
    struct zn_handoff handoff;
    struct zn_reader reader;
    struct zn_spool *spool;
    struct zn_shipper shipper;
    int ep, stop_fd;
    int handoff_fd, listener; /* as registered with ep; -1 = not */
    enum role role;
    bool paused;              /* the buffer is full or broken: nothing is read */
    bool broken;              /* the buffer cannot be written */
    int64_t check_at, warned_at;
    int64_t again_at;         /* the lock was busy: nothing is claimed or read before */
    int64_t accept_at;        /* accepting failed: not before */
    int64_t superseded_at;    /* 0 = not lately */
    int64_t ungiven_at;       /* since when the supervisor owes us room for connections */
    unsigned nungiven, nowed;
    struct conn *conns, *closed; /* closed: freed at the end of the turn, events may still name them */
    char *peeked;                /* PEEK_MAX bytes */
    struct zn_buf record;
    atomic_bool stop, accepting;
    _Atomic unsigned nconns;
    _Atomic uint64_t records, refused;
    pthread_mutex_t lock; /* of why */
    char why[256];        /* not ready because …; empty = ready */
    pthread_t threads[3];
    unsigned nthreads;
};

/* --- state -------------------------------------------------------------------------------------- */

static void set_why(struct zn_collector *c, const char *why)
{
    pthread_mutex_lock(&c->lock);
    snprintf(c->why, sizeof c->why, "%s", why ? why : "");
    pthread_mutex_unlock(&c->lock);
}

bool zn_collector_ready(struct zn_collector *c, char *why, unsigned size)
{
    bool ready;

    pthread_mutex_lock(&c->lock);
    ready = !c->why[0];
    snprintf(why, size, "%s", c->why);
    pthread_mutex_unlock(&c->lock);
    return ready;
}

void zn_collector_stats(struct zn_collector *c, struct zn_collector_stats *ret)
{
    struct zn_spool_stats s;

    zn_spool_stats(c->spool, &s);
    *ret = (struct zn_collector_stats){
        .accepting = c->accepting, .connections = c->nconns, .records = c->records,
        .refused_records = c->refused, .shipped_batches = c->shipper.batches,
        .spool_bytes = s.bytes, .spool_segments = s.segments,
        .refused_segments = s.refused_segments,
    };
}

/* True at most every ten seconds, so that a fault that repeats does not fill the log. */
static bool may_warn(struct zn_collector *c)
{
    int64_t now = zn_now_ms();

    if (c->warned_at && now - c->warned_at < 10000)
        return false;
    c->warned_at = now;
    return true;
}

/* --- connections -------------------------------------------------------------------------------- */

/* The supervisor is there, and has not yet had its time to take what was accepted. */
static bool giving(const struct zn_collector *c, int64_t now)
{
    return c->nungiven && c->handoff.fd >= 0 && now - c->ungiven_at < GIVE_MS;
}

static bool may_read(const struct conn *k, int64_t now)
{
    const struct zn_collector *c = k->owner;

    return c->role == READING && !c->paused && now >= c->again_at && (k->given || !giving(c, now));
}

static void set_owed(struct conn *k, bool owed)
{
    k->owner->nowed += (unsigned)owed - k->owed;
    k->owed = owed;
}

static void set_given(struct conn *k, bool given)
{
    struct zn_collector *c = k->owner;

    if (!given && !c->nungiven)
        c->ungiven_at = zn_now_ms();
    c->nungiven += (unsigned)k->given - given;
    k->given = given;
}

static int watch(struct conn *k, int op)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = k };

    return epoll_ctl(k->owner->ep, op, k->fd, &ev);
}

/* Asks for another event if there is anything in the queue. */
static void rearm(struct conn *k)
{
    set_owed(k, false);
    if (watch(k, EPOLL_CTL_MOD) < 0)
        zn_bug("epoll: %d", errno);
}

static void conn_close(struct conn *k)
{
    struct zn_collector *c = k->owner;

    if (k->prev)
        k->prev->next = k->next;
    else
        c->conns = k->next;
    if (k->next)
        k->next->prev = k->prev;
    set_owed(k, false);
    set_given(k, true);
    watch(k, EPOLL_CTL_DEL); /* closing is not enough: the supervisor has the same file open */
    close(k->fd);
    k->fd = -1;
    k->next = c->closed;
    c->closed = k;
    c->nconns--;
}

static void free_closed(struct zn_collector *c)
{
    while (c->closed) {
        struct conn *k = c->closed;
        c->closed = k->next;
        free(k);
    }
}

/* Gives what the supervisor has not got, as far as its queue takes it. While we hold, that is all that
 * a connection is still open for: its queue would die with us. */
static void give_some(struct zn_collector *c, int64_t now)
{
    for (struct conn *k = c->conns, *next; k && c->nungiven; k = next) {
        next = k->next;
        if (k->given)
            continue;
        if (!zn_handoff_give(&c->handoff, k->fd, now))
            return;
        set_given(k, true);
        if (c->role == HOLDING)
            conn_close(k);
    }
}

/* Everything that was stored was read away; the rest is for the next reader. */
static void hold(struct zn_collector *c)
{
    c->role = HOLDING;
    give_some(c, zn_now_ms());
    for (struct conn *k = c->conns, *next; k; k = next) {
        next = k->next;
        if (k->given)
            conn_close(k);
    }
}

static void conn_open(struct zn_collector *c, int fd, uint64_t cookie, bool given)
{
    struct conn *k = calloc(1, sizeof *k);

    if (k)
        *k = (struct conn){ .owner = c, .fd = fd, .cookie = cookie, .given = true };
    if (!k || watch(k, EPOLL_CTL_ADD) < 0) {
        zn_error("a log connection was dropped: %s", strerror(errno));
        free(k);
        close(fd);
        return;
    }
    k->next = c->conns;
    if (c->conns)
        c->conns->prev = k;
    c->conns = k;
    c->nconns++;
    set_given(k, given);
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) < 0 ? 0 : cookie;
}

/* --- what the supervisor says ------------------------------------------------------------------- */

static void on_command(void *arg, bool accept)
{
    struct zn_collector *c = arg;

    c->again_at = c->superseded_at = 0;
    if (accept)
        c->role = CLAIMING; /* anew, even if we read: somebody else may have claimed since */
    else
        hold(c);
}

static void on_conn(void *arg, int fd)
{
    struct zn_collector *c = arg;
    uint64_t cookie = cookie_of(fd);
    struct conn *k = c->conns;

    while (k && k->cookie != cookie)
        k = k->next;
    if (!k && c->role != HOLDING) {
        conn_open(c, fd, cookie, true);
        return;
    }
    close(fd);
    if (!k)
        return;
    set_given(k, true); /* so it has it */
    if (c->role == HOLDING)
        conn_close(k);
}

static void on_lost(void *arg)
{
    struct zn_collector *c = arg;

    for (struct conn *k = c->conns; k; k = k->next)
        set_given(k, false);
}

/* --- reading ------------------------------------------------------------------------------------ */

static int keep_entry(void *arg, const struct zn_log_entry *e, struct zn_err *err)
{
    struct zn_collector *c = arg;
    struct zn_err bad = { 0 };

    zn_buf_clear(&c->record);
    if (zn_record_write(e, &c->record, &bad) < 0 || c->record.len > ZN_RECORD_MAX) {
        uint64_t n = ++c->refused; /* it would be refused for ever: say so and go on */
        if (may_warn(c))
            zn_error("record of tag %.*s refused (%" PRIu64 " so far): %s",
                     (int)(e->tag.n < 100 ? e->tag.n : 100), e->tag.s, n,
                     bad.msg[0] ? bad.msg : "too large");
        return 0;
    }
    c->records++;
    return zn_spool_add(c->spool, c->record.mem, c->record.len, err);
}

static void buffer_failed(struct zn_collector *c, const struct zn_err *err)
{
    if (!c->broken)
        zn_error("log lines wait with the containers: %s", err->msg);
    c->broken = c->paused = true;
    c->check_at = zn_now_ms() + CHECK_MS;
    set_why(c, err->msg);
}

/* Takes the bytes out of the queue that were stored. One call does it, which a kill cannot interrupt: the
 * buffer's pages are there, and nothing waits. */
static void read_away(struct conn *k, size_t n)
{
    while (n) {
        ssize_t r = recv(k->fd, k->owner->peeked, n, MSG_DONTWAIT);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            if (may_warn(k->owner))
                zn_error("%zu bytes of a log connection were read by somebody else", n);
            return;
        }
        n -= (size_t)r;
    }
}

enum next { WAIT, MORE, OWED, END };

/* Peeks once, keeps what came, and only then reads it away. The reader's lock is held. */
static enum next conn_read(struct conn *k)
{
    struct zn_collector *c = k->owner;
    struct zn_forward_sink sink = { .arg = c, .entry = keep_entry };
    struct zn_err err = { 0 }, disk = { 0 };
    ssize_t n = recv(k->fd, c->peeked, PEEK_MAX, MSG_PEEK | MSG_DONTWAIT);
    size_t used;
    int r;

    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? WAIT : END;
    r = zn_forward_take(&sink, c->peeked, (size_t)n, &used, &err);
    if (zn_spool_commit(c->spool, &disk) < 0 || (r < 0 && err.code != ZN_INVALID)) {
        buffer_failed(c, disk.code ? &disk : &err);
        return OWED; /* nothing is read away: it will be stored again */
    }
    read_away(k, used);
    if (r < 0 && may_warn(c))
        zn_warn("a log connection was closed: %s", err.msg);
    if (r < 0 || (k->over && n < PEEK_MAX)) /* half a message whose driver is gone is no line */
        return END;
    return used ? MORE : WAIT;
}

static void superseded(struct zn_collector *c)
{
    zn_warn("another collector reads the log connections: letting go of %u", c->nconns);
    c->superseded_at = zn_now_ms();
    hold(c);
}

static void conn_event(struct conn *k, uint32_t events)
{
    struct zn_collector *c = k->owner;
    int64_t now = zn_now_ms();
    enum zn_reader_state state;
    enum next next;

    if (k->fd < 0)
        return;
    k->over |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (!may_read(k, now)) {
        set_owed(k, true);
        return;
    }
    state = zn_reader_lock(&c->reader);
    if (state == ZN_READER_LOST) {
        superseded(c);
        return;
    }
    if (state == ZN_READER_BUSY) {
        c->again_at = now + AGAIN_MS;
        set_owed(k, true);
        return;
    }
    next = conn_read(k);
    zn_reader_unlock(&c->reader);
    if (next == OWED) {
        set_owed(k, true);
    } else if (next == MORE) {
        rearm(k);
    } else if (next == END) {
        zn_handoff_end(&c->handoff, k->cookie, now);
        conn_close(k);
    }
}

/* --- loop --------------------------------------------------------------------------------------- */

/* Registers or removes a descriptor so that exactly `want` is watched under the key. */
static void follow(struct zn_collector *c, int *registered, int want, void *key)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = key };

    if (*registered == want)
        return;
    if (*registered >= 0)
        epoll_ctl(c->ep, EPOLL_CTL_DEL, *registered, &ev);
    *registered = want >= 0 && epoll_ctl(c->ep, EPOLL_CTL_ADD, want, &ev) == 0 ? want : -1;
}

/* A connection that was accepted and not yet given would die with us, so they come one by one. */
static bool may_accept(const struct zn_collector *c, int64_t now)
{
    return c->role == READING && !c->paused && c->nconns < CONNS_MAX && now >= c->accept_at &&
           !giving(c, now);
}

static void accept_some(struct zn_collector *c)
{
    int64_t now = zn_now_ms();

    for (unsigned i = 0; i < 64 && may_accept(c, now); i++) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_open(c, fd, cookie_of(fd), false);
            give_some(c, now);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        if (may_warn(c))
            zn_error("accepting a log connection: %s", strerror(errno));
        c->accept_at = now + AGAIN_MS;
    }
}

static void claim(struct zn_collector *c, int64_t now)
{
    struct zn_err err = { 0 };
    int r;

    if (c->role != CLAIMING || now < c->again_at)
        return;
    r = zn_reader_claim(&c->reader, &err);
    if (r > 0)
        c->role = READING;
    else
        c->again_at = now + AGAIN_MS;
    if (r < 0 && may_warn(c))
        zn_error("claiming the log connections: %s", err.msg);
}

/* The buffer's condition decides whether anything is read and whether we call ourselves ready. */
static void look_at_buffer(struct zn_collector *c, int64_t now)
{
    struct zn_err err = { 0 };
    bool full = zn_spool_full(c->spool);

    if (c->broken && now >= c->check_at) {
        c->check_at = now + CHECK_MS;
        c->broken = zn_spool_check(c->spool, &err) < 0;
        if (!c->broken)
            zn_info("the log buffer can be written to again");
    }
    if (full && !c->paused)
        zn_error("the log buffer is full: containers wait until ingest takes lines again");
    c->paused = full || c->broken;
    if (c->superseded_at && now - c->superseded_at >= SUPERSEDED_MS)
        c->superseded_at = 0;
    if (full)
        set_why(c, "the log buffer is full");
    else if (!c->broken)
        set_why(c, c->superseded_at ? "another collector reads the log connections" : NULL);
}

/* Registers what is to be watched after commands and connections came and went. */
static void follow_all(struct zn_collector *c, int64_t now)
{
    bool accepting = c->role == READING && c->handoff.listen_fd >= 0;

    if (c->handoff_fd != c->handoff.fd) {
        c->handoff_fd = -1; /* closing it took it out of the set */
        c->ungiven_at = now;
    }
    follow(c, &c->handoff_fd, c->handoff.fd, &c->handoff);
    if (accepting != c->accepting)
        zn_info("%s log connections", accepting ? "accepting" : "holding");
    c->accepting = accepting;
    if (c->listener != c->handoff.listen_fd && c->listener >= 0)
        c->listener = -1;
    follow(c, &c->listener, may_accept(c, now) ? c->handoff.listen_fd : -1, &c->listener);
}

/* Follows what the supervisor and the buffer say; returns how long the loop may wait. */
static int64_t steer(struct zn_collector *c)
{
    int64_t now = zn_now_ms(), wait;
    char why[sizeof c->why];

    look_at_buffer(c, now);
    claim(c, now);
    wait = zn_handoff_tick(&c->handoff, now, zn_collector_ready(c, why, sizeof why) ? NULL : why);
    give_some(c, now);
    follow_all(c, now);
    for (struct conn *k = c->nowed ? c->conns : NULL; k; k = k->next)
        if (k->owed && may_read(k, now))
            rearm(k);
    if (c->nungiven && c->handoff.fd >= 0 && wait > ZN_HANDOFF_SOON_MS)
        wait = giving(c, now) ? ZN_HANDOFF_SOON_MS : AGAIN_MS;
    if (now < c->again_at && wait > c->again_at - now)
        wait = c->again_at - now;
    if (now < c->accept_at && wait > c->accept_at - now)
        wait = c->accept_at - now;
    return wait < 1 ? 1 : wait;
}

/* What the supervisor has no descriptor of gets a moment to be given; lines in its queue die with us. */
static void farewell(struct zn_collector *c)
{
    int64_t now = zn_now_ms(), end = now + FAREWELL_MS;

    hold(c);
    for (; c->conns && c->handoff.fd >= 0 && now < end; now = zn_now_ms()) {
        zn_pause_ms(ZN_HANDOFF_SOON_MS);
        give_some(c, now);
    }
    while (c->conns)
        conn_close(c->conns);
    free_closed(c);
}

static void *run_loop(void *arg)
{
    struct zn_collector *c = arg;
    struct epoll_event ev[EVENTS_MAX];

    while (!c->stop) {
        int64_t wait = steer(c);
        int n = epoll_wait(c->ep, ev, EVENTS_MAX, (int)(wait < 500 ? wait : 500));
        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr == &c->handoff) {
                /* The supervisor may replace the listener; its old one stays in the epoll set for as
                 * long as anybody has it open, so it leaves by name. */
                follow(c, &c->listener, -1, &c->listener);
                zn_handoff_read(&c->handoff, zn_now_ms());
            } else if (ev[i].data.ptr == &c->listener && c->listener >= 0) {
                accept_some(c);
            } else if (ev[i].data.ptr != &c->stop_fd && ev[i].data.ptr != &c->listener) {
                conn_event(ev[i].data.ptr, ev[i].events);
            }
        }
        free_closed(c);
    }
    farewell(c);
    return NULL;
}

static void *run_shipper(void *arg)
{
    zn_shipper_run(&((struct zn_collector *)arg)->shipper);
    return NULL;
}

static void *run_sync(void *arg)
{
    struct zn_collector *c = arg;

    while (!c->stop) {
        struct zn_err err = { 0 };
        zn_spool_wait(c->spool, SYNC_MS, false);
        if (zn_spool_sync(c->spool, &err) < 0)
            zn_error("%s", err.msg);
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------- */

static int open_parts(struct zn_collector *c, const struct zn_collector_opts *o, struct zn_err *err)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &c->stop_fd };
    struct zn_spool_stats found;

    zn_raise_files(2 * CONNS_MAX); /* the usual 1,024 are too few for a platform that is full */
    if (!c->peeked)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_reader_init(&c->reader, o->handoff, err) < 0)
        return -1;
    if (zn_spool_open(o->dir, o->spool_max ? o->spool_max : 1ull << 30, &c->spool, err) < 0)
        return zn_wrap(err, "log buffer");
    zn_spool_stats(c->spool, &found);
    if (found.broken_bytes)
        zn_error("the log buffer had %" PRIu64 " unreadable bytes at its end", found.broken_bytes);
    if (found.refused_segments)
        zn_warn("%" PRIu64 " refused batches lie in %s", found.refused_segments, o->dir);
    c->ep = epoll_create1(EPOLL_CLOEXEC);
    c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->ep < 0 || c->stop_fd < 0 || epoll_ctl(c->ep, EPOLL_CTL_ADD, c->stop_fd, &ev) < 0)
        return zn_fail_errno(err, errno, "starting the collector");
    return zn_shipper_init(&c->shipper, c->spool, o->api_url, o->token, c->stop_fd, err);
}

int zn_collector_start(const struct zn_collector_opts *opts, struct zn_collector **ret,
                       struct zn_err *err)
{
    void *(*const run[])(void *) = { run_loop, run_shipper, run_sync };
    struct zn_collector *c = calloc(1, sizeof *c);
    struct zn_handoff_sink sink = { c, on_command, on_conn, on_lost };

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    pthread_mutex_init(&c->lock, NULL);
    c->ep = c->stop_fd = c->handoff_fd = c->listener = -1;
    c->record = ZN_BUF(32 << 20);
    c->peeked = malloc(PEEK_MAX);
    set_why(c, "starting");
    zn_handoff_init(&c->handoff, opts->handoff, opts->name, &sink);
    c->reader.fd = -1;
    if (open_parts(c, opts, err) < 0) {
        zn_collector_stop(c);
        return -1;
    }
    for (; c->nthreads < 3; c->nthreads++) {
        int r = pthread_create(&c->threads[c->nthreads], NULL, run[c->nthreads], c);
        if (r) {
            zn_fail_errno(err, r, "starting a thread of the collector");
            zn_collector_stop(c);
            return -1;
        }
    }
    *ret = c;
    return 0;
}

void zn_collector_stop(struct zn_collector *c)
{
    if (!c)
        return;
    c->stop = c->shipper.stop = true;
    if (c->stop_fd >= 0 && eventfd_write(c->stop_fd, 1) < 0)
        zn_bug("eventfd: %d", errno);
    if (c->spool)
        zn_spool_wake(c->spool);
    while (c->nthreads)
        pthread_join(c->threads[--c->nthreads], NULL);
    zn_handoff_done(&c->handoff);
    zn_reader_done(&c->reader);
    zn_shipper_done(&c->shipper);
    zn_spool_close(c->spool);
    zn_buf_done(&c->record);
    free(c->peeked);
    if (c->ep >= 0)
        close(c->ep);
    if (c->stop_fd >= 0)
        close(c->stop_fd);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
