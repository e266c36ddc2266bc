/* Entry program of the images without a shell.
 *   zn-init caddy   finds the address of the interface that host-mode ports come in by, exports it as
 *                   ZN_LISTEN and becomes Caddy. Binding that address alone keeps containers on the
 *                   environment networks from opening Caddy's ports. A saved configuration that Caddy
 *                   does not start with is set aside.
 *   zn-init temporal  waits for Postgres at ZN_PG_HOST, brings the schema of both databases up to date,
 *                   writes the configuration with the password to /tmp (a tmpfs), becomes the server. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char base_config[] = "/etc/zane/caddy.json";
static const char saved_config[] = "/data/config/caddy/autosave.json";
enum { ANNOUNCE_MS = 5000, TRIAL_MS = 3000 }; /* an end within this time is blamed on the saved configuration */

static int die(const char *what)
{
    fprintf(stderr, "zn-init: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Interface and gateway of the IPv4 default route; 0 or -1. /proc/net/route: name, destination and gateway in hex, as
 * they are in memory. */
static int default_route(char ret[IFNAMSIZ], struct in_addr *gateway)
{
    FILE *f = fopen("/proc/net/route", "r");
    char line[256], name[IFNAMSIZ];
    unsigned long destination, via;
    int found = -1;

    while (f && found < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "%15s %lx %lx", name, &destination, &via) == 3 && destination == 0) {
            memcpy(ret, name, IFNAMSIZ);
            gateway->s_addr = (in_addr_t)via;
            found = 0;
        }
    if (f)
        fclose(f);
    return found;
}

static int listen_address(char ret[INET_ADDRSTRLEN])
{
    struct ifreq req = { 0 };
    struct in_addr gateway;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), r = -1;

    if (fd >= 0 && default_route(req.ifr_name, &gateway) == 0 && ioctl(fd, SIOCGIFADDR, &req) == 0) {
        struct sockaddr_in sa;
        memcpy(&sa, &req.ifr_addr, sizeof sa);
        r = inet_ntop(AF_INET, &sa.sin_addr, ret, INET_ADDRSTRLEN) ? 0 : -1;
    }
    if (fd >= 0)
        close(fd);
    return r;
}

/* Sockets of an earlier container in the shared directory would make the bind fail. */
static void remove_old_sockets(void)
{
    unlink("/run/caddy/admin.sock");
    unlink("/run/caddy/edge.sock");
    unlink("/run/caddy/tls.sock");
    unlink("/run/caddy/probe.sock");
}

static void rest(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static volatile sig_atomic_t child, stopping;

static void pass_on(int sig)
{
    stopping = sig;
    if (child > 0)
        kill(child, sig);
}

static void pass_signals_on(void)
{
    struct sigaction sa = { .sa_handler = pass_on };

    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGQUIT, &sa, NULL);
}

/* Starts argv as `child`; its output goes to `out` unless that is -1. 0 or -1 with errno. */
static int spawn(char **argv, int out)
{
    sigset_t all, before;
    pid_t pid;

    /* A signal between fork and the assignment would reach nobody. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (out >= 0) {
            dup2(out, 1);
            dup2(out, 2);
        }
        execv(argv[0], argv);
        _exit(die(argv[0]));
    }
    child = pid;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -1 : 0;
}

/* The child's exit status, or 128 + the signal that ended it. */
static int await_child(void)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return die("waitpid");
    child = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* After a crash of the engine (20.10) the network namespace of an ended container may stay on the bridge by which ports
 * are published, and its address and hardware address be given to us: whoever of both sent last gets the requests. The
 * other one only answers; so a packet now and then brings them here. It goes to nobody (UDP, port discard). */
static void announce(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    char name[IFNAMSIZ];
    pid_t parent = getpid();
    int fd;

    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    while (fd >= 0 && getppid() == parent) {
        if (default_route(name, &to.sin_addr) == 0)
            sendto(fd, "", 0, 0, (const struct sockaddr *)&to, sizeof to);
        rest(ANNOUNCE_MS);
    }
    _exit(0);
}

static int run_caddy(void)
{
    char address[INET_ADDRSTRLEN];
    char *base[] = { "/caddy", "run", "--config", (char *)(unsigned long)base_config, NULL };
    char *saved[] = { "/caddy", "run", "--config", (char *)(unsigned long)saved_config, NULL };
    struct stat st;

    if (listen_address(address) < 0)
        return die("no address on the interface of the default route");
    setenv("ZN_LISTEN", address, 1);
    remove_old_sockets();
    announce();
    if (stat(saved_config, &st) == 0 && st.st_size > 0) {
        long from = now_ms();
        int status;

        pass_signals_on();
        if (spawn(saved, -1) < 0)
            return die("fork");
        status = await_child();
        if (status == 0 || status > 128 || stopping || now_ms() - from > TRIAL_MS)
            return status;
        fprintf(stderr, "zn-init: caddy does not start with its saved configuration (status %d); "
                        "it is set aside as autosave.json.bad\n", status);
        rename(saved_config, "/data/config/caddy/autosave.json.bad");
        remove_old_sockets();
        if (stopping)
            return 0;
    }
    execv("/caddy", base);
    return die("/caddy");
}

/* --- temporal ------------------------------------------------------------------------------------ */

/* The tool's own connection attempt may hang for minutes; an update of a big schema may take long. */
enum { WAIT_MS = 300000, SETUP_MS = 30000, UPDATE_MS = 1800000 };

static int read_secret(const char *path, char *ret, size_t size)
{
    FILE *f = fopen(path, "r");

    if (!f || !fgets(ret, (int)size, f))
        ret[0] = '\0';
    if (f)
        fclose(f);
    ret[strcspn(ret, "\r\n")] = '\0';
    if (*ret)
        return 0;
    fprintf(stderr, "zn-init: %s: %s\n", path, f ? "empty" : strerror(errno));
    return 1;
}

struct tail {
    char text[16384];
    size_t n;
};

/* Keeps the end of what comes out of fd until it closes or the deadline passes; then -1. */
static int read_tail(int fd, struct tail *o, long deadline)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        long left = deadline - now_ms();
        ssize_t n;

        if (o->n == sizeof o->text - 1) {
            memmove(o->text, o->text + o->n / 2, o->n - o->n / 2);
            o->n -= o->n / 2;
        }
        if (left <= 0)
            return -1;
        if (poll(&p, 1, left < 1000 ? (int)left : 1000) <= 0)
            continue;
        n = read(fd, o->text + o->n, sizeof o->text - 1 - o->n);
        if (n <= 0)
            return 0;
        o->n += (size_t)n;
    }
}

/* The reason in the first line of level ERROR: the later ones follow from it. All of it if there is none. */
static const char *reason(char *text)
{
    static const char mark[] = "\"error\": \"";
    char *line = strstr(text, "ERROR"), *from = line ? strstr(line, mark) : NULL, *end;

    if (!from)
        return *text ? text : "the schema tool failed without a word";
    from += sizeof mark - 1;
    end = from;
    while (*end && *end != '\n' && (*end != '"' || end[-1] == '\\'))
        end++;
    *end = '\0';
    return from;
}

/* Runs the schema tool on a database; NULL, or why it failed (in o). */
static const char *sql_tool(const char *database, char **command, long deadline_ms, struct tail *o)
{
    char *argv[24] = { "/temporal-sql", "--database", (char *)(unsigned long)database };
    int n = 3, out[2], status, late;

    while (*command)
        argv[n++] = *command++;
    if (pipe2(out, O_CLOEXEC) < 0)
        return strerror(errno);
    if (spawn(argv, out[1]) < 0) {
        close(out[0]);
        close(out[1]);
        return "no process for the schema tool";
    }
    close(out[1]);
    o->n = 0;
    late = read_tail(out[0], o, now_ms() + deadline_ms);
    close(out[0]);
    if (late)
        kill(child, SIGKILL);
    status = await_child();
    o->text[o->n] = '\0';
    if (late)
        return "the schema tool did not end in time";
    return status == 0 ? NULL : reason(o->text);
}

/* Both steps are for every start: the first does nothing on a database that has a schema, the second
 * nothing when it is the newest. */
static const char *schema(const char *database, const char *name, struct tail *o)
{
    char *setup[] = { "setup-schema", "--version", "0.0", NULL };
    char *update[] = { "update-schema", "--schema-name", (char *)(unsigned long)name, NULL };
    const char *why = sql_tool(database, setup, SETUP_MS, o);

    return why ? why : sql_tool(database, update, UPDATE_MS, o);
}

/* Numbers apart: they are ports of our own side, and times. `last` may be cut. */
static bool same_reason(const char *why, const char *last)
{
    if (!*last)
        return false;
    while (*last) {
        why += strspn(why, "0123456789");
        last += strspn(last, "0123456789");
        if (*last && *why++ != *last++)
            return false;
    }
    return true;
}

/* Tries until both databases are up to date; a reason is told when it is another than before. */
static int await_schema(const char *host)
{
    static struct tail o;
    char last[300] = "";
    long pause = 100, end = now_ms() + WAIT_MS;

    for (;;) {
        const char *why = schema("temporal", "postgresql/v12/temporal", &o);

        if (!why)
            why = schema("temporal_visibility", "postgresql/v12/visibility", &o);
        if (!why)
            return 0;
        if (stopping)
            return 1;
        if (!same_reason(why, last)) {
            snprintf(last, sizeof last, "%s", why);
            fprintf(stderr, "zn-init: database at %s: %s\n", host, last);
        }
        if (now_ms() > end) {
            fprintf(stderr, "zn-init: no usable database within %d s\n", WAIT_MS / 1000);
            return 1;
        }
        rest(pause);
        if (pause < 3000)
            pause = pause * 3 / 2;
    }
}

/* The template with @NAME@ replaced, into a file that only this user reads. */
static int write_config(const char *host, const char *password)
{
    FILE *in = fopen("/etc/zane/temporal.yaml", "r");
    int fd = open("/tmp/temporal.yaml", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    char line[1024];

    if (!in || !out)
        return die("/tmp/temporal.yaml");
    while (fgets(line, sizeof line, in))
        for (char *p = line; *p; p++) {
            if (strncmp(p, "@PG_HOST@", 9) == 0 || strncmp(p, "@PASSWORD@", 10) == 0) {
                bool is_host = p[1] == 'P' && p[2] == 'G';
                fputs(is_host ? host : password, out);
                p += is_host ? 8 : 9;
            } else {
                putc(*p, out);
            }
        }
    fclose(in);
    return fclose(out) ? die("/tmp/temporal.yaml") : 0;
}

static int run_temporal(void)
{
    const char *host = getenv("ZN_PG_HOST");
    char password[256];
    char *argv[] = { "/temporal-server", "--config-file", "/tmp/temporal.yaml", "--allow-no-auth",
                     "start", NULL };

    if (!host || !*host)
        host = "zn-postgres";
    if (read_secret("/run/secrets/pg_temporal_password", password, sizeof password))
        return 1;
    setenv("SQL_PLUGIN", "postgres12_pgx", 1);
    setenv("SQL_HOST", host, 1);
    setenv("SQL_PORT", "5432", 1);
    setenv("SQL_USER", "temporal", 1);
    setenv("SQL_PASSWORD", password, 1);
    pass_signals_on();
    if (await_schema(host) || write_config(host, password))
        return stopping ? 0 : 1;
    unsetenv("SQL_PASSWORD");
    explicit_bzero(password, sizeof password);
    if (stopping)
        return 0;
    execv(argv[0], argv);
    return die(argv[0]);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "caddy") == 0)
        return run_caddy();
    if (argc == 2 && strcmp(argv[1], "temporal") == 0)
        return run_temporal();
    fprintf(stderr, "usage: zn-init caddy | temporal\n");
    return 2;
}
