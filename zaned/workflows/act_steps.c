/* Activities of the deploy steps up to the new swarm service, and their undos. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

static const int64_t LEASE_POLL_MS = 500;
static const int64_t PULL_DEADLINE_MS = 25 * 60 * 1000;

/* A lease whose workflow no longer runs was left behind by a terminated run. */
static int drop_dead_lease(struct zn_work *w, const char *hash, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    enum zt_status status;
    char id[96];

    if (zn_sql_once(w->store, ZN_SQL_LEASE_HOLDER, ZN_P(hash), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return 0;
    const char *holder = zn_col(res, 0, "deployment_hash");
    snprintf(id, sizeof id, "deploy-%s", holder);
    if (zt_client_describe(w->temporal, id, &status, err) < 0) {
        if (err->code != ZN_NOT_FOUND)
            return -1;
    } else if (status == ZT_RUNNING || status == ZT_CONTINUED_AS_NEW) {
        return 0;
    }
    zn_warn("lease of %s was left behind by a run that ended: dropped", holder);
    return zn_sql_once(w->store, ZN_SQL_LEASE_DROP, ZN_P(holder), NULL, err);
}

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
    if (zt_actx_attempt(c) % 10 == 0 && drop_dead_lease(w, hash, &err) < 0)
        return zn_act_result(c, -1, &err);
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
    return 0;
}

enum zt_res zn_act_prepare(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };
    int r = prepare(work, input, result, &err);

    return zn_act_result(c, r, &err);
}

static void pull_progress(void *arg, int percent)
{
    zt_heartbeat(arg, json_pack("{s:i}", "percent", percent));
}

static int pull(struct zn_work *w, struct zt_actx *c, json_t *input, json_t **result,
                struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };
    struct zn_pull how = { pull_progress, c, zt_actx_cancel_fd(c), PULL_DEADLINE_MS, NULL };
    bool present;
    char pin[256];

    if (zn_dep_load(w, input, &d, err) < 0 || zn_dep_step(w, d.hash, "pull", err) < 0)
        return -1;
    const char *image = zn_json_str(d.snapshot, "image", "");
    if (zn_engine_image_present(w->engine, image, &present, err) < 0)
        return -1;
    if (!present && zn_engine_pull(w->engine, image, &how, err) < 0)
        return -1;
    if (zn_engine_image_pin(w->engine, image, pin, err) < 0)
        return -1;
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

    if (zn_dep_load(w, input, &d, err) < 0 || zn_dep_step(w, d.hash, "resources", err) < 0)
        return -1;
    return zn_resources_ensure(w, &d, err);
}

enum zt_res zn_act_resources(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, resources(work, input, &err), &err);
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
    if (zn_dep_step(w, zn_json_str(input, "deployment", ""), "pause", err) < 0)
        return -1;
    if (zn_engine_service_scale(w->engine, name, 0, err) < 0)
        return err->code == ZN_NOT_FOUND ? 0 : -1;
    if (zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_OLD_STATUS,
                    ZN_P(hash, "SLEEPING", "paused while its successor starts"), NULL, err) < 0)
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

    if (zn_dep_load(w, input, &d, err) < 0 || zn_dep_step(w, d.hash, "create", err) < 0 ||
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
    return zn_act_result(c, r, &err);
}
