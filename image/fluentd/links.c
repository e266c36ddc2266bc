#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "batch.h"
#include "relay.h"

enum {
    PEEK_SIZE = 256 * 1024,    /* a unix queue holds about 208 KiB */
    UP_SIZE = 2 * 1024 * 1024, /* batches on their way to fluentd */
    ACK_MS = 20000,            /* from a batch to its acknowledgement */
    GIVE_MS = 1000,            /* a new connection is not read before the supervisor has it, or so long */
    RETRY_MS = 100,
    SUPERSEDED_MS = 1000,
};

static const char reader_path[] = "/run/zane-logs/reader";

/* One log connection of the engine. */
struct link {
    struct source s;    /* first; fd -1: closed */
    uint64_t cookie;    /* its name for the supervisor */
    uint32_t chunk;     /* of the batch that is out */
    size_t out;         /* bytes of its queue in that batch; 0 = none is out */
    bool acked;         /* the batch is in fluentd's buffer: read it away */
    bool wants, hup;    /* there may be something to read; the driver closed it */
    bool given, ended;  /* the supervisor has it; it is to be told of the end */
    int64_t since, out_at;
    struct link *next;
};

static struct link *links;
static unsigned nlinks;
static bool accepts; /* the supervisor's last command */
static int64_t superseded_at; /* 0 = never */
static bool soon;    /* something did not fit, or another collector reads at this moment */

/* The connection to in_forward: batches go up, acknowledgements come down. */
static struct {
    struct source s;
    bool connected;
    uint32_t events; /* registered */
    int64_t retry_at;
    size_t len, answer_len;
    unsigned char mem[UP_SIZE], answer[512];
} up = { .s.fd = -1 };

/* What says that we are the one reader: the bytes that we wrote into the file. */
static struct {
    int fd;
    bool claimed;
    unsigned char id[16];
} reader = { .fd = -1 };

/* --- the one reader --------------------------------------------------------------------------------- */

/* Locks the file of the reader's name; false = somebody is reading at this moment. */
static bool lock_reader(void)
{
    if (reader.fd < 0)
        reader.fd = open(reader_path, O_RDWR | O_CLOEXEC);
    if (reader.fd >= 0 && flock(reader.fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    soon = true;
    return false;
}

static void claim_reader(void)
{
    if (!lock_reader())
        return;
    reader.claimed = getrandom(reader.id, sizeof reader.id, 0) == sizeof reader.id &&
                     pwrite(reader.fd, reader.id, sizeof reader.id, 0) == sizeof reader.id;
    flock(reader.fd, LOCK_UN);
}

/* With the lock held: nobody else has claimed the connections meanwhile. */
static bool still_reader(void)
{
    unsigned char id[sizeof reader.id];

    return pread(reader.fd, id, sizeof id, 0) == sizeof id && memcmp(id, reader.id, sizeof id) == 0;
}

/* --- links ---------------------------------------------------------------------------------------- */

void links_accept(bool on)
{
    accepts = on;
    reader.claimed = false; /* anew, even if we read: somebody else may have claimed meanwhile */
    for (struct link *l = links; l; l = l->next) {
        l->out = 0; /* whatever is on its way may be read by somebody else first */
        l->acked = false;
        l->wants = true;
        /* What the supervisor has not got would die with us: it stays until it is given. */
        if (!on && (l->given || !handoff_up()))
            drop(&l->s);
    }
}

/* The driver closed it and all of it is read, or nothing good comes from it. */
static void link_end(struct link *l)
{
    drop(&l->s);
    l->ended = true;
}

static void on_link(struct source *self, uint32_t events)
{
    struct link *l = (struct link *)self;

    l->wants = true;
    l->hup |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
}

static struct link *find(uint64_t cookie)
{
    struct link *l = links;

    while (l && (l->s.fd < 0 || l->cookie != cookie))
        l = l->next;
    return l;
}

void links_open(int fd, bool given)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    int r = getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
    struct link *l = find(cookie);

    if (l)
        l->given = true; /* the supervisor passes it, so it has it */
    l = !l && r == 0 && accepts ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        close(fd); /* an accepted one: the driver comes again */
        return;
    }
    *l = (struct link){ .s = { on_link, fd }, .cookie = cookie, .given = given, .since = now_ms(),
                        .wants = true };
    if (watch(&l->s, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0)
        say("a log connection cannot be watched: %s", strerror(errno));
    l->next = links;
    links = l;
    nlinks++;
}

static bool may_read(const struct link *l, int64_t now)
{
    return reader.claimed && l->s.fd >= 0 && !l->out && up.connected &&
           up.len + BATCH_ROOM(PEEK_SIZE) <= UP_SIZE &&
           (l->given || !handoff_up() || now - l->since >= GIVE_MS);
}

/* Sends what lies in the connection's queue to fluentd, as far as that is whole messages. */
static void link_send(struct link *l, int64_t now)
{
    static unsigned char in[PEEK_SIZE];
    static uint32_t chunks;
    bool hup = l->hup;
    ssize_t n, used;

    if (!l->wants || !may_read(l, now))
        return;
    n = recv(l->s.fd, in, sizeof in, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        l->wants = errno == EINTR;
        return;
    }
    if (n <= 0) {
        link_end(l);
        return;
    }
    used = batch_add(in, (size_t)n, ++chunks, up.mem, &up.len);
    if (used > 0) {
        l->chunk = chunks;
        l->out = (size_t)used;
        l->out_at = now;
        return;
    }
    if (used < 0)
        say("a log connection was closed: not what Docker's driver sends, too long, or it asks for "
            "acknowledgements (fluentd-request-ack)");
    if (used < 0 || hup)
        link_end(l);
    l->wants = false; /* the rest of the message brings an event */
}

/* Reads away what fluentd has in its buffer, unless another one became the reader meanwhile. */
static void link_take(struct link *l)
{
    static char away[PEEK_SIZE];

    if (!l->acked || l->s.fd < 0 || !lock_reader())
        return;
    if (still_reader()) {
        for (ssize_t n; l->out; l->out -= (size_t)n)
            if ((n = recv(l->s.fd, away, l->out, MSG_DONTWAIT)) <= 0) {
                say("bytes that were there are gone: %s", strerror(errno));
                link_end(l);
                break;
            }
        l->out = 0;
        l->acked = false;
    } else {
        say("another collector reads the log connections now");
        superseded_at = now_ms();
        links_accept(false);
    }
    flock(reader.fd, LOCK_UN);
}

static void up_lost(int64_t now)
{
    drop(&up.s);
    up.connected = false;
    up.len = up.answer_len = 0;
    up.retry_at = now + RETRY_MS;
    for (struct link *l = links; l; l = l->next)
        if (!l->acked)
            l->out = 0; /* it is sent again */
}

static void acknowledged(uint32_t chunk)
{
    for (struct link *l = links; l; l = l->next)
        if (l->out && l->chunk == chunk) {
            l->acked = true;
            return;
        }
}

/* Acknowledgements are {"ack": the chunk as it was sent, a text of eight hex digits}. */
static void on_up(struct source *self, uint32_t events)
{
    enum { ANSWER = 6 + CHUNK_SIZE };
    ssize_t n;

    if (self->fd < 0)
        return;
    up.connected |= !(events & (EPOLLERR | EPOLLHUP)) && events & EPOLLOUT;
    n = recv(self->fd, up.answer + up.answer_len, sizeof up.answer - up.answer_len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        up_lost(now_ms());
        return;
    }
    up.answer_len += n > 0 ? (size_t)n : 0;
    while (up.answer_len >= ANSWER) {
        char id[CHUNK_SIZE + 1] = { 0 };
        memcpy(id, up.answer + 6, CHUNK_SIZE);
        if (memcmp(up.answer, "\x81\xa3" "ack\xa8", 6) != 0) {
            say("fluentd's acknowledgement is none");
            up_lost(now_ms());
            return;
        }
        acknowledged((uint32_t)strtoul(id, NULL, 16));
        up.answer_len -= ANSWER;
        memmove(up.answer, up.answer + ANSWER, up.answer_len);
    }
}

static void run_up(int64_t now)
{
    size_t at = 0;

    if (up.s.fd < 0 && links && now >= up.retry_at) {
        up.s = (struct source){ on_up, dial_loopback(FORWARD_PORT) };
        up.events = EPOLLIN | EPOLLOUT;
        if (up.s.fd < 0 || watch(&up.s, up.events) < 0)
            up_lost(now);
    }
    while (up.connected && at < up.len) {
        ssize_t n = send(up.s.fd, up.mem + at, up.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            up_lost(now);
            return;
        }
        if (n < 0)
            break;
        at += (size_t)n;
    }
    up.len -= at;
    memmove(up.mem, up.mem + at, up.len);
    if (up.s.fd >= 0)
        rewatch(&up.s, &up.events, EPOLLIN | (up.len || !up.connected ? EPOLLOUT : 0));
}

/* Tells the supervisor of a connection that came or ended; 0 = later, -1 = it is gone. */
static int tell(struct link *l)
{
    char text[64] = "{\"conn\":true}";
    int r = 1;

    if (l->s.fd >= 0 && !l->given)
        l->given = (r = handoff_send(text, l->s.fd)) > 0;
    if (l->given && !accepts)
        drop(&l->s);
    if (l->ended) {
        snprintf(text, sizeof text, "{\"end\":%llu}", (unsigned long long)l->cookie);
        l->ended = (r = handoff_send(text, -1)) <= 0;
    }
    soon |= r == 0;
    return r;
}

bool links_run(bool read, int64_t now)
{
    bool told = true;

    soon = false;
    if (accepts && read && !reader.claimed)
        claim_reader();
    for (struct link **at = &links, *l; (l = *at);) {
        link_take(l);
        if (read)
            link_send(l, now);
        if (l->out && !l->acked && now - l->out_at >= ACK_MS) {
            say("fluentd does not acknowledge a batch");
            up_lost(now);
        }
        if (told && handoff_up())
            told = tell(l) > 0;
        if (l->s.fd >= 0 || (l->ended && handoff_up())) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        free(l);
        nlinks--;
    }
    run_up(now);
    return soon;
}

bool links_busy(void)
{
    const struct link *l = links;

    while (l && !l->out)
        l = l->next;
    return l != NULL;
}

void links_bring_again(void)
{
    for (struct link *l = links; l; l = l->next)
        l->given = false;
}

bool links_reading(void)
{
    return reader.claimed;
}

bool links_superseded(int64_t now)
{
    return superseded_at && now - superseded_at < SUPERSEDED_MS;
}

unsigned links_count(void)
{
    return nlinks;
}
