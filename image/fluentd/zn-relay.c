/* Entry program of the fluentd image: runs fluentd and carries the engine's log connections to it.
 *
 * Docker's driver speaks Forward over a unix socket and waits for nobody; fluentd's in_forward
 * acknowledges, but listens on TCP. So the relay accepts on the log socket that the supervisor hands
 * over, peeks at what lies in a connection's queue, sends it to in_forward on loopback as one batch with
 * a chunk id, and reads those bytes away only when fluentd has acknowledged the batch, which it does
 * once its file buffer holds it. The supervisor keeps a descriptor of each connection: what is in a
 * queue outlives relay and fluentd (docs/internals.md, "Log socket hand-over").
 *
 * Ready = in_forward acknowledges a message to itself every half second and the monitor agent answers;
 * GET on 127.0.0.1:24221 says it to the health check. fluentd's end is the relay's end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

enum {
    MONITOR_PORT = 24220,
    STATUS_PORT = 24221,
    LINKS_MAX = 4096, /* as many as the supervisor keeps */
    PROBE_EVERY_MS = 500,
    PROBE_MS = 1000,        /* answer to one probe */
    MONITOR_EVERY_MS = 5000,
    MONITOR_MS = 3000,
    SAY_EVERY_MS = 400,
    RETRY_MS = 1000,
    DRAIN_MS = 1000,
    SOON_MS = 5,
    STOP_MS = 8000,
};

static const char handoff_path[] = "/run/zane-logs/handoff.sock";
static char *const fluentd_argv[] = { "/usr/bin/ruby", "/usr/lib/fluentd/bin/fluentd",
                                      "--no-supervisor", "-c", "/etc/zane/fluentd.conf", "-p",
                                      "/etc/zane/plugins", NULL };
extern char **environ;

static int ep;
static pid_t child;

static struct {
    struct source conn, listener;
    int listen_fd; /* handed over; registered only while accepting */
    bool said_ready;
    int64_t said_at, retry_at;
    bool warned;
} hand = { .conn.fd = -1, .listener.fd = -1, .listen_fd = -1 };

static struct {
    struct source forward, monitor;
    int64_t forward_sent, forward_ok, monitor_sent, monitor_ok; /* 0 = never */
    size_t got; /* bytes of the acknowledgement */
} probe = { .forward.fd = -1, .monitor.fd = -1 };

static bool stopping, drained; /* drained: no batch is out any more */
static int64_t stop_at;

int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("zn-relay: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

int watch(struct source *s, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = s };

    return epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev);
}

void rewatch(struct source *s, uint32_t *now, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = s };

    if (*now != events && epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &ev) == 0)
        *now = events;
}

void drop(struct source *s)
{
    if (s->fd >= 0) {
        epoll_ctl(ep, EPOLL_CTL_DEL, s->fd, NULL);
        close(s->fd);
    }
    s->fd = -1;
}

int dial_loopback(int port)
{
    struct sockaddr_in sa = { AF_INET, htons((uint16_t)port), { htonl(INADDR_LOOPBACK) }, { 0 } };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

/* --- probes --------------------------------------------------------------------------------------- */

/* ["zane.probe", 0, {}, {"chunk": "p"}] and its acknowledgement {"ack": "p"}. */
static const char forward_probe[] = "\x94\xaazane.probe\x00\x80\x81\xa5" "chunk\xa1p";
static const char forward_answer[] = "\x81\xa3" "ack\xa1p";
static const char monitor_probe[] = "GET /api/config.json HTTP/1.0\r\nHost: localhost\r\n\r\n";

static void on_forward_probe(struct source *self, uint32_t events)
{
    char in[64];
    ssize_t n;

    (void)events;
    if (self->fd < 0)
        return;
    n = recv(self->fd, in, sizeof in, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || probe.got + (size_t)n > sizeof forward_answer - 1 ||
        memcmp(in, forward_answer + probe.got, (size_t)n) != 0) {
        drop(self);
        return;
    }
    probe.got += (size_t)n;
    if (probe.got == sizeof forward_answer - 1) {
        probe.got = 0;
        probe.forward_ok = now_ms();
        probe.forward_sent = 0;
    }
}

static void on_monitor_probe(struct source *self, uint32_t events)
{
    char in[512];
    ssize_t n;

    (void)events;
    if (self->fd < 0)
        return;
    n = recv(self->fd, in, sizeof in, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n >= 12 && memcmp(in, "HTTP/1.", 7) == 0 && memcmp(in + 8, " 200", 4) == 0)
        probe.monitor_ok = now_ms();
    drop(self);
}

/* Connects if needed and sends; a send that fails shows as a missing answer. */
static void ask(struct source *s, void (*fn)(struct source *, uint32_t), int port, const char *text,
                size_t n)
{
    if (s->fd < 0) {
        s->fn = fn;
        s->fd = dial_loopback(port);
        if (s->fd < 0)
            return;
        if (watch(s, EPOLLIN) < 0)
            drop(s);
    }
    if (s->fd >= 0 && send(s->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN &&
        errno != ENOTCONN)
        drop(s);
}

static void run_probes(int64_t now)
{
    static int64_t forward_due, monitor_due;

    if (probe.forward_sent && now - probe.forward_sent >= PROBE_MS) {
        drop(&probe.forward);
        probe.forward_sent = 0;
        probe.got = 0;
    }
    if (!probe.forward_sent && now >= forward_due) {
        forward_due = now + PROBE_EVERY_MS;
        ask(&probe.forward, on_forward_probe, FORWARD_PORT, forward_probe,
            sizeof forward_probe - 1);
        probe.forward_sent = probe.forward.fd >= 0 ? now : 0;
    }
    if (probe.monitor.fd >= 0 && now - probe.monitor_sent >= MONITOR_MS)
        drop(&probe.monitor);
    if (probe.monitor.fd < 0 && now >= monitor_due) {
        monitor_due = now + (probe.monitor_ok ? MONITOR_EVERY_MS : PROBE_EVERY_MS);
        probe.monitor_sent = now;
        ask(&probe.monitor, on_monitor_probe, MONITOR_PORT, monitor_probe, sizeof monitor_probe - 1);
    }
}

/* Why no line should come here now, or NULL. */
static const char *not_ready(int64_t now)
{
    if (stopping && drained)
        return "stopping";
    if (!probe.forward_ok)
        return "fluentd is starting";
    if (now - probe.forward_ok > PROBE_EVERY_MS + PROBE_MS)
        return "fluentd does not acknowledge";
    if (!probe.monitor_ok)
        return "fluentd's monitor agent is starting";
    if (now - probe.monitor_ok > MONITOR_EVERY_MS + 2 * MONITOR_MS)
        return "fluentd's monitor agent does not answer";
    if (links_superseded(now)) /* the supervisor shall choose anew */
        return "another collector reads the log connections";
    return hand.listen_fd < 0 ? "waiting for the log socket" : NULL;
}

/* --- hand-over ------------------------------------------------------------------------------------ */

bool handoff_up(void)
{
    return hand.conn.fd >= 0;
}

int handoff_send(const char *text, int pass_fd)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (pass_fd >= 0) {
        struct cmsghdr *c;
        m.msg_control = control.room;
        m.msg_controllen = sizeof control.room;
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &pass_fd, sizeof pass_fd);
    }
    if (sendmsg(hand.conn.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 1;
    return errno == EAGAIN || errno == ETOOMANYREFS ? 0 : -1;
}

static void hang_up(int64_t now)
{
    drop(&hand.conn);
    hand.retry_at = now + RETRY_MS;
}

/* False: the supervisor counts on a descriptor that did not arrive; it sends all of them again to who
 * connects again. */
static bool obey(const char *text, int fd)
{
    const char *cmd = strstr(text, "\"cmd\"");

    cmd = cmd ? cmd + strcspn(cmd, ":") : "";
    cmd += strcspn(cmd, "\"");
    if (strncmp(cmd, "\"fd\"", 4) == 0 && fd >= 0) {
        if (hand.listener.fd >= 0)
            epoll_ctl(ep, EPOLL_CTL_DEL, hand.listener.fd, NULL);
        hand.listener.fd = -1;
        if (hand.listen_fd >= 0)
            close(hand.listen_fd);
        hand.listen_fd = fd;
        return true;
    }
    if (strncmp(cmd, "\"conn\"", 6) == 0) {
        if (fd >= 0)
            links_open(fd, true);
        return fd >= 0;
    }
    if (fd >= 0)
        close(fd);
    if (strncmp(cmd, "\"accept\"", 8) == 0)
        links_accept(true);
    else if (strncmp(cmd, "\"hold\"", 6) == 0)
        links_accept(false);
    else
        say("unknown command from the supervisor: %.60s", text);
    return true;
}

static int first_fd(struct msghdr *m)
{
    int ret = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (ret < 0)
                ret = fd;
            else
                close(fd);
        }
    }
    return ret;
}

static void on_handoff(struct source *self, uint32_t events)
{
    char text[1025];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control;

    (void)events;
    while (self->fd >= 0) {
        struct iovec iov = { .iov_base = text, .iov_len = sizeof text - 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
                            .msg_controllen = sizeof control.room };
        ssize_t n = recvmsg(self->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            say("the supervisor closed the hand-over; its last command stands");
            hang_up(now_ms());
            return;
        }
        text[n] = '\0';
        if (!obey(text, first_fd(&m))) {
            say("a log connection did not arrive: too many open files");
            hang_up(now_ms());
        }
    }
}

/* Says who we are and gives a descriptor that we hold back to a supervisor that was restarted. */
static void introduce(int64_t now)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    const char *hello = hand.listen_fd >= 0 ? "{\"name\":\"fluentd\",\"fd\":true}"
                                            : "{\"name\":\"fluentd\"}";

    memcpy(sa.sun_path, handoff_path, sizeof handoff_path);
    hand.conn = (struct source){ on_handoff, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
    if (hand.conn.fd < 0 || connect(hand.conn.fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
        watch(&hand.conn, EPOLLIN) < 0 || handoff_send(hello, hand.listen_fd) <= 0) {
        if (!hand.warned)
            say("%s: %s; trying every second", handoff_path, strerror(errno));
        hand.warned = true;
        hang_up(now);
        return;
    }
    hand.warned = false;
    hand.said_at = 0;
    links_bring_again();
}

static void on_listener(struct source *self, uint32_t events)
{
    (void)events;
    for (int i = 0; i < 64 && self->fd >= 0 && links_count() < LINKS_MAX; i++) {
        int fd = accept4(self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        links_open(fd, false);
    }
}

static void run_handoff(int64_t now)
{
    const char *why = not_ready(now);
    bool accepting;
    char text[256];

    if (hand.conn.fd < 0 && now >= hand.retry_at)
        introduce(now);
    if (hand.conn.fd >= 0 &&
        (!hand.said_at || hand.said_ready != !why || now - hand.said_at >= SAY_EVERY_MS)) {
        if (hand.said_ready != !why)
            say("%s", why ? why : "ready");
        snprintf(text, sizeof text, why ? "{\"state\":\"down\",\"why\":\"%s\"}" : "{\"state\":\"ready\"}",
                 why);
        hand.said_at = now;
        hand.said_ready = !why;
        if (handoff_send(text, -1) < 0)
            hang_up(now);
    }
    accepting = links_reading() && !stopping && hand.listen_fd >= 0 && links_count() < LINKS_MAX;
    if (accepting && hand.listener.fd < 0) {
        hand.listener = (struct source){ on_listener, hand.listen_fd };
        if (watch(&hand.listener, EPOLLIN) < 0)
            hand.listener.fd = -1;
    } else if (!accepting && hand.listener.fd >= 0) {
        epoll_ctl(ep, EPOLL_CTL_DEL, hand.listener.fd, NULL);
        hand.listener.fd = -1;
    }
}

/* --- status --------------------------------------------------------------------------------------- */

struct visitor {
    struct source s;
    int64_t since;
};
static struct visitor visitors[8];

static void on_visitor(struct source *self, uint32_t events)
{
    const char *why = not_ready(now_ms());
    char in[1024], out[256];

    (void)events;
    if (self->fd < 0)
        return;
    if (recv(self->fd, in, sizeof in, MSG_DONTWAIT) > 0) {
        int n = snprintf(out, sizeof out, "HTTP/1.0 %s\r\nContent-Type: text/plain\r\n\r\n%s, %s, %u links\n",
                         why ? "503 Service Unavailable" : "200 OK", why ? why : "ready",
                         links_reading() ? "accepting" : "holding", links_count());
        (void)!send(self->fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    drop(self);
}

static void on_status(struct source *self, uint32_t events)
{
    int fd = accept4(self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    for (size_t i = 0; fd >= 0 && i < sizeof visitors / sizeof *visitors; i++)
        if (visitors[i].s.fd < 0) {
            visitors[i] = (struct visitor){ { on_visitor, fd }, now_ms() };
            if (watch(&visitors[i].s, EPOLLIN) < 0)
                drop(&visitors[i].s);
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void open_status(struct source *s)
{
    struct sockaddr_in sa = { AF_INET, htons(STATUS_PORT), { htonl(INADDR_LOOPBACK) }, { 0 } };
    int one = 1;

    for (size_t i = 0; i < sizeof visitors / sizeof *visitors; i++)
        visitors[i].s.fd = -1;
    *s = (struct source){ on_status, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(s->fd, 8) < 0 ||
        watch(s, EPOLLIN) < 0) {
        say("listening on 127.0.0.1:%d: %s", STATUS_PORT, strerror(errno));
        exit(1);
    }
}

/* --- life ----------------------------------------------------------------------------------------- */

static void on_signal(struct source *self, uint32_t events)
{
    struct signalfd_siginfo si;
    int status;

    (void)events;
    while (read(self->fd, &si, sizeof si) == sizeof si) {
        if (si.ssi_signo != SIGCHLD && !stopping) {
            say("stopping");
            stopping = true;
            stop_at = now_ms();
        }
    }
    if (waitpid(child, &status, WNOHANG) != child)
        return;
    if (!stopping)
        say("fluentd ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    exit(stopping ? 0 : 1);
}

static void start_fluentd(void)
{
    posix_spawnattr_t attr;
    sigset_t none;
    int r;

    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    r = posix_spawn(&child, fluentd_argv[0], NULL, &attr, fluentd_argv, environ);
    posix_spawnattr_destroy(&attr);
    if (r) {
        say("starting %s: %s", fluentd_argv[0], strerror(r));
        exit(1);
    }
}

static void open_signals(struct source *s)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *s = (struct source){ on_signal, signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
    if (watch(s, EPOLLIN) < 0) {
        say("signalfd: %s", strerror(errno));
        exit(1);
    }
}

/* First the batches on their way, then fluentd, which flushes nothing: its buffer is on disk. */
static void run_stop(int64_t now)
{
    if (!stopping)
        return;
    if (!drained && (!links_busy() || now - stop_at >= DRAIN_MS)) {
        drained = true;
        kill(child, SIGTERM);
    }
    if (now - stop_at >= STOP_MS)
        kill(child, SIGKILL);
}

static void raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < LINKS_MAX + 64) {
        r.rlim_cur = r.rlim_max < LINKS_MAX + 64 ? r.rlim_max : LINKS_MAX + 64;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

int main(void)
{
    static struct source signals, status;
    struct epoll_event ev[64];

    ep = epoll_create1(EPOLL_CLOEXEC);
    raise_file_limit();
    open_signals(&signals);
    open_status(&status);
    start_fluentd();
    for (;;) {
        int64_t now = now_ms();
        bool soon;
        int n;
        run_probes(now);
        run_handoff(now);
        run_stop(now);
        soon = links_run(!stopping, now);
        for (size_t i = 0; i < sizeof visitors / sizeof *visitors; i++)
            if (visitors[i].s.fd >= 0 && now - visitors[i].since > PROBE_MS)
                drop(&visitors[i].s);
        n = epoll_wait(ep, ev, 64, soon ? SOON_MS : 100);
        for (int i = 0; i < n; i++) {
            struct source *s = ev[i].data.ptr;
            s->fn(s, ev[i].events);
        }
    }
}
