#include "zaned/logs/handoff.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

enum { DATAGRAM_MAX = 1024, ENDS_MAX = 8192 };

void zn_handoff_init(struct zn_handoff *h, const char *path, const char *name,
                     const struct zn_handoff_sink *sink)
{
    *h = (struct zn_handoff){ .path = path, .name = name, .sink = *sink, .fd = -1, .listen_fd = -1,
                              .ends = ZN_BUF(ENDS_MAX * sizeof(uint64_t)) };
}

static void hang_up(struct zn_handoff *h, int64_t now)
{
    close(h->fd);
    h->fd = -1;
    h->retry_at = now + ZN_HANDOFF_RETRY_MS;
    zn_buf_clear(&h->ends); /* whoever comes next gets only connections that are open */
    h->sink.lost(h->sink.arg);
}

void zn_handoff_done(struct zn_handoff *h)
{
    zn_auto_fd(&h->listen_fd);
    zn_auto_fd(&h->fd);
    zn_buf_done(&h->ends);
}

static int send_json(int fd, json_t *steals, int pass_fd)
{
    zn_auto_json doc = steals;
    char text[DATAGRAM_MAX];
    size_t n = doc ? json_dumpb(doc, text, sizeof text, JSON_COMPACT) : 0;

    if (!n || n > sizeof text) {
        errno = EMSGSIZE;
        return -1;
    }
    return zn_send_fd(fd, text, n, pass_fd, MSG_DONTWAIT);
}

/* After a failed send: true if the queue (or the kernel's count of descriptors on their way) was full. */
static bool try_later(void)
{
    return errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM;
}

/* Says who we are; a descriptor that we hold goes along, so that a supervisor that was restarted gets
 * the socket back on which the engine's connections wait. */
static void introduce(struct zn_handoff *h, int64_t now)
{
    json_t *hello = h->listen_fd >= 0 ? json_pack("{s:s,s:b}", "name", h->name, "fd", 1)
                                      : json_pack("{s:s}", "name", h->name);

    h->fd = zn_dial_unix(h->path, SOCK_SEQPACKET | SOCK_NONBLOCK);
    if (h->fd < 0 || send_json(h->fd, hello, h->listen_fd) < 0) {
        if (h->attempts++ == 0)
            zn_warn("no log hand-over at %s: %s; trying every second", h->path, strerror(errno));
        if (h->fd < 0)
            json_decref(hello);
        zn_auto_fd(&h->fd);
        h->retry_at = now + ZN_HANDOFF_RETRY_MS;
        return;
    }
    zn_info("connected to the log hand-over at %s", h->path);
    h->attempts = 0;
    h->said_at = 0;
}

static void say(struct zn_handoff *h, int64_t now, const char *why)
{
    json_t *doc = why ? json_pack("{s:s,s:s%}", "state", "down", "why", why, strnlen(why, 200))
                      : json_pack("{s:s}", "state", "ready");

    if (send_json(h->fd, doc, -1) == 0) {
        h->said_at = now;
        h->said_ready = !why;
    } else if (try_later()) {
        h->said_at = 0;
    } else {
        hang_up(h, now);
    }
}

static void say_ends(struct zn_handoff *h, int64_t now)
{
    size_t done = 0;

    for (; done < h->ends.len; done += sizeof(uint64_t)) {
        uint64_t cookie;
        memcpy(&cookie, h->ends.mem + done, sizeof cookie);
        if (send_json(h->fd, json_pack("{s:I}", "end", (json_int_t)cookie), -1) == 0)
            continue;
        if (try_later())
            break;
        hang_up(h, now);
        return;
    }
    zn_buf_eat(&h->ends, done);
}

int64_t zn_handoff_tick(struct zn_handoff *h, int64_t now, const char *why)
{
    if (h->fd < 0 && now >= h->retry_at)
        introduce(h, now);
    if (h->fd >= 0 && h->listen_fd < 0)
        why = why ? why : "waiting for the descriptor";
    if (h->fd >= 0 && (!h->said_at || h->said_ready != !why || now - h->said_at >= ZN_HANDOFF_SAY_MS))
        say(h, now, why);
    if (h->fd >= 0 && h->ends.len)
        say_ends(h, now);
    if (h->fd < 0)
        return h->retry_at - now;
    return !h->said_at || h->ends.len ? ZN_HANDOFF_SOON_MS : h->said_at + ZN_HANDOFF_SAY_MS - now;
}

bool zn_handoff_give(struct zn_handoff *h, int fd, int64_t now)
{
    static const char text[] = "{\"conn\":true}";

    if (h->fd < 0)
        return false;
    if (zn_send_fd(h->fd, text, sizeof text - 1, fd, MSG_DONTWAIT) == 0)
        return true;
    if (!try_later())
        hang_up(h, now);
    return false;
}

void zn_handoff_end(struct zn_handoff *h, uint64_t cookie, int64_t now)
{
    if (h->fd < 0)
        return;
    if (h->ends.len == h->ends.max) {
        zn_warn("the log hand-over is %d ended connections behind: one is not said", ENDS_MAX);
        return;
    }
    zn_buf_add(&h->ends, &cookie, sizeof cookie);
    say_ends(h, now);
}

/* False: a connection was announced whose descriptor did not arrive (too many open files). The supervisor
 * counts it as delivered, and sends all of them again to who connects again. */
static bool command(struct zn_handoff *h, const char *cmd, int fd)
{
    bool accept = strcmp(cmd, "accept") == 0;

    if (strcmp(cmd, "fd") == 0 && fd >= 0) {
        if (h->listen_fd >= 0)
            close(h->listen_fd);
        h->listen_fd = fd;
        h->said_at = 0; /* the state may have changed: say it at once */
        return true;
    }
    if (strcmp(cmd, "conn") == 0) {
        if (fd >= 0)
            h->sink.conn(h->sink.arg, fd);
        return fd >= 0;
    }
    if (fd >= 0)
        close(fd);
    if (accept || strcmp(cmd, "hold") == 0)
        h->sink.command(h->sink.arg, accept);
    else
        zn_warn("unknown command from the log hand-over: %.40s", cmd);
    return true;
}

void zn_handoff_read(struct zn_handoff *h, int64_t now)
{
    char text[DATAGRAM_MAX];
    int fd;

    while (h->fd >= 0) {
        ssize_t n = zn_recv_fd(h->fd, text, sizeof text, &fd, MSG_DONTWAIT);
        struct zn_err err = { 0 };
        zn_auto_json doc = NULL;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            zn_warn("the log hand-over closed the connection; its last command stands");
            hang_up(h, now);
            return;
        }
        if (zn_json_parse(text, (size_t)n, &doc, &err) < 0 || !zn_json_str(doc, "cmd", NULL)) {
            zn_warn("broken datagram from the log hand-over: %s", err.msg);
            if (fd >= 0)
                close(fd);
            continue;
        }
        if (!command(h, zn_json_str(doc, "cmd", ""), fd)) {
            zn_warn("a log connection did not arrive: too many open files; connecting again");
            hang_up(h, now);
        }
    }
}
