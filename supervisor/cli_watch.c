#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/http.h"
#include "base/io.h"
#include "base/json.h"
#include "supervisor/cli.h"

enum {
    REFRESH_MS = 2000, /* memory and ages change without an event */
    SETTLE_MS = 50,    /* events come in groups: one picture for all */
    RECONNECT_MS = 1000,
    SILENCE_MS = 45000 /* three pings missed */
};

struct watch {
    const struct cli *cli;
    bool json, tty, seen; /* seen: the platform was shown at least once */
    bool news;            /* events came since the last picture */
};

static int on_events(void *arg, const char *p, size_t n)
{
    struct watch *w = arg;

    (void)p;
    (void)n;
    w->news = true;
    return 0;
}

/* On a terminal the picture replaces the one before without flicker: each line clears its rest. */
static void paint(const struct watch *w, const char *text)
{
    if (!w->tty) {
        puts(text);
        fflush(stdout);
        return;
    }
    fputs("\033[H", stdout);
    for (const char *s = text; *s; s++)
        fputs(*s == '\n' ? "\033[K\n" : (char[2]){ *s, '\0' }, stdout);
    fputs("\033[J", stdout);
    fflush(stdout);
}

static int picture(struct watch *w, struct zn_err *err)
{
    struct zn_table_style st = cli_style();
    zn_auto_buf struct zn_buf out = ZN_BUF(1 << 20);
    zn_auto_json doc = NULL;
    int status;

    w->news = false;
    if (cli_call(w->cli, "GET", "/v1/health", &status, &doc, err) < 0)
        return -1;
    if (w->json) {
        zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT);
        puts(text ? text : "null");
        fflush(stdout);
    } else {
        zn_table_health(doc, &st, &out);
        paint(w, zn_buf_str(&out) ? zn_buf_str(&out) : "");
    }
    w->seen = true;
    return 0;
}

/* Feeds what has arrived; false at the end of the stream. */
static bool take(int fd, struct zn_http_parser *parser)
{
    char chunk[8192];
    ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    size_t used;

    if (n < 0 && errno == EINTR)
        return true;
    return n > 0 && zn_http_parser_feed(parser, chunk, (size_t)n, &used) == 0 &&
           (parser->state == ZN_HTTP_HEAD || parser->status == 200);
}

/* Follows one event stream to its end. */
static void follow(struct watch *w, int fd, struct zn_err *err)
{
    struct zn_http_parser parser;
    int64_t heard = zn_now_ms();
    bool lives = true;

    zn_http_parser_init(&parser, on_events, w);
    while (lives && picture(w, err) == 0 && zn_now_ms() - heard < SILENCE_MS) {
        int64_t end = zn_now_ms() + REFRESH_MS;

        while (lives && zn_now_ms() < end) {
            struct pollfd pf = { .fd = fd, .events = POLLIN };
            int64_t left = end - zn_now_ms();

            if (poll(&pf, 1, left > 0 ? (int)left : 0) <= 0)
                continue;
            heard = zn_now_ms();
            lives = take(fd, &parser);
            if (w->news && end > heard + SETTLE_MS)
                end = heard + SETTLE_MS;
        }
        /* Programs get a line for each change; ages and memory alone are no change. */
        while (lives && !w->tty && !w->news) {
            struct pollfd pf = { .fd = fd, .events = POLLIN };

            if (poll(&pf, 1, SILENCE_MS) <= 0)
                break;
            heard = zn_now_ms();
            lives = take(fd, &parser);
        }
    }
    zn_http_parser_done(&parser);
}

int cli_watch(const struct cli *cli, bool json)
{
    struct watch w = { .cli = cli, .json = json, .tty = !json && isatty(STDOUT_FILENO) };
    struct zn_http_req req = { .unix_path = cli->socket, .method = "GET", .target = "/v1/events" };
    zn_auto_buf struct zn_buf head = ZN_BUF(1024);

    zn_http_format(&req, &head);
    if (w.tty)
        fputs("\033[2J", stdout);
    for (;;) { /* until the user ends it */
        ZN_AUTO(zn_auto_fd) int fd = zn_dial_unix(cli->socket, SOCK_STREAM);
        struct zn_err err = { 0 };

        if (fd >= 0 && zn_write_all(fd, head.mem, head.len) == 0)
            follow(&w, fd, &err);
        else
            picture(&w, &err); /* says why nobody answers */
        if (err.msg[0] && !w.seen)
            return cli_complain(&err);
        if (err.msg[0] && w.tty)
            printf("\033[Hzane-supervisor does not answer; trying again every second\033[K\n");
        else if (err.msg[0])
            fprintf(stderr, "zane: %s; trying again every second\n", err.msg);
        fflush(stdout);
        zn_pause_ms(RECONNECT_MS);
    }
}
