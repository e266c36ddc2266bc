/* Health checks inside images without a shell: `zn-probe [-t ms] KIND TARGET`.
 *   tcp HOST:PORT               a connection opens
 *   http HOST:PORT/PATH         the answer's status is 2xx
 *   http unix:/SOCKET:/PATH     the same over a unix socket
 *   valkey HOST:PORT FILE       AUTH with the password in FILE, then PING answers PONG
 * Exit 0 when healthy; else 1 and one line of reason. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long deadline_ms = 2000;
static struct timespec started;

__attribute__((format(printf, 1, 2), noreturn)) static void unhealthy(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    _exit(1);
}

static int left_ms(void)
{
    struct timespec now;
    long ms;

    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = deadline_ms - ((now.tv_sec - started.tv_sec) * 1000 +
                        (now.tv_nsec - started.tv_nsec) / 1000000);
    return ms > 0 ? (int)ms : 0;
}

static void await(int fd, short events, const char *what)
{
    struct pollfd p = { .fd = fd, .events = events };

    if (poll(&p, 1, left_ms()) != 1)
        unhealthy("%s: no answer within %ld ms", what, deadline_ms);
}

static int finish(int fd, const struct sockaddr *sa, socklen_t len, const char *what)
{
    int so = 0;
    socklen_t sl = sizeof so;

    if (connect(fd, sa, len) < 0) {
        if (errno != EINPROGRESS)
            unhealthy("%s: %s", what, strerror(errno));
        await(fd, POLLOUT, what);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &so, &sl) < 0 || so)
            unhealthy("%s: %s", what, strerror(so));
    }
    return fd;
}

/* Connects to "HOST:PORT" where HOST is an IPv4 address or "localhost". */
static int connect_tcp(const char *where)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    const char *colon = strrchr(where, ':');
    char host[64], *end;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (!colon || port < 1 || port > 65535 || *end || (size_t)(colon - where) >= sizeof host)
        unhealthy("%s: not HOST:PORT", where);
    snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &sa.sin_addr) != 1)
        unhealthy("%s: not an IPv4 address", host);
    sa.sin_port = htons((unsigned short)port);
    return finish(fd, (struct sockaddr *)&sa, sizeof sa, where);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    if (snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path) >= (int)sizeof sa.sun_path)
        unhealthy("%s: path too long", path);
    return finish(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&sa,
                  sizeof sa, path);
}

/* Sends text and reads until `enough` is in the answer, the peer closes, or the buffer is full. */
static void exchange(int fd, const char *text, char *ret, size_t size, const char *enough,
                     const char *what)
{
    size_t n = 0;

    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        unhealthy("%s: %s", what, strerror(errno));
    while (n + 1 < size) {
        ssize_t k;
        await(fd, POLLIN, what);
        k = read(fd, ret + n, size - n - 1);
        if (k <= 0)
            break;
        n += (size_t)k;
        ret[n] = '\0';
        if (strstr(ret, enough))
            break;
    }
    ret[n] = '\0';
}

static int probe_http(char *target)
{
    char request[1200], answer[512];
    char *path, *where = target;
    int fd;

    if (strncmp(target, "unix:", 5) == 0) {
        where = target + 5;
        path = strstr(where, ":/");
        if (!path)
            unhealthy("%s: not unix:/SOCKET:/PATH", target);
        *path++ = '\0';
        fd = connect_unix(where);
    } else {
        char address[80];
        path = strchr(target, '/');
        if (!path || (size_t)(path - target) >= sizeof address)
            unhealthy("%s: not HOST:PORT/PATH", target);
        snprintf(address, sizeof address, "%.*s", (int)(path - target), target);
        fd = connect_tcp(address);
    }
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    exchange(fd, request, answer, sizeof answer, "\r\n", where);
    if (strncmp(answer, "HTTP/1.", 7) != 0 || answer[9] != '2')
        unhealthy("GET %s: %.*s", path, (int)strcspn(answer, "\r\n"),
                  *answer ? answer : "empty answer");
    return 0;
}

static int probe_valkey(const char *where, const char *file)
{
    char password[256], request[400], answer[256];
    FILE *f = fopen(file, "r");
    size_t n;

    if (!f || !fgets(password, sizeof password, f))
        unhealthy("%s: %s", file, strerror(errno));
    fclose(f);
    n = strcspn(password, "\r\n");
    snprintf(request, sizeof request, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%.*s\r\n*1\r\n$4\r\nPING\r\n", n,
             (int)n, password);
    exchange(connect_tcp(where), request, answer, sizeof answer, "PONG", where);
    explicit_bzero(password, sizeof password);
    explicit_bzero(request, sizeof request);
    if (!strstr(answer, "+PONG"))
        unhealthy("PING: %.*s", (int)strcspn(answer, "\r\n"), *answer ? answer : "empty answer");
    return 0;
}

int main(int argc, char **argv)
{
    int i = 1;

    clock_gettime(CLOCK_MONOTONIC, &started);
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        deadline_ms = strtol(argv[2], NULL, 10);
        i = 3;
    }
    if (deadline_ms < 1)
        unhealthy("-t: deadline must be at least 1 ms");
    if (argc == i + 2 && strcmp(argv[i], "tcp") == 0)
        return connect_tcp(argv[i + 1]) < 0;
    if (argc == i + 2 && strcmp(argv[i], "http") == 0)
        return probe_http(argv[i + 1]);
    if (argc == i + 3 && strcmp(argv[i], "valkey") == 0)
        return probe_valkey(argv[i + 1], argv[i + 2]);
    unhealthy("usage: zn-probe [-t ms] tcp HOST:PORT | http HOST:PORT/PATH | http "
              "unix:/SOCKET:/PATH | valkey HOST:PORT FILE");
}
