#include "supervisor/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/arbiter.h"
#include "supervisor/handoff_conns.h"
#include "supervisor/holder.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0) /* linux/un.h, which clashes with sys/un.h */
#endif

enum {
    DATAGRAM_MAX = 1024,
    LOG_BACKLOG = 4096,      /* the kernel caps it at net.core.somaxconn */
    COLLECTOR_GID = 975,
    READER_SIZE = 16,        /* the claim in logs/reader */
    AGAIN_MS = 100,          /* until the kernel may have memory for a datagram again */
    FULL_WARN_MS = 10 * 1000,
    HELLO_MS = 5000,         /* from connect to the introduction */
    TAKE_BACK_MS = 5000,     /* collectors of a running platform connect again every second */
    EVICT_MS = 10 * 1000     /* silent for so long: makes room for a newcomer */
};

struct collector {
    struct zn_handoff *h;
    struct zn_watch watch;   /* fd -1: free */
    struct zn_timer hello;   /* until it has introduced itself */
    const char *name;        /* static; NULL before the introduction */
    int slot;                /* in the arbiter; -1 before the introduction */
    bool down;               /* its last word */
    bool gone;               /* takes nothing any more; what it sent before is still read */
    bool fd_due;             /* the listening socket is still to be sent */
    enum zn_command due;     /* and this */
};

struct zn_handoff {
    struct zn_loop *loop;
    char log_path[108];
    int log_fd;              /* fluent.sock; -1 while a collector is expected to bring it back */
    bool embedded;
    struct zn_watch door;    /* handoff.sock */
    struct zn_timer settle, take_back, again;
    struct zn_arbiter arbiter;
    struct collector collectors[ZN_ARBITER_PEERS];
    struct zn_conns conns;
    int64_t full_warn_ms;    /* not before then is the full table reported again */
    const char *accepts;     /* last reported owner, for the log */
};

static void settle(void *arg);

static void hang_up(struct collector *c)
{
    struct zn_handoff *h = c->h;

    zn_watch_del(&c->watch);
    zn_auto_fd(&c->watch.fd);
    zn_timer_clear(h->loop, &c->hello);
    if (c->slot >= 0)
        zn_arbiter_leave(&h->arbiter, c->slot);
    if (c->name)
        zn_info("log collector %s: connection closed", c->name);
    c->slot = -1;
    c->name = NULL;
    c->down = c->gone = c->fd_due = false;
    c->due = ZN_CMD_NONE;
    zn_timer_set(h->loop, &h->settle, 0);
}

/* A command did not go out. */
static void put_off(struct collector *c, const char *cmd, int errnum)
{
    bool scarce = errnum == ENOBUFS || errnum == ENOMEM || errnum == ETOOMANYREFS;

    zn_watch_set(&c->watch, errnum == EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
    if (scarce)
        zn_timer_set(c->h->loop, &c->h->again, AGAIN_MS);
    if (scarce || errnum == EAGAIN)
        return;
    zn_warn("log collector %s: cannot send \"%s\": %s", c->name, cmd, strerror(errnum));
    /* A collector that died leaves connections among what it sent before: the end is seen by
     * reading, after all of that. */
    c->gone = true;
    shutdown(c->watch.fd, SHUT_RDWR);
}

/* One command, with a descriptor if fd >= 0. False: not sent, see put_off. */
static bool command(struct collector *c, const char *cmd, int fd)
{
    char text[64];
    int n = snprintf(text, sizeof text, "{\"cmd\":\"%s\"}", cmd);

    if (zn_send_fd(c->watch.fd, text, (size_t)n, fd, MSG_DONTWAIT) == 0)
        return true;
    put_off(c, cmd, errno);
    return false;
}

static bool is_owner(const struct collector *c)
{
    return c->slot >= 0 && c->slot == c->h->arbiter.owner;
}

/* Sends all that is due and fits; the rest follows when there is room. Only the last of several
 * commands is of interest to a collector that did not take the earlier ones. */
static void deliver(struct collector *c)
{
    static const char *const words[] = { [ZN_CMD_HOLD] = "hold", [ZN_CMD_ACCEPT] = "accept" };
    struct zn_conns *conns = &c->h->conns;
    int fd;

    if (c->gone || (c->fd_due && !command(c, "fd", c->h->log_fd)))
        return;
    c->fd_due = false;
    if (c->due != ZN_CMD_NONE && !command(c, words[c->due], -1))
        return;
    c->due = ZN_CMD_NONE;
    while (is_owner(c) && (fd = zn_conns_due(conns)) >= 0) {
        if (!command(c, "conn", fd))
            return;
        zn_conns_sent(conns);
    }
    zn_watch_set(&c->watch, EPOLLIN);
}

static void deliver_all(void *arg)
{
    struct zn_handoff *h = arg;

    for (int i = 0; i < ZN_ARBITER_PEERS; i++)
        if (h->collectors[i].slot >= 0)
            deliver(&h->collectors[i]);
}

static void send_commands(struct zn_handoff *h, const enum zn_command *due, enum zn_command which)
{
    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        struct collector *c = &h->collectors[i];

        if (c->slot < 0 || due[c->slot] != which)
            continue;
        if (which == ZN_CMD_ACCEPT)
            zn_conns_all_due(&h->conns);
        c->due = which;
        deliver(c);
    }
}

static void settle(void *arg)
{
    struct zn_handoff *h = arg;
    enum zn_command due[ZN_ARBITER_PEERS];
    int64_t now = zn_now_ms(), wait;
    const char *owner;

    zn_arbiter_settle(&h->arbiter, now, due);
    send_commands(h, due, ZN_CMD_HOLD); /* first: never two on purpose */
    send_commands(h, due, ZN_CMD_ACCEPT);
    owner = zn_handoff_owner(h);
    if (owner != h->accepts)
        zn_info("log connections are accepted by %s; %u are kept",
                owner ? owner : "nobody: they wait", h->conns.n);
    h->accepts = owner;
    wait = zn_arbiter_wait(&h->arbiter, now);
    if (wait >= 0 && !h->settle.armed)
        zn_timer_set(h->loop, &h->settle, wait);
}

/* True if fd is the listening socket that log_path leads to now. */
static bool is_log_socket(const struct zn_handoff *h, int fd)
{
    struct stat by_fd, by_path;
    int listening = 0;
    socklen_t size = sizeof listening;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        return false;
    ZN_AUTO(zn_auto_fd) int file = ioctl(fd, SIOCUNIXFILE);
    return file >= 0 && fstat(file, &by_fd) == 0 && stat(h->log_path, &by_path) == 0 &&
           by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}

static void give_log_socket(struct collector *c)
{
    c->fd_due = c->h->log_fd >= 0;
    deliver(c);
}

/* fluent.sock is there: whoever came before it gets it now. */
static void have_log_socket(struct zn_handoff *h, int fd, const struct collector *giver)
{
    h->log_fd = fd;
    zn_timer_clear(h->loop, &h->take_back);
    for (int i = 0; i < ZN_ARBITER_PEERS; i++)
        if (h->collectors[i].slot >= 0 && &h->collectors[i] != giver)
            give_log_socket(&h->collectors[i]);
}

static int bind_log_socket(struct zn_handoff *h, struct zn_err *err)
{
    int fd = zn_listen_unix(h->log_path, SOCK_STREAM, 0666, err);

    if (fd < 0)
        return -1;
    if (listen(fd, LOG_BACKLOG) < 0) {
        zn_fail_errno(err, errno, "listening on %s", h->log_path);
        close(fd);
        return -1;
    }
    have_log_socket(h, fd, NULL);
    return 0;
}

static void give_up_waiting(void *arg)
{
    struct zn_handoff *h = arg;
    struct zn_err err = { 0 };

    zn_warn("%s: some process holds it, but none brought it back in %d ms; binding it anew",
            h->log_path, TAKE_BACK_MS);
    if (bind_log_socket(h, &err) < 0) {
        zn_error("%s; trying again", err.msg);
        zn_timer_set(h->loop, &h->take_back, TAKE_BACK_MS);
    }
}

/* A collector brought a descriptor along; fd is ours now. */
static void brought(struct collector *c, int fd)
{
    struct zn_handoff *h = c->h;
    bool current = is_log_socket(h, fd);

    if (current && h->log_fd < 0) {
        zn_info("log socket taken back from collector %s", c->name);
        listen(fd, LOG_BACKLOG);
        have_log_socket(h, fd, c);
        return;
    }
    close(fd);
    if (current)
        return;
    zn_warn("log collector %s brought a socket that nobody connects to", c->name);
    give_log_socket(c);
}

static void hello(struct collector *c, const json_t *doc, int fd)
{
    static const char *const names[] = { "fluentd", "embedded", ZN_HOLDER_NAME };
    struct zn_handoff *h = c->h;
    const char *name = zn_json_str(doc, "name", "");
    bool wanted = strcmp(name, names[h->embedded]) == 0;

    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            c->name = names[i];
    if (!c->name) {
        zn_warn("log hand-over: unknown collector \"%.32s\"", name);
        zn_auto_fd(&fd);
        hang_up(c);
        return;
    }
    c->slot = zn_arbiter_join(&h->arbiter, wanted, zn_now_ms());
    zn_timer_clear(h->loop, &c->hello);
    zn_info("log collector %s connected%s", c->name, fd >= 0 ? " with the log socket" : "");
    if (fd >= 0)
        brought(c, fd);
    else
        give_log_socket(c);
}

static void state(struct collector *c, const json_t *doc)
{
    const char *word = zn_json_str(doc, "state", "");
    bool ready = strcmp(word, "ready") == 0;

    if (!ready && strcmp(word, "down") != 0) {
        zn_warn("log collector %s: unknown state \"%.32s\"", c->name, word);
        return;
    }
    if (!ready && !c->down)
        zn_warn("log collector %s is down: %.200s", c->name, zn_json_str(doc, "why", "no reason"));
    c->down = !ready;
    zn_arbiter_heard(&c->h->arbiter, c->slot, ready, zn_now_ms());
    zn_timer_set(c->h->loop, &c->h->settle, 0);
}

/* A connection that a collector has accepted; fd is ours now, -1 if it came without. */
static void keep(struct collector *c, int fd)
{
    struct zn_handoff *h = c->h;
    struct zn_err err = { 0 };
    int64_t now = zn_now_ms();

    if (fd < 0) {
        zn_warn("log collector %s: a connection came without its descriptor", c->name);
        return;
    }
    if (zn_conns_keep(&h->conns, fd, &err) < 0) {
        if (err.code == ZN_BUSY && now < h->full_warn_ms)
            return;
        if (err.code == ZN_BUSY)
            h->full_warn_ms = now + FULL_WARN_MS;
        zn_warn("log collector %s: a connection is not kept: %s", c->name, err.msg);
        return;
    }
    /* To the one that brought it as well: of what it sent before it read its last command nobody
     * knows whether it let go of that on an earlier "hold". It knows its own by their cookies. */
    deliver_all(h);
}

static void ended(struct collector *c, const json_t *cookie)
{
    if (!json_is_integer(cookie))
        zn_warn("log collector %s: the end of no connection", c->name);
    else if (is_owner(c))
        zn_conns_end(&c->h->conns, (uint64_t)json_integer_value(cookie));
}

static void on_datagram(struct collector *c, const char *text, size_t n, int fd)
{
    struct zn_err err = { 0 };
    zn_auto_json doc = NULL;

    if (zn_json_parse(text, n, &doc, &err) < 0 || !json_is_object(doc)) {
        zn_warn("log hand-over: broken datagram: %s", err.msg[0] ? err.msg : "not an object");
        zn_auto_fd(&fd);
        hang_up(c);
        return;
    }
    if (!c->name) {
        hello(c, doc, fd);
        return;
    }
    if (json_is_true(json_object_get(doc, "conn"))) {
        keep(c, fd);
        return;
    }
    zn_auto_fd(&fd); /* nothing else brings one */
    if (json_object_get(doc, "end"))
        ended(c, json_object_get(doc, "end"));
    else
        state(c, doc);
}

static void receive(struct collector *c)
{
    char text[DATAGRAM_MAX];
    int fd;
    ssize_t n = zn_recv_fd(c->watch.fd, text, sizeof text, &fd, MSG_DONTWAIT | MSG_TRUNC);

    /* ECONNRESET, once: it died with commands unread. What it had sent is still to be read. */
    if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
        return;
    if (n > 0 && n <= DATAGRAM_MAX) {
        on_datagram(c, text, (size_t)n, fd);
        return;
    }
    if (n > 0)
        zn_warn("log hand-over: a datagram of more than %d bytes", DATAGRAM_MAX);
    zn_auto_fd(&fd);
    hang_up(c);
}

static void on_collector(void *arg, uint32_t events)
{
    struct collector *c = arg;

    if (events & EPOLLOUT)
        deliver(c);
    if (events & ~(uint32_t)EPOLLOUT)
        receive(c);
}

static void no_hello(void *arg)
{
    zn_warn("log hand-over: a connection did not introduce itself in %d ms", HELLO_MS);
    hang_up(arg);
}

/* A free entry; if there is none, that of the collector that was silent for longest. */
static struct collector *make_room(struct zn_handoff *h)
{
    struct collector *oldest = NULL;
    int64_t at = zn_now_ms() - EVICT_MS;

    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        struct collector *c = &h->collectors[i];

        if (c->watch.fd < 0)
            return c;
        if (c->slot >= 0 && h->arbiter.peers[c->slot].heard_ms < at) {
            at = h->arbiter.peers[c->slot].heard_ms;
            oldest = c;
        }
    }
    if (oldest)
        hang_up(oldest);
    return oldest;
}

static void on_door(void *arg, uint32_t events)
{
    struct zn_handoff *h = arg;
    ZN_AUTO(zn_auto_fd) int fd = accept4(h->door.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct collector *c = fd >= 0 ? make_room(h) : NULL;
    struct zn_err err = { 0 };

    (void)events;
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            zn_warn("log hand-over: accept: %s", strerror(errno));
        return;
    }
    if (!c) {
        zn_warn("log hand-over: %d collectors are connected, one more is refused",
                ZN_ARBITER_PEERS);
        return;
    }
    c->watch = (struct zn_watch){ .fd = fd, .events = EPOLLIN, .fn = on_collector, .arg = c };
    if (zn_watch_add(h->loop, &c->watch, &err) < 0) {
        zn_warn("log hand-over: %s", err.msg);
        c->watch.fd = -1;
        return;
    }
    zn_timer_set(h->loop, &c->hello, HELLO_MS);
    fd = -1;
}

/* True if some process is listening on the path. */
static bool is_held(const char *path)
{
    ZN_AUTO(zn_auto_fd) int fd = zn_dial_unix(path, SOCK_STREAM | SOCK_NONBLOCK);

    /* A full backlog (EAGAIN) has a listener too. A connection that is closed at once says nothing
     * to a collector. */
    return fd >= 0 || errno == EAGAIN;
}

static int open_door(struct zn_handoff *h, const char *dir, struct zn_err *err)
{
    char path[108];

    if (snprintf(path, sizeof path, "%s/handoff.sock", dir) >= (int)sizeof path)
        return zn_fail(err, ZN_INVALID, "socket path longer than 107 bytes: %s", path);
    h->door.fd = zn_listen_unix(path, SOCK_SEQPACKET, 0660, err);
    if (h->door.fd < 0)
        return -1;
    if (chown(path, 0, COLLECTOR_GID) < 0)
        return zn_fail_errno(err, errno, "giving %s to group %d", path, COLLECTOR_GID);
    return zn_watch_add(h->loop, &h->door, err);
}

/* logs/reader with a claim that is nobody's. Collectors of a running platform have the file open
 * and their claim in it: it is neither replaced nor, if it is whole, written. */
static int open_reader(const char *dir, struct zn_err *err)
{
    char path[108], claim[READER_SIZE];
    struct stat st;

    snprintf(path, sizeof path, "%s/reader", dir);
    ZN_AUTO(zn_auto_fd) int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd < 0 || fstat(fd, &st) < 0)
        return zn_fail_errno(err, errno, "opening %s", path);
    if (fchown(fd, 0, COLLECTOR_GID) < 0 || fchmod(fd, 0660) < 0)
        return zn_fail_errno(err, errno, "giving %s to group %d", path, COLLECTOR_GID);
    if (st.st_size == READER_SIZE)
        return 0;
    zn_random(claim, sizeof claim);
    if (pwrite(fd, claim, sizeof claim, 0) != sizeof claim || ftruncate(fd, sizeof claim) < 0)
        return zn_fail_errno(err, errno, "writing %s", path);
    return 0;
}

static int open_sockets(struct zn_handoff *h, const char *run_dir, struct zn_err *err)
{
    char dir[96];

    if (snprintf(dir, sizeof dir, "%s/logs", run_dir) >= (int)sizeof dir)
        return zn_fail(err, ZN_INVALID, "path longer than %zu bytes: %s/logs", sizeof dir - 1,
                       run_dir);
    snprintf(h->log_path, sizeof h->log_path, "%s/fluent.sock", dir);
    if (zn_mkdirs(dir, 0755, err) < 0 || open_reader(dir, err) < 0)
        return -1;
    if (is_held(h->log_path)) {
        zn_info("%s is held by a collector; waiting for it to be brought back", h->log_path);
        zn_timer_set(h->loop, &h->take_back, TAKE_BACK_MS);
    } else if (bind_log_socket(h, err) < 0) {
        return -1;
    }
    return open_door(h, dir, err);
}

int zn_handoff_start(struct zn_loop *loop, const char *run_dir, bool embedded,
                     struct zn_handoff **ret, struct zn_err *err)
{
    struct zn_handoff *h = calloc(1, sizeof *h);

    if (!h)
        return zn_fail(err, ZN_INTERNAL, "log hand-over: out of memory");
    h->loop = loop;
    h->log_fd = -1;
    h->embedded = embedded;
    h->door = (struct zn_watch){ .fd = -1, .events = EPOLLIN, .fn = on_door, .arg = h };
    h->settle = (struct zn_timer){ .fn = settle, .arg = h };
    h->take_back = (struct zn_timer){ .fn = give_up_waiting, .arg = h };
    h->again = (struct zn_timer){ .fn = deliver_all, .arg = h };
    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        struct collector *c = &h->collectors[i];

        *c = (struct collector){ .h = h, .watch = { .fd = -1 }, .slot = -1,
                                 .hello = { .fn = no_hello, .arg = c } };
    }
    zn_arbiter_init(&h->arbiter, zn_now_ms());
    zn_conns_init(&h->conns);
    if (open_sockets(h, run_dir, err) < 0) {
        zn_handoff_stop(h);
        return -1;
    }
    *ret = h;
    return 0;
}

int zn_handoff_leave(struct zn_handoff *h, const char *run_dir, struct zn_err *err)
{
    zn_watch_del(&h->door); /* whoever comes now waits for the next supervisor */
    zn_auto_fd(&h->door.fd);
    return h->log_fd < 0 ? 0
                         : zn_holder_start(run_dir, h->log_fd, h->conns.fds, h->conns.n, err);
}

void zn_handoff_stop(struct zn_handoff *h)
{
    if (!h)
        return;
    for (int i = 0; i < ZN_ARBITER_PEERS; i++) {
        struct collector *c = &h->collectors[i];

        zn_watch_del(&c->watch);
        zn_timer_clear(h->loop, &c->hello);
        zn_auto_fd(&c->watch.fd);
    }
    zn_timer_clear(h->loop, &h->settle);
    zn_timer_clear(h->loop, &h->take_back);
    zn_timer_clear(h->loop, &h->again);
    zn_conns_done(&h->conns);
    zn_watch_del(&h->door);
    zn_auto_fd(&h->door.fd);
    zn_auto_fd(&h->log_fd);
    free(h);
}

const char *zn_handoff_owner(const struct zn_handoff *h)
{
    for (int i = 0; i < ZN_ARBITER_PEERS; i++)
        if (is_owner(&h->collectors[i]))
            return h->collectors[i].name;
    return NULL;
}
