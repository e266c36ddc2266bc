/* Routes of services: create, show, archive; and the table that includes those of their changes. */
#include "zaned/api/services.h"

#include <string.h>

#include "base/str.h"
#include "zaned/api/changes.h"
#include "zaned/api/deploy.h"
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

/* --- create ----------------------------------------------------------------------------------------- */

struct create {
    const char *slug, *image, *container_registry_credentials_id;
    struct zn_call *call;
    json_t *shown;
};
static const struct zn_jfield create_fields[] = {
    ZN_J(create, slug, STR, .min = 1, .max = ZN_MAX_SLUG),
    ZN_J(create, image, STR, .required = true, .min = 1, .max = ZN_MAX_IMAGE,
         .check = zn_rule_image),
    ZN_J(create, container_registry_credentials_id, STR, .min = 1, .max = 255),
};

static int create_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct create *in = arg;
    zn_auto_service s = { 0 };
    zn_auto_json change = json_pack("{s:s,s:s,s:n,s:{s:s}}", "type", "UPDATE", "field", "source",
                                    "old_value", "new_value", "image", in->image);

    if (zn_place_find(c, in->call, zn_request_param(in->call->req, "project_slug"),
                      zn_request_param(in->call->req, "env_slug"), &s.place, err) < 0 ||
        zn_service_insert(c, in->call, &s.place, in->slug, &s.id, err) < 0)
        return -1;
    if (!s.id)
        return zn_fail(err, ZN_CONFLICT,
                       "A service with the slug `%s` already exists in this environment.", in->slug);
    if (zn_change_store(c, in->call, s.id, change, NULL, err) < 0 ||
        zn_service_reload(c, in->call, &s, err) < 0)
        return -1;
    json_decref(in->shown);
    in->shown = zn_service_show(&s);
    return 0;
}

static int service_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct create in = { .call = call };
    char *slug;

    zn_call_decode(call, create_fields, ZN_COUNT(create_fields), &in, NULL, err);
    if (err->code && !err->nfields)
        return -1;
    slug = in.slug ? zn_arena_strdup(call->arena, in.slug) : zn_new_slug(call->arena);
    if (!slug)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_lower(slug);
    zn_field_rule(err, "slug", zn_rule_slug, slug);
    if (in.container_registry_credentials_id)
        zn_field_err(err, "container_registry_credentials_id", "invalid",
                     "There are no registry credentials with this id.");
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    in.slug = slug;
    int r = zn_tx(call->api->store, create_tx, &in, err);
    zn_auto_json shown = in.shown;
    if (r == 0)
        zn_reply_json(reply, 201, ZN_TAKE(shown));
    return r;
}

/* --- show, archive ---------------------------------------------------------------------------------- */

struct show {
    struct zn_call *call;
    json_t *shown;
};

static int show_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct show *in = arg;
    zn_auto_service s = { 0 };

    if (zn_service_by_path(c, in->call, false, &s, err) < 0)
        return -1;
    json_decref(in->shown);
    in->shown = zn_service_show(&s);
    return 0;
}

static int service_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct show in = { call, NULL };
    int r = zn_tx(call->api->store, show_tx, &in, err);
    zn_auto_json shown = in.shown;

    if (r == 0)
        zn_reply_json(reply, 200, ZN_TAKE(shown));
    return r;
}

int zn_service_archive(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err)
{
    if (zn_deploy_cancel_open(c, call, id, "The service was archived.", err) < 0 ||
        zn_sql(c, ZN_SQL_CHANGES_DROP, ZN_P(id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICE_URLS_DROP, ZN_P(id), NULL, err) < 0)
        return -1;
    return zn_sql(c, ZN_SQL_SERVICE_ARCHIVE, ZN_P(id), NULL, err);
}

static int archive_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    zn_auto_service s = { 0 };

    if (zn_service_by_path(c, call, true, &s, err) < 0 ||
        zn_service_archive(c, call, s.id, err) < 0)
        return -1;
    zn_auto_json payload = json_pack("{s:s,s:o,s:{s:s}}", "workflow_type", "archive_service",
                                     "workflow_id", json_sprintf("archive-%s", s.id), "input",
                                     "service", s.id);
    if (zn_sql(c, ZN_SQL_OUTBOX_ADD,
               ZN_P("start_workflow", s.id, zn_json_text(call->arena, payload)), NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

static int service_archive(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_tx(call->api->store, archive_tx, call, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

#define PLACE "/api/projects/{project_slug}/{env_slug}/"

const struct zn_route zn_service_routes[] = {
    { .method = "POST", .path = PLACE "create-service/docker", .scope = ZN_SCOPE_MEMBER,
      .handler = service_create },
    { .method = "GET", .path = PLACE "service-details/{service_slug}", .scope = ZN_SCOPE_MEMBER,
      .handler = service_show },
    { .method = "DELETE", .path = PLACE "archive-service/docker/{service_slug}",
      .scope = ZN_SCOPE_ADMIN, .handler = service_archive },
};
const size_t zn_service_nroutes = ZN_COUNT(zn_service_routes);
