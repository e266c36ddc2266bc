#include "supervisor/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"

enum { ROUND = 64 };

struct zn_loop {
    int ep, tfd, sfd;
    bool stop;
    struct zn_watch timers_due, signals_due;
    struct zn_timer *first;       /* sorted by at_ms; equal times in the order they were armed */
    int64_t armed_ms;             /* what tfd is set to; 0 = nothing */
    int64_t firing_ms;            /* time of the timer pass in progress; 0 = none */
    struct epoll_event round[ROUND];
    int nround;
    void (*on_signal)(void *arg, int signal);
    void *on_signal_arg;
};

static void rearm(struct zn_loop *l)
{
    int64_t at = l->first ? l->first->at_ms : 0;
    struct itimerspec its = { 0 };

    if (at == l->armed_ms)
        return;
    if (l->first) {
        /* All zero would disarm, so the earliest moment is 1 ns after the clock's start. */
        its.it_value.tv_sec = at > 0 ? at / 1000 : 0;
        its.it_value.tv_nsec = at > 0 ? at % 1000 * 1000000 : 1;
    }
    if (timerfd_settime(l->tfd, TFD_TIMER_ABSTIME, &its, NULL) < 0)
        zn_bug("timerfd_settime: errno %d", errno);
    l->armed_ms = at;
}

static void fire_timers(void *arg, uint32_t events)
{
    struct zn_loop *l = arg;
    uint64_t expirations;
    int64_t now = zn_now_ms();
    struct zn_timer *t;

    (void)events;
    if (read(l->tfd, &expirations, sizeof expirations) == (ssize_t)sizeof expirations)
        l->armed_ms = 0;
    l->firing_ms = now;
    while ((t = l->first) && t->at_ms <= now) {
        zn_timer_clear(l, t);
        t->fn(t->arg);
    }
    l->firing_ms = 0;
}

static void read_signals(void *arg, uint32_t events)
{
    struct zn_loop *l = arg;
    struct signalfd_siginfo si;

    (void)events;
    while (l->sfd >= 0 && read(l->sfd, &si, sizeof si) == (ssize_t)sizeof si)
        l->on_signal(l->on_signal_arg, (int)si.ssi_signo);
}

int zn_loop_open(struct zn_loop **ret, struct zn_err *err)
{
    struct zn_loop *l = calloc(1, sizeof *l);

    if (!l)
        return zn_fail(err, ZN_INTERNAL, "event loop: out of memory");
    l->sfd = -1;
    l->ep = epoll_create1(EPOLL_CLOEXEC);
    l->tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (l->ep < 0 || l->tfd < 0) {
        zn_fail_errno(err, errno, "event loop");
        zn_loop_close(l);
        return -1;
    }
    l->timers_due = (struct zn_watch){ .fd = l->tfd, .events = EPOLLIN, .fn = fire_timers,
                                       .arg = l };
    if (zn_watch_add(l, &l->timers_due, err) < 0) {
        zn_loop_close(l);
        return -1;
    }
    *ret = l;
    return 0;
}

void zn_loop_close(struct zn_loop *l)
{
    if (!l)
        return;
    zn_auto_fd(&l->sfd);
    zn_auto_fd(&l->tfd);
    zn_auto_fd(&l->ep);
    free(l);
}

void zn_loop_run(struct zn_loop *l)
{
    l->stop = false;
    while (!l->stop) {
        rearm(l);
        l->nround = epoll_wait(l->ep, l->round, ROUND, -1);
        if (l->nround < 0 && errno != EINTR)
            zn_bug("epoll_wait: errno %d", errno);
        for (int i = 0; i < l->nround && !l->stop; i++) {
            struct zn_watch *w = l->round[i].data.ptr;

            if (w)
                w->fn(w->arg, l->round[i].events);
        }
        l->nround = 0;
    }
}

void zn_loop_stop(struct zn_loop *l)
{
    l->stop = true;
}

int zn_watch_add(struct zn_loop *l, struct zn_watch *w, struct zn_err *err)
{
    struct epoll_event ev = { .events = w->events, .data.ptr = w };

    if (epoll_ctl(l->ep, EPOLL_CTL_ADD, w->fd, &ev) < 0)
        return zn_fail_errno(err, errno, "watching descriptor %d", w->fd);
    w->loop = l;
    return 0;
}

void zn_watch_set(struct zn_watch *w, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = w };

    if (!w->loop || w->events == events)
        return;
    w->events = events;
    if (epoll_ctl(w->loop->ep, EPOLL_CTL_MOD, w->fd, &ev) < 0)
        zn_bug("epoll_ctl(MOD, %d): errno %d", w->fd, errno);
}

void zn_watch_del(struct zn_watch *w)
{
    struct zn_loop *l = w->loop;

    if (!l)
        return;
    epoll_ctl(l->ep, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = 0; i < l->nround; i++)
        if (l->round[i].data.ptr == w)
            l->round[i].data.ptr = NULL;
    w->loop = NULL;
}

void zn_timer_set(struct zn_loop *l, struct zn_timer *t, int64_t ms)
{
    struct zn_timer *prev = NULL, *next;

    zn_timer_clear(l, t);
    t->at_ms = zn_now_ms() + (ms > 0 ? ms : 0);
    /* A timer that arms itself for "now" waits for the next round, so that it starves nobody. */
    if (l->firing_ms && t->at_ms <= l->firing_ms)
        t->at_ms = l->firing_ms + 1;
    for (next = l->first; next && next->at_ms <= t->at_ms; next = next->next)
        prev = next;
    t->prev = prev;
    t->next = next;
    if (prev)
        prev->next = t;
    else
        l->first = t;
    if (next)
        next->prev = t;
    t->armed = true;
}

void zn_timer_clear(struct zn_loop *l, struct zn_timer *t)
{
    if (!t->armed)
        return;
    if (t->prev)
        t->prev->next = t->next;
    else
        l->first = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = t->next = NULL;
    t->armed = false;
}

int zn_loop_signals(struct zn_loop *l, const int *signals, unsigned n,
                    void (*fn)(void *arg, int signal), void *arg, struct zn_err *err)
{
    sigset_t set;

    if (l->sfd >= 0)
        zn_bug("zn_loop_signals called twice");
    sigemptyset(&set);
    for (unsigned i = 0; i < n; i++)
        sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return zn_fail_errno(err, errno, "blocking signals");
    l->sfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (l->sfd < 0)
        return zn_fail_errno(err, errno, "signal descriptor");
    l->on_signal = fn;
    l->on_signal_arg = arg;
    l->signals_due = (struct zn_watch){ .fd = l->sfd, .events = EPOLLIN, .fn = read_signals,
                                        .arg = l };
    return zn_watch_add(l, &l->signals_due, err);
}

static void child_ended(void *arg, uint32_t events)
{
    struct zn_child *c = arg;
    int status = 0;
    pid_t got;

    (void)events;
    do
        got = waitpid(c->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return;
    zn_watch_del(&c->watch);
    zn_auto_fd(&c->watch.fd);
    if (got < 0) {
        /* Somebody else reaped it: the status is lost, the end is not. */
        zn_warn("child %d: its exit status is gone", (int)c->pid);
        status = 0xff00;
    }
    c->fn(c->arg, status);
}

int zn_child_watch(struct zn_loop *l, struct zn_child *c, struct zn_err *err)
{
    /* Always close-on-exec; the wrapper exists since glibc 2.36 only. */
    int fd = (int)syscall(SYS_pidfd_open, c->pid, 0);

    if (fd < 0)
        return zn_fail_errno(err, errno, "watching child %d", (int)c->pid);
    c->watch = (struct zn_watch){ .fd = fd, .events = EPOLLIN, .fn = child_ended, .arg = c };
    if (zn_watch_add(l, &c->watch, err) < 0) {
        zn_auto_fd(&c->watch.fd);
        return -1;
    }
    return 0;
}
