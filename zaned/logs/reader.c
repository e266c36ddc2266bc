#include "zaned/logs/reader.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/guard.h"
#include "base/io.h"

int zn_reader_init(struct zn_reader *r, const char *handoff, struct zn_err *err)
{
    const char *slash = strrchr(handoff, '/');
    int dir = slash ? (int)(slash - handoff) + 1 : 0;

    *r = (struct zn_reader){ .fd = -1 };
    if (snprintf(r->path, sizeof r->path, "%.*sreader", dir, handoff) >= (int)sizeof r->path)
        return zn_fail(err, ZN_INVALID, "path of the hand-over socket is too long");
    return 0;
}

void zn_reader_done(struct zn_reader *r)
{
    zn_auto_fd(&r->fd);
}

int zn_reader_claim(struct zn_reader *r, struct zn_err *err)
{
    unsigned char id[ZN_READER_ID];
    ZN_AUTO(zn_auto_fd) int fd = open(r->path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return zn_fail_errno(err, errno, "opening %s", r->path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : zn_fail_errno(err, errno, "locking %s", r->path);
    zn_random(id, sizeof id);
    if (pwrite(fd, id, sizeof id, 0) != (ssize_t)sizeof id)
        return zn_fail_errno(err, errno, "writing %s", r->path);
    zn_reader_done(r);
    memcpy(r->id, id, sizeof id);
    r->fd = fd;
    fd = -1;
    zn_reader_unlock(r);
    return 1;
}

enum zn_reader_state zn_reader_lock(struct zn_reader *r)
{
    unsigned char id[ZN_READER_ID];

    if (r->fd < 0)
        return ZN_READER_LOST;
    if (flock(r->fd, LOCK_EX | LOCK_NB) < 0)
        return ZN_READER_BUSY;
    if (pread(r->fd, id, sizeof id, 0) == (ssize_t)sizeof id && memcmp(id, r->id, sizeof id) == 0)
        return ZN_READER_OURS;
    zn_reader_unlock(r);
    return ZN_READER_LOST;
}

void zn_reader_unlock(struct zn_reader *r)
{
    flock(r->fd, LOCK_UN);
}
