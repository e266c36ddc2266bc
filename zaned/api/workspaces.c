/* Routes of workspaces: those one is in, and the current one. */
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/people.h"
#include "zaned/api/session.h"
#include "zaned/domain/names.h"

struct workspace_in {
    const char *name;
    struct zn_call *call;
    json_t *shown;
};
static const struct zn_jfield workspace_fields[] = {
    ZN_J(workspace_in, name, STR, .required = true, .min = 1, .max = ZN_MAX_WORKSPACE_NAME,
         .check = zn_rule_label),
};

/* --- all of one's own ----------------------------------------------------------------------------------- */

static int workspace_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    json_t *list;

    if (zn_sql_once(call->api->store, ZN_SQL_WORKSPACES_OF,
                    ZN_P(zn_arena_printf(call->arena, "%lld", call->who.user_id)), &res, err) < 0 ||
        zn_people_docs(call, res, NULL, &list, err) < 0)
        return -1;
    zn_reply_json(reply, 200, list);
    return 0;
}

static int create_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct workspace_in *in = arg;
    const char *id = zn_new_id(in->call->arena, ZN_ID_WORKSPACE);
    const char *user = zn_arena_printf(in->call->arena, "%lld", in->call->who.user_id);
    zn_auto_pgresult res = NULL;

    if (!id || !user)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_sql(c, ZN_SQL_WORKSPACE_INSERT, ZN_P(id, in->name), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBERSHIP_INSERT, ZN_P(user, id, "50"), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_DOC, ZN_P(id), &res, err) < 0 ||
        zn_people_show(in->call, res, NULL, &in->shown, err) < 0)
        return -1;
    return zn_audit(c, in->call, "workspace.create", id, NULL, in->shown, err);
}

static int workspace_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct workspace_in in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    return zn_people_reply(call, create_tx, &in, &in.shown, 201, reply, err);
}

struct switch_in {
    const char *workspace_id;
};
static const struct zn_jfield switch_fields[] = {
    ZN_J(switch_in, workspace_id, STR, .required = true, .min = 1, .max = 255),
};

static int workspace_switch(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct switch_in in = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_call_body(call, &in, NULL, err) < 0 ||
        zn_sql_once(call->api->store, ZN_SQL_MEMBER_OF,
                    ZN_P(zn_arena_printf(call->arena, "%lld", call->who.user_id), in.workspace_id),
                    &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "You are in no workspace with this id.");
    if (zn_session_set_workspace(call->api->sessions, call->who.session_id, in.workspace_id, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

/* --- the current one ------------------------------------------------------------------------------------ */

static int workspace_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    json_t *doc;

    if (zn_sql_once(call->api->store, ZN_SQL_WORKSPACE_DOC, ZN_P(call->who.workspace_id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "This workspace does not exist any more.");
    if (zn_people_doc(call, res, 0, NULL, &doc, err) < 0)
        return -1;
    zn_reply_doc(call, reply, 200, doc);
    return 0;
}

static int rename_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct workspace_in *in = arg;
    const char *id = in->call->who.workspace_id;
    zn_auto_json before = NULL;
    zn_auto_pgresult res = NULL;

    if (zn_workspace_lock_own(c, in->call, ZN_ROLE_OWNER, NULL, &before, err) < 0 ||
        zn_call_fresh(in->call, before, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_RENAME, ZN_P(id, in->name), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_DOC, ZN_P(id), &res, err) < 0 ||
        zn_people_show(in->call, res, NULL, &in->shown, err) < 0)
        return -1;
    return zn_audit(c, in->call, "workspace.rename", id, before, in->shown, err);
}

static int workspace_rename(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct workspace_in in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    return zn_people_reply(call, rename_tx, &in, &in.shown, 200, reply, err);
}

static int delete_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct workspace_in *in = arg;
    const char *id = in->call->who.workspace_id;
    zn_auto_json before = NULL;

    if (zn_workspace_lock_own(c, in->call, ZN_ROLE_OWNER, NULL, &before, err) < 0 ||
        zn_call_fresh(in->call, before, err) < 0 ||
        zn_audit(c, in->call, "workspace.delete", id, before, NULL, err) < 0)
        return -1;
    return zn_workspace_remove(c, in->call, id, err);
}

static int workspace_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct workspace_in in = { .call = call };

    return zn_people_reply(call, delete_tx, &in, &in.shown, 204, reply, err);
}

const struct zn_route zn_workspace_routes[] = {
    { .method = "GET", .path = "/api/workspaces/list", .scope = ZN_SCOPE_SESSION,
      .handler = workspace_list, .name = "workspace_list",
      .summary = "The workspaces that one is in, with the own role in each",
      .answers = { { 200, "Membership[]" } } },
    { .method = "POST", .path = "/api/workspaces/create", .scope = ZN_SCOPE_SUPERUSER,
      .handler = workspace_create, .name = "workspace_create",
      .summary = "Create a workspace and own it", .body = ZN_FIELDS(workspace_fields),
      .answers = { { 201, "Workspace" } } },
    { .method = "POST", .path = "/api/workspaces/switch", .scope = ZN_SCOPE_SESSION,
      .handler = workspace_switch, .name = "workspace_switch",
      .summary = "Make another workspace the current one of the session",
      .body = ZN_FIELDS(switch_fields), .answers = { { 204, NULL }, { 404, "ErrorEnvelope" } } },
    { .method = "GET", .path = "/api/workspace", .scope = ZN_SCOPE_GUEST, .handler = workspace_show,
      .name = "workspace_show", .summary = "The current workspace", .answers = { { 200, "Workspace" } } },
    { .method = "PUT", .path = "/api/workspace", .scope = ZN_SCOPE_OWNER, .handler = workspace_rename,
      .name = "workspace_rename", .summary = "Rename the current workspace",
      .body = ZN_FIELDS(workspace_fields), .answers = { { 200, "Workspace" } } },
    { .method = "DELETE", .path = "/api/workspace", .scope = ZN_SCOPE_OWNER,
      .handler = workspace_delete, .name = "workspace_delete",
      .summary = "Delete the current workspace and archive its projects", .answers = { { 204, NULL } },
      .conflicts = true, .token = ZN_TOKEN_NONE },
};
const size_t zn_workspace_nroutes = ZN_COUNT(zn_workspace_routes);
