#include "supervisor/handoff_conns.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"

enum { OTHER_FILES = 512 }; /* what else the supervisor may have open: 288 of it are HTTP clients */

void zn_conns_init(struct zn_conns *t)
{
    unsigned long files = zn_raise_files(ZN_CONNS_MAX + OTHER_FILES);

    t->n = t->due = 0;
    t->max = ZN_CONNS_MAX;
    if (files >= ZN_CONNS_MAX + OTHER_FILES)
        return;
    /* Never the last descriptors: the supervisor has to serve its sockets too. */
    t->max = (unsigned)(files > 2 * OTHER_FILES ? files - OTHER_FILES : files / 2);
    zn_warn("log hand-over: at most %lu open files, %d are needed; only %u connections are kept",
            files, ZN_CONNS_MAX + OTHER_FILES, t->max);
}

void zn_conns_done(struct zn_conns *t)
{
    for (unsigned i = 0; i < t->n; i++)
        close(t->fds[i]);
    t->n = t->due = 0;
}

static bool has_option(int fd, int option, int want)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == want;
}

/* The cookie, if fd is what accept() on fluent.sock returns. One that listens has no peer; one that
 * the driver has closed still has. */
static int identify(int fd, uint64_t *ret, struct zn_err *err)
{
    struct sockaddr_un peer;
    socklen_t size = sizeof peer, cookie_size = sizeof *ret;

    if (!has_option(fd, SO_DOMAIN, AF_UNIX) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
        getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        return zn_fail(err, ZN_INVALID, "not a connected unix stream socket");
    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret, &cookie_size) < 0)
        return zn_fail_errno(err, errno, "reading the socket cookie");
    return 0;
}

/* Its index, or n if there is none. */
static unsigned find(const struct zn_conns *t, uint64_t cookie)
{
    unsigned i = 0;

    while (i < t->n && t->cookies[i] != cookie)
        i++;
    return i;
}

static void move(struct zn_conns *t, unsigned to, unsigned from)
{
    t->fds[to] = t->fds[from];
    t->cookies[to] = t->cookies[from];
}

int zn_conns_keep(struct zn_conns *t, int fd, struct zn_err *err)
{
    ZN_AUTO(zn_auto_fd) int conn = fd;
    uint64_t cookie;

    if (identify(conn, &cookie, err) < 0)
        return -1;
    if (find(t, cookie) < t->n)
        return 0;
    if (t->n >= t->max)
        return zn_fail(err, ZN_BUSY, "%u connections are kept already", t->n);
    move(t, t->n++, t->due);
    t->fds[t->due] = conn;
    t->cookies[t->due++] = cookie;
    conn = -1;
    return 0;
}

void zn_conns_end(struct zn_conns *t, uint64_t cookie)
{
    unsigned gap = find(t, cookie);

    if (gap == t->n)
        return;
    close(t->fds[gap]);
    if (gap < t->due) {
        move(t, gap, --t->due);
        gap = t->due;
    }
    move(t, gap, --t->n);
}

void zn_conns_all_due(struct zn_conns *t)
{
    t->due = t->n;
}

int zn_conns_due(const struct zn_conns *t)
{
    return t->due ? t->fds[t->due - 1] : -1;
}

void zn_conns_sent(struct zn_conns *t)
{
    t->due--;
}
