/* Activities that remove what was archived, and the daily ones. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

/* Cancels each unfinished deployment of the service; done when none is left. */
static int cancel_all(struct zn_work *w, const char *service, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    int left;

    if (zn_sql_once(w->store, ZN_SQL_SERVICE_UNFINISHED, ZN_P(service), &res, err) < 0)
        return -1;
    left = PQntuples(res);
    for (int i = 0; i < left; i++) {
        char id[96];

        snprintf(id, sizeof id, "deploy-%s", zn_col(res, i, "hash"));
        if (zt_client_cancel(w->temporal, id, "the service is being archived", err) < 0 &&
            err->code != ZN_NOT_FOUND)
            return -1;
        memset(err, 0, sizeof *err);
    }
    return left ? zn_fail(err, ZN_BUSY, "%d deployments are still ending", left) : 0;
}

enum zt_res zn_act_cancel_all(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, cancel_all(work, zn_json_str(input, "service", ""), &err), &err);
}

static int erase(struct zn_work *w, struct zt_actx *c, const char *service, struct zn_err *err)
{
    static const char *const slots[] = { "BLUE", "GREEN" };
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(w->store, ZN_SQL_ENVIRONMENT_BY_SERVICE, ZN_P(service), &res, err) < 0)
        return -1;
    if (PQntuples(res) && !zn_col(res, 0, "archived_at"))
        return zn_fail(err, ZN_INVALID, "service %s is not archived", service);
    if (zn_route_sync(w, err) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        char name[ZN_NAME_LEN];

        zn_name_service(service, slots[i], name);
        if (zn_service_remove(w, c, name, NULL, err) < 0)
            return -1;
    }
    if (zn_volumes_remove(w, service, NULL, err) < 0 || zn_configs_tidy(w, service, err) < 0)
        return -1;
    zn_info("service %s erased", service);
    return zn_sql_once(w->store, ZN_SQL_SERVICE_DELETE, ZN_P(service), NULL, err);
}

enum zt_res zn_act_erase(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, erase(work, c, zn_json_str(input, "service", ""), &err), &err);
}

/* {"ids": […]} of what a place still holds; sql has one parameter, the place. */
static enum zt_res list(struct zt_actx *c, struct zn_work *w, enum zn_sql_id sql, const char *place,
                        json_t **result)
{
    zn_auto_pgresult rows = NULL;
    struct zn_err err = { 0 };

    if (zn_sql_once(w->store, sql, ZN_P(place), &rows, &err) < 0)
        return zn_act_result(c, -1, &err);
    json_t *ids = json_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_array_append_new(ids, json_string(zn_col(rows, i, "id")));
    *result = json_pack("{s:o}", "ids", ids);
    return ZT_OK;
}

enum zt_res zn_act_list_services(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    return list(c, work, ZN_SQL_SERVICES_LEFT, zn_json_str(input, "environment", ""), result);
}

enum zt_res zn_act_list_environments(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    return list(c, work, ZN_SQL_ENVIRONMENTS_LEFT, zn_json_str(input, "project", ""), result);
}

/* ZN_BUSY while the place still holds something. */
static int empty(struct zn_work *w, enum zn_sql_id sql, const char *place, const char *what,
                 struct zn_err *err)
{
    zn_auto_pgresult left = NULL;

    if (zn_sql_once(w->store, sql, ZN_P(place), &left, err) < 0)
        return -1;
    return PQntuples(left) ? zn_fail(err, ZN_BUSY, "%d %s are still being removed", PQntuples(left), what)
                           : 0;
}

static int erase_environment(struct zn_work *w, const char *id, struct zn_err *err)
{
    char network[ZN_NAME_LEN];

    zn_name_network(id, network);
    if (empty(w, ZN_SQL_SERVICES_LEFT, id, "services", err) < 0 || zn_network_remove(w, network, err) < 0)
        return -1;
    zn_info("environment %s erased", id);
    return zn_sql_once(w->store, ZN_SQL_ENVIRONMENT_DELETE, ZN_P(id), NULL, err);
}

enum zt_res zn_act_erase_environment(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, erase_environment(work, zn_json_str(input, "environment", ""), &err), &err);
}

static int erase_project(struct zn_work *w, const char *id, struct zn_err *err)
{
    if (empty(w, ZN_SQL_ENVIRONMENTS_LEFT, id, "environments", err) < 0)
        return -1;
    zn_info("project %s erased", id);
    return zn_sql_once(w->store, ZN_SQL_PROJECT_DELETE, ZN_P(id), NULL, err);
}

enum zt_res zn_act_erase_project(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };

    (void)result;
    return zn_act_result(c, erase_project(work, zn_json_str(input, "project", ""), &err), &err);
}

/* Removes what was delivered long ago. */
enum zt_res zn_act_tidy(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_work *w = work;
    struct zn_err err = { 0 };
    int gone = 0, n = 1;

    (void)input;
    while (n && !zt_actx_canceled(c)) {
        zn_auto_pgresult rows = NULL;

        if (zn_sql_once(w->store, ZN_SQL_OUTBOX_TIDY, ZN_P0, &rows, &err) < 0)
            return zn_act_result(c, -1, &err);
        n = PQntuples(rows);
        gone += n;
    }
    *result = json_pack("{s:i}", "outbox_rows", gone);
    return ZT_OK;
}
