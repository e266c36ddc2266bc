#include "zaned/api/deploy.h"

#include <string.h>

#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/changes.h"
#include "zaned/domain/deployment.h"
#include "zaned/domain/names.h"
#include "zaned/store/queue.h"
#include "zaned/store/seal.h"

int zn_deploy_cancel(struct zn_conn *c, struct zn_call *call, const char *hash, const char *reason,
                     struct zn_err *err)
{
    zn_auto_pgresult waiting = NULL;
    zn_auto_json payload = json_pack("{s:o,s:s}", "workflow_id", json_sprintf("deploy-%s", hash),
                                     "reason", reason);

    if (zn_sql(c, ZN_SQL_DEPLOYMENT_CANCEL_WAITING, ZN_P(hash, reason), &waiting, err) < 0)
        return -1;
    if (PQntuples(waiting))
        return 0;
    if (zn_sql(c, ZN_SQL_DEPLOYMENT_CANCEL, ZN_P(hash, reason), NULL, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_OUTBOX_ADD,
                  ZN_P("cancel_workflow", hash, zn_json_text(call->arena, payload)), NULL, err);
}

int zn_deploy_cancel_open(struct zn_conn *c, struct zn_call *call, const char *service_id,
                          const char *reason, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_DEPLOYMENT_OPEN, ZN_P(service_id), &res, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(res); i++)
        if (zn_deploy_cancel(c, call, zn_col(res, i, "hash"), reason, err) < 0)
            return -1;
    return 0;
}

static int insert(struct zn_conn *c, struct zn_call *call, const struct zn_service *s,
                  const struct zn_deploy *how, const char *hash, struct zn_err *err)
{
    zn_auto_pgresult production = NULL;
    zn_auto_json snapshot = zn_service_snapshot(s);

    if (zn_sql(c, ZN_SQL_PRODUCTION_OF, ZN_P(s->id), &production, err) < 0)
        return -1;
    bool any = PQntuples(production) > 0;
    const char *slot = zn_deployment_slot(any ? zn_col(production, 0, "slot") : NULL,
                                          any ? zn_col(production, 0, "status") : NULL);
    return zn_sql(c, ZN_SQL_DEPLOYMENT_INSERT,
                  ZN_P(hash, s->id, slot, zn_json_text(call->arena, snapshot), how->commit_message,
                       how->trigger, how->redeploy_of),
                  NULL, err);
}

static int attach_changes(struct zn_conn *c, struct zn_call *call, const struct zn_service *s,
                          const struct zn_deploy *how, const char *hash, struct zn_err *err)
{
    size_t i;
    json_t *change;

    if (!how->changes)
        return zn_sql(c, ZN_SQL_CHANGES_ATTACH, ZN_P(s->id, hash), NULL, err);
    json_array_foreach (how->changes, i, change)
        if (zn_change_store(c, call, s->id, change, hash, err) < 0)
            return -1;
    return 0;
}

int zn_deploy_queue(struct zn_conn *c, struct zn_call *call, struct zn_service *s,
                    const struct zn_deploy *how, const char **hash, struct zn_err *err)
{
    const char *id = zn_new_id(call->arena, ZN_ID_DEPLOYMENT);
    const json_t *changes = how->changes ? how->changes
                                         : json_object_get(s->doc, "unapplied_changes");

    if (!id)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (how->cleanup_queue &&
        zn_deploy_cancel_open(c, call, s->id, "Cancelled due to new superseding deployment.", err) < 0)
        return -1;
    if (zn_changes_apply(c, call, s->id, changes, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICE_TOUCH, ZN_P(s->id), NULL, err) < 0 ||
        zn_service_reload(c, call, s, err) < 0)
        return -1;
    if (!zn_json_str(s->doc, "image", NULL))
        return zn_fail(err, ZN_CONFLICT, "the service has no image to deploy");
    if (insert(c, call, s, how, id, err) < 0 ||
        attach_changes(c, call, s, how, id, err) < 0 || zn_queue_dispatch(c, err) < 0)
        return -1;
    zn_auto_json what = json_pack("{s:s,s:s,s:s?,s:s?}", "deployment", id, "trigger", how->trigger,
                                  "commit_message", how->commit_message, "redeploy_of",
                                  how->redeploy_of);
    if (zn_audit(c, call, "service.deploy", s->id, NULL, what, err) < 0)
        return -1;
    *hash = id;
    return 0;
}

/* --- showing ---------------------------------------------------------------------------------------- */

/* Domains that reach this version once it is in production. */
static json_t *urls_of(const json_t *snapshot)
{
    json_t *list = json_array(), *url;
    size_t i;

    json_array_foreach (json_object_get(snapshot, "urls"), i, url)
        if (!json_is_object(json_object_get(url, "redirect_to")))
            json_array_append_new(list, json_pack("{s:O,s:O}", "domain",
                                                  json_object_get(url, "domain"), "port",
                                                  json_object_get(url, "associated_port")));
    return list;
}

/* The name of this version's containers on the network of the environment. */
static json_t *aliases_of(const json_t *doc, const json_t *snapshot)
{
    char name[96];

    snprintf(name, sizeof name, "srv-%s-%s", zn_id_part(zn_json_str(snapshot, "id", "")),
             zn_json_str(doc, "slot", ""));
    zn_lower(name);
    return json_pack("[s]", name);
}

int zn_deployment_read(struct zn_call *call, const PGresult *rows, int row, json_t **ret,
                       struct zn_err *err)
{
    const char *text = zn_col(rows, row, "doc"), *snap = zn_col(rows, row, "snapshot");
    zn_auto_json doc = NULL;
    zn_auto_json snapshot = NULL;

    if (zn_json_parse(text, strlen(text), &doc, err) < 0 ||
        zn_json_parse(snap, strlen(snap), &snapshot, err) < 0 ||
        zn_unseal_service(call->api->sealer, snapshot, err) < 0 ||
        zn_unseal_changes(call->api->sealer, json_object_get(doc, "changes"), err) < 0) {
        err->code = ZN_INTERNAL;
        return -1;
    }
    json_object_set_new(doc, "unprefixed_hash",
                        json_string(zn_id_part(zn_json_str(doc, "hash", ""))));
    json_object_set_new(doc, "commit_sha", json_null());
    json_object_set_new(doc, "commit_author_name", json_null());
    json_object_set_new(doc, "ignore_build_cache", json_false());
    json_object_set_new(doc, "build_started_at", json_null());
    json_object_set_new(doc, "build_finished_at", json_null());
    json_object_set_new(doc, "urls", urls_of(snapshot));
    json_object_set_new(doc, "network_aliases", aliases_of(doc, snapshot));
    json_object_set(doc, "service_snapshot", snapshot);
    *ret = ZN_TAKE(doc);
    return 0;
}

int zn_deployment_load(struct zn_conn *c, struct zn_call *call, const char *service_id,
                       const char *hash, json_t **ret, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_DEPLOYMENT_ONE, ZN_P(service_id, hash), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND,
                       "A deployment with the hash `%.60s` does not exist for this service.", hash);
    return zn_deployment_read(call, res, 0, ret, err);
}
