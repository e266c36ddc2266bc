/* Activities of the deploy steps up to the new swarm service, and their undos. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

static const int64_t LEASE_POLL_MS = 2000;
static const int64_t PERCENT_MS = 1000; /* progress is written down at most this often */
static const int64_t PULL_DEADLINE_MS = 25 * 60 * 1000;

/* The lease came with the workflow; its run is written down. One that lost it waits for the next. */
enum zt_res zn_act_acquire(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    const char *hash = zn_json_str(input, "deployment", "");
    struct zn_err err = { 0 };
    zn_auto_pgresult res = NULL;

    (void)result;
    if (zn_sql_once(w->store, ZN_SQL_LEASE_TAKE, ZN_P(hash, zt_actx_run_id(c)), &res, &err) < 0)
        return zn_act_result(c, -1, &err);
    if (PQntuples(res) == 1)
        return ZT_OK;
    return zt_fail(c, "busy", LEASE_POLL_MS, "another deployment of the service is running");
}

/* GREEN iff the production deployment is BLUE and did not fail. */
static const char *next_slot(const PGresult *previous)
{
    bool blue = PQntuples(previous) && strcmp(zn_col(previous, 0, "slot"), "BLUE") == 0 &&
                strcmp(zn_col(previous, 0, "status"), "FAILED") != 0;

    return blue ? "GREEN" : "BLUE";
}

static bool serves(const json_t *snapshot)
{
    size_t i;
    json_t *url;

    json_array_foreach (json_object_get(snapshot, "urls"), i, url)
        if (!json_is_object(json_object_get(url, "redirect_to")))
            return true;
    return false;
}

static json_t *plan_of(const struct zn_dep *d, const char *slot, const PGresult *previous)
{
    json_t *plan = json_pack("{s:s,s:b,s:b,s:s?}", "slot", slot, "exclusive",
                             zn_spec_exclusive(d->snapshot), "routes", serves(d->snapshot),
                             "routed", d->routed_hash);

    if (PQntuples(previous) && strcmp(zn_col(previous, 0, "status"), "FAILED") != 0 &&
        strcmp(zn_col(previous, 0, "status"), "REMOVED") != 0)
        json_object_set_new(plan, "previous",
                            json_pack("{s:s,s:s,s:b}", "deployment", zn_col(previous, 0, "hash"),
                                      "slot", zn_col(previous, 0, "slot"), "asleep",
                                      strcmp(zn_col(previous, 0, "status"), "SLEEPING") == 0));
    return plan;
}

static int prepare(struct zn_work *w, json_t *input, json_t **result, struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };
    zn_auto_pgresult previous = NULL;
    zn_auto_pgresult updated = NULL;

    if (zn_dep_load(w, input, &d, err) < 0)
        return -1;
    if (d.archived)
        return zn_fail(err, ZN_NOT_FOUND, "the service was archived");
    if (zn_sql_once(w->store, ZN_SQL_PREVIOUS_PRODUCTION, ZN_P(d.hash), &previous, err) < 0)
        return -1;
    const char *slot = next_slot(previous);
    if (zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_PREPARE, ZN_P(d.hash, slot), &updated, err) < 0)
        return -1;
    if (PQntuples(updated) == 0)
        return zn_fail(err, d.finished ? ZN_INVALID : ZN_BUSY, "the deployment is %s already",
                       d.status);
    *result = plan_of(&d, slot, previous);
    const char *replaces = zn_json_str(json_object_get(*result, "previous"), "deployment", NULL);
    zn_dep_line(w, d.hash, "INFO", replaces ? "Deploying to slot %s, in place of %s." : "Deploying to slot %s.",
                slot, replaces);
    return 0;
}

enum zt_res zn_act_prepare(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };
    int r = prepare(work, input, result, &err);

    return zn_act_result(c, r, &err);
}

struct progress {
    struct zn_work *work;
    struct zt_actx *act;
    const char *hash;
    int64_t written_ms;
};

/* Loss of one figure is nothing: the next comes soon. */
static void pull_progress(void *arg, int percent)
{
    struct progress *p = arg;
    struct zn_err ignored = { 0 };
    char text[8];

    zt_heartbeat(p->act, json_pack("{s:i}", "percent", percent));
    if (zn_now_ms() - p->written_ms < PERCENT_MS)
        return;
    p->written_ms = zn_now_ms();
    snprintf(text, sizeof text, "%d", percent);
    if (zn_sql_once(p->work->store, ZN_SQL_DEPLOYMENT_PERCENT, ZN_P(p->hash, text), NULL, &ignored) < 0)
        zn_debug("progress of %s: %s", p->hash, ignored.msg);
}

static int pull_image(struct zn_work *w, struct zt_actx *c, const struct zn_dep *d, const char *image,
                      struct zn_err *err)
{
    zn_auto_registry_auth struct zn_buf auth = ZN_BUF(ZN_AUTH_MAX);
    struct progress p = { w, c, d->hash, zn_now_ms() };
    struct zn_pull how = { pull_progress, &p, zt_actx_cancel_fd(c), PULL_DEADLINE_MS, NULL };

    if (zn_registry_auth(w, d, &auth, err) < 0)
        return -1;
    how.registry_auth = auth.len ? zn_buf_str(&auth) : NULL;
    return zn_engine_pull(w->engine, image, &how, err);
}

/* Written down for the dashboard, which offers them where a port is asked for. */
static int note_ports(struct zn_work *w, const struct zn_dep *d, const char *image, struct zn_err *err)
{
    zn_auto_json ports = NULL;

    if (zn_engine_image_ports(w->engine, image, &ports, err) < 0)
        return -1;
    zn_auto_mem char *text = json_dumps(ports, JSON_COMPACT);
    return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_PORTS, ZN_P(d->hash, text), NULL, err);
}

static int pull(struct zn_work *w, struct zt_actx *c, json_t *input, json_t **result,
                struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };
    bool present;
    char pin[256];

    if (zn_dep_load(w, input, &d, err) < 0)
        return -1;
    const char *image = zn_json_str(d.snapshot, "image", "");
    if (zn_dep_step(w, d.hash, "pull", err, "Getting image %s.", image) < 0 ||
        zn_engine_image_present(w->engine, image, &present, err) < 0)
        return -1;
    if (!present && pull_image(w, c, &d, image, err) < 0)
        return -1;
    if (zn_engine_image_pin(w->engine, image, pin, err) < 0 || note_ports(w, &d, image, err) < 0)
        return -1;
    zn_dep_line(w, d.hash, "INFO", present ? "The image is here already: %s." : "Image pulled: %s.", pin);
    *result = json_pack("{s:s,s:b}", "image", pin, "pulled", !present);
    return 0;
}

enum zt_res zn_act_pull(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };
    int r = pull(work, c, input, result, &err);

    return zn_act_result(c, r, &err);
}

static int resources(struct zn_work *w, json_t *input, struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };

    if (zn_dep_load(w, input, &d, err) < 0 ||
        zn_dep_step(w, d.hash, "resources", err, "Preparing network and volumes.") < 0)
        return -1;
    return zn_resources_ensure(w, &d, err);
}

enum zt_res zn_act_resources(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, resources(work, input, &err), &err);
}

/* Undo of resources for a deployment that was called off: the volumes that it made, and only those. What
 * an environment or an earlier version had stays. */
static int discard(struct zn_work *w, json_t *input, struct zn_err *err)
{
    return zn_volumes_remove(w, zn_json_str(input, "service", ""), zn_json_str(input, "deployment", ""), err);
}

enum zt_res zn_act_discard(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, discard(work, input, &err), &err);
}

/* Swarm name and hash of the version that runs now, out of the plan. */
static void previous_of(json_t *input, char name[ZN_NAME_LEN], const char **hash)
{
    const json_t *p = json_object_get(json_object_get(input, "plan"), "previous");

    *hash = zn_json_str(p, "deployment", "");
    zn_name_service(zn_json_str(input, "service", ""), zn_json_str(p, "slot", "BLUE"), name);
}

static int wait_running(struct zn_work *w, struct zt_actx *c, const char *name, bool running,
                        struct zn_err *err)
{
    struct zn_task_view view;

    for (unsigned i = 0; i < 90; i++) {
        if (zn_engine_service_tasks(w->engine, name, &view, err) < 0)
            return -1;
        if ((view.running > 0) == running)
            return 0;
        if (!zt_actx_wait(c, zn_backoff_ms(i, 50, 1000, i)))
            return zn_fail(err, ZN_UNAVAILABLE, "interrupted while waiting for %s", name);
    }
    return zn_fail(err, ZN_BUSY, "%s did not %s in time", name, running ? "start" : "stop");
}

static int pause_old(struct zn_work *w, struct zt_actx *c, json_t *input, struct zn_err *err)
{
    char name[ZN_NAME_LEN];
    const char *hash;

    previous_of(input, name, &hash);
    if (zn_dep_step(w, zn_json_str(input, "deployment", ""), "pause", err,
                    "Stopping the running version first: a writable volume or a host port is not shared.") < 0)
        return -1;
    if (zn_engine_service_scale(w->engine, name, 0, err) < 0)
        return err->code == ZN_NOT_FOUND ? 0 : -1;
    if (zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_OLD_STATUS,
                    ZN_P(hash, "SLEEPING", ZN_PAUSED_REASON), NULL, err) < 0)
        return -1;
    return wait_running(w, c, name, false, err);
}

enum zt_res zn_act_pause(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, pause_old(work, c, input, &err), &err);
}

static int resume_old(struct zn_work *w, struct zt_actx *c, json_t *input, struct zn_err *err)
{
    char name[ZN_NAME_LEN];
    const char *hash;

    previous_of(input, name, &hash);
    if (json_is_true(json_object_get(json_object_get(json_object_get(input, "plan"), "previous"), "asleep")))
        return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_SLEEP, ZN_P(hash), NULL, err);
    if (zn_engine_service_scale(w->engine, name, 1, err) < 0)
        return err->code == ZN_NOT_FOUND ? 0 : -1;
    if (wait_running(w, c, name, true, err) < 0)
        return -1;
    return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_OLD_STATUS, ZN_P(hash, "HEALTHY", NULL), NULL,
                       err);
}

enum zt_res zn_act_resume(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, resume_old(work, c, input, &err), &err);
}

static int create(struct zn_work *w, json_t *input, struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };

    if (zn_dep_load(w, input, &d, err) < 0 ||
        zn_dep_step(w, d.hash, "create", err, "Starting the new version as %s.", d.name) < 0 ||
        zn_dep_status(w, d.hash, "STARTING", NULL, err) < 0)
        return -1;
    return zn_service_ensure(w, &d, zn_json_str(input, "image", ""), err);
}

enum zt_res zn_act_create(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, create(work, input, &err), &err);
}

enum zt_res zn_act_remove(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    char name[ZN_NAME_LEN];
    struct zn_err err = { 0 };
    const json_t *plan = json_object_get(input, "plan");

    (void)result;
    zn_name_service(zn_json_str(input, "service", ""), zn_json_str(plan, "slot", "BLUE"), name);
    int r = zn_service_remove(work, c, name, zn_json_str(input, "deployment", ""), &err);
    if (r == 0)
        r = zn_configs_tidy(work, zn_json_str(input, "service", ""), &err);
    return zn_act_result(c, r, &err);
}
