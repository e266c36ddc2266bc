/* Routes of a person's own account. */
#include <stdlib.h>
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/password.h"
#include "zaned/api/people.h"
#include "zaned/api/session.h"
#include "zaned/domain/rules.h"

/* --- profile ------------------------------------------------------------------------------------------ */

struct profile {
    const char *username, *first_name, *last_name;
    struct zn_call *call;
};
static const struct zn_jfield profile_fields[] = {
    ZN_J(profile, username, STR, .min = 1, .max = ZN_MAX_USERNAME, .check = zn_rule_username),
    ZN_J(profile, first_name, STR, .blank = true, .max = ZN_MAX_USERNAME, .check = zn_rule_name),
    ZN_J(profile, last_name, STR, .blank = true, .max = ZN_MAX_USERNAME, .check = zn_rule_name),
};

static json_t *names(const char *username, const char *first, const char *last)
{
    return json_pack("{s:s,s:s,s:s}", "username", username, "first_name", first, "last_name", last);
}

static int profile_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct profile *in = arg;
    const struct zn_caller *w = &in->call->who;
    const char *id = zn_arena_printf(in->call->arena, "%lld", w->user_id);
    zn_auto_json before = names(w->username, w->first_name, w->last_name);
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_PROFILE_SET, ZN_P(id, in->username, in->first_name, in->last_name), &res,
               err) < 0)
        return err->code == ZN_CONFLICT
                   ? zn_fail(err, ZN_CONFLICT, "A user with the username `%.150s` already exists.",
                             in->username)
                   : -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "Your account does not exist any more.");
    in->username = zn_arena_strdup(in->call->arena, zn_col(res, 0, "username"));
    in->first_name = zn_arena_strdup(in->call->arena, zn_col(res, 0, "first_name"));
    in->last_name = zn_arena_strdup(in->call->arena, zn_col(res, 0, "last_name"));
    zn_auto_json after = names(in->username, in->first_name, in->last_name);
    if (!after)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    return zn_audit(c, in->call, "account.update", id, before, after, err);
}

static int update_profile(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct profile in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0 || zn_call_tx(call, profile_tx, &in, err) < 0)
        return -1;
    zn_reply_json(reply, 200, names(in.username, in.first_name, in.last_name));
    return 0;
}

/* --- a forgotten password ----------------------------------------------------------------------------- */

struct reset {
    const char *new_password, *confirm_password;
    struct zn_call *call;
    const char *code, *hash; /* hashes: of the code, of the new password */
    const char *user;
};
static const struct zn_jfield reset_fields[] = {
    ZN_J(reset, new_password, STR, .required = true, .min = 1, .max = ZN_MAX_PASSWORD),
    ZN_J(reset, confirm_password, STR, .required = true, .min = 1, .max = ZN_MAX_PASSWORD),
};

static int no_such_code(struct zn_err *err)
{
    return zn_fail(err, ZN_NOT_FOUND, "This code is not valid, or not any more.");
}

static int reset_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct reset *in = arg;
    zn_auto_pgresult taken = NULL;

    if (zn_sql(c, ZN_SQL_RESET_TAKE, ZN_P(in->code), &taken, err) < 0)
        return -1;
    if (PQntuples(taken) == 0)
        return no_such_code(err);
    if (zn_sql(c, ZN_SQL_USER_PASSWORD, ZN_P(in->user, in->hash), NULL, err) < 0)
        return -1;
    return zn_audit(c, in->call, "account.reset_password", in->user, NULL, NULL, err);
}

/* The user of the code, and whether the new password will do. */
static int reset_check(struct zn_call *call, struct reset *in, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    const char *weak;

    in->code = zn_link_token_hash(call->arena, zn_request_param(call->req, "token"));
    if (!in->code)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_sql_once(call->api->store, ZN_SQL_RESET_BY_TOKEN, ZN_P(in->code), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return no_such_code(err);
    in->user = zn_arena_strdup(call->arena, zn_col(res, 0, "id"));
    if ((weak = zn_password_weak(in->new_password, zn_col(res, 0, "username"))))
        zn_call_field(call, err, "new_password", "invalid", weak);
    if (strcmp(in->new_password, in->confirm_password) != 0)
        zn_call_field(call, err, "confirm_password", "invalid", "The passwords do not match.");
    return err->nfields ? zn_fail(err, ZN_INVALID, "the request has invalid fields") : 0;
}

static int reset_password(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct reset in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0 || reset_check(call, &in, err) < 0 ||
        zn_password_hash(call->arena, in.new_password, &in.hash, err) < 0)
        return -1;
    /* Before: a store that does not answer then leaves the code unused. After: who logged in by the old
     * password meanwhile. */
    long long user = strtoll(in.user, NULL, 10);
    if (zn_session_delete_others(call->api->sessions, user, NULL, err) < 0 ||
        zn_call_tx(call, reset_tx, &in, err) < 0 ||
        zn_session_delete_others(call->api->sessions, user, NULL, err) < 0)
        return -1;
    zn_reply_json(reply, 200, json_pack("{s:b}", "success", 1));
    return 0;
}

const struct zn_route zn_account_routes[] = {
    { .method = "PATCH", .path = "/api/auth/update-profile", .scope = ZN_SCOPE_SESSION,
      .handler = update_profile, .name = "update_profile", .summary = "Change the own names",
      .body = ZN_FIELDS(profile_fields), .answers = { { 200, "Profile" } }, .conflicts = true },
    { .method = "POST", .path = "/api/auth/reset-password/{token}", .scope = ZN_SCOPE_PUBLIC,
      .handler = reset_password, .throttle = ZN_THROTTLE_REGISTRATION, .name = "reset_password",
      .summary = "Set a new password by a code that an administrator made; ends the user's sessions",
      .body = ZN_FIELDS(reset_fields), .answers = { { 200, "Success" } } },
};
const size_t zn_account_nroutes = ZN_COUNT(zn_account_routes);
