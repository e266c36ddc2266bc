/* Routes of services: create, show, rename and set, archive. Those of their changes: changes.c. */
#include "zaned/api/services.h"

#include <string.h>

#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/changes.h"
#include "zaned/api/deploy.h"
#include "zaned/api/domain_state.h"
#include "zaned/domain/change.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/store/queue.h"

int zn_service_by_path(struct zn_conn *c, struct zn_call *call, bool lock, struct zn_service *ret,
                       struct zn_err *err)
{
    return zn_service_find(c, call, zn_request_param(call->req, "project_slug"),
                           zn_request_param(call->req, "env_slug"),
                           zn_request_param(call->req, "service_slug"), lock, ret, err);
}

int zn_service_insert(struct zn_conn *c, struct zn_call *call, const struct zn_place *place,
                      const char *slug, const char **id, struct zn_err *err)
{
    const char *new_id = zn_new_id(call->arena, ZN_ID_SERVICE);
    const char *alias = new_id ? zn_network_alias(call->arena, slug, new_id) : NULL;
    zn_auto_pgresult res = NULL;

    if (!alias)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_sql(c, ZN_SQL_SERVICE_INSERT,
               ZN_P(new_id, place->environment_id, slug, alias, zn_new_token(call->arena)), &res,
               err) < 0)
        return -1;
    *id = PQntuples(res) ? new_id : NULL;
    return 0;
}

/* Runs fn in a transaction; it leaves the reply's JSON in *shown. */
struct op {
    struct zn_call *call;
    json_t *shown;
};

static int run(struct op *op, zn_tx_fn fn, int status, struct zn_reply *reply, struct zn_err *err)
{
    int r = zn_call_tx(op->call, fn, op, err);
    zn_auto_json shown = op->shown;

    if (r == 0)
        zn_reply_doc(op->call, reply, status, ZN_TAKE(shown));
    return r;
}

static void show_into(struct op *op, const struct zn_service *s)
{
    json_decref(op->shown);
    op->shown = zn_service_show(s);
}

/* The service of the path, locked, as the caller expects it to be. */
static int lock_fresh(struct zn_conn *c, struct zn_call *call, struct zn_service *ret, struct zn_err *err)
{
    zn_auto_service s = { 0 };

    if (zn_service_by_path(c, call, true, &s, err) < 0 || zn_service_fresh(call, &s, err) < 0)
        return -1;
    *ret = s;
    s = (struct zn_service){ 0 };
    return 0;
}

int zn_service_fresh(struct zn_call *call, const struct zn_service *s, struct zn_err *err)
{
    zn_auto_json doc = zn_service_show(s);

    return zn_call_fresh(call, doc, err);
}

/* Lower case of a slug, checked; NULL with field errors. */
static const char *slug_of(struct zn_call *call, const char *text, struct zn_err *err)
{
    char *slug = zn_arena_strdup(call->arena, text);

    if (!slug)
        return NULL;
    zn_lower(slug);
    return zn_field_rule(err, "slug", zn_rule_slug, slug) ? slug : NULL;
}

static int slug_taken(struct zn_err *err, const char *slug)
{
    return zn_fail(err, ZN_CONFLICT,
                   "A service with the slug `%s` already exists in this environment.", slug);
}

/* --- create ----------------------------------------------------------------------------------------- */

struct create {
    struct op op;
    const char *slug, *image, *container_registry_credentials_id;
};
static const struct zn_jfield create_fields[] = {
    ZN_J(create, slug, STR, .min = 1, .max = ZN_MAX_SLUG, .help = "made up where it is left out"),
    ZN_J(create, image, STR, .required = true, .min = 1, .max = ZN_MAX_IMAGE,
         .check = zn_rule_image),
    ZN_J(create, container_registry_credentials_id, STR, .nullable = true, .min = 1, .max = 255,
         .check = zn_rule_name),
};

/* The first change of a service: its source. */
static int first_change(struct zn_conn *c, const struct create *in, const char *service,
                        struct zn_err *err)
{
    struct zn_call *call = in->op.call;
    const char *login = in->container_registry_credentials_id;
    struct zn_rules_port port = { c, service, call->arena };
    struct zn_state_rules rules = zn_service_rules(call, &port);
    zn_auto_json source = json_pack("{s:s}", "image", in->image);
    struct zn_conflict conflict;

    if (login)
        json_object_set_new(source, "container_registry_credentials_id", json_string(login));
    int bad = zn_single_conflict(&rules, "source", source, &conflict, err);
    if (bad > 0) {
        zn_field_err(err, conflict.attr, "invalid", conflict.msg);
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    }
    zn_auto_json change = json_pack("{s:s,s:s,s:n,s:O}", "type", "UPDATE", "field", "source",
                                    "old_value", "new_value", source);
    return bad < 0 ? -1 : zn_change_store(c, call, service, change, NULL, err);
}

static int create_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct create *in = arg;
    struct zn_call *call = in->op.call;
    zn_auto_service s = { 0 };
    zn_auto_json made = json_pack("{s:s,s:s}", "slug", in->slug, "image", in->image);

    if (zn_place_find(c, call, zn_request_param(call->req, "project_slug"),
                      zn_request_param(call->req, "env_slug"), &s.place, err) < 0 ||
        zn_service_insert(c, call, &s.place, in->slug, &s.id, err) < 0)
        return -1;
    if (!s.id)
        return slug_taken(err, in->slug);
    if (first_change(c, in, s.id, err) < 0 || zn_service_reload(c, call, &s, err) < 0 ||
        zn_audit(c, call, "service.create", s.id, NULL, made, err) < 0)
        return -1;
    show_into(&in->op, &s);
    return 0;
}

static int service_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct create in = { .op.call = call };

    zn_call_body(call, &in, NULL, err);
    if (err->code && !err->nfields)
        return -1;
    in.slug = in.slug ? slug_of(call, in.slug, err) : zn_new_slug(call->arena);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    if (!in.slug)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    return run(&in.op, create_tx, 201, reply, err);
}

/* --- show, settings --------------------------------------------------------------------------------- */

static int show_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    zn_auto_service s = { 0 };

    if (zn_service_by_path(c, op->call, false, &s, err) < 0)
        return -1;
    show_into(op, &s);
    return 0;
}

static int service_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { call, NULL };

    return run(&op, show_tx, 200, reply, err);
}

struct settings {
    struct op op;
    uint64_t present;
    const char *slug, *watch_paths;
    bool auto_deploy_enabled, cleanup_queue_on_auto_deploy, pr_preview_envs_enabled;
};
enum { SET_SLUG, SET_AUTO, SET_WATCH, SET_CLEANUP, SET_PREVIEWS };
static const struct zn_jfield settings_fields[] = {
    [SET_SLUG] = ZN_J(settings, slug, STR, .min = 1, .max = ZN_MAX_SLUG,
                      .help = "the name in the network of the environment stays"),
    [SET_AUTO] = ZN_J(settings, auto_deploy_enabled, BOOL),
    [SET_WATCH] = ZN_J(settings, watch_paths, STR, .nullable = true, .min = 1,
                       .max = ZN_MAX_WATCH_PATHS, .check = zn_rule_name),
    [SET_CLEANUP] = ZN_J(settings, cleanup_queue_on_auto_deploy, BOOL),
    [SET_PREVIEWS] = ZN_J(settings, pr_preview_envs_enabled, BOOL),
};

static const char *flag(const struct settings *in, int row, bool wanted, const json_t *doc)
{
    bool old = json_is_true(json_object_get(doc, settings_fields[row].name));

    return (in->present >> row & 1 ? wanted : old) ? "true" : "false";
}

/* The settings of a document, for the audit log. */
static json_t *settings_of(const json_t *doc)
{
    json_t *ret = json_object();

    for (size_t i = 0; i < ZN_COUNT(settings_fields); i++)
        json_object_set(ret, settings_fields[i].name, json_object_get(doc, settings_fields[i].name));
    return ret;
}

static int settings_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct settings *in = arg;
    struct zn_call *call = in->op.call;
    zn_auto_service s = { 0 };
    zn_auto_pgresult res = NULL;

    if (lock_fresh(c, call, &s, err) < 0)
        return -1;
    zn_auto_json before = settings_of(s.doc);
    const char *slug = in->slug ? in->slug : zn_json_str(s.doc, "slug", "");
    const char *watch = in->present >> SET_WATCH & 1 ? in->watch_paths
                                                     : zn_json_str(s.doc, "watch_paths", NULL);
    if (zn_sql(c, ZN_SQL_SERVICE_SETTINGS_SET,
               ZN_P(s.id, slug, flag(in, SET_AUTO, in->auto_deploy_enabled, s.doc), watch,
                    flag(in, SET_CLEANUP, in->cleanup_queue_on_auto_deploy, s.doc),
                    flag(in, SET_PREVIEWS, in->pr_preview_envs_enabled, s.doc)),
               &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return slug_taken(err, slug);
    if (zn_service_reload(c, call, &s, err) < 0)
        return -1;
    zn_auto_json after = settings_of(s.doc);
    show_into(&in->op, &s);
    return zn_audit(c, call, "service.update", s.id, before, after, err);
}

static int service_update(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct settings in = { .op.call = call };

    zn_call_body(call, &in, &in.present, err);
    if (err->code && !err->nfields)
        return -1;
    if (in.slug)
        in.slug = slug_of(call, in.slug, err);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    return run(&in.op, settings_tx, 200, reply, err);
}

static int token_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    zn_auto_service s = { 0 };
    const char *token = zn_new_token(op->call->arena);

    if (!token)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (lock_fresh(c, op->call, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOY_TOKEN_SET, ZN_P(s.id, token), NULL, err) < 0 ||
        zn_service_reload(c, op->call, &s, err) < 0)
        return -1;
    show_into(op, &s);
    return zn_audit(c, op->call, "service.regenerate_deploy_token", s.id, NULL, NULL, err);
}

static int service_token(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { call, NULL };

    return run(&op, token_tx, 200, reply, err);
}

static int volumes_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    zn_auto_service s = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_service_by_path(c, op->call, false, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_VOLUMES_READABLE, ZN_P(s.place.environment_id, s.id), &res, err) < 0)
        return -1;
    json_decref(op->shown);
    op->shown = zn_col_docs(res);
    return 0;
}

static int service_volumes(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { call, NULL };

    return run(&op, volumes_tx, 200, reply, err);
}

/* --- archive ---------------------------------------------------------------------------------------- */

int zn_service_archive(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err)
{
    static const enum zn_sql_id gone[] = { ZN_SQL_CHANGES_DROP, ZN_SQL_SERVICE_URLS_DROP,
                                           ZN_SQL_SERVICE_PORTS_DROP, ZN_SQL_SERVICE_SHARED_DROP,
                                           ZN_SQL_SERVICE_ARCHIVE };

    if (zn_deploy_cancel_open(c, call, id, "The service was archived.", err) < 0)
        return -1;
    for (size_t i = 0; i < ZN_COUNT(gone); i++)
        if (zn_sql(c, gone[i], ZN_P(id), NULL, err) < 0)
            return -1;
    return 0;
}

/* Its volumes go with it, so nobody may read them. */
static int refuse_while_read(struct zn_conn *c, const char *id, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_URLS_LOCK, ZN_P0, NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICE_READERS, ZN_P(id), &res, err) < 0)
        return -1;
    return PQntuples(res) ? zn_fail(err, ZN_CONFLICT,
                                    "The service `%s` reads a volume of this one: end that sharing first.",
                                    zn_col(res, 0, "slug"))
                          : 0;
}

static int archive_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    zn_auto_service s = { 0 };

    if (lock_fresh(c, call, &s, err) < 0 || refuse_while_read(c, s.id, err) < 0 ||
        zn_service_archive(c, call, s.id, err) < 0)
        return -1;
    zn_auto_json before = json_pack("{s:O}", "slug", json_object_get(s.doc, "slug"));
    zn_auto_json payload = json_pack("{s:s,s:o,s:{s:s}}", "workflow_type", "archive_service",
                                     "workflow_id", json_sprintf("archive-%s", s.id), "input",
                                     "service", s.id);
    if (zn_sql(c, ZN_SQL_OUTBOX_ADD,
               ZN_P("start_workflow", s.id, zn_json_text(call->arena, payload)), NULL, err) < 0 ||
        zn_audit(c, call, "service.archive", s.id, before, NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

static int service_archive(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_call_tx(call, archive_tx, call, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

#define PLACE "/api/projects/{project_slug}/{env_slug}/"

const struct zn_route zn_service_routes[] = {
    { .method = "POST", .path = PLACE "create-service/docker", .scope = ZN_SCOPE_MEMBER,
      .handler = service_create, .name = "service_create",
      .summary = "Makes a service from an image; nothing runs before its first deploy",
      .body = ZN_FIELDS(create_fields), .answers = { { 201, "Service" } }, .conflicts = true },
    { .method = "GET", .path = PLACE "service-details/{service_slug}", .scope = ZN_SCOPE_MEMBER,
      .handler = service_show, .name = "service_show",
      .summary = "Shows a service with all its parts and the changes that wait",
      .answers = { { 200, "Service" } } },
    { .method = "PATCH", .path = PLACE "service-details/{service_slug}", .scope = ZN_SCOPE_MEMBER,
      .handler = service_update, .name = "service_update",
      .summary = "Renames a service, or sets how it follows its source",
      .body = ZN_FIELDS(settings_fields), .answers = { { 200, "Service" } }, .conflicts = true },
    { .method = "PATCH", .path = PLACE "service-details/{service_slug}/regenerate-deploy-token",
      .scope = ZN_SCOPE_MEMBER, .handler = service_token, .name = "service_token_regenerate",
      .summary = "Gives a service a new deploy token; the old one is good for nothing from then on",
      .answers = { { 200, "Service" } } },
    { .method = "GET", .path = PLACE "service-details/{service_slug}/domain-states",
      .scope = ZN_SCOPE_MEMBER, .handler = zn_service_domain_states, .name = "service_domain_states",
      .summary = "Where the DNS leads the domains of a service, and which certificate is served there",
      .answers = { { 200, "DomainStates" } } },
    { .method = "GET", .path = PLACE "{service_slug}/available-volumes", .scope = ZN_SCOPE_MEMBER,
      .handler = service_volumes, .name = "service_available_volumes",
      .summary = "Lists the volumes of other services of the environment that this one may read",
      .answers = { { 200, "VolumeOfService[]" } } },
    { .method = "DELETE", .path = PLACE "archive-service/docker/{service_slug}",
      .scope = ZN_SCOPE_ADMIN, .handler = service_archive, .name = "service_archive",
      .summary = "Removes a service with its containers, volumes and configs",
      .answers = { { 204, NULL } }, .conflicts = true },
};
const size_t zn_service_nroutes = ZN_COUNT(zn_service_routes);
