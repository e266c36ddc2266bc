#include "zaned/proxy/assets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"

/* The time of a published file says since when no version has it; IN_USE: the present one does. A version may run for
 * longer than its files are kept after it, so the time of the copy would say nothing. */
enum { FILE_MAX = 8 << 20, KEPT_DAYS = 30, IN_USE = 0 };

static int path_of(char ret[PATH_MAX], const char *folder, const char *name, struct zn_err *err)
{
    if (snprintf(ret, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return zn_fail(err, ZN_INVALID, "path too long: %.100s", folder);
    return 0;
}

static int stamp(const char *path, time_t t, struct zn_err *err)
{
    const struct timespec times[2] = { { .tv_sec = t }, { .tv_sec = t } };

    return utimensat(AT_FDCWD, path, times, 0) < 0 ? zn_fail_errno(err, errno, "stamping %s", path) : 0;
}

/* A file of that name and size is that file. */
static int publish_one(const char *from, const char *to, const char *name, struct zn_err *err)
{
    char source[PATH_MAX], target[PATH_MAX];
    struct stat have, wanted;
    zn_auto_buf struct zn_buf b = ZN_BUF(FILE_MAX);

    if (path_of(source, from, name, err) < 0 || path_of(target, to, name, err) < 0)
        return -1;
    if (stat(source, &wanted) < 0)
        return zn_fail_errno(err, errno, "reading %s", source);
    if (stat(target, &have) == 0 && have.st_size == wanted.st_size)
        return have.st_mtime == IN_USE ? 0 : stamp(target, IN_USE, err);
    if (zn_read_file(source, &b, err) < 0 || zn_write_file(target, b.mem ? b.mem : "", b.len, 0644, err) < 0)
        return -1;
    return stamp(target, IN_USE, err);
}

static int publish_all(const char *from, const char *to, struct zn_err *err)
{
    ZN_AUTO(zn_auto_dir) DIR *dir = opendir(from);
    struct dirent *e;

    if (!dir)
        return errno == ENOENT ? 0 : zn_fail_errno(err, errno, "reading %s", from);
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.' && publish_one(from, to, e->d_name, err) < 0)
            return -1;
    return 0;
}

static int retire_one(const char *from, const char *to, const char *name, time_t now, struct zn_err *err)
{
    char source[PATH_MAX], target[PATH_MAX];
    struct stat st;

    if (path_of(source, from, name, err) < 0 || path_of(target, to, name, err) < 0)
        return -1;
    if (access(source, F_OK) == 0 || lstat(target, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (st.st_mtime == IN_USE)
        return stamp(target, now, err);
    if (st.st_mtime < now - KEPT_DAYS * 86400 && unlink(target) < 0 && errno != ENOENT)
        return zn_fail_errno(err, errno, "removing %s", target);
    return 0;
}

static int retire_old(const char *from, const char *to, time_t now, struct zn_err *err)
{
    ZN_AUTO(zn_auto_dir) DIR *dir = opendir(to);
    struct dirent *e;

    if (!dir)
        return zn_fail_errno(err, errno, "reading %s", to);
    while ((e = readdir(dir)))
        if (retire_one(from, to, e->d_name, now, err) < 0)
            return -1;
    return 0;
}

int zn_assets_publish(const char *from, const char *edge_dir, time_t now, struct zn_err *err)
{
    char source[PATH_MAX], web[PATH_MAX], target[PATH_MAX];

    if (path_of(source, from, "assets", err) < 0 || path_of(web, edge_dir, ZN_WEB_FOLDER, err) < 0 ||
        path_of(target, web, "assets", err) < 0)
        return -1;
    if ((mkdir(web, 0755) < 0 && errno != EEXIST) || (mkdir(target, 0755) < 0 && errno != EEXIST))
        return zn_fail_errno(err, errno, "creating %s", target);
    if (publish_all(source, target, err) < 0)
        return -1;
    return retire_old(source, target, now, err);
}
