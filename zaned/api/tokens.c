/* Routes of API tokens. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "zaned/api/audit.h"
#include "zaned/api/caller.h"
#include "zaned/domain/rules.h"
#include "zaned/store/store.h"

enum { TOKENS_MAX = 100 };

static const char *user_text(struct zn_call *c)
{
    const char *id = zn_arena_printf(c->arena, "%lld", c->who.user_id);

    return id ? id : "0";
}

static int token_list(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(c->api->store, ZN_SQL_API_TOKEN_LIST,
                    ZN_P(user_text(c), c->who.workspace_id, NULL), &res, err) < 0)
        return -1;
    zn_reply_json(reply, 200, zn_col_docs(res));
    return 0;
}

struct token_in {
    const char *name, *scope, *expires_at;
};

static const char *const scopes[] = { "read", "deploy", "admin", NULL };

static const struct zn_jfield create_fields[] = {
    ZN_J(token_in, name, STR, .required = true, .min = 1, .max = 100, .check = zn_rule_name,
         .help = "what it is for"),
    ZN_J(token_in, scope, STR, .required = true, .min = 1, .max = 6, .choices = scopes,
         .help = "read: GET only; deploy: also deploy, cancel, start and stop; admin: all that its "
                 "owner may do in "
                 "the workspace"),
    ZN_J(token_in, expires_at, STR, .nullable = true, .min = 1, .max = 40, .check = zn_rule_time,
         .format = "date-time", .help = "null or absent: never"),
};

struct create {
    struct zn_call *call;
    struct token_in in;
    const char *expires;
    char id[32], hash[ZN_SECRET_HASH];
    json_t *doc;
};

static int create_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct create *t = arg;
    struct zn_call *c = t->call;
    const char *user = user_text(c), *workspace = c->who.workspace_id;
    zn_auto_pgresult count = NULL;
    zn_auto_pgresult added = NULL;
    zn_auto_pgresult row = NULL;

    if (zn_sql(conn, ZN_SQL_API_TOKEN_COUNT, ZN_P(user, workspace), &count, err) < 0)
        return -1;
    if (zn_col_i64(count, 0, "n") >= TOKENS_MAX)
        return zn_fail(err, ZN_CONFLICT, "You have %d tokens in this workspace: revoke one first.",
                       TOKENS_MAX);
    if (zn_sql(conn, ZN_SQL_API_TOKEN_ADD,
               ZN_P(t->id, user, workspace, t->in.name, t->in.scope, t->hash, t->expires), &added,
               err) < 0)
        return -1;
    if (PQntuples(added) == 0) {
        zn_call_field(c, err, "expires_at", "invalid", "The time must lie ahead.");
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    }
    if (zn_sql(conn, ZN_SQL_API_TOKEN_LIST, ZN_P(user, workspace, t->id), &row, err) < 0)
        return -1;
    json_decref(t->doc);
    t->doc = json_loads(zn_col(row, 0, "doc"), 0, NULL);
    return zn_audit(conn, c, "token.create", t->id, NULL, t->doc, err);
}

static int token_create(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct create t = { .call = c };
    char token[sizeof ZN_API_TOKEN_PREFIX + ZN_API_TOKEN_LEN];
    int r;

    if (zn_call_body(c, &t.in, NULL, err) < 0)
        return -1;
    t.expires = t.in.expires_at ? zn_time_full(c->arena, t.in.expires_at) : NULL;
    zn_id("tok_", 16, t.id, sizeof t.id);
    zn_id(ZN_API_TOKEN_PREFIX, ZN_API_TOKEN_LEN, token, sizeof token);
    zn_secret_hash(token, t.hash);
    r = zn_call_tx(c, create_tx, &t, err);
    zn_auto_json doc = t.doc;
    if (r == 0) {
        json_object_set_new(doc, "token", json_string(token));
        zn_reply_header(reply, "Cache-Control", "no-store");
        zn_reply_json(reply, 201, ZN_TAKE(doc));
    }
    explicit_bzero(token, sizeof token);
    return r;
}

static int delete_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct zn_call *c = arg;
    const char *id = zn_request_param(c->req, "id");
    zn_auto_pgresult row = NULL;

    if (zn_sql(conn, ZN_SQL_API_TOKEN_DELETE, ZN_P(user_text(c), c->who.workspace_id, id), &row,
               err) < 0)
        return -1;
    if (PQntuples(row) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "You have no such token in this workspace.");
    zn_auto_json before =
        json_pack("{s:s,s:s}", "name", zn_col(row, 0, "name"), "scope", zn_col(row, 0, "scope"));
    return zn_audit(conn, c, "token.revoke", id, before, NULL, err);
}

static int token_delete(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_call_tx(c, delete_tx, c, err) < 0)
        return -1;
    zn_caller_changed(c->api, c->who.user_id);
    zn_reply_empty(reply, 204);
    return 0;
}

const struct zn_route zn_token_routes[] = {
    { .method = "GET",
      .path = "/api/tokens",
      .scope = ZN_SCOPE_GUEST,
      .handler = token_list,
      .token = ZN_TOKEN_NONE,
      .name = "token_list",
      .summary = "Your API tokens of the workspace",
      .answers = { { 200, "Token[]" } } },
    { .method = "POST",
      .path = "/api/tokens",
      .scope = ZN_SCOPE_GUEST,
      .handler = token_create,
      .token = ZN_TOKEN_NONE,
      .name = "token_create",
      .conflicts = true,
      .summary = "Make an API token for the workspace; it is shown this once",
      .body = ZN_FIELDS(create_fields),
      .answers = { { 201, "NewToken" } } },
    { .method = "DELETE",
      .path = "/api/tokens/{id}",
      .scope = ZN_SCOPE_GUEST,
      .handler = token_delete,
      .token = ZN_TOKEN_NONE,
      .name = "token_revoke",
      .summary = "Revoke an API token at once",
      .answers = { { 204, NULL } } },
};
const size_t zn_token_nroutes = ZN_COUNT(zn_token_routes);
