#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static time_t day(int n)
{
    return time(NULL) + n * 86400;
}

static void publish(int on_day)
{
    struct zn_err err = { 0 };

    cr_assert_eq(zn_assets_publish(from, edge, day(on_day), &err), 0, "%s", err.msg);
}

static void drop(const char *name)
{
    char path[2 * PATH_MAX];

    snprintf(path, sizeof path, "%s/assets/%s", from, name);
    cr_assert_eq(unlink(path), 0);
}

TestSuite(assets, .init = setup, .timeout = 10);

Test(assets, are_copied_for_everybody_to_read)
{
    put(from, "a-1.js", "one");
    publish(0);
    cr_expect_eq(published("a-1.js").st_size, 3);
    cr_expect_eq(published("a-1.js").st_mode & 0777, 0644);
}

Test(assets, of_an_earlier_version_stay_for_30_days_after_it)
{
    put(from, "a-1.js", "one");
    publish(0);
    drop("a-1.js");
    put(from, "a-2.js", "two!");
    publish(400); /* however long it ran */
    cr_expect_eq(published("a-1.js").st_size, 3);
    cr_expect_eq(published("a-2.js").st_size, 4);
    publish(429);
    cr_expect_eq(published("a-1.js").st_size, 3);
    publish(431);
    cr_expect_eq(published("a-1.js").st_size, -1);
    cr_expect_eq(published("a-2.js").st_size, 4);
}

Test(assets, that_are_still_in_use_never_grow_old)
{
    put(from, "a-1.js", "one");
    publish(0);
    publish(400);
    publish(800);
    cr_expect_eq(published("a-1.js").st_size, 3);
}

Test(assets, that_come_back_are_in_use_again)
{
    put(from, "a-1.js", "one");
    publish(0);
    drop("a-1.js");
    publish(10);
    put(from, "a-1.js", "one");
    publish(20);
    drop("a-1.js");
    publish(50);
    cr_expect_eq(published("a-1.js").st_size, 3);
}

Test(assets, that_were_cut_off_are_made_whole)
{
    put(from, "a-1.js", "one and all");
    publish(0);
    put(edge, "x", "");
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/web/assets/a-1.js", edge);
    cr_assert_eq(truncate(path, 3), 0);
    publish(0);
    cr_expect_eq(published("a-1.js").st_size, 11);
}

enum { MANY = 24, LENGTH = 1 << 20 };

static void put_many(void)
{
    char name[32];
    char *text = malloc(LENGTH + 1);

    memset(text, 'z', LENGTH);
    text[LENGTH] = '\0';
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "big-%d.js", i);
        put(from, name, text);
    }
    free(text);
}

/* How many are there under their names; each must be whole. */
static int whole(void)
{
    char name[32];
    int n = 0;

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "big-%d.js", i);
        off_t size = published(name).st_size;
        cr_assert(size == -1 || size == LENGTH, "%s has %lld bytes", name, (long long)size);
        n += size == LENGTH;
    }
    return n;
}

/* Kills one that publishes as soon as another file is there; true if it was not done by then. */
static bool killed_in_the_middle(int had)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct zn_err err = { 0 };
        _exit(zn_assets_publish(from, edge, day(0), &err) < 0);
    }
    cr_assert_gt(child, 0);
    pid_t ended = 0;
    while (whole() <= had && (ended = waitpid(child, &status, WNOHANG)) == 0)
        ;
    if (!ended) {
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, &status, 0), child);
    }
    cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

Test(assets, are_whole_at_every_moment_and_after_any_kill, .timeout = 60)
{
    int kills = 0;

    put_many();
    while (whole() < MANY)
        kills += killed_in_the_middle(whole());
    cr_expect_gt(kills, 0);
}

Test(assets, left_half_written_by_a_kill_go)
{
    put(from, "a-1.js", "one");
    publish(0);
    char path[2 * PATH_MAX];
    struct zn_err err = { 0 };
    snprintf(path, sizeof path, "%s/web/assets/a-2.js.new.77", edge);
    cr_assert_eq(zn_write_file(path, "ha", 2, 0644, &err), 0);
    publish(31);
    cr_expect_eq(published("a-2.js.new.77").st_size, -1);
}

Test(assets, that_are_none_are_no_error)
{
    publish(0);
}

Test(assets, say_what_cannot_be_written)
{
    struct zn_err err = { 0 };

    put(from, "a-1.js", "one");
    snprintf(edge, sizeof edge, "/proc/nowhere");
    cr_expect_eq(zn_assets_publish(from, edge, day(0), &err), -1);
    cr_expect(strstr(err.msg, "/proc/nowhere"), "%s", err.msg);
}
