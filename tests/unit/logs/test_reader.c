/* The claim on log connections: one reader, and one that was superseded finds out before it reads. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/guard.h"
#include "zaned/logs/reader.h"

static char dir[] = "/tmp/zn-reader-XXXXXX", socket_path[64], path[64];
static struct zn_reader a, b;
static struct zn_err err;

static void set_up(void)
{
    cr_assert(mkdtemp(dir));
    snprintf(socket_path, sizeof socket_path, "%s/handoff.sock", dir);
    snprintf(path, sizeof path, "%s/reader", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    cr_assert_eq(zn_reader_init(&a, socket_path, &err), 0);
    cr_assert_eq(zn_reader_init(&b, socket_path, &err), 0);
}

static void tear_down(void)
{
    zn_reader_done(&a);
    zn_reader_done(&b);
    unlink(path);
    rmdir(dir);
}

TestSuite(reader, .init = set_up, .fini = tear_down, .timeout = 5);

Test(reader, the_last_claim_counts)
{
    cr_expect_eq(zn_reader_lock(&a), ZN_READER_LOST, "nothing claimed yet");
    cr_assert_eq(zn_reader_claim(&a, &err), 1);
    cr_assert_eq(zn_reader_lock(&a), ZN_READER_OURS);
    zn_reader_unlock(&a);
    cr_assert_eq(zn_reader_claim(&b, &err), 1);
    cr_expect_eq(zn_reader_lock(&a), ZN_READER_LOST);
    cr_assert_eq(zn_reader_lock(&b), ZN_READER_OURS, "the loser left the lock alone");
    zn_reader_unlock(&b);
    cr_assert_eq(zn_reader_claim(&a, &err), 1);
    cr_expect_eq(zn_reader_lock(&a), ZN_READER_OURS);
    zn_reader_unlock(&a);
    cr_expect_eq(zn_reader_lock(&b), ZN_READER_LOST);
}

Test(reader, nobody_claims_while_one_reads)
{
    cr_assert_eq(zn_reader_claim(&a, &err), 1);
    cr_assert_eq(zn_reader_lock(&a), ZN_READER_OURS);
    cr_expect_eq(zn_reader_claim(&b, &err), 0);
    zn_reader_unlock(&a);
    cr_expect_eq(zn_reader_claim(&b, &err), 1);
}

Test(reader, a_lock_that_another_holds_is_busy)
{
    int fd = open(path, O_RDONLY);

    cr_assert_eq(zn_reader_claim(&a, &err), 1);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    cr_expect_eq(zn_reader_lock(&a), ZN_READER_BUSY);
    close(fd);
    cr_expect_eq(zn_reader_lock(&a), ZN_READER_OURS);
}

Test(reader, a_killed_one_leaves_no_lock)
{
    pid_t pid = fork();

    if (pid == 0) {
        zn_reader_claim(&a, &err);
        zn_reader_lock(&a);
        raise(SIGKILL);
    }
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_eq(zn_reader_claim(&b, &err), 1);
}

Test(reader, other_content_is_another_claim)
{
    cr_assert_eq(zn_reader_claim(&a, &err), 1);
    cr_assert_eq(truncate(path, 7), 0);
    cr_expect_eq(zn_reader_lock(&a), ZN_READER_LOST);
}

Test(reader, a_missing_file_is_said)
{
    unlink(path);
    cr_expect_eq(zn_reader_claim(&a, &err), -1);
    cr_expect(strstr(err.msg, path), "%s", err.msg);
}
