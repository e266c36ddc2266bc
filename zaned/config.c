#include "zaned/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/str.h"

extern char **environ;

enum kind { TEXT, NUMBER };

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *fallback;
    long long min, max; /* of a number; longest text */
    const char *help;
};

#define T(env, member, def, what) \
    { env, TEXT, offsetof(struct zn_config, member), def, 0, 400, what }
#define N(env, member, def, lo, hi, what) \
    { env, NUMBER, offsetof(struct zn_config, member), def, lo, hi, what }

static const struct option options[] = {
    T("ZN_PG_HOST", pg_host, "zn-postgres", "host of Postgres"),
    N("ZN_PG_PORT", pg_port, "5432", 1, 65535, "its port"),
    T("ZN_PG_USER", pg_user, "zane", "role to log in as"),
    T("ZN_PG_DB", pg_db, "zane", "database"),
    T("ZN_VALKEY_HOST", valkey_host, "zn-valkey", "host of Valkey"),
    N("ZN_VALKEY_PORT", valkey_port, "6379", 1, 65535, "its port"),
    T("ZN_LOKI_URL", loki_url, "http://zn-loki:3100", "address of Loki"),
    T("ZN_TEMPORAL", temporal, "zn-temporal:7233", "host:port of Temporal's frontend"),
    T("ZN_API_URL", api_url, "http://zn-zaned-api:8080", "where collectors send log lines"),
    T("ZN_ROOT_DOMAIN", root_domain, "zane.localhost", "domain below which apps get theirs"),
    T("ZN_APP_DOMAIN", app_domain, "", "domain of the dashboard; empty = the root domain"),
    N("ZN_HTTP_PORT", http_port, "80", 1, 65535, "public HTTP port"),
    N("ZN_HTTPS_PORT", https_port, "443", 1, 65535, "public HTTPS port"),
    T("ZN_VERSION", version, "0.1.0", "version of the platform"),
    T("ZN_LOG_ADDRESS", log_address, "",
      "fluentd-address of app containers as the engine sees it; empty = json-file logs"),
    T("ZN_ENGINE", engine, "/run/docker.sock", "socket of the container engine"),
    T("ZN_CADDY_ADMIN", caddy_admin, "/run/caddy/admin.sock", "Caddy's admin socket"),
    T("ZN_CADDY_EDGE", caddy_edge, "/run/caddy/edge.sock", "Caddy's public routes on a socket"),
    T("ZN_CADDY_TLS", caddy_tls, "/run/caddy/tls.sock", "Caddy's TLS on a socket"),
    T("ZN_CADDY_PROBE", caddy_probe, "/run/caddy/probe.sock", "Caddy's probe socket"),
    T("ZN_EDGE_DIR", edge_dir, "/var/lib/zane-edge", "folder of the proxy's upstream files"),
    T("ZN_WEB", web_dir, "/usr/share/zaned/web", "folder of the dashboard's files"),
    T("ZN_HANDOFF", handoff, "/run/zane-logs/handoff.sock", "supervisor's log hand-over socket"),
    T("ZN_SUPERVISOR", supervisor, "/run/zane-view/view.sock", "the supervisor's socket for reading"),
    T("ZN_TRIAL", trial, "/run/zane-view/trial", "file that is there while an upgrade is on trial"),
    T("ZN_STATE_DIR", state_dir, "/var/lib/zaned", "folder of the collector's buffer"),
    T("ZN_SECRETS", secrets_dir, "/run/secrets", "folder with one file for each secret"),
    T("ZN_MIGRATIONS", migrations_dir, "/usr/share/zaned/migrations", "folder of migrations"),
    T("ZN_LISTEN", listen, "0.0.0.0", "IPv4 address to listen on"),
    N("ZN_PORT", port, "0", 0, 65535, "port; 0 = the role's own (api 8080, worker 8081, collector 8082)"),
    N("ZN_RATE_ACCOUNT", rate_account, "6000", 0, 100000000,
      "most API requests of one account or token in a minute; 0 = any number"),
    N("ZN_ARRIVE_S", arrive_s, "30", 1, 600, "seconds within which the API wants a request's body"),
    N("ZN_IDLE_S", idle_s, "90", 1, 3600, "seconds after which a connection without a request is closed"),
    N("ZN_CONNECTIONS", connections, "8192", 64, 100000, "most connections of the API at once"),
    N("ZN_STANDBY_COLLECTOR", standby_collector, "0", 0, 1, "1 = the worker runs a standby collector"),
};
enum { NOPTIONS = sizeof options / sizeof *options };

static int set(struct zn_config *cfg, const struct option *o, const char *value, struct zn_err *err)
{
    void *at = (char *)cfg + o->offset;

    if (o->kind == NUMBER) {
        if (!zn_parse_i64(value, o->min, o->max, at))
            return zn_fail(err, ZN_INVALID, "%s must be a number from %lld to %lld", o->name, o->min,
                           o->max);
        return 0;
    }
    if ((long long)strlen(value) > o->max)
        return zn_fail(err, ZN_INVALID, "%s is longer than %lld characters", o->name, o->max);
    char *copy = strdup(value);
    if (!copy)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    free(*(char **)at);
    *(char **)at = copy;
    return 0;
}

static unsigned common_prefix(const char *a, const char *b)
{
    unsigned n = 0;

    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

static const char *nearest(const char *name, size_t n)
{
    const char *best = options[0].name;
    unsigned score = 0;
    char text[80];

    snprintf(text, sizeof text, "%.*s", (int)n, name);
    for (int i = 0; i < NOPTIONS; i++)
        if (common_prefix(text, options[i].name) > score) {
            score = common_prefix(text, options[i].name);
            best = options[i].name;
        }
    return best;
}

static const struct option *by_name(const char *name)
{
    for (int i = 0; i < NOPTIONS; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    zn_bug("no option %s", name);
}

static int read_one(struct zn_config *cfg, const char *line, struct zn_err *err)
{
    const char *eq = strchr(line, '=');
    size_t n = eq ? (size_t)(eq - line) : 0;

    for (int i = 0; i < NOPTIONS; i++)
        if (strlen(options[i].name) == n && strncmp(options[i].name, line, n) == 0)
            return set(cfg, &options[i], eq + 1, err);
    return zn_fail(err, ZN_INVALID, "%.*s is not a setting of zaned; did you mean %s?", (int)n, line,
                   nearest(line, n));
}

int zn_config_load(struct zn_config *ret, struct zn_err *err)
{
    struct zn_config cfg = { 0 };
    int r = 0;

    for (int i = 0; r == 0 && i < NOPTIONS; i++)
        r = set(&cfg, &options[i], options[i].fallback, err);
    for (char **e = environ; r == 0 && *e; e++)
        if (zn_starts_with(*e, "ZN_"))
            r = read_one(&cfg, *e, err);
    if (r == 0 && !*cfg.app_domain)
        r = set(&cfg, by_name("ZN_APP_DOMAIN"), cfg.root_domain, err);
    if (r < 0) {
        zn_config_done(&cfg);
        return -1;
    }
    *ret = cfg;
    return 0;
}

void zn_config_done(struct zn_config *cfg)
{
    for (int i = 0; i < NOPTIONS; i++)
        if (options[i].kind == TEXT) {
            char **at = (char **)(void *)((char *)cfg + options[i].offset);
            free(*at);
            *at = NULL;
        }
}

void zn_config_help(FILE *out)
{
    fprintf(out, "Settings (environment):\n");
    for (int i = 0; i < NOPTIONS; i++)
        fprintf(out, "  %-22s %s (default %s)\n", options[i].name, options[i].help,
                *options[i].fallback ? options[i].fallback : "empty");
}

int zn_secret_load(const struct zn_config *cfg, const char *name, char **ret, struct zn_err *err)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", cfg->secrets_dir, name);
    if (zn_read_line_file(path, ret, err) < 0)
        return zn_wrap(err, "secret %s", name);
    if (**ret)
        return 0;
    zn_secret_free(*ret);
    *ret = NULL;
    return zn_fail(err, ZN_INVALID, "secret %s: %s is empty", name, path);
}

void zn_secret_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}
