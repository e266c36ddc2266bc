#include "zaned/temporal/grpc_dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int CONNECT_MS = 5000;

struct zt_dial { /* held by its thread and by who began it; the last one frees */
    char host[256], port[8], why[ZT_DIAL_WHY];
    int wake, fd;
    atomic_bool done;
    atomic_int holders;
};

static void drop(struct zt_dial *d)
{
    if (atomic_fetch_sub(&d->holders, 1) > 1)
        return;
    if (d->fd >= 0)
        close(d->fd);
    close(d->wake);
    free(d);
}

static int connect_to(const struct addrinfo *ai, char *why)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0, r;
    socklen_t len = sizeof e;
    struct pollfd pf = { .fd = fd, .events = POLLOUT };

    if (fd < 0 || (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS))
        e = errno;
    else if ((r = poll(&pf, 1, CONNECT_MS)) <= 0)
        e = r < 0 ? errno : ETIMEDOUT;
    else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
    if (!e)
        return fd;
    snprintf(why, ZT_DIAL_WHY, "%s", strerror(e));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void *dial_main(void *arg)
{
    struct zt_dial *d = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    uint64_t one = 1;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* signals are for the program's own threads */
    int r = getaddrinfo(d->host, d->port, &hints, &list);
    if (r)
        snprintf(d->why, sizeof d->why, "%s", gai_strerror(r));
    for (struct addrinfo *ai = list; ai && d->fd < 0; ai = ai->ai_next)
        d->fd = connect_to(ai, d->why);
    if (list)
        freeaddrinfo(list);
    atomic_store(&d->done, true);
    /* Cannot fail but by a full counter, and then the reader is awake anyway. */
    r = (int)write(d->wake, &one, sizeof one);
    (void)r;
    drop(d);
    return NULL;
}

struct zt_dial *zt_dial_begin(const char *host, const char *port, int wake)
{
    struct zt_dial *d = calloc(1, sizeof *d);
    pthread_attr_t attr;
    pthread_t thread;

    if (!d)
        return NULL;
    snprintf(d->host, sizeof d->host, "%s", host);
    snprintf(d->port, sizeof d->port, "%s", port);
    d->fd = -1;
    d->wake = fcntl(wake, F_DUPFD_CLOEXEC, 0);
    atomic_init(&d->holders, 2);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = d->wake < 0 ? EMFILE : pthread_create(&thread, &attr, dial_main, d);
    pthread_attr_destroy(&attr);
    if (r) {
        if (d->wake >= 0)
            close(d->wake);
        free(d);
        return NULL;
    }
    return d;
}

bool zt_dial_done(struct zt_dial *d)
{
    return atomic_load(&d->done);
}

int zt_dial_end(struct zt_dial *d, char why[ZT_DIAL_WHY])
{
    int fd = d->fd;

    d->fd = -1;
    snprintf(why, ZT_DIAL_WHY, "%s", d->why);
    drop(d);
    return fd;
}

void zt_dial_abandon(struct zt_dial *d)
{
    if (d)
        drop(d);
}
