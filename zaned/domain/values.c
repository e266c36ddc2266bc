#include "zaned/domain/values.h"

#include <string.h>

#include "base/str.h"
#include "zaned/domain/change.h"
#include "zaned/domain/rules.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DECODE(a, value, tab, in, err) zn_json_decode(a, value, tab, COUNT(tab), in, NULL, err)

static json_t *port_or_null(int64_t port)
{
    return port ? json_integer(port) : json_null();
}

/* --- source, command -------------------------------------------------------------------------------- */

struct source_in {
    const char *image, *container_registry_credentials_id;
};
static const struct zn_jfield source_fields[] = {
    ZN_J(source_in, image, STR, .required = true, .min = 1, .max = ZN_MAX_IMAGE,
         .check = zn_rule_image, .help = "reference of the image"),
    ZN_J(source_in, container_registry_credentials_id, STR, .nullable = true, .min = 1, .max = 255,
         .check = zn_rule_name, .help = "login of the workspace to pull the image with"),
};

static json_t *parse_source(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct source_in in = { 0 };

    if (DECODE(a, value, source_fields, &in, err) < 0)
        return NULL;
    if (!in.container_registry_credentials_id)
        return json_pack("{s:s}", "image", in.image);
    return json_pack("{s:s,s:s}", "image", in.image, "container_registry_credentials_id",
                     in.container_registry_credentials_id);
}

struct command_in {
    const char *text;
};
static const struct zn_jfield command_fields[] = {
    { .name = "", .type = ZN_J_STR, .offset = offsetof(struct command_in, text), .min = 1,
      .max = ZN_MAX_COMMAND, .nullable = true, .check = zn_rule_command,
      .help = "words separated by blanks; quotes keep blanks together" },
};

static json_t *parse_command(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct command_in in = { 0 };
    zn_auto_json wrapped = json_pack("{s:O}", "", value);

    if (json_is_null(value))
        return json_null();
    return DECODE(a, wrapped, command_fields, &in, err) < 0 ? NULL : json_string(in.text);
}

/* --- health check ----------------------------------------------------------------------------------- */

struct health_in {
    const char *type, *value;
    int64_t timeout_seconds, interval_seconds, associated_port;
};
static const char *const health_types[] = { "PATH", "COMMAND", NULL };
static const struct zn_jfield health_fields[] = {
    ZN_J(health_in, type, STR, .required = true, .min = 1, .choices = health_types),
    ZN_J(health_in, value, STR, .required = true, .min = 1, .max = ZN_MAX_PATH,
         .check = zn_rule_name, .help = "path to ask, or command to run in the container"),
    ZN_J(health_in, timeout_seconds, INT, .min = 5, .max = ZN_MAX_SECONDS),
    ZN_J(health_in, interval_seconds, INT, .min = 5, .max = ZN_MAX_SECONDS),
    ZN_J(health_in, associated_port, INT, .nullable = true, .min = 1, .max = 65535,
         .help = "port to ask; needed by PATH, refused by COMMAND"),
};

static json_t *parse_health(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct health_in in = { .timeout_seconds = 30, .interval_seconds = 30 };
    unsigned before = err->nfields;

    if (json_is_null(value))
        return json_null();
    if (DECODE(a, value, health_fields, &in, err) < 0)
        return NULL;
    bool path = strcmp(in.type, "PATH") == 0;
    zn_field_rule(err, "value", path ? zn_rule_health_path : zn_rule_command, in.value);
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

/* --- limits ----------------------------------------------------------------------------------------- */

static const struct {
    const char *unit;
    int64_t bytes;
} units[] = { { "BYTES", 1 },
              { "KILOBYTES", 1024 },
              { "MEGABYTES", 1024 * 1024 },
              { "GIGABYTES", 1024 * 1024 * 1024 } };

int64_t zn_memory_bytes(const json_t *memory)
{
    const char *unit = zn_json_str(memory, "unit", "BYTES");
    int64_t ret;

    for (size_t i = 0; i < COUNT(units); i++)
        if (strcmp(unit, units[i].unit) == 0 &&
            !__builtin_mul_overflow(zn_json_int(memory, "value", 0), units[i].bytes, &ret))
            return ret;
    return INT64_MAX;
}

struct memory_in {
    int64_t value;
    const char *unit;
};
struct limits_in {
    double cpus;
    struct memory_in memory;
};
static const char *const unit_names[] = { "BYTES", "KILOBYTES", "MEGABYTES", "GIGABYTES", NULL };
static const struct zn_jfield memory_fields[] = {
    ZN_J(memory_in, value, INT, .required = true, .min = 1, .max = INT64_MAX),
    ZN_J(memory_in, unit, STR, .min = 1, .choices = unit_names,
         .help = "MEGABYTES where it is left out; a kilobyte has 1024 bytes"),
};
static const struct zn_jfield limits_fields[] = {
    ZN_J(limits_in, cpus, NUM, .nullable = true, .help = "from 0.1 to the processors of the host"),
    ZN_J(limits_in, memory, OBJ, .nullable = true, .sub = memory_fields, .nsub = COUNT(memory_fields),
         .help = "from 6 MiB to the memory of the host"),
};

static json_t *parse_limits(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct limits_in in = { .memory.unit = "MEGABYTES" };
    unsigned before = err->nfields;

    if (json_is_null(value))
        return json_null();
    if (DECODE(a, value, limits_fields, &in, err) < 0)
        return NULL;
    bool cpus = json_is_number(json_object_get(value, "cpus"));
    json_t *memory = in.memory.value ? json_pack("{s:I,s:s}", "value", (json_int_t)in.memory.value, "unit",
                                                 in.memory.unit)
                                     : json_null();
    zn_auto_json ret = json_pack("{s:o,s:o}", "cpus", cpus ? json_real(in.cpus) : json_null(), "memory",
                                 memory);

    if (cpus && in.cpus < ZN_MIN_CPUS)
        zn_field_err(err, "cpus", "min_value", "Ensure this value is greater than or equal to 0.1.");
    if (in.memory.value && zn_memory_bytes(memory) < ZN_MIN_MEMORY)
        zn_field_err(err, "memory", "min_value", "A service needs at least 6 MiB of memory.");
    if (err->nfields > before)
        return NULL;
    return cpus || in.memory.value ? ZN_TAKE(ret) : json_null();
}

/* --- what is mounted -------------------------------------------------------------------------------- */

struct volume_in {
    const char *name, *container_path, *host_path, *mode;
};
static const char *const modes[] = { "READ_ONLY", "READ_WRITE", NULL };
static const struct zn_jfield volume_fields[] = {
    ZN_J(volume_in, name, STR, .min = 1, .max = ZN_MAX_NAME, .check = zn_rule_name),
    ZN_J(volume_in, container_path, STR, .required = true, .min = 1, .max = ZN_MAX_PATH),
    ZN_J(volume_in, host_path, STR, .nullable = true, .min = 1, .max = ZN_MAX_PATH,
         .help = "folder of the host, mounted READ_ONLY"),
    ZN_J(volume_in, mode, STR, .min = 1, .choices = modes),
};

/* A path inside the container, normalised and checked. */
static const char *inner_path(struct zn_arena *a, const char *field, const char *path, struct zn_err *err)
{
    if (*path == '/')
        path = zn_path_normalise(a, path);
    zn_field_rule(err, field, zn_rule_container_path, path ? path : "");
    return path;
}

static json_t *parse_volume(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct volume_in in = { 0 };
    unsigned before = err->nfields;

    if (DECODE(a, value, volume_fields, &in, err) < 0)
        return NULL;
    in.container_path = inner_path(a, "container_path", in.container_path, err);
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

struct shared_in {
    const char *volume_id, *container_path;
};
static const struct zn_jfield shared_fields[] = {
    ZN_J(shared_in, volume_id, STR, .required = true, .min = 1, .max = 255, .check = zn_rule_name,
         .help = "volume of another service of the environment"),
    ZN_J(shared_in, container_path, STR, .required = true, .min = 1, .max = ZN_MAX_PATH,
         .help = "where it is mounted, READ_ONLY"),
};

static json_t *parse_shared(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct shared_in in = { 0 };
    unsigned before = err->nfields;

    if (DECODE(a, value, shared_fields, &in, err) < 0)
        return NULL;
    in.container_path = inner_path(a, "container_path", in.container_path, err);
    return err->nfields > before ? NULL
                                 : json_pack("{s:s,s:s}", "volume_id", in.volume_id, "container_path",
                                             in.container_path);
}

struct config_in {
    const char *name, *mount_path, *contents, *language;
};
static const struct zn_jfield config_fields[] = {
    ZN_J(config_in, name, STR, .min = 1, .max = ZN_MAX_NAME, .check = zn_rule_name),
    ZN_J(config_in, mount_path, STR, .required = true, .min = 1, .max = ZN_MAX_PATH),
    ZN_J(config_in, contents, STR, .required = true, .max = ZN_MAX_CONFIG, .check = zn_rule_text),
    ZN_J(config_in, language, STR, .min = 1, .max = 255, .check = zn_rule_name,
         .help = "for editors; plaintext where it is left out"),
};

static json_t *parse_config(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct config_in in = { .language = "plaintext" };
    unsigned before = err->nfields;

    if (DECODE(a, value, config_fields, &in, err) < 0)
        return NULL;
    in.mount_path = inner_path(a, "mount_path", in.mount_path, err);
    return err->nfields > before
               ? NULL
               : json_pack("{s:s?,s:s,s:s,s:s}", "name", in.name, "mount_path", in.mount_path, "contents",
                           in.contents, "language", in.language);
}

/* --- variables, ports, URLs ------------------------------------------------------------------------- */

struct env_in {
    const char *key, *value;
};
static const struct zn_jfield env_fields[] = {
    ZN_J(env_in, key, STR, .required = true, .min = 1, .max = ZN_MAX_ENV_KEY,
         .check = zn_rule_env_key),
    ZN_J(env_in, value, STR, .required = true, .max = ZN_MAX_ENV_VALUE, .check = zn_rule_text),
};

static json_t *parse_env(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct env_in in = { 0 };

    if (DECODE(a, value, env_fields, &in, err) < 0)
        return NULL;
    return json_pack("{s:s,s:s}", "key", in.key, "value", in.value);
}

struct port_in {
    int64_t host, forwarded;
};
static const struct zn_jfield port_fields[] = {
    ZN_J(port_in, host, INT, .required = true, .min = 1, .max = 65535, .help = "port of the host"),
    ZN_J(port_in, forwarded, INT, .required = true, .min = 1, .max = 65535,
         .help = "port that the container listens on"),
};

static json_t *parse_port(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct port_in in = { 0 };

    if (DECODE(a, value, port_fields, &in, err) < 0)
        return NULL;
    return json_pack("{s:I,s:I}", "host", (json_int_t)in.host, "forwarded", (json_int_t)in.forwarded);
}

struct redirect_in {
    const char *url;
    bool permanent;
};
struct url_in {
    const char *domain, *base_path;
    bool strip_prefix;
    struct redirect_in redirect_to;
    int64_t associated_port;
};
static const struct zn_jfield redirect_fields[] = {
    ZN_J(redirect_in, url, STR, .required = true, .min = 1, .max = ZN_MAX_URL,
         .check = zn_rule_redirect_url),
    ZN_J(redirect_in, permanent, BOOL),
};
static const struct zn_jfield url_fields[] = {
    ZN_J(url_in, domain, STR, .min = 1, .max = ZN_MAX_DOMAIN + 2,
         .help = "made up where it is left out; may begin with \"*.\""),
    ZN_J(url_in, base_path, STR, .min = 1, .max = ZN_MAX_PATH, .check = zn_rule_base_path),
    ZN_J(url_in, strip_prefix, BOOL),
    ZN_J(url_in, redirect_to, OBJ, .nullable = true, .sub = redirect_fields,
         .nsub = COUNT(redirect_fields)),
    ZN_J(url_in, associated_port, INT, .nullable = true, .min = 1, .max = 65535,
         .help = "port of the container; refused by a URL that redirects, needed by others"),
};

static json_t *parse_url(struct zn_arena *a, json_t *value, struct zn_err *err)
{
    struct url_in in = { .base_path = "/", .strip_prefix = true };
    unsigned before = err->nfields;
    bool redirects = json_is_object(json_object_get(value, "redirect_to"));
    char *lower = NULL;

    if (DECODE(a, value, url_fields, &in, err) < 0 && err->nfields == before)
        return NULL;
    if (in.domain && (lower = zn_arena_strdup(a, in.domain))) {
        zn_lower(lower);
        zn_field_rule(err, "domain", zn_rule_domain, lower);
    }
    if (json_is_object(value) && !redirects && !in.associated_port && err->nfields == before)
        zn_field_err(err, "associated_port", "invalid",
                     "The port of the service is required, unless the URL redirects.");
    if (redirects && in.associated_port)
        zn_field_err(err, "associated_port", "invalid", "A URL that redirects has no port.");
    if (err->nfields > before)
        return NULL;
    const char *base_path = zn_path_normalise(a, in.base_path);
    json_t *redirect = redirects ? json_pack("{s:s,s:b}", "url", in.redirect_to.url, "permanent",
                                             in.redirect_to.permanent)
                                 : json_null();
    return json_pack("{s:s?,s:s,s:b,s:o,s:o}", "domain", lower, "base_path",
                     base_path ? base_path : "/", "strip_prefix", in.strip_prefix, "redirect_to",
                     redirect, "associated_port", port_or_null(in.associated_port));
}

/* --- the tables ------------------------------------------------------------------------------------- */

#define TABLE(name, rows, fn, ...) \
    { .field = name, .tab = rows, .n = COUNT(rows), .parse = fn, __VA_ARGS__ }

const struct zn_change_table zn_change_tables[] = {
    TABLE("source", source_fields, parse_source, .list = false),
    TABLE("command", command_fields, parse_command, .nullable = true),
    TABLE("healthcheck", health_fields, parse_health, .nullable = true),
    TABLE("resource_limits", limits_fields, parse_limits, .nullable = true),
    TABLE("volumes", volume_fields, parse_volume, .list = true),
    TABLE("shared_volumes", shared_fields, parse_shared, .list = true),
    TABLE("env_variables", env_fields, parse_env, .list = true),
    TABLE("urls", url_fields, parse_url, .list = true),
    TABLE("ports", port_fields, parse_port, .list = true),
    TABLE("configs", config_fields, parse_config, .list = true),
};
const size_t zn_change_ntables = COUNT(zn_change_tables);

const struct zn_change_table *zn_change_table(const char *field)
{
    for (size_t i = 0; i < zn_change_ntables; i++)
        if (strcmp(zn_change_tables[i].field, field) == 0)
            return &zn_change_tables[i];
    return NULL;
}
