/* Routes of registry credentials, of what the server has to give, and of the ports that an image names. */
#include <string.h>

#include "base/encode.h"
#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/host.h"
#include "zaned/api/registry_check.h"
#include "zaned/api/services.h"
#include "zaned/domain/names.h"
#include "zaned/domain/registry.h"
#include "zaned/domain/rules.h"
#include "zaned/store/seal.h"

#define ID_CREDENTIALS "reg_cred_"
enum { ID_CHARS = 20, MAX_SLUG = 50, MAX_USERNAME = 1024, MAX_PASSWORD = 4096, MAX_ADDRESS = 200, MAX_CREDENTIALS = 200 };

struct registry_in {
    const char *registry_type, *username, *password, *url, *slug;
    struct zn_call *call;
    const char *id;
    const char *was;   /* the sealed password and the document as they were read, before the registry was asked */
    json_t *seen;
    bool new_password;
    json_t *shown;
};

static const char *const types[] = { "DOCKER_HUB", "GITHUB", "GITLAB", "GOOGLE_ARTIFACT", "AWS_ECR", "GENERIC",
                                     NULL };

/* Where a type's registry is, for those who do not say; the other types have no one place. */
static const struct {
    const char *type, *url;
} homes[] = {
    { "DOCKER_HUB", "https://index.docker.io/v1/" },
    { "GITHUB", "https://ghcr.io" },
    { "GITLAB", "https://registry.gitlab.com" },
};

/* http:// or https://, a host that is none of the platform's own, no login, no query. */
static const char *check_address(const void *val)
{
    const char *s = *(const char *const *)val;
    char host[ZN_REGISTRY_HOST];

    if (!zn_url_registry(s, host) || strpbrk(s, "?#") || zn_rule_name(val))
        return "Enter a valid URL: http:// or https:// and the registry's host.";
    return zn_registry_is_ours(s) ? "The platform's own parts are no registries." : NULL;
}

static const char *check_slug(const void *val)
{
    const char *s = *(const char *const *)val;

    return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")]
               ? "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."
               : NULL;
}

/* A password may have several lines: Google's registries take the JSON file of a key. */
static const struct zn_jfield create_fields[] = {
    ZN_J(registry_in, registry_type, STR, .min = 1, .choices = types),
    ZN_J(registry_in, username, STR, .required = true, .min = 1, .max = MAX_USERNAME, .check = zn_rule_name),
    ZN_J(registry_in, password, STR, .required = true, .min = 1, .max = MAX_PASSWORD, .check = zn_rule_text),
    ZN_J(registry_in, url, STR, .min = 1, .max = MAX_ADDRESS, .check = check_address, .format = "uri",
         .help = "Required unless the type is DOCKER_HUB, GITHUB or GITLAB: these have places of their own"),
    ZN_J(registry_in, slug, STR, .required = true, .min = 1, .max = MAX_SLUG, .check = check_slug),
};
static const struct zn_jfield patch_fields[] = {
    ZN_J(registry_in, username, STR, .min = 1, .max = MAX_USERNAME, .check = zn_rule_name),
    ZN_J(registry_in, password, STR, .min = 1, .max = MAX_PASSWORD, .check = zn_rule_text,
         .help = "Required if the url names another host: the one that is kept is not sent there"),
    ZN_J(registry_in, url, STR, .min = 1, .max = MAX_ADDRESS, .check = check_address, .format = "uri"),
    ZN_J(registry_in, slug, STR, .min = 1, .max = MAX_SLUG, .check = check_slug),
};

static int out_of_memory(struct zn_err *err)
{
    return zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int lower_slug(struct registry_in *in, struct zn_err *err)
{
    char *slug = in->slug ? zn_arena_strdup(in->call->arena, in->slug) : NULL;

    if (in->slug && !slug)
        return out_of_memory(err);
    if (slug)
        zn_lower(slug);
    in->slug = slug;
    return 0;
}

/* What the registry said becomes an error of the request, not of ours. */
static int check(struct registry_in *in, struct zn_err *err)
{
    struct zn_err why = { 0 };

    if (zn_registry_check(in->call->arena, in->url, in->username, in->password, &why) == 0)
        return 0;
    if (why.code == ZN_INTERNAL || why.code == ZN_BUSY) {
        *err = why;
        return -1;
    }
    zn_call_field(in->call, err, why.code == ZN_UNAVAILABLE ? "url" : "non_field_errors", "invalid",
                  why.code == ZN_UNAVAILABLE
                      ? zn_arena_printf(in->call->arena, "The registry cannot be reached: %s", why.msg)
                      : why.msg);
    return zn_fail(err, ZN_INVALID, "the request has invalid fields");
}

static int slug_taken(struct zn_call *call, struct zn_err *err)
{
    zn_call_field(call, err, "slug", "unique", "Registry credentials with this slug already exist.");
    return zn_fail(err, ZN_INVALID, "the request has invalid fields");
}

/* The credentials of the path, in the workspace; rows: for the sealed password. */
static int find(struct zn_conn *c, struct registry_in *in, enum zn_sql_id how, PGresult **rows, json_t **doc,
                struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql(c, how, ZN_P(in->call->who.workspace_id, in->id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "Registry credentials with the id `%.60s` do not exist.", in->id);
    *doc = json_loads(zn_col(res, 0, "doc"), 0, NULL);
    *rows = ZN_TAKE(res);
    return 0;
}

/* --- list, show, create ------------------------------------------------------------------------------- */

static int registry_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(call->api->store, ZN_SQL_REGISTRY_LIST, ZN_P(call->who.workspace_id), &res, err) < 0)
        return -1;
    zn_reply_json(reply, 200, zn_col_docs(res));
    return 0;
}

static int show_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct registry_in *in = arg;
    zn_auto_pgresult res = NULL;

    json_decref(in->shown);
    in->shown = NULL;
    return find(c, in, ZN_SQL_REGISTRY_ONE, &res, &in->shown, err);
}

static int registry_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct registry_in in = { .call = call, .id = zn_request_param(call->req, "id") };
    int r = zn_tx(call->api->store, show_tx, &in, err);

    if (r == 0)
        zn_reply_doc(call, reply, 200, in.shown);
    else
        json_decref(in.shown);
    return r;
}

/* The url of the type where none is given. */
static int fill_address(struct registry_in *in, struct zn_err *err)
{
    for (size_t i = 0; !in->url && i < ZN_COUNT(homes); i++)
        if (strcmp(in->registry_type, homes[i].type) == 0)
            in->url = homes[i].url;
    if (in->url)
        return 0;
    zn_call_field(in->call, err, "url", "required", "This field is required for registries of this type.");
    return zn_fail(err, ZN_INVALID, "the request has invalid fields");
}

static int create_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct registry_in *in = arg;
    struct zn_call *call = in->call;
    zn_auto_pgresult count = NULL;
    zn_auto_pgresult made = NULL;
    zn_auto_pgresult res = NULL;
    const char *sealed;

    if (zn_sql(c, ZN_SQL_REGISTRY_COUNT, ZN_P(call->who.workspace_id), &count, err) < 0)
        return -1;
    if (zn_col_i64(count, 0, "n") >= MAX_CREDENTIALS)
        return zn_fail(err, ZN_CONFLICT, "A workspace has at most %d registry credentials.", MAX_CREDENTIALS);
    if (zn_seal(call->api->sealer, call->arena, in->password, &sealed, err) < 0 ||
        zn_sql(c, ZN_SQL_REGISTRY_ADD,
               ZN_P(in->id, call->who.workspace_id, in->slug, in->registry_type, in->url, in->username, sealed,
                    zn_sealer_key_id(call->api->sealer)),
               &made, err) < 0)
        return -1;
    if (PQntuples(made) == 0)
        return slug_taken(call, err);
    json_decref(in->shown);
    in->shown = NULL;
    if (find(c, in, ZN_SQL_REGISTRY_ONE, &res, &in->shown, err) < 0)
        return -1;
    return zn_audit(c, call, "registry.create", in->id, NULL, in->shown, err);
}

/* The registry is asked before and outside of the transaction. */
static int registry_create(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct registry_in in = { .call = call, .registry_type = "DOCKER_HUB" };
    char id[sizeof ID_CREDENTIALS + ID_CHARS];

    if (zn_call_body(call, &in, NULL, err) < 0 || lower_slug(&in, err) < 0 || fill_address(&in, err) < 0 ||
        check(&in, err) < 0)
        return -1;
    zn_id(ID_CREDENTIALS, ID_CHARS, id, sizeof id);
    in.id = id;
    int r = zn_call_tx(call, create_tx, &in, err);
    if (r == 0)
        zn_reply_doc(call, reply, 201, in.shown);
    else
        json_decref(in.shown);
    return r;
}

/* --- change ------------------------------------------------------------------------------------------- */

/* A password that nobody may read must not be readable by having it sent somewhere else. */
static int keep_password_home(struct registry_in *in, const json_t *doc, struct zn_err *err)
{
    char is[ZN_REGISTRY_HOST] = "", was[ZN_REGISTRY_HOST] = "";
    const char *old = zn_json_str(doc, "url", "");

    if (!in->url || in->password)
        return 0;
    zn_url_registry(in->url, is);
    zn_url_registry(old, was);
    if (strcmp(is, was) == 0 && (zn_starts_with(in->url, "https:") || !zn_starts_with(old, "https:")))
        return 0;
    zn_call_field(in->call, err, "password", "required", "Another registry is sent no password but one given with it.");
    return zn_fail(err, ZN_INVALID, "the request has invalid fields");
}

/* What the body leaves out is as it was. */
static int fill(struct registry_in *in, const PGresult *row, const json_t *doc, struct zn_err *err)
{
    struct zn_call *call = in->call;

    if (keep_password_home(in, doc, err) < 0)
        return -1;
    in->was = zn_arena_strdup(call->arena, zn_col(row, 0, "password_sealed"));
    in->slug = in->slug ? in->slug : zn_arena_strdup(call->arena, zn_json_str(doc, "slug", ""));
    in->url = in->url ? in->url : zn_arena_strdup(call->arena, zn_json_str(doc, "url", ""));
    in->username = in->username ? in->username : zn_arena_strdup(call->arena, zn_json_str(doc, "username", ""));
    if (!in->password && zn_unseal(call->api->sealer, call->arena, zn_col(row, 0, "key_id"),
                                   zn_col(row, 0, "password_sealed"), &in->password, err) < 0) {
        err->code = ZN_INTERNAL;
        return -1;
    }
    return in->slug && in->url && in->username && in->was ? 0 : out_of_memory(err);
}

static int read_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct registry_in *in = arg;
    zn_auto_pgresult row = NULL;
    zn_auto_json doc = NULL;

    if (find(c, in, ZN_SQL_REGISTRY_ONE, &row, &doc, err) < 0)
        return -1;
    json_decref(in->seen);
    in->seen = json_incref(doc);
    return fill(in, row, doc, err);
}

/* What the registry took must be what is kept: between the two somebody else may have changed it. */
static int unchanged(const struct registry_in *in, const PGresult *row, const json_t *doc, struct zn_err *err)
{
    if (strcmp(zn_col(row, 0, "password_sealed"), in->was) == 0 && json_equal(doc, in->seen))
        return 0;
    return zn_fail(err, ZN_CONFLICT, "These credentials were changed meanwhile: read them and try again.");
}

static int update_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct registry_in *in = arg;
    struct zn_call *call = in->call;
    zn_auto_pgresult row = NULL;
    zn_auto_pgresult done = NULL;
    zn_auto_pgresult after = NULL;
    zn_auto_json before = NULL;
    const char *sealed;

    if (find(c, in, ZN_SQL_REGISTRY_LOCK, &row, &before, err) < 0 || zn_call_fresh(call, before, err) < 0 ||
        unchanged(in, row, before, err) < 0 ||
        zn_seal(call->api->sealer, call->arena, in->password, &sealed, err) < 0 ||
        zn_sql(c, ZN_SQL_REGISTRY_UPDATE,
               ZN_P(call->who.workspace_id, in->id, in->slug, in->url, in->username, sealed,
                    zn_sealer_key_id(call->api->sealer)),
               &done, err) < 0)
        return -1;
    if (PQntuples(done) == 0)
        return slug_taken(call, err);
    json_decref(in->shown);
    in->shown = NULL;
    if (find(c, in, ZN_SQL_REGISTRY_ONE, &after, &in->shown, err) < 0)
        return -1;
    zn_auto_json noted = json_copy(in->shown);
    if (in->new_password)
        json_object_set_new(noted, "password", json_string("")); /* written down as a secret that changed */
    return zn_audit(c, call, "registry.update", in->id, before, noted, err);
}

static int registry_update(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct registry_in in = { .call = call, .id = zn_request_param(call->req, "id") };

    if (zn_call_body(call, &in, NULL, err) < 0 || lower_slug(&in, err) < 0)
        return -1;
    bool login = in.url || in.username || in.password;
    in.new_password = in.password;
    int r = zn_tx(call->api->store, read_tx, &in, err);
    if (r == 0 && login)
        r = check(&in, err);
    if (r == 0)
        r = zn_call_tx(call, update_tx, &in, err);
    json_decref(in.seen);
    if (r == 0)
        zn_reply_doc(call, reply, 200, in.shown);
    else
        json_decref(in.shown);
    return r;
}

static int delete_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct registry_in *in = arg;
    zn_auto_pgresult row = NULL;
    zn_auto_pgresult used = NULL;
    zn_auto_json before = NULL;

    if (find(c, in, ZN_SQL_REGISTRY_LOCK, &row, &before, err) < 0 ||
        zn_call_fresh(in->call, before, err) < 0 ||
        zn_sql(c, ZN_SQL_REGISTRY_USED, ZN_P(in->id), &used, err) < 0)
        return -1;
    if (PQntuples(used))
        return zn_fail(err, ZN_CONFLICT, "The service `%.60s` gets its image with these credentials.",
                       zn_col(used, 0, "slug"));
    if (zn_sql(c, ZN_SQL_REGISTRY_FORGET, ZN_P(in->id), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_REGISTRY_DELETE, ZN_P(in->call->who.workspace_id, in->id), NULL, err) < 0)
        return -1;
    return zn_audit(c, in->call, "registry.delete", in->id, before, NULL, err);
}

static int registry_delete(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct registry_in in = { .call = call, .id = zn_request_param(call->req, "id") };

    if (zn_call_tx(call, delete_tx, &in, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

static int registry_test(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct registry_in in = { .call = call, .id = zn_request_param(call->req, "id") };

    int r = zn_tx(call->api->store, read_tx, &in, err);

    json_decref(in.seen);
    if (r < 0 || check(&in, err) < 0)
        return -1;
    zn_reply_json(reply, 200, json_pack("{s:b}", "success", 1));
    return 0;
}

/* --- server and ports ----------------------------------------------------------------------------------- */

static int resource_limits(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_host_limits have = zn_host_limits();

    (void)call;
    if (!have.cpus || !have.memory_bytes)
        return zn_fail(err, ZN_UNAVAILABLE, "the kernel does not say what this machine has");
    zn_reply_json(reply, 200, json_pack("{s:I,s:I}", "no_of_cpus", (json_int_t)have.cpus, "max_memory_in_bytes",
                                        (json_int_t)have.memory_bytes));
    return 0;
}

static int ports_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct registry_in *in = arg;
    zn_auto_service s = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_service_by_path(c, in->call, false, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_PRODUCTION_PORTS, ZN_P(s.id), &res, err) < 0)
        return -1;
    json_decref(in->shown);
    in->shown = PQntuples(res) ? json_loads(zn_col(res, 0, "ports"), 0, NULL) : json_array();
    return 0;
}

static int detected_ports(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct registry_in in = { .call = call };
    int r = zn_tx(call->api->store, ports_tx, &in, err);

    if (r == 0)
        zn_reply_json(reply, 200, in.shown);
    else
        json_decref(in.shown);
    return r;
}

const struct zn_route zn_registry_routes[] = {
    { .method = "GET", .path = "/api/registries/credentials", .scope = ZN_SCOPE_MEMBER, .handler = registry_list,
      .name = "registry_list", .summary = "The registry credentials of the workspace, without passwords",
      .answers = { { 200, "RegistryCredential[]" } } },
    { .method = "POST", .path = "/api/registries/credentials", .scope = ZN_SCOPE_OWNER,
      .handler = registry_create, .name = "registry_create",
      .summary = "Keep a login for an image registry, once the registry has taken it",
      .body = ZN_FIELDS(create_fields), .answers = { { 201, "RegistryCredential" } }, .conflicts = true },
    { .method = "GET", .path = "/api/registries/credentials/{id}", .scope = ZN_SCOPE_MEMBER,
      .handler = registry_show, .name = "registry_show", .summary = "Registry credentials, without the password",
      .answers = { { 200, "RegistryCredential" } } },
    { .method = "PATCH", .path = "/api/registries/credentials/{id}", .scope = ZN_SCOPE_OWNER,
      .handler = registry_update, .name = "registry_update",
      .summary = "Change registry credentials; a changed login is tried before it is kept",
      .body = ZN_FIELDS(patch_fields), .answers = { { 200, "RegistryCredential" } }, .conflicts = true },
    { .method = "DELETE", .path = "/api/registries/credentials/{id}", .scope = ZN_SCOPE_OWNER,
      .handler = registry_delete, .name = "registry_delete",
      .summary = "Delete registry credentials that no service uses", .answers = { { 204, NULL } },
      .conflicts = true },
    { .method = "GET", .path = "/api/registries/credentials/{id}/test", .scope = ZN_SCOPE_OWNER,
      .handler = registry_test, .name = "registry_test", .summary = "Whether the registry still takes the login",
      .answers = { { 200, "Success" } }, .token = ZN_TOKEN_ADMIN },
    { .method = "GET", .path = "/api/server/resource-limits", .scope = ZN_SCOPE_MEMBER,
      .handler = resource_limits, .name = "server_resource_limits",
      .summary = "What the machine has: the most that a service can be limited to",
      .answers = { { 200, "ServerLimits" } } },
    { .method = "GET",
      .path = "/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/detected-ports",
      .scope = ZN_SCOPE_MEMBER, .handler = detected_ports, .name = "service_detected_ports",
      .summary = "Ports that the image in production says it listens on",
      .answers = { { 200, "DetectedPort[]" } } },
};
const size_t zn_registry_nroutes = ZN_COUNT(zn_registry_routes);
