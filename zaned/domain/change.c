#include "zaned/domain/change.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

void zn_fields_prefix(struct zn_arena *a, struct zn_err *err, unsigned from, const char *prefix)
{
    for (unsigned i = from; i < err->nfields; i++) {
        const char *path = zn_arena_printf(a, "%s.%s", prefix, err->fields[i].path);

        if (path)
            err->fields[i].path = path;
    }
}

bool zn_field_rule(struct zn_err *err, const char *path, const char *(*rule)(const void *),
                   const char *text)
{
    const char *bad = rule(&text);

    if (bad)
        zn_field_err(err, path, "invalid", bad);
    return !bad;
}

/* --- values: each parser returns a new reference, or NULL with field errors ------------------------- */

struct source_in {
    const char *image, *container_registry_credentials_id;
};
static const struct zn_jfield source_fields[] = {
    ZN_J(source_in, image, STR, .required = true, .min = 1, .max = ZN_MAX_IMAGE,
         .check = zn_rule_image),
    ZN_J(source_in, container_registry_credentials_id, STR, .min = 1, .max = 255),
};

static json_t *parse_source(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct source_in in = { 0 };

    if (zn_json_decode(a, value, source_fields, COUNT(source_fields), &in, NULL, err) < 0)
        return NULL;
    if (in.container_registry_credentials_id) {
        zn_field_err(err, "container_registry_credentials_id", "invalid",
                     "There are no registry credentials with this id.");
        return NULL;
    }
    return json_pack("{s:s}", "image", in.image);
}

static json_t *parse_command(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    const char *text = json_string_value(value);

    (void)a;
    if (json_is_null(value))
        return json_null();
    if (!text)
        zn_field_err(err, "", "invalid", "Not a valid string.");
    else if (!*text)
        zn_field_err(err, "", "blank", "This field may not be blank.");
    else if (strlen(text) > ZN_MAX_COMMAND)
        zn_field_err(err, "", "max_length", "Ensure this field has no more than 4096 characters.");
    else if (zn_field_rule(err, "", zn_rule_command, text))
        return json_incref(value);
    return NULL;
}

struct health_in {
    const char *type, *value;
    int64_t timeout_seconds, interval_seconds, associated_port;
};
static const char *const health_types[] = { "PATH", "COMMAND", NULL };
static const struct zn_jfield health_fields[] = {
    ZN_J(health_in, type, STR, .required = true, .min = 1, .choices = health_types),
    ZN_J(health_in, value, STR, .required = true, .min = 1, .max = ZN_MAX_PATH,
         .check = zn_rule_name),
    ZN_J(health_in, timeout_seconds, INT, .min = 5, .max = ZN_MAX_SECONDS),
    ZN_J(health_in, interval_seconds, INT, .min = 5, .max = ZN_MAX_SECONDS),
    ZN_J(health_in, associated_port, INT, .nullable = true, .min = 1, .max = 65535),
};

static json_t *port_or_null(int64_t port)
{
    return port ? json_integer(port) : json_null();
}

static json_t *parse_health(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct health_in in = { .timeout_seconds = 30, .interval_seconds = 30 };
    unsigned before = err->nfields;

    if (json_is_null(value))
        return json_null();
    if (zn_json_decode(a, value, health_fields, COUNT(health_fields), &in, NULL, err) < 0)
        return NULL;
    bool path = strcmp(in.type, "PATH") == 0;
    if (path)
        zn_field_rule(err, "value", zn_rule_health_path, in.value);
    else
        zn_field_rule(err, "value", zn_rule_command, in.value);
    if (path && !in.associated_port)
        zn_field_err(err, "associated_port", "invalid",
                     "A health check of type PATH needs the port to ask.");
    if (!path && in.associated_port)
        zn_field_err(err, "associated_port", "invalid",
                     "A health check of type COMMAND has no port.");
    if (err->nfields > before)
        return NULL;
    return json_pack("{s:s,s:s,s:I,s:I,s:o}", "type", in.type, "value", in.value, "timeout_seconds",
                     (json_int_t)in.timeout_seconds, "interval_seconds",
                     (json_int_t)in.interval_seconds, "associated_port",
                     port_or_null(in.associated_port));
}

struct volume_in {
    const char *name, *container_path, *host_path, *mode;
};
static const char *const modes[] = { "READ_ONLY", "READ_WRITE", NULL };
static const struct zn_jfield volume_fields[] = {
    ZN_J(volume_in, name, STR, .min = 1, .max = ZN_MAX_NAME, .check = zn_rule_name),
    ZN_J(volume_in, container_path, STR, .required = true, .min = 1, .max = ZN_MAX_PATH),
    ZN_J(volume_in, host_path, STR, .nullable = true, .min = 1, .max = ZN_MAX_PATH),
    ZN_J(volume_in, mode, STR, .min = 1, .choices = modes),
};

static json_t *parse_volume(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct volume_in in = { 0 };
    unsigned before = err->nfields;

    if (zn_json_decode(a, value, volume_fields, COUNT(volume_fields), &in, NULL, err) < 0)
        return NULL;
    if (*in.container_path == '/')
        in.container_path = zn_path_normalise(a, in.container_path);
    zn_field_rule(err, "container_path", zn_rule_container_path, in.container_path);
    if (in.host_path && *in.host_path == '/')
        in.host_path = zn_path_normalise(a, in.host_path);
    if (in.host_path)
        zn_field_rule(err, "host_path", zn_rule_host_path, in.host_path);
    if (in.host_path && in.mode && strcmp(in.mode, "READ_ONLY") != 0)
        zn_field_err(err, "mode", "invalid", "A host path can only be mounted READ_ONLY.");
    if (err->nfields > before)
        return NULL;
    return json_pack("{s:s?,s:s,s:s?,s:s}", "name", in.name, "container_path", in.container_path,
                     "host_path", in.host_path, "mode",
                     in.host_path ? "READ_ONLY" : in.mode ? in.mode : "READ_WRITE");
}

struct env_in {
    const char *key, *value;
};
static const struct zn_jfield env_fields[] = {
    ZN_J(env_in, key, STR, .required = true, .min = 1, .max = ZN_MAX_ENV_KEY,
         .check = zn_rule_env_key),
    ZN_J(env_in, value, STR, .required = true, .max = ZN_MAX_ENV_VALUE),
};

static json_t *parse_env(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct env_in in = { 0 };

    if (zn_json_decode(a, value, env_fields, COUNT(env_fields), &in, NULL, err) < 0)
        return NULL;
    return json_pack("{s:s,s:s}", "key", in.key, "value", in.value);
}

struct redirect_in {
    const char *url;
    bool permanent;
};
static const struct zn_jfield redirect_fields[] = {
    ZN_J(redirect_in, url, STR, .required = true, .min = 1, .max = ZN_MAX_URL,
         .check = zn_rule_redirect_url),
    ZN_J(redirect_in, permanent, BOOL),
};

struct url_in {
    const char *domain, *base_path;
    bool strip_prefix;
    json_t *redirect_to;
    int64_t associated_port;
};
static const struct zn_jfield url_fields[] = {
    ZN_J(url_in, domain, STR, .min = 1, .max = ZN_MAX_DOMAIN + 2),
    ZN_J(url_in, base_path, STR, .min = 1, .max = ZN_MAX_PATH, .check = zn_rule_base_path),
    ZN_J(url_in, strip_prefix, BOOL),
    ZN_J(url_in, redirect_to, JSON),
    ZN_J(url_in, associated_port, INT, .nullable = true, .min = 1, .max = 65535),
};

static json_t *parse_redirect(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct redirect_in in = { 0 };
    struct zn_err own = { 0 };

    if (!value || json_is_null(value))
        return json_null();
    if (zn_json_decode(a, value, redirect_fields, COUNT(redirect_fields), &in, NULL, &own) == 0)
        return json_pack("{s:s,s:b}", "url", in.url, "permanent", in.permanent);
    zn_fields_prefix(a, &own, 0, "redirect_to");
    for (unsigned i = 0; i < own.nfields; i++)
        zn_field_err(err, own.fields[i].path, own.fields[i].rule, own.fields[i].msg);
    return json_null();
}

static json_t *parse_url(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct url_in in = { .base_path = "/", .strip_prefix = true };
    unsigned before = err->nfields;
    char *lower = NULL;

    if (zn_json_decode(a, value, url_fields, COUNT(url_fields), &in, NULL, err) < 0 &&
        !err->nfields)
        return NULL;
    zn_auto_json redirect = parse_redirect(a, in.redirect_to, err);
    if (in.domain && (lower = zn_arena_strdup(a, in.domain))) {
        zn_lower(lower);
        zn_field_rule(err, "domain", zn_rule_domain, lower);
    }
    if (json_is_object(value) && json_is_null(redirect) && !in.associated_port &&
        err->nfields == before)
        zn_field_err(err, "associated_port", "invalid",
                     "The port of the service is required, unless the URL redirects.");
    if (json_is_object(redirect) && in.associated_port)
        zn_field_err(err, "associated_port", "invalid", "A URL that redirects has no port.");
    if (err->nfields > before)
        return NULL;
    const char *base_path = zn_path_normalise(a, in.base_path);
    return json_pack("{s:s?,s:s,s:b,s:O,s:o}", "domain", lower, "base_path",
                     base_path ? base_path : "/", "strip_prefix", in.strip_prefix, "redirect_to",
                     redirect, "associated_port", port_or_null(in.associated_port));
}

/* --- the request ------------------------------------------------------------------------------------ */

static const struct {
    const char *field;
    json_t *(*parse)(struct zn_arena *a, json_t *value, struct zn_err *err);
} parsers[] = {
    { "source", parse_source }, { "command", parse_command },   { "healthcheck", parse_health },
    { "volumes", parse_volume }, { "env_variables", parse_env }, { "urls", parse_url },
};

struct change_in {
    const char *type, *field, *item_id;
    json_t *new_value;
};
static const char *const types[] = { "ADD", "UPDATE", "DELETE", NULL };
static const char *const field_names[] = { "source",  "command",       "healthcheck",
                                           "volumes", "env_variables", "urls",
                                           NULL };
static const struct zn_jfield change_fields[] = {
    ZN_J(change_in, field, STR, .required = true, .min = 1, .choices = field_names),
    ZN_J(change_in, type, STR, .min = 1, .choices = types),
    ZN_J(change_in, item_id, STR, .nullable = true, .min = 1, .max = 255),
    ZN_J(change_in, new_value, JSON),
};

static void check_head(const struct change_in *in, struct zn_err *err)
{
    bool list = zn_state_is_list(in->field);

    if (list && !in->type)
        zn_field_err(err, "type", "required", "This field is required.");
    if (!list && in->type && strcmp(in->type, "UPDATE") != 0)
        zn_field_err(err, "type", "invalid_choice", "This field only knows UPDATE.");
    if (list && in->type && strcmp(in->type, "ADD") != 0 && !in->item_id)
        zn_field_err(err, "item_id", "invalid", "UPDATE and DELETE need the id of the item.");
    if (list && in->type && strcmp(in->type, "ADD") == 0 && in->item_id)
        zn_field_err(err, "item_id", "invalid", "ADD makes a new item, which has no id yet.");
}

static json_t *parse_value(struct zn_arena *a, const struct change_in *in, struct zn_err *err)
{
    unsigned before = err->nfields;
    json_t *value = NULL;

    if (!in->new_value || (json_is_null(in->new_value) && zn_state_is_list(in->field))) {
        zn_field_err(err, "new_value", "required", "This field is required.");
        return NULL;
    }
    for (size_t i = 0; i < COUNT(parsers); i++)
        if (strcmp(parsers[i].field, in->field) == 0)
            value = parsers[i].parse(a, in->new_value, err);
    for (unsigned i = before; i < err->nfields; i++)
        err->fields[i].path = *err->fields[i].path
                                  ? zn_arena_printf(a, "new_value.%s", err->fields[i].path)
                                  : "new_value";
    return value;
}

int zn_change_parse(struct zn_arena *a, json_t *body, json_t **ret, struct zn_err *err)
{
    struct change_in in = { 0 };
    zn_auto_json value = NULL;

    if (zn_json_decode(a, body, change_fields, COUNT(change_fields), &in, NULL, err) < 0)
        return -1;
    check_head(&in, err);
    if (in.type && strcmp(in.type, "DELETE") == 0)
        value = json_null();
    else
        value = parse_value(a, &in, err);
    if (err->nfields || !value)
        return zn_fail(err, ZN_INVALID, "the change has invalid fields");
    *ret = json_pack("{s:s,s:s,s:s?,s:n,s:O}", "type", in.type ? in.type : "UPDATE", "field",
                     in.field, "item_id", in.item_id, "old_value", "new_value", value);
    return *ret ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

/* --- against the service ---------------------------------------------------------------------------- */

static int field_failure(struct zn_err *err, const char *path, const char *msg)
{
    zn_field_err(err, path, "invalid", msg);
    return zn_fail(err, ZN_INVALID, "the change does not fit the service");
}

static int check_single(const json_t *live, const json_t *pending, json_t *change,
                        struct zn_change_plan *plan)
{
    const char *field = zn_json_str(change, "field", "");
    json_t *new_value = json_object_get(change, "new_value"), *other;
    zn_auto_json old = NULL;
    size_t i;

    if (strcmp(field, "source") != 0)
        old = json_deep_copy(json_object_get(live, field));
    else if (zn_json_str(live, "image", NULL))
        old = json_pack("{s:O}", "image", json_object_get(live, "image"));
    json_array_foreach (pending, i, other)
        if (strcmp(zn_json_str(other, "field", ""), field) == 0)
            plan->replaces = zn_json_str(other, "id", NULL);
    plan->store = !zn_value_same(old, new_value);
    json_object_set_new(change, "old_value", old ? ZN_TAKE(old) : json_null());
    return 0;
}

/* The item that an UPDATE or DELETE is about. */
static int find_item(const json_t *live, const json_t *pending, const json_t *change,
                     const json_t **ret, struct zn_err *err)
{
    const char *id = zn_json_str(change, "item_id", "");
    size_t i;
    json_t *other;

    *ret = zn_state_item(live, zn_json_str(change, "field", ""), id);
    if (!*ret)
        return field_failure(err, "item_id", "The service has no such item.");
    json_array_foreach (pending, i, other)
        if (strcmp(zn_json_str(other, "item_id", ""), id) == 0)
            return field_failure(err, "item_id",
                                 "A change of this item is waiting already: cancel it first.");
    return 0;
}

/* Fills in what the request left out: from the old item, or made up. */
static int complete(const struct zn_state_rules *r, const char *field, const json_t *old,
                    const char *default_domain, json_t *value, struct zn_err *err)
{
    const char *member = strcmp(field, "volumes") == 0 ? "name"
                         : strcmp(field, "urls") == 0  ? "domain"
                                                       : NULL;

    if (old && strcmp(field, "volumes") == 0 &&
        !zn_json_str(old, "host_path", NULL) != !zn_json_str(value, "host_path", NULL))
        return field_failure(err, "new_value.host_path",
                             "A host path cannot be added to or taken from a volume.");
    if (!member || zn_json_str(value, member, NULL))
        return 0;
    const char *text = old                           ? zn_json_str(old, member, "")
                       : strcmp(member, "name") == 0 ? zn_new_slug(r->arena)
                                                     : default_domain;
    return json_object_set_new(value, member, json_string(text ? text : ""));
}

static int check_item(const struct zn_state_rules *r, const json_t *live, const json_t *pending,
                      const char *default_domain, json_t *change, struct zn_change_plan *plan,
                      struct zn_err *err)
{
    const char *field = zn_json_str(change, "field", ""), *type = zn_json_str(change, "type", "");
    bool adding = strcmp(type, "ADD") == 0;
    json_t *value = json_object_get(change, "new_value");
    const json_t *old = NULL;
    zn_auto_json after = NULL;
    struct zn_conflict c;

    if (!adding && find_item(live, pending, change, &old, err) < 0)
        return -1;
    if (old)
        json_object_set_new(change, "old_value", json_deep_copy(old));
    plan->store = true;
    if (strcmp(type, "DELETE") == 0)
        return 0;
    if (complete(r, field, old, default_domain, value, err) < 0)
        return -1;
    if (old && zn_value_same(old, value)) {
        plan->store = false;
        return 0;
    }
    if (zn_state_overlay(live, pending, &after, err) < 0)
        return -1;
    const json_t *self = old ? zn_state_item(after, field, zn_json_str(old, "id", "")) : NULL;
    int bad = zn_state_conflict(r, after, field, value, self, adding, &c, err);
    if (bad <= 0)
        return bad;
    return field_failure(err, zn_arena_printf(r->arena, "new_value.%s", c.attr), c.msg);
}

int zn_change_check(const struct zn_state_rules *rules, const json_t *live, const json_t *pending,
                    const char *default_domain, json_t *change, struct zn_change_plan *ret,
                    struct zn_err *err)
{
    struct zn_change_plan plan = { 0 };
    int r = zn_state_is_list(zn_json_str(change, "field", ""))
                ? check_item(rules, live, pending, default_domain, change, &plan, err)
                : check_single(live, pending, change, &plan);

    if (r == 0)
        *ret = plan;
    return r;
}
