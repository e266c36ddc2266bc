#include "zaned/api/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "zaned/api/host.h"
#include "zaned/config.h"
#include "zaned/store/seal.h"

const char *zn_json_text(struct zn_arena *a, const json_t *v)
{
    zn_auto_mem char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    return zn_arena_strdup(a, text ? text : "null");
}

/* --- finding ---------------------------------------------------------------------------------------- */

int zn_place_find(struct zn_conn *c, struct zn_call *call, const char *project,
                  const char *environment, struct zn_place *ret, struct zn_err *err)
{
    char *p = zn_arena_strdup(call->arena, project), *e = zn_arena_strdup(call->arena, environment);
    zn_auto_pgresult res = NULL;

    if (!p || !e)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_lower(p);
    zn_lower(e);
    if (zn_sql(c, ZN_SQL_PLACE_FIND, ZN_P(call->who.workspace_id, p, e, zn_guest_of(call)), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND,
                       "A project with the slug `%.80s` and an environment `%.80s` does not exist.", p,
                       e);
    ret->project_id = zn_arena_strdup(call->arena, zn_col(res, 0, "project_id"));
    ret->environment_id = zn_arena_strdup(call->arena, zn_col(res, 0, "environment_id"));
    ret->project = p;
    ret->environment = e;
    if (!ret->project_id || !ret->environment_id)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    return 0;
}

int zn_unseal_changes(const struct zn_sealer *sealer, json_t *changes, struct zn_err *err)
{
    size_t i;
    json_t *change;

    json_array_foreach (changes, i, change) {
        const char *member = zn_sealed_member(zn_json_str(change, "field", ""));

        if (member &&
            (zn_unseal_member(sealer, json_object_get(change, "old_value"), member, err) < 0 ||
             zn_unseal_member(sealer, json_object_get(change, "new_value"), member, err) < 0))
            return -1;
    }
    return 0;
}

const char *zn_sealed_member(const char *field)
{
    return strcmp(field, "env_variables") == 0 ? "value"
           : strcmp(field, "configs") == 0     ? "contents"
                                               : NULL;
}

int zn_unseal_service(const struct zn_sealer *sealer, json_t *doc, struct zn_err *err)
{
    json_t *environment = json_object_get(doc, "environment");

    if (zn_unseal_env(sealer, json_object_get(doc, "env_variables"), err) < 0 ||
        zn_unseal_env(sealer, json_object_get(environment, "variables"), err) < 0 ||
        zn_unseal_member(sealer, json_object_get(doc, "configs"), "contents", err) < 0)
        return -1;
    return zn_unseal_changes(sealer, json_object_get(doc, "unapplied_changes"), err);
}

/* Who may not deploy does not see the token that deploys. */
static bool may_deploy(const struct zn_call *call)
{
    return call->who.role >= ZN_ROLE_MEMBER &&
           (!call->who.token_id || call->who.token_scope >= ZN_TOKEN_DEPLOY);
}

int zn_service_reload(struct zn_conn *c, struct zn_call *call, struct zn_service *s,
                      struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_json doc = NULL;
    zn_auto_json clear = NULL;

    if (zn_sql(c, ZN_SQL_SERVICE_DOC, ZN_P(s->id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "service %s does not exist", s->id);
    const char *text = zn_col(res, 0, "doc");
    if (zn_json_parse(text, strlen(text), &doc, err) < 0)
        return zn_fail(err, ZN_INTERNAL, "service %s: broken document", s->id);
    clear = json_deep_copy(doc);
    if (zn_unseal_service(call->api->sealer, clear, err) < 0) {
        err->code = ZN_INTERNAL;
        return zn_wrap(err, "secrets of service %s", s->id);
    }
    json_decref(s->doc);
    json_decref(s->clear);
    s->doc = ZN_TAKE(doc);
    s->clear = ZN_TAKE(clear);
    s->pending = json_object_get(s->clear, "unapplied_changes");
    s->token_shown = may_deploy(call);
    return 0;
}

int zn_service_find(struct zn_conn *c, struct zn_call *call, const char *project,
                    const char *environment, const char *slug, bool lock, struct zn_service *ret,
                    struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    zn_auto_service s = { 0 };

    if (zn_place_find(c, call, project, environment, &s.place, err) < 0 ||
        zn_sql(c, lock ? ZN_SQL_SERVICE_LOCK : ZN_SQL_SERVICE_FIND,
               ZN_P(s.place.environment_id, slug), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND,
                       "A service with the slug `%.60s` does not exist in the environment `%.60s` of "
                       "the project `%.60s`.",
                       slug, s.place.environment, s.place.project);
    s.id = zn_arena_strdup(call->arena, zn_col(res, 0, "id"));
    if (!s.id)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_service_reload(c, call, &s, err) < 0)
        return -1;
    *ret = s;
    s = (struct zn_service){ 0 };
    return 0;
}

void zn_service_done(struct zn_service *s)
{
    json_decref(s->doc);
    json_decref(s->clear);
    *s = (struct zn_service){ 0 };
}

/* --- showing ---------------------------------------------------------------------------------------- */

static void system_variable(json_t *list, const char *key, const char *value, const char *comment)
{
    json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "key", key, "value", value, "comment",
                                          comment));
}

/* What zaned/swarm/spec.c adds to the environment of the container. */
static json_t *system_variables(const json_t *doc)
{
    const json_t *environment = json_object_get(doc, "environment");
    zn_auto_buf struct zn_buf domains = ZN_BUF(65536);
    json_t *list = json_array(), *url;
    size_t i;

    json_array_foreach (json_object_get(doc, "urls"), i, url) {
        if (domains.len)
            zn_buf_putc(&domains, ',');
        zn_buf_puts(&domains, zn_json_str(url, "domain", ""));
    }
    const char *text = zn_buf_str(&domains);
    system_variable(list, "ZANE", "true", "Is the service deployed by zane?");
    system_variable(list, "ZANE_DOMAINS", text ? text : "", "The domains of this service.");
    system_variable(list, "ZANE_ENVIRONMENT", zn_json_str(environment, "name", ""),
                    "The environment of this service.");
    system_variable(list, "ZANE_PRIVATE_DOMAIN", zn_json_str(doc, "network_alias", ""),
                    "The name that services of the same environment reach this one by.");
    system_variable(list, "ZANE_DEPLOYMENT_TYPE", "docker", "The kind of deployment.");
    system_variable(list, "ZANE_SERVICE_ID", zn_json_str(doc, "id", ""), "The id of this service.");
    system_variable(list, "ZANE_SERVICE_NAME", zn_json_str(doc, "slug", ""),
                    "The slug of this service.");
    system_variable(list, "ZANE_PROJECT_ID", zn_json_str(doc, "project_id", ""),
                    "The id of its project.");
    system_variable(list, "ZANE_DEPLOYMENT_SLOT", "{{deployment.slot}}",
                    "The slot of the deployment, BLUE or GREEN; filled in at deploy time.");
    system_variable(list, "ZANE_DEPLOYMENT_HASH", "{{deployment.hash}}",
                    "The hash of the deployment; filled in at deploy time.");
    return list;
}

/* Members of the compatible shape that a service from an image does not use. */
static void add_unused(json_t *out)
{
    static const char *const nulls[] = {
        "builder", "repository_url", "branch_name", "commit_sha", "dockerfile_builder_options",
        "static_dir_builder_options", "nixpacks_builder_options", "railpack_builder_options",
        "credentials", "git_app", "git_repository", "next_git_repository",
    };

    for (size_t i = 0; i < ZN_COUNT(nulls); i++)
        json_object_set_new(out, nulls[i], json_null());
}

static json_t *shape(const json_t *doc)
{
    json_t *out = json_deep_copy(doc), *environment = json_object_get(out, "environment");
    json_t *alias = json_object_get(out, "network_alias");

    json_object_set_new(environment, "preview_metadata", json_null());
    json_object_set_new(out, "network_aliases", json_pack("[O]", alias));
    json_object_set(out, "global_network_alias", alias);
    json_object_set_new(out, "system_env_variables", system_variables(doc));
    add_unused(out);
    /* A member of the compatible shape; the password itself is never shown. */
    if (json_is_object(json_object_get(out, "container_registry_credentials")))
        json_object_set_new(json_object_get(out, "container_registry_credentials"), "password",
                            json_string(""));
    return out;
}

json_t *zn_service_show(const struct zn_service *s)
{
    json_t *out = shape(s->clear);

    if (!s->token_shown)
        json_object_set_new(out, "deploy_token", json_null());
    return out;
}

json_t *zn_service_snapshot(const struct zn_service *s)
{
    json_t *out = shape(s->doc);

    json_object_set_new(out, "unapplied_changes", json_array());
    json_object_set_new(out, "deploy_token", json_null());
    return out;
}

/* --- rules ------------------------------------------------------------------------------------------ */

static int url_taken(void *self, const char *domain, const char *base_path, bool *ret,
                     struct zn_err *err)
{
    const struct zn_rules_port *port = self;
    const char *dot = strchr(domain, '.'), *wildcard = NULL;
    zn_auto_pgresult res = NULL;

    if (zn_starts_with(domain, "*."))
        wildcard = domain;
    else if (dot)
        wildcard = zn_arena_printf(port->arena, "*%s", dot);
    if (zn_sql(port->conn, ZN_SQL_URLS_LOCK, ZN_P0, NULL, err) < 0 ||
        zn_sql(port->conn, ZN_SQL_URL_TAKEN, ZN_P(port->service_id, base_path, domain, wildcard),
               &res, err) < 0)
        return -1;
    *ret = PQntuples(res) > 0;
    return 0;
}

static int ask(void *self, enum zn_ask question, const char *what, bool *ret, struct zn_err *err)
{
    static const struct {
        enum zn_sql_id id;
        bool yes; /* what a row means */
    } asks[] = { [ZN_ASK_PORT] = { ZN_SQL_PORT_TAKEN, true },
                 [ZN_ASK_READ] = { ZN_SQL_VOLUME_READ, true },
                 [ZN_ASK_UNREADABLE] = { ZN_SQL_VOLUME_READABLE, false },
                 [ZN_ASK_LOGIN] = { ZN_SQL_LOGIN_KNOWN, false } };
    const struct zn_rules_port *port = self;
    zn_auto_pgresult res = NULL;

    if (zn_sql(port->conn, ZN_SQL_URLS_LOCK, ZN_P0, NULL, err) < 0 ||
        zn_sql(port->conn, asks[question].id, ZN_P(port->service_id, what), &res, err) < 0)
        return -1;
    *ret = (PQntuples(res) > 0) == asks[question].yes;
    return 0;
}

struct zn_state_rules zn_service_rules(struct zn_call *call, struct zn_rules_port *port)
{
    const struct zn_config *cfg = call->api->cfg;
    struct zn_host_limits host = zn_host_limits();

    return (struct zn_state_rules){ .arena = call->arena,
                                    .root_domain = cfg->root_domain,
                                    .app_domain = cfg->app_domain,
                                    .url_taken = url_taken,
                                    .ask = ask,
                                    .self = port,
                                    .max_cpus = (double)host.cpus,
                                    .max_memory_bytes = host.memory_bytes,
                                    .http_port = cfg->http_port,
                                    .https_port = cfg->https_port };
}
