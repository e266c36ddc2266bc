#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/guard.h"

int zn_read_file(const char *path, struct zn_buf *ret, struct zn_err *err)
{
    ZN_AUTO(zn_auto_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[8192];
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return zn_fail(err, ZN_NOT_FOUND, "%s: no such file", path);
    if (fd < 0)
        return zn_fail_errno(err, errno, "opening %s", path);
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return zn_fail_errno(err, errno, "reading %s", path);
        zn_buf_add(ret, chunk, (size_t)n);
        if (ret->failed)
            return zn_fail(err, ZN_INVALID, "%s: larger than %zu bytes", path, ret->max);
    }
    return 0;
}

int zn_read_line_file(const char *path, char **ret, struct zn_err *err)
{
    struct zn_buf buf = ZN_BUF(4096);

    if (zn_read_file(path, &buf, err) < 0) {
        zn_buf_done(&buf);
        return -1;
    }
    while (buf.len && (buf.mem[buf.len - 1] == '\n' || buf.mem[buf.len - 1] == '\r'))
        buf.len--;
    *ret = zn_buf_take(&buf);
    return *ret ? 0 : zn_fail(err, ZN_INTERNAL, "%s: out of memory", path);
}

static int sync_dir(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');

    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    ZN_AUTO(zn_auto_fd) int fd = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

int zn_write_file(const char *path, const void *data, size_t n, mode_t mode, struct zn_err *err)
{
    char tmp[PATH_MAX];

    if (snprintf(tmp, sizeof tmp, "%s.new.%d", path, (int)getpid()) >= (int)sizeof tmp)
        return zn_fail(err, ZN_INVALID, "path too long: %.100s", path);
    ZN_AUTO(zn_auto_fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return zn_fail_errno(err, errno, "creating %s", tmp);
    if (fchmod(fd, mode) < 0 || zn_write_all(fd, data, n) < 0 || fsync(fd) < 0 ||
        rename(tmp, path) < 0 || sync_dir(path) < 0) {
        int saved = errno;
        unlink(tmp);
        return zn_fail_errno(err, saved, "writing %s", path);
    }
    return 0;
}

int zn_mkdirs(const char *path, mode_t mode, struct zn_err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof part)
        return zn_fail(err, ZN_INVALID, "path too long: %.100s", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return zn_fail_errno(err, errno, "creating %s", part);
    }
    return 0;
}

void zn_random(void *ret, size_t n)
{
    unsigned char *p = ret;

    while (n) {
        ssize_t k = getrandom(p, n, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            zn_bug("getrandom: %d", errno);
        p += k;
        n -= (size_t)k;
    }
}

int zn_write_all(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno == ENOTSOCK)
            k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

int zn_set_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int zn_listen_unix(const char *path, int type, mode_t mode, struct zn_err *err)
{
    ZN_AUTO(zn_auto_fd) int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int ret;

    if (fd < 0)
        return zn_fail_errno(err, errno, "socket");
    if (snprintf(sa.sun_path, sizeof sa.sun_path, "%s.new", path) >= (int)sizeof sa.sun_path)
        return zn_fail(err, ZN_INVALID, "socket path longer than 103 bytes: %s", path);
    unlink(sa.sun_path);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || chmod(sa.sun_path, mode) < 0 ||
        listen(fd, 1024) < 0 || rename(sa.sun_path, path) < 0)
        return zn_fail_errno(err, errno, "listening on %s", path);
    ret = fd;
    fd = -1;
    return ret;
}

int zn_dial_unix(const char *path, int type)
{
    ZN_AUTO(zn_auto_fd) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int ret;

    if (fd < 0)
        return -1;
    if (snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path) >= (int)sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
        return -1;
    ret = fd;
    fd = -1;
    return ret;
}

int zn_send_fd(int sock, const void *data, size_t n, int pass_fd, int flags)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = n };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (pass_fd >= 0) {
        m.msg_control = control.room;
        m.msg_controllen = sizeof control.room;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof pass_fd);
        memcpy(CMSG_DATA(&control.head), &pass_fd, sizeof pass_fd);
    }
    return sendmsg(sock, &m, flags | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int first_fd(struct msghdr *m)
{
    int ret = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (ret < 0)
                ret = fd;
            else
                close(fd);
        }
    }
    return ret;
}

ssize_t zn_recv_fd(int sock, void *ret, size_t size, int *fd, int flags)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = ret, .iov_len = size };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
                        .msg_controllen = sizeof control.room };
    ssize_t n = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);

    *fd = n >= 0 ? first_fd(&m) : -1;
    return n;
}

unsigned long zn_raise_files(unsigned long want)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        zn_bug("getrlimit: errno %d", errno);
    if (r.rlim_cur < want) {
        rlim_t before = r.rlim_cur;
        r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &r) < 0)
            return before;
    }
    return r.rlim_cur;
}
