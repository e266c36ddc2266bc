/* Names, specs, error translation, task summaries and the log demultiplexer. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "zaned/swarm/demux.h"
#include "zaned/swarm/engine.h"
#include "zaned/swarm/spec.h"

static const struct zn_spec_env env = {
    .hash = "dpl_dkr_Abc",
    .slot = "GREEN",
    .environment_id = "env_XyZ",
    .environment = "production",
    .project_id = "prj_P1",
    .log_address = "unix:///run/zane/logs/fluent.sock",
};

static const char SNAPSHOT[] =
    "{\"id\":\"srv_dkr_AbC\",\"slug\":\"web\",\"image\":\"nginx:1\","
    "\"network_alias\":\"zn-web-abc\",\"command\":\"run 'two words' x\","
    "\"env_variables\":[{\"key\":\"A\",\"value\":\"own\"},{\"key\":\"ZANE\",\"value\":\"no\"}],"
    "\"urls\":[{\"domain\":\"a.test\"},{\"domain\":\"b.test\"}],"
    "\"volumes\":[{\"id\":\"vol_V1\",\"container_path\":\"/data\",\"mode\":\"READ_WRITE\"}],"
    "\"ports\":[],\"resource_limits\":{\"cpus\":0.5,\"memory\":{\"unit\":\"MEGABYTES\","
    "\"value\":64}}}";

static const char EXPECTED[] =
    "{\"Name\":\"srv-abc-green\",\"Labels\":{\"zane.managed\":\"true\",\"zane.project\":\"prj_P1\","
    "\"zane.environment\":\"env_XyZ\",\"zane.service\":\"srv_dkr_AbC\","
    "\"zane.deployment\":\"dpl_dkr_Abc\",\"zane.slot\":\"GREEN\"},"
    "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"nginx:1\","
    "\"Env\":[\"A=own\",\"S=shared\",\"ZANE=true\",\"ZANE_DOMAINS=a.test,b.test\","
    "\"ZANE_ENVIRONMENT=production\",\"ZANE_PRIVATE_DOMAIN=zn-web-abc\","
    "\"ZANE_DEPLOYMENT_TYPE=docker\",\"ZANE_SERVICE_ID=srv_dkr_AbC\",\"ZANE_SERVICE_NAME=web\","
    "\"ZANE_PROJECT_ID=prj_P1\",\"ZANE_DEPLOYMENT_SLOT=GREEN\","
    "\"ZANE_DEPLOYMENT_HASH=dpl_dkr_Abc\"],"
    "\"Labels\":{\"zane.managed\":\"true\",\"zane.project\":\"prj_P1\","
    "\"zane.environment\":\"env_XyZ\",\"zane.service\":\"srv_dkr_AbC\","
    "\"zane.deployment\":\"dpl_dkr_Abc\",\"zane.slot\":\"GREEN\"},"
    "\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol-v1\",\"Target\":\"/data\","
    "\"ReadOnly\":false}],\"Configs\":[],\"Init\":true,\"StopGracePeriod\":10000000000,"
    "\"Healthcheck\":{\"Test\":[\"NONE\"]},\"Args\":[\"run\",\"two words\",\"x\"]},"
    "\"Resources\":{\"Limits\":{\"NanoCPUs\":500000000,\"MemoryBytes\":67108864}},"
    "\"RestartPolicy\":{\"Condition\":\"any\",\"Delay\":2000000000},"
    "\"Networks\":[{\"Target\":\"zn-env-xyz\",\"Aliases\":[\"srv-abc-green\",\"zn-web-abc\"]}],"
    "\"LogDriver\":{\"Name\":\"fluentd\",\"Options\":{"
    "\"fluentd-address\":\"unix:///run/zane/logs/fluent.sock\",\"fluentd-request-ack\":\"false\","
    "\"fluentd-sub-second-precision\":\"true\",\"fluentd-retry-wait\":\"200ms\","
    "\"tag\":\"{\\\"service_id\\\":\\\"srv_dkr_AbC\\\",\\\"deployment_id\\\":\\\"dpl_dkr_Abc\\\"}\""
    "}}},\"Mode\":{\"Replicated\":{\"Replicas\":1}},"
    "\"EndpointSpec\":{\"Mode\":\"dnsrr\",\"Ports\":[]}}";

Test(spec, matches_the_expected_document, .timeout = 5)
{
    struct zn_err err = { 0 };
    struct zn_spec_env with = env;
    zn_auto_json shared =
        json_loads("[{\"key\":\"A\",\"value\":\"x\"},{\"key\":\"S\",\"value\":\"shared\"}]", 0, NULL);
    zn_auto_json snapshot = json_loads(SNAPSHOT, 0, NULL);
    zn_auto_json spec = NULL;

    with.shared_env = shared;
    cr_assert_eq(zn_spec_build(snapshot, &with, &spec, &err), 0, "%s", err.msg);
    char *text = json_dumps(spec, JSON_COMPACT);
    cr_expect_str_eq(text, EXPECTED);
    free(text);
}

Test(spec, configs_shared_volumes_and_named_variables, .timeout = 5)
{
    struct zn_err err = { 0 };
    struct zn_spec_env with = env;
    zn_auto_json shared = json_loads("[{\"key\":\"HOST\",\"value\":\"db{{env.HOST}}\"},{\"key\":\"E\",\"value\":\"\"}]",
                                     0, NULL);
    zn_auto_json configs = json_pack("{s:s}", "cfg-c1-v3", "id3");
    zn_auto_json snapshot = json_loads(
        "{\"id\":\"srv_dkr_a\",\"image\":\"x\",\"env_variables\":["
        "{\"key\":\"URL\",\"value\":\"pg://{{env.HOST}}/{{env.HOST}}{{env.E}}\"},"
        "{\"key\":\"OTHER\",\"value\":\"{{env.NO}} {{env. {{env.HOST\"},"
        "{\"key\":\"NONE\",\"value\":\"\"}],"
        "\"configs\":[{\"id\":\"cf_C1\",\"version\":3,\"mount_path\":\"/etc/app.conf\",\"contents\":\"a\"}],"
        "\"shared_volumes\":[{\"volume\":{\"id\":\"vol_V9\"},\"container_path\":\"/in{{.Node.ID}}\"}],"
        "\"ports\":[{\"host\":9000,\"forwarded\":53}]}",
        0, NULL);
    zn_auto_json spec = NULL;

    with.shared_env = shared;
    with.configs = configs;
    cr_assert_eq(zn_spec_build(snapshot, &with, &spec, &err), 0, "%s", err.msg);
    char *text = json_dumps(spec, JSON_COMPACT);
    /* "{{" comes as the template that yields it: the swarm would run it else. */
    cr_expect(strstr(text, "\"URL=pg://db{{\\\"{{\\\"}}env.HOST}}/db{{\\\"{{\\\"}}env.HOST}}\""), "%s", text);
    cr_expect(strstr(text, "\"OTHER={{\\\"{{\\\"}}env.NO}} {{\\\"{{\\\"}}env. {{\\\"{{\\\"}}env.HOST\""), "%s", text);
    cr_expect(strstr(text, "\"NONE=\""));
    cr_expect(strstr(text, "\"Configs\":[{\"File\":{\"Name\":\"/etc/app.conf\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292},"
                           "\"ConfigID\":\"id3\",\"ConfigName\":\"cfg-c1-v3\"}]"));
    cr_expect(strstr(text, "{\"Type\":\"volume\",\"Source\":\"vol-v9\",\"Target\":\"/in{{\\\"{{\\\"}}.Node.ID}}\",\"ReadOnly\":true}"));
    cr_expect(strstr(text, "\"PublishMode\":\"host\",\"PublishedPort\":9000,\"TargetPort\":53"));
    cr_expect(zn_spec_exclusive(snapshot));
    free(text);
}

Test(spec, refuses_an_open_quote, .timeout = 5)
{
    struct zn_err err = { 0 };
    zn_auto_json snapshot = json_loads(
        "{\"id\":\"srv_dkr_a\",\"image\":\"x\",\"command\":\"sh -c 'oops\"}", 0, NULL);
    zn_auto_json spec = NULL;

    cr_assert_eq(zn_spec_build(snapshot, &env, &spec, &err), -1);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_expect_null(spec);
}

Test(spec, exclusive_means_writable_volume_or_host_port, .timeout = 5)
{
    static const struct {
        const char *json;
        bool exclusive;
    } cases[] = {
        { "{}", false },
        { "{\"volumes\":[{\"mode\":\"READ_ONLY\"}]}", false },
        { "{\"volumes\":[{\"mode\":\"READ_ONLY\"},{\"mode\":\"READ_WRITE\"}]}", true },
        { "{\"ports\":[{\"host\":5000,\"forwarded\":50}]}", true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zn_auto_json doc = json_loads(cases[i].json, 0, NULL);
        cr_expect_eq(zn_spec_exclusive(doc), cases[i].exclusive, "%s", cases[i].json);
    }
}

Test(engine, translates_status_and_message, .timeout = 5)
{
    static const struct {
        int status;
        const char *text;
        enum zn_code code;
    } cases[] = {
        { 200, "", ZN_OK },
        { 500, "rpc error: code = Unknown desc = update out of sequence", ZN_BUSY },
        { 500, "something else", ZN_INTERNAL },
        { 409, "name conflicts with an existing object", ZN_CONFLICT },
        { 404, "service nope not found", ZN_NOT_FOUND },
        { 400, "network x is in use by service y", ZN_BUSY },
        { 400, "invalid service version ''", ZN_INVALID },
        { 503, "This node is already part of a swarm", ZN_UNAVAILABLE },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(zn_engine_code(cases[i].status, cases[i].text), cases[i].code, "%s",
                     cases[i].text);
}

Test(engine, takes_the_smaller_api_version, .timeout = 5)
{
    char v[16];

    zn_engine_api(zn_str("1.41"), v);
    cr_expect_str_eq(v, "v1.41");
    zn_engine_api(zn_str("1.52"), v);
    cr_expect_str_eq(v, "v1.44");
    zn_engine_api(zn_str(NULL), v);
    cr_expect_str_eq(v, "v1.41");
}

Test(engine, task_view_names_newest_and_last_failure, .timeout = 5)
{
    struct zn_task_view v;
    zn_auto_json list = json_loads(
        "[{\"ID\":\"a\",\"Version\":{\"Index\":5},\"DesiredState\":\"shutdown\",\"Status\":"
        "{\"State\":\"failed\",\"Err\":\"task: non-zero exit (3)\",\"ContainerStatus\":"
        "{\"ExitCode\":3}}},"
        "{\"ID\":\"b\",\"Version\":{\"Index\":9},\"DesiredState\":\"ready\",\"Status\":"
        "{\"State\":\"ready\"}},"
        "{\"ID\":\"c\",\"Version\":{\"Index\":7},\"DesiredState\":\"shutdown\",\"Status\":"
        "{\"State\":\"complete\",\"ContainerStatus\":{\"ExitCode\":0}}}]",
        0, NULL);

    zn_tasks_view(list, &v);
    cr_assert(v.any);
    cr_expect_str_eq(v.newest.id, "b");
    cr_expect_eq(v.newest.phase, ZN_TASK_PENDING);
    cr_expect_eq(v.failed, 2);
    cr_expect_str_eq(v.last_failed.id, "c");
    cr_expect(strstr(v.last_failed.err, "exit status 0"));
    cr_expect_eq(v.running, 0);
}

/* Words of 20.10, measured; cut at 255 bytes the first would not say what is wrong. */
Test(engine, a_port_that_is_taken_is_named, .timeout = 5)
{
    static const char *const words[] = {
        "starting container failed: container 04634228b58951e9202f98f41d94cdc0000000000000000000000000000000000: "
        "endpoint join on GW Network failed: driver failed programming external connectivity on endpoint "
        "gateway_0bec2cb6c530 (00000000000000000000000000000000000000000000000000000000000000000): Error starting "
        "userland proxy: listen tcp4 0.0.0.0:9322: bind: address already in use",
        "driver failed programming external connectivity: Bind for 0.0.0.0:9322 failed: port is already allocated",
    };

    for (size_t i = 0; i < 2; i++) {
        struct zn_task_view v;
        zn_auto_json list = json_pack("[{s:s,s:{s:i},s:s,s:{s:s,s:s}}]", "ID", "a", "Version", "Index", 1,
                                      "DesiredState", "shutdown", "Status", "State", "failed", "Err", words[i]);

        zn_tasks_view(list, &v);
        cr_expect_str_eq(v.last_failed.err, "port 9322 of the host is in use by another program");
    }
}

struct got {
    char text[64];
    size_t n;
};

static int collect(void *arg, int stream, const char *p, size_t n)
{
    struct got *g = arg;

    for (size_t i = 0; i < n && g->n + 2 < sizeof g->text; i++) {
        g->text[g->n++] = (char)('0' + stream);
        g->text[g->n++] = p[i];
    }
    return 0;
}

Test(demux, any_split_gives_the_same, .timeout = 5)
{
    static const char in[] = "\1\0\0\0\0\0\0\2ab\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\1c";

    for (size_t cut = 0; cut < sizeof in; cut++) {
        struct got g = { 0 };
        struct zn_demux d = { .sink = collect, .arg = &g };

        cr_assert_eq(zn_demux_feed(&d, in, cut), 0);
        cr_assert_eq(zn_demux_feed(&d, in + cut, sizeof in - 1 - (cut < sizeof in ? cut : 0)), 0);
        g.text[g.n] = '\0';
        cr_expect_str_eq(g.text, "1a1b2c", "cut at %zu", cut);
        if (cut == sizeof in - 1)
            break;
    }
}

Test(demux, refuses_a_header_no_engine_sends, .timeout = 5)
{
    struct got g = { 0 };
    struct zn_demux bad_type = { .sink = collect, .arg = &g };
    struct zn_demux huge = { .sink = collect, .arg = &g };

    cr_expect_eq(zn_demux_feed(&bad_type, "\7\0\0\0\0\0\0\1x", 9), -EPROTO);
    cr_expect_eq(zn_demux_feed(&huge, "\1\0\0\0\177\0\0\1x", 9), -EPROTO);
    cr_expect_eq(g.n, 0);
}
