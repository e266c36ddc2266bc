/* Routes of login and account. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "zaned/api/audit.h"
#include "zaned/api/auth.h"
#include "zaned/api/caller.h"
#include "zaned/api/guess.h"
#include "zaned/api/password.h"
#include "zaned/api/session.h"
#include "zaned/api/totp.h"
#include "zaned/config.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/store/store.h"

enum {
    CSRF_LEN = 32,
    LOGIN_LIMIT = 20,
    LOGIN_WINDOW_S = 60,
    FACTOR_LIMIT = 10,
    FACTOR_WINDOW_S = 300,
};

static void set_cookie(struct zn_call *c, struct zn_reply *reply, const char *name,
                       const char *value, bool http_only, int max_age)
{
    zn_reply_header(reply, "Set-Cookie",
                    zn_arena_printf(c->arena, "%s=%s; Path=/; Max-Age=%d; SameSite=Lax%s%s", name,
                                    value, max_age, http_only ? "; HttpOnly" : "",
                                    c->req->secure ? "; Secure" : ""));
}

static int csrf(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    char token[CSRF_LEN + 1];

    (void)err;
    zn_id("", CSRF_LEN, token, sizeof token);
    set_cookie(c, reply, "csrftoken", c->who.csrf_token ? c->who.csrf_token : token, false,
               ZN_SESSION_SECONDS);
    zn_reply_json(reply, 200, json_pack("{s:s}", "details", "CSRF cookie set"));
    return 0;
}

static int ping(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    (void)c;
    (void)err;
    zn_reply_json(reply, 200, json_pack("{s:s}", "ping", "pong"));
    return 0;
}

int zn_auth_begin(struct zn_call *c, struct zn_reply *reply, long long user, struct zn_err *err)
{
    char id[ZN_SESSION_ID], token[CSRF_LEN + 1];
    struct zn_session s = { .user_id = user,
                            .csrf = token,
                            .address = c->req->client,
                            .agent = zn_request_header(c->req, "User-Agent") };

    zn_id("", CSRF_LEN, token, sizeof token);
    if (zn_session_create(c->api->sessions, &s, id, err) < 0)
        return -1;
    set_cookie(c, reply, "sessionid", id, true, ZN_SESSION_SECONDS);
    set_cookie(c, reply, "csrftoken", token, false, ZN_SESSION_SECONDS);
    return 0;
}

struct login_in {
    const char *username, *password, *totp_code, *recovery_code;
};
static const struct zn_jfield login_fields[] = {
    ZN_J(login_in, username, STR, .required = true, .min = 1, .max = 150, .check = zn_rule_name),
    ZN_J(login_in, password, STR, .required = true, .min = 1, .max = 255, .format = "password"),
    ZN_J(login_in, totp_code, STR, .min = 1, .max = 16,
         .help = "of the second factor, where the user has one"),
    ZN_J(login_in, recovery_code, STR, .min = 1, .max = 40, .help = "instead of totp_code"),
};

struct login_query {
    const char *redirect_to;
};

static const struct zn_jfield login_query[] = {
    ZN_J(login_query, redirect_to, STR, .min = 1, .max = ZN_MAX_URL, .check = zn_rule_own_path,
         .help = "path of this site to go on to: then the answer is 302"),
};

struct login {
    struct zn_call *call;
    struct login_in in;
    char user[24];
    enum zn_factor factor;
    const char *why; /* refused: for the log */
};

static long long number(const char *text)
{
    return strtoll(text, NULL, 10);
}

static int note_refused(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct login *l = arg;
    zn_auto_json how = json_pack("{s:s}", "reason", l->why);

    (void)conn;
    return zn_audit_as(l->call, number(l->user), l->in.username, "login.refused", NULL, how, err);
}

/* The password was right; what follows holds together: a code is used up by the login that it
 * allowed. */
static int factor_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct login *l = arg;
    zn_auto_json how = NULL;

    if (zn_factor_check(conn, l->call, l->user, l->in.totp_code, l->in.recovery_code, &l->factor,
                        err) < 0)
        return -1;
    if (l->factor == ZN_FACTOR_REQUIRED)
        return 0;
    l->why = "second factor";
    if (l->factor == ZN_FACTOR_WRONG)
        return note_refused(conn, l, err);
    how = json_pack("{s:s}", "second_factor",
                    l->factor == ZN_FACTOR_NONE ? "none"
                    : l->in.totp_code           ? "totp"
                                                : "recovery");
    return zn_audit_as(l->call, number(l->user), l->in.username, "login.success", NULL, how, err);
}

/* Guesses are counted for address and name together, so that nobody can lock another out. The log
 * has the first one too many of each minute. */
static int login_throttled(struct login *l, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_call *c = l->call;
    const char *about = zn_arena_printf(c->arena, "%.60s:%.60s", c->req->client, l->in.username);
    int noted, limited;

    if (!about)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    limited = zn_guess(c, "login", about, LOGIN_LIMIT, LOGIN_WINDOW_S, reply, err);
    if (limited != 1)
        return limited;
    if (zn_throttle_count(c->api->sessions, zn_arena_printf(c->arena, "noted:%s", about), 1,
                          LOGIN_WINDOW_S, &noted, err) < 0)
        return -1;
    l->why = "throttled";
    return noted || zn_call_tx(c, note_refused, l, err) == 0 ? 1 : -1;
}

/* 0: user, password and second factor are right. 1: the reply says what is not. */
static int login_check(struct login *l, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_call *c = l->call;
    zn_auto_pgresult res = NULL;
    int limited;

    if (zn_sql_once(c->api->store, ZN_SQL_USER_BY_NAME, ZN_P(l->in.username), &res, err) < 0)
        return -1;
    bool known = PQntuples(res) == 1 && zn_col_bool(res, 0, "is_active");
    snprintf(l->user, sizeof l->user, "%s", PQntuples(res) ? zn_col(res, 0, "id") : "0");
    l->why = !PQntuples(res) ? "unknown user" : known ? "password" : "suspended";
    if (!zn_password_fits(known ? zn_col(res, 0, "password_hash") : NULL, l->in.password)) {
        zn_reply_error(reply, 401, "authentication_failed", "Invalid username or password", NULL);
        return zn_call_tx(c, note_refused, l, err) < 0 ? -1 : 1;
    }
    /* Whoever has the password may come from many addresses: codes are counted for the user alone.
     */
    if (l->in.totp_code || l->in.recovery_code) {
        limited = zn_guess(c, "factor", l->user, FACTOR_LIMIT, FACTOR_WINDOW_S, reply, err);
        if (limited)
            return limited;
    }
    if (zn_call_tx(c, factor_tx, l, err) < 0)
        return -1;
    if (l->factor == ZN_FACTOR_REQUIRED)
        zn_reply_error(reply, 401, "totp_required", "Send totp_code, or a recovery_code, as well.",
                       NULL);
    else if (l->factor == ZN_FACTOR_WRONG)
        zn_reply_error(reply, 401, "authentication_failed",
                       "The code is not right, or was used before.", NULL);
    return l->factor == ZN_FACTOR_REQUIRED || l->factor == ZN_FACTOR_WRONG;
}

static int login(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct login l = { .call = c };
    struct login_query query = { 0 };
    int refused;

    if (zn_call_query(c, &query, NULL, err) < 0 || zn_call_body(c, &l.in, NULL, err) < 0)
        return -1;
    refused = login_throttled(&l, reply, err);
    if (!refused)
        refused = login_check(&l, reply, err);
    if (refused)
        return refused < 0 ? -1 : 0;
    if (zn_auth_begin(c, reply, number(l.user), err) < 0)
        return -1;
    if (query.redirect_to) {
        zn_reply_header(reply, "Location", query.redirect_to);
        zn_reply_empty(reply, 302);
        return 0;
    }
    zn_reply_json(reply, 201, json_pack("{s:b}", "success", 1));
    return 0;
}

static int me(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const struct zn_caller *w = &c->who;
    json_t *member = json_null();

    (void)err;
    if (w->workspace_id)
        member = json_pack("{s:I,s:i,s:s,s:{s:s,s:s}}", "id", (json_int_t)w->membership_id, "role",
                           w->role, "role_name", zn_role_name(w->role), "workspace", "id",
                           w->workspace_id, "name", w->workspace_name);
    zn_reply_json(reply, 200,
                  json_pack("{s:{s:s,s:s,s:s,s:b},s:o}", "user", "username", w->username,
                            "first_name", w->first_name, "last_name", w->last_name, "is_superuser",
                            w->is_superuser, "membership", member));
    return 0;
}

static int logout(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_session_delete(c->api->sessions, c->who.session_id, err) < 0)
        return -1;
    zn_caller_changed(c->api, c->who.user_id);
    if (zn_audit(NULL, c, "logout", NULL, NULL, NULL, err) < 0 || zn_audit_write(c, err) < 0)
        return -1;
    set_cookie(c, reply, "sessionid", "", true, 0);
    zn_reply_empty(reply, 204);
    return 0;
}

static int user_exists(struct zn_call *c, bool *ret, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(c->api->store, ZN_SQL_USER_EXISTS, ZN_P0, &res, err) < 0)
        return -1;
    *ret = zn_col_bool(res, 0, "yes");
    return 0;
}

static int check_user_existence(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    bool yes;

    if (user_exists(c, &yes, err) < 0)
        return -1;
    zn_reply_json(reply, 200, json_pack("{s:b}", "exists", yes));
    return 0;
}

/* --- the first admin ----------------------------------------------------------------------------- */

struct first_in {
    const char *username, *password, *workspace_name, *setup_token;
};

static const struct zn_jfield first_fields[] = {
    ZN_J(first_in, username, STR, .required = true, .min = 1, .max = ZN_MAX_USERNAME, .check = zn_rule_username),
    ZN_J(first_in, password, STR, .required = true, .min = 1, .max = 255),
    ZN_J(first_in, workspace_name, STR, .min = 1, .max = 255),
    ZN_J(first_in, setup_token, STR, .min = 1, .max = 255),
};

struct first_tx {
    const struct first_in *in;
    const char *hash;
    struct zn_call *call;
    char user[24];
};

static int first_admin_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct first_tx *t = arg;
    zn_auto_pgresult exists = NULL;
    zn_auto_pgresult user = NULL;
    char wrk[32], prj[32], env[40];

    if (zn_sql(conn, ZN_SQL_USER_LOCK, ZN_P0, NULL, err) < 0 ||
        zn_sql(conn, ZN_SQL_USER_EXISTS, ZN_P0, &exists, err) < 0)
        return -1;
    if (zn_col_bool(exists, 0, "yes"))
        return zn_fail(err, ZN_DENIED, "A user already exists.");
    zn_id(ZN_ID_WORKSPACE, 11, wrk, sizeof wrk);
    zn_id(ZN_ID_PROJECT, 11, prj, sizeof prj);
    zn_id(ZN_ID_ENVIRONMENT, 15, env, sizeof env);
    if (zn_sql(conn, ZN_SQL_USER_INSERT, ZN_P(t->in->username, t->hash, "true"), &user, err) < 0)
        return -1;
    snprintf(t->user, sizeof t->user, "%s", zn_col(user, 0, "id"));
    if (zn_sql(conn, ZN_SQL_WORKSPACE_INSERT, ZN_P(wrk, t->in->workspace_name), NULL, err) < 0 ||
        zn_sql(conn, ZN_SQL_MEMBERSHIP_INSERT, ZN_P(t->user, wrk, "50"), NULL, err) < 0 ||
        zn_sql(conn, ZN_SQL_PROJECT_INSERT, ZN_P(prj, wrk, "default", NULL), NULL, err) < 0)
        return -1;
    if (zn_sql(conn, ZN_SQL_ENVIRONMENT_INSERT, ZN_P(env, prj, "production"), NULL, err) < 0)
        return -1;
    return zn_audit_as(t->call, number(t->user), t->in->username, "user.create_first", t->user,
                       NULL, err);
}

static int create_initial_user(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct first_in in = { .workspace_name = "Default workspace" };
    struct first_tx t = { .in = &in, .call = c };
    const char *header = zn_request_header(c->req, "X-Setup-Token"), *weak;
    bool yes;

    if (user_exists(c, &yes, err) < 0)
        return -1;
    if (yes)
        return zn_fail(err, ZN_DENIED, "A user already exists.");
    if (zn_call_body(c, &in, NULL, err) < 0)
        return -1;
    if (!in.setup_token && !header)
        zn_call_field(c, err, "setup_token", "required", "This field is required.");
    if ((weak = zn_password_weak(in.password, in.username)))
        zn_call_field(c, err, "password", "invalid", weak);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    if (!zn_secret_eq(in.setup_token ? in.setup_token : header, c->api->setup_token))
        return zn_fail(err, ZN_DENIED,
                       "The setup token is not right; the installer printed it, and `zane setup-token` shows it.");
    if (zn_password_hash(c->arena, in.password, &t.hash, err) < 0 ||
        zn_call_tx(c, first_admin_tx, &t, err) < 0)
        return -1;
    zn_info("first admin %s created from %s", in.username, c->req->client);
    if (zn_auth_begin(c, reply, number(t.user), err) < 0)
        return -1;
    zn_reply_json(reply, 201, json_pack("{s:s}", "detail", "User created successfully"));
    return 0;
}

/* --- password -------------------------------------------------------------------------------------- */

struct change_in {
    const char *current_password, *new_password, *confirm_password;
};
static const struct zn_jfield change_fields[] = {
    ZN_J(change_in, current_password, STR, .required = true, .min = 1, .max = 255),
    ZN_J(change_in, new_password, STR, .required = true, .min = 1, .max = 255),
    ZN_J(change_in, confirm_password, STR, .required = true, .min = 1, .max = 255),
};

struct change_tx {
    struct zn_call *call;
    const char *id, *hash;
};

static int change_password_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct change_tx *t = arg;

    if (zn_sql(conn, ZN_SQL_USER_PASSWORD, ZN_P(t->id, t->hash), NULL, err) < 0)
        return -1;
    return zn_audit(conn, t->call, "password.change", t->id, NULL, NULL, err);
}

static int change_password(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct change_in in = { 0 };
    struct change_tx t = { .call = c, .id = zn_arena_printf(c->arena, "%lld", c->who.user_id) };
    const char *weak;
    zn_auto_pgresult res = NULL;
    int limited;

    if (zn_call_body(c, &in, NULL, err) < 0)
        return -1;
    if ((limited = zn_guess_own(c, "password", reply, err)))
        return limited < 0 ? -1 : 0;
    if (zn_sql_once(c->api->store, ZN_SQL_USER_BY_ID, ZN_P(t.id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0 || !zn_password_fits(zn_col(res, 0, "password_hash"), in.current_password))
        zn_call_field(c, err, "current_password", "invalid", "Current password is incorrect.");
    if ((weak = zn_password_weak(in.new_password, c->who.username)))
        zn_call_field(c, err, "new_password", "invalid", weak);
    if (strcmp(in.new_password, in.confirm_password) != 0)
        zn_call_field(c, err, "confirm_password", "invalid", "The passwords do not match.");
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    if (zn_password_hash(c->arena, in.new_password, &t.hash, err) < 0 ||
        zn_call_tx(c, change_password_tx, &t, err) < 0)
        return -1;
    if (zn_session_delete_others(c->api->sessions, c->who.user_id, c->who.session_id, err) < 0)
        return -1;
    zn_caller_changed(c->api, c->who.user_id);
    zn_reply_json(reply, 200, json_pack("{s:b}", "success", 1));
    return 0;
}

const struct zn_route zn_auth_routes[] = {
    { .method = "GET",
      .path = "/api/csrf",
      .scope = ZN_SCOPE_PUBLIC,
      .handler = csrf,
      .name = "csrf_token",
      .summary = "Set the cookie that holds the cross-site request token",
      .answers = { { 200, "Details" } } },
    { .method = "GET",
      .path = "/api/ping",
      .scope = ZN_SCOPE_PUBLIC,
      .handler = ping,
      .name = "ping",
      .summary = "Whether the API answers",
      .answers = { { 200, "Pong" } } },
    { .method = "POST",
      .path = "/api/auth/login",
      .scope = ZN_SCOPE_PUBLIC,
      .handler = login,
      .name = "login",
      .summary = "Begin a session",
      .body = ZN_FIELDS(login_fields),
      .query = ZN_FIELDS(login_query),
      .answers = { { 201, "Success" }, { 302, NULL } } },
    { .method = "GET",
      .path = "/api/auth/me",
      .scope = ZN_SCOPE_SESSION,
      .handler = me,
      .memory = true,
      .name = "me",
      .summary = "The user of the session and their role in the current workspace",
      .answers = { { 200, "Me" } } },
    { .method = "DELETE",
      .path = "/api/auth/logout",
      .scope = ZN_SCOPE_SESSION,
      .handler = logout,
      .name = "logout",
      .summary = "End the session",
      .answers = { { 204, NULL } } },
    { .method = "GET",
      .path = "/api/auth/check-user-existence",
      .scope = ZN_SCOPE_PUBLIC,
      .handler = check_user_existence,
      .name = "check_user_existence",
      .summary = "Whether the first administrator was created",
      .answers = { { 200, "Exists" } } },
    { .method = "POST",
      .path = "/api/auth/create-initial-user",
      .scope = ZN_SCOPE_PUBLIC,
      .handler = create_initial_user,
      .throttle = ZN_THROTTLE_REGISTRATION,
      .name = "create_initial_user",
      .summary = "Create the first administrator, by the setup token",
      .body = ZN_FIELDS(first_fields),
      .answers = { { 201, "Detail" } } },
    { .method = "POST",
      .path = "/api/auth/change-password",
      .scope = ZN_SCOPE_SESSION,
      .handler = change_password,
      .name = "change_password",
      .summary = "Change the own password; ends the other sessions",
      .body = ZN_FIELDS(change_fields),
      .answers = { { 200, "Success" } } },
};
const size_t zn_auth_nroutes = ZN_COUNT(zn_auth_routes);
