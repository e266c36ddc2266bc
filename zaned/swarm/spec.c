#include "zaned/swarm/spec.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const long long STOP_GRACE_NS = 10000000000LL;
enum { ENV_MAX = 131071 }; /* bytes of a variable: execve(2) takes no more */
static const long long RESTART_DELAY_NS = 2000000000LL;

void zn_name_part(const char *id, char *ret, size_t size)
{
    const char *tail = strrchr(id, '_');

    snprintf(ret, size, "%s", tail ? tail + 1 : id);
    zn_lower(ret);
}

void zn_name_service(const char *service_id, const char *slot, char *ret)
{
    char part[64], low[16];

    zn_name_part(service_id, part, sizeof part);
    snprintf(low, sizeof low, "%s", slot);
    zn_lower(low);
    snprintf(ret, ZN_NAME_LEN, "srv-%s-%s", part, low);
}

void zn_name_network(const char *environment_id, char *ret)
{
    char part[64];

    zn_name_part(environment_id, part, sizeof part);
    snprintf(ret, ZN_NAME_LEN, "zn-env-%s", part);
}

void zn_name_volume(const char *volume_id, char *ret)
{
    char part[64];

    zn_name_part(volume_id, part, sizeof part);
    snprintf(ret, ZN_NAME_LEN, "vol-%s", part);
}

void zn_name_config(const char *config_id, int64_t version, char *ret)
{
    char part[64];

    zn_name_part(config_id, part, sizeof part);
    snprintf(ret, ZN_NAME_LEN, "cfg-%s-v%lld", part, (long long)version);
}

bool zn_spec_exclusive(const json_t *snapshot)
{
    size_t i;
    json_t *v;

    if (json_array_size(json_object_get(snapshot, "ports")))
        return true;
    json_array_foreach (json_object_get(snapshot, "volumes"), i, v)
        if (strcmp(zn_json_str(v, "mode", "READ_WRITE"), "READ_ONLY") != 0)
            return true;
    return false;
}

/* The swarm runs Go's text/template over variables and mounts (swarmkit, template/expand.go): what users write
 * must come out as it is. */
static json_t *literal(const char *text)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(16 * ENV_MAX);

    for (const char *at; (at = strstr(text, "{{")); text = at + 2) {
        zn_buf_add(&b, text, (size_t)(at - text));
        zn_buf_puts(&b, "{{\"{{\"}}");
    }
    zn_buf_puts(&b, text);
    return json_string(zn_buf_str(&b)); /* NULL without memory */
}

/* Sets key in the ordered list: a later layer replaces an earlier value in its place. */
static void env_set(json_t *list, const char *key, const char *value)
{
    size_t i, n = strlen(key);
    json_t *old, *line = json_sprintf("%s=%s", key, value);

    json_array_foreach (list, i, old) {
        const char *s = json_string_value(old);

        if (strncmp(s, key, n) == 0 && s[n] == '=') {
            json_array_set_new(list, i, line);
            return;
        }
    }
    json_array_append_new(list, line);
}

static const char *value_of(const json_t *vars, const char *key, size_t n)
{
    size_t i;
    json_t *v;

    json_array_foreach (vars, i, v) {
        const char *k = zn_json_str(v, "key", "");

        if (strlen(k) == n && memcmp(k, key, n) == 0)
            return zn_json_str(v, "value", "");
    }
    return NULL;
}

/* "{{env.KEY}}" becomes the environment's variable of that name; what names none stays as it is. What comes in
 * is not looked at again, so nothing grows without end. */
static void expand(struct zn_buf *b, const char *value, const json_t *shared)
{
    for (const char *at; (at = strstr(value, "{{env.")); ) {
        const char *key = at + 6, *end = strstr(key, "}}");
        const char *found = end ? value_of(shared, key, (size_t)(end - key)) : NULL;
        const char *next = found ? end + 2 : key;

        zn_buf_add(b, value, (size_t)(found ? at - value : next - value));
        if (found)
            zn_buf_puts(b, found);
        value = next;
    }
    zn_buf_puts(b, value);
}

/* shared: what {{env.KEY}} means in the values; NULL: they are taken as they are. */
static int env_layer(json_t *list, json_t *vars, const json_t *shared, struct zn_err *err)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(ENV_MAX);
    size_t i;
    json_t *v;

    json_array_foreach (vars, i, v) {
        const char *key = zn_json_str(v, "key", NULL), *value = zn_json_str(v, "value", "");

        zn_buf_clear(&b);
        if (shared)
            expand(&b, value, shared);
        if (b.failed)
            return zn_fail(err, ZN_INVALID, "the variable %.60s is longer than %d bytes with what it names", key,
                           ENV_MAX);
        if (key)
            env_set(list, key, shared ? (b.len ? zn_buf_str(&b) : "") : value);
    }
    return 0;
}

static json_t *domains(const json_t *snapshot)
{
    size_t i;
    json_t *url;
    struct zn_buf b = ZN_BUF(65536);

    json_array_foreach (json_object_get(snapshot, "urls"), i, url) {
        if (b.len)
            zn_buf_putc(&b, ',');
        zn_buf_puts(&b, zn_json_str(url, "domain", ""));
    }
    json_t *ret = json_stringn(b.mem ? b.mem : "", b.len);
    zn_buf_done(&b);
    return ret;
}

static json_t *literals(const json_t *list, struct zn_err *err)
{
    size_t i;
    json_t *line;
    zn_auto_json out = json_array();

    json_array_foreach (list, i, line)
        if (json_array_append_new(out, literal(json_string_value(line))) < 0) {
            zn_fail(err, ZN_INTERNAL, "out of memory");
            return NULL;
        }
    return ZN_TAKE(out);
}

/* Environment of the container: shared, then the service's own, then ours; later ones win. */
static json_t *env_list(json_t *snapshot, const struct zn_spec_env *env, struct zn_err *err)
{
    zn_auto_json list = json_array();
    zn_auto_json hosts = domains(snapshot);

    if (env_layer(list, env->shared_env, NULL, err) < 0 ||
        env_layer(list, json_object_get(snapshot, "env_variables"), env->shared_env, err) < 0)
        return NULL;
    env_set(list, "ZANE", "true");
    env_set(list, "ZANE_DOMAINS", json_string_value(hosts) ? json_string_value(hosts) : "");
    env_set(list, "ZANE_ENVIRONMENT", env->environment);
    env_set(list, "ZANE_PRIVATE_DOMAIN", zn_json_str(snapshot, "network_alias", ""));
    env_set(list, "ZANE_DEPLOYMENT_TYPE", "docker");
    env_set(list, "ZANE_SERVICE_ID", zn_json_str(snapshot, "id", ""));
    env_set(list, "ZANE_SERVICE_NAME", zn_json_str(snapshot, "slug", ""));
    env_set(list, "ZANE_PROJECT_ID", env->project_id);
    env_set(list, "ZANE_DEPLOYMENT_SLOT", env->slot);
    env_set(list, "ZANE_DEPLOYMENT_HASH", env->hash);
    return literals(list, err);
}

static json_t *mounts(const json_t *snapshot)
{
    size_t i;
    json_t *v, *list = json_array();

    json_array_foreach (json_object_get(snapshot, "volumes"), i, v) {
        const char *host = zn_json_str(v, "host_path", NULL);
        char name[ZN_NAME_LEN];

        zn_name_volume(zn_json_str(v, "id", ""), name);
        json_array_append_new(
            list, json_pack("{s:s,s:o,s:o,s:b}", "Type", host ? "bind" : "volume", "Source",
                            literal(host ? host : name), "Target", literal(zn_json_str(v, "container_path", "")),
                            "ReadOnly", strcmp(zn_json_str(v, "mode", ""), "READ_ONLY") == 0));
    }
    json_array_foreach (json_object_get(snapshot, "shared_volumes"), i, v) {
        char name[ZN_NAME_LEN];

        zn_name_volume(zn_json_str(json_object_get(v, "volume"), "id", ""), name);
        json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:b}", "Type", "volume", "Source", name, "Target",
                                              literal(zn_json_str(v, "container_path", "")), "ReadOnly", 1));
    }
    return list;
}

/* Files of the service: readable by every user of its containers, as the image chooses that user. */
static json_t *config_files(const json_t *snapshot, const struct zn_spec_env *env)
{
    size_t i;
    json_t *c, *list = json_array();

    json_array_foreach (json_object_get(snapshot, "configs"), i, c) {
        char name[ZN_NAME_LEN];

        zn_name_config(zn_json_str(c, "id", ""), zn_json_int(c, "version", 1), name);
        json_array_append_new(
            list, json_pack("{s:{s:s,s:s,s:s,s:i},s:s,s:s}", "File", "Name", zn_json_str(c, "mount_path", ""), "UID",
                            "0", "GID", "0", "Mode", 0444, "ConfigID", zn_json_str(env->configs, name, ""),
                            "ConfigName", name));
    }
    return list;
}

static json_t *limits(const json_t *snapshot)
{
    static const struct {
        const char *unit;
        long long bytes;
    } units[] = { { "BYTES", 1 },
                  { "KILOBYTES", 1024 },
                  { "MEGABYTES", 1024 * 1024 },
                  { "GIGABYTES", 1024 * 1024 * 1024 } };
    json_t *given = json_object_get(snapshot, "resource_limits");
    json_t *cpus = json_object_get(given, "cpus"), *memory = json_object_get(given, "memory");
    json_t *ret = json_object();

    if (json_is_number(cpus))
        json_object_set_new(ret, "NanoCPUs",
                            json_integer((json_int_t)(json_number_value(cpus) * 1e9)));
    for (size_t i = 0; memory && i < sizeof units / sizeof *units; i++)
        if (strcmp(zn_json_str(memory, "unit", "BYTES"), units[i].unit) == 0)
            json_object_set_new(ret, "MemoryBytes",
                                json_integer(zn_json_int(memory, "value", 0) * units[i].bytes));
    return json_pack("{s:o}", "Limits", ret);
}

static json_t *host_ports(const json_t *snapshot)
{
    size_t i;
    json_t *p, *list = json_array();

    json_array_foreach (json_object_get(snapshot, "ports"), i, p)
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:I}", "Protocol", "tcp", "PublishMode", "host",
                            "PublishedPort", zn_json_int(p, "host", 0), "TargetPort",
                            zn_json_int(p, "forwarded", 0)));
    return list;
}

static json_t *log_driver(const json_t *snapshot, const struct zn_spec_env *env)
{
    if (!env->log_address || !*env->log_address)
        return json_pack("{s:s}", "Name", "json-file");

    zn_auto_json tag = json_pack("{s:s,s:s}", "service_id", zn_json_str(snapshot, "id", ""),
                                 "deployment_id", env->hash);
    zn_auto_mem char *text = json_dumps(tag, JSON_COMPACT);

    return json_pack("{s:s,s:{s:s,s:s,s:s,s:s,s:s}}", "Name", "fluentd", "Options",
                     "fluentd-address", env->log_address, "fluentd-request-ack", "false",
                     "fluentd-sub-second-precision", "true", "fluentd-retry-wait", "200ms", "tag",
                     text);
}

/* A command is a list of words separated by blanks; quotes keep blanks together. */
static int split_command(const char *s, json_t *list, struct zn_err *err)
{
    zn_auto_buf struct zn_buf word = ZN_BUF(65536);

    while (*s) {
        char quote = 0;

        while (*s == ' ' || *s == '\t' || *s == '\n')
            s++;
        if (!*s)
            break;
        zn_buf_clear(&word);
        for (; *s && (quote || !strchr(" \t\n", *s)); s++) {
            if (quote ? *s == quote : (*s == '"' || *s == '\''))
                quote = quote ? 0 : *s;
            else if (*s == '\\' && quote != '\'' && s[1])
                zn_buf_putc(&word, *++s);
            else
                zn_buf_putc(&word, *s);
        }
        if (quote)
            return zn_fail(err, ZN_INVALID, "the command has an open %c quote", quote);
        json_array_append_new(list, json_string(zn_buf_str(&word)));
    }
    return 0;
}

static json_t *labels(const json_t *snapshot, const struct zn_spec_env *env)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "zane.managed", "true", "zane.project",
                     env->project_id, "zane.environment", env->environment_id, "zane.service",
                     zn_json_str(snapshot, "id", ""), "zane.deployment", env->hash, "zane.slot",
                     env->slot);
}

static json_t *container(json_t *snapshot, const struct zn_spec_env *env, struct zn_err *err)
{
    const char *command = zn_json_str(snapshot, "command", NULL);
    json_t *variables = env_list(snapshot, env, err);
    if (!variables)
        return NULL;
    json_t *c = json_pack("{s:s,s:o,s:o,s:o,s:o,s:b,s:I,s:{s:[s]}}", "Image",
                          zn_json_str(snapshot, "image", ""), "Env", variables, "Labels",
                          labels(snapshot, env), "Mounts", mounts(snapshot), "Configs",
                          config_files(snapshot, env), "Init", 1, "StopGracePeriod",
                          (json_int_t)STOP_GRACE_NS, "Healthcheck", "Test", "NONE");
    zn_auto_json args = json_array();

    if (command && split_command(command, args, err) < 0) {
        json_decref(c);
        return NULL;
    }
    if (json_array_size(args))
        json_object_set(c, "Args", args);
    return c;
}

int zn_spec_build(json_t *snapshot, const struct zn_spec_env *env, json_t **ret,
                  struct zn_err *err)
{
    const char *id = zn_json_str(snapshot, "id", NULL);
    const char *alias = zn_json_str(snapshot, "network_alias", NULL);
    char name[ZN_NAME_LEN], network[ZN_NAME_LEN];

    if (!id || !zn_json_str(snapshot, "image", NULL))
        return zn_fail(err, ZN_INVALID, "the service has no %s", id ? "image" : "id");
    zn_name_service(id, env->slot, name);
    zn_name_network(env->environment_id, network);

    json_t *spec = container(snapshot, env, err);
    if (!spec)
        return -1;
    json_t *aliases = json_pack("[s]", name);
    if (alias)
        json_array_append_new(aliases, json_string(alias));
    json_t *task = json_pack("{s:o,s:o,s:{s:s,s:I},s:[{s:s,s:o}],s:o}", "ContainerSpec", spec,
                             "Resources", limits(snapshot), "RestartPolicy", "Condition", "any",
                             "Delay", (json_int_t)RESTART_DELAY_NS, "Networks", "Target", network,
                             "Aliases", aliases, "LogDriver", log_driver(snapshot, env));
    json_t *all = json_pack("{s:s,s:o,s:o,s:{s:{s:i}},s:{s:s,s:o}}", "Name", name, "Labels",
                            labels(snapshot, env), "TaskTemplate", task, "Mode", "Replicated",
                            "Replicas", 1, "EndpointSpec", "Mode", "dnsrr", "Ports",
                            host_ports(snapshot));
    if (!all)
        return zn_fail(err, ZN_INTERNAL, "out of memory building the service spec");
    *ret = all;
    return 0;
}
