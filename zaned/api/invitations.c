/* Routes of invitations: made by admins of a workspace, used by those who hold the link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "zaned/api/audit.h"
#include "zaned/api/auth.h"
#include "zaned/api/password.h"
#include "zaned/api/people.h"
#include "zaned/api/session.h"
#include "zaned/domain/names.h"

/* --- made by admins -------------------------------------------------------------------------------------- */

struct invite_in {
    const char *username;
    int64_t role, valid_for;
    struct zn_strs accessible_project_ids;
    struct zn_call *call;
    struct zn_link_token token;
    json_t *shown;
};
#define VALID_FOR                                                                                  \
    ZN_J(invite_in, valid_for, INT, .min = 1, .max = ZN_INVITATION_DAYS_MAX,                       \
         .help = "days until the link ends; 3 unless said otherwise")

static const struct zn_jfield invite_fields[] = {
    ZN_J(invite_in, username, STR, .required = true, .min = 1, .max = ZN_MAX_USERNAME,
         .check = zn_rule_username),
    ZN_J(invite_in, role, INT, .check = zn_rule_role_given, .help = "10 guest (default), 30 member, 40 admin"),
    ZN_J(invite_in, accessible_project_ids, STRS, .min = 1, .max = 255, .items = ZN_MAX_GUEST_PROJECTS,
         .help = "what a guest may see; other roles see all projects"),
    VALID_FOR,
};
static const struct zn_jfield renew_fields[] = { VALID_FOR };

static int invitation_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    json_t *list;

    if (zn_sql_once(call->api->store, ZN_SQL_INVITATION_LIST, ZN_P(call->who.workspace_id), &res, err) < 0 ||
        zn_people_docs(call, res, "token", &list, err) < 0)
        return -1;
    zn_reply_json(reply, 200, list);
    return 0;
}

/* What is shown, without the token. */
static int audit_invitation(struct zn_conn *c, struct zn_call *call, const char *action, const char *id,
                            json_t *before, json_t *after, struct zn_err *err)
{
    zn_auto_json old = json_copy(before);
    zn_auto_json new = json_copy(after);

    if (old)
        json_object_del(old, "token");
    if (new)
        json_object_del(new, "token");
    return zn_audit(c, call, action, id, old, new, err);
}

/* Nobody who is in the workspace, or waits to be, can be invited once more. */
static int check_guest_free(struct zn_conn *c, struct invite_in *in, struct zn_err *err)
{
    const char *workspace = in->call->who.workspace_id;
    zn_auto_pgresult member = NULL;

    if (strcmp(in->username, in->call->who.username) == 0)
        return zn_fail(err, ZN_CONFLICT, "You cannot invite yourself.");
    if (zn_sql(c, ZN_SQL_MEMBER_NAMED, ZN_P(workspace, in->username), &member, err) < 0)
        return -1;
    if (PQntuples(member))
        return zn_fail(err, ZN_CONFLICT, "`%.150s` is a member of this workspace already.", in->username);
    return zn_sql(c, ZN_SQL_INVITATION_EXPIRED_DROP, ZN_P(workspace, in->username), NULL, err);
}

static int invite_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct invite_in *in = arg;
    struct zn_call *call = in->call;
    const char *id = zn_new_id(call->arena, ZN_ID_INVITATION), *workspace = call->who.workspace_id;
    const char *projects;
    char given[8], days[8];
    zn_auto_pgresult made = NULL;
    zn_auto_pgresult res = NULL;
    int role;

    snprintf(given, sizeof given, "%d", (int)in->role);
    snprintf(days, sizeof days, "%d", (int)in->valid_for);
    if (!id)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_workspace_lock_own(c, call, ZN_ROLE_ADMIN, &role, NULL, err) < 0)
        return -1;
    if (!zn_role_may_grant(role, (int)in->role))
        return zn_fail(err, ZN_DENIED, "You cannot give a role above your own.");
    if (zn_projects_check(c, call, workspace, &in->accessible_project_ids, &projects, err) < 0 ||
        check_guest_free(c, in, err) < 0 ||
        zn_sql(c, ZN_SQL_INVITATION_ADD,
               ZN_P(id, workspace, in->username, given, in->token.hash, in->token.sealed,
                    in->token.key_id, days), &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return zn_fail(err, ZN_CONFLICT,
                       "`%.150s` is invited already: renew that invitation, or delete it first.", in->username);
    if (zn_sql(c, ZN_SQL_INVITATION_PROJECTS_ADD, ZN_P(id, workspace, projects), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_INVITATION_DOC, ZN_P(workspace, id), &res, err) < 0 ||
        zn_people_show(call, res, "token", &in->shown, err) < 0)
        return -1;
    return audit_invitation(c, call, "invitation.create", id, NULL, in->shown, err);
}

static int invite_user(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct invite_in in = { .role = ZN_ROLE_GUEST, .valid_for = ZN_INVITATION_DAYS, .call = call };

    zn_call_body(call, &in, NULL, err);
    if (err->code && !err->nfields)
        return -1;
    zn_projects_rule(call, in.role, &in.accessible_project_ids, err);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    if (zn_link_token_new(call, &in.token, err) < 0)
        return -1;
    return zn_people_reply(call, invite_tx, &in, &in.shown, 201, reply, err);
}

/* The invitation that the path names, in the caller's locked workspace. *before: new reference. */
static int lock_invitation(struct zn_conn *c, struct zn_call *call, const char **id, json_t **before,
                           struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    *id = zn_request_param(call->req, "id");
    if (zn_workspace_lock_own(c, call, ZN_ROLE_ADMIN, NULL, NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_INVITATION_DOC, ZN_P(call->who.workspace_id, *id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no invitation with this id in this workspace.");
    return zn_people_doc(call, res, 0, NULL, before, err);
}

static int renew_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct invite_in *in = arg;
    char days[8];
    const char *id;
    zn_auto_json before = NULL;
    zn_auto_pgresult res = NULL;

    snprintf(days, sizeof days, "%d", (int)in->valid_for);
    if (lock_invitation(c, in->call, &id, &before, err) < 0 ||
        zn_sql(c, ZN_SQL_INVITATION_RENEW,
               ZN_P(id, in->token.hash, in->token.sealed, in->token.key_id, days), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_INVITATION_DOC, ZN_P(in->call->who.workspace_id, id), &res, err) < 0 ||
        zn_people_show(in->call, res, "token", &in->shown, err) < 0)
        return -1;
    return audit_invitation(c, in->call, "invitation.renew", id, before, in->shown, err);
}

static int invitation_renew(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct invite_in in = { .valid_for = ZN_INVITATION_DAYS, .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0 || zn_link_token_new(call, &in.token, err) < 0)
        return -1;
    return zn_people_reply(call, renew_tx, &in, &in.shown, 200, reply, err);
}

static int drop_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct invite_in *in = arg;
    const char *id;
    zn_auto_json before = NULL;

    if (lock_invitation(c, in->call, &id, &before, err) < 0 ||
        audit_invitation(c, in->call, "invitation.delete", id, before, NULL, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_INVITATION_DROP, ZN_P(id), NULL, err);
}

static int invitation_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct invite_in in = { .call = call };

    return zn_people_reply(call, drop_tx, &in, &in.shown, 204, reply, err);
}

/* --- used by who holds the link ----------------------------------------------------------------------------- */

struct guest {
    const char *password;
    struct zn_call *call;
    const char *hash; /* of the password; NULL = the caller is a user */
    const char *link; /* hash of the token */
    const char *username, *workspace;
    bool has_account;
    int role;
};

static int no_such_link(struct zn_err *err)
{
    return zn_fail(err, ZN_NOT_FOUND, "This invitation is not valid, or not any more.");
}

/* Reads the invitation of the link. Who is logged in sees their own only. */
static int find_link(struct guest *g, const PGresult *res, struct zn_err *err)
{
    const struct zn_caller *w = &g->call->who;

    if (PQntuples(res) == 0 || (w->user_id && strcmp(w->username, zn_col(res, 0, "username")) != 0))
        return no_such_link(err);
    g->username = zn_arena_strdup(g->call->arena, zn_col(res, 0, "username"));
    g->workspace = zn_arena_strdup(g->call->arena, zn_col(res, 0, "workspace_id"));
    g->has_account = zn_col_bool(res, 0, "has_account");
    g->role = (int)zn_col_i64(res, 0, "role");
    return g->username && g->workspace ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int read_link(struct guest *g, PGresult **res, struct zn_err *err)
{
    g->link = zn_link_token_hash(g->call->arena, zn_request_param(g->call->req, "token"));
    if (!g->link)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_sql_once(g->call->api->store, ZN_SQL_INVITATION_BY_TOKEN, ZN_P(g->link), res, err) < 0)
        return -1;
    return find_link(g, *res, err);
}

static int invitation_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct guest g = { .call = call };
    zn_auto_pgresult res = NULL;

    if (read_link(&g, &res, err) < 0)
        return -1;
    zn_reply_json(reply, 200,
                  json_pack("{s:s,s:i,s:s,s:s,s:b,s:{s:s}}", "username", g.username, "role", g.role,
                            "role_name", zn_role_name(g.role), "token",
                            zn_request_param(call->req, "token"), "has_existing_account",
                            g.has_account, "workspace", "name", zn_col(res, 0, "workspace")));
    return 0;
}

/* Makes the account of a guest that has none, who is the caller from here on. */
static int add_user(struct zn_conn *c, struct guest *g, struct zn_err *err)
{
    zn_auto_pgresult made = NULL;

    if (zn_sql(c, ZN_SQL_USER_ADD, ZN_P(g->username, g->hash), &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return zn_fail(err, ZN_INVALID, "There is an account for this invitation: log in to accept it.");
    g->call->who = (struct zn_caller){ .user_id = zn_col_i64(made, 0, "id"), .username = g->username,
                                       .first_name = "", .last_name = "" };
    return 0;
}

/* The membership that the invitation, locked with its workspace, becomes. */
static int join(struct zn_conn *c, struct guest *g, const char *invitation, struct zn_err *err)
{
    struct zn_call *call = g->call;
    const char *user = zn_arena_printf(call->arena, "%lld", call->who.user_id), *member;
    char role[8];
    zn_auto_pgresult made = NULL;
    zn_auto_json after = json_pack("{s:s,s:i}", "username", g->username, "role", g->role);

    snprintf(role, sizeof role, "%d", g->role);
    if (zn_sql(c, ZN_SQL_MEMBER_ADD, ZN_P(user, g->workspace, role), &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return zn_fail(err, ZN_CONFLICT, "You are a member of this workspace already.");
    member = zn_col(made, 0, "id");
    if (zn_sql(c, ZN_SQL_MEMBER_PROJECTS_COPY, ZN_P(member, invitation), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_INVITATION_DROP, ZN_P(invitation), NULL, err) < 0)
        return -1;
    /* What follows happened in that workspace, whichever was the current one before. */
    call->who.membership_id = strtoll(member, NULL, 10);
    call->who.workspace_id = g->workspace;
    call->who.role = g->role;
    return zn_audit(c, call, "member.join", member, NULL, after, err);
}

static int join_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct guest *g = arg;
    zn_auto_pgresult res = NULL;

    /* The invitation is read again under the workspace's lock, which whatever ends it takes too. */
    if (zn_workspace_lock(c, g->call, g->workspace, NULL, err) < 0)
        return err->code == ZN_NOT_FOUND ? no_such_link(err) : -1;
    if (zn_sql(c, ZN_SQL_INVITATION_BY_TOKEN, ZN_P(g->link), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return no_such_link(err);
    g->role = (int)zn_col_i64(res, 0, "role");
    if (g->hash && add_user(c, g, err) < 0)
        return -1;
    return join(c, g, zn_col(res, 0, "id"), err);
}

static int invitation_accept(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct guest g = { .call = call };
    zn_auto_pgresult res = NULL;
    struct zn_err late = { 0 };

    if (read_link(&g, &res, err) < 0 || zn_call_tx(call, join_tx, &g, err) < 0)
        return -1;
    /* They are in; which workspace they see first is a courtesy. */
    if (zn_session_set_workspace(call->api->sessions, call->who.session_id, g.workspace, &late) < 0)
        zn_warn("the session of %s stays in its workspace: %s", call->who.username, late.msg);
    zn_reply_json(reply, 201, json_pack("{s:b}", "success", 1));
    return 0;
}

static const struct zn_jfield register_fields[] = {
    ZN_J(guest, password, STR, .required = true, .min = 1, .max = ZN_MAX_PASSWORD),
};

static int register_check(struct guest *g, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    const char *weak;

    if (g->call->who.user_id)
        return zn_fail(err, ZN_INVALID, "You are logged in: log out first, or accept the invitation.");
    if (read_link(g, &res, err) < 0)
        return -1;
    if (g->has_account)
        return zn_fail(err, ZN_INVALID, "There is an account for this invitation: log in to accept it.");
    if ((weak = zn_password_weak(g->password, g->username))) {
        zn_call_field(g->call, err, "password", "invalid", weak);
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    }
    return zn_password_hash(g->call->arena, g->password, &g->hash, err);
}

static int invitation_register(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct guest g = { .call = call };

    if (zn_call_body(call, &g, NULL, err) < 0 || register_check(&g, err) < 0 ||
        zn_call_tx(call, join_tx, &g, err) < 0)
        return -1;
    zn_info("user %s registered from %s", g.username, call->req->client);
    if (zn_auth_begin(call, reply, call->who.user_id, err) < 0)
        return -1;
    zn_reply_json(reply, 201, json_pack("{s:b}", "success", 1));
    return 0;
}

/* No API token makes or sees links: through one, who found a token would become a user of their own. */
const struct zn_route zn_invitation_routes[] = {
    { .method = "POST", .path = "/api/workspace/invite-user", .scope = ZN_SCOPE_ADMIN,
      .handler = invite_user, .name = "invite_user",
      .summary = "Make a link by which a person joins the workspace", .body = ZN_FIELDS(invite_fields),
      .answers = { { 201, "Invitation" } }, .conflicts = true, .token = ZN_TOKEN_NONE },
    { .method = "GET", .path = "/api/workspace/invitations", .scope = ZN_SCOPE_ADMIN,
      .handler = invitation_list, .name = "invitation_list",
      .summary = "The invitations to the workspace, with their links' tokens",
      .answers = { { 200, "Invitation[]" } }, .token = ZN_TOKEN_NONE },
    { .method = "PUT", .path = "/api/workspace/invitations/{id}/regenerate", .scope = ZN_SCOPE_ADMIN,
      .handler = invitation_renew, .name = "invitation_renew",
      .summary = "Give an invitation a new link; the former one ends", .body = ZN_FIELDS(renew_fields),
      .answers = { { 200, "Invitation" } }, .token = ZN_TOKEN_NONE },
    { .method = "DELETE", .path = "/api/workspace/invitations/{id}/delete", .scope = ZN_SCOPE_ADMIN,
      .handler = invitation_delete, .name = "invitation_delete", .summary = "Take an invitation back",
      .answers = { { 204, NULL } } },
    { .method = "GET", .path = "/api/workspace/invitations/{token}", .scope = ZN_SCOPE_PUBLIC,
      .handler = invitation_show, .throttle = ZN_THROTTLE_REGISTRATION, .name = "invitation_show",
      .summary = "What the holder of a link is invited to", .answers = { { 200, "InvitationLink" } } },
    { .method = "POST", .path = "/api/workspace/invitations/{token}/accept", .scope = ZN_SCOPE_SESSION,
      .handler = invitation_accept, .name = "invitation_accept",
      .summary = "Join by a link made for one's username", .answers = { { 201, "Success" } },
      .conflicts = true },
    { .method = "POST", .path = "/api/workspace/register/{token}", .scope = ZN_SCOPE_PUBLIC,
      .handler = invitation_register, .throttle = ZN_THROTTLE_REGISTRATION,
      .name = "invitation_register", .summary = "Create the account that a link was made for, and join",
      .body = ZN_FIELDS(register_fields), .answers = { { 201, "Success" } } },
};
const size_t zn_invitation_nroutes = ZN_COUNT(zn_invitation_routes);
