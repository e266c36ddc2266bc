#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/json.h"
#include "supervisor/boot.h"
#include "supervisor/edge.h"
#include "supervisor/watch.h"

static struct zn_config config = { .state = "/var/lib/zane", .run = "/run/zane",
                                   .engine = "/run/docker.sock", .root_domain = "zane.localhost",
                                   .app_domain = "zane.localhost", .http_port = 80,
                                   .https_port = 443 };
static struct zn_secrets secrets;

static struct zn_spec_facts facts(void)
{
    static const char *const names[ZN_SECRETS] = { "pg_super_password", "pg_zane_password",
                                                   "pg_temporal_password", "valkey_password",
                                                   "encryption_key", "signing_key", "ingest_token",
                                                   "setup_token" };

    for (unsigned i = 0; i < ZN_SECRETS; i++) {
        secrets.all[i].name = names[i];
        snprintf(secrets.all[i].engine_name, sizeof secrets.all[i].engine_name, "%s-abc", names[i]);
        snprintf(secrets.all[i].id, sizeof secrets.all[i].id, "id%u", i);
    }
    return (struct zn_spec_facts){ .config = &config, .secrets = &secrets, .image = "sha256:1",
                                   .version = "0.1.0", .engine_gid = 998, .api = 41 };
}

static json_t *container(json_t *spec)
{
    return json_object_get(json_object_get(spec, "TaskTemplate"), "ContainerSpec");
}

static bool mounts(json_t *spec, const char *target, bool read_only)
{
    size_t i;
    json_t *m;

    json_array_foreach (json_object_get(container(spec), "Mounts"), i, m)
        if (strcmp(zn_json_str(m, "Target", ""), target) == 0)
            return json_is_true(json_object_get(m, "ReadOnly")) == read_only;
    return false;
}

Test(spec, every_component_is_confined_and_has_all_its_secrets)
{
    struct zn_spec_facts f = facts();
    char hash[ZN_SPEC_HASH];

    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        const struct zn_component_def *def = zn_component_def(i, false);
        zn_auto_json spec = zn_spec_component(i, &f, hash);
        json_t *c = container(spec), *task = json_object_get(spec, "TaskTemplate");
        size_t wanted = 0;

        cr_assert_not_null(spec, "%s", def->name);
        cr_assert(json_is_true(json_object_get(c, "ReadOnly")));
        cr_assert_str_eq(
            json_string_value(json_array_get(json_object_get(c, "CapabilityDrop"), 0)), "ALL");
        cr_assert_null(json_object_get(c, "CapabilityAdd"));
        cr_assert_eq(zn_json_int(json_object_get(json_object_get(task, "Resources"), "Limits"),
                                 "MemoryBytes", 0),
                     (int64_t)def->cap_mib << 20);
        cr_assert_str_eq(zn_json_str(json_object_get(task, "RestartPolicy"), "Condition", ""),
                         "none");
        while (def->secrets[wanted])
            wanted++;
        cr_assert_eq(json_array_size(json_object_get(c, "Secrets")), wanted, "%s", def->name);
    }
}

Test(spec, the_app_of_the_gate_logs_as_an_app_does_under_a_name_that_none_can_have)
{
    struct zn_spec_facts f = facts();
    zn_auto_json spec = zn_spec_canary(&f, "run7");
    json_t *task = json_object_get(spec, "TaskTemplate"), *driver = json_object_get(task, "LogDriver");
    json_t *options = json_object_get(driver, "Options");
    zn_auto_json tag = json_loads(zn_json_str(options, "tag", ""), 0, NULL);

    cr_assert_str_eq(zn_json_str(spec, "Name", ""), ZN_CANARY);
    cr_assert_str_eq(zn_json_str(driver, "Name", ""), "fluentd");
    cr_assert_str_eq(zn_json_str(options, "fluentd-address", ""), "unix:///run/zane/logs/fluent.sock");
    cr_assert_str_eq(zn_json_str(options, "fluentd-request-ack", ""), "false");
    cr_assert_str_eq(zn_json_str(tag, "service_id", ""), ZN_CANARY);
    cr_assert_str_eq(zn_json_str(tag, "source", ""), "SYSTEM");
    cr_assert_eq(json_array_size(json_object_get(task, "Networks")), 1);
    cr_assert_str_eq(zn_json_str(json_array_get(json_object_get(task, "Networks"), 0), "Target", ""), "zn-edge");
    cr_assert_null(json_object_get(json_object_get(spec, "Labels"), "zane.managed"), "it is nobody's service");
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(container(spec), "Env"), 0)),
                     "ZANE_DEPLOYMENT_HASH=run7");
    cr_assert_eq(json_array_size(json_object_get(container(spec), "Secrets")), 0);
}

Test(spec, secrets_belong_to_the_user_of_the_component_alone)
{
    struct zn_spec_facts f = facts();
    char hash[ZN_SPEC_HASH];
    zn_auto_json spec = zn_spec_component(ZN_C_VALKEY, &f, hash);
    json_t *secret = json_array_get(json_object_get(container(spec), "Secrets"), 0);
    json_t *file = json_object_get(secret, "File");

    cr_assert_str_eq(zn_json_str(secret, "SecretID", ""), "id3");
    cr_assert_str_eq(zn_json_str(secret, "SecretName", ""), "valkey_password-abc");
    cr_assert_str_eq(zn_json_str(file, "Name", ""), "valkey_password");
    cr_assert_str_eq(zn_json_str(file, "UID", ""), "971");
    cr_assert_eq(zn_json_int(file, "Mode", 0), 0400);
}

Test(spec, only_caddy_publishes_ports_and_only_the_worker_gets_the_engine)
{
    struct zn_spec_facts f = facts();
    char hash[ZN_SPEC_HASH];

    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        zn_auto_json spec = zn_spec_component(i, &f, hash);
        json_t *endpoint = json_object_get(spec, "EndpointSpec");

        cr_assert_eq(json_array_size(json_object_get(endpoint, "Ports")),
                     i == ZN_C_CADDY ? 2u : 0u);
        cr_assert_str_eq(zn_json_str(endpoint, "Mode", ""), "dnsrr");
        cr_assert_eq(mounts(spec, "/run/docker.sock", false), i == ZN_C_WORKER);
        cr_assert_eq(mounts(spec, "/var/lib/zane-edge", true), i == ZN_C_CADDY);
    }
}

Test(spec, the_hash_follows_every_change_and_nothing_else)
{
    struct zn_spec_facts f = facts();
    char a[ZN_SPEC_HASH], b[ZN_SPEC_HASH], c[ZN_SPEC_HASH];

    json_decref(zn_spec_component(ZN_C_API, &f, a));
    json_decref(zn_spec_component(ZN_C_API, &f, b));
    cr_assert_str_eq(a, b);
    f.image = "sha256:2";
    json_decref(zn_spec_component(ZN_C_API, &f, c));
    cr_assert_str_neq(a, c);
    config.http_port = 8080;
    json_decref(zn_spec_component(ZN_C_POSTGRES, &f, b));
    config.http_port = 81;
    json_decref(zn_spec_component(ZN_C_POSTGRES, &f, c));
    cr_assert_str_eq(b, c, "the port is none of postgres' business");
    config.http_port = 80;
}

Test(spec, no_new_privileges_where_the_engine_takes_it)
{
    struct zn_spec_facts f = facts();
    char hash[ZN_SPEC_HASH];
    zn_auto_json old = zn_spec_component(ZN_C_LOKI, &f, hash);

    cr_assert_null(json_object_get(container(old), "Privileges"));
    f.api = 44;
    zn_auto_json new = zn_spec_component(ZN_C_LOKI, &f, hash);
    cr_assert(json_is_true(
        json_object_get(json_object_get(container(new), "Privileges"), "NoNewPrivileges")));
}

Test(pool, avoids_the_routes_of_the_host)
{
    char pool[24];
    const char *head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";
    char routes[512];

    cr_assert(zn_pool_pick(head, pool, sizeof pool));
    cr_assert_str_eq(pool, "10.208.0.0/12");
    /* 10.210.0.0/16 lies inside it; the default route overlaps nothing. */
    snprintf(routes, sizeof routes, "%seth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n%s", head,
             "eth1\t0000D20A\t00000000\t0001\t0\t0\t0\t0000FFFF\n");
    cr_assert(zn_pool_pick(routes, pool, sizeof pool));
    cr_assert_str_eq(pool, "10.144.0.0/12");
    /* 10.0.0.0/8 covers three of them. */
    snprintf(routes, sizeof routes, "%s%s", head,
             "eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\n");
    cr_assert(zn_pool_pick(routes, pool, sizeof pool));
    cr_assert_str_eq(pool, "172.24.0.0/14");
    snprintf(routes, sizeof routes, "%s%s%s%s", head,
             "a\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\n",
             "b\t000010AC\t00000000\t0001\t0\t0\t0\t0000F0FF\n",
             "c\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\n");
    cr_assert_not(zn_pool_pick(routes, pool, sizeof pool));
}

Test(load, an_error_in_the_stream_is_found_although_the_status_is_200)
{
    zn_auto_mem char *none = zn_load_error(zn_str("{\"stream\":\"Loaded image\"}\r\n"));
    zn_auto_mem char *late = zn_load_error(
        zn_str("{\"stream\":\"x\"}\r\n{\"errorDetail\":{},\"error\":\"no space left\"}\r\n"));
    zn_auto_mem char *text = zn_load_error(zn_str("oops"));
    zn_auto_mem char *empty = zn_load_error((struct zn_str){ NULL, 0 });

    cr_assert_null(none);
    cr_assert_str_eq(late, "no space left");
    cr_assert_not_null(text);
    cr_assert_null(empty);
}

Test(log_text, frames_are_joined_and_broken_ones_do_no_harm)
{
    static const char two[] = "\1\0\0\0\0\0\0\3ab\n\2\0\0\0\0\0\0\2c\x1b";
    static const char cut[] = "\1\0\0\0\xff\xff\xff\xff"
                              "xy";
    zn_auto_mem char *a = zn_log_text((struct zn_str){ two, sizeof two - 1 });
    zn_auto_mem char *b = zn_log_text((struct zn_str){ cut, sizeof cut - 1 });
    zn_auto_mem char *c = zn_log_text((struct zn_str){ cut, 5 });

    cr_assert_str_eq(a, "ab\nc ");
    cr_assert_str_eq(b, "xy");
    cr_assert_str_eq(c, "");
}

Test(edge, plan_has_the_busiest_first_and_leaves_out_what_is_attached)
{
    zn_auto_json networks = json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s}]", "Id", "n1", "Name", "zn-env-a",
                                      "Id", "n2", "Name", "zn-env-b", "Id", "n3", "Name", "zn-env-c");
    zn_auto_json services = json_pack(
        "[{s:{s:{s:[{s:s}]}}},{s:{s:{s:[{s:s}]}}},{s:{s:{s:[{s:s}]}}}]", "Spec", "TaskTemplate",
        "Networks", "Target", "n2", "Spec", "TaskTemplate", "Networks", "Target", "zn-env-b",
        "Spec", "TaskTemplate", "Networks", "Target", "n1");
    zn_auto_json attached = json_pack("{s:{s:s},s:{s:s}}", "zn-env-c", "IPAddress", "10.0.3.254",
                                        "zn-env-b", "IPAddress", ""); /* a connect that failed */
    zn_auto_json plan = zn_edge_plan(networks, services, attached);

    cr_assert_eq(json_array_size(plan), 2);
    cr_assert_str_eq(json_string_value(json_array_get(plan, 0)), "n2");
    cr_assert_str_eq(json_string_value(json_array_get(plan, 1)), "n1");
}
