#include "zaned/logs/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "base/guard.h"
#include "base/io.h"

enum { FRAME_HEAD = 8 };

struct segment {
    uint64_t id, bytes;
    struct segment *next;
};

struct zn_spool {
    char *dir;
    int lock_fd, fd; /* fd: the active segment, -1 = none */
    uint64_t max, total, next_id, active_id, active_len;
    struct segment *oldest, *newest; /* sealed */
    uint64_t nsealed, broken, refused;
    bool woken, dirty;
    struct zn_buf pending;
    pthread_mutex_t lock;
    pthread_cond_t cond;
};

static void path_of(const struct zn_spool *s, uint64_t id, const char *suffix, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s/%016" PRIx64 ".%s", s->dir, id, suffix);
}

static int add_sealed(struct zn_spool *s, uint64_t id, uint64_t bytes)
{
    struct segment *g = malloc(sizeof *g);

    if (!g)
        return -1;
    *g = (struct segment){ .id = id, .bytes = bytes };
    if (s->newest)
        s->newest->next = g;
    else
        s->oldest = g;
    s->newest = g;
    s->nsealed++;
    return 0;
}

static uint32_t le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Frame at `at`: its record's length, or 0 if there is none whole and sound. */
static size_t frame_at(const char *p, size_t n, size_t at)
{
    const unsigned char *h = (const unsigned char *)p + at;
    uint32_t len;

    if (n - at < FRAME_HEAD)
        return 0;
    len = le32(h);
    if (!len || len > ZN_RECORD_MAX || len > n - at - FRAME_HEAD)
        return 0;
    return crc32(0, h + FRAME_HEAD, len) == le32(h + 4) ? len : 0;
}

/* Sound records of a segment file as a JSON array; *sound = bytes up to the first broken frame. */
static int read_segment(const char *path, struct zn_buf *ret, uint64_t *sound, uint64_t *size,
                        struct zn_err *err)
{
    ZN_AUTO(zn_buf_done) struct zn_buf raw = ZN_BUF(2 * (ZN_SEGMENT_MAX + ZN_RECORD_MAX));
    size_t at = 0, len;

    if (zn_read_file(path, &raw, err) < 0)
        return -1;
    zn_buf_clear(ret);
    zn_buf_putc(ret, '[');
    while (at < raw.len && (len = frame_at(raw.mem, raw.len, at)) > 0) {
        if (ret->len > 1)
            zn_buf_putc(ret, ',');
        zn_buf_add(ret, raw.mem + at + FRAME_HEAD, len);
        at += FRAME_HEAD + len;
    }
    zn_buf_putc(ret, ']');
    if (ret->failed)
        return zn_fail(err, ZN_INTERNAL, "%s: no memory for the batch", path);
    *sound = at;
    *size = raw.len;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Numbers of the segments in the directory, ascending, heap array; counts those set aside. */
static int list_ids(struct zn_spool *s, uint64_t **ret, size_t *n, struct zn_err *err)
{
    DIR *d = opendir(s->dir);
    size_t cap = 0;
    struct dirent *e;

    *ret = NULL;
    *n = 0;
    if (!d)
        return zn_fail_errno(err, errno, "reading %s", s->dir);
    while ((e = readdir(d))) {
        uint64_t id;
        char suffix[9] = "";
        if (sscanf(e->d_name, "%16" SCNx64 ".%8s", &id, suffix) != 2)
            continue;
        if (strcmp(suffix, "refused") == 0)
            s->refused++;
        if (id >= s->next_id)
            s->next_id = id + 1;
        if (strcmp(suffix, "log") != 0)
            continue;
        if (*n == cap) {
            uint64_t *more = realloc(*ret, (cap = cap ? 2 * cap : 64) * sizeof **ret);
            if (!more)
                break;
            *ret = more;
        }
        (*ret)[(*n)++] = id;
    }
    closedir(d);
    if (e)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (*n)
        qsort(*ret, *n, sizeof **ret, by_id);
    return 0;
}

/* Takes one found segment in: cuts a torn end off, removes it if nothing is left. */
static int recover(struct zn_spool *s, uint64_t id, struct zn_err *err)
{
    ZN_AUTO(zn_buf_done) struct zn_buf batch = ZN_BUF(4 * ZN_SEGMENT_MAX);
    char path[PATH_MAX];
    uint64_t sound, size;

    path_of(s, id, "log", path);
    if (read_segment(path, &batch, &sound, &size, err) < 0)
        return -1;
    s->broken += size - sound;
    if (sound < size && truncate(path, (off_t)sound) < 0)
        return zn_fail_errno(err, errno, "cutting %s", path);
    if (!sound) {
        if (unlink(path) < 0)
            return zn_fail_errno(err, errno, "removing %s", path);
        return 0;
    }
    s->total += sound;
    return add_sealed(s, id, sound) < 0 ? zn_fail(err, ZN_INTERNAL, "out of memory") : 0;
}

static int take_lock(struct zn_spool *s, struct zn_err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/lock", s->dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return zn_fail_errno(err, errno, "opening %s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return zn_fail(err, ZN_CONFLICT, "%s is in use by another process", s->dir);
    return 0;
}

int zn_spool_open(const char *dir, uint64_t max, struct zn_spool **ret, struct zn_err *err)
{
    struct zn_spool *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;
    zn_auto_mem uint64_t *ids = NULL;
    size_t n = 0;
    int r;

    if (!s)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    s->dir = strdup(dir);
    s->lock_fd = s->fd = -1;
    s->max = max;
    s->next_id = 1;
    s->pending = ZN_BUF(32 << 20);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->cond, &attr);
    pthread_condattr_destroy(&attr);
    r = s->dir ? zn_mkdirs(dir, 0700, err) : zn_fail(err, ZN_INTERNAL, "out of memory");
    if (r == 0)
        r = take_lock(s, err);
    if (r == 0)
        r = list_ids(s, &ids, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = recover(s, ids[i], err);
    if (r < 0) {
        zn_spool_close(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void zn_spool_close(struct zn_spool *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    while (s->oldest) {
        struct segment *g = s->oldest;
        s->oldest = g->next;
        free(g);
    }
    zn_buf_done(&s->pending);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->cond);
    free(s->dir);
    free(s);
}

int zn_spool_add(struct zn_spool *s, const void *data, size_t n, struct zn_err *err)
{
    uint32_t crc = (uint32_t)crc32(0, data, (uInt)n), len = (uint32_t)n;
    unsigned char head[FRAME_HEAD];

    if (!n || n > ZN_RECORD_MAX)
        return zn_fail(err, ZN_INVALID, "record of %zu bytes, at most %d", n, ZN_RECORD_MAX);
    for (unsigned i = 0; i < 4; i++) {
        head[i] = (unsigned char)(len >> 8 * i);
        head[4 + i] = (unsigned char)(crc >> 8 * i);
    }
    zn_buf_add(&s->pending, head, sizeof head);
    zn_buf_add(&s->pending, data, n);
    if (s->pending.failed) {
        zn_buf_done(&s->pending);
        s->pending = ZN_BUF(32 << 20);
        return zn_fail(err, ZN_INTERNAL, "too many records before a commit");
    }
    return 0;
}

/* Ends the active segment (lock held). */
static int seal(struct zn_spool *s)
{
    if (s->fd < 0)
        return 0;
    if (s->active_len && add_sealed(s, s->active_id, s->active_len) < 0)
        return -1;
    fdatasync(s->fd);
    close(s->fd);
    s->fd = -1;
    s->dirty = false;
    return 0;
}

static int open_active(struct zn_spool *s, struct zn_err *err)
{
    char path[PATH_MAX];

    path_of(s, s->next_id, "log", path);
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return zn_fail_errno(err, errno, "creating %s", path);
    s->active_id = s->next_id++;
    s->active_len = 0;
    return 0;
}

static int write_pending(struct zn_spool *s, size_t n, struct zn_err *err)
{
    size_t done = 0;

    if (s->fd < 0 && open_active(s, err) < 0)
        return -1;
    while (done < n) {
        ssize_t k = pwrite(s->fd, s->pending.mem + done, n - done,
                           (off_t)(s->active_len + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            int saved = k < 0 ? errno : ENOSPC;
            if (ftruncate(s->fd, (off_t)s->active_len) < 0)
                seal(s); /* a broken frame ends the segment: nothing may follow it */
            return zn_fail_errno(err, saved, "writing to the log buffer in %s", s->dir);
        }
        done += (size_t)k;
    }
    s->active_len += n;
    s->total += n;
    s->dirty = true;
    zn_buf_eat(&s->pending, n);
    return 0;
}

/* Bytes of pending frames that still fit the active segment; 0 = it is time for a new one. */
static size_t fitting(const struct zn_spool *s)
{
    size_t at = 0, room = ZN_SEGMENT_MAX - (s->fd >= 0 ? s->active_len : 0);

    while (at < s->pending.len) {
        size_t len = FRAME_HEAD + le32((const unsigned char *)s->pending.mem + at);
        if (at + len > room)
            break;
        at += len;
    }
    return at;
}

int zn_spool_commit(struct zn_spool *s, struct zn_err *err)
{
    int r = 0;

    if (!s->pending.len)
        return 0;
    pthread_mutex_lock(&s->lock);
    while (r == 0 && s->pending.len) {
        size_t n = fitting(s);
        if (n) {
            r = write_pending(s, n, err);
        } else {
            if (seal(s) < 0)
                r = zn_fail(err, ZN_INTERNAL, "out of memory");
            pthread_cond_signal(&s->cond);
        }
    }
    pthread_mutex_unlock(&s->lock);
    zn_buf_clear(&s->pending);
    return r;
}

int zn_spool_sync(struct zn_spool *s, struct zn_err *err)
{
    int fd = -1, r = 0;

    pthread_mutex_lock(&s->lock);
    if (s->dirty && s->fd >= 0)
        fd = dup(s->fd);
    s->dirty = false;
    pthread_mutex_unlock(&s->lock);
    if (fd < 0)
        return 0;
    if (fdatasync(fd) < 0)
        r = zn_fail_errno(err, errno, "syncing the log buffer in %s", s->dir);
    close(fd);
    return r;
}

bool zn_spool_full(struct zn_spool *s)
{
    bool full;

    pthread_mutex_lock(&s->lock);
    full = s->total >= s->max;
    pthread_mutex_unlock(&s->lock);
    return full;
}

int zn_spool_check(struct zn_spool *s, struct zn_err *err)
{
    static const char page[4096];
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/check", s->dir);
    ZN_AUTO(zn_auto_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || zn_write_all(fd, page, sizeof page) < 0 || fdatasync(fd) < 0)
        return zn_fail_errno(err, errno, "writing %s", path);
    unlink(path);
    return 0;
}

void zn_spool_wait(struct zn_spool *s, int64_t ms, bool for_segment)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&s->lock);
    while (!s->woken && !(for_segment && s->oldest))
        if (pthread_cond_timedwait(&s->cond, &s->lock, &end) != 0)
            break;
    pthread_mutex_unlock(&s->lock);
}

void zn_spool_wake(struct zn_spool *s)
{
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_broadcast(&s->cond);
    pthread_mutex_unlock(&s->lock);
}

int zn_spool_take(struct zn_spool *s, struct zn_buf *ret, uint64_t *id, struct zn_err *err)
{
    char path[PATH_MAX];
    uint64_t sound, size;
    int r = 0;

    pthread_mutex_lock(&s->lock);
    if (!s->oldest && seal(s) < 0)
        r = zn_fail(err, ZN_INTERNAL, "out of memory");
    if (r == 0 && s->oldest) {
        *id = s->oldest->id;
        r = 1;
    }
    pthread_mutex_unlock(&s->lock);
    if (r < 1)
        return r;
    path_of(s, *id, "log", path);
    if (read_segment(path, ret, &sound, &size, err) < 0)
        return -1;
    if (sound < size) {
        pthread_mutex_lock(&s->lock);
        s->broken += size - sound;
        pthread_mutex_unlock(&s->lock);
    }
    return 1;
}

/* Forgets the oldest segment, which must have this number, after its file was dealt with. */
static void forget(struct zn_spool *s, uint64_t id, bool refused)
{
    struct segment *g = s->oldest;

    if (!g || g->id != id)
        zn_bug("spool: segment %" PRIu64 " is not the oldest", id);
    s->oldest = g->next;
    if (!s->oldest)
        s->newest = NULL;
    s->nsealed--;
    s->refused += refused;
    s->total -= g->bytes;
    free(g);
}

int zn_spool_drop(struct zn_spool *s, uint64_t id, struct zn_err *err)
{
    char path[PATH_MAX];

    path_of(s, id, "log", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return zn_fail_errno(err, errno, "removing %s", path);
    pthread_mutex_lock(&s->lock);
    forget(s, id, false);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int zn_spool_refuse(struct zn_spool *s, uint64_t id, struct zn_err *err)
{
    char path[PATH_MAX], aside[PATH_MAX];

    path_of(s, id, "log", path);
    path_of(s, id, "refused", aside);
    if (rename(path, aside) < 0)
        return zn_fail_errno(err, errno, "renaming %s", path);
    pthread_mutex_lock(&s->lock);
    forget(s, id, true);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

void zn_spool_stats(struct zn_spool *s, struct zn_spool_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = (struct zn_spool_stats){ .bytes = s->total,
                                    .segments = s->nsealed + (s->fd >= 0),
                                    .broken_bytes = s->broken,
                                    .refused_segments = s->refused };
    pthread_mutex_unlock(&s->lock);
}
