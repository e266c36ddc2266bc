#include "zaned/logs/collector.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "zaned/logs/forward.h"
#include "zaned/logs/handoff.h"
#include "zaned/logs/record.h"
#include "zaned/logs/ship.h"

enum {
    CONNS_MAX = 4096,
    READ_CHUNK = 65536,
    ACKS_MAX = 1024 * 1024, /* waiting for a driver that does not read them */
    SYNC_MS = 200,          /* what a power cut can take */
    CHECK_MS = 1000,
    QUICK_MS = 100, /* a driver that does not read is asked every ms for so long, then every */
    SLOW_MS = 20,
};

struct conn {
    struct zn_collector *owner;
    int fd;
    uint32_t events; /* registered */
    struct zn_forward forward;
    struct zn_buf acks, out; /* acks: for what is not on disk yet; out: to be sent */
    int64_t waits_since;     /* out waits for the driver to read; 0 = does not */
    struct conn *prev, *next;
};

struct zn_collector {
    struct zn_handoff handoff;
    struct zn_spool *spool;
    struct zn_shipper shipper;
    int ep, stop_fd;
    int handoff_fd, listener; /* as registered with ep; -1 = not */
    bool paused;              /* the buffer is full: nothing is read */
    bool waiting;             /* some connection's acknowledgements wait */
    bool broken;              /* the buffer cannot be written */
    int64_t check_at, warned_at;
    struct conn *conns;
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

static int keep_entry(void *arg, const struct zn_log_entry *e, struct zn_err *err)
{
    struct zn_collector *c = ((struct conn *)arg)->owner;
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

static int keep_ack(void *arg, struct zn_str chunk, struct zn_err *err)
{
    struct conn *k = arg;

    if (chunk.s)
        zn_forward_ack(&k->acks, chunk);
    return k->acks.failed ? zn_fail(err, ZN_INVALID, "too many messages at once") : 0;
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
    close(k->fd); /* leaves the epoll set by itself */
    zn_forward_done(&k->forward);
    zn_buf_done(&k->acks);
    zn_buf_done(&k->out);
    free(k);
    c->nconns--;
}

static void conn_watch(struct conn *k)
{
    uint32_t want = k->owner->paused ? 0 : EPOLLIN;
    struct epoll_event ev = { .events = want, .data.ptr = k };

    if (want != k->events && epoll_ctl(k->owner->ep, EPOLL_CTL_MOD, k->fd, &ev) == 0)
        k->events = want;
}

/* Sends acknowledgements one by one, each once the one before was read; false if the connection is of no
 * use any more. stdout and stderr of a container share a connection, and Docker's driver has a reader for
 * each: one that gets two acknowledgements in one read throws the other's away, and that one then waits
 * for ever. */
static bool conn_flush(struct conn *k)
{
    size_t n;

    while ((n = zn_forward_ack_size(&k->out)) > 0) {
        int unread = 0;
        if (ioctl(k->fd, SIOCOUTQ, &unread) < 0)
            return false;
        if (unread)
            break;
        ssize_t sent = send(k->fd, k->out.mem, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent != (ssize_t)n) /* an empty queue takes 64 KiB; anything else is broken */
            return false;
        zn_buf_eat(&k->out, n);
        k->waits_since = 0;
    }
    if (k->out.len && !k->waits_since)
        k->waits_since = zn_now_ms();
    return true;
}

/* Tries again where an acknowledgement waits for another to be read; nothing tells when that happens.
 * Returns how long the loop may wait because of that. */
static int64_t flush_waiting(struct zn_collector *c, int64_t now)
{
    int64_t wait = INT64_MAX;

    for (struct conn *k = c->waiting ? c->conns : NULL, *next; k; k = next) {
        next = k->next;
        if (!k->out.len)
            continue;
        if (!conn_flush(k))
            conn_close(k);
        else if (k->out.len)
            wait = now - k->waits_since < QUICK_MS ? 1 : wait < SLOW_MS ? wait : SLOW_MS;
    }
    c->waiting = wait != INT64_MAX;
    return wait;
}

static void buffer_failed(struct zn_collector *c, const struct zn_err *err)
{
    if (!c->broken)
        zn_error("log lines wait with the containers: %s", err->msg);
    c->broken = true;
    c->check_at = zn_now_ms() + CHECK_MS;
    set_why(c, err->msg);
}

/* Reads once and keeps what came; false if the connection is to be closed. */
static bool conn_read(struct conn *k)
{
    struct zn_collector *c = k->owner;
    struct zn_err err = { 0 }, disk = { 0 };
    char chunk[READ_CHUNK];
    ssize_t n = recv(k->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    int r;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    r = zn_forward_feed(&k->forward, chunk, (size_t)n, &err);
    if (zn_spool_commit(c->spool, &disk) < 0) {
        buffer_failed(c, &disk);
        return false; /* not acknowledged: the driver sends it again */
    }
    zn_buf_add(&k->out, k->acks.mem, k->acks.len);
    zn_buf_clear(&k->acks);
    if (r < 0 && may_warn(c))
        zn_warn("a log connection was closed: %s", err.msg);
    return conn_flush(k) && r == 0 && !k->out.failed;
}

static void conn_event(struct conn *k, uint32_t events)
{
    bool alive = !(events & EPOLLERR);

    if (alive && events & (EPOLLIN | EPOLLHUP))
        alive = conn_read(k);
    if (!alive) {
        conn_close(k);
        return;
    }
    conn_watch(k);
    k->owner->waiting |= k->out.len > 0;
}

static void conn_open(struct zn_collector *c, int fd)
{
    struct conn *k = calloc(1, sizeof *k);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = k };
    struct zn_forward_sink sink = { .arg = k, .entry = keep_entry, .done = keep_ack };

    if (!k || epoll_ctl(c->ep, EPOLL_CTL_ADD, fd, &ev) < 0) {
        free(k);
        close(fd);
        return;
    }
    *k = (struct conn){ .owner = c, .fd = fd, .events = EPOLLIN, .acks = ZN_BUF(ACKS_MAX),
                        .out = ZN_BUF(ACKS_MAX), .next = c->conns };
    zn_forward_init(&k->forward, &sink);
    if (c->conns)
        c->conns->prev = k;
    c->conns = k;
    c->nconns++;
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

static void accept_some(struct zn_collector *c)
{
    for (unsigned i = 0; i < 64 && c->nconns < CONNS_MAX; i++) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_open(c, fd);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && may_warn(c))
            zn_error("accepting a log connection: %s", strerror(errno));
        return;
    }
}

static void let_go(struct zn_collector *c)
{
    while (c->conns) {
        conn_flush(c->conns);
        conn_close(c->conns);
    }
}

/* The buffer's condition decides whether anything is read and whether we call ourselves ready. */
static void look_at_buffer(struct zn_collector *c, int64_t now)
{
    struct zn_err err = { 0 };
    bool full = zn_spool_full(c->spool), was = c->paused;

    if (c->broken && now >= c->check_at) {
        c->check_at = now + CHECK_MS;
        c->broken = zn_spool_check(c->spool, &err) < 0;
        if (!c->broken)
            zn_info("the log buffer can be written to again");
    }
    if (full && !c->paused)
        zn_error("the log buffer is full: containers wait until ingest takes lines again");
    c->paused = full || c->broken;
    if (full)
        set_why(c, "the log buffer is full");
    else if (!c->broken)
        set_why(c, NULL);
    for (struct conn *k = c->conns; k && was != c->paused; k = k->next)
        conn_watch(k);
}

/* Follows what the supervisor and the buffer say; returns how long the loop may wait. */
static int64_t steer(struct zn_collector *c)
{
    int64_t now = zn_now_ms(), wait, quick;
    char why[sizeof c->why];
    bool accepting;

    look_at_buffer(c, now);
    wait = zn_handoff_tick(&c->handoff, now, zn_collector_ready(c, why, sizeof why) ? NULL : why);
    if (c->handoff_fd != c->handoff.fd)
        c->handoff_fd = -1; /* closing it took it out of the set */
    follow(c, &c->handoff_fd, c->handoff.fd, &c->handoff);
    accepting = c->handoff.accept && c->handoff.listen_fd >= 0;
    if (accepting != c->accepting)
        zn_info("%s log connections", accepting ? "accepting" : "holding");
    c->accepting = accepting;
    if (!accepting)
        let_go(c);
    if (c->listener != c->handoff.listen_fd && c->listener >= 0)
        c->listener = -1;
    follow(c, &c->listener,
           accepting && !c->paused && c->nconns < CONNS_MAX ? c->handoff.listen_fd : -1,
           &c->listener);
    quick = flush_waiting(c, now);
    wait = wait < quick ? wait : quick;
    return wait < 1 ? 1 : wait;
}

static void *run_loop(void *arg)
{
    struct zn_collector *c = arg;
    struct epoll_event ev[64];

    while (!c->stop) {
        int64_t wait = steer(c);
        int n = epoll_wait(c->ep, ev, 64, (int)(wait < 500 ? wait : 500));
        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr == &c->handoff) {
                /* The supervisor may replace the listener; its old one stays in the epoll set for as
                 * long as anybody has it open, so it leaves by name. */
                follow(c, &c->listener, -1, &c->listener);
                zn_handoff_read(&c->handoff, zn_now_ms());
            } else if (ev[i].data.ptr == &c->listener && c->listener >= 0) {
                accept_some(c);
            } else if (ev[i].data.ptr != &c->stop_fd &&
                       ev[i].data.ptr != &c->listener) {
                conn_event(ev[i].data.ptr, ev[i].events);
            }
        }
    }
    let_go(c);
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

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    pthread_mutex_init(&c->lock, NULL);
    c->ep = c->stop_fd = c->handoff_fd = c->listener = -1;
    c->record = ZN_BUF(32 << 20);
    set_why(c, "starting");
    zn_handoff_init(&c->handoff, opts->handoff, opts->name);
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
    zn_shipper_done(&c->shipper);
    zn_spool_close(c->spool);
    zn_buf_done(&c->record);
    if (c->ep >= 0)
        close(c->ep);
    if (c->stop_fd >= 0)
        close(c->stop_fd);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
