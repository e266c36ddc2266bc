/* Entry program of the images without a shell.
 *   zn-init caddy   finds the address of the interface that host-mode ports come in by, exports it as
 *                   ZN_LISTEN and becomes Caddy. Binding that address alone keeps containers on the
 *                   environment networks from opening Caddy's ports. A saved configuration that Caddy
 *                   does not start with is set aside.
 *   zn-init temporal  waits for Postgres, brings the schema up to date, writes the configuration with
 *                   the password to /tmp (a tmpfs) and becomes the server. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char base_config[] = "/etc/zane/caddy.json";
static const char saved_config[] = "/data/config/caddy/autosave.json";

static int die(const char *what)
{
    fprintf(stderr, "zn-init: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Name of the interface with the IPv4 default route; 0 or -1. /proc/net/route: name, destination in hex. */
static int default_interface(char ret[IFNAMSIZ])
{
    FILE *f = fopen("/proc/net/route", "r");
    char line[256], name[IFNAMSIZ];
    unsigned long destination;
    int found = -1;

    while (f && found < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "%15s %lx", name, &destination) == 2 && destination == 0) {
            memcpy(ret, name, IFNAMSIZ);
            found = 0;
        }
    if (f)
        fclose(f);
    return found;
}

static int listen_address(char ret[INET_ADDRSTRLEN])
{
    struct ifreq req = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), r = -1;

    if (fd >= 0 && default_interface(req.ifr_name) == 0 && ioctl(fd, SIOCGIFADDR, &req) == 0) {
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
    unlink("/run/caddy/probe.sock");
}

static pid_t child;

static void pass_on(int sig)
{
    if (child > 0)
        kill(child, sig);
}

/* Runs argv as a child, passing signals on; its exit status, or 128 + the signal that ended it. */
static int run(char **argv)
{
    struct sigaction sa = { .sa_handler = pass_on };
    int status;

    child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        _exit(die(argv[0]));
    }
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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
    if (stat(saved_config, &st) == 0 && st.st_size > 0) {
        time_t from = time(NULL);
        int status = run(saved);

        if (status == 0 || status > 128 || time(NULL) - from > 5)
            return status;
        fprintf(stderr, "zn-init: caddy does not start with its saved configuration (status %d); "
                        "it is set aside as autosave.json.bad\n", status);
        rename(saved_config, "/data/config/caddy/autosave.json.bad");
        remove_old_sockets();
    }
    execv("/caddy", base);
    return die("/caddy");
}

/* --- temporal ------------------------------------------------------------------------------------ */

enum { WAIT_S = 300 };

static int read_secret(const char *path, char *ret, size_t size)
{
    FILE *f = fopen(path, "r");
    char *line = f ? fgets(ret, (int)size, f) : NULL;

    if (f)
        fclose(f);
    if (!line || !ret[strcspn(ret, "\r\n")]) {
        if (line && *line)
            return 0;
        return die(path);
    }
    ret[strcspn(ret, "\r\n")] = '\0';
    return 0;
}

static void rest(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

/* One try to open HOST:5432; NULL, or why not. */
static const char *postgres_answers(const char *host)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_INET }, *list = NULL;
    int r = getaddrinfo(host, "5432", &hints, &list), fd;

    if (r)
        return gai_strerror(r);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = fd < 0 ? -1 : connect(fd, list->ai_addr, list->ai_addrlen);
    const char *why = r < 0 ? strerror(errno) : NULL;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return why;
}

static int await_postgres(const char *host)
{
    char last[128] = "";
    long pause = 100;
    time_t end = time(NULL) + WAIT_S;

    for (;;) {
        const char *why = postgres_answers(host);

        if (!why)
            return 0;
        if (strcmp(why, last) != 0) {
            fprintf(stderr, "zn-init: waiting for %s: %s\n", host, why);
            snprintf(last, sizeof last, "%s", why);
        }
        if (time(NULL) > end) {
            fprintf(stderr, "zn-init: %s did not answer within %d s\n", host, WAIT_S);
            return 1;
        }
        rest(pause);
        if (pause < 2000)
            pause = pause * 3 / 2;
    }
}

static int sql_tool(const char *host, const char *database, char **rest_of)
{
    char *argv[24] = { "/temporal-sql", "--plugin", "postgres12_pgx", "--endpoint",
                       (char *)(unsigned long)host, "--port", "5432", "--user", "temporal",
                       "--database", (char *)(unsigned long)database };
    int n = 11;

    while (*rest_of)
        argv[n++] = *rest_of++;
    return run(argv);
}

/* update-schema fails on an empty database: then the version table is made first. */
static int schema(const char *host, const char *database, const char *name)
{
    char *update[] = { "update-schema", "--schema-name", (char *)(unsigned long)name, NULL };
    char *setup[] = { "setup-schema", "--version", "0.0", NULL };

    if (sql_tool(host, database, update) == 0)
        return 0;
    fprintf(stderr, "zn-init: database %s has no schema yet: setting it up\n", database);
    if (sql_tool(host, database, setup) != 0 || sql_tool(host, database, update) != 0) {
        fprintf(stderr, "zn-init: the schema of %s could not be brought up to date\n", database);
        return 1;
    }
    return 0;
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
    if (read_secret("/run/secrets/pg_temporal_password", password, sizeof password) ||
        await_postgres(host))
        return 1;
    setenv("SQL_PASSWORD", password, 1);
    if (schema(host, "temporal", "postgresql/v12/temporal") ||
        schema(host, "temporal_visibility", "postgresql/v12/visibility") ||
        write_config(host, password))
        return 1;
    unsetenv("SQL_PASSWORD");
    explicit_bzero(password, sizeof password);
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
