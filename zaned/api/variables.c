/* Routes of the variables that an environment shares with all its services. */
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/places.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/store/seal.h"

#define ID_VARIABLE "env_prj_"

struct variable_in {
    const char *key, *value; /* NULL = not given */
    struct zn_call *call;
    json_t *shown;
};

static const struct zn_jfield create_fields[] = {
    ZN_J(variable_in, key, STR, .required = true, .min = 1, .max = ZN_MAX_ENV_KEY,
         .check = zn_rule_env_key),
    ZN_J(variable_in, value, STR, .max = ZN_MAX_ENV_VALUE, .check = zn_rule_text,
         .help = "Left out: empty in a new variable, else as it was"),
};
static const struct zn_jfield patch_fields[] = {
    ZN_J(variable_in, key, STR, .min = 1, .max = ZN_MAX_ENV_KEY, .check = zn_rule_env_key),
    ZN_J(variable_in, value, STR, .max = ZN_MAX_ENV_VALUE, .check = zn_rule_text),
};

/* The place of the path. Here slugs are taken as they are: the compatible API knows no project by an
 * upper-case name on these routes. */
static int find_place(struct zn_conn *c, struct zn_call *call, struct zn_place *ret, struct zn_err *err)
{
    const char *project = zn_request_param(call->req, "project_slug");
    const char *environment = zn_request_param(call->req, "env_slug");

    if (zn_place_find(c, call, project, environment, ret, err) < 0)
        return -1;
    if (strcmp(project, ret->project) != 0 || strcmp(environment, ret->environment) != 0)
        return zn_fail(err, ZN_NOT_FOUND,
                       "A project with the slug `%.80s` and an environment `%.80s` does not exist.",
                       project, environment);
    return 0;
}

int zn_variable_read(struct zn_call *call, const PGresult *rows, int row, json_t **ret,
                     struct zn_err *err)
{
    const char *text = zn_col(rows, row, "doc");
    zn_auto_json doc = NULL;

    if (zn_json_parse(text, strlen(text), &doc, err) < 0 ||
        zn_unseal_env(call->api->sealer, doc, err) < 0) {
        err->code = ZN_INTERNAL;
        return zn_wrap(err, "a shared variable");
    }
    *ret = ZN_TAKE(doc);
    return 0;
}

/* The variable of the path; how: VARIABLE_ONE, or VARIABLE_LOCK for one that is about to change, which
 * the caller must have seen as it is. */
static int find_variable(struct zn_conn *c, struct zn_call *call, enum zn_sql_id how, json_t **ret,
                         struct zn_err *err)
{
    const char *id = zn_request_param(call->req, "id");
    struct zn_place place;
    zn_auto_pgresult res = NULL;
    zn_auto_json doc = NULL;

    if (find_place(c, call, &place, err) < 0 ||
        zn_sql(c, how, ZN_P(place.environment_id, id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "A variable with the id `%.60s` does not exist here.", id);
    if (zn_variable_read(call, res, 0, &doc, err) < 0 ||
        (how == ZN_SQL_VARIABLE_LOCK && zn_call_fresh(call, doc, err) < 0))
        return -1;
    *ret = ZN_TAKE(doc);
    return 0;
}

/* The audit log keeps which variable it was, never its value. */
static int audit(struct zn_conn *c, struct variable_in *in, const char *action, const char *id,
                 const char *before, const char *after, struct zn_err *err)
{
    zn_auto_json was = before ? json_pack("{s:s}", "key", before) : NULL;
    zn_auto_json is = after ? json_pack("{s:s}", "key", after) : NULL;

    return zn_audit(c, in->call, action, id, was, is, err);
}

static int taken(struct zn_err *err, const char *key)
{
    return zn_fail(err, ZN_CONFLICT, "A variable with the key `%.80s` already exists in this environment.",
                   key);
}

/* --- reading ---------------------------------------------------------------------------------------- */

static int list_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct variable_in *in = arg;
    struct zn_place place;
    zn_auto_pgresult res = NULL;
    zn_auto_json list = json_array();

    if (find_place(c, in->call, &place, err) < 0 ||
        zn_sql(c, ZN_SQL_VARIABLE_LIST, ZN_P(place.environment_id), &res, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(res); i++) {
        json_t *one;

        if (zn_variable_read(in->call, res, i, &one, err) < 0)
            return -1;
        json_array_append_new(list, one);
    }
    json_decref(in->shown);
    in->shown = ZN_TAKE(list);
    return 0;
}

static int show_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct variable_in *in = arg;

    json_decref(in->shown);
    in->shown = NULL;
    return find_variable(c, in->call, ZN_SQL_VARIABLE_ONE, &in->shown, err);
}

static int answer(struct zn_call *call, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    struct variable_in in = { .call = call };
    int r = zn_tx(call->api->store, fn, &in, err);
    zn_auto_json shown = in.shown;

    if (r == 0)
        zn_reply_doc(call, reply, 200, ZN_TAKE(shown));
    return r;
}

static int variable_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return answer(call, list_tx, reply, err);
}

static int variable_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return answer(call, show_tx, reply, err);
}

/* --- changing --------------------------------------------------------------------------------------- */

static int create_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct variable_in *in = arg;
    const char *id = zn_new_id(in->call->arena, ID_VARIABLE), *sealed;
    struct zn_place place;
    zn_auto_pgresult held = NULL;
    zn_auto_pgresult count = NULL;
    zn_auto_pgresult made = NULL;

    if (find_place(c, in->call, &place, err) < 0 ||
        zn_sql(c, ZN_SQL_ENVIRONMENT_HOLD, ZN_P(place.environment_id), &held, err) < 0 ||
        zn_sql(c, ZN_SQL_VARIABLE_COUNT, ZN_P(place.environment_id), &count, err) < 0 ||
        zn_seal(in->call->api->sealer, in->call->arena, in->value, &sealed, err) < 0)
        return -1;
    if (PQntuples(held) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "The environment `%.80s` does not exist.", place.environment);
    if (zn_col_i64(count, 0, "n") >= ZN_MAX_ITEMS)
        return zn_fail(err, ZN_CONFLICT, "An environment has at most %d variables.", ZN_MAX_ITEMS);
    if (zn_sql(c, ZN_SQL_VARIABLE_ADD,
               ZN_P(id, place.environment_id, in->key, sealed, zn_sealer_key_id(in->call->api->sealer)),
               &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return taken(err, in->key);
    json_decref(in->shown);
    in->shown = json_string(id);
    return audit(c, in, "variable.create", id, NULL, in->key, err);
}

static int variable_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct variable_in in = { .call = call, .value = "" };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    int r = zn_call_tx(call, create_tx, &in, err);
    zn_auto_json id = in.shown;
    if (r < 0)
        return -1;
    /* The body has no id, as in the compatible API; where the variable is says the header. */
    zn_reply_header(reply, "Location",
                    zn_arena_printf(call->arena, "/api/projects/%s/%s/variables/%s/",
                                    zn_request_param(call->req, "project_slug"),
                                    zn_request_param(call->req, "env_slug"), json_string_value(id)));
    zn_reply_json(reply, 201, json_pack("{s:s,s:s}", "key", in.key, "value", in.value));
    return 0;
}

static int change_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct variable_in *in = arg;
    const char *sealed;
    zn_auto_json doc = NULL;

    if (find_variable(c, in->call, ZN_SQL_VARIABLE_LOCK, &doc, err) < 0)
        return -1;
    const char *id = zn_json_str(doc, "id", ""), *was = zn_json_str(doc, "key", "");
    const char *key = in->key ? in->key : was;
    const char *value = in->value ? in->value : zn_json_str(doc, "value", "");
    if (zn_seal(in->call->api->sealer, in->call->arena, value, &sealed, err) < 0)
        return -1;
    if (zn_sql(c, ZN_SQL_VARIABLE_SET, ZN_P(id, key, sealed, zn_sealer_key_id(in->call->api->sealer)),
               NULL, err) < 0)
        return err->code == ZN_CONFLICT ? taken(err, key) : -1;
    if (audit(c, in, "variable.update", id, was, key, err) < 0)
        return -1;
    json_decref(in->shown);
    in->shown = json_pack("{s:s,s:s,s:s}", "id", id, "key", key, "value", value);
    return 0;
}

/* PUT and PATCH: their tables differ in what is required. */
static int variable_change(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct variable_in in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    int r = zn_call_tx(call, change_tx, &in, err);
    zn_auto_json shown = in.shown;
    if (r == 0)
        zn_reply_doc(call, reply, 200, ZN_TAKE(shown));
    return r;
}

static int delete_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct variable_in *in = arg;
    zn_auto_json doc = NULL;

    if (find_variable(c, in->call, ZN_SQL_VARIABLE_LOCK, &doc, err) < 0)
        return -1;
    const char *id = zn_json_str(doc, "id", "");
    if (zn_sql(c, ZN_SQL_VARIABLE_DELETE, ZN_P(id), NULL, err) < 0)
        return -1;
    return audit(c, in, "variable.delete", id, zn_json_str(doc, "key", ""), NULL, err);
}

static int variable_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct variable_in in = { .call = call };

    if (zn_call_tx(call, delete_tx, &in, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

#define VARIABLES "/api/projects/{project_slug}/{env_slug}/variables"

const struct zn_route zn_variable_routes[] = {
    { .method = "GET", .path = VARIABLES, .scope = ZN_SCOPE_MEMBER, .handler = variable_list,
      .name = "variable_list", .summary = "The variables that an environment shares with its services",
      .answers = { { 200, "EnvironmentVariable[]" } } },
    { .method = "POST", .path = VARIABLES, .scope = ZN_SCOPE_MEMBER, .handler = variable_create,
      .name = "variable_create", .summary = "Adds a shared variable; the header Location names it",
      .body = ZN_FIELDS(create_fields), .answers = { { 201, "NewEnvironmentVariable" } },
      .conflicts = true },
    { .method = "GET", .path = VARIABLES "/{id}", .scope = ZN_SCOPE_MEMBER, .handler = variable_show,
      .name = "variable_show", .summary = "A shared variable",
      .answers = { { 200, "EnvironmentVariable" } } },
    { .method = "PUT", .path = VARIABLES "/{id}", .scope = ZN_SCOPE_MEMBER, .handler = variable_change,
      .name = "variable_replace", .summary = "Changes the key and the value of a shared variable",
      .body = ZN_FIELDS(create_fields), .answers = { { 200, "EnvironmentVariable" } },
      .conflicts = true },
    { .method = "PATCH", .path = VARIABLES "/{id}", .scope = ZN_SCOPE_MEMBER,
      .handler = variable_change, .name = "variable_update",
      .summary = "Changes the key or the value of a shared variable",
      .body = ZN_FIELDS(patch_fields), .answers = { { 200, "EnvironmentVariable" } },
      .conflicts = true },
    { .method = "DELETE", .path = VARIABLES "/{id}", .scope = ZN_SCOPE_MEMBER,
      .handler = variable_delete, .name = "variable_delete", .summary = "Removes a shared variable",
      .answers = { { 204, NULL } } },
};
const size_t zn_variable_nroutes = ZN_COUNT(zn_variable_routes);
