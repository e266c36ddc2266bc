/* Activities that look at the new version and move the route to it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/workflows/check.h"
#include "zaned/workflows/workflows.h"

enum { CRASHES_MAX = 3 };
static const int64_t STABLE_MS = 2000; /* a service that nothing can be asked of must run this long */
static const int64_t PROBE_DEADLINE_MS = 5000;
static const int64_t VERIFY_MS = 15000;
static const int64_t POLL_MAX_MS = 400, COMMAND_POLL_MAX_MS = 2000;

/* State of one health check, over its polls. */
struct health {
    struct zn_dep dep;
    struct zn_check check;
    int64_t began_ms;
    int64_t running_since_ms; /* 0 = not running */
    unsigned failed;          /* containers that ended, as far as the build log has them */
};

/* One look: 1 healthy, 0 not yet, -1 error (ZN_INVALID: it will not become healthy). */
static int look(struct zn_work *w, struct zt_actx *c, struct health *h, struct zn_err *err)
{
    struct zn_task_view view;
    int r;

    if (zn_engine_service_tasks(w->engine, h->dep.name, &view, err) < 0)
        return -1;
    bool running = view.any && view.newest.phase == ZN_TASK_RUNNING;
    if (view.failed || !running)
        zn_check_stopped(&view, "not scheduled yet", &h->check);
    if (view.failed > h->failed) {
        h->failed = view.failed;
        zn_dep_line(w, h->dep.hash, "WARN", "%s", h->check.last);
    }
    if (view.failed >= CRASHES_MAX)
        return zn_fail(err, ZN_INVALID, "it crashed %u times; the last time: %s", view.failed,
                       view.last_failed.err);
    if (!running) {
        h->running_since_ms = 0;
        return zn_dep_status(w, h->dep.hash, view.total > 1 ? "RESTARTING" : "STARTING", h->check.last,
                             err);
    }
    if (!h->running_since_ms)
        h->running_since_ms = zn_now_ms();
    r = zn_check_ask(w, &h->dep, &view.newest, zt_actx_cancel_fd(c), &h->check, err);
    if (r > 0 && !h->check.port && !h->check.command)
        return zn_now_ms() - h->running_since_ms >= STABLE_MS;
    return r;
}

/* When the first attempt began, so that a new attempt does not start the time-out again. */
static int64_t began(struct zt_actx *c)
{
    int64_t now = zn_wall_ns() / 1000000;
    int64_t first = zn_json_int(zt_actx_details(c), "began_ms", now);

    zt_heartbeat(c, json_pack("{s:I}", "began_ms", (json_int_t)first));
    return first;
}

/* A version that starts is asked more often than one that serves: people wait for it. A command costs a
 * process in its container, so it is asked less often. */
static int64_t poll_max_ms(const struct zn_check *c)
{
    int64_t ms = c->command ? COMMAND_POLL_MAX_MS : POLL_MAX_MS;

    return c->interval_ms < ms ? c->interval_ms : ms;
}

static int health(struct zn_work *w, struct zt_actx *c, struct health *h, struct zn_err *err)
{
    zn_check_read(h->dep.snapshot, &h->check);
    char what[300];

    zn_check_describe(&h->check, what, sizeof what);
    if (zn_dep_step(w, h->dep.hash, "health", err, "Waiting at most %lld s until %s.",
                    (long long)(h->check.timeout_ms / 1000), what) < 0)
        return -1;
    h->began_ms = began(c);
    for (unsigned i = 0;; i++) {
        int r = look(w, c, h, err);

        if (r != 0)
            return r > 0 ? 0 : -1;
        if (zn_wall_ns() / 1000000 - h->began_ms >= h->check.timeout_ms)
            return zn_fail(err, ZN_INVALID, "not healthy within %lld s; %s",
                           (long long)(h->check.timeout_ms / 1000),
                           h->check.last[0] ? h->check.last : "it does not stay up");
        if (!zt_actx_wait(c, zn_backoff_ms(i, 40, poll_max_ms(&h->check), i * 40503u)))
            return zn_fail(err, ZN_UNAVAILABLE, "interrupted");
    }
}

enum zt_res zn_act_health(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct health h = { 0 };
    struct zn_err err = { 0 };
    int r = zn_dep_load(work, input, &h.dep, &err);

    (void)result;
    if (r == 0)
        r = health(work, c, &h, &err);
    zn_dep_done(&h.dep);
    return zn_act_result(c, r, &err);
}

static int move_route(struct zn_work *w, const char *hash, const char *to, struct zn_err *err)
{
    if (zn_sql_once(w->store, ZN_SQL_SERVICE_ROUTE, ZN_P(hash, to), NULL, err) < 0)
        return -1;
    return zn_route_sync(w, err);
}

enum zt_res zn_act_route(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    const char *hash = zn_json_str(input, "deployment", "");
    struct zn_err err = { 0 };
    int r = zn_dep_step(w, hash, "route", &err, "Switching the route to the new version.");

    (void)result;
    if (r == 0)
        r = move_route(w, hash, hash, &err);
    return zn_act_result(c, r, &err);
}

enum zt_res zn_act_unroute(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    const json_t *plan = json_object_get(input, "plan");
    struct zn_err err = { 0 };
    zn_auto_dep struct zn_dep d = { 0 };
    int r = zn_dep_load(w, input, &d, &err);

    (void)result;
    if (r == 0 && d.routed_hash && strcmp(d.routed_hash, d.hash) == 0)
        r = move_route(w, d.hash, zn_json_str(plan, "routed", NULL), &err);
    return zn_act_result(c, r, &err);
}

/* The address a visitor would use to meet the service, or what a health check asks below it. */
static void visit_path(const json_t *snapshot, const json_t *url, char *ret, size_t size)
{
    const json_t *check = json_object_get(snapshot, "healthcheck");
    const char *base = zn_json_str(url, "base_path", "/"), *path = "/";
    size_t n = strlen(base);

    if (strcmp(zn_json_str(check, "type", ""), "PATH") == 0 &&
        !json_is_false(json_object_get(url, "strip_prefix")))
        path = zn_json_str(check, "value", "/");
    while (n && base[n - 1] == '/')
        n--;
    snprintf(ret, size, "%.*s%s%s", (int)n, base, *path == '/' ? "" : "/", path);
}

static int verify_url(struct zn_work *w, struct zt_actx *c, const struct zn_dep *d,
                      const json_t *url, struct zn_err *err)
{
    const char *domain = zn_json_str(url, "domain", "");
    int64_t end = zn_now_ms() + VERIFY_MS;
    struct zn_probe_result got = { 0 };
    char path[2048], host[512];

    visit_path(d->snapshot, url, path, sizeof path);
    /* A wildcard is tried with a name below it. */
    snprintf(host, sizeof host, "%s%s", *domain == '*' ? "zane-check" : "",
             *domain == '*' ? domain + 1 : domain);
    for (unsigned i = 0; zn_now_ms() < end; i++) {
        if (zn_caddy_visit(&w->caddy, host, path, PROBE_DEADLINE_MS, zt_actx_cancel_fd(c), &got,
                           err) < 0)
            return -1;
        if (got.status && strcmp(got.hash, d->hash) == 0)
            return 0;
        if (!zt_actx_wait(c, zn_backoff_ms(i, 50, 1000, i)))
            return zn_fail(err, ZN_UNAVAILABLE, "interrupted");
    }
    return zn_fail(err, ZN_INVALID, "http://%s%s does not lead to the new version (%s)", host, path,
                   got.error[0] ? got.error : "another version answers");
}

static int verify(struct zn_work *w, struct zt_actx *c, json_t *input, struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };
    size_t i;
    json_t *url;

    if (zn_dep_load(w, input, &d, err) < 0 ||
        zn_dep_step(w, d.hash, "verify", err, "Checking that visitors reach the new version.") < 0)
        return -1;
    json_array_foreach (json_object_get(d.snapshot, "urls"), i, url)
        if (!json_is_object(json_object_get(url, "redirect_to")) &&
            verify_url(w, c, &d, url, err) < 0)
            return -1;
    return 0;
}

enum zt_res zn_act_verify(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, verify(work, c, input, &err), &err);
}
