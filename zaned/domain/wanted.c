#include "zaned/domain/wanted.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "zaned/domain/change.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct wanted_in {
    const char *image, *domain, *health_check_path, *command, *project, *environment;
    const char *commit_message;
    int64_t port;
    json_t *env, *volumes;
};
const struct zn_jfield zn_wanted_fields[ZN_WANTED_NFIELDS] = {
    ZN_J(wanted_in, image, STR, .required = true, .min = 1, .max = ZN_MAX_IMAGE,
         .check = zn_rule_image),
    ZN_J(wanted_in, port, INT, .min = 1, .max = 65535),
    ZN_J(wanted_in, env, JSON,
         .help = "{KEY: text, number or boolean}, or a list of \"KEY=value\" or {key, value}"),
    ZN_J(wanted_in, domain, STR, .min = 1, .max = ZN_MAX_DOMAIN + 2),
    ZN_J(wanted_in, health_check_path, STR, .nullable = true, .min = 1, .max = ZN_MAX_PATH,
         .check = zn_rule_health_path),
    ZN_J(wanted_in, command, STR, .nullable = true, .min = 1, .max = ZN_MAX_COMMAND,
         .check = zn_rule_command),
    ZN_J(wanted_in, volumes, JSON, .help = "list of {container_path, name?}"),
    ZN_J(wanted_in, project, STR, .min = 1, .max = ZN_MAX_PROJECT_SLUG, .check = zn_rule_name),
    ZN_J(wanted_in, environment, STR, .min = 1, .max = ZN_MAX_NAME, .check = zn_rule_name),
    ZN_J(wanted_in, commit_message, STR, .max = ZN_MAX_COMMIT_MESSAGE, .check = zn_rule_text),
};

/* --- variables: {"KEY": text|number|boolean}, or ["KEY=value"], or [{"key":…,"value":…}] -------------- */

static void env_add(struct zn_arena *a, json_t *list, const char *key, const char *value,
                    const char *path, struct zn_err *err)
{
    size_t i;
    json_t *other;

    if (strlen(key) > ZN_MAX_ENV_KEY)
        zn_field_err(err, path, "max_length", "Ensure this key has no more than 255 characters.");
    else if (!*key)
        zn_field_err(err, path, "blank", "The key may not be blank.");
    else if (strlen(value) > ZN_MAX_ENV_VALUE)
        zn_field_err(err, path, "max_length",
                     "Ensure this field has no more than 65536 characters.");
    else if (zn_field_rule(err, path, zn_rule_env_key, key) &&
             zn_field_rule(err, path, zn_rule_text, value)) {
        json_array_foreach (list, i, other)
            if (strcmp(zn_json_str(other, "key", ""), key) == 0) {
                zn_field_err(err, zn_arena_strdup(a, path), "invalid",
                             "This key is there twice.");
                return;
            }
        json_array_append_new(list, json_pack("{s:s,s:s}", "key", key, "value", value));
    }
}

/* Text of a scalar, as it would stand in a shell; NULL for anything else. */
static const char *scalar_text(struct zn_arena *a, const json_t *v)
{
    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    if (json_is_integer(v))
        return zn_arena_printf(a, "%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return zn_arena_printf(a, "%.17g", json_real_value(v));
    return NULL;
}

static void env_entry(struct zn_arena *a, json_t *list, const json_t *entry, const char *path,
                      struct zn_err *err)
{
    const char *text = json_string_value(entry), *equals = text ? strchr(text, '=') : NULL;
    const char *key = NULL, *value = NULL;

    if (equals) {
        key = zn_arena_strndup(a, text, (size_t)(equals - text));
        value = equals + 1;
    } else if (json_is_object(entry)) {
        key = zn_json_str(entry, "key", NULL);
        value = scalar_text(a, json_object_get(entry, "value"));
    }
    if (key && value)
        env_add(a, list, key, value, path, err);
    else
        zn_field_err(err, path, "invalid", "Give \"KEY=value\" or {\"key\": …, \"value\": …}.");
}

static json_t *parse_env(struct zn_arena *a, json_t *env, struct zn_err *err)
{
    json_t *list = json_array(), *v;
    const char *key;
    size_t i;

    if (json_is_object(env)) {
        json_object_foreach (env, key, v) {
            const char *path = zn_arena_printf(a, "env.%.255s", key), *text = scalar_text(a, v);

            if (text)
                env_add(a, list, key, text, path ? path : "env", err);
            else
                zn_field_err(err, path ? path : "env", "invalid",
                             "Must be a text, a number or a boolean.");
        }
    } else if (json_is_array(env)) {
        json_array_foreach (env, i, v) {
            const char *path = zn_arena_printf(a, "env.%zu", i);

            env_entry(a, list, v, path ? path : "env", err);
        }
    } else {
        zn_field_err(err, "env", "invalid", "Must be an object or a list.");
    }
    if (json_array_size(list) > ZN_MAX_ITEMS)
        zn_field_err(err, "env", "max_length", "A service has at most 200 variables.");
    return list;
}

/* --- volumes ---------------------------------------------------------------------------------------- */

struct volume_in {
    const char *name, *container_path;
};
static const struct zn_jfield volume_fields[] = {
    ZN_J(volume_in, name, STR, .min = 1, .max = ZN_MAX_NAME, .check = zn_rule_name),
    ZN_J(volume_in, container_path, STR, .required = true, .min = 1, .max = ZN_MAX_PATH,
         .check = zn_rule_container_path),
};

static void parse_volume(struct zn_arena *a, json_t *entry, size_t i, json_t *into,
                         struct zn_err *err)
{
    struct volume_in in = { 0 };
    struct zn_err own = { 0 };
    const char *prefix = zn_arena_printf(a, "volumes.%zu", i);
    size_t k;
    json_t *other;

    if (zn_json_decode(a, entry, volume_fields, COUNT(volume_fields), &in, NULL, &own) == 0) {
        in.container_path = zn_path_normalise(a, in.container_path);
        json_array_foreach (into, k, other)
            if (strcmp(zn_json_str(other, "container_path", ""), in.container_path) == 0)
                zn_field_err(&own, "container_path", "invalid", "This path is there twice.");
        json_array_append_new(into, json_pack("{s:s?,s:s}", "name", in.name, "container_path",
                                              in.container_path));
    }
    zn_fields_prefix(a, &own, 0, prefix ? prefix : "volumes");
    for (unsigned n = 0; n < own.nfields; n++)
        zn_field_err(err, own.fields[n].path, own.fields[n].rule, own.fields[n].msg);
}

static json_t *parse_volumes(struct zn_arena *a, json_t *volumes, struct zn_err *err)
{
    json_t *list = json_array(), *v;
    size_t i;

    if (!json_is_array(volumes))
        zn_field_err(err, "volumes", "invalid", "Must be a list.");
    else if (json_array_size(volumes) > ZN_MAX_ITEMS)
        zn_field_err(err, "volumes", "max_length", "A service has at most 200 volumes.");
    else
        json_array_foreach (volumes, i, v)
            parse_volume(a, v, i, list, err);
    return list;
}

/* --- the body --------------------------------------------------------------------------------------- */

static const char *lower_domain(struct zn_arena *a, const char *domain, struct zn_err *err)
{
    char *lower = domain ? zn_arena_strdup(a, domain) : NULL;

    if (!lower)
        return NULL;
    zn_lower(lower);
    zn_field_rule(err, "domain", zn_rule_domain, lower);
    return lower;
}

int zn_wanted_parse(struct zn_arena *a, json_t *body, struct zn_wanted *ret, struct zn_err *err)
{
    struct wanted_in in = { .project = "default", .environment = "production" };
    struct zn_wanted w = { 0 };

    if (zn_json_decode(a, body, zn_wanted_fields, ZN_WANTED_NFIELDS, &in, NULL, err) < 0 &&
        !err->nfields)
        return -1;
    w.image = in.image;
    w.domain = lower_domain(a, in.domain, err);
    w.port = in.port;
    w.health_check_path = in.health_check_path;
    w.clears_health = json_is_null(json_object_get(body, "health_check_path"));
    w.command = in.command;
    w.clears_command = json_is_null(json_object_get(body, "command"));
    w.project = in.project;
    w.environment = in.environment;
    w.commit_message = in.commit_message && *in.commit_message ? in.commit_message : NULL;
    if (in.domain && !in.port && !json_object_get(body, "port"))
        zn_field_err(err, "port", "required", "A domain needs the port that the app listens on.");
    if (in.env)
        w.env = parse_env(a, in.env, err);
    if (in.volumes)
        w.volumes = parse_volumes(a, in.volumes, err);
    if (err->nfields) {
        zn_wanted_done(&w);
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    }
    *ret = w;
    return 0;
}

void zn_wanted_done(struct zn_wanted *w)
{
    json_decref(w->env);
    json_decref(w->volumes);
    w->env = w->volumes = NULL;
}

/* --- towards the service ---------------------------------------------------------------------------- */

static json_t *find(const json_t *list, const char *member, const char *text)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item)
        if (strcmp(zn_json_str(item, member, ""), text) == 0)
            return item;
    return NULL;
}

static void apply_env(const json_t *wanted, json_t *state)
{
    json_t *old = json_object_get(state, "env_variables"), *next = json_array(), *item, *known;
    size_t i;

    /* In the old order, so that an unchanged list stays unchanged. */
    json_array_foreach (old, i, item)
        if ((known = find(wanted, "key", zn_json_str(item, "key", "")))) {
            json_object_set(item, "value", json_object_get(known, "value"));
            json_array_append(next, item);
        }
    json_array_foreach (wanted, i, item)
        if (!find(old, "key", zn_json_str(item, "key", "")))
            json_array_append_new(next, json_deep_copy(item));
    json_object_set_new(state, "env_variables", next);
}

static int apply_volumes(const struct zn_state_rules *r, const json_t *wanted, json_t *state,
                         struct zn_err *err)
{
    json_t *list = json_object_get(state, "volumes"), *item;
    size_t i;

    json_array_foreach (wanted, i, item) {
        const char *name = zn_json_str(item, "name", NULL);
        json_t *known = find(list, "container_path", zn_json_str(item, "container_path", ""));
        struct zn_conflict c;
        int bad;

        if (known) {
            if (name)
                json_object_set_new(known, "name", json_string(name));
            continue;
        }
        zn_auto_json volume = json_pack("{s:s,s:O,s:n,s:s}", "name",
                                        name ? name : zn_new_slug(r->arena), "container_path",
                                        json_object_get(item, "container_path"), "host_path", "mode",
                                        "READ_WRITE");
        if ((bad = zn_state_conflict(r, state, "volumes", volume, NULL, true, &c, err)) < 0)
            return -1;
        if (bad)
            zn_field_err(err, zn_arena_printf(r->arena, "volumes.%zu.%s", i, c.attr), "invalid",
                         c.msg);
        json_array_append(list, volume);
    }
    return 0;
}

static bool plain(const json_t *url)
{
    return !json_is_object(json_object_get(url, "redirect_to"));
}

/* The URL that the body's domain means, or NULL. */
static json_t *managed_url(const json_t *urls, const char *domain)
{
    size_t i;
    json_t *url;

    json_array_foreach (urls, i, url)
        if (strcmp(zn_json_str(url, "base_path", "/"), "/") == 0 &&
            (domain ? strcmp(zn_json_str(url, "domain", ""), domain) == 0 : plain(url)))
            return url;
    return NULL;
}

/* All that used the former port of the app follows it to the new one. */
static void move_port(json_t *state, int64_t from, int64_t to)
{
    json_t *health = json_object_get(state, "healthcheck"), *url;
    size_t i;

    json_array_foreach (json_object_get(state, "urls"), i, url)
        if (plain(url) && zn_json_int(url, "associated_port", 0) == from)
            json_object_set_new(url, "associated_port", json_integer(to));
    if (json_is_object(health) && zn_json_int(health, "associated_port", 0) == from)
        json_object_set_new(health, "associated_port", json_integer(to));
}

static int apply_url(const struct zn_state_rules *r, const struct zn_wanted *w,
                     const char *default_domain, json_t *state, struct zn_err *err)
{
    json_t *urls = json_object_get(state, "urls"), *url;
    struct zn_conflict c;
    int bad;

    if (!w->port)
        return 0;
    url = managed_url(urls, w->domain);
    if (url && plain(url)) {
        move_port(state, zn_json_int(url, "associated_port", 0), w->port);
        return 0;
    }
    if (url) {
        zn_field_err(err, "domain", "invalid", "This domain of the service redirects elsewhere.");
        return 0;
    }
    url = managed_url(urls, NULL);
    if (url)
        move_port(state, zn_json_int(url, "associated_port", 0), w->port);
    zn_auto_json added = json_pack("{s:s,s:s,s:b,s:n,s:I}", "domain",
                                   w->domain ? w->domain : default_domain, "base_path", "/",
                                   "strip_prefix", 1, "redirect_to", "associated_port",
                                   (json_int_t)w->port);
    if ((bad = zn_state_conflict(r, state, "urls", added, NULL, true, &c, err)) < 0)
        return -1;
    if (bad)
        zn_field_err(err, "domain", "invalid", c.msg);
    json_array_append(urls, added);
    return 0;
}

static void apply_health(const struct zn_wanted *w, json_t *state, struct zn_err *err)
{
    json_t *old = json_object_get(state, "healthcheck");
    bool path = strcmp(zn_json_str(old, "type", ""), "PATH") == 0;
    const json_t *url = managed_url(json_object_get(state, "urls"), NULL);
    int64_t port = w->port ? w->port : zn_json_int(url, "associated_port", 0);

    if (w->clears_health) {
        json_object_set_new(state, "healthcheck", json_null());
        return;
    }
    if (!w->health_check_path)
        return;
    if (!port && path)
        port = zn_json_int(old, "associated_port", 0);
    if (!port) {
        zn_field_err(err, "port", "required", "A health check needs the port to ask.");
        return;
    }
    json_t *next = json_pack("{s:s,s:s,s:I,s:I,s:I}", "type", "PATH", "value", w->health_check_path,
                             "timeout_seconds",
                             (json_int_t)(path ? zn_json_int(old, "timeout_seconds", 30) : 30),
                             "interval_seconds",
                             (json_int_t)(path ? zn_json_int(old, "interval_seconds", 30) : 30),
                             "associated_port", (json_int_t)port);
    if (zn_json_str(old, "id", NULL))
        json_object_set(next, "id", json_object_get(old, "id"));
    json_object_set_new(state, "healthcheck", next);
}

int zn_wanted_apply(const struct zn_state_rules *rules, const struct zn_wanted *w,
                    const json_t *state, const char *default_domain, json_t **ret,
                    struct zn_err *err)
{
    zn_auto_json next = json_deep_copy(state);

    if (!next)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    json_object_set_new(next, "image", json_string(w->image));
    if (w->command || w->clears_command)
        json_object_set_new(next, "command", w->command ? json_string(w->command) : json_null());
    if (w->env)
        apply_env(w->env, next);
    if (w->volumes && apply_volumes(rules, w->volumes, next, err) < 0)
        return -1;
    if (apply_url(rules, w, default_domain, next, err) < 0)
        return -1;
    apply_health(w, next, err);
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request does not fit the service");
    *ret = ZN_TAKE(next);
    return 0;
}
