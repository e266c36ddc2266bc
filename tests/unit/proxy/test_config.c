#include <criterion/criterion.h>

#include "zaned/proxy/config.h"

static const struct zn_proxy_opts opts = { "app.zane.localhost", "zane.localhost", "/edge",
                                           "zn-zaned-api:8080" };

static json_t *render(const char *urls, struct zn_err *err)
{
    json_t *list = json_loads(urls, 0, NULL), *all = NULL;
    struct zn_route_service s = { "srv_dkr_AbC", "dpl_dkr_X", "BLUE", "srv-abc-blue", list };

    cr_assert_not_null(list);
    cr_assert_eq(zn_proxy_render(&opts, &s, 1, &all, err), 0, "%s", err->msg);
    json_decref(list);
    return all;
}

static const char *text_of(json_t *all)
{
    return json_dumps(all, JSON_COMPACT);
}

static json_t *routes(json_t *all)
{
    json_t *http = json_object_get(json_object_get(all, "apps"), "http");

    return json_object_get(json_object_get(json_object_get(http, "servers"), "public"), "routes");
}

static const char *host_of(json_t *all, size_t i)
{
    json_t *match = json_array_get(json_object_get(json_array_get(routes(all), i), "match"), 0);

    return json_string_value(json_array_get(json_object_get(match, "host"), 0));
}

Test(config, upstream_is_a_file_and_not_in_the_configuration)
{
    struct zn_err err = { 0 };
    zn_auto_json all = render("[{\"domain\":\"a.b\",\"base_path\":\"/\",\"associated_port\":80}]", &err);
    zn_auto_mem const char *text = text_of(all);

    cr_expect(strstr(text, "{file./edge/abc.80}"));
    cr_expect(strstr(text, "{file./edge/abc.hash}"));
    cr_expect_null(strstr(text, "srv-abc-blue"));
}

Test(config, most_specific_route_first)
{
    struct zn_err err = { 0 };
    zn_auto_json all = render("[{\"domain\":\"*.b\",\"base_path\":\"/\",\"associated_port\":80},"
                              "{\"domain\":\"z.b\",\"base_path\":\"/\",\"associated_port\":80},"
                              "{\"domain\":\"a.b\",\"base_path\":\"/\",\"associated_port\":80},"
                              "{\"domain\":\"y.b\",\"base_path\":\"/long\",\"associated_port\":80}]", &err);
    const char *want[] = { "y.b", "a.b", "z.b", "*.b", "app.zane.localhost" };

    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(host_of(all, i), want[i]);
    cr_expect_eq(json_array_size(routes(all)), 6);
}

Test(config, base_path_matches_whole_segments_and_is_stripped)
{
    struct zn_err err = { 0 };
    zn_auto_json all = render("[{\"domain\":\"a.b\",\"base_path\":\"/api/\",\"associated_port\":80}]", &err);
    zn_auto_mem const char *text = text_of(all);

    cr_expect(strstr(text, "\"path\":[\"/api\",\"/api/*\"]"));
    cr_expect(strstr(text, "\"strip_path_prefix\":\"/api\""));
    zn_auto_json kept = render("[{\"domain\":\"a.b\",\"base_path\":\"/api\",\"strip_prefix\":false,"
                               "\"associated_port\":80}]", &err);
    zn_auto_mem const char *other = text_of(kept);
    cr_expect_null(strstr(other, "strip_path_prefix"));
}

Test(config, redirects)
{
    struct zn_err err = { 0 };
    zn_auto_json all = render("[{\"domain\":\"a.b\",\"base_path\":\"/\",\"redirect_to\":"
                              "{\"url\":\"https://c.d\",\"permanent\":true}}]", &err);
    zn_auto_mem const char *text = text_of(all);

    cr_expect(strstr(text, "\"status_code\":\"308\""));
    cr_expect(strstr(text, "https://c.d{http.request.uri}"));
}

Test(config, the_authority_stays_out_of_the_trust_store)
{
    struct zn_err err = { 0 };
    zn_auto_json all = render("[]", &err);
    zn_auto_mem const char *text = text_of(all);

    cr_expect(strstr(text, "\"pki\":{\"certificate_authorities\":{\"local\":{\"install_trust\":false}}}"));
}
