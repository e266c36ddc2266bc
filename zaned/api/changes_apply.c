#include <string.h>

#include "zaned/api/changes.h"
#include "zaned/domain/names.h"
#include "zaned/store/seal.h"

/* Copy of a change with the values of variables sealed. */
static int sealed(struct zn_call *call, const json_t *change, json_t **ret, struct zn_err *err)
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

    if (sealed(call, change, &s, err) < 0)
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
    { "env_variables", ZN_ID_ENV, ZN_SQL_ENV_ADD, ZN_SQL_ENV_UPDATE, ZN_SQL_ENV_DELETE },
    { "urls", ZN_ID_URL, ZN_SQL_URL_ADD, ZN_SQL_URL_UPDATE, ZN_SQL_URL_DELETE },
};

static int apply_item(struct zn_conn *c, struct zn_call *call, const char *service_id,
                      const struct list_sql *list, const json_t *change, struct zn_err *err)
{
    const char *type = zn_json_str(change, "type", ""), *id = zn_json_str(change, "item_id", NULL);
    const char *value = zn_json_text(call->arena, json_object_get(change, "new_value"));
    zn_auto_pgresult res = NULL;
    int r;

    if (strcmp(type, "ADD") == 0)
        r = zn_sql(c, list->add,
                   ZN_P(service_id, id ? id : zn_new_id(call->arena, list->prefix), value), &res, err);
    else if (strcmp(type, "UPDATE") == 0)
        r = zn_sql(c, list->update, ZN_P(service_id, id, value), &res, err);
    else
        r = zn_sql(c, list->delete, ZN_P(service_id, id), &res, err);
    if (r == 0 && PQntuples(res) != 1)
        return zn_fail(err, ZN_CONFLICT, "a change of %s is about an item that does not exist",
                       list->field);
    return r;
}

static int apply_single(struct zn_conn *c, struct zn_call *call, const char *service_id,
                        const json_t *change, struct zn_err *err)
{
    const char *field = zn_json_str(change, "field", "");
    const json_t *v = json_object_get(change, "new_value");
    const char *value = zn_json_text(call->arena, v);

    if (strcmp(field, "source") == 0)
        return zn_sql(c, ZN_SQL_IMAGE_SET, ZN_P(service_id, value), NULL, err);
    if (strcmp(field, "command") == 0)
        return zn_sql(c, ZN_SQL_COMMAND_SET, ZN_P(service_id, value), NULL, err);
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

    if (sealed(call, change, &s, err) < 0)
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
