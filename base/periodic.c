#include "base/periodic.h"

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

enum { SAY_EVERY = 10 }; /* failures in a row */

struct zn_periodic {
    struct zn_periodic_config cfg;
    pthread_t thread;
    int wake; /* eventfd: readable for good once it stops */
    atomic_bool stop;
};

static void *periodic_main(void *arg)
{
    struct zn_periodic *p = arg;
    unsigned failures = 0;
    int64_t wait = 0;

    while (!atomic_load(&p->stop)) {
        struct pollfd fd = { .fd = p->wake, .events = POLLIN };
        struct zn_err err = { 0 };

        if (poll(&fd, 1, (int)wait) > 0)
            continue;
        int64_t began = zn_now_ms();
        if (p->cfg.fn(p->cfg.arg, p, &err) == 0) {
            failures = 0;
            wait = p->cfg.period_ms;
            continue;
        }
        if (p->cfg.stable_ms && zn_now_ms() - began > p->cfg.stable_ms)
            failures = 0;
        if (failures % SAY_EVERY == 0 && !atomic_load(&p->stop))
            zn_warn("%s: %s %s", p->cfg.name, err.msg, err.detail);
        wait = zn_backoff_ms(failures, p->cfg.retry_first_ms, p->cfg.retry_max_ms,
                             failures * 2654435761u);
        failures++;
    }
    return NULL;
}

int zn_periodic_start(const struct zn_periodic_config *cfg, struct zn_periodic **ret,
                      struct zn_err *err)
{
    struct zn_periodic *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    p->cfg = *cfg;
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = p->wake < 0 ? errno : pthread_create(&p->thread, NULL, periodic_main, p);
    if (r) {
        if (p->wake >= 0)
            close(p->wake);
        free(p);
        return zn_fail_errno(err, r, "starting the thread of %s", cfg->name);
    }
    *ret = p;
    return 0;
}

bool zn_periodic_stopping(struct zn_periodic *p)
{
    return atomic_load(&p->stop);
}

int zn_periodic_stop_fd(struct zn_periodic *p)
{
    return p->wake;
}

void zn_periodic_stop(struct zn_periodic *p)
{
    uint64_t one = 1;

    if (!p)
        return;
    atomic_store(&p->stop, true);
    if (write(p->wake, &one, sizeof one) < 0)
        zn_warn("%s: eventfd: %s", p->cfg.name, strerror(errno));
    pthread_join(p->thread, NULL);
    close(p->wake);
    free(p);
}
