#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "zaned/proxy/assets.h"

static char from[PATH_MAX], edge[PATH_MAX];

static void setup(void)
{
    snprintf(from, sizeof from, "/tmp/assets-from-XXXXXX");
    snprintf(edge, sizeof edge, "/tmp/assets-edge-XXXXXX");
    cr_assert(mkdtemp(from) && mkdtemp(edge));
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[2 * PATH_MAX];
    struct zn_err err = { 0 };

    snprintf(path, sizeof path, "%s/assets", folder);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/assets/%s", folder, name);
    cr_assert_eq(zn_write_file(path, text, strlen(text), 0600, &err), 0, "%s", err.msg);
}

static struct stat published(const char *name)
{
    char path[2 * PATH_MAX];
    struct stat st = { 0 };

    snprintf(path, sizeof path, "%s/web/assets/%s", edge, name);
    if (stat(path, &st) < 0)
        st.st_size = -1;
    return st;
}

static void age(const char *name, int days)
{
    char path[2 * PATH_MAX];
    struct timespec t[2] = { { .tv_sec = time(NULL) - days * 86400 }, { .tv_sec = time(NULL) - days * 86400 } };

    snprintf(path, sizeof path, "%s/web/assets/%s", edge, name);
    cr_assert_eq(utimensat(AT_FDCWD, path, t, 0), 0);
}

static void publish(void)
{
    struct zn_err err = { 0 };

    cr_assert_eq(zn_assets_publish(from, edge, &err), 0, "%s", err.msg);
}

TestSuite(assets, .init = setup, .timeout = 10);

Test(assets, are_copied_for_everybody_to_read)
{
    put(from, "a-1.js", "one");
    publish();
    cr_expect_eq(published("a-1.js").st_size, 3);
    cr_expect_eq(published("a-1.js").st_mode & 0777, 0644);
}

Test(assets, of_an_earlier_version_stay_until_nobody_asks_for_them)
{
    put(from, "a-1.js", "one");
    publish();
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/assets/a-1.js", from);
    unlink(path);
    put(from, "a-2.js", "two!");
    age("a-1.js", 29);
    publish();
    cr_expect_eq(published("a-1.js").st_size, 3);
    cr_expect_eq(published("a-2.js").st_size, 4);
    age("a-1.js", 31);
    publish();
    cr_expect_eq(published("a-1.js").st_size, -1);
}

Test(assets, that_are_still_in_use_never_grow_old)
{
    put(from, "a-1.js", "one");
    publish();
    age("a-1.js", 400);
    publish();
    cr_expect_eq(published("a-1.js").st_size, 3);
}

Test(assets, that_were_cut_off_are_made_whole)
{
    put(from, "a-1.js", "one and all");
    publish();
    put(edge, "x", "");
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/web/assets/a-1.js", edge);
    cr_assert_eq(truncate(path, 3), 0);
    publish();
    cr_expect_eq(published("a-1.js").st_size, 11);
}

Test(assets, left_half_written_by_a_kill_go)
{
    put(from, "a-1.js", "one");
    publish();
    char path[2 * PATH_MAX];
    struct zn_err err = { 0 };
    snprintf(path, sizeof path, "%s/web/assets/a-2.js.new.77", edge);
    cr_assert_eq(zn_write_file(path, "ha", 2, 0644, &err), 0);
    age("a-2.js.new.77", 31);
    publish();
    cr_expect_eq(published("a-2.js.new.77").st_size, -1);
}

Test(assets, that_are_none_are_no_error)
{
    publish();
}

Test(assets, say_what_cannot_be_written)
{
    struct zn_err err = { 0 };

    put(from, "a-1.js", "one");
    snprintf(edge, sizeof edge, "/proc/nowhere");
    cr_expect_eq(zn_assets_publish(from, edge, &err), -1);
    cr_expect(strstr(err.msg, "/proc/nowhere"), "%s", err.msg);
}
