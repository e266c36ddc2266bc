#include "supervisor/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"

enum { RETRY_MS = 500, GIVE_MS = 10 * 1000 };

struct holder {
    char door[108], log_path[108], pid_path[108];
    struct stat log_file; /* what log_path led to at the start */
    int log_fd;
    int *fds; /* with log_fd; sorted */
    size_t n;
};

/* Waits until the supervisor has room for it. */
static bool give(int conn, const char *text, int fd)
{
    return zn_send_fd(conn, text, strlen(text), fd, 0) == 0;
}

/* True once the supervisor has read everything: it sees our end after it, and hangs up. */
static bool taken(int conn)
{
    int64_t end = zn_now_ms() + GIVE_MS;
    char text[256];

    if (shutdown(conn, SHUT_WR) < 0)
        return false;
    while (zn_now_ms() < end) {
        struct pollfd pf = { .fd = conn, .events = POLLIN };
        if (poll(&pf, 1, RETRY_MS) == 1 && recv(conn, text, sizeof text, MSG_DONTWAIT) == 0)
            return true;
    }
    return false;
}

static bool hand_back(const struct holder *h)
{
    struct timeval patience = { .tv_sec = GIVE_MS / 1000 };
    ZN_AUTO(zn_auto_fd) int conn = zn_dial_unix(h->door, SOCK_SEQPACKET);

    if (conn < 0 || setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
        !give(conn, "{\"name\":\"" ZN_HOLDER_NAME "\",\"fd\":true}", h->log_fd))
        return false;
    for (size_t i = 0; i < h->n; i++)
        if (h->fds[i] != h->log_fd && !give(conn, "{\"conn\":true}", h->fds[i]))
            return false;
    return taken(conn);
}

/* True while the engine's containers find our socket under its path. */
static bool still_wanted(const struct holder *h)
{
    struct stat now;

    return stat(h->log_path, &now) == 0 && now.st_dev == h->log_file.st_dev &&
           now.st_ino == h->log_file.st_ino;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Nothing else stays open: not the supervisor's lock, and not the pipe of its log. */
static void close_others(const struct holder *h)
{
    unsigned from = 3;

    for (size_t i = 0; i < h->n; i++) {
        if ((unsigned)h->fds[i] > from)
            close_range(from, (unsigned)h->fds[i] - 1, 0);
        from = (unsigned)h->fds[i] + 1;
    }
    close_range(from, ~0U, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    if (null >= 3)
        close(null);
}

static void write_pid(const char *path)
{
    ZN_AUTO(zn_auto_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd >= 0)
        dprintf(fd, "%ld\n", (long)getpid());
}

static _Noreturn void run(struct holder *h)
{
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "zane-log-holder");
    if (chdir("/") < 0)
        _exit(1);
    close_others(h);
    write_pid(h->pid_path);
    while (still_wanted(h) && !hand_back(h))
        zn_pause_ms(RETRY_MS);
    unlink(h->pid_path);
    _exit(0);
}

int zn_holder_start(const char *run_dir, int log_fd, const int *fds, size_t n, struct zn_err *err)
{
    struct holder h = { .log_fd = log_fd, .n = n };
    pid_t pid;

    if (snprintf(h.door, sizeof h.door, "%s/logs/handoff.sock", run_dir) >= (int)sizeof h.door ||
        snprintf(h.log_path, sizeof h.log_path, "%s/logs/fluent.sock", run_dir) >=
            (int)sizeof h.log_path ||
        snprintf(h.pid_path, sizeof h.pid_path, "%s/log-holder.pid", run_dir) >=
            (int)sizeof h.pid_path)
        return zn_fail(err, ZN_INVALID, "path longer than 107 bytes: %s", run_dir);
    if (stat(h.log_path, &h.log_file) < 0)
        return zn_fail_errno(err, errno, "%s", h.log_path);
    h.fds = malloc((n + 1) * sizeof *h.fds);
    if (!h.fds)
        return zn_fail(err, ZN_INTERNAL, "log holder: out of memory");
    memcpy(h.fds, fds, n * sizeof *fds);
    h.fds[h.n++] = log_fd;
    qsort(h.fds, h.n, sizeof *h.fds, by_number);
    pid = fork();
    if (pid == 0)
        run(&h);
    free(h.fds);
    return pid < 0 ? zn_fail_errno(err, errno, "starting the log holder") : 0;
}
