/* Routes of the instance's console: its users, the codes for their passwords, its workspaces. */
#include <stdlib.h>
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/page.h"
#include "zaned/api/people.h"
#include "zaned/api/session.h"

struct console {
    struct zn_call *call;
    bool is_active;
    int64_t owner_id;
    uint64_t present;
    struct zn_link_token token;
    json_t *shown;
};

/* Answers the document that a statement over one id gives. */
static int show_one(struct zn_call *call, enum zn_sql_id sql, const char *id, const char *sealed,
                    const char *what, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    json_t *doc;

    if (id && zn_sql_once(call->api->store, sql, ZN_P(id), &res, err) < 0)
        return -1;
    if (!id || PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no %s with this id.", what);
    if (zn_people_doc(call, res, 0, sealed, &doc, err) < 0)
        return -1;
    zn_reply_doc(call, reply, 200, doc);
    return 0;
}

/* --- lists --------------------------------------------------------------------------------------------- */

struct console_query {
    struct zn_page page;
    const char *username, *name;
};
static const struct zn_jfield user_query_fields[] = {
    ZN_PAGE_FIELDS(console_query),
    ZN_J(console_query, username, STR, .max = ZN_MAX_USERNAME, .help = "a part of it, in any case"),
};
static const struct zn_jfield workspace_query_fields[] = {
    ZN_PAGE_FIELDS(console_query),
    ZN_J(console_query, name, STR, .max = ZN_MAX_WORKSPACE_NAME, .help = "a part of it, in any case"),
};
static const struct zn_jfield page_query_fields[] = { ZN_PAGE_FIELDS(console_query) };

static int user_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console_query q = { .page = ZN_PAGE_FIRST };
    zn_auto_pgresult res = NULL;

    if (zn_call_query(call, &q, NULL, err) < 0)
        return -1;
    struct zn_page_span span = zn_page_span(&q.page);
    if (zn_sql_once(call->api->store, ZN_SQL_USER_PAGE, ZN_P(q.username, span.limit, span.offset), &res,
                    err) < 0 ||
        zn_page_reply(call, &q.page, res, NULL, reply, err) < 0)
        return -1;
    return 0;
}

static int workspace_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console_query q = { .page = ZN_PAGE_FIRST };
    zn_auto_pgresult res = NULL;

    if (zn_call_query(call, &q, NULL, err) < 0)
        return -1;
    struct zn_page_span span = zn_page_span(&q.page);
    if (zn_sql_once(call->api->store, ZN_SQL_WORKSPACE_PAGE, ZN_P(q.name, span.limit, span.offset), &res,
                    err) < 0 ||
        zn_page_reply(call, &q.page, res, NULL, reply, err) < 0)
        return -1;
    return 0;
}

static int code_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console_query q = { .page = ZN_PAGE_FIRST };
    zn_auto_pgresult res = NULL;

    if (zn_call_query(call, &q, NULL, err) < 0)
        return -1;
    struct zn_page_span span = zn_page_span(&q.page);
    if (zn_sql_once(call->api->store, ZN_SQL_RESET_PAGE, ZN_P(span.limit, span.offset), &res, err) < 0 ||
        zn_page_reply(call, &q.page, res, "value", reply, err) < 0)
        return -1;
    return 0;
}

/* --- users ------------------------------------------------------------------------------------------------ */

static int user_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return show_one(call, ZN_SQL_USER_DOC, zn_people_number(call, "id"), NULL, "user", reply, err);
}

/* The user that the path names, locked. *doc: new reference. */
static int lock_user(struct zn_conn *c, struct zn_call *call, const char **id, bool *active,
                     json_t **doc, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    *id = zn_people_number(call, "id");
    if (*id && zn_sql(c, ZN_SQL_USER_ROW_LOCK, ZN_P(*id), &res, err) < 0)
        return -1;
    if (!*id || PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no user with this id.");
    *active = zn_col_bool(res, 0, "is_active");
    return zn_people_doc(call, res, 0, NULL, doc, err);
}

static bool is_caller(const struct zn_call *call, const char *id)
{
    return strtoll(id, NULL, 10) == call->who.user_id;
}

static const struct zn_jfield user_fields[] = {
    ZN_J(console, is_active, BOOL, .help = "false suspends: the user's sessions end, none begins"),
};

static int user_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct console *in = arg;
    const char *id;
    bool active;
    zn_auto_json before = NULL;
    zn_auto_pgresult res = NULL;

    if (lock_user(c, in->call, &id, &active, &before, err) < 0 || zn_call_fresh(in->call, before, err) < 0)
        return -1;
    if (!in->present)
        in->is_active = active;
    if (!in->is_active && is_caller(in->call, id))
        return zn_fail(err, ZN_CONFLICT, "You cannot suspend yourself.");
    if (zn_sql(c, ZN_SQL_USER_ACTIVE_SET, ZN_P(id, in->is_active ? "true" : "false"), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_USER_DOC, ZN_P(id), &res, err) < 0 ||
        zn_people_show(in->call, res, NULL, &in->shown, err) < 0)
        return -1;
    if (in->is_active == active)
        return 0;
    return zn_audit(c, in->call, active ? "user.suspend" : "user.restore", id, before, in->shown, err);
}

/* A suspended or deleted user has no session that works; this ends them for good. */
static int end_sessions(struct zn_call *call, struct zn_err *err)
{
    return zn_session_delete_others(call->api->sessions,
                                    strtoll(zn_request_param(call->req, "id"), NULL, 10), NULL, err);
}

static int user_update(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console in = { .call = call };

    if (zn_call_body(call, &in, &in.present, err) < 0 ||
        zn_people_reply(call, user_tx, &in, &in.shown, 200, reply, err) < 0)
        return -1;
    return in.is_active ? 0 : end_sessions(call, err);
}

static int user_delete_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct console *in = arg;
    const char *id;
    bool active;
    zn_auto_json before = NULL;
    zn_auto_pgresult owns = NULL;

    if (lock_user(c, in->call, &id, &active, &before, err) < 0 || zn_call_fresh(in->call, before, err) < 0)
        return -1;
    if (is_caller(in->call, id))
        return zn_fail(err, ZN_CONFLICT, "You cannot delete yourself.");
    if (zn_sql(c, ZN_SQL_USER_OWNS, ZN_P(id), &owns, err) < 0)
        return -1;
    if (PQntuples(owns))
        return zn_fail(err, ZN_CONFLICT,
                       "This user owns the workspace `%.80s`: transfer or delete it first.",
                       zn_col(owns, 0, "name"));
    if (zn_audit(c, in->call, "user.delete", id, before, NULL, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_USER_DROP, ZN_P(id), NULL, err);
}

static int user_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console in = { .call = call };

    if (zn_people_reply(call, user_delete_tx, &in, &in.shown, 204, reply, err) < 0)
        return -1;
    return end_sessions(call, err);
}

/* --- codes for a new password --------------------------------------------------------------------------- */

static int code_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct console *in = arg;
    const char *id;
    bool active;
    zn_auto_json user = NULL;
    zn_auto_pgresult made = NULL;
    zn_auto_pgresult res = NULL;

    if (lock_user(c, in->call, &id, &active, &user, err) < 0)
        return -1;
    if (is_caller(in->call, id))
        return zn_fail(err, ZN_CONFLICT, "Change your own password in your account.");
    if (!active)
        return zn_fail(err, ZN_CONFLICT, "This user is suspended.");
    if (zn_sql(c, ZN_SQL_RESET_PUT, ZN_P(id, in->token.hash, in->token.sealed, in->token.key_id), &made,
               err) < 0 ||
        zn_sql(c, ZN_SQL_RESET_DOC, ZN_P(zn_col(made, 0, "id")), &res, err) < 0 ||
        zn_people_show(in->call, res, "value", &in->shown, err) < 0)
        return -1;
    return zn_audit(c, in->call, "user.reset_code", id, NULL, user, err);
}

static int code_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console in = { .call = call };

    if (zn_link_token_new(call, &in.token, err) < 0)
        return -1;
    return zn_people_reply(call, code_tx, &in, &in.shown, 201, reply, err);
}

static int code_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return show_one(call, ZN_SQL_RESET_DOC, zn_people_number(call, "id"), "value", "code", reply, err);
}

static int code_delete_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct console *in = arg;
    const char *id = zn_people_number(in->call, "id");
    zn_auto_pgresult gone = NULL;

    if (id && zn_sql(c, ZN_SQL_RESET_DROP, ZN_P(id), &gone, err) < 0)
        return -1;
    if (!id || PQntuples(gone) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no code with this id.");
    return zn_audit(c, in->call, "user.reset_code_delete", id, NULL, NULL, err);
}

static int code_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console in = { .call = call };

    return zn_people_reply(call, code_delete_tx, &in, &in.shown, 204, reply, err);
}

/* --- workspaces -------------------------------------------------------------------------------------------- */

static int workspace_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return show_one(call, ZN_SQL_WORKSPACE_DETAIL, zn_request_param(call->req, "id"), NULL, "workspace",
                    reply, err);
}

/* The workspace that the path names, locked, as its GET shows it. *doc: new reference. */
static int lock_workspace(struct zn_conn *c, struct zn_call *call, const char **id, json_t **doc,
                          struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_json found = NULL;

    *id = zn_request_param(call->req, "id");
    if (zn_workspace_lock(c, call, *id, NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_DETAIL, ZN_P(*id), &res, err) < 0 ||
        zn_people_doc(call, res, 0, NULL, &found, err) < 0 || zn_call_fresh(call, found, err) < 0)
        return -1;
    *doc = ZN_TAKE(found);
    return 0;
}

static int workspace_delete_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct console *in = arg;
    const char *id;
    zn_auto_json before = NULL;

    if (lock_workspace(c, in->call, &id, &before, err) < 0 ||
        zn_audit(c, in->call, "workspace.delete", id, before, NULL, err) < 0)
        return -1;
    return zn_workspace_remove(c, in->call, id, err);
}

static int workspace_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console in = { .call = call };

    return zn_people_reply(call, workspace_delete_tx, &in, &in.shown, 204, reply, err);
}

static const struct zn_jfield transfer_fields[] = {
    ZN_J(console, owner_id, INT, .required = true, .min = 1, .max = INT64_MAX, .help = "id of a user"),
};

/* The user becomes the owner, in the workspace or not before. */
static int give_workspace(struct zn_conn *c, const char *id, const char *user, struct zn_err *err)
{
    zn_auto_pgresult active = NULL;
    zn_auto_pgresult member = NULL;
    zn_auto_pgresult owner = NULL;

    if (zn_sql(c, ZN_SQL_USER_ROW_LOCK, ZN_P(user), &active, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_OF, ZN_P(user, id), &member, err) < 0)
        return -1;
    if (PQntuples(active) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no user with this id.");
    if (!zn_col_bool(active, 0, "is_active"))
        return zn_fail(err, ZN_CONFLICT, "This user is suspended.");
    if (PQntuples(member) && zn_col_i64(member, 0, "role") == ZN_ROLE_OWNER)
        return zn_fail(err, ZN_CONFLICT, "This user owns the workspace already.");
    if (zn_sql(c, ZN_SQL_OWNER_DEMOTE, ZN_P(id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_OWNER_PUT, ZN_P(user, id), &owner, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_MEMBER_PROJECTS_DROP, ZN_P(zn_col(owner, 0, "id")), NULL, err);
}

static int transfer_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct console *in = arg;
    const char *id, *user = zn_arena_printf(in->call->arena, "%lld", (long long)in->owner_id);
    zn_auto_json before = NULL;
    zn_auto_pgresult res = NULL;

    if (lock_workspace(c, in->call, &id, &before, err) < 0 ||
        give_workspace(c, id, user, err) < 0 ||
        zn_sql(c, ZN_SQL_WORKSPACE_DETAIL, ZN_P(id), &res, err) < 0 ||
        zn_people_show(in->call, res, NULL, &in->shown, err) < 0)
        return -1;
    return zn_audit(c, in->call, "workspace.transfer", id, before, in->shown, err);
}

static int workspace_transfer(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct console in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    return zn_people_reply(call, transfer_tx, &in, &in.shown, 200, reply, err);
}

const struct zn_route zn_console_routes[] = {
    { .method = "GET", .path = "/api/console/users", .scope = ZN_SCOPE_SUPERUSER, .handler = user_list,
      .name = "console_user_list", .summary = "The users of the instance",
      .query = ZN_FIELDS(user_query_fields), .answers = { { 200, "InstanceUserPage" } } },
    { .method = "GET", .path = "/api/console/users/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = user_show, .name = "console_user_show", .summary = "One user of the instance",
      .answers = { { 200, "InstanceUser" } } },
    { .method = "PATCH", .path = "/api/console/users/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = user_update, .name = "console_user_update",
      .summary = "Suspend a user, or end the suspension", .body = ZN_FIELDS(user_fields),
      .answers = { { 200, "InstanceUser" } }, .conflicts = true },
    { .method = "DELETE", .path = "/api/console/users/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = user_delete, .name = "console_user_delete", .summary = "Delete a user who owns nothing",
      .answers = { { 204, NULL } }, .conflicts = true },
    { .method = "POST", .path = "/api/console/users/{id}/generate-password-reset-code",
      .scope = ZN_SCOPE_SUPERUSER, .handler = code_create, .name = "console_reset_code_create",
      .summary = "Make a code by which a user sets a new password within 30 minutes",
      .answers = { { 201, "PasswordResetCode" } }, .conflicts = true },
    { .method = "GET", .path = "/api/console/password-tokens", .scope = ZN_SCOPE_SUPERUSER,
      .handler = code_list, .name = "console_reset_code_list",
      .summary = "The codes for new passwords that still work", .query = ZN_FIELDS(page_query_fields),
      .answers = { { 200, "PasswordResetCodePage" } } },
    { .method = "GET", .path = "/api/console/password-tokens/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = code_show, .name = "console_reset_code_show", .summary = "One code for a new password",
      .answers = { { 200, "PasswordResetCode" } } },
    { .method = "DELETE", .path = "/api/console/password-tokens/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = code_delete, .name = "console_reset_code_delete",
      .summary = "Take a code for a new password back", .answers = { { 204, NULL } } },
    { .method = "GET", .path = "/api/console/workspaces", .scope = ZN_SCOPE_SUPERUSER,
      .handler = workspace_list, .name = "console_workspace_list",
      .summary = "The workspaces of the instance", .query = ZN_FIELDS(workspace_query_fields),
      .answers = { { 200, "WorkspacePage" } } },
    { .method = "GET", .path = "/api/console/workspaces/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = workspace_show, .name = "console_workspace_show",
      .summary = "One workspace of the instance with its members",
      .answers = { { 200, "WorkspaceDetail" } } },
    { .method = "DELETE", .path = "/api/console/workspaces/{id}", .scope = ZN_SCOPE_SUPERUSER,
      .handler = workspace_delete, .name = "console_workspace_delete",
      .summary = "Delete a workspace and archive its projects", .answers = { { 204, NULL } },
      .conflicts = true },
    { .method = "PUT", .path = "/api/console/workspaces/{id}/transfer-ownership",
      .scope = ZN_SCOPE_SUPERUSER, .handler = workspace_transfer, .name = "console_workspace_transfer",
      .summary = "Give a workspace to any user", .body = ZN_FIELDS(transfer_fields),
      .answers = { { 200, "WorkspaceDetail" } }, .conflicts = true },
};
const size_t zn_console_nroutes = ZN_COUNT(zn_console_routes);
