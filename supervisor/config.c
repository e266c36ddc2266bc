#include "supervisor/config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/str.h"
#include "supervisor/component.h"

enum kind { PATH, PORT, DOMAIN, CHOICE, LIST, FOREIGN };

struct row {
    const char *name;
    enum kind kind;
    size_t offset, size;
    const char *fallback; /* NULL: worked out, see help */
    long long min, max;   /* ports; path and domain lengths */
    const char *const *choices;
    const char *help;
};

static const char *const collectors[] = { "fluentd", "embedded", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

#define AT(member) offsetof(struct zn_config, member), sizeof((struct zn_config *)0)->member

/* Socket paths hold 107 bytes and the longest name below ZANE_RUN takes 22 of them. */
static const struct row table[] = {
    { "ZANE_STATE", PATH, AT(state), "/var/lib/zane", 2, 80, NULL,
      "secrets, installed images, the proxy's files" },
    { "ZANE_RUN", PATH, AT(run), "/run/zane", 2, 63, NULL, "sockets and pid file" },
    { "ZANE_IMAGES", PATH, AT(images), NULL, 2, 150, NULL,
      "image archives and their NAME.json (default $ZANE_STATE/images)" },
    { "ZANE_ENGINE", PATH, AT(engine), NULL, 2, 103, NULL,
      "the engine's socket (default /run/docker.sock if it answers, else $ZANE_RUN/docker.sock)" },
    { "ZANE_HTTP_PORT", PORT, AT(http_port), "80", 1, 65535, NULL, "host port of the proxy" },
    { "ZANE_HTTPS_PORT", PORT, AT(https_port), "443", 1, 65535, NULL,
      "host port of the proxy, TLS" },
    { "ZANE_ROOT_DOMAIN", DOMAIN, AT(root_domain), NULL, 1, 200, NULL,
      "apps get names below it (default <address>.sslip.io, or zane.localhost)" },
    { "ZANE_APP_DOMAIN", DOMAIN, AT(app_domain), NULL, 1, 253, NULL,
      "the dashboard's name (default: the root domain)" },
    { "ZANE_COLLECTOR", CHOICE, AT(collector), "fluentd", 0, 0, collectors,
      "who collects the apps' logs" },
    { "ZANE_COMPONENTS", LIST, AT(component_list), "", 0, 159, NULL,
      "only these components, comma-separated (tests; default all)" },
    { "ZANE_LOG_LEVEL", CHOICE, AT(log_level), "info", 0, 0, levels, "how much to log" },
    { "ZANE_CACHE", FOREIGN, 0, 0, NULL, 0, 0, NULL, "used by the image build only" },
    { "ZANE_GEMS", FOREIGN, 0, 0, NULL, 0, 0, NULL, "used by the image build only" },
};
enum { ROWS = sizeof table / sizeof *table };

static unsigned distance(const char *a, const char *b)
{
    unsigned row[64], diagonal, above;
    size_t n = strlen(b);

    if (strlen(a) > 63 || n > 63)
        return 64;
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            unsigned best = diagonal + (a[i] != b[j]);

            above = row[j + 1];
            if (above + 1 < best)
                best = above + 1;
            if (row[j] + 1 < best)
                best = row[j] + 1;
            diagonal = above;
            row[j + 1] = best;
        }
    }
    return row[n];
}

static int unknown(const char *name, struct zn_err *err)
{
    const char *nearest = table[0].name;

    for (unsigned i = 1; i < ROWS; i++)
        if (distance(name, table[i].name) < distance(name, nearest))
            nearest = table[i].name;
    return zn_fail(err, ZN_INVALID, "unknown variable %.60s; did you mean %s?", name, nearest);
}

static int check_path(const struct row *r, const char *value, struct zn_err *err)
{
    size_t n = strlen(value);

    if (value[0] != '/' || strstr(value, "/../") || zn_ends_with(value, "/.."))
        return zn_fail(err, ZN_INVALID, "%s must be an absolute path without '..'", r->name);
    if (n < (size_t)r->min || n > (size_t)r->max)
        return zn_fail(err, ZN_INVALID, "%s is %zu bytes long, %lld to %lld are allowed", r->name,
                       n, r->min, r->max);
    /* It becomes part of mounts and of a fluentd-address. */
    if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") != n)
        return zn_fail(err, ZN_INVALID, "%s may hold letters, digits and / . _ - only", r->name);
    return 0;
}

static int check_domain(const struct row *r, const char *value, struct zn_err *err)
{
    size_t n = strlen(value), label = 0;

    if (n < (size_t)r->min || n > (size_t)r->max)
        return zn_fail(err, ZN_INVALID, "%s is %zu bytes long, %lld to %lld are allowed", r->name,
                       n, r->min, r->max);
    for (size_t i = 0; i <= n; i++) {
        char c = value[i];

        if (c == '.' || !c) {
            if (!label || label > 63 || value[i - 1] == '-')
                break;
            label = 0;
            if (!c)
                return 0;
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && label)) {
            label++;
        } else {
            break;
        }
    }
    return zn_fail(err, ZN_INVALID, "%s must be a domain name in lower case, not '%.60s'", r->name,
                   value);
}

static int check_choice(const struct row *r, const char *value, struct zn_err *err)
{
    zn_auto_buf struct zn_buf list = ZN_BUF(200);

    for (unsigned i = 0; r->choices[i]; i++) {
        if (strcmp(value, r->choices[i]) == 0)
            return 0;
        zn_buf_printf(&list, "%s%s", i ? ", " : "", r->choices[i]);
    }
    return zn_fail(err, ZN_INVALID, "%s is one of %s, not '%.40s'", r->name, zn_buf_str(&list),
                   value);
}

static int set(struct zn_config *c, const struct row *r, const char *value, struct zn_err *err)
{
    char *at = (char *)c + r->offset;
    long long n;

    switch (r->kind) {
    case FOREIGN:
        return 0;
    case PORT:
        if (!zn_parse_i64(value, r->min, r->max, &n))
            return zn_fail(err, ZN_INVALID, "%s must be a number from %lld to %lld, not '%.40s'",
                           r->name, r->min, r->max, value);
        *(int64_t *)(void *)at = n;
        return 0;
    case PATH:
        if (check_path(r, value, err) < 0)
            return -1;
        break;
    case DOMAIN:
        if (check_domain(r, value, err) < 0)
            return -1;
        break;
    case CHOICE:
        if (check_choice(r, value, err) < 0)
            return -1;
        break;
    case LIST:
        if (strlen(value) > (size_t)r->max)
            return zn_fail(err, ZN_INVALID, "%s is longer than %lld bytes", r->name, r->max);
        break;
    }
    snprintf(at, r->size, "%s", value);
    return 0;
}

bool zn_public_address(char *ret, size_t size)
{
    /* Connecting a datagram socket sends nothing: it only asks the kernel which source it would
     * use. The address asked about is one for documentation. */
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) }, from;
    socklen_t len = sizeof from;
    ZN_AUTO(zn_auto_fd) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        getsockname(fd, (struct sockaddr *)&from, &len) < 0)
        return false;
    uint32_t a = ntohl(from.sin_addr.s_addr);
    if (a >> 24 == 0 || a >> 24 == 10 || a >> 24 == 127 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 ||
        a >> 16 == 0xa9fe || a >> 22 == 0x191 || a >> 28 >= 0xe || a >> 8 == 0xc00002)
        return false;
    return inet_ntop(AF_INET, &from.sin_addr, ret, (socklen_t)size);
}

static bool answers(const char *path)
{
    ZN_AUTO(zn_auto_fd) int fd = zn_dial_unix(path, SOCK_STREAM | SOCK_NONBLOCK);

    return fd >= 0;
}

static int derive(struct zn_config *c, struct zn_err *err)
{
    char address[INET_ADDRSTRLEN], list[sizeof c->component_list], *save = list, *word;

    if (!c->images[0])
        snprintf(c->images, sizeof c->images, "%s/images", c->state);
    if (!c->engine[0]) {
        if (answers("/run/docker.sock"))
            snprintf(c->engine, sizeof c->engine, "/run/docker.sock");
        else
            snprintf(c->engine, sizeof c->engine, "%s/docker.sock", c->run);
    }
    if (!c->root_domain[0] && zn_public_address(address, sizeof address)) {
        for (char *p = address; *p; p++)
            if (*p == '.')
                *p = '-';
        snprintf(c->root_domain, sizeof c->root_domain, "%s.sslip.io", address);
    }
    if (!c->root_domain[0])
        snprintf(c->root_domain, sizeof c->root_domain, "zane.localhost");
    if (!c->app_domain[0])
        memcpy(c->app_domain, c->root_domain, sizeof c->app_domain);
    if (c->http_port == c->https_port)
        return zn_fail(err, ZN_INVALID, "ZANE_HTTP_PORT and ZANE_HTTPS_PORT are both %lld",
                       (long long)c->http_port);
    c->embedded = strcmp(c->collector, "embedded") == 0;
    c->components = c->component_list[0] ? 0 : (UINT32_C(1) << ZN_C_MAX) - 1;
    memcpy(list, c->component_list, sizeof list);
    while ((word = strsep(&save, ",")) && c->component_list[0]) {
        unsigned i = 0;

        while (i < ZN_C_MAX && strcmp(word, zn_component_def(i, c->embedded)->name) != 0)
            i++;
        if (i == ZN_C_MAX)
            return zn_fail(err, ZN_INVALID, "ZANE_COMPONENTS: no component is called '%.40s'",
                           word);
        c->components |= UINT32_C(1) << i;
    }
    return 0;
}

int zn_config_load(char *const *env, struct zn_config *ret, struct zn_err *err)
{
    struct zn_config c = { 0 };

    for (unsigned i = 0; i < ROWS; i++)
        if (table[i].fallback && set(&c, &table[i], table[i].fallback, err) < 0)
            return -1;
    for (; *env; env++) {
        char name[64];
        unsigned i = 0;
        const char *eq = strchr(*env, '=');

        if (!zn_starts_with(*env, "ZANE_") || !eq)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(eq - *env), *env);
        while (i < ROWS && strcmp(table[i].name, name) != 0)
            i++;
        if (i == ROWS)
            return unknown(name, err);
        /* An empty value means "not set", as scripts pass variables through. */
        if (eq[1] && set(&c, &table[i], eq + 1, err) < 0)
            return -1;
    }
    if (derive(&c, err) < 0)
        return -1;
    *ret = c;
    return 0;
}

void zn_config_show(const struct zn_config *c, FILE *out)
{
    for (unsigned i = 0; i < ROWS; i++) {
        const char *at = (const char *)c + table[i].offset;

        if (table[i].kind == PORT)
            fprintf(out, "%s=%lld\n", table[i].name,
                    (long long)*(const int64_t *)(const void *)at);
        else if (table[i].kind != FOREIGN)
            fprintf(out, "%s=%s\n", table[i].name, at);
    }
}

void zn_config_help(FILE *out)
{
    fprintf(out, "usage: zane-supervisor [--help | --config | --notify-fd=N]\n\n"
                 "Boots and watches the platform's components. Settings are variables:\n\n");
    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *r = &table[i];

        fprintf(out, "  %-17s %s", r->name, r->help);
        if (r->fallback && *r->fallback)
            fprintf(out, " (default %s)", r->fallback);
        if (r->kind == PORT)
            fprintf(out, ", %lld to %lld", r->min, r->max);
        for (unsigned k = 0; r->choices && r->choices[k]; k++)
            fprintf(out, "%s%s", k ? ", " : ": ", r->choices[k]);
        fputc('\n', out);
    }
    fprintf(out, "\n--config shows the settings as worked out; --notify-fd tells s6 that the sockets\n"
                 "are open.\n\nSIGTERM ends the supervisor and leaves the components running; `zane stop`\n"
                 "stops the platform first.\n");
}
