/* The disk buffer: order, torn ends, kills, limits, a full disk. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "zaned/logs/spool.h"

static char dir[] = "/tmp/zn-spool-XXXXXX";
static struct zn_err err;

static void make_dir(void)
{
    cr_assert(mkdtemp(dir));
}

static void remove_dir(void)
{
    char *argv[] = { "/bin/rm", "-rf", dir, NULL };
    pid_t pid = fork();

    if (pid == 0) {
        execv(argv[0], argv);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
}

TestSuite(spool, .init = make_dir, .fini = remove_dir, .timeout = 60);

static struct zn_spool *open_spool(uint64_t max)
{
    struct zn_spool *s = NULL;

    cr_assert_eq(zn_spool_open(dir, max, &s, &err), 0, "%s", err.msg);
    return s;
}

static void put(struct zn_spool *s, int n)
{
    char text[32];

    snprintf(text, sizeof text, "%d", n);
    cr_assert_eq(zn_spool_add(s, text, strlen(text), &err), 0);
    cr_assert_eq(zn_spool_commit(s, &err), 0, "%s", err.msg);
}

/* Takes and drops everything; returns the numbers in order as one JSON array. */
static json_t *drain(struct zn_spool *s)
{
    struct zn_buf b = ZN_BUF(8 << 20);
    json_t *all = json_array();
    uint64_t id;

    while (zn_spool_take(s, &b, &id, &err) > 0) {
        zn_auto_json part = json_loadb(b.mem, b.len, 0, NULL);
        cr_assert(json_is_array(part), "%.*s", (int)(b.len > 200 ? 200 : b.len), b.mem);
        json_array_extend(all, part);
        cr_assert_eq(zn_spool_drop(s, id, &err), 0);
    }
    zn_buf_done(&b);
    return all;
}

static void expect_count(json_t *all, size_t n)
{
    cr_expect_eq(json_array_size(all), n, "%zu records, not %zu", json_array_size(all), n);
    for (size_t i = 0; i < json_array_size(all); i++)
        cr_assert_eq(json_integer_value(json_array_get(all, i)), (json_int_t)i, "order at %zu", i);
    json_decref(all);
}

Test(spool, gives_back_in_order_and_empties)
{
    struct zn_spool *s = open_spool(1 << 30);
    struct zn_spool_stats st;

    for (int i = 0; i < 1000; i++)
        put(s, i);
    expect_count(drain(s), 1000);
    zn_spool_stats(s, &st);
    cr_expect_eq(st.bytes, 0);
    cr_expect_eq(st.segments, 0);
    put(s, 0);
    expect_count(drain(s), 1);
    zn_spool_close(s);
}

Test(spool, keeps_over_a_restart_and_refuses_a_second_owner)
{
    struct zn_spool *s = open_spool(1 << 30), *second = NULL;

    for (int i = 0; i < 10; i++)
        put(s, i);
    cr_expect_eq(zn_spool_open(dir, 1 << 30, &second, &err), -1);
    cr_expect_eq(err.code, ZN_CONFLICT);
    zn_spool_close(s);
    s = open_spool(1 << 30);
    for (int i = 10; i < 20; i++)
        put(s, i);
    expect_count(drain(s), 20);
    zn_spool_close(s);
}

Test(spool, one_segment_is_at_most_a_batch)
{
    struct zn_spool *s = open_spool(1 << 30);
    struct zn_buf b = ZN_BUF(8 << 20);
    char *big = malloc(200000);
    uint64_t id;
    int segments = 0;

    memset(big, '1', 200000);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(zn_spool_add(s, big, 200000, &err), 0);
    cr_assert_eq(zn_spool_commit(s, &err), 0);
    cr_expect_eq(zn_spool_add(s, big, ZN_RECORD_MAX + 1, &err), -1);
    while (zn_spool_take(s, &b, &id, &err) > 0) {
        cr_expect(b.len <= 1 << 20, "batch of %zu bytes", b.len);
        zn_spool_drop(s, id, &err);
        segments++;
    }
    cr_expect_eq(segments, 7);
    free(big);
    zn_buf_done(&b);
    zn_spool_close(s);
}

static char *only_segment(char path[300])
{
    char found[256] = "";
    FILE *ls;
    char cmd[64];

    snprintf(cmd, sizeof cmd, "ls %s/*.log", dir);
    ls = popen(cmd, "r");
    cr_assert(fgets(found, sizeof found, ls));
    pclose(ls);
    found[strcspn(found, "\n")] = '\0';
    snprintf(path, 300, "%s", found);
    return path;
}

/* A crash can cut the file at any byte: everything before the cut frame is kept. */
Test(spool, a_cut_at_any_byte_loses_only_the_cut_record)
{
    struct zn_spool *s = open_spool(1 << 30);
    char path[300];
    struct stat st;

    for (int i = 0; i < 8; i++)
        put(s, i);
    zn_spool_close(s);
    stat(only_segment(path), &st);
    cr_assert_eq(st.st_size, 8 * 9);
    for (off_t cut = st.st_size; cut-- > 0;) {
        struct zn_spool_stats stats;
        cr_assert_eq(truncate(path, cut), 0);
        s = open_spool(1 << 30);
        zn_spool_stats(s, &stats);
        cr_expect_eq(stats.bytes, (uint64_t)(cut - cut % 9));
        cr_expect_eq(stats.broken_bytes, (uint64_t)(cut % 9));
        zn_spool_close(s);
        if (cut < 9)
            break; /* the file is gone: nothing whole was in it */
    }
    s = open_spool(1 << 30);
    expect_count(drain(s), 0);
    zn_spool_close(s);
}

Test(spool, a_flipped_byte_is_noticed)
{
    struct zn_spool *s = open_spool(1 << 30);
    struct zn_spool_stats st;
    char path[300];
    int fd;

    for (int i = 0; i < 8; i++)
        put(s, i);
    zn_spool_close(s);
    fd = open(only_segment(path), O_RDWR);
    cr_assert_eq(pwrite(fd, "x", 1, 4 * 9 + 8), 1);
    close(fd);
    s = open_spool(1 << 30);
    zn_spool_stats(s, &st);
    cr_expect_eq(st.broken_bytes, 4 * 9);
    expect_count(drain(s), 4);
    zn_spool_close(s);
}

/* What was acknowledged (here: told through a pipe) before kill -9 is there afterwards. */
Test(spool, kill_at_any_moment_loses_nothing_acknowledged)
{
    size_t expected = 0;

    /* A busy disk takes few in a round. */
    for (int round = 0; round < 15 || (expected < 100 && round < 300); round++) {
        int p[2], last = -1, status;
        pid_t pid;
        cr_assert_eq(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
            struct zn_spool *s = NULL;
            if (zn_spool_open(dir, 1 << 30, &s, &err) < 0)
                _exit(2);
            for (int i = (int)expected;; i++) {
                char text[32];
                int n = snprintf(text, sizeof text, "%d", i);
                if (zn_spool_add(s, text, (size_t)n, &err) < 0 || zn_spool_commit(s, &err) < 0 ||
                    write(p[1], &i, sizeof i) != sizeof i)
                    _exit(3);
            }
        }
        close(p[1]);
        zn_pause_ms(5 + round % 15 * 3);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        cr_assert(WIFSIGNALED(status), "child ended by itself");
        for (int v; read(p[0], &v, sizeof v) == sizeof v;)
            last = v;
        close(p[0]);
        struct zn_spool *s = open_spool(1 << 30);
        json_t *all = drain(s);
        size_t n = json_array_size(all);
        size_t told = last < 0 ? 0 : (size_t)last + 1 - expected; /* it may be killed before the first */
        cr_assert(n >= told, "%zu of %zu", n, told);
        cr_assert(n <= told + 1);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(json_integer_value(json_array_get(all, i)), (json_int_t)(expected + i));
        expected += n;
        json_decref(all);
        zn_spool_close(s);
    }
    cr_expect(expected >= 100, "only %zu records in all rounds", expected);
}

Test(spool, a_segment_that_was_not_dropped_comes_again)
{
    struct zn_spool *s = open_spool(1 << 30);
    struct zn_buf b = ZN_BUF(1 << 20);
    uint64_t id, again;

    put(s, 0);
    cr_assert_eq(zn_spool_take(s, &b, &id, &err), 1);
    put(s, 1); /* goes to the next one */
    cr_assert_eq(zn_spool_take(s, &b, &again, &err), 1);
    cr_expect_eq(id, again);
    cr_expect(b.len == 3 && memcmp(b.mem, "[0]", 3) == 0);
    zn_spool_close(s);
    s = open_spool(1 << 30);
    expect_count(drain(s), 2);
    zn_buf_done(&b);
    zn_spool_close(s);
}

Test(spool, says_when_it_is_full_and_sets_refused_segments_aside)
{
    struct zn_spool *s = open_spool(2000);
    struct zn_buf b = ZN_BUF(1 << 20);
    struct zn_spool_stats st;
    uint64_t id;

    for (int i = 0; !zn_spool_full(s); i++) {
        cr_assert(i < 300);
        put(s, i);
    }
    cr_assert_eq(zn_spool_take(s, &b, &id, &err), 1);
    cr_assert_eq(zn_spool_refuse(s, id, &err), 0);
    cr_expect_not(zn_spool_full(s));
    zn_spool_stats(s, &st);
    cr_expect_eq(st.refused_segments, 1);
    zn_spool_close(s);
    s = open_spool(2000);
    zn_spool_stats(s, &st);
    cr_expect_eq(st.refused_segments, 1);
    put(s, 0); /* a new number, not the refused one's */
    expect_count(drain(s), 1);
    zn_buf_done(&b);
    zn_spool_close(s);
}

/* A file size limit stands for a full disk: the write fails in the middle. */
Test(spool, a_failed_write_leaves_whole_records_only)
{
    struct zn_spool *s = open_spool(1 << 30);
    struct rlimit old, small = { .rlim_cur = 100, .rlim_max = RLIM_INFINITY };
    int kept = 0;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 30; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "%d", kept);
        zn_spool_add(s, text, (size_t)n, &err);
        if (zn_spool_commit(s, &err) == 0)
            kept++;
    }
    setrlimit(RLIMIT_FSIZE, &old);
    cr_expect(kept > 5 && kept < 15, "%d", kept);
    put(s, kept);
    expect_count(drain(s), (size_t)kept + 1);
    zn_spool_close(s);
}
