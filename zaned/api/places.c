/* Routes that make and archive projects and environments. */
#include "zaned/api/places.h"

#include <string.h>

#include "base/encode.h"
#include "base/str.h"
#include "zaned/api/services.h"
#include "zaned/domain/change.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/store/queue.h"

enum { ENVIRONMENT_ID_CHARS = 15, ENVIRONMENT_ID_SIZE = 40 };

struct place_in {
    const char *slug, *name, *description; /* of a project; of an environment; of a project */
    struct zn_call *call;
    json_t *shown;
};

static const struct zn_jfield project_fields[] = {
    ZN_J(place_in, slug, STR, .min = 1, .max = ZN_MAX_PROJECT_SLUG),
    ZN_J(place_in, description, STR, .min = 1, .max = 4096),
};
static const struct zn_jfield environment_fields[] = {
    ZN_J(place_in, name, STR, .required = true, .min = 1, .max = ZN_MAX_NAME),
};

/* Lower case of a slug that came in, checked; NULL with field errors. */
static const char *slug_of(struct zn_call *call, const char *field, const char *text, struct zn_err *err)
{
    char *slug = zn_arena_strdup(call->arena, text);

    if (!slug)
        return NULL;
    zn_lower(slug);
    zn_field_rule(err, field, zn_rule_slug, slug);
    return slug;
}

static int add_environment(struct zn_conn *c, const char *project, const char *name,
                           char id[ENVIRONMENT_ID_SIZE], struct zn_err *err)
{
    zn_auto_pgresult made = NULL;

    zn_id(ZN_ID_ENVIRONMENT, ENVIRONMENT_ID_CHARS, id, ENVIRONMENT_ID_SIZE);
    if (zn_sql(c, ZN_SQL_ENVIRONMENT_NEW, ZN_P(id, project, name), &made, err) < 0)
        return -1;
    return PQntuples(made) ? 0
                           : zn_fail(err, ZN_CONFLICT,
                                     "An environment with the name `%.80s` already exists in this project.",
                                     name);
}

/* --- making ----------------------------------------------------------------------------------------- */

static int project_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    const char *id = zn_new_id(in->call->arena, ZN_ID_PROJECT), *workspace = in->call->who.workspace_id;
    char environment[ENVIRONMENT_ID_SIZE];
    zn_auto_pgresult made = NULL;
    zn_auto_pgresult doc = NULL;

    if (zn_sql(c, ZN_SQL_PROJECT_NEW, ZN_P(id, workspace, in->slug, in->description), &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return zn_fail(err, ZN_CONFLICT, "A project with the slug `%.80s` already exists.", in->slug);
    if (add_environment(c, id, "production", environment, err) < 0 ||
        zn_sql(c, ZN_SQL_PROJECT_DOC, ZN_P(workspace, in->slug, NULL), &doc, err) < 0)
        return -1;
    json_decref(in->shown);
    in->shown = json_loads(zn_col(doc, 0, "doc"), 0, NULL);
    return 0;
}

static int project_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };

    zn_call_decode(call, project_fields, ZN_COUNT(project_fields), &in, NULL, err);
    if (err->code && !err->nfields)
        return -1;
    in.slug = in.slug ? slug_of(call, "slug", in.slug, err) : zn_new_slug(call->arena);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    if (!in.slug)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    int r = zn_tx(call->api->store, project_tx, &in, err);
    zn_auto_json shown = in.shown;
    if (r == 0)
        zn_reply_json(reply, 201, ZN_TAKE(shown));
    return r;
}

/* The project that the path names, locked; *id in the arena. */
static int lock_project(struct zn_conn *c, struct zn_call *call, const char **id, struct zn_err *err)
{
    char *slug = zn_arena_strdup(call->arena, zn_request_param(call->req, "slug"));
    zn_auto_pgresult res = NULL;

    if (!slug)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_lower(slug);
    if (zn_sql(c, ZN_SQL_PROJECT_LOCK, ZN_P(call->who.workspace_id, slug), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "A project with the slug `%.80s` does not exist.", slug);
    *id = zn_arena_strdup(call->arena, zn_col(res, 0, "id"));
    return *id ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int environment_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    char id[ENVIRONMENT_ID_SIZE];
    const char *project;

    if (lock_project(c, in->call, &project, err) < 0 ||
        add_environment(c, project, in->name, id, err) < 0)
        return -1;
    json_decref(in->shown);
    in->shown = json_pack("{s:s,s:s,s:b,s:[],s:n}", "id", id, "name", in->name, "is_preview", 0,
                          "variables", "preview_metadata");
    return 0;
}

static int environment_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };

    zn_call_decode(call, environment_fields, ZN_COUNT(environment_fields), &in, NULL, err);
    if (err->code && !err->nfields)
        return -1;
    if (in.name) {
        in.name = slug_of(call, "name", in.name, err);
        if (in.name && zn_starts_with(in.name, "preview"))
            zn_field_err(err, "name", "invalid", "Names that begin with `preview` are kept for previews.");
    }
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    int r = zn_tx(call->api->store, environment_tx, &in, err);
    zn_auto_json shown = in.shown;
    if (r == 0)
        zn_reply_json(reply, 201, ZN_TAKE(shown));
    return r;
}

/* --- archiving -------------------------------------------------------------------------------------- */

/* The rows' part: names are free at once, deployments end, nothing is added any more. */
static int archive_environment(struct zn_conn *c, struct zn_call *call, const char *id,
                               struct zn_err *err)
{
    zn_auto_pgresult services = NULL;

    if (zn_sql(c, ZN_SQL_SERVICES_LOCK, ZN_P(id), &services, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(services); i++)
        if (zn_service_archive(c, call, zn_col(services, i, "id"), err) < 0)
            return -1;
    return zn_sql(c, ZN_SQL_ENVIRONMENT_ARCHIVE, ZN_P(id), NULL, err);
}

/* Asks for the workflow that removes what is in the place: archive_<kind> {kind: id}. */
static int ask_removal(struct zn_conn *c, struct zn_call *call, const char *kind, const char *id,
                       struct zn_err *err)
{
    zn_auto_json payload = json_pack("{s:o,s:o,s:{s:s}}", "workflow_type", json_sprintf("archive_%s", kind),
                                     "workflow_id", json_sprintf("archive-%s", id), "input", kind, id);

    return zn_sql(c, ZN_SQL_OUTBOX_ADD,
                  ZN_P("start_workflow", id, zn_json_text(call->arena, payload)), NULL, err);
}

static int archive_environment_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    const char *project, *name = zn_request_param(call->req, "env_slug");
    zn_auto_pgresult res = NULL;

    if (lock_project(c, call, &project, err) < 0 ||
        zn_sql(c, ZN_SQL_ENVIRONMENT_LOCK, ZN_P(project, name), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "An environment `%.80s` does not exist in this project.", name);
    if (strcmp(name, "production") == 0)
        return zn_fail(err, ZN_DENIED, "The environment `production` cannot be archived.");
    const char *id = zn_col(res, 0, "id");
    if (archive_environment(c, call, id, err) < 0 || ask_removal(c, call, "environment", id, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

int zn_project_archive(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err)
{
    zn_auto_pgresult environments = NULL;

    if (zn_sql(c, ZN_SQL_ENVIRONMENTS_LOCK, ZN_P(id), &environments, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(environments); i++)
        if (archive_environment(c, call, zn_col(environments, i, "id"), err) < 0)
            return -1;
    if (zn_sql(c, ZN_SQL_PROJECT_ARCHIVE, ZN_P(id), NULL, err) < 0)
        return -1;
    return ask_removal(c, call, "project", id, err);
}

static int archive_project_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    const char *project;

    if (lock_project(c, call, &project, err) < 0 || zn_project_archive(c, call, project, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

static int archive(struct zn_call *call, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_tx(call->api->store, fn, call, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

static int environment_archive(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return archive(call, archive_environment_tx, reply, err);
}

static int project_archive(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    return archive(call, archive_project_tx, reply, err);
}

const struct zn_route zn_place_routes[] = {
    { .method = "POST", .path = "/api/projects", .scope = ZN_SCOPE_ADMIN, .handler = project_create },
    { .method = "DELETE", .path = "/api/projects/{slug}", .scope = ZN_SCOPE_ADMIN,
      .handler = project_archive },
    { .method = "POST", .path = "/api/projects/{slug}/create-environment", .scope = ZN_SCOPE_ADMIN,
      .handler = environment_create },
    { .method = "DELETE", .path = "/api/projects/{slug}/environment-details/{env_slug}",
      .scope = ZN_SCOPE_ADMIN, .handler = environment_archive },
};
const size_t zn_place_nroutes = ZN_COUNT(zn_place_routes);
