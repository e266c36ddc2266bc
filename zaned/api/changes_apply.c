#include <string.h>

#include "zaned/api/changes.h"
#include "zaned/domain/names.h"
#include "zaned/store/seal.h"

int zn_change_sealed(struct zn_call *call, const json_t *change, json_t **ret, struct zn_err *err)
{
    zn_auto_json copy = json_deep_copy(change);

    if (!copy)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    const char *member = zn_sealed_member(zn_json_str(copy, "field", ""));
    if (member &&
        (zn_seal_member(call->api->sealer, json_object_get(copy, "old_value"), member, err) < 0 ||
         zn_seal_member(call->api->sealer, json_object_get(copy, "new_value"), member, err) < 0))
        return -1;
    *ret = ZN_TAKE(copy);
    return 0;
}

int zn_change_store(struct zn_conn *c, struct zn_call *call, const char *service_id,
                    const json_t *change, const char *deployment, struct zn_err *err)
{
    zn_auto_json s = NULL;
    const char *id = zn_new_id(call->arena, ZN_ID_CHANGE);

    if (zn_change_sealed(call, change, &s, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_CHANGE_INSERT,
                  ZN_P(id, service_id, zn_json_str(s, "type", NULL), zn_json_str(s, "field", NULL),
                       zn_json_str(s, "item_id", NULL),
                       zn_json_text(call->arena, json_object_get(s, "old_value")),
                       zn_json_text(call->arena, json_object_get(s, "new_value")),
                       deployment ? "true" : "false", deployment),
                  NULL, err);
}

/* --- applying --------------------------------------------------------------------------------------- */

static const struct list_sql {
    const char *field, *prefix;
    enum zn_sql_id add, update, delete;
} lists[] = {
    { "volumes", ZN_ID_VOLUME, ZN_SQL_VOLUME_ADD, ZN_SQL_VOLUME_UPDATE, ZN_SQL_VOLUME_DELETE },
    { "shared_volumes", ZN_ID_SHARED_VOLUME, ZN_SQL_SHARED_ADD, ZN_SQL_SHARED_UPDATE,
      ZN_SQL_SHARED_DELETE },
    { "env_variables", ZN_ID_ENV, ZN_SQL_ENV_ADD, ZN_SQL_ENV_UPDATE, ZN_SQL_ENV_DELETE },
    { "urls", ZN_ID_URL, ZN_SQL_URL_ADD, ZN_SQL_URL_UPDATE, ZN_SQL_URL_DELETE },
    { "ports", ZN_ID_PORT, ZN_SQL_PORT_ADD, ZN_SQL_PORT_UPDATE, ZN_SQL_PORT_DELETE },
    { "configs", ZN_ID_CONFIG, ZN_SQL_CONFIG_ADD, ZN_SQL_CONFIG_UPDATE, ZN_SQL_CONFIG_DELETE },
};

/* Deleting a volume that another service reads would take it from there without a word. */
static int refuse_while_read(struct zn_conn *c, const char *service_id, const char *volume,
                             struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_URLS_LOCK, ZN_P0, NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_VOLUME_READ, ZN_P(service_id, volume), &res, err) < 0)
        return -1;
    return PQntuples(res) ? zn_fail(err, ZN_CONFLICT, "another service reads a volume that would be deleted")
                          : 0;
}

/* Compared in clear text: sealing the same text again gives another one. */
static int config_update(struct zn_conn *c, struct zn_call *call, const char *service_id, const char *id,
                         const json_t *sealed, PGresult **ret, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_json old = NULL;
    zn_auto_json next = json_deep_copy(sealed);

    if (zn_sql(c, ZN_SQL_CONFIG_CONTENTS, ZN_P(service_id, id), &res, err) < 0)
        return -1;
    if (PQntuples(res))
        old = json_loads(zn_col(res, 0, "doc"), 0, NULL);
    if (zn_unseal_member(call->api->sealer, old, "contents", err) < 0 ||
        zn_unseal_member(call->api->sealer, next, "contents", err) < 0)
        return -1;
    bool same = json_equal(json_object_get(old, "contents"), json_object_get(next, "contents"));
    return zn_sql(c, ZN_SQL_CONFIG_UPDATE,
                  ZN_P(service_id, id, zn_json_text(call->arena, sealed), same ? "false" : "true"), ret,
                  err);
}

static int add_item(struct zn_conn *c, struct zn_call *call, const char *service_id,
                    const struct list_sql *list, const char *id, const char *value, PGresult **ret,
                    struct zn_err *err)
{
    /* A config that comes back counts its versions from 1 again: under its old id these would name other
     * contents than before. */
    if (!id || list->add == ZN_SQL_CONFIG_ADD)
        id = zn_new_id(call->arena, list->prefix);
    return zn_sql(c, list->add, ZN_P(service_id, id, value), ret, err);
}

static int apply_item(struct zn_conn *c, struct zn_call *call, const char *service_id,
                      const struct list_sql *list, const json_t *change, struct zn_err *err)
{
    const char *type = zn_json_str(change, "type", ""), *id = zn_json_str(change, "item_id", NULL);
    const json_t *new_value = json_object_get(change, "new_value");
    const char *value = zn_json_text(call->arena, new_value);
    bool deletes = strcmp(type, "DELETE") == 0;
    zn_auto_pgresult res = NULL;
    int r;

    if (deletes && list->delete == ZN_SQL_VOLUME_DELETE && refuse_while_read(c, service_id, id, err) < 0)
        return -1;
    if (strcmp(type, "ADD") == 0)
        r = add_item(c, call, service_id, list, id, value, &res, err);
    else if (deletes)
        r = zn_sql(c, list->delete, ZN_P(service_id, id), &res, err);
    else if (list->update == ZN_SQL_CONFIG_UPDATE)
        r = config_update(c, call, service_id, id, new_value, &res, err);
    else
        r = zn_sql(c, list->update, ZN_P(service_id, id, value), &res, err);
    if (r == 0 && PQntuples(res) != 1)
        return zn_fail(err, ZN_CONFLICT, "a change of %s is about something that does not exist",
                       list->field);
    return r;
}

static int apply_source(struct zn_conn *c, const char *service_id, const char *value, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_SOURCE_SET, ZN_P(service_id, value), &res, err) < 0)
        return -1;
    return PQntuples(res) ? 0
                          : zn_fail(err, ZN_CONFLICT, "the registry credentials of the image do not exist "
                                                      "any more");
}

static int apply_single(struct zn_conn *c, struct zn_call *call, const char *service_id,
                        const json_t *change, struct zn_err *err)
{
    const char *field = zn_json_str(change, "field", "");
    const json_t *v = json_object_get(change, "new_value");
    const char *value = zn_json_text(call->arena, v);

    if (strcmp(field, "source") == 0)
        return apply_source(c, service_id, value, err);
    if (strcmp(field, "command") == 0)
        return zn_sql(c, ZN_SQL_COMMAND_SET, ZN_P(service_id, value), NULL, err);
    if (strcmp(field, "resource_limits") == 0)
        return zn_sql(c, ZN_SQL_LIMITS_SET, ZN_P(service_id, value), NULL, err);
    if (!json_is_object(v))
        return zn_sql(c, ZN_SQL_HEALTH_DROP, ZN_P(service_id), NULL, err);
    return zn_sql(c, ZN_SQL_HEALTH_SET,
                  ZN_P(service_id, zn_new_id(call->arena, ZN_ID_HEALTHCHECK), value), NULL, err);
}

static int apply_one(struct zn_conn *c, struct zn_call *call, const char *service_id,
                     const json_t *change, struct zn_err *err)
{
    const char *field = zn_json_str(change, "field", "");
    zn_auto_json s = NULL;

    if (zn_change_sealed(call, change, &s, err) < 0)
        return -1;
    for (size_t i = 0; i < ZN_COUNT(lists); i++)
        if (strcmp(lists[i].field, field) == 0)
            return apply_item(c, call, service_id, &lists[i], s, err);
    return apply_single(c, call, service_id, s, err);
}

int zn_changes_apply(struct zn_conn *c, struct zn_call *call, const char *service_id,
                     const json_t *changes, struct zn_err *err)
{
    size_t i;
    json_t *change;

    if (zn_sql(c, ZN_SQL_CONSTRAINTS_DEFER, ZN_P0, NULL, err) < 0)
        return -1;
    json_array_foreach (changes, i, change)
        if (apply_one(c, call, service_id, change, err) < 0)
            return -1;
    return zn_sql(c, ZN_SQL_CONSTRAINTS_CHECK, ZN_P0, NULL, err);
}
