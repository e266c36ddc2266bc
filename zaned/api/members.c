/* Routes of the members of the current workspace. */
#include <stdio.h>
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/page.h"
#include "zaned/api/people.h"

struct member_in {
    int64_t role;
    struct zn_strs accessible_project_ids;
    struct zn_call *call;
    json_t *shown;
};

/* --- reading --------------------------------------------------------------------------------------------- */

struct member_query {
    struct zn_page page;
    int64_t role;
};
static const char *check_role(const void *val)
{
    return *(const int64_t *)val == ZN_ROLE_OWNER ? NULL : zn_rule_role_given(val);
}
static const struct zn_jfield member_query_fields[] = {
    ZN_PAGE_FIELDS(member_query),
    ZN_J(member_query, role, INT, .check = check_role, .help = "10 guest, 30 member, 40 admin, 50 owner"),
};

static int member_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct member_query q = { .page = ZN_PAGE_FIRST };
    struct zn_page_span span;
    zn_auto_pgresult res = NULL;

    if (zn_call_query(call, &q, NULL, err) < 0)
        return -1;
    span = zn_page_span(&q.page);
    const char *role = q.role ? zn_arena_printf(call->arena, "%d", (int)q.role) : NULL;
    if (zn_sql_once(call->api->store, ZN_SQL_MEMBER_PAGE,
                    ZN_P(call->who.workspace_id, role, span.limit, span.offset), &res, err) < 0 ||
        zn_page_reply(call, &q.page, res, NULL, reply, err) < 0)
        return -1;
    return 0;
}

static int no_such_member(struct zn_err *err)
{
    return zn_fail(err, ZN_NOT_FOUND, "There is no member with this id in this workspace.");
}

static int member_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    const char *id = zn_people_number(call, "membership_id");
    zn_auto_pgresult res = NULL;
    json_t *doc;

    if (!id)
        return no_such_member(err);
    if (zn_sql_once(call->api->store, ZN_SQL_MEMBER_DOC, ZN_P(call->who.workspace_id, id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return no_such_member(err);
    if (zn_people_doc(call, res, 0, NULL, &doc, err) < 0)
        return -1;
    zn_reply_doc(call, reply, 200, doc);
    return 0;
}

/* --- changing -------------------------------------------------------------------------------------------- */

/* The member that the path names, in the locked workspace, whom a caller of this role may change. *doc:
 * new reference. */
static int member_to_change(struct zn_conn *c, struct zn_call *call, int role, const char **id,
                            json_t **doc, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_json found = NULL;

    *id = zn_people_number(call, "membership_id");
    if (!*id)
        return no_such_member(err);
    if (zn_sql(c, ZN_SQL_MEMBER_DOC, ZN_P(call->who.workspace_id, *id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return no_such_member(err);
    if (zn_people_doc(call, res, 0, NULL, &found, err) < 0 || zn_call_fresh(call, found, err) < 0)
        return -1;
    if (zn_col_i64(res, 0, "user_id") == call->who.user_id)
        return zn_fail(err, ZN_CONFLICT,
                       "This is yourself: leave the workspace, or ask its owner to change your role.");
    if (!zn_role_may_change(role, (int)zn_col_i64(res, 0, "role")))
        return zn_fail(err, ZN_CONFLICT,
                       "Only the owner may change or remove an admin, and nobody the owner.");
    *doc = ZN_TAKE(found);
    return 0;
}

static int remove_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct member_in *in = arg;
    zn_auto_json before = NULL;
    const char *id;
    int role;

    if (zn_workspace_lock_own(c, in->call, ZN_ROLE_ADMIN, &role, NULL, err) < 0 ||
        member_to_change(c, in->call, role, &id, &before, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_DROP, ZN_P(id), NULL, err) < 0)
        return -1;
    return zn_audit(c, in->call, "member.remove", id, before, NULL, err);
}

static int member_remove(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct member_in in = { .call = call };

    return zn_people_reply(call, remove_tx, &in, &in.shown, 204, reply, err);
}

static const struct zn_jfield permission_fields[] = {
    ZN_J(member_in, role, INT, .required = true, .check = zn_rule_role_given,
         .help = "10 guest, 30 member, 40 admin"),
    ZN_J(member_in, accessible_project_ids, STRS, .min = 1, .max = 255, .items = ZN_MAX_GUEST_PROJECTS,
         .help = "what a guest may see; other roles see all projects"),
};

static int permissions_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct member_in *in = arg;
    const char *id, *projects, *workspace = in->call->who.workspace_id;
    char given[8];
    zn_auto_json before = NULL;
    zn_auto_pgresult res = NULL;
    int role;

    snprintf(given, sizeof given, "%d", (int)in->role);
    if (zn_workspace_lock_own(c, in->call, ZN_ROLE_ADMIN, &role, NULL, err) < 0 ||
        member_to_change(c, in->call, role, &id, &before, err) < 0)
        return -1;
    if (!zn_role_may_grant(role, (int)in->role))
        return zn_fail(err, ZN_DENIED, "You cannot give a role above your own.");
    if (zn_projects_check(c, in->call, workspace, &in->accessible_project_ids, &projects, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_ROLE_SET, ZN_P(id, given), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_PROJECTS_DROP, ZN_P(id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_PROJECTS_ADD, ZN_P(id, workspace, projects), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_DOC, ZN_P(workspace, id), &res, err) < 0 ||
        zn_people_show(in->call, res, NULL, &in->shown, err) < 0)
        return -1;
    return zn_audit(c, in->call, "member.permissions", id, before, in->shown, err);
}

static int member_permissions(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct member_in in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    zn_projects_rule(call, in.role, &in.accessible_project_ids, err);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    return zn_people_reply(call, permissions_tx, &in, &in.shown, 200, reply, err);
}

/* --- oneself ----------------------------------------------------------------------------------------------- */

static int leave_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    const char *id = zn_arena_printf(call->arena, "%lld", call->who.membership_id);
    zn_auto_pgresult res = NULL;
    zn_auto_json before = NULL;
    int role;

    if (zn_workspace_lock_own(c, call, ZN_ROLE_GUEST, &role, NULL, err) < 0)
        return -1;
    if (role == ZN_ROLE_OWNER)
        return zn_fail(err, ZN_CONFLICT,
                       "You own this workspace: transfer it to another member before you leave.");
    if (zn_sql(c, ZN_SQL_MEMBER_DOC, ZN_P(call->who.workspace_id, id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0) /* removed and taken in again under another id meanwhile */
        return zn_fail(err, ZN_CONFLICT, "Your membership has changed: try again.");
    if (zn_people_doc(call, res, 0, NULL, &before, err) < 0 ||
        zn_audit(c, call, "member.leave", id, before, NULL, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_MEMBER_DROP, ZN_P(id), NULL, err);
}

/* The session needs nothing: without a membership the user's first other workspace is the current one. */
static int workspace_leave(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_call_tx(call, leave_tx, call, err) < 0)
        return -1;
    zn_reply_json(reply, 200, json_pack("{s:b}", "success", 1));
    return 0;
}

struct transfer_in {
    int64_t new_owner_id;
    struct zn_call *call;
};
static const struct zn_jfield transfer_fields[] = {
    ZN_J(transfer_in, new_owner_id, INT, .required = true, .min = 1, .max = INT64_MAX,
         .help = "id of the membership of an admin"),
};

static int check_heir(struct zn_call *call, const PGresult *res, struct zn_err *err)
{
    if (PQntuples(res) == 0)
        return no_such_member(err);
    if (zn_col_i64(res, 0, "user_id") == call->who.user_id)
        return zn_fail(err, ZN_CONFLICT, "You own this workspace already.");
    if (zn_col_i64(res, 0, "role") < ZN_ROLE_ADMIN)
        return zn_fail(err, ZN_CONFLICT, "Only an admin can become the owner: change their role first.");
    if (!zn_col_bool(res, 0, "is_active"))
        return zn_fail(err, ZN_CONFLICT, "This member is suspended.");
    return 0;
}

static int transfer_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct transfer_in *in = arg;
    struct zn_call *call = in->call;
    const char *workspace = call->who.workspace_id;
    const char *heir = zn_arena_printf(call->arena, "%lld", (long long)in->new_owner_id);
    zn_auto_pgresult res = NULL;
    zn_auto_json before = json_pack("{s:I}", "owner", (json_int_t)call->who.membership_id);
    zn_auto_json after = json_pack("{s:I}", "owner", (json_int_t)in->new_owner_id);

    if (zn_workspace_lock_own(c, call, ZN_ROLE_OWNER, NULL, NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_DOC, ZN_P(workspace, heir), &res, err) < 0 ||
        check_heir(call, res, err) < 0 ||
        zn_sql(c, ZN_SQL_OWNER_DEMOTE, ZN_P(workspace), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_MEMBER_ROLE_SET, ZN_P(heir, "50"), NULL, err) < 0)
        return -1;
    return zn_audit(c, call, "workspace.transfer", workspace, before, after, err);
}

static int workspace_transfer(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct transfer_in in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0 || zn_call_tx(call, transfer_tx, &in, err) < 0)
        return -1;
    zn_reply_json(reply, 200, json_pack("{s:b}", "success", 1));
    return 0;
}

const struct zn_route zn_member_routes[] = {
    { .method = "GET", .path = "/api/workspace/members", .scope = ZN_SCOPE_ADMIN,
      .handler = member_list, .name = "member_list", .summary = "The members of the workspace",
      .query = ZN_FIELDS(member_query_fields), .answers = { { 200, "MemberPage" } } },
    { .method = "GET", .path = "/api/workspace/members/{membership_id}", .scope = ZN_SCOPE_ADMIN,
      .handler = member_show, .name = "member_show", .summary = "One member of the workspace",
      .answers = { { 200, "Member" } } },
    { .method = "DELETE", .path = "/api/workspace/members/{membership_id}", .scope = ZN_SCOPE_ADMIN,
      .handler = member_remove, .name = "member_remove",
      .summary = "Remove a member from the workspace", .answers = { { 204, NULL } }, .conflicts = true },
    { .method = "PUT", .path = "/api/workspace/members/{membership_id}/permissions",
      .scope = ZN_SCOPE_ADMIN, .handler = member_permissions, .name = "member_permissions",
      .summary = "Set the role of a member, and of a guest the projects",
      .body = ZN_FIELDS(permission_fields), .answers = { { 200, "Member" } }, .conflicts = true,
      .token = ZN_TOKEN_NONE },
    { .method = "POST", .path = "/api/workspace/leave", .scope = ZN_SCOPE_GUEST,
      .handler = workspace_leave, .name = "workspace_leave", .summary = "Leave the workspace",
      .answers = { { 200, "Success" } }, .conflicts = true, .token = ZN_TOKEN_NONE },
    { .method = "POST", .path = "/api/workspace/transfer-ownership", .scope = ZN_SCOPE_OWNER,
      .handler = workspace_transfer, .name = "workspace_transfer",
      .summary = "Make an admin the owner and oneself an admin", .body = ZN_FIELDS(transfer_fields),
      .answers = { { 200, "Success" } }, .conflicts = true, .token = ZN_TOKEN_NONE },
};
const size_t zn_member_nroutes = ZN_COUNT(zn_member_routes);
