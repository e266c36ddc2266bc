/* The supervisor's event loop: descriptors, timers, signals and children of one thread. Nothing that
 * it calls may block. */
#ifndef ZN_SUPERVISOR_LOOP_H
#define ZN_SUPERVISOR_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct zn_loop;

/* A watched descriptor, embedded in its owner. fd is not closed by the loop. */
struct zn_watch {
    int fd;
    uint32_t events; /* EPOLLIN | EPOLLOUT … wanted */
    void (*fn)(void *arg, uint32_t events);
    void *arg;
    struct zn_loop *loop; /* NULL while not added */
};

/* A one-shot timer, embedded in its owner. */
struct zn_timer {
    int64_t at_ms; /* zn_now_ms clock */
    void (*fn)(void *arg);
    void *arg;
    struct zn_timer *prev, *next; /* the loop's list */
    bool armed;
};

/* A child process (pidfd). fn gets the wait status once. */
struct zn_child {
    pid_t pid;
    void (*fn)(void *arg, int status);
    void *arg;
    struct zn_watch watch;
};

int zn_loop_open(struct zn_loop **ret, struct zn_err *err);
void zn_loop_close(struct zn_loop *l);
/* Runs until zn_loop_stop. */
void zn_loop_run(struct zn_loop *l);
void zn_loop_stop(struct zn_loop *l);

int zn_watch_add(struct zn_loop *l, struct zn_watch *w, struct zn_err *err);
void zn_watch_set(struct zn_watch *w, uint32_t events);
/* Safe from inside any callback: no event of this round reaches it afterwards. */
void zn_watch_del(struct zn_watch *w);

/* Arms (again) for now + ms. */
void zn_timer_set(struct zn_loop *l, struct zn_timer *t, int64_t ms);
void zn_timer_clear(struct zn_loop *l, struct zn_timer *t);

/* SIGTERM, SIGINT, SIGHUP … arrive here (signalfd); blocked for the process. */
int zn_loop_signals(struct zn_loop *l, const int *signals, unsigned n,
                    void (*fn)(void *arg, int signal), void *arg, struct zn_err *err);
int zn_child_watch(struct zn_loop *l, struct zn_child *c, struct zn_err *err);

#endif
