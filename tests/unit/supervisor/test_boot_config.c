#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "supervisor/component.h"
#include "supervisor/config.h"
#include "supervisor/secrets.h"

struct refusal {
    char variable[80], says[64];
};

ParameterizedTestParameters(config, refuses)
{
    static struct refusal cases[] = {
        { "ZANE_HTTP_PRT=80", "did you mean ZANE_HTTP_PORT" },
        { "ZANE_HTTP_PORT=0", "1 to 65535" },
        { "ZANE_HTTP_PORT=80x", "ZANE_HTTP_PORT" },
        { "ZANE_HTTP_PORT=443", "both 443" },
        { "ZANE_STATE=relative", "absolute" },
        { "ZANE_STATE=/a/../b", "'..'" },
        { "ZANE_RUN=/run/with blank", "letters" },
        { "ZANE_RUN=/run/0123456789012345678901234567890123456789012345678901234567890",
          "2 to 63" },
        { "ZANE_ROOT_DOMAIN=Upper.example", "lower case" },
        { "ZANE_ROOT_DOMAIN=a..b", "domain" },
        { "ZANE_ROOT_DOMAIN=-a.b", "domain" },
        { "ZANE_ROOT_DOMAIN=a-.b", "domain" },
        { "ZANE_COLLECTOR=other", "fluentd, embedded" },
        { "ZANE_COMPONENTS=caddy,nobody", "'nobody'" },
        { "ZANE_COMPONENTS=collector", "'collector'" },
    };
    return cr_make_param_array(struct refusal, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct refusal *c, config, refuses)
{
    char *env[] = { c->variable, NULL };
    struct zn_config config = { .http_port = 7 };
    struct zn_err err = { 0 };

    cr_assert_eq(zn_config_load(env, &config, &err), -1, "%s", c->variable);
    cr_assert_eq(err.code, ZN_INVALID);
    cr_assert_not_null(strstr(err.msg, c->says), "'%s' does not say '%s'", err.msg, c->says);
    cr_assert_eq(config.http_port, 7, "untouched on failure");
}

Test(config, defaults_are_within_their_own_bounds_and_foreign_variables_are_no_concern)
{
    char path[] = "PATH=/bin", empty[] = "ZANE_HTTP_PORT=", cache[] = "ZANE_CACHE=/c";
    char *env[] = { path, empty, cache, NULL };
    struct zn_config c;
    struct zn_err err = { 0 };

    cr_assert_eq(zn_config_load(env, &c, &err), 0, "%s", err.msg);
    cr_assert_eq(c.http_port, 80);
    cr_assert_str_eq(c.images, "/var/lib/zane/images");
    cr_assert_eq(c.components, (UINT32_C(1) << ZN_C_MAX) - 1);
    cr_assert_str_eq(c.app_domain, c.root_domain);
}

Test(config, a_subset_with_the_embedded_collector)
{
    char list[] = "ZANE_COMPONENTS=caddy,collector", who[] = "ZANE_COLLECTOR=embedded";
    char *env[] = { list, who, NULL };
    struct zn_config c;
    struct zn_err err = { 0 };

    cr_assert_eq(zn_config_load(env, &c, &err), 0, "%s", err.msg);
    cr_assert(c.embedded);
    cr_assert_eq(c.components, 1u << ZN_C_CADDY | 1u << ZN_C_FLUENTD);
}

static char base[] = "/tmp/zn-secrets-XXXXXX";

static char *new_dir(void)
{
    static char path[64];

    cr_assert_not_null(mkdtemp(base));
    snprintf(path, sizeof path, "%s/secrets", base);
    return path;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void remove_dir(void)
{
    nftw(base, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

Test(secrets, are_made_once_and_are_for_the_owner_alone, .fini = remove_dir)
{
    static struct zn_secrets first, second;
    struct zn_err err = { 0 };
    char *dir = new_dir(), file[128];
    struct stat st;

    cr_assert_eq(zn_secrets_load(dir, &first, &err), 0, "%s", err.msg);
    cr_assert_eq(zn_secrets_load(dir, &second, &err), 0, "%s", err.msg);
    cr_assert_eq(stat(dir, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    for (unsigned i = 0; i < ZN_SECRETS; i++) {
        cr_assert_str_eq(first.all[i].value, second.all[i].value);
        cr_assert_str_eq(first.all[i].engine_name, second.all[i].engine_name);
        cr_assert_geq(strlen(first.all[i].value), 32);
        cr_assert_null(strstr(first.all[i].engine_name, first.all[i].value));
        snprintf(file, sizeof file, "%s/%s", dir, first.all[i].name);
        cr_assert_eq(stat(file, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0600);
    }
    cr_assert_str_neq(first.all[0].value, first.all[1].value);
    zn_secrets_wipe(&first);
    cr_assert_str_empty(first.all[0].value);
}

Test(secrets, readable_empty_or_linked_files_are_refused, .fini = remove_dir)
{
    static struct zn_secrets s;
    struct zn_err err = { 0 };
    char *dir = new_dir(), file[128];

    cr_assert_eq(zn_secrets_load(dir, &s, &err), 0);
    snprintf(file, sizeof file, "%s/signing_key", dir);
    chmod(file, 0640);
    cr_assert_eq(zn_secrets_load(dir, &s, &err), -1);
    cr_assert_eq(err.code, ZN_DENIED);
    chmod(file, 0600);
    cr_assert_eq(truncate(file, 0), 0);
    cr_assert_eq(zn_secrets_load(dir, &s, &err), -1, "an empty secret is not replaced in silence");
    unlink(file);
    cr_assert_eq(symlink("/etc/passwd", file), 0);
    cr_assert_eq(zn_secrets_load(dir, &s, &err), -1);
    unlink(file);
    chmod(dir, 0755);
    cr_assert_eq(zn_secrets_load(dir, &s, &err), -1, "the directory as well");
}
