/* The log socket hand-over over real sockets: the supervisor's end runs in a child, the test plays
 * the collectors and the engine. */
#ifndef TESTS_HANDOFF_PLAY_H
#define TESTS_HANDOFF_PLAY_H

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/handoff.h"

enum { PATIENCE_MS = 10000 };

static char dir[64], door[96], log_sock[96], reader[96];
static pid_t server;
static rlim_t open_files = 8192; /* the supervisor's hard limit */

static struct zn_loop *loop;

static void on_signal(void *arg, int signum)
{
    (void)arg;
    (void)signum;
    zn_loop_stop(loop);
}

/* SIGUSR1 ends it as after a stop of the platform. */
static void serve(bool embedded)
{
    static const int stop = SIGUSR1;
    struct zn_err err = { 0 };
    struct zn_handoff *h;

    close_range(3, ~0U, 0); /* no copies of the test's connections */
    zn_log_setup("test", ZN_LOG_ERROR);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ .rlim_cur = 256, .rlim_max = open_files });
    if (zn_loop_open(&loop, &err) < 0 || zn_handoff_start(loop, dir, embedded, &h, &err) < 0 ||
        zn_loop_signals(loop, &stop, 1, on_signal, NULL, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(1);
    }
    zn_loop_run(loop);
    if (zn_handoff_leave(h, dir, &err) < 0)
        fprintf(stderr, "%s\n", err.msg);
    zn_handoff_stop(h);
    _exit(0);
}

static void start(bool embedded)
{
    int64_t end = zn_now_ms() + PATIENCE_MS;
    int fd;

    server = fork();
    cr_assert_geq(server, 0);
    if (server == 0)
        serve(embedded);
    while ((fd = zn_dial_unix(door, SOCK_SEQPACKET)) < 0 && zn_now_ms() < end)
        zn_pause_ms(5);
    cr_assert_geq(fd, 0, "the supervisor's end does not come up");
    close(fd);
}

static void crash(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
}

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/zn-handoff-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(door, sizeof door, "%s/logs/handoff.sock", dir);
    snprintf(log_sock, sizeof log_sock, "%s/logs/fluent.sock", dir);
    snprintf(reader, sizeof reader, "%s/logs/reader", dir);
}

static void tear_down(void)
{
    char path[96];

    if (server)
        crash();
    unlink(door);
    unlink(log_sock);
    unlink(reader);
    snprintf(path, sizeof path, "%s/logs", dir);
    rmdir(path);
    rmdir(dir);
}

static void tell(int fd, const char *text, int pass)
{
    cr_assert_eq(zn_send_fd(fd, text, strlen(text), pass, 0), 0, "%s", strerror(errno));
}

/* The next command, or "" if none comes within ms, or "closed". *fd gets a passed descriptor. */
static inline const char *hear(int conn, int ms, int *fd)
{
    static char text[256];
    struct pollfd pf = { .fd = conn, .events = POLLIN };
    int passed;
    ssize_t n;

    if (poll(&pf, 1, ms) <= 0)
        return "";
    n = zn_recv_fd(conn, text, sizeof text - 1, &passed, 0);
    if (n <= 0)
        return "closed";
    text[n] = '\0';
    if (fd && passed >= 0)
        *fd = passed;
    else if (passed >= 0)
        close(passed);
    return text;
}

#define EXPECT(conn, want)                                                              \
    do {                                                                                \
        const char *got_ = hear(conn, PATIENCE_MS, NULL);                               \
        cr_assert_str_eq(got_, want);                                                   \
    } while (0)

/* Connects, introduces itself, gets the descriptor. */
static int join(const char *name, int *listen_fd)
{
    int conn = zn_dial_unix(door, SOCK_SEQPACKET);
    char hello[64];

    cr_assert_geq(conn, 0);
    snprintf(hello, sizeof hello, "{\"name\":\"%s\"}", name);
    *listen_fd = -1;
    tell(conn, hello, -1);
    const char *got = hear(conn, PATIENCE_MS, listen_fd);
    cr_assert_str_eq(got, "{\"cmd\":\"fd\"}");
    cr_assert_geq(*listen_fd, 0);
    return conn;
}

static void ready(int conn)
{
    tell(conn, "{\"state\":\"ready\"}", -1);
}

static int accept_one(int listen_fd)
{
    struct pollfd pf = { .fd = listen_fd, .events = POLLIN };

    cr_assert_eq(poll(&pf, 1, PATIENCE_MS), 1, "no connection arrives on the handed-over socket");
    return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
}

#endif
