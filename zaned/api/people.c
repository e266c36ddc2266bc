#include "zaned/api/people.h"

#include <string.h>

#include "base/str.h"
#include "zaned/api/caller.h"
#include "zaned/api/places.h"
#include "zaned/api/snapshot.h"
#include "zaned/domain/names.h"
#include "zaned/store/queue.h"
#include "zaned/store/seal.h"

/* --- documents ---------------------------------------------------------------------------------------- */

/* {"sealed": …, "key_id": …} under key becomes the text that was sealed. */
static int reveal(struct zn_call *c, json_t *doc, const char *key, struct zn_err *err)
{
    const json_t *kept = json_object_get(doc, key);
    const char *clear;

    if (zn_unseal(c->api->sealer, c->arena, zn_json_str(kept, "key_id", ""),
                  zn_json_str(kept, "sealed", ""), &clear, err) < 0) {
        /* A key that was lost is ours to mend, not the caller's. */
        err->code = ZN_INTERNAL;
        return -1;
    }
    json_object_set_new(doc, key, json_string(clear));
    return 0;
}

int zn_people_doc(struct zn_call *c, const PGresult *rows, int row, const char *sealed, json_t **ret,
                  struct zn_err *err)
{
    zn_auto_json doc = json_loads(zn_col(rows, row, "doc"), 0, NULL);

    if (!doc)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (sealed && reveal(c, doc, sealed, err) < 0)
        return -1;
    *ret = ZN_TAKE(doc);
    return 0;
}

int zn_people_docs(struct zn_call *c, const PGresult *rows, const char *sealed, json_t **ret,
                   struct zn_err *err)
{
    zn_auto_json list = json_array();

    for (int i = 0; i < PQntuples(rows); i++) {
        json_t *one;

        if (zn_people_doc(c, rows, i, sealed, &one, err) < 0)
            return -1;
        json_array_append_new(list, one);
    }
    *ret = ZN_TAKE(list);
    return 0;
}

int zn_people_show(struct zn_call *c, const PGresult *rows, const char *sealed, json_t **shown,
                   struct zn_err *err)
{
    json_decref(*shown);
    *shown = NULL;
    return zn_people_doc(c, rows, 0, sealed, shown, err);
}

const char *zn_people_number(struct zn_call *c, const char *param)
{
    const char *text = zn_request_param(c->req, param);
    long long n;

    return text && zn_parse_i64(text, 1, INT64_MAX, &n) ? text : NULL;
}

int zn_people_reply(struct zn_call *c, zn_tx_fn fn, void *arg, json_t **shown, int status,
                    struct zn_reply *reply, struct zn_err *err)
{
    int r = zn_call_tx(c, fn, arg, err);
    zn_auto_json doc = ZN_TAKE(*shown);

    if (r < 0)
        return -1;
    if (status == 204)
        zn_reply_empty(reply, 204);
    else if (status == 201)
        zn_reply_json(reply, 201, ZN_TAKE(doc));
    else
        zn_reply_doc(c, reply, status, ZN_TAKE(doc));
    return 0;
}

/* --- tokens of links ---------------------------------------------------------------------------------- */

const char *zn_link_token_hash(struct zn_arena *a, const char *text)
{
    char hash[ZN_SECRET_HASH];

    zn_secret_hash(text, hash);
    return zn_arena_strdup(a, hash);
}

int zn_link_token_new(struct zn_call *c, struct zn_link_token *ret, struct zn_err *err)
{
    struct zn_link_token t = { .text = zn_new_token(c->arena),
                               .key_id = zn_sealer_key_id(c->api->sealer) };

    t.hash = t.text ? zn_link_token_hash(c->arena, t.text) : NULL;
    if (!t.hash)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_seal(c->api->sealer, c->arena, t.text, &t.sealed, err) < 0)
        return -1;
    *ret = t;
    return 0;
}

/* --- workspaces and members ----------------------------------------------------------------------------- */

int zn_workspace_lock(struct zn_conn *c, struct zn_call *call, const char *id, json_t **doc,
                      struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_WORKSPACE_LOCK, ZN_P(id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no workspace with this id.");
    return doc ? zn_people_doc(call, res, 0, NULL, doc, err) : 0;
}

int zn_workspace_lock_own(struct zn_conn *c, struct zn_call *call, int at_least, int *role,
                          json_t **doc, struct zn_err *err)
{
    const char *user = zn_arena_printf(call->arena, "%lld", call->who.user_id);
    zn_auto_pgresult res = NULL;
    zn_auto_json found = NULL;

    /* The lock first: a role that is read before it may be an old one. */
    if (zn_workspace_lock(c, call, call->who.workspace_id, &found, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_OF, ZN_P(user, call->who.workspace_id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0 || zn_col_i64(res, 0, "role") < at_least)
        return zn_fail(err, ZN_DENIED, "You do not have permission to perform this action.");
    if (role)
        *role = (int)zn_col_i64(res, 0, "role");
    if (doc)
        *doc = ZN_TAKE(found);
    return 0;
}

int zn_workspace_remove(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err)
{
    zn_auto_pgresult other = NULL;
    zn_auto_pgresult projects = NULL;

    if (zn_sql(c, ZN_SQL_WORKSPACES_LOCK, ZN_P0, NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_OTHER, ZN_P(id), &other, err) < 0)
        return -1;
    if (PQntuples(other) == 0)
        return zn_fail(err, ZN_CONFLICT, "The last workspace cannot be deleted: create another one first.");
    if (zn_sql(c, ZN_SQL_WORKSPACE_PROJECTS_LOCK, ZN_P(id), &projects, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(projects); i++)
        if (zn_project_archive(c, call, zn_col(projects, i, "id"), err) < 0)
            return -1;
    if (zn_sql(c, ZN_SQL_WORKSPACE_MEMBERS_DROP, ZN_P(id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_INVITATIONS_DROP, ZN_P(id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_HIDE, ZN_P(id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_FORGET, ZN_P(id), NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

int zn_projects_check(struct zn_conn *c, struct zn_call *call, const char *workspace,
                      const struct zn_strs *ids, const char **ret, struct zn_err *err)
{
    zn_auto_json list = json_array();
    zn_auto_pgresult missing = NULL;
    const char *text;

    for (size_t i = 0; i < ids->n; i++)
        json_array_append_new(list, json_string(ids->v[i]));
    text = zn_json_text(call->arena, list);
    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_sql(c, ZN_SQL_PROJECTS_MISSING, ZN_P(workspace, text), &missing, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(missing); i++)
        zn_call_field(call, err, "accessible_project_ids", "does_not_exist",
                      zn_arena_printf(call->arena, "A project with the id `%.80s` does not exist in this workspace.",
                                      zn_col(missing, i, "id")));
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    *ret = text;
    return 0;
}

void zn_projects_rule(struct zn_call *call, int64_t role, struct zn_strs *ids, struct zn_err *err)
{
    if (role > ZN_ROLE_GUEST)
        ids->n = 0;
    else if (!ids->n)
        zn_call_field(call, err, "accessible_project_ids", "invalid",
                      "A guest needs at least one project that they may see.");
}
