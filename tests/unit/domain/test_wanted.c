/* The one-call deploy: its body, and the service that it leads to. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "zaned/domain/wanted.h"

static struct zn_arena arena = { .limit = 4 << 20 };

static json_t *js(const char *text)
{
    json_error_t je;
    json_t *doc = json_loads(text, JSON_DECODE_ANY, &je);

    cr_assert(doc, "%s in %s", je.text, text);
    return doc;
}

static int taken(void *self, const char *domain, const char *base_path, bool *ret, struct zn_err *err)
{
    (void)self;
    (void)base_path;
    (void)err;
    *ret = strcmp(domain, "other.test") == 0;
    return 0;
}

static const struct zn_state_rules rules = { .arena = &arena,
                                             .root_domain = "root.test",
                                             .app_domain = "root.test",
                                             .url_taken = taken };

static const char empty[] = "{\"image\":null,\"command\":null,\"healthcheck\":null,\"volumes\":[],"
                            "\"env_variables\":[],\"urls\":[]}";

struct bad_case {
    char json[220], path[40], rule[20];
};

ParameterizedTestParameters(wanted, rejects)
{
    static struct bad_case cases[] = {
        { "{}", "image", "required" },
        { "{\"image\":\"A\"}", "image", "invalid" },
        { "{\"image\":\"a\",\"port\":0}", "port", "min_value" },
        { "{\"image\":\"a\",\"port\":65536}", "port", "max_value" },
        { "{\"image\":\"a\",\"port\":\"80\"}", "port", "invalid" },
        { "{\"image\":\"a\",\"domain\":\"b.test\"}", "port", "required" },
        { "{\"image\":\"a\",\"port\":80,\"domain\":\"http://b.test\"}", "domain", "invalid" },
        { "{\"image\":\"a\",\"port\":80,\"health_check_path\":\"x\"}", "health_check_path", "invalid" },
        { "{\"image\":\"a\",\"command\":\"\"}", "command", "blank" },
        { "{\"image\":\"a\",\"env\":3}", "env", "invalid" },
        { "{\"image\":\"a\",\"env\":{\"A B\":\"x\"}}", "env.A B", "invalid" },
        { "{\"image\":\"a\",\"env\":{\"A\":{}}}", "env.A", "invalid" },
        { "{\"image\":\"a\",\"env\":[\"A\"]}", "env.0", "invalid" },
        { "{\"image\":\"a\",\"env\":[\"A=1\",{\"key\":\"A\",\"value\":\"2\"}]}", "env.1", "invalid" },
        { "{\"image\":\"a\",\"volumes\":{}}", "volumes", "invalid" },
        { "{\"image\":\"a\",\"volumes\":[3]}", "volumes.0.non_field_errors", "invalid" },
        { "{\"image\":\"a\",\"volumes\":[{\"name\":\"d\"}]}", "volumes.0.container_path", "required" },
        { "{\"image\":\"a\",\"volumes\":[{\"container_path\":\"/a\"},{\"container_path\":\"/a/\"}]}",
          "volumes.1.container_path", "invalid" },
    };
    return cr_make_param_array(struct bad_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct bad_case *c, wanted, rejects, .timeout = 5)
{
    zn_auto_json body = js(c->json);
    struct zn_wanted w;
    struct zn_err err = { 0 };

    cr_assert_eq(zn_wanted_parse(&arena, body, &w, &err), -1, "accepted: %s", c->json);
    cr_assert_eq(err.nfields, 1, "%u for %s", err.nfields, c->json);
    cr_expect_str_eq(err.fields[0].path, c->path);
    cr_expect_str_eq(err.fields[0].rule, c->rule);
}

Test(wanted, all_errors_at_once)
{
    zn_auto_json body = js("{\"image\":\"A\",\"port\":0,\"domain\":\"x\",\"env\":{\"1\":\"\"},"
                           "\"volumes\":[{}],\"health_check_path\":\"x\"}");
    struct zn_wanted w;
    struct zn_err err = { 0 };

    cr_assert_eq(zn_wanted_parse(&arena, body, &w, &err), -1);
    cr_expect_eq(err.nfields, 6);
}

static json_t *apply(const char *body_text, const char *state_text, struct zn_err *err)
{
    zn_auto_json body = js(body_text);
    zn_auto_json state = js(state_text);
    struct zn_wanted w;
    json_t *next = NULL;

    cr_assert_eq(zn_wanted_parse(&arena, body, &w, err), 0, "%s: %s", body_text,
                 err->nfields ? err->fields[0].msg : "");
    zn_wanted_apply(&rules, &w, state, "made-up.root.test", &next, err);
    zn_wanted_done(&w);
    return next;
}

static json_t *first(json_t *state, const char *list)
{
    return json_array_get(json_object_get(state, list), 0);
}

Test(wanted, new_service)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"app:1\",\"port\":8080,\"env\":{\"A\":\"x\",\"N\":3,\"T\":true},"
                           "\"health_check_path\":\"/healthz\",\"command\":\"run\","
                           "\"volumes\":[{\"name\":\"d\",\"container_path\":\"/d\"}]}",
                           empty, &err);

    cr_assert(s, "%s", err.msg);
    cr_expect_str_eq(zn_json_str(s, "image", ""), "app:1");
    cr_expect_str_eq(zn_json_str(s, "command", ""), "run");
    cr_expect_str_eq(zn_json_str(first(s, "urls"), "domain", ""), "made-up.root.test");
    cr_expect_eq(zn_json_int(first(s, "urls"), "associated_port", 0), 8080);
    cr_expect_eq(zn_json_int(json_object_get(s, "healthcheck"), "associated_port", 0), 8080);
    cr_expect_eq(json_array_size(json_object_get(s, "env_variables")), 3);
    cr_expect_str_eq(zn_json_str(first(s, "volumes"), "mode", ""), "READ_WRITE");
}

Test(wanted, no_port_no_url)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"app:1\"}", empty, &err);

    cr_assert(s);
    cr_expect_eq(json_array_size(json_object_get(s, "urls")), 0);
}

Test(wanted, health_check_needs_a_port)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"app:1\",\"health_check_path\":\"/\"}", empty, &err);

    cr_assert_null(s);
    cr_expect_str_eq(err.fields[0].path, "port");
}

static const char running[] =
    "{\"image\":\"app:1\",\"command\":\"run\",\"healthcheck\":{\"id\":\"htc_1\",\"type\":\"PATH\","
    "\"value\":\"/h\",\"timeout_seconds\":10,\"interval_seconds\":10,\"associated_port\":80},"
    "\"volumes\":[{\"id\":\"vol_1\",\"name\":\"d\",\"container_path\":\"/d\",\"host_path\":null,"
    "\"mode\":\"READ_WRITE\"}],"
    "\"env_variables\":[{\"id\":\"env_1\",\"key\":\"A\",\"value\":\"1\"},"
    "{\"id\":\"env_2\",\"key\":\"B\",\"value\":\"2\"}],"
    "\"urls\":[{\"id\":\"url_1\",\"domain\":\"a.test\",\"base_path\":\"/\",\"strip_prefix\":true,"
    "\"redirect_to\":null,\"associated_port\":80},"
    "{\"id\":\"url_2\",\"domain\":\"b.test\",\"base_path\":\"/\",\"strip_prefix\":true,"
    "\"redirect_to\":null,\"associated_port\":9000}]}";

Test(wanted, same_again_changes_nothing)
{
    struct zn_err err = { 0 };
    zn_auto_json before = js(running);
    zn_auto_json bare = apply("{\"image\":\"app:1\"}", running, &err);
    zn_auto_json full = apply("{\"image\":\"app:1\",\"port\":80,\"domain\":\"A.test\",\"command\":\"run\","
                              "\"env\":[\"B=2\",\"A=1\"],\"health_check_path\":\"/h\","
                              "\"volumes\":[{\"container_path\":\"/d\"}]}",
                              running, &err);

    cr_expect(json_equal(before, bare));
    cr_expect(json_equal(before, full));
}

Test(wanted, env_is_exact_and_volumes_are_kept)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"app:1\",\"env\":{\"B\":\"3\",\"C\":\"4\"},"
                           "\"volumes\":[{\"name\":\"e\",\"container_path\":\"/e\"}]}",
                           running, &err);
    json_t *env = json_object_get(s, "env_variables");

    cr_assert_eq(json_array_size(env), 2);
    cr_expect_str_eq(zn_json_str(json_array_get(env, 0), "id", ""), "env_2");
    cr_expect_str_eq(zn_json_str(json_array_get(env, 0), "value", ""), "3");
    cr_expect_str_eq(zn_json_str(json_array_get(env, 1), "key", ""), "C");
    cr_expect_eq(json_array_size(json_object_get(s, "volumes")), 2);
}

Test(wanted, port_moves_what_used_the_old_one)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"app:1\",\"port\":81}", running, &err);
    json_t *urls = json_object_get(s, "urls");

    cr_expect_eq(zn_json_int(json_array_get(urls, 0), "associated_port", 0), 81);
    cr_expect_eq(zn_json_int(json_array_get(urls, 1), "associated_port", 0), 9000);
    cr_expect_eq(zn_json_int(json_object_get(s, "healthcheck"), "associated_port", 0), 81);
}

Test(wanted, nulls_clear)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"app:1\",\"command\":null,\"health_check_path\":null}", running,
                           &err);

    cr_expect(json_is_null(json_object_get(s, "command")));
    cr_expect(json_is_null(json_object_get(s, "healthcheck")));
}

Test(wanted, domain_of_another_service)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"a\",\"port\":80,\"domain\":\"other.test\"}", empty, &err);

    cr_assert_null(s);
    cr_expect_eq(err.code, ZN_INVALID);
    cr_expect_str_eq(err.fields[0].path, "domain");
}

Test(wanted, health_check_keeps_its_times)
{
    struct zn_err err = { 0 };
    zn_auto_json s = apply("{\"image\":\"a\",\"health_check_path\":\"/new\"}", running, &err);
    json_t *h = json_object_get(s, "healthcheck");

    cr_expect_str_eq(zn_json_str(h, "value", ""), "/new");
    cr_expect_eq(zn_json_int(h, "timeout_seconds", 0), 10);
    cr_expect_eq(zn_json_int(h, "associated_port", 0), 80);
}
