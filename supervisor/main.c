/* zane-supervisor: boots and watches the platform. SIGTERM or SIGINT ends the supervisor alone and
 * leaves the components running (that is how it is itself upgraded); POST /v1/stop stops the platform
 * first. Exit codes: 0 after a signal, 1 cannot start, 2 bad usage or configuration, 3 another one
 * runs, 100 the platform was stopped on request. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/handoff.h"
#include "supervisor/server.h"
#include "supervisor/supervisor.h"

enum { EXIT_USAGE = 2, EXIT_SECOND = 3, EXIT_STOPPED = 100 };

struct program {
    struct zn_loop *loop;
    int status;
};

static void on_signal(void *arg, int signal_number)
{
    struct program *p = arg;

    if (signal_number == SIGHUP)
        return; /* the terminal that `make run` began in went away */
    zn_info("signal %d: the supervisor ends, the components go on", signal_number);
    zn_loop_stop(p->loop);
}

static void on_stopped(void *arg)
{
    struct program *p = arg;

    p->status = EXIT_STOPPED;
    zn_loop_stop(p->loop);
}

/* The lock lives as long as the descriptor, so a crash leaves none behind. Returns it, or -1 with
 * err; ZN_CONFLICT if another process holds it. */
static int lock(const char *run, struct zn_err *err)
{
    char path[128], text[24];
    ZN_AUTO(zn_auto_fd) int fd = -1;
    zn_auto_mem char *other = NULL;
    struct zn_err ignored = { 0 };
    int n, ret;

    if (zn_mkdirs(run, 0755, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/supervisor.pid", run);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return zn_fail_errno(err, errno, "opening %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return zn_fail_errno(err, errno, "locking %s", path);
        zn_read_line_file(path, &other, &ignored);
        return zn_fail(err, ZN_CONFLICT, "zane-supervisor is already running with pid %s (%s)",
                       other && *other ? other : "unknown", path);
    }
    n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return zn_fail_errno(err, errno, "writing %s", path);
    ret = fd;
    fd = -1;
    return ret;
}

static enum zn_level level_of(const char *word)
{
    static const char *const words[] = { "error", "warn", "info", "debug" };

    for (int i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum zn_level)i;
    return ZN_LOG_INFO;
}

/* s6's readiness protocol: one newline on the given descriptor. */
static void notify(long long fd)
{
    if (fd < 3)
        return;
    if (write((int)fd, "\n", 1) != 1)
        zn_warn("readiness could not be told on descriptor %lld", fd);
    close((int)fd);
}

static int run(const struct zn_config *config, long long notify_fd, struct zn_err *err)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    static struct zn_supervisor s; /* holds all histories: too large for the stack */
    struct program p = { .status = 0 };
    struct zn_handoff *door = NULL;
    struct zn_server *server = NULL;
    int r = -1;

    if (zn_loop_open(&p.loop, err) < 0)
        return -1;
    if (zn_loop_signals(p.loop, signals, 3, on_signal, &p, err) < 0 ||
        zn_supervisor_init(&s, config, p.loop, err) < 0)
        goto close_loop;
    s.stopped = on_stopped;
    s.stopped_arg = &p;
    if (zn_handoff_start(p.loop, config->run, config->embedded, &door, err) < 0 ||
        zn_server_start(&s, door, &server, err) < 0)
        goto close_all;
    zn_supervisor_start(&s);
    notify(notify_fd);
    zn_loop_run(p.loop);
    r = p.status;
    if (r == EXIT_STOPPED && zn_handoff_leave(door, config->run, err) < 0)
        zn_error("containers that log will hang until the next start: %s", err->msg);
close_all:
    if (server)
        zn_server_stop(server);
    if (door)
        zn_handoff_stop(door);
    zn_supervisor_done(&s);
close_loop:
    zn_loop_close(p.loop);
    return r;
}

int main(int argc, char **argv)
{
    struct zn_config config;
    struct zn_err err = { 0 };
    long long notify_fd = -1;
    ZN_AUTO(zn_auto_fd) int locked = -1;
    int r;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        zn_config_help(stdout);
        return 0;
    }
    bool show = argc == 2 && strcmp(argv[1], "--config") == 0;
    if (argc > 2 || (argc == 2 && !show && (!zn_starts_with(argv[1], "--notify-fd=") ||
                                   !zn_parse_i64(argv[1] + 12, 3, 255, &notify_fd)))) {
        fprintf(stderr, "usage: zane-supervisor [--help | --config | --notify-fd=N]\n");
        return EXIT_USAGE;
    }
    if (zn_config_load(environ, &config, &err) < 0) {
        fprintf(stderr, "zane-supervisor: %s\n", err.msg);
        return EXIT_USAGE;
    }
    if (show) {
        zn_config_show(&config, stdout);
        return 0;
    }
    zn_log_setup("supervisor", level_of(config.log_level));
    umask(022);
    locked = lock(config.run, &err);
    if (locked < 0) {
        fprintf(stderr, "zane-supervisor: %s\n", err.msg);
        return err.code == ZN_CONFLICT ? EXIT_SECOND : 1;
    }
    r = run(&config, notify_fd, &err);
    if (r < 0)
        zn_error("cannot start why=\"%s\"", err.msg);
    return r < 0 ? 1 : r;
}
