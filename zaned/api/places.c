/* Routes that make, rename and archive projects and environments. */
#include "zaned/api/places.h"

#include <string.h>

#include "base/encode.h"
#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/services.h"
#include "zaned/domain/change.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/store/queue.h"
#include "zaned/store/seal.h"

enum { ENVIRONMENT_ID_CHARS = 15, MAX_ENVIRONMENTS = 500, MAX_DESCRIPTION = 4096 };

struct place_in {
    const char *slug, *description; /* of a project */
    const char *name;               /* of an environment */
    struct zn_call *call;
    json_t *shown;
};

static const struct zn_jfield project_fields[] = {
    ZN_J(place_in, slug, STR, .min = 1, .max = ZN_MAX_PROJECT_SLUG,
         .help = "Lower-case letters, digits, - and _; made up if it is left out"),
    ZN_J(place_in, description, STR, .min = 1, .max = MAX_DESCRIPTION, .check = zn_rule_text),
};
static const struct zn_jfield project_update_fields[] = {
    ZN_J(place_in, slug, STR, .min = 1, .max = ZN_MAX_PROJECT_SLUG,
         .help = "One of slug and description is required"),
    ZN_J(place_in, description, STR, .max = MAX_DESCRIPTION, .check = zn_rule_text),
};
static const struct zn_jfield environment_fields[] = {
    ZN_J(place_in, name, STR, .required = true, .min = 1, .max = ZN_MAX_NAME,
         .help = "Lower-case letters, digits, - and _; does not begin with preview"),
};

const char *zn_place_slug(struct zn_call *call, const char *field, const char *text,
                          struct zn_err *err)
{
    char *slug = zn_arena_strdup(call->arena, text);

    if (!slug)
        return NULL;
    zn_lower(slug);
    zn_field_rule(err, field, zn_rule_slug, slug);
    return slug;
}

const char *zn_environment_name(struct zn_call *call, const char *text, struct zn_err *err)
{
    const char *name = zn_place_slug(call, "name", text, err);

    if (name && zn_starts_with(name, "preview"))
        zn_field_err(err, "name", "invalid", "Names that begin with `preview` are kept for previews.");
    return name;
}

/* Decodes the body and goes on after bad fields, so that all of them are reported. */
static int read_body(struct zn_call *call, void *in, struct zn_err *err)
{
    zn_call_body(call, in, NULL, err);
    return err->code && !err->nfields ? -1 : 0;
}

/* Runs fn; what it leaves in in->shown is the answer. */
static int run(struct place_in *in, zn_tx_fn fn, int status, struct zn_reply *reply, struct zn_err *err)
{
    int r = zn_call_tx(in->call, fn, in, err);
    zn_auto_json shown = in->shown;

    if (r == 0)
        zn_reply_doc(in->call, reply, status, ZN_TAKE(shown));
    return r;
}

static void show(struct place_in *in, json_t *steals)
{
    json_decref(in->shown);
    in->shown = steals;
}

/* --- projects --------------------------------------------------------------------------------------- */

int zn_project_lock(struct zn_conn *c, struct zn_call *call, bool exact, const char **id,
                    struct zn_err *err)
{
    char *slug = zn_arena_strdup(call->arena, zn_request_param(call->req, "slug"));
    zn_auto_pgresult res = NULL;

    if (!slug)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (!exact)
        zn_lower(slug);
    if (zn_sql(c, ZN_SQL_PROJECT_LOCK, ZN_P(call->who.workspace_id, slug), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "A project with the slug `%.80s` does not exist.", slug);
    *id = zn_arena_strdup(call->arena, zn_col(res, 0, "id"));
    return *id ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int project_doc(struct zn_conn *c, const char *id, json_t **ret, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, ZN_SQL_PROJECT_DOC_BY_ID, ZN_P(id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "project %s does not exist", id);
    return zn_json_parse(zn_col(res, 0, "doc"), strlen(zn_col(res, 0, "doc")), ret, err);
}

static int slug_taken(struct zn_err *err, const char *slug)
{
    return zn_fail(err, ZN_CONFLICT, "A project with the slug `%.80s` already exists.", slug);
}

static int project_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    const char *id = zn_new_id(in->call->arena, ZN_ID_PROJECT), *environment;
    zn_auto_pgresult made = NULL;
    zn_auto_json doc = NULL;

    if (zn_sql(c, ZN_SQL_PROJECT_NEW,
               ZN_P(id, in->call->who.workspace_id, in->slug, in->description), &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return slug_taken(err, in->slug);
    if (zn_environment_add(c, in->call, id, "production", &environment, err) < 0 ||
        project_doc(c, id, &doc, err) < 0 ||
        zn_audit(c, in->call, "project.create", id, NULL, doc, err) < 0)
        return -1;
    show(in, ZN_TAKE(doc));
    return 0;
}

static int project_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };

    if (read_body(call, &in, err) < 0)
        return -1;
    in.slug = in.slug ? zn_place_slug(call, "slug", in.slug, err) : zn_new_slug(call->arena);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    if (!in.slug)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    return run(&in, project_tx, 201, reply, err);
}

static int project_update_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    const char *id;
    zn_auto_json before = NULL;
    zn_auto_json after = NULL;

    if (zn_project_lock(c, in->call, true, &id, err) < 0 || project_doc(c, id, &before, err) < 0 ||
        zn_call_fresh(in->call, before, err) < 0)
        return -1;
    if (zn_sql(c, ZN_SQL_PROJECT_UPDATE, ZN_P(id, in->slug, in->description), NULL, err) < 0)
        return err->code == ZN_CONFLICT ? slug_taken(err, in->slug) : -1;
    if (project_doc(c, id, &after, err) < 0 ||
        zn_audit(c, in->call, "project.update", id, before, after, err) < 0)
        return -1;
    show(in, ZN_TAKE(after));
    return 0;
}

static int project_update(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };

    if (read_body(call, &in, err) < 0)
        return -1;
    if (in.slug && !(in.slug = zn_place_slug(call, "slug", in.slug, err)))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (!err->nfields && !in.slug && !in.description)
        zn_field_err(err, "non_field_errors", "invalid", "One of slug and description is required.");
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    return run(&in, project_update_tx, 200, reply, err);
}

/* --- environments ----------------------------------------------------------------------------------- */

int zn_environment_add(struct zn_conn *c, struct zn_call *call, const char *project,
                       const char *name, const char **id, struct zn_err *err)
{
    char new_id[ZN_ENVIRONMENT_ID_SIZE];
    zn_auto_pgresult count = NULL;
    zn_auto_pgresult made = NULL;

    zn_id(ZN_ID_ENVIRONMENT, ENVIRONMENT_ID_CHARS, new_id, sizeof new_id);
    if (zn_sql(c, ZN_SQL_ENVIRONMENT_COUNT, ZN_P(project), &count, err) < 0)
        return -1;
    if (zn_col_i64(count, 0, "n") >= MAX_ENVIRONMENTS)
        return zn_fail(err, ZN_CONFLICT, "A project has at most %d environments.", MAX_ENVIRONMENTS);
    if (zn_sql(c, ZN_SQL_ENVIRONMENT_NEW, ZN_P(new_id, project, name), &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return zn_fail(err, ZN_CONFLICT,
                       "An environment with the name `%.80s` already exists in this project.", name);
    *id = zn_arena_strdup(call->arena, new_id);
    return *id ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

int zn_environment_load(struct zn_conn *c, struct zn_call *call, const char *id, json_t **ret,
                        struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_json doc = NULL;

    if (zn_sql(c, ZN_SQL_ENVIRONMENT_DOC, ZN_P(id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "environment %s does not exist", id);
    if (zn_json_parse(zn_col(res, 0, "doc"), strlen(zn_col(res, 0, "doc")), &doc, err) < 0 ||
        zn_unseal_env(call->api->sealer, json_object_get(doc, "variables"), err) < 0) {
        err->code = ZN_INTERNAL;
        return zn_wrap(err, "environment %s", id);
    }
    *ret = ZN_TAKE(doc);
    return 0;
}

/* The environment as the audit log keeps it: without its variables, whose values are secret. */
static json_t *without_variables(const json_t *doc)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)doc);

    json_object_del(copy, "variables");
    return copy;
}

static int environment_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    const char *project, *id;
    zn_auto_json doc = NULL;

    if (zn_project_lock(c, in->call, false, &project, err) < 0 ||
        zn_environment_add(c, in->call, project, in->name, &id, err) < 0 ||
        zn_environment_load(c, in->call, id, &doc, err) < 0)
        return -1;
    zn_auto_json kept = without_variables(doc);
    if (zn_audit(c, in->call, "environment.create", id, NULL, kept, err) < 0)
        return -1;
    show(in, ZN_TAKE(doc));
    return 0;
}

static int read_name(struct place_in *in, struct zn_err *err)
{
    if (read_body(in->call, in, err) < 0)
        return -1;
    if (in->name && !(in->name = zn_environment_name(in->call, in->name, err)))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    return err->nfields ? zn_fail(err, ZN_INVALID, "the request has invalid fields") : 0;
}

static int environment_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };

    return read_name(&in, err) < 0 ? -1 : run(&in, environment_tx, 201, reply, err);
}

static int environment_show_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    struct zn_place place;
    zn_auto_json doc = NULL;

    if (zn_place_find(c, in->call, zn_request_param(in->call->req, "slug"),
                      zn_request_param(in->call->req, "env_slug"), &place, err) < 0 ||
        zn_environment_load(c, in->call, place.environment_id, &doc, err) < 0)
        return -1;
    /* A guest may see a project, but no secret of it. */
    if (zn_guest_of(in->call))
        json_object_set_new(doc, "variables", json_array());
    show(in, ZN_TAKE(doc));
    return 0;
}

static int environment_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };
    int r = zn_tx(call->api->store, environment_show_tx, &in, err);
    zn_auto_json shown = in.shown;

    if (r == 0)
        zn_reply_doc(call, reply, 200, ZN_TAKE(shown));
    return r;
}

/* The environment that the path names, with its project locked; *doc as its GET shows it, and what the
 * caller saw of it. */
static int lock_environment(struct zn_conn *c, struct zn_call *call, const char **project,
                            json_t **doc, struct zn_err *err)
{
    char *name = zn_arena_strdup(call->arena, zn_request_param(call->req, "env_slug"));
    zn_auto_pgresult res = NULL;
    zn_auto_json found = NULL;

    if (!name)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_lower(name);
    if (zn_project_lock(c, call, false, project, err) < 0 ||
        zn_sql(c, ZN_SQL_ENVIRONMENT_LOCK, ZN_P(*project, name), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "An environment `%.80s` does not exist in this project.", name);
    if (zn_environment_load(c, call, zn_col(res, 0, "id"), &found, err) < 0 ||
        zn_call_fresh(call, found, err) < 0)
        return -1;
    *doc = ZN_TAKE(found);
    return 0;
}

static int rename_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct place_in *in = arg;
    const char *project;
    zn_auto_json doc = NULL;

    if (lock_environment(c, in->call, &project, &doc, err) < 0)
        return -1;
    const char *id = zn_json_str(doc, "id", "");
    if (strcmp(zn_json_str(doc, "name", ""), "production") == 0)
        return zn_fail(err, ZN_DENIED, "The environment `production` cannot be renamed.");
    if (json_is_true(json_object_get(doc, "is_preview")))
        return zn_fail(err, ZN_DENIED, "The environment of a preview cannot be renamed.");
    if (zn_sql(c, ZN_SQL_ENVIRONMENT_RENAME, ZN_P(id, in->name), NULL, err) < 0)
        return err->code == ZN_CONFLICT
                   ? zn_fail(err, ZN_CONFLICT,
                             "An environment with the name `%.80s` already exists in this project.",
                             in->name)
                   : -1;
    zn_auto_json before = without_variables(doc);
    json_object_set_new(doc, "name", json_string(in->name));
    zn_auto_json after = without_variables(doc);
    if (zn_audit(c, in->call, "environment.rename", id, before, after, err) < 0)
        return -1;
    show(in, ZN_TAKE(doc));
    return 0;
}

static int environment_rename(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct place_in in = { .call = call };

    return read_name(&in, err) < 0 ? -1 : run(&in, rename_tx, 200, reply, err);
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
    const char *project;
    zn_auto_json doc = NULL;

    if (lock_environment(c, call, &project, &doc, err) < 0)
        return -1;
    if (strcmp(zn_json_str(doc, "name", ""), "production") == 0)
        return zn_fail(err, ZN_DENIED, "The environment `production` cannot be archived.");
    const char *id = zn_json_str(doc, "id", "");
    zn_auto_json before = without_variables(doc);
    if (archive_environment(c, call, id, err) < 0 || ask_removal(c, call, "environment", id, err) < 0 ||
        zn_audit(c, call, "environment.archive", id, before, NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

int zn_project_archive(struct zn_conn *c, struct zn_call *call, const char *project,
                       struct zn_err *err)
{
    zn_auto_pgresult environments = NULL;
    zn_auto_json before = NULL;

    if (project_doc(c, project, &before, err) < 0 ||
        zn_sql(c, ZN_SQL_ENVIRONMENTS_LOCK, ZN_P(project), &environments, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(environments); i++)
        if (archive_environment(c, call, zn_col(environments, i, "id"), err) < 0)
            return -1;
    if (zn_sql(c, ZN_SQL_PROJECT_ARCHIVE, ZN_P(project), NULL, err) < 0 ||
        zn_audit(c, call, "project.archive", project, before, NULL, err) < 0)
        return -1;
    return ask_removal(c, call, "project", project, err);
}

static int archive_project_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    const char *project;
    zn_auto_json doc = NULL;

    if (zn_project_lock(c, call, true, &project, err) < 0 ||
        project_doc(c, project, &doc, err) < 0 || zn_call_fresh(call, doc, err) < 0 ||
        zn_project_archive(c, call, project, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

static int archive(struct zn_call *call, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_call_tx(call, fn, call, err) < 0)
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

#define PROJECT "/api/projects/{slug}"

const struct zn_route zn_place_routes[] = {
    { .method = "POST", .path = "/api/projects", .scope = ZN_SCOPE_ADMIN, .handler = project_create,
      .name = "project_create", .summary = "Creates a project with its environment production",
      .body = ZN_FIELDS(project_fields), .answers = { { 201, "Project" } }, .conflicts = true },
    { .method = "PUT", .path = PROJECT, .scope = ZN_SCOPE_ADMIN, .handler = project_update,
      .name = "project_update", .summary = "Renames a project or describes it anew",
      .body = ZN_FIELDS(project_update_fields), .answers = { { 200, "Project" } },
      .conflicts = true },
    { .method = "DELETE", .path = PROJECT, .scope = ZN_SCOPE_ADMIN, .handler = project_archive,
      .name = "project_archive", .summary = "Archives a project with all that is in it",
      .answers = { { 204, NULL } } },
    { .method = "POST", .path = PROJECT "/create-environment", .scope = ZN_SCOPE_ADMIN,
      .handler = environment_create, .name = "environment_create",
      .summary = "Creates an empty environment", .body = ZN_FIELDS(environment_fields),
      .answers = { { 201, "Environment" } }, .conflicts = true },
    { .method = "POST", .path = PROJECT "/clone-environment/{env_slug}", .scope = ZN_SCOPE_ADMIN,
      .handler = zn_environment_clone, .name = "environment_clone",
      .summary = "Creates an environment with copies of the services and variables of another",
      .body = { zn_environment_clone_fields, ZN_ENVIRONMENT_CLONE_NFIELDS },
      .answers = { { 201, "Environment" } }, .conflicts = true },
    { .method = "GET", .path = PROJECT "/environment-details/{env_slug}", .scope = ZN_SCOPE_GUEST,
      .handler = environment_show, .name = "environment_show",
      .summary = "An environment with its shared variables, which a guest does not see",
      .answers = { { 200, "Environment" } } },
    { .method = "PATCH", .path = PROJECT "/environment-details/{env_slug}", .scope = ZN_SCOPE_ADMIN,
      .handler = environment_rename, .name = "environment_rename", .summary = "Renames an environment",
      .body = ZN_FIELDS(environment_fields), .answers = { { 200, "Environment" } },
      .conflicts = true },
    { .method = "DELETE", .path = PROJECT "/environment-details/{env_slug}", .scope = ZN_SCOPE_ADMIN,
      .handler = environment_archive, .name = "environment_archive",
      .summary = "Archives an environment with all that is in it", .answers = { { 204, NULL } } },
};
const size_t zn_place_nroutes = ZN_COUNT(zn_place_routes);
