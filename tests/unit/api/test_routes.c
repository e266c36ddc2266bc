/* Router and permissions over the real route tables, without network: a caller without a session needs
 * neither Valkey nor Postgres to be refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "zaned/api/api.h"
#include "zaned/config.h"

static struct zn_config cfg = { .root_domain = "apps.test", .app_domain = "dash.test",
                                .trial = "/nowhere/trial" };
static struct zn_api api = { .cfg = &cfg, .ingest_token = "right", .setup_token = "setup" };

struct exchange {
    struct zn_arena arena;
    struct zn_request req;
    struct zn_reply reply;
    enum zn_lane lane;
    size_t body_max;
};

static void ask(struct exchange *x, const char *method, const char *path, const char *host,
                const char *header, const char *value)
{
    struct zn_app *app;
    struct zn_err err = { 0 };

    cr_assert_eq(zn_app_new(&api, zn_all_routes, zn_all_nroutes, &app, &err), 0);
    struct zn_http_app h = zn_app_http(app);
    *x = (struct exchange){ .arena = { .limit = 1 << 20 } };
    x->reply.body = ZN_BUF(ZN_REPLY_MAX);
    x->req = (struct zn_request){ .arena = &x->arena, .id = "r1", .method = method, .path = path,
                                  .raw_target = path, .client = "10.0.0.1", .body = "" };
    x->req.headers[x->req.nheaders++] = (struct zn_pair){ "Host", host };
    if (header)
        x->req.headers[x->req.nheaders++] = (struct zn_pair){ header, value };
    h.route(h.self, &x->req, &x->lane, &x->body_max, &x->reply);
    if (!x->reply.status)
        h.handle(h.self, &x->req, &x->reply);
    zn_app_free(app);
}

static void done(struct exchange *x)
{
    zn_buf_done(&x->reply.body);
    zn_arena_done(&x->arena);
}

static bool says(struct exchange *x, const char *code)
{
    char want[80];

    snprintf(want, sizeof want, "\"code\":\"%s\"", code);
    return strstr(zn_buf_str(&x->reply.body), want) != NULL;
}

#define EACH_ROUTE(r)                                                   \
    for (size_t t_ = 0; t_ < zn_all_nroutes; t_++)                      \
        for (const struct zn_route *r = zn_all_routes[t_].routes,       \
                                   *end_ = r + *zn_all_routes[t_].n;    \
             r < end_; r++)

/* "/api/things/{slug}/" → "/api/things/x/" */
static void concrete(const char *pattern, char *ret, size_t size)
{
    size_t n = 0;

    for (const char *p = pattern; *p && n + 1 < size; p++) {
        ret[n++] = *p == '{' ? 'x' : *p;
        if (*p == '{')
            p = strchr(p, '}');
    }
    ret[n] = '\0';
}

Test(routes, refuse_whoever_has_no_session)
{
    unsigned checked = 0;

    EACH_ROUTE(r)
    {
        struct exchange x;
        char path[256];

        if (r->scope == ZN_SCOPE_PUBLIC)
            continue;
        concrete(r->path, path, sizeof path);
        ask(&x, r->method, path, "dash.test", NULL, NULL);
        cr_expect(x.reply.status == 401 && says(&x, "not_authenticated"), "%s %s: %d", r->method,
                  r->path, x.reply.status);
        done(&x);
        checked++;
    }
    cr_assert_gt(checked, 15);
}

Test(routes, public_ones_are_these)
{
    static const char *const open[] = { "/healthz", "/readyz", "/api/csrf", "/api/ping",
                                        "/api/auth/login", "/api/auth/check-user-existence",
                                        "/api/auth/create-initial-user",
                                        "/api/auth/reset-password/{token}",
                                        "/api/workspace/invitations/{token}",
                                        "/api/workspace/register/{token}",
                                        "/api/deploy-service/docker/{deploy_token}",
                                        "/api/openapi.json", "/api/docs",
                                        "/api/_proxy/check-certiticates" };

    EACH_ROUTE(r)
    {
        bool listed = false;

        for (size_t i = 0; i < ZN_COUNT(open); i++)
            listed = listed || strcmp(open[i], r->path) == 0;
        cr_expect_eq(r->scope == ZN_SCOPE_PUBLIC, listed, "%s %s", r->method, r->path);
        cr_expect(r->lane == ZN_LANE_WORKER ||
                      (r->scope == ZN_SCOPE_PUBLIC && r->throttle == ZN_THROTTLE_NONE),
                  "%s: the loop can neither ask who calls nor count", r->path);
    }
}

Test(routes, wrong_method_names_the_right_ones)
{
    struct exchange x;

    ask(&x, "PATCH", "/api/auth/me", "dash.test", NULL, NULL);
    cr_expect_eq(x.reply.status, 405);
    cr_expect_str_eq(x.reply.headers[0].value, "GET");
    done(&x);
    ask(&x, "GET", "/api/nothing", "dash.test", NULL, NULL);
    cr_expect(x.reply.status == 404 && says(&x, "not_found"));
    done(&x);
}

Test(routes, while_an_upgrade_is_on_trial_only_log_lines_are_taken)
{
    unsigned refused = 0, read = 0;

    EACH_ROUTE(r)
    {
        bool changes = strcmp(r->method, "GET") != 0 && strcmp(r->path, "/api/logs/ingest") != 0;
        struct exchange x;
        char path[256];

        if (!changes && r->scope == ZN_SCOPE_PUBLIC)
            continue; /* needs a database */
        cfg.trial = "/"; /* is there */
        concrete(r->path, path, sizeof path);
        ask(&x, r->method, path, "dash.test", NULL, NULL);
        cfg.trial = "/nowhere/trial";
        cr_expect_eq(x.reply.status, changes ? 503 : 401, "%s %s: %d", r->method, r->path, x.reply.status);
        cr_expect_eq(says(&x, "upgrading"), changes, "%s %s", r->method, r->path);
        cr_expect(!changes || strcmp(x.reply.headers[0].name, "Retry-After") == 0);
        refused += changes;
        read += !changes;
        done(&x);
    }
    cr_assert_gt(refused, 60);
    cr_assert_gt(read, 30);
}

Test(routes, foreign_host_is_refused)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = { { "dash.test", 401 }, { "DASH.test:8443", 401 }, { "x.apps.test", 401 },
                  { "10.1.2.3:80", 401 }, { "zn-zaned-api:8080", 401 }, { "localhost", 401 },
                  { "evilapps.test", 400 }, { "apps.test.evil", 400 }, { "", 400 } };

    for (size_t i = 0; i < ZN_COUNT(cases); i++) {
        struct exchange x;

        ask(&x, "GET", "/api/auth/me/", cases[i].host, NULL, NULL);
        cr_expect_eq(x.reply.status, cases[i].status, "%s: %d", cases[i].host, x.reply.status);
        done(&x);
    }
}

Test(routes, ingest_needs_the_token)
{
    static const struct {
        const char *value;
        int status;
    } cases[] = { { "Basic emFuZTp3cm9uZw==", 401 }, { "Bearer right", 401 }, { "Basic !!", 401 },
                  { "Basic emFuZTpyaWdodA==", 400 } }; /* right token: the empty body is refused */

    for (size_t i = 0; i < ZN_COUNT(cases); i++) {
        struct exchange x;

        ask(&x, "POST", "/api/logs/ingest/", "zn-zaned-api:8080", "Authorization", cases[i].value);
        cr_expect_eq(x.reply.status, cases[i].status, "%s: %d", cases[i].value, x.reply.status);
        done(&x);
    }
}
