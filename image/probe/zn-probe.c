/* Health checks inside images without a shell: `zn-probe [-t ms] KIND TARGET`.
 *   tcp HOST:PORT               a connection opens
 *   http HOST:PORT/PATH         the answer's status is 2xx
 *   http unix:/SOCKET:/PATH     the same over a unix socket
 *   valkey HOST:PORT FILE       AUTH with the password in FILE, then PING answers PONG
 *   grpc HOST:PORT SERVICE      grpc.health.v1.Health/Check of SERVICE answers SERVING
 *   postgres DIRECTORY USER     over the unix socket in DIRECTORY, without a password: SELECT 1
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

/* --- gRPC: one unary call by hand (RFC 9113 frames, RFC 7541 literals without a dynamic table) --- */

struct bytes {
    unsigned char b[1024];
    size_t n;
};

static void put(struct bytes *o, const void *p, size_t n)
{
    if (n > sizeof o->b - o->n)
        unhealthy("name too long");
    memcpy(o->b + o->n, p, n);
    o->n += n;
}

static void put_byte(struct bytes *o, unsigned v)
{
    unsigned char c = (unsigned char)v;

    put(o, &c, 1);
}

static void put_text(struct bytes *o, const char *s)
{
    size_t n = strlen(s);

    if (n > 126)
        unhealthy("%s: too long", s);
    put_byte(o, (unsigned)n);
    put(o, s, n);
}

static void put_frame(struct bytes *o, unsigned type, unsigned flags, unsigned stream,
                      const struct bytes *payload)
{
    unsigned char h[9] = { 0, (unsigned char)(payload->n >> 8), (unsigned char)payload->n,
                           (unsigned char)type, (unsigned char)flags, 0, 0, 0,
                           (unsigned char)stream };

    put(o, h, sizeof h);
    put(o, payload->b, payload->n);
}

static void grpc_request(struct bytes *o, const char *where, const char *service)
{
    struct bytes none = { .n = 0 }, head = { .n = 0 }, data = { .n = 0 };
    size_t n = strlen(service);

    put(o, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_frame(o, 4, 0, 0, &none); /* SETTINGS */
    put_byte(&head, 0x83);        /* :method POST */
    put_byte(&head, 0x86);        /* :scheme http */
    put_byte(&head, 0x04);        /* :path */
    put_text(&head, "/grpc.health.v1.Health/Check");
    put_byte(&head, 0x01); /* :authority */
    put_text(&head, where);
    put(&head, "\x0f\x10", 2); /* content-type */
    put_text(&head, "application/grpc");
    put_byte(&head, 0x00);
    put_text(&head, "te");
    put_text(&head, "trailers");
    put_frame(o, 1, 4, 1, &head); /* HEADERS, END_HEADERS */
    put(&data, "\0\0\0\0", 4);
    put_byte(&data, (unsigned)(n + 2));
    put_byte(&data, 0x0a); /* field 1, text */
    put_text(&data, service);
    put_frame(o, 0, 1, 1, &data); /* DATA, END_STREAM */
}

/* Reads frames until the answer's DATA (1 = SERVING) or the end of the stream. */
static int grpc_status(int fd, const char *where)
{
    static unsigned char in[65536];
    size_t have = 0;

    for (;;) {
        ssize_t k;

        await(fd, POLLIN, where);
        k = read(fd, in + have, sizeof in - have);
        if (k <= 0)
            unhealthy("%s: the connection was closed", where);
        have += (size_t)k;
        while (have >= 9) {
            size_t len = (size_t)in[0] << 16 | (size_t)in[1] << 8 | in[2];

            if (9 + len > sizeof in)
                unhealthy("%s: no gRPC answer", where);
            if (have < 9 + len)
                break;
            if (in[8] == 1 && in[3] == 0 && len >= 7)
                return in[9 + 5] == 0x08 ? in[9 + 6] : 0;
            if (in[8] == 1 && (in[3] == 3 || (in[3] == 1 && in[4] & 1)))
                unhealthy("%s: the health service knows nothing of it", where);
            memmove(in, in + 9 + len, have -= 9 + len);
        }
    }
}

static int probe_grpc(const char *where, const char *service)
{
    static const char *const words[] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
    struct bytes o = { .n = 0 };
    int fd = connect_tcp(where), status;

    grpc_request(&o, where, service);
    if (send(fd, o.b, o.n, MSG_NOSIGNAL) != (ssize_t)o.n)
        unhealthy("%s: %s", where, strerror(errno));
    status = grpc_status(fd, where);
    if (status != 1)
        unhealthy("%s is %s", service, status < 4 ? words[status] : "UNKNOWN");
    return 0;
}

/* --- Postgres: start-up and one simple query of protocol 3.0 ------------------------------------ */

/* One message of the server into in (at most size); returns its type. */
static int pg_message(int fd, unsigned char *in, size_t size, size_t *len)
{
    unsigned char head[5];
    size_t n = 0, want;

    while (n < sizeof head) {
        await(fd, POLLIN, "postgres");
        ssize_t k = read(fd, head + n, sizeof head - n);
        if (k <= 0)
            unhealthy("postgres closed the connection");
        n += (size_t)k;
    }
    want = ((size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]) - 4;
    if (want >= size)
        unhealthy("postgres: a message of %zu bytes", want);
    for (n = 0; n < want;) {
        await(fd, POLLIN, "postgres");
        ssize_t k = read(fd, in + n, want - n);
        if (k <= 0)
            unhealthy("postgres closed the connection");
        n += (size_t)k;
    }
    in[want] = '\0';
    *len = want;
    return head[0];
}

/* The text of an ErrorResponse: fields of a type byte and a text; M is the message. */
static void pg_error(const unsigned char *in, size_t len)
{
    for (size_t i = 0; i + 1 < len && in[i]; i += strlen((const char *)in + i) + 1)
        if (in[i] == 'M')
            unhealthy("postgres: %s", (const char *)in + i + 1);
    unhealthy("postgres: an error without words");
}

/* Until ReadyForQuery; true if a row with "1" came by. */
static int pg_until_ready(int fd)
{
    unsigned char in[8192];
    size_t len;
    int seen = 0;

    for (;;) {
        int type = pg_message(fd, in, sizeof in, &len);

        if (type == 'E')
            pg_error(in, len);
        if (type == 'R' && (len < 4 || in[3] != 0))
            unhealthy("postgres asks for a password");
        if (type == 'D' && len == 7 && in[6] == '1')
            seen = 1;
        if (type == 'Z')
            return seen;
    }
}

static int probe_postgres(const char *directory, const char *user)
{
    struct bytes o = { .n = 0 }, body = { .n = 0 };
    char path[108];
    int fd;

    snprintf(path, sizeof path, "%.90s/.s.PGSQL.5432", directory);
    fd = connect_unix(path);
    put(&body, "\0\3\0\0user", 9);
    put(&body, user, strlen(user) + 1);
    put(&body, "database\0postgres\0", 19);
    put_byte(&o, 0), put_byte(&o, 0), put_byte(&o, 0), put_byte(&o, (unsigned)body.n + 4);
    put(&o, body.b, body.n);
    if (send(fd, o.b, o.n, MSG_NOSIGNAL) != (ssize_t)o.n)
        unhealthy("postgres: %s", strerror(errno));
    pg_until_ready(fd);
    if (send(fd, "Q\0\0\0\rSELECT 1\0", 14, MSG_NOSIGNAL) != 14)
        unhealthy("postgres: %s", strerror(errno));
    if (!pg_until_ready(fd))
        unhealthy("postgres: SELECT 1 gave no row");
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
    if (argc == i + 3 && strcmp(argv[i], "grpc") == 0)
        return probe_grpc(argv[i + 1], argv[i + 2]);
    if (argc == i + 3 && strcmp(argv[i], "postgres") == 0)
        return probe_postgres(argv[i + 1], argv[i + 2]);
    unhealthy("usage: zn-probe [-t ms] tcp HOST:PORT | http HOST:PORT/PATH | http "
              "unix:/SOCKET:/PATH | valkey HOST:PORT FILE | grpc HOST:PORT SERVICE | "
              "postgres DIRECTORY USER");
}
