#include "zaned/proxy/assets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"

enum { FILE_MAX = 8 << 20, KEPT_DAYS = 30 };

static int path_of(char ret[PATH_MAX], const char *folder, const char *name, struct zn_err *err)
{
    if (snprintf(ret, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return zn_fail(err, ZN_INVALID, "path too long: %.100s", folder);
    return 0;
}

/* A file of that name and size is that file; its time says when a version last had it. */
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
        return utimensat(AT_FDCWD, target, NULL, 0) < 0 ? zn_fail_errno(err, errno, "touching %s", target) : 0;
    if (zn_read_file(source, &b, err) < 0)
        return -1;
    return zn_write_file(target, b.mem ? b.mem : "", b.len, 0644, err);
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

static int remove_old(const char *folder, struct zn_err *err)
{
    ZN_AUTO(zn_auto_dir) DIR *dir = opendir(folder);
    time_t oldest = time(NULL) - KEPT_DAYS * 86400;
    struct dirent *e;
    struct stat st;

    if (!dir)
        return zn_fail_errno(err, errno, "reading %s", folder);
    while ((e = readdir(dir)))
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_mtime < oldest &&
            unlinkat(dirfd(dir), e->d_name, 0) < 0 && errno != ENOENT)
            return zn_fail_errno(err, errno, "removing %s/%s", folder, e->d_name);
    return 0;
}

int zn_assets_publish(const char *from, const char *edge_dir, struct zn_err *err)
{
    char source[PATH_MAX], web[PATH_MAX], target[PATH_MAX];

    if (path_of(source, from, "assets", err) < 0 || path_of(web, edge_dir, ZN_WEB_FOLDER, err) < 0 ||
        path_of(target, web, "assets", err) < 0)
        return -1;
    if ((mkdir(web, 0755) < 0 && errno != EEXIST) || (mkdir(target, 0755) < 0 && errno != EEXIST))
        return zn_fail_errno(err, errno, "creating %s", target);
    if (publish_all(source, target, err) < 0)
        return -1;
    return remove_old(target, err);
}
