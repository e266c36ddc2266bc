/* The example app: a small HTTP server that shows which deployment answers. One log line a request.
 *   PORT (8080), GREETING, ZANE_DEPLOYMENT_SLOT, ZANE_DEPLOYMENT_HASH from the environment.
 *   /  a page · /health 200 · /crash ends the program with status 1 · anything else 404 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_MAX = 8192, READ_MS = 10000, KEEP_MS = 60000, SEND_S = 10, CLIENTS_MAX = 128 };

static volatile sig_atomic_t stopping;

static void on_term(int sig)
{
    (void)sig;
    stopping = 1;
}

static const char *env(const char *name, const char *fallback)
{
    const char *v = getenv(name);

    return v && *v ? v : fallback;
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* HTML text of s. */
static void escape(const char *s, char *ret, size_t size)
{
    size_t n = 0;

    for (; *s && n + 8 < size; s++) {
        const char *e = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : NULL;

        if (e)
            n += (size_t)snprintf(ret + n, size - n, "%s", e);
        else
            ret[n++] = *s;
    }
    ret[n] = '\0';
}

static int page(char *ret, size_t size)
{
    char greeting[600], slot[100], hash[100];

    escape(env("GREETING", "It works"), greeting, sizeof greeting);
    escape(env("ZANE_DEPLOYMENT_SLOT", "none"), slot, sizeof slot);
    escape(env("ZANE_DEPLOYMENT_HASH", "none"), hash, sizeof hash);
    return snprintf(ret, size,
                    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width\">\n"
                    "<title>%s</title>\n<style>:root{color-scheme:light dark}"
                    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1.25rem}"
                    "dt{opacity:.7}dd{margin:0 0 .6rem;font-family:ui-monospace,monospace}</style>\n"
                    "<h1>%s</h1>\n<p>This page comes from the example app.</p>\n"
                    "<dl><dt>slot</dt><dd>%s</dd>\n<dt>deployment</dt><dd>%s</dd>\n"
                    "<dt>process</dt><dd>%d</dd></dl></html>\n",
                    greeting, greeting, slot, hash, (int)getpid());
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static int status_of(const char *method, const char *path)
{
    size_t n = strcspn(path, "?");

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return 405;
    if (n == 1 || (n == 7 && strncmp(path, "/health", 7) == 0) ||
        (n == 6 && strncmp(path, "/crash", 6) == 0))
        return 200;
    return 404;
}

static bool reply(int fd, int status, const char *method, const char *path, bool close_after)
{
    char body[4096], head[256];
    bool plain = status != 200 || path[1] == 'h';
    const char *word = status == 200 ? "OK" : status == 404 ? "Not Found" : "Method Not Allowed";
    int n = !plain ? page(body, sizeof body)
                   : snprintf(body, sizeof body, "%s\n", status == 200 ? "ok" : word), h;
    bool head_only = strcmp(method, "HEAD") == 0;

    h = snprintf(head, sizeof head,
                 "HTTP/1.1 %d %s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Length: %d\r\n%s%s\r\n",
                 status, word, plain ? "plain" : "html", n,
                 status == 405 ? "Allow: GET, HEAD\r\n" : "", close_after ? "Connection: close\r\n" : "");
    return send_all(fd, head, (size_t)h) && (head_only || send_all(fd, body, (size_t)n));
}

/* Reads one request head; its length, or 0 on the end, a time-out or nonsense. */
static size_t read_head(int fd, char *buf, size_t *have)
{
    long end = now_ms() + (*have ? READ_MS : KEEP_MS);

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char *blank = memmem(buf, *have, "\r\n\r\n", 4);
        long left = end - now_ms();

        if (blank)
            return (size_t)(blank - buf) + 4;
        if (*have == REQUEST_MAX || left <= 0 || (stopping && !*have))
            return 0;
        int r = poll(&p, 1, left < 500 ? (int)left : 500);
        if (r < 0 && errno != EINTR)
            return 0;
        if (r <= 0)
            continue;
        ssize_t n = read(fd, buf + *have, REQUEST_MAX - *have);
        if (n <= 0)
            return 0;
        if (!*have)
            end = now_ms() + READ_MS;
        *have += (size_t)n;
    }
}

/* What a client sends must not reach the terminal of who reads the log. */
static void make_printable(char *s)
{
    for (; *s; s++)
        if (*s < 33 || *s > 126)
            *s = '?';
}

static void answer_requests(int fd)
{
    char buf[REQUEST_MAX + 1], method[16], path[512];
    size_t have = 0, head;

    while ((head = read_head(fd, buf, &have))) {
        long from = now_ms();

        buf[head - 1] = '\0';
        if (sscanf(buf, "%15s %511s", method, path) != 2 || *path != '/')
            break;
        int status = status_of(method, path);
        /* A body is not read: nothing can follow it on this connection. */
        bool last = stopping || status == 405 || strcasestr(buf, "connection: close");
        bool sent = reply(fd, status, method, path, last);

        make_printable(method);
        make_printable(path);
        printf("%s %s %d %ld ms\n", method, path, status, now_ms() - from);
        fflush(stdout);
        if (strcmp(path, "/crash") == 0 && status == 200)
            _exit(1);
        if (!sent || last)
            break;
        memmove(buf, buf + head, have -= head);
    }
}

static atomic_int clients;

static void *serve(void *arg)
{
    int fd = (int)(long)arg;
    struct timeval t = { .tv_sec = SEND_S };

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    answer_requests(fd);
    shutdown(fd, SHUT_RDWR);
    close(fd);
    clients--;
    return NULL;
}

static int listen_on(int port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, 128) < 0) {
        fprintf(stderr, "port %d: %s\n", port, strerror(errno));
        exit(1);
    }
    return fd;
}

static void accept_until_stopped(int fd, pthread_attr_t *attr)
{
    while (!stopping) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        pthread_t t;

        /* When all threads are taken, further clients wait in the backlog. */
        if (clients >= CLIENTS_MAX) {
            nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
            continue;
        }
        if (poll(&p, 1, 200) <= 0)
            continue;
        int c = accept(fd, NULL, NULL);
        if (c < 0)
            continue;
        clients++;
        if (pthread_create(&t, attr, serve, (void *)(long)c)) {
            clients--;
            close(c);
        }
    }
}

int main(void)
{
    long port = strtol(env("PORT", "8080"), NULL, 10);
    struct sigaction sa = { .sa_handler = on_term };
    pthread_attr_t attr;
    int fd;

    if (port < 1 || port > 65535) {
        fprintf(stderr, "PORT must be between 1 and 65535\n");
        return 1;
    }
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    fd = listen_on((int)port);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 65536);
    printf("listening on port %ld, slot %s\n", port, env("ZANE_DEPLOYMENT_SLOT", "none"));
    fflush(stdout);
    accept_until_stopped(fd, &attr);
    close(fd);
    printf("stopping\n");
    fflush(stdout);
    /* Requests under way end; idle connections notice within half a second. */
    for (int i = 0; clients > 0 && i < 80; i++)
        nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
    return 0;
}
