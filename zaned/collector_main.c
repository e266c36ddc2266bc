/* Role `zaned collector`, and the collector as the worker starts it: configuration → zaned/logs. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "base/log.h"
#include "zaned/config.h"
#include "zaned/http/http.h"
#include "zaned/logs/collector.h"

enum { PORT = 8082 };

int zn_collector_from_config(const struct zn_config *cfg, struct zn_collector **ret,
                             struct zn_err *err)
{
    struct zn_collector_opts opts = { .name = "embedded", .handoff = cfg->handoff,
                                      .api_url = cfg->api_url };
    char dir[512], *token = NULL;
    int r;

    if (snprintf(dir, sizeof dir, "%s/spool", cfg->state_dir) >= (int)sizeof dir)
        return zn_fail(err, ZN_INVALID, "ZN_STATE_DIR: longer than 500 bytes");
    if (zn_secret_load(cfg, "ingest_token", &token, err) < 0)
        return -1;
    opts.dir = dir;
    opts.token = token;
    r = zn_collector_start(&opts, ret, err);
    zn_secret_free(token);
    return r;
}

static void on_route(void *self, struct zn_request *req, enum zn_lane *lane, size_t *body_max,
                     struct zn_reply *reply)
{
    (void)self;
    (void)req;
    (void)reply;
    *lane = ZN_LANE_LOOP;
    *body_max = 0;
}

static void on_handle(void *self, struct zn_request *req, struct zn_reply *reply)
{
    struct zn_collector_stats st;
    char why[256];
    bool ready;

    if (strcmp(req->path, "/healthz") == 0) {
        zn_reply_json(reply, 200, json_pack("{s:b}", "alive", 1));
        return;
    }
    if (strcmp(req->path, "/readyz") != 0) {
        zn_reply_json(reply, 404, json_pack("{s:s}", "error", "not found"));
        return;
    }
    ready = zn_collector_ready(self, why, sizeof why);
    zn_collector_stats(self, &st);
    zn_reply_json(reply, ready ? 200 : 503,
                  json_pack("{s:b,s:s,s:b,s:i,s:I,s:I,s:I,s:I,s:I}", "ready", ready, "reason", why,
                            "accepting", st.accepting, "connections", (int)st.connections, "records",
                            (json_int_t)st.records, "refused_records", (json_int_t)st.refused_records,
                            "shipped_batches", (json_int_t)st.shipped_batches, "buffer_bytes",
                            (json_int_t)st.spool_bytes, "refused_batches",
                            (json_int_t)st.refused_segments));
}

static void on_refuse(void *self, struct zn_request *req, int status, const char *detail,
                      struct zn_reply *reply)
{
    (void)self;
    (void)req;
    zn_reply_json(reply, status, json_pack("{s:s}", "error", detail));
}

int zn_collector_main(const struct zn_config *cfg)
{
    struct zn_collector *c = NULL;
    struct zn_server *server = NULL;
    struct zn_err err = { 0 };
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (zn_collector_from_config(cfg, &c, &err) == 0) {
        struct zn_server_config http = { .address = cfg->listen,
                                         .port = cfg->port ? (int)cfg->port : PORT,
                                         .max_conns = 16,
                                         .arrive_ms = 5000,
                                         .idle_ms = 90000,
                                         .wait_ms = 5000,
                                         .app = { c, on_route, on_handle, on_refuse } };
        zn_server_start(&http, &server, &err);
    }
    if (!server) {
        zn_error("collector: %s", err.msg);
        zn_collector_stop(c);
        return 1;
    }
    while (sigwait(&set, &sig) != 0)
        ;
    zn_info("stopping on signal %d", sig);
    zn_server_stop(server, 1000);
    zn_collector_stop(c);
    return 0;
}
