/* Activities that end a deployment, and the table of all activities. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "zaned/store/queue.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

enum zt_res zn_act_cancelling(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    struct zn_err err = { 0 };
    int r = zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_CANCELLING,
                        ZN_P(zn_json_str(input, "deployment", "")), NULL, &err);

    (void)result;
    return zn_act_result(c, r, &err);
}

struct ending {
    const char *hash, *status, *reason;
};

static int finish_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    const struct ending *e = arg;
    bool healthy = strcmp(e->status, "HEALTHY") == 0;

    if (zn_sql(c, ZN_SQL_DEPLOYMENT_FINISH, ZN_P(e->hash, e->status, e->reason), NULL, err) < 0)
        return -1;
    if (healthy && (zn_sql(c, ZN_SQL_PRODUCTION_CLEAR, ZN_P(e->hash), NULL, err) < 0 ||
                    zn_sql(c, ZN_SQL_PRODUCTION_SET, ZN_P(e->hash), NULL, err) < 0))
        return -1;
    if (strcmp(e->status, "FAILED") == 0 &&
        zn_sql(c, ZN_SQL_PRODUCTION_SET_IF_ONLY, ZN_P(e->hash), NULL, err) < 0)
        return -1;
    /* What is left to do is waiting for the engine: another service's deployment may run meanwhile. */
    if (zn_sql(c, ZN_SQL_LEASE_FREE_SLOT, ZN_P(e->hash), NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

enum zt_res zn_act_finish(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    struct ending e = { zn_json_str(input, "deployment", ""), zn_json_str(input, "status", "FAILED"),
                        zn_json_str(input, "reason", NULL) };
    struct zn_err err = { 0 };
    int r = zn_tx(w->store, finish_tx, &e, &err);

    (void)result;
    if (r == 0) {
        zn_info("deployment %s ended status=%s%s%s", e.hash, e.status, e.reason ? " reason=" : "",
                e.reason ? e.reason : "");
        zn_dep_line(w, e.hash, strcmp(e.status, "FAILED") == 0 ? "ERROR" : "INFO", "%s%s%s", e.status,
                    e.reason ? ": " : ".", e.reason ? e.reason : "");
    }
    return zn_act_result(c, r, &err);
}

static int retire(struct zn_work *w, struct zt_actx *c, json_t *input, struct zn_err *err)
{
    const json_t *p = json_object_get(json_object_get(input, "plan"), "previous");
    const char *hash = zn_json_str(p, "deployment", "");
    char name[ZN_NAME_LEN];

    zn_name_service(zn_json_str(input, "service", ""), zn_json_str(p, "slot", "BLUE"), name);
    if (zn_service_remove(w, c, name, hash, err) < 0 ||
        zn_configs_tidy(w, zn_json_str(input, "service", ""), err) < 0)
        return -1;
    zn_dep_line(w, zn_json_str(input, "deployment", ""), "INFO", "The version before, %s, is gone.", hash);
    return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_OLD_STATUS, ZN_P(hash, "REMOVED", NULL), NULL,
                       err);
}

enum zt_res zn_act_retire(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, retire(work, c, input, &err), &err);
}

static int release_tx(struct zn_conn *c, void *hash, struct zn_err *err)
{
    if (zn_sql(c, ZN_SQL_LEASE_DROP, ZN_P((const char *)hash), NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

/* Gives the service to whoever is next. */
enum zt_res zn_act_release(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    struct zn_err err = { 0 };
    zn_auto_mem char *hash = strdup(zn_json_str(input, "deployment", ""));
    int r = hash ? zn_tx(w->store, release_tx, hash, &err)
                 : zn_fail(&err, ZN_BUSY, "out of memory");

    (void)result;
    return zn_act_result(c, r, &err);
}

const struct zt_activity zn_activities[] = {
    { "acquire", zn_act_acquire },     { "prepare", zn_act_prepare },
    { "pull", zn_act_pull },           { "resources", zn_act_resources },
    { "pause", zn_act_pause },         { "resume", zn_act_resume },
    { "create", zn_act_create },       { "remove", zn_act_remove },
    { "health", zn_act_health },       { "route", zn_act_route },
    { "unroute", zn_act_unroute },     { "verify", zn_act_verify },
    { "cancelling", zn_act_cancelling }, { "finish", zn_act_finish },
    { "retire", zn_act_retire },       { "release", zn_act_release },
    { "scale", zn_act_scale },         { "discard", zn_act_discard },
    { "cancel_all", zn_act_cancel_all }, { "erase", zn_act_erase },
    { "list_services", zn_act_list_services }, { "list_environments", zn_act_list_environments },
    { "erase_environment", zn_act_erase_environment }, { "erase_project", zn_act_erase_project },
    { "tidy", zn_act_tidy },
};
const size_t zn_activities_count = sizeof zn_activities / sizeof *zn_activities;
