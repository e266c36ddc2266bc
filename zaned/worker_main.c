#include "zaned/worker_main.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/config.h"
#include "zaned/http/http.h"
#include "zaned/logs/collector.h"
#include "zaned/proxy/assets.h"
#include "zaned/workflows/lines.h"
#include "zaned/workflows/monitor.h"
#include "zaned/workflows/outbox.h"
#include "base/periodic.h"
#include "zaned/workflows/reconcile.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

enum { ACTIVITY_THREADS = 8, DB_CONNS = 12, PORT = 8081 };
static const int64_t LINES_MS = 500, LINES_MAX_MS = 10000;
static const int64_t RETENTION_S = 7 * 86400, DRAIN_MS = 5000, READY_PING_MS = 2000;
static const int64_t TRIAL_LOOK_MS = 500, TRIAL_ROUTES_MS = 5000;

/* All parts of the role; each is NULL until it was started. */
struct worker_role {
    const struct zn_config *cfg;
    struct zn_work work;
    struct zn_engine engine;
    struct zn_outbox *outbox;
    struct zn_monitor *monitor;
    struct zt_worker *worker;
    struct zn_server *server;
    struct zn_collector *collector; /* standby; NULL where the configuration wants none */
    struct zn_reconciler *reconciler;
    struct zn_loki loki;
    struct zn_lines lines;
    struct zn_periodic *shipper; /* of the build log's lines */
    int wake; /* eventfd: the start-up wait stops */
    atomic_bool stop;
    atomic_bool on_trial; /* nothing works on deployments yet */
};

static bool pause_for(struct worker_role *r, int64_t ms)
{
    struct pollfd p = { .fd = r->wake, .events = POLLIN };

    poll(&p, 1, (int)ms);
    return !atomic_load(&r->stop);
}

/* --- readiness ---------------------------------------------------------------------------------- */

static void readyz(struct worker_role *r, struct zn_reply *reply)
{
    struct zn_err err = { 0 };
    const char *bad = NULL;
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(r->work.store, ZN_SQL_PING, ZN_P0, &res, &err) < 0)
        bad = "postgres";
    else if ((!r->worker && !atomic_load(&r->on_trial)) || zt_client_ping(r->work.temporal, READY_PING_MS, &err) < 0)
        bad = "temporal";
    if (bad)
        zn_reply_json(reply, 503, json_pack("{s:b,s:s,s:s}", "ready", 0, "waits_for", bad, "reason",
                                            err.msg));
    else
        zn_reply_json(reply, 200, json_pack("{s:b}", "ready", 1));
}

static void on_route(void *self, struct zn_request *req, enum zn_lane *lane, size_t *body_max,
                     struct zn_reply *reply)
{
    (void)self;
    (void)req;
    (void)reply;
    *lane = ZN_LANE_WORKER;
    *body_max = 0;
}

static void on_handle(void *self, struct zn_request *req, struct zn_reply *reply)
{
    if (strcmp(req->path, "/readyz") == 0)
        readyz(self, reply);
    else if (strcmp(req->path, "/healthz") == 0)
        zn_reply_json(reply, 200, json_pack("{s:b}", "alive", 1));
    else
        zn_reply_json(reply, 404, json_pack("{s:s}", "error", "not found"));
}

static void on_refuse(void *self, struct zn_request *req, int status, const char *detail,
                      struct zn_reply *reply)
{
    (void)self;
    (void)req;
    zn_reply_json(reply, status, json_pack("{s:s}", "error", detail));
}

static int start_server(struct worker_role *r, struct zn_err *err)
{
    struct zn_server_config c = { .address = r->cfg->listen,
                                  .port = r->cfg->port ? (int)r->cfg->port : PORT,
                                  .workers = 1,
                                  .queue = 16,
                                  .max_conns = 32,
                                  .arrive_ms = 5000,
                                  .idle_ms = 90000,
                                  .wait_ms = 5000,
                                  .app = { r, on_route, on_handle, on_refuse } };

    return zn_server_start(&c, &r->server, err);
}

/* --- start and stop ----------------------------------------------------------------------------- */

static int open_store(struct worker_role *r, struct zn_err *err)
{
    char *password = NULL, *key = NULL;
    int ret = zn_secret_load(r->cfg, "pg_zane_password", &password, err);

    if (ret == 0)
        ret = zn_secret_load(r->cfg, "encryption_key", &key, err);
    if (ret == 0) {
        struct zn_store_config c = { .host = r->cfg->pg_host,
                                     .user = r->cfg->pg_user,
                                     .password = password,
                                     .dbname = r->cfg->pg_db,
                                     .port = (int)r->cfg->pg_port,
                                     .max_conns = DB_CONNS,
                                     .acquire_ms = 10000,
                                     .statement_ms = 10000,
                                     .application = "zaned-worker" };
        ret = zn_store_open(&c, &r->work.store, err);
    }
    if (ret == 0)
        ret = zn_sealer_new(key, &r->work.sealer, err);
    zn_secret_free(password);
    zn_secret_free(key);
    return ret;
}

static int open_clients(struct worker_role *r, struct zn_err *err)
{
    char identity[80], host[48] = "";

    gethostname(host, sizeof host - 1);
    snprintf(identity, sizeof identity, "zaned-worker@%s", host);
    struct zt_client_config c = { .target = r->cfg->temporal,
                                  .namespace_ = "default",
                                  .identity = identity,
                                  .client_name = "zaned",
                                  .client_version = r->cfg->version };

    if (zn_engine_init(&r->engine, r->cfg->engine, err) < 0)
        return -1;
    r->work.engine = &r->engine;
    return zt_client_open(&c, &r->work.temporal, err);
}

static void fill_work(struct worker_role *r)
{
    r->work.caddy = (struct zn_caddy){ r->cfg->caddy_admin, r->cfg->caddy_edge, r->cfg->caddy_probe,
                                       r->cfg->edge_dir };
    r->work.proxy = (struct zn_proxy_opts){ r->cfg->app_domain, r->cfg->root_domain,
                                            r->cfg->edge_dir, "zn-zaned-api:8080" };
    r->work.log_address = r->cfg->log_address;
    pthread_mutex_init(&r->work.route_lock, NULL);
}

/* Without them the API answers for them itself. */
static void publish_assets(const struct zn_config *cfg)
{
    struct zn_err err = { 0 };

    if (zn_assets_publish(cfg->web_dir, cfg->edge_dir, time(NULL), &err) < 0)
        zn_error("publishing the dashboard's files: %s", err.msg);
}

static int start_shipper(struct worker_role *r, struct zn_err *err)
{
    struct zn_periodic_config c = { .name = "build log",
                                    .fn = zn_lines_ship,
                                    .arg = &r->lines,
                                    .period_ms = LINES_MS,
                                    .retry_first_ms = LINES_MS,
                                    .retry_max_ms = LINES_MAX_MS };

    r->lines = (struct zn_lines){ r->work.store, &r->loki };
    if (zn_loki_init(&r->loki, r->cfg->loki_url, err) < 0)
        return -1;
    return zn_periodic_start(&c, &r->shipper, err);
}

/* Waits for Temporal as long as it takes; false if the role is stopped meanwhile. */
static bool await_namespace(struct worker_role *r)
{
    for (unsigned i = 0;; i++) {
        struct zn_err err = { 0 };

        if (zt_client_ensure_namespace(r->work.temporal, RETENTION_S, &err) == 0)
            return true;
        if (i % 10 == 0)
            zn_warn("workflow server: %s", err.msg);
        if (!pause_for(r, zn_backoff_ms(i, 200, 3000, i * 40503u)))
            return false;
    }
}

/* An upgrade on trial may be undone, and everything that is written to the database with it: until it is decided no
 * workflow goes on, nothing is delivered, scheduled, watched or put right. The proxy is a new one and needs its routes,
 * which come from the database and go to it alone. False if the role is stopped meanwhile. */
static bool await_end_of_trial(struct worker_role *r)
{
    int64_t routes_ms = 0;

    for (; zn_on_trial(r->cfg); atomic_store(&r->on_trial, true)) {
        struct zn_err err = { 0 };

        if (!atomic_load(&r->on_trial))
            zn_info("an upgrade is on trial: deployments wait until it is decided");
        if (zn_now_ms() >= routes_ms) {
            if (zn_route_sync(&r->work, &err) < 0)
                zn_warn("routes of the proxy: %s", err.msg);
            routes_ms = zn_now_ms() + TRIAL_ROUTES_MS;
        }
        if (!pause_for(r, TRIAL_LOOK_MS))
            return false;
    }
    if (atomic_load(&r->on_trial))
        zn_info("the upgrade is decided: deployments go on");
    return true;
}

/* Everything that changes something by itself. */
static int start_keepers(struct worker_role *r, struct zn_err *err)
{
    if (zn_reconciler_start(&r->work, &r->reconciler, err) < 0 || zn_monitor_start(&r->work, &r->monitor, err) < 0)
        return -1;
    return start_shipper(r, err);
}

static int start_worker(struct worker_role *r, struct zn_err *err)
{
    struct zt_worker_config c = { .client = r->work.temporal,
                                  .queue = ZN_TASK_QUEUE,
                                  .workflows = zn_workflows,
                                  .nworkflows = zn_workflows_count,
                                  .activities = zn_activities,
                                  .nactivities = zn_activities_count,
                                  .arg = &r->work,
                                  .activity_threads = ACTIVITY_THREADS };

    if (zt_worker_start(&c, &r->worker, err) < 0)
        return -1;
    return zn_outbox_start(&r->work, &r->outbox, err);
}

/* Tried until it is there: the worker works without it. */
static void ensure_schedule(struct worker_role *r)
{
    struct zt_schedule daily = { .id = "housekeeping", .type = "housekeeping", .queue = ZN_TASK_QUEUE,
                                 .workflow_id = "housekeeping", .every_ms = 86400000,
                                 .phase_ms = 3 * 3600000, .execution_timeout_ms = 3600000 };

    for (unsigned i = 0;; i++) {
        struct zn_err err = { 0 };

        if (zt_client_schedule(r->work.temporal, &daily, &err) == 0)
            return;
        if (i % 10 == 0)
            zn_warn("schedule of the housekeeping: %s", err.msg);
        if (!pause_for(r, zn_backoff_ms(i, 1000, 60000, i * 40503u)))
            return;
    }
}

/* What has to wait for the end of a trial, or for Temporal, runs beside the signal wait. */
static void *late_main(void *arg)
{
    struct worker_role *r = arg;
    struct zn_err err = { 0 };
    int ret = 0;

    if (!await_end_of_trial(r))
        return NULL;
    ret = start_keepers(r, &err);
    if (ret == 0 && !await_namespace(r))
        return NULL;
    if (ret == 0)
        ret = start_worker(r, &err);
    atomic_store(&r->on_trial, false);
    if (ret < 0) {
        zn_error("worker: %s", err.msg);
        kill(getpid(), SIGTERM);
        return NULL;
    }
    ensure_schedule(r);
    return NULL;
}

static void stop(struct worker_role *r, pthread_t late)
{
    uint64_t one = 1;

    atomic_store(&r->stop, true);
    if (write(r->wake, &one, sizeof one) < 0)
        zn_warn("eventfd: %s", strerror(errno));
    pthread_join(late, NULL);
    zn_monitor_stop(r->monitor);
    zn_outbox_stop(r->outbox);
    zt_worker_stop(r->worker, DRAIN_MS);
    zn_reconciler_stop(r->reconciler);
    zn_periodic_stop(r->shipper);
}

static void release(struct worker_role *r)
{
    zn_server_stop(r->server, 1000);
    zn_collector_stop(r->collector);
    zt_client_close(r->work.temporal);
    if (r->work.engine)
        zn_engine_done(&r->engine);
    zn_sealer_free(r->work.sealer);
    zn_store_close(r->work.store);
    close(r->wake);
}

static void wait_for_signal(const sigset_t *set)
{
    int sig;

    while (sigwait(set, &sig) != 0)
        ;
    zn_info("stopping on signal %d", sig);
}

int zn_worker_main(const struct zn_config *cfg)
{
    struct worker_role r = { .cfg = cfg, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    struct zn_err err = { 0 };
    pthread_t late;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fill_work(&r);
    publish_assets(cfg);
    if (open_store(&r, &err) < 0 || open_clients(&r, &err) < 0 || start_server(&r, &err) < 0 ||
        (cfg->standby_collector && zn_collector_from_config(cfg, &r.collector, &err) < 0)) {
        zn_error("worker: %s", err.msg);
        release(&r);
        return 1;
    }
    if (pthread_create(&late, NULL, late_main, &r)) {
        zn_error("worker: its thread could not be started");
        release(&r);
        return 1;
    }
    wait_for_signal(&set);
    stop(&r, late);
    release(&r);
    return 0;
}
