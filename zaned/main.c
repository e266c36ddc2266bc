/* zaned: one binary, one role a process. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/api/api.h"
#include "zaned/api/cache.h"
#include "zaned/api/events.h"
#include "zaned/api/feed.h"
#include "zaned/api/limits.h"
#include "zaned/api/notices.h"
#include "zaned/api/openapi.h"
#include "zaned/api/session.h"
#include "zaned/api/tail.h"
#include "zaned/api/web.h"
#include "zaned/config.h"
#include "zaned/http/http.h"
#include "zaned/logs/collector.h"
#include "zaned/logs/loki.h"
#include "zaned/store/rotate.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"
#include "zaned/worker_main.h"

static const size_t CALLERS_BYTES = 4 << 20, ANSWERS_BYTES = 8 << 20;
enum { API_PORT = 8080, API_WORKERS = 8, API_QUEUE = 1024 };
static const int64_t MIGRATE_WAIT_MS = 60000, DRAIN_MS = 5000;

static int open_store(const struct zn_config *cfg, const char *application, unsigned conns,
                      int statement_ms, struct zn_store **ret, struct zn_err *err)
{
    char *password = NULL;

    if (zn_secret_load(cfg, "pg_zane_password", &password, err) < 0)
        return -1;
    struct zn_store_config c = { .host = cfg->pg_host,
                                 .user = cfg->pg_user,
                                 .password = password,
                                 .dbname = cfg->pg_db,
                                 .port = (int)cfg->pg_port,
                                 .max_conns = conns,
                                 .acquire_ms = 5000,
                                 .statement_ms = statement_ms,
                                 .application = application };
    int r = zn_store_open(&c, ret, err);
    zn_secret_free(password);
    return r;
}

/* --- migrate -------------------------------------------------------------------------------------- */

static int migrate_main(const struct zn_config *cfg)
{
    struct zn_store *store = NULL;
    struct zn_err err = { 0 };
    unsigned applied = 0;
    int64_t end = zn_now_ms() + MIGRATE_WAIT_MS;
    int r = open_store(cfg, "zaned-migrate", 1, 10000, &store, &err);

    for (unsigned i = 0; r == 0; i++) {
        memset(&err, 0, sizeof err);
        r = zn_migrate(store, cfg->migrations_dir, &applied, &err);
        if (r == 0 || err.code != ZN_UNAVAILABLE || zn_now_ms() > end)
            break;
        r = 0;
        zn_pause_ms(zn_backoff_ms(i, 100, 2000, i * 40503u));
    }
    zn_store_close(store);
    if (r < 0) {
        zn_error("migrate: %s %s", err.msg, err.detail);
        return 1;
    }
    zn_info("migrations are up to date applied=%u", applied);
    return 0;
}

/* --- rotate-keys ----------------------------------------------------------------------------- */

/* The line on stdout is what the supervisor reads. */
static int rotate_main(const struct zn_config *cfg)
{
    struct zn_store *store = NULL;
    struct zn_sealer *sealer = NULL;
    struct zn_rotation done = { 0 };
    struct zn_err err = { 0 };
    char *key = NULL;
    int r = open_store(cfg, "zaned-rotate-keys", 1, 60000, &store, &err);

    if (r == 0)
        r = zn_secret_load(cfg, "encryption_key", &key, &err);
    if (r == 0)
        r = zn_sealer_new(key, &sealer, &err);
    zn_secret_free(key);
    if (r == 0)
        r = zn_rotate_keys(store, sealer, &done, &err);
    if (sealer)
        printf("{\"key\":\"%s\",\"rows\":%llu,\"values\":%llu,\"left\":%llu,\"lost\":%llu}\n",
               zn_sealer_key_id(sealer), done.rows, done.values, done.left, done.lost);
    if (r < 0)
        zn_error("rotate-keys: %s %s", err.msg, err.detail);
    zn_sealer_free(sealer);
    zn_store_close(store);
    return r < 0;
}

/* --- api ------------------------------------------------------------------------------------------ */

struct api_role {
    struct zn_api api;
    struct zn_sealer *sealer;
    struct zn_loki loki;
    char *ingest_token, *setup_token;
    struct zn_notices *notices;
    struct zn_web *web;
    struct zn_app *app;
    struct zn_server *server;
};

static int open_parts(const struct zn_config *cfg, struct api_role *r, struct zn_err *err)
{
    char *key = NULL, *password = NULL;
    int ret = open_store(cfg, "zaned-api", API_WORKERS + 3, 10000, &r->api.store, err);

    if (ret == 0)
        ret = zn_secret_load(cfg, "encryption_key", &key, err);
    if (ret == 0)
        ret = zn_sealer_new(key, &r->sealer, err);
    if (ret == 0)
        ret = zn_secret_load(cfg, "valkey_password", &password, err);
    if (ret == 0)
        ret = zn_sessions_open(cfg->valkey_host, (int)cfg->valkey_port, password, &r->api.sessions,
                               err);
    if (ret == 0)
        ret = zn_secret_load(cfg, "ingest_token", &r->ingest_token, err);
    if (ret == 0)
        ret = zn_secret_load(cfg, "setup_token", &r->setup_token, err);
    if (ret == 0)
        ret = zn_loki_init(&r->loki, cfg->loki_url, err);
    zn_secret_free(key);
    zn_secret_free(password);
    return ret;
}

/* As configured, within what the process may open beside its other files. */
static unsigned connections(const struct zn_config *cfg)
{
    struct rlimit files;
    rlim_t others = 256;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 512;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        zn_warn("the number of open files could not be raised: %s", strerror(errno));
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur <= 2 * others)
        return (unsigned)files.rlim_cur / 2;
    rlim_t most = files.rlim_cur - others;
    return (rlim_t)cfg->connections < most ? (unsigned)cfg->connections : (unsigned)most;
}

/* The API is worth more than the dashboard: without one it serves all the same. */
static void load_web(const struct zn_config *cfg, struct api_role *r)
{
    struct zn_err err = { 0 };

    if (zn_web_load(cfg->web_dir, &r->web, &err) < 0)
        zn_error("the dashboard's files: %s", err.msg);
    else if (!r->web)
        zn_info("no dashboard in %s", cfg->web_dir);
    r->api.web = r->web;
}

static int start_api(const struct zn_config *cfg, struct api_role *r, struct zn_err *err)
{
    if (open_parts(cfg, r, err) < 0)
        return -1;
    r->api.cfg = cfg;
    r->api.sealer = r->sealer;
    r->api.loki = &r->loki;
    r->api.ingest_token = r->ingest_token;
    r->api.setup_token = r->setup_token;
    r->api.callers = zn_cache_new(CALLERS_BYTES);
    r->api.answers = zn_cache_new(ANSWERS_BYTES);
    if (!(r->api.feed = zn_feed_new()))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    load_web(cfg, r);
    if (zn_limits_new(r->api.sessions, (int)cfg->rate_account, &r->api.limits, err) < 0 ||
        zn_notices_start(r->api.store, r->api.callers, r->api.answers, r->api.feed, &r->notices, err) < 0 ||
        zn_events_start(cfg->supervisor, &r->api.events, err) < 0 ||
        zn_tail_start(&r->loki, &r->api.tail, err) < 0)
        return -1;
    if (zn_app_new(&r->api, zn_all_routes, zn_all_nroutes, &r->app, err) < 0)
        return -1;
    struct zn_server_config c = { .address = cfg->listen,
                                  .port = cfg->port ? (int)cfg->port : API_PORT,
                                  .workers = API_WORKERS,
                                  .queue = API_QUEUE,
                                  .max_conns = connections(cfg),
                                  .arrive_ms = cfg->arrive_s * 1000,
                                  .idle_ms = cfg->idle_s * 1000,
                                  .wait_ms = 10000,
                                  .app = zn_app_http(r->app) };
    return zn_server_start(&c, &r->server, err);
}

/* What a burst of large answers took goes back to the system: by default each thread's heap keeps it. */
static void bound_heap(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

static int api_main(const struct zn_config *cfg)
{
    struct api_role r = { 0 };
    struct zn_err err = { 0 };
    sigset_t set;
    int sig, status = 0;

    bound_heap();
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (start_api(cfg, &r, &err) < 0) {
        zn_error("api: %s", err.msg);
        status = 1;
    } else {
        zn_info("api listens on %s:%d version=%s", cfg->listen, zn_server_port(r.server), cfg->version);
        while (sigwait(&set, &sig) != 0)
            ;
        zn_info("stopping on signal %d", sig);
    }
    zn_server_stop(r.server, DRAIN_MS);
    zn_app_free(r.app);
    zn_web_free(r.web);
    zn_events_stop(r.api.events);
    zn_tail_stop(r.api.tail);
    zn_notices_stop(r.notices);
    zn_feed_free(r.api.feed);
    zn_limits_free(r.api.limits);
    zn_cache_free(r.api.answers);
    zn_cache_free(r.api.callers);
    zn_sessions_close(r.api.sessions);
    zn_sealer_free(r.sealer);
    zn_store_close(r.api.store);
    zn_secret_free(r.ingest_token);
    zn_secret_free(r.setup_token);
    return status;
}

/* The API's description, for the page of the repository and for programs that are made of it. */
static int openapi_main(const struct zn_config *cfg)
{
    zn_auto_json doc = zn_openapi(zn_all_routes, zn_all_nroutes, cfg->version);

    return json_dumpf(doc, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF ? 0 : 1;
}

/* --- roles ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *component, *help;
    int (*run)(const struct zn_config *cfg);
} roles[] = {
    { "api", "zaned-api", "the REST API", api_main },
    { "worker", "zaned-worker", "deployments: the workflow worker", zn_worker_main },
    { "collector", "collector", "the embedded log collector", zn_collector_main },
    { "openapi", "zaned-openapi", "print the API's OpenAPI document", openapi_main },
    { "migrate", "zaned-migrate", "bring the database to this version, then end", migrate_main },
    { "rotate-keys", "zaned-rotate-keys", "seal all stored secrets with the newest key, then end",
      rotate_main },
};

static void usage(FILE *out)
{
    fprintf(out, "usage: zaned ROLE | --help | --version\n\nRoles:\n");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        fprintf(out, "  %-12s %s\n", roles[i].name, roles[i].help);
    fprintf(out, "\n");
    zn_config_help(out);
}

int main(int argc, char **argv)
{
    struct zn_config cfg;
    struct zn_err err = { 0 };

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    for (size_t i = 0; argc == 2 && i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(argv[1], roles[i].name) != 0)
            continue;
        zn_log_setup(roles[i].component, ZN_LOG_INFO);
        sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
        if (zn_config_load(&cfg, &err) < 0) {
            zn_error("%s", err.msg);
            return 2;
        }
        int status = roles[i].run(&cfg);
        zn_config_done(&cfg);
        return status;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        if (zn_config_load(&cfg, &err) < 0) {
            fprintf(stderr, "%s\n", err.msg);
            return 2;
        }
        printf("%s\n", cfg.version);
        zn_config_done(&cfg);
        return 0;
    }
    usage(stderr);
    return 2;
}
