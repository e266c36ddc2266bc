/* Change requests: parsing, checking against the service, overlay, difference, conflicts. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdarg.h>
#include <string.h>

#include "zaned/domain/change.h"
#include "zaned/domain/state.h"

static struct zn_arena arena = { .limit = 4 << 20 };

static json_t *js(const char *text)
{
    json_error_t je;
    json_t *doc = json_loads(text, JSON_DECODE_ANY, &je);

    cr_assert(doc, "%s in %s", je.text, text);
    return doc;
}

/* Another service has other.test at "/", and *.wild.test at "/". */
static int taken(void *self, const char *domain, const char *base_path, bool *ret, struct zn_err *err)
{
    (void)self;
    (void)err;
    *ret = strcmp(base_path, "/") == 0 &&
           (strcmp(domain, "other.test") == 0 || strcmp(domain, "x.wild.test") == 0);
    return 0;
}

/* Another service has port 9000, reads vol_read, and has vol_other to be read; reg_1 are credentials. */
static int ask(void *self, enum zn_ask question, const char *what, bool *ret, struct zn_err *err)
{
    static const char *const known[] = { [ZN_ASK_PORT] = "9000",
                                         [ZN_ASK_READ] = "vol_read",
                                         [ZN_ASK_UNREADABLE] = "vol_other",
                                         [ZN_ASK_LOGIN] = "reg_1" };
    bool is = strcmp(what, known[question]) == 0;

    (void)self;
    (void)err;
    *ret = question == ZN_ASK_PORT || question == ZN_ASK_READ ? is : !is;
    return 0;
}

static const struct zn_state_rules rules = { .arena = &arena,
                                             .root_domain = "root.test",
                                             .app_domain = "dash.test",
                                             .url_taken = taken,
                                             .ask = ask,
                                             .max_cpus = 4,
                                             .max_memory_bytes = 1LL << 30,
                                             .http_port = 8080,
                                             .https_port = 8443 };

static const char live_text[] =
    "{\"id\":\"srv_dkr_1\",\"image\":\"app:1\",\"command\":null,\"healthcheck\":null,"
    "\"volumes\":[{\"id\":\"vol_1\",\"name\":\"data\",\"container_path\":\"/data\",\"host_path\":null,"
    "\"mode\":\"READ_WRITE\"},{\"id\":\"vol_read\",\"name\":\"r\",\"container_path\":\"/r\","
    "\"host_path\":null,\"mode\":\"READ_WRITE\"}],"
    "\"ports\":[{\"id\":\"prt_1\",\"host\":5000,\"forwarded\":5000}],"
    "\"configs\":[{\"id\":\"cf_1\",\"name\":\"c\",\"mount_path\":\"/etc/c\",\"contents\":\"x\","
    "\"language\":\"plaintext\",\"version\":3}],"
    "\"shared_volumes\":[],\"resource_limits\":null,"
    "\"env_variables\":[{\"id\":\"env_1\",\"key\":\"A\",\"value\":\"1\"}],"
    "\"urls\":[{\"id\":\"url_1\",\"domain\":\"a.test\",\"base_path\":\"/\",\"strip_prefix\":true,"
    "\"redirect_to\":null,\"associated_port\":80},"
    "{\"id\":\"url_2\",\"domain\":\"*.w.test\",\"base_path\":\"/\",\"strip_prefix\":true,"
    "\"redirect_to\":null,\"associated_port\":80}]}";

/* --- parsing ---------------------------------------------------------------------------------------- */

struct bad_case {
    char json[260], path[48], rule[20];
};

ParameterizedTestParameters(change, rejects)
{
    static struct bad_case cases[] = {
        { "{}", "field", "required" },
        { "{\"field\":\"builder\",\"new_value\":{}}", "field", "invalid_choice" },
        { "{\"field\":\"urls\",\"new_value\":{\"associated_port\":80}}", "type", "required" },
        { "{\"field\":\"urls\",\"type\":\"PUT\",\"new_value\":{}}", "type", "invalid_choice" },
        { "{\"field\":\"source\",\"type\":\"ADD\",\"new_value\":{\"image\":\"a\"}}", "type",
          "invalid_choice" },
        { "{\"field\":\"source\"}", "new_value", "required" },
        { "{\"field\":\"source\",\"new_value\":{}}", "new_value.image", "required" },
        { "{\"field\":\"source\",\"new_value\":{\"image\":\"\"}}", "new_value.image", "blank" },
        { "{\"field\":\"source\",\"new_value\":{\"image\":\"A B\"}}", "new_value.image", "invalid" },
        { "{\"field\":\"source\",\"new_value\":3}", "new_value.non_field_errors", "invalid" },
        { "{\"field\":\"source\",\"new_value\":{\"image\":\"a\","
          "\"container_registry_credentials_id\":\"\"}}",
          "new_value.container_registry_credentials_id", "blank" },
        { "{\"field\":\"ports\",\"type\":\"ADD\",\"new_value\":{\"host\":0,\"forwarded\":80}}",
          "new_value.host", "min_value" },
        { "{\"field\":\"ports\",\"type\":\"ADD\",\"new_value\":{\"host\":81,\"forwarded\":65536}}",
          "new_value.forwarded", "max_value" },
        { "{\"field\":\"resource_limits\",\"new_value\":{\"cpus\":0.09}}", "new_value.cpus",
          "min_value" },
        { "{\"field\":\"resource_limits\",\"new_value\":{\"memory\":{\"value\":5}}}",
          "new_value.memory", "min_value" },
        { "{\"field\":\"resource_limits\",\"new_value\":{\"memory\":{\"value\":5,\"unit\":\"TB\"}}}",
          "new_value.memory.unit", "invalid_choice" },
        { "{\"field\":\"configs\",\"type\":\"ADD\",\"new_value\":{\"mount_path\":\"/a\"}}",
          "new_value.contents", "required" },
        { "{\"field\":\"configs\",\"type\":\"ADD\",\"new_value\":{\"mount_path\":\"a\","
          "\"contents\":\"\"}}", "new_value.mount_path", "invalid" },
        { "{\"field\":\"configs\",\"type\":\"ADD\",\"new_value\":{\"mount_path\":\"/a/..\","
          "\"contents\":\"\"}}", "new_value.mount_path", "invalid" },
        { "{\"field\":\"shared_volumes\",\"type\":\"ADD\",\"new_value\":{"
          "\"container_path\":\"/a\"}}", "new_value.volume_id", "required" },
        { "{\"field\":\"command\",\"new_value\":\"\"}", "new_value", "blank" },
        { "{\"field\":\"command\",\"new_value\":7}", "new_value", "invalid" },
        { "{\"field\":\"command\",\"new_value\":\"a 'b\"}", "new_value", "invalid" },
        { "{\"field\":\"healthcheck\",\"new_value\":{\"type\":\"PATH\",\"value\":\"/\"}}",
          "new_value.associated_port", "invalid" },
        { "{\"field\":\"healthcheck\",\"new_value\":{\"type\":\"COMMAND\",\"value\":\"x\","
          "\"associated_port\":80}}",
          "new_value.associated_port", "invalid" },
        { "{\"field\":\"healthcheck\",\"new_value\":{\"type\":\"PATH\",\"value\":\"/\","
          "\"associated_port\":80,\"timeout_seconds\":4}}",
          "new_value.timeout_seconds", "min_value" },
        { "{\"field\":\"healthcheck\",\"new_value\":{\"type\":\"PATH\",\"value\":\"/\","
          "\"associated_port\":65536}}",
          "new_value.associated_port", "max_value" },
        { "{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{}}", "new_value.container_path",
          "required" },
        { "{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{\"container_path\":\"/a\","
          "\"host_path\":\"/srv/a\",\"mode\":\"READ_WRITE\"}}",
          "new_value.mode", "invalid" },
        { "{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{\"container_path\":\"/a\","
          "\"host_path\":\"/srv/../etc\"}}",
          "new_value.host_path", "invalid" },
        { "{\"field\":\"volumes\",\"type\":\"DELETE\"}", "item_id", "invalid" },
        { "{\"field\":\"volumes\",\"type\":\"ADD\",\"item_id\":\"vol_1\","
          "\"new_value\":{\"container_path\":\"/a\"}}",
          "item_id", "invalid" },
        { "{\"field\":\"env_variables\",\"type\":\"ADD\",\"new_value\":{\"key\":\"1A\","
          "\"value\":\"\"}}",
          "new_value.key", "invalid" },
        { "{\"field\":\"env_variables\",\"type\":\"ADD\",\"new_value\":{\"key\":\"A\"}}",
          "new_value.value", "required" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":null}", "new_value", "required" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"b.test\"}}",
          "new_value.associated_port", "invalid" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"b.test\","
          "\"associated_port\":80,\"redirect_to\":{\"url\":\"https://x.test\"}}}",
          "new_value.associated_port", "invalid" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"b.test\","
          "\"redirect_to\":{\"url\":\"x\"}}}",
          "new_value.redirect_to.url", "invalid" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"http://b.test\","
          "\"associated_port\":80}}",
          "new_value.domain", "invalid" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"associated_port\":80,"
          "\"base_path\":\"/a/*\"}}",
          "new_value.base_path", "invalid" },
    };
    return cr_make_param_array(struct bad_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct bad_case *c, change, rejects, .timeout = 5)
{
    zn_auto_json body = js(c->json);
    struct zn_err err = { 0 };
    json_t *change;

    cr_assert_eq(zn_change_parse(&arena, body, &change, &err), -1);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_assert_eq(err.nfields, 1, "%u fields for %s: %s", err.nfields, c->json,
                 err.nfields ? err.fields[0].path : "");
    cr_expect_str_eq(err.fields[0].path, c->path);
    cr_expect_str_eq(err.fields[0].rule, c->rule);
}

Test(change, all_errors_at_once)
{
    zn_auto_json body = js("{\"field\":\"urls\",\"type\":\"UPDATE\",\"new_value\":{\"domain\":\"A B\","
                           "\"base_path\":\"x\",\"associated_port\":0}}");
    struct zn_err err = { 0 };
    json_t *change;

    cr_assert_eq(zn_change_parse(&arena, body, &change, &err), -1);
    cr_expect_eq(err.nfields, 4);
}

static json_t *parsed(const char *text)
{
    zn_auto_json body = js(text);
    struct zn_err err = { 0 };
    json_t *change = NULL;

    cr_assert_eq(zn_change_parse(&arena, body, &change, &err), 0, "%s: %s", text,
                 err.nfields ? err.fields[0].msg : err.msg);
    return change;
}

static void same(const json_t *got, const char *want)
{
    zn_auto_json w = js(want);
    char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);

    cr_expect(json_equal(got, w), "%s, not %s", text, want);
    free(text);
}

Test(change, canonical_values)
{
    zn_auto_json url = parsed("{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":"
                              "\"B.Test\",\"base_path\":\"/a//b/\",\"associated_port\":8080}}");
    zn_auto_json volume = parsed("{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{"
                                 "\"container_path\":\"/a/../b\",\"host_path\":\"/srv//x/\"}}");
    zn_auto_json health = parsed("{\"field\":\"healthcheck\",\"new_value\":{\"type\":\"COMMAND\","
                                 "\"value\":\"true\"}}");
    zn_auto_json none = parsed("{\"field\":\"resource_limits\",\"new_value\":{}}");
    zn_auto_json limits = parsed("{\"field\":\"resource_limits\",\"new_value\":{\"cpus\":2,"
                                 "\"memory\":{\"value\":64}}}");
    zn_auto_json config = parsed("{\"field\":\"configs\",\"type\":\"ADD\",\"new_value\":{"
                                 "\"mount_path\":\"/etc//app/../x.conf\",\"contents\":\"a\\nb\"}}");
    zn_auto_json login = parsed("{\"field\":\"source\",\"new_value\":{\"image\":\"a\","
                                "\"container_registry_credentials_id\":null}}");

    same(json_object_get(none, "new_value"), "null");
    same(json_object_get(limits, "new_value"),
         "{\"cpus\":2.0,\"memory\":{\"value\":64,\"unit\":\"MEGABYTES\"}}");
    same(json_object_get(config, "new_value"),
         "{\"name\":null,\"mount_path\":\"/etc/x.conf\",\"contents\":\"a\\nb\","
         "\"language\":\"plaintext\"}");
    same(json_object_get(login, "new_value"), "{\"image\":\"a\"}");

    same(json_object_get(url, "new_value"),
         "{\"domain\":\"b.test\",\"base_path\":\"/a/b\",\"strip_prefix\":true,\"redirect_to\":null,"
         "\"associated_port\":8080}");
    same(json_object_get(volume, "new_value"),
         "{\"name\":null,\"container_path\":\"/b\",\"host_path\":\"/srv/x\",\"mode\":\"READ_ONLY\"}");
    same(json_object_get(health, "new_value"),
         "{\"type\":\"COMMAND\",\"value\":\"true\",\"timeout_seconds\":30,\"interval_seconds\":30,"
         "\"associated_port\":null}");
}

/* --- against the service ---------------------------------------------------------------------------- */

static int check(const char *pending_text, json_t *change, struct zn_change_plan *plan,
                 struct zn_err *err)
{
    static json_t *pending; /* the plan borrows from it */
    zn_auto_json live = js(live_text);

    json_decref(pending);
    pending = js(pending_text);
    return zn_change_check(&rules, live, pending, "made-up.root.test", change, plan, err);
}

struct fit_case {
    char json[240], pending[240], path[56];
};

ParameterizedTestParameters(change, does_not_fit)
{
    static struct fit_case cases[] = {
        { "{\"field\":\"env_variables\",\"type\":\"ADD\",\"new_value\":{\"key\":\"A\","
          "\"value\":\"2\"}}", "[]", "new_value.key" },
        { "{\"field\":\"env_variables\",\"type\":\"ADD\",\"new_value\":{\"key\":\"B\","
          "\"value\":\"2\"}}",
          "[{\"type\":\"ADD\",\"field\":\"env_variables\",\"new_value\":{\"key\":\"B\","
          "\"value\":\"\"}}]", "new_value.key" },
        { "{\"field\":\"env_variables\",\"type\":\"UPDATE\",\"item_id\":\"env_9\","
          "\"new_value\":{\"key\":\"B\",\"value\":\"2\"}}", "[]", "item_id" },
        { "{\"field\":\"env_variables\",\"type\":\"DELETE\",\"item_id\":\"env_1\"}",
          "[{\"type\":\"UPDATE\",\"field\":\"env_variables\",\"item_id\":\"env_1\","
          "\"new_value\":{\"key\":\"B\",\"value\":\"\"}}]", "item_id" },
        { "{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{\"container_path\":\"/data/\"}}",
          "[]", "new_value.container_path" },
        { "{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{\"container_path\":\"/etc/c\"}}",
          "[]", "new_value.container_path" },
        { "{\"field\":\"volumes\",\"type\":\"DELETE\",\"item_id\":\"vol_read\"}", "[]", "item_id" },
        { "{\"field\":\"configs\",\"type\":\"ADD\",\"new_value\":{\"mount_path\":\"/data\","
          "\"contents\":\"\"}}", "[]", "new_value.mount_path" },
        { "{\"field\":\"shared_volumes\",\"type\":\"ADD\",\"new_value\":{\"volume_id\":\"vol_other\","
          "\"container_path\":\"/data\"}}", "[]", "new_value.container_path" },
        { "{\"field\":\"shared_volumes\",\"type\":\"ADD\",\"new_value\":{\"volume_id\":\"vol_1\","
          "\"container_path\":\"/x\"}}", "[]", "new_value.volume_id" },
        { "{\"field\":\"shared_volumes\",\"type\":\"ADD\",\"new_value\":{\"volume_id\":\"vol_9\","
          "\"container_path\":\"/x\"}}", "[]", "new_value.volume_id" },
        { "{\"field\":\"shared_volumes\",\"type\":\"ADD\",\"new_value\":{\"volume_id\":\"vol_other\","
          "\"container_path\":\"/x\"}}",
          "[{\"type\":\"ADD\",\"field\":\"shared_volumes\",\"new_value\":{\"volume_id\":\"vol_other\","
          "\"container_path\":\"/y\"}}]", "new_value.volume_id" },
        { "{\"field\":\"ports\",\"type\":\"ADD\",\"new_value\":{\"host\":5000,\"forwarded\":1}}", "[]",
          "new_value.host" },
        { "{\"field\":\"ports\",\"type\":\"ADD\",\"new_value\":{\"host\":9000,\"forwarded\":1}}", "[]",
          "new_value.host" },
        { "{\"field\":\"ports\",\"type\":\"ADD\",\"new_value\":{\"host\":80,\"forwarded\":1}}", "[]",
          "new_value.host" },
        { "{\"field\":\"ports\",\"type\":\"UPDATE\",\"item_id\":\"prt_1\",\"new_value\":{\"host\":443,"
          "\"forwarded\":1}}", "[]", "new_value.host" },
        { "{\"field\":\"ports\",\"type\":\"ADD\",\"new_value\":{\"host\":8443,\"forwarded\":1}}", "[]",
          "new_value.host" },
        { "{\"field\":\"resource_limits\",\"new_value\":{\"cpus\":4.5}}", "[]", "new_value.cpus" },
        { "{\"field\":\"resource_limits\",\"new_value\":{\"memory\":{\"value\":2,"
          "\"unit\":\"GIGABYTES\"}}}", "[]", "new_value.memory" },
        { "{\"field\":\"resource_limits\",\"new_value\":{\"memory\":{\"value\":9223372036854775807,"
          "\"unit\":\"GIGABYTES\"}}}", "[]", "new_value.memory" },
        { "{\"field\":\"source\",\"new_value\":{\"image\":\"a\","
          "\"container_registry_credentials_id\":\"reg_2\"}}", "[]",
          "new_value.container_registry_credentials_id" },
        { "{\"field\":\"volumes\",\"type\":\"UPDATE\",\"item_id\":\"vol_1\",\"new_value\":{"
          "\"container_path\":\"/data\",\"host_path\":\"/srv/x\"}}", "[]", "new_value.host_path" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"a.test\","
          "\"associated_port\":81}}", "[]", "new_value.domain" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"x.w.test\","
          "\"associated_port\":81}}", "[]", "new_value.domain" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"other.test\","
          "\"associated_port\":81}}", "[]", "new_value.domain" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"x.wild.test\","
          "\"associated_port\":81}}", "[]", "new_value.domain" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"dash.test\","
          "\"associated_port\":81}}", "[]", "new_value.domain" },
        { "{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":\"*.root.test\","
          "\"associated_port\":81}}", "[]", "new_value.domain" },
        { "{\"field\":\"urls\",\"type\":\"UPDATE\",\"item_id\":\"url_1\",\"new_value\":{"
          "\"domain\":\"*.w.test\",\"associated_port\":81}}", "[]", "new_value.domain" },
    };
    return cr_make_param_array(struct fit_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct fit_case *c, change, does_not_fit, .timeout = 5)
{
    zn_auto_json change = parsed(c->json);
    struct zn_change_plan plan;
    struct zn_err err = { 0 };

    cr_assert_eq(check(c->pending, change, &plan, &err), -1, "accepted: %s", c->json);
    cr_assert_eq(err.nfields, 1);
    cr_expect_str_eq(err.fields[0].path, c->path);
}

Test(change, fits_where_another_change_made_room)
{
    zn_auto_json change = parsed("{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{\"domain\":"
                                 "\"a.test\",\"associated_port\":81}}");
    struct zn_change_plan plan;
    struct zn_err err = { 0 };

    cr_expect_eq(check("[{\"type\":\"DELETE\",\"field\":\"urls\",\"item_id\":\"url_1\"}]", change,
                       &plan, &err), 0);
    cr_expect(plan.store);
}

Test(change, update_may_move_beside_its_wildcard)
{
    zn_auto_json change = parsed("{\"field\":\"urls\",\"type\":\"UPDATE\",\"item_id\":\"url_1\","
                                 "\"new_value\":{\"domain\":\"x.w.test\",\"associated_port\":80}}");
    struct zn_change_plan plan;
    struct zn_err err = { 0 };

    cr_expect_eq(check("[]", change, &plan, &err), 0);
    cr_expect(plan.store);
    cr_expect_str_eq(zn_json_str(json_object_get(change, "old_value"), "domain", ""), "a.test");
}

Test(change, completes_what_was_left_out)
{
    zn_auto_json url = parsed("{\"field\":\"urls\",\"type\":\"ADD\",\"new_value\":{"
                              "\"associated_port\":80}}");
    zn_auto_json moved = parsed("{\"field\":\"urls\",\"type\":\"UPDATE\",\"item_id\":\"url_1\","
                                "\"new_value\":{\"associated_port\":8080}}");
    zn_auto_json volume = parsed("{\"field\":\"volumes\",\"type\":\"ADD\",\"new_value\":{"
                                 "\"container_path\":\"/v\"}}");
    struct zn_change_plan plan;
    struct zn_err err = { 0 };

    cr_assert_eq(check("[]", url, &plan, &err), 0);
    cr_expect_str_eq(zn_json_str(json_object_get(url, "new_value"), "domain", ""),
                     "made-up.root.test");
    cr_assert_eq(check("[]", moved, &plan, &err), 0);
    cr_expect_str_eq(zn_json_str(json_object_get(moved, "new_value"), "domain", ""), "a.test");
    cr_assert_eq(check("[]", volume, &plan, &err), 0);
    cr_expect(*zn_json_str(json_object_get(volume, "new_value"), "name", ""));
}

Test(change, single_field_replaces_what_waits)
{
    static const char waiting[] = "[{\"id\":\"chg_1\",\"type\":\"UPDATE\",\"field\":\"source\","
                                  "\"new_value\":{\"image\":\"app:2\"}}]";
    zn_auto_json third = parsed("{\"field\":\"source\",\"new_value\":{\"image\":\"app:3\"}}");
    zn_auto_json back = parsed("{\"field\":\"source\",\"new_value\":{\"image\":\"app:1\"}}");
    zn_auto_json none = parsed("{\"field\":\"command\",\"new_value\":null}");
    struct zn_change_plan plan;
    struct zn_err err = { 0 };

    cr_assert_eq(check(waiting, third, &plan, &err), 0);
    cr_expect_str_eq(plan.replaces, "chg_1");
    cr_expect(plan.store);
    same(json_object_get(third, "old_value"), "{\"image\":\"app:1\"}");
    cr_assert_eq(check(waiting, back, &plan, &err), 0);
    cr_expect_str_eq(plan.replaces, "chg_1");
    cr_expect_not(plan.store, "the service has that image already");
    cr_assert_eq(check(waiting, none, &plan, &err), 0);
    cr_expect(!plan.store && !plan.replaces);
}

Test(change, equal_update_is_not_stored)
{
    zn_auto_json change = parsed("{\"field\":\"env_variables\",\"type\":\"UPDATE\",\"item_id\":"
                                 "\"env_1\",\"new_value\":{\"key\":\"A\",\"value\":\"1\"}}");
    struct zn_change_plan plan;
    struct zn_err err = { 0 };

    cr_assert_eq(check("[]", change, &plan, &err), 0);
    cr_expect_not(plan.store);
}

/* --- the algebra ------------------------------------------------------------------------------------ */

Test(state, overlay_of_the_difference_is_the_target)
{
    zn_auto_json from = js(live_text);
    zn_auto_json to = js(
        "{\"id\":\"srv_dkr_1\",\"image\":\"app:2\",\"command\":\"run\",\"healthcheck\":{\"type\":"
        "\"PATH\",\"value\":\"/\"},\"volumes\":[],\"ports\":[],\"shared_volumes\":[],"
        "\"resource_limits\":null,\"configs\":[{\"id\":\"cf_1\",\"name\":\"c\",\"mount_path\":"
        "\"/etc/c\",\"contents\":\"y\",\"language\":\"plaintext\",\"version\":4}],"
        "\"env_variables\":[{\"id\":\"env_1\",\"key\":\"A\",\"value\":\"2\"},"
        "{\"id\":\"env_2\",\"key\":\"B\",\"value\":\"3\"}],"
        "\"urls\":[{\"id\":\"url_1\",\"domain\":\"*.w.test\",\"base_path\":\"/\","
        "\"strip_prefix\":true,\"redirect_to\":null,\"associated_port\":80},"
        "{\"id\":\"url_2\",\"domain\":\"a.test\",\"base_path\":\"/\",\"strip_prefix\":true,"
        "\"redirect_to\":null,\"associated_port\":80}]}");
    zn_auto_json changes = zn_state_diff(from, to);
    zn_auto_json after = NULL;
    struct zn_err err = { 0 };

    cr_expect_eq(json_array_size(changes), 11);
    cr_assert_eq(zn_state_overlay(from, changes, &after, &err), 0);
    cr_expect(json_equal(after, to));
    zn_auto_json nothing = zn_state_diff(to, to);
    cr_expect_eq(json_array_size(nothing), 0);
}

Test(state, overlay_refuses_what_is_gone)
{
    zn_auto_json live = js(live_text);
    zn_auto_json changes = js("[{\"type\":\"DELETE\",\"field\":\"urls\",\"item_id\":\"url_1\"},"
                              "{\"type\":\"UPDATE\",\"field\":\"urls\",\"item_id\":\"url_1\","
                              "\"new_value\":{}}]");
    json_t *after;
    struct zn_err err = { 0 };

    cr_expect_eq(zn_state_overlay(live, changes, &after, &err), -1);
    cr_expect_eq(err.code, ZN_CONFLICT);
}

Test(state, check)
{
    zn_auto_json good = js(live_text);
    zn_auto_json bare = js("{\"image\":null}");
    zn_auto_json twice = js("{\"image\":\"a\",\"env_variables\":[{\"key\":\"A\"},{\"key\":\"A\"}]}");
    zn_auto_json lost = js("{\"image\":\"a\",\"urls\":[{\"domain\":\"other.test\","
                           "\"base_path\":\"/\"}]}");
    struct zn_err err = { 0 };

    cr_expect_eq(zn_state_check(&rules, good, &err), 0, "%s", err.msg);
    cr_expect_eq(zn_state_check(&rules, bare, &err), -1);
    cr_expect_eq(zn_state_check(&rules, twice, &err), -1);
    cr_expect_eq(zn_state_check(&rules, lost, &err), -1);
    cr_expect_eq(err.code, ZN_CONFLICT);
}

Test(state, at_most_200_items)
{
    zn_auto_json state = js("{\"image\":\"a\",\"env_variables\":[]}");
    json_t *list = json_object_get(state, "env_variables");
    zn_auto_json one = js("{\"key\":\"NEW\",\"value\":\"\"}");
    struct zn_conflict c;
    struct zn_err err = { 0 };

    for (int i = 0; i < 199; i++)
        json_array_append_new(list, json_pack("{s:o}", "key", json_sprintf("K%d", i)));
    cr_expect_eq(zn_state_conflict(&rules, state, "env_variables", one, NULL, true, &c, &err), 0);
    json_array_append_new(list, json_pack("{s:s}", "key", "K199"));
    cr_expect_eq(zn_state_conflict(&rules, state, "env_variables", one, NULL, true, &c, &err), 1);
    cr_expect_str_eq(c.attr, "non_field_errors");
}
