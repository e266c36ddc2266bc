/* Rules for single values, names and deployments. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/str.h"
#include "zaned/domain/deployment.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"

typedef const char *(*rule_fn)(const void *);

static bool ok(rule_fn rule, const char *text)
{
    return rule(&text) == NULL;
}

static void all(rule_fn rule, const char *const *good, const char *const *bad)
{
    for (; *good; good++)
        cr_expect(ok(rule, *good), "refused: %s", *good);
    for (; *bad; bad++)
        cr_expect(!ok(rule, *bad), "accepted: %s", *bad);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(rules, image)
{
    all(zn_rule_image,
        LIST("nginx", "nginx:1.27", "library/nginx", "zane/demo:1", "localhost/x", "localhost:5000/a/b",
             "registry.example.com:443/team/app:v1.2_3-x", "a__b/c-d--e.f", "nginx@sha256:" HEX64,
             "nginx:1@sha256:" HEX64, "127.0.0.1:5000/app"),
        LIST("", "Nginx", "nginx:", "nginx:-a", "nginx::1", ":1", "a//b", "/a", "a/", "a..b", "a___b",
             "-a", "a-", "host:99999/app", "host:/app", "nginx@sha256:abc", "nginx@md5:" HEX64,
             "nginx:1 ", "ngi nx", "a.b.c/Upper", "nginx@"));
    char tag[200] = "nginx:";
    memset(tag + 6, 'a', 128);
    cr_expect(ok(zn_rule_image, tag));
    tag[6 + 128] = 'a';
    cr_expect(!ok(zn_rule_image, tag), "a tag of 129");
}

Test(rules, domain)
{
    all(zn_rule_domain,
        LIST("example.com", "*.example.com", "a-b.c.d", "xn--bcher-kva.example", "zane.localhost",
             "1.example2.co", "3com.com"),
        LIST("", "localhost", "Example.com", "-a.com", "a-.com", "a..com", "a.com.", ".a.com", "*.com.",
             "*", "a.*.com", "http://a.com", "a.com/x", "a.com:80", "10.0.0.1", "*.0.0.1", "a_b.com",
             "a b.com", "{env.X}.com", "*.com"));
    char label[80];
    memset(label, 'a', 63);
    snprintf(label + 63, 17, ".com");
    cr_expect(ok(zn_rule_domain, label));
    memset(label, 'a', 64);
    snprintf(label + 64, 16, ".com");
    cr_expect(!ok(zn_rule_domain, label), "a label of 64");
}

Test(rules, paths)
{
    all(zn_rule_base_path, LIST("/", "/api", "/a/b/", "/a~b(c)"),
        LIST("", "api", "/a/../b", "/a*", "/{file.x}", "/a b", "/%2e", "/a\\b", "/a?b"));
    all(zn_rule_container_path, LIST("/data", "/a b", "/.x", "/a/../b"),
        LIST("", "data", "/", "//", "/.", "/..", "/a\nb"));
    all(zn_rule_host_path, LIST("/srv/data", "/mnt/x/y", "/etc/localtime", "/opt/a"),
        LIST("", "srv/a", "/", "/etc", "/etc/shadow", "/run/docker.sock", "/var/lib/zane/secrets",
             "/root/.ssh", "/srv", "/srvx/a", "/proc/1"));
    all(zn_rule_health_path, LIST("/", "/healthz?x=1&y=%20", "/a/b"),
        LIST("", "healthz", "/a b", "/a\r\nX: y", "/{x}", "/a\"b"));
}

Test(rules, redirects)
{
    all(zn_rule_redirect_url,
        LIST("https://example.com", "http://example.com:8080/a?b=c#d", "https://[::1]/x"),
        LIST("", "example.com", "ftp://a.com", "https://", "https:///x", "https://u:p@a.com/",
             "https://a.com/{file./etc/passwd}", "https://{env.HOME}/", "https://a b.com",
             "https://a.com/\r\nX: y", "javascript:alert(1)"));
}

Test(rules, words)
{
    all(zn_rule_env_key, LIST("A", "_a", "PATH_2"), LIST("2A", "A-B", "A B", "A=B", "Ä"));
    all(zn_rule_slug, LIST("a", "a-b_c9"), LIST("A", "a b", "a/b", "a.b", "ä"));
    all(zn_rule_command, LIST("serve --port 80", "sh -c 'a \"b\" c'", "a \\\" b", "x '\\'"),
        LIST("a 'b", "a \"b", "a\x01 b"));
}

Test(rules, normalise)
{
    static const char *const cases[][2] = {
        { "/", "/" },       { "//", "/" },          { "/a/", "/a" },       { "/a//b", "/a/b" },
        { "/a/../b", "/b" }, { "/../..", "/" },      { "/./a/./b", "/a/b" }, { "/a/b/..", "/a" },
        { "/..a/b", "/..a/b" }, { "/a/../../b", "/b" },
    };
    struct zn_arena a = { .limit = 4096 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(zn_path_normalise(&a, cases[i][0]), cases[i][1]);
    zn_arena_done(&a);
}

Test(rules, domains_of_the_platform)
{
    cr_expect(zn_domain_reserved("root.test", "root.test", "dash.test"));
    cr_expect(zn_domain_reserved("*.root.test", "root.test", "dash.test"));
    cr_expect(zn_domain_reserved("dash.test", "root.test", "dash.test"));
    cr_expect(zn_domain_reserved("*.dash.test", "root.test", "dash.test"));
    cr_expect_null(zn_domain_reserved("app.root.test", "root.test", "dash.test"));
    cr_expect(zn_domain_covers("*.d.test", "x.d.test"));
    cr_expect_not(zn_domain_covers("*.d.test", "y.x.d.test"));
    cr_expect_not(zn_domain_covers("*.d.test", "*.d.test"));
    cr_expect_not(zn_domain_covers("x.d.test", "x.d.test"));
}

Test(rules, times)
{
    struct zn_arena a = { .limit = 4096 };

    all(zn_rule_time,
        LIST("2026-01-31", "2024-02-29", "2026-01-31T23:59", "2026-01-31 23:59:59.123456789",
             "2026-01-31T00:00:00Z", "2026-01-31T00:00+05:30", "2026-01-31T00:00:00.1-14:00"),
        LIST("", "yesterday", "2026-1-1", "2026-13-01", "2026-00-01", "2026-01-00", "2026-02-29",
             "2026-04-31", "2026-01-01T", "2026-01-01T24:00", "2026-01-01T00:60", "2026-01-01T00:00:00.",
             "2026-01-01T00:00x", "2026-01-01T00:00+5", "2026-01-01T00:00:00ZZ", "0001-01-01",
             "2026-01-01T00:00+15:00", "2026-01-01T00"));
    cr_expect_str_eq(zn_time_full(&a, "2026-01-31"), "2026-01-31T00:00:00Z");
    cr_expect_str_eq(zn_time_full(&a, "2026-01-31T10:00"), "2026-01-31T10:00Z");
    cr_expect_str_eq(zn_time_full(&a, "2026-01-31T10:00-01:00"), "2026-01-31T10:00-01:00");
    zn_arena_done(&a);
}

Test(names, shapes)
{
    struct zn_arena a = { .limit = 65536 };
    const char *id = zn_new_id(&a, ZN_ID_DEPLOYMENT);
    const char *slug = zn_new_slug(&a), *domain = zn_new_domain(&a, "Proj", "My_app", "r.test");

    cr_expect(zn_id_valid(id, "dpl_dkr_", 11));
    cr_expect_eq(strlen(zn_id_part(id)), 11);
    cr_expect_eq(strlen(zn_new_token(&a)), 32);
    cr_expect(ok(zn_rule_slug, slug) && strlen(slug) <= ZN_MAX_SLUG, "%s", slug);
    cr_expect(zn_starts_with(domain, "proj-my-app-") && zn_ends_with(domain, ".r.test"), "%s", domain);
    cr_expect_eq(strlen(domain), strlen("proj-my-app-0123456789.r.test"));
    cr_expect_str_eq(zn_network_alias(&a, "app", "srv_dkr_AbC"), "zn-app-AbC");
    zn_arena_done(&a);
}

Test(names, domain_of_long_slugs_is_valid)
{
    struct zn_arena a = { .limit = 65536 };
    char project[256], service[39];

    memset(project, 'p', 255);
    project[255] = '\0';
    memset(service, '_', 38);
    service[38] = '\0';
    cr_expect(ok(zn_rule_domain, zn_new_domain(&a, project, "s", "r.test")));
    cr_expect(ok(zn_rule_domain, zn_new_domain(&a, "-_-", service, "r.test")));
    memset(service, 's', 38);
    cr_expect(ok(zn_rule_domain, zn_new_domain(&a, project, service, "r.test")));
    zn_arena_done(&a);
}

Test(deployment, slot)
{
    cr_expect_str_eq(zn_deployment_slot(NULL, NULL), "BLUE");
    cr_expect_str_eq(zn_deployment_slot("BLUE", "HEALTHY"), "GREEN");
    cr_expect_str_eq(zn_deployment_slot("BLUE", "FAILED"), "BLUE");
    cr_expect_str_eq(zn_deployment_slot("GREEN", "HEALTHY"), "BLUE");
}

Test(deployment, cancel)
{
    cr_expect_null(zn_deployment_uncancellable("QUEUED", false));
    cr_expect_null(zn_deployment_uncancellable("STARTING", false));
    cr_expect(zn_deployment_uncancellable("STARTING", true));
    cr_expect(zn_deployment_uncancellable("CANCELLING", false));
    cr_expect(zn_deployment_uncancellable("HEALTHY", true));
    cr_expect(zn_deployment_uncancellable("HEALTHY", false));
}

Test(deployment, card)
{
    cr_expect_str_eq(zn_service_card_status(NULL, false), "NOT_DEPLOYED_YET");
    cr_expect_str_eq(zn_service_card_status(NULL, true), "DEPLOYING");
    cr_expect_str_eq(zn_service_card_status("HEALTHY", true), "DEPLOYING");
    cr_expect_str_eq(zn_service_card_status("FAILED", false), "FAILED");
    cr_expect_str_eq(zn_service_card_status("UNHEALTHY", false), "UNHEALTHY");
    cr_expect_str_eq(zn_service_card_status("RESTARTING", false), "DEPLOYING");
}
