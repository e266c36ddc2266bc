#include "supervisor/boot_spec.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/guard.h"

static const long long SECOND_NS = 1000000000LL;
static const long long MIB = 1024 * 1024;

enum { CADDY_GROUP = 972, LOGS_GROUP = 975, PIDS = 512, TMP_MIB = 64, STICKY = 01777 };
enum { API_NO_NEW_PRIVILEGES = 44 };

static void put(json_t *list, const char *key, const char *value)
{
    json_array_append_new(list, json_sprintf("%s=%s", key, value));
}

static void put_int(json_t *list, const char *key, long long value)
{
    json_array_append_new(list, json_sprintf("%s=%lld", key, value));
}

static json_t *environment(const struct zn_component_def *def, const struct zn_spec_facts *f)
{
    const struct zn_config *c = f->config;
    json_t *list = json_array();

    if (def->role || strcmp(def->image, "fluentd") == 0) {
        put(list, "ZN_API_URL", "http://zn-zaned-api:8080");
        put(list, "ZN_SECRETS", "/run/secrets");
    }
    if (!def->role)
        return list;
    put(list, "ZN_PG_HOST", "zn-postgres");
    put(list, "ZN_VALKEY_HOST", "zn-valkey");
    put(list, "ZN_LOKI_URL", "http://zn-loki:3100");
    put(list, "ZN_TEMPORAL", "zn-temporal:7233");
    put(list, "ZN_EDGE_DIR", "/var/lib/zane-edge");
    put(list, "ZN_ROOT_DOMAIN", c->root_domain);
    put(list, "ZN_APP_DOMAIN", c->app_domain);
    put_int(list, "ZN_HTTP_PORT", c->http_port);
    put_int(list, "ZN_HTTPS_PORT", c->https_port);
    put(list, "ZN_VERSION", f->version);
    json_array_append_new(list, json_sprintf("ZN_LOG_ADDRESS=unix://%s/logs/fluent.sock", c->run));
    if (strcmp(def->role, "worker") == 0 && !c->embedded)
        put(list, "ZN_STANDBY_COLLECTOR", "1");
    return list;
}

static void bind(json_t *list, const char *target, bool read_only, const char *dir, const char *sub)
{
    json_array_append_new(list, json_pack("{s:s,s:o,s:s,s:b}", "Type", "bind", "Source",
                                          json_sprintf("%s%s", dir, sub), "Target", target,
                                          "ReadOnly", read_only));
}

static void tmpfs(json_t *list, const char *target)
{
    json_array_append_new(list, json_pack("{s:s,s:s,s:{s:I,s:i}}", "Type", "tmpfs", "Target",
                                          target, "TmpfsOptions", "SizeBytes",
                                          (json_int_t)(TMP_MIB * MIB), "Mode", STICKY));
}

/* The engine gives a tmpfs mount the owner root and the mode of the image's directory, whatever mode
 * was asked for (measured, 20.10): a directory for another user's sockets has to be a volume of type
 * tmpfs, which takes an owner. */
static void socket_dir(json_t *list, const char *volume, const char *target, unsigned uid)
{
    json_array_append_new(
        list, json_pack("{s:s,s:s,s:s,s:{s:b,s:{s:s,s:{s:s,s:s,s:o}}}}", "Type", "volume",
                        "Source", volume, "Target", target, "VolumeOptions", "NoCopy", 1,
                        "DriverConfig", "Name", "local", "Options", "type", "tmpfs", "device",
                        "tmpfs", "o", json_sprintf("uid=%u,gid=%u,mode=755,size=1m", uid, uid)));
}

static json_t *mounts(enum zn_component_id id, const struct zn_component_def *def,
                      const struct zn_config *c)
{
    json_t *list = json_array();

    if (def->volume)
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:{s:{s:s}}}", "Type", "volume", "Source", def->volume,
                            "Target", def->mount, "VolumeOptions", "Labels", "zane.component",
                            def->name));
    tmpfs(list, "/tmp");
    if (id == ZN_C_POSTGRES)
        socket_dir(list, "zn-postgres-run", "/run/postgresql", def->uid);
    if (id == ZN_C_CADDY || id == ZN_C_API)
        bind(list, "/run/zane-status", true, c->run, "/status");
    if (id == ZN_C_API || id == ZN_C_WORKER)
        bind(list, "/run/zane-view", true, c->run, "/view");
    if (id == ZN_C_CADDY || id == ZN_C_API || id == ZN_C_WORKER)
        bind(list, "/run/caddy", false, c->run, "/caddy");
    if (id == ZN_C_CADDY || id == ZN_C_WORKER)
        bind(list, "/var/lib/zane-edge", id == ZN_C_CADDY, c->state, "/edge");
    if (id == ZN_C_FLUENTD || id == ZN_C_WORKER)
        bind(list, "/run/zane-logs", false, c->run, "/logs");
    if (id == ZN_C_WORKER)
        bind(list, "/run/docker.sock", false, c->engine, "");
    return list;
}

static json_t *secret_refs(const char *const *names, unsigned uid, const struct zn_secrets *all)
{
    json_t *list = json_array();
    char owner[12];

    snprintf(owner, sizeof owner, "%u", uid);
    for (; *names; names++)
        for (unsigned i = 0; i < ZN_SECRETS; i++) {
            const struct zn_secret *s = &all->all[i];

            if (strcmp(s->name, *names) == 0)
                json_array_append_new(
                    list, json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:i}}", "SecretID", s->id,
                                    "SecretName", s->engine_name, "File", "Name", s->name, "UID",
                                    owner, "GID", owner, "Mode", 0400));
        }
    return list;
}

static json_t *groups(enum zn_component_id id, const struct zn_spec_facts *f)
{
    json_t *list = json_array();

    json_array_append_new(list, json_sprintf("%d", CADDY_GROUP));
    json_array_append_new(list, json_sprintf("%d", LOGS_GROUP));
    if (id == ZN_C_WORKER)
        json_array_append_new(list, json_sprintf("%u", f->engine_gid));
    return list;
}

/* The engine's own health check stays off: swarm would kill what fails it, although the fault may be
 * a dependency's; watch.c runs the same check at its own pace. */
static json_t *container(enum zn_component_id id, const struct zn_component_def *def,
                         const struct zn_spec_facts *f)
{
    json_t *c = json_pack("{s:s,s:o,s:o,s:o,s:o,s:{s:s},s:b,s:b,s:[s],s:I,s:{s:[s]}}", "Image",
                          f->image, "Hostname", json_sprintf("zn-%s", def->name), "Env",
                          environment(def, f), "Mounts", mounts(id, def, f->config), "Secrets",
                          secret_refs(def->secrets, def->uid, f->secrets), "Labels",
                          "zane.component", def->name, "Init", 1, "ReadOnly", 1, "CapabilityDrop",
                          "ALL", "StopGracePeriod", (json_int_t)(def->stop_s * SECOND_NS),
                          "Healthcheck", "Test", "NONE");

    if (def->role) {
        json_object_set_new(c, "Args", json_pack("[s]", def->role));
        json_object_set_new(c, "Groups", groups(id, f));
    }
    if (f->api >= API_NO_NEW_PRIVILEGES)
        json_object_set_new(c, "Privileges", json_pack("{s:b}", "NoNewPrivileges", 1));
    return c;
}

static json_t *networks(const struct zn_component_def *def)
{
    json_t *list = json_array();

    if (def->control)
        json_array_append_new(list, json_pack("{s:s}", "Target", "zn-control"));
    if (def->edge)
        json_array_append_new(list, json_pack("{s:s}", "Target", "zn-edge"));
    return list;
}

static json_t *ports(enum zn_component_id id, const struct zn_config *c)
{
    if (id != ZN_C_CADDY)
        return json_array();
    return json_pack("[{s:s,s:s,s:I,s:i},{s:s,s:s,s:I,s:i}]", "Protocol", "tcp", "PublishMode",
                     "host", "PublishedPort", (json_int_t)c->http_port, "TargetPort", 8080,
                     "Protocol", "tcp", "PublishMode", "host", "PublishedPort",
                     (json_int_t)c->https_port, "TargetPort", 8443);
}

static json_t *service(enum zn_component_id id, const struct zn_component_def *def,
                       const struct zn_spec_facts *f)
{
    json_t *task = json_pack(
        "{s:o,s:{s:{s:I,s:i}},s:{s:s},s:o,s:{s:s,s:{s:s,s:s}}}", "ContainerSpec",
        container(id, def, f), "Resources", "Limits", "MemoryBytes",
        (json_int_t)(def->cap_mib * MIB), "Pids", PIDS, "RestartPolicy", "Condition", "none",
        "Networks", networks(def), "LogDriver", "Name", "json-file", "Options", "max-size", "1m",
        "max-file", "3");

    /* One writer to a volume, one owner of a host port: stop first. Monitoring is ours. */
    return json_pack("{s:o,s:{s:s},s:o,s:{s:{s:i}},s:{s:i,s:I,s:s,s:s},s:{s:s,s:o}}", "Name",
                     json_sprintf("zn-%s", def->name), "Labels", "zane.component", def->name,
                     "TaskTemplate", task, "Mode", "Replicated", "Replicas", 1, "UpdateConfig",
                     "Parallelism", 1, "Monitor", (json_int_t)(SECOND_NS / 10), "FailureAction",
                     "continue", "Order", "stop-first", "EndpointSpec", "Mode", "dnsrr", "Ports",
                     ports(id, f->config));
}

static void hash_spec(json_t *spec, char ret[ZN_SPEC_HASH])
{
    unsigned char hash[16];
    char hex[2 * sizeof hash + 1];
    zn_auto_mem char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);

    crypto_generichash(hash, sizeof hash, (const unsigned char *)(text ? text : ""),
                       text ? strlen(text) : 0, NULL, 0);
    zn_hex(hash, sizeof hash, hex);
    snprintf(ret, ZN_SPEC_HASH, "%.12s", hex);
}

json_t *zn_spec_component(enum zn_component_id id, const struct zn_spec_facts *f,
                          char hash[ZN_SPEC_HASH])
{
    json_t *spec = service(id, zn_component_def(id, f->config->embedded), f);

    if (!spec)
        return NULL;
    hash_spec(spec, hash);
    json_object_set_new(json_object_get(spec, "Labels"), "zane.spec", json_string(hash));
    return spec;
}

json_t *zn_spec_migration(const struct zn_spec_facts *f)
{
    static const struct zn_component_def def = {
        .name = "migrate", .image = "zaned", .role = "migrate", .uid = 976, .cap_mib = 96,
        .control = true, .stop_s = 10, .secrets = { "pg_zane_password" },
    };

    return service(ZN_C_MAX, &def, f);
}

json_t *zn_spec_canary(const struct zn_spec_facts *f, const char *run)
{
    static const struct zn_component_def def = { .name = "canary", .image = "example", .cap_mib = 32,
                                                 .edge = true, .stop_s = 1 };
    /* No user can have this service id; what it writes is the platform's own. */
    static const char tag[] = "{\"service_id\":\"" ZN_CANARY "\",\"deployment_id\":\"gate\","
                              "\"source\":\"SYSTEM\"}";
    json_t *spec = service(ZN_C_MAX, &def, f), *task = json_object_get(spec, "TaskTemplate");

    put(json_object_get(json_object_get(task, "ContainerSpec"), "Env"), "ZANE_DEPLOYMENT_HASH", run);
    /* As a user's service: the engine starts it again, and its lines go the way of all apps' lines. */
    json_object_set_new(task, "RestartPolicy", json_pack("{s:s,s:I}", "Condition", "any", "Delay",
                                                         (json_int_t)SECOND_NS));
    json_object_set_new(task, "LogDriver",
                        json_pack("{s:s,s:{s:o,s:s,s:s,s:s,s:s}}", "Name", "fluentd", "Options",
                                  "fluentd-address",
                                  json_sprintf("unix://%s/logs/fluent.sock", f->config->run),
                                  "fluentd-request-ack", "false", "fluentd-sub-second-precision",
                                  "true", "fluentd-retry-wait", "200ms", "tag", tag));
    return spec;
}
