#include "zaned/temporal/grpc_dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int CONNECT_MS = 5000;

struct zt_dial {
    pthread_t thread;
    char host[256], port[8], why[ZT_DIAL_WHY];
    int wake, fd;
    atomic_bool done;
};

static int connect_to(const struct addrinfo *ai, char *why)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0;
    socklen_t len = sizeof e;
    struct pollfd pf = { .fd = fd, .events = POLLOUT };

    if (fd < 0 || (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS))
        e = errno;
    else if (poll(&pf, 1, CONNECT_MS) <= 0)
        e = ETIMEDOUT;
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
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    uint64_t one = 1;
    int r = getaddrinfo(d->host, d->port, &hints, &list);

    if (r)
        snprintf(d->why, sizeof d->why, "%s", gai_strerror(r));
    for (struct addrinfo *ai = list; ai && d->fd < 0; ai = ai->ai_next)
        d->fd = connect_to(ai, d->why);
    if (list)
        freeaddrinfo(list);
    atomic_store(&d->done, true);
    if (write(d->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        snprintf(d->why, sizeof d->why, "%s", strerror(errno));
    return NULL;
}

struct zt_dial *zt_dial_begin(const char *host, const char *port, int wake)
{
    struct zt_dial *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    snprintf(d->host, sizeof d->host, "%s", host);
    snprintf(d->port, sizeof d->port, "%s", port);
    d->wake = wake;
    d->fd = -1;
    if (pthread_create(&d->thread, NULL, dial_main, d)) {
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
    int fd;

    pthread_join(d->thread, NULL);
    fd = d->fd;
    if (why)
        snprintf(why, ZT_DIAL_WHY, "%s", d->why);
    free(d);
    return fd;
}
