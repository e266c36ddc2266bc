/* The router: finds the route, who is asking, whether they may, and calls the handler. */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "zaned/api/api.h"
#include "zaned/api/session.h"
#include "zaned/config.h"
#include "zaned/store/store.h"

enum { SEGMENTS_MAX = 24, METHODS_TEXT = 64, ANON_LIMIT = 60, TLS_LIMIT = 60, REGISTRATION_LIMIT = 30 };

struct zn_app {
    struct zn_api *api;
    const struct zn_route_table *tables;
    size_t ntables;
};

struct split {
    char *part[SEGMENTS_MAX]; /* NUL-ended, in the arena */
    unsigned n;
};

static bool split_path(struct zn_arena *a, const char *path, struct split *ret)
{
    char *copy = zn_arena_strdup(a, path);

    ret->n = 0;
    for (char *p = copy; p && *p;) {
        size_t len;

        p += strspn(p, "/");
        len = strcspn(p, "/");
        if (!len)
            break;
        if (ret->n == SEGMENTS_MAX)
            return false;
        ret->part[ret->n++] = p;
        p += len;
        if (*p)
            *p++ = '\0';
    }
    return copy != NULL;
}

/* How well a pattern fits: -1 not at all, else the number of literal segments. Fills params. */
static int fits(const char *pattern, const struct split *path, struct zn_request *req)
{
    unsigned i = 0, nparams = 0;
    int literal = 0;
    struct zn_pair params[ZN_PARAMS_MAX];

    for (const char *p = pattern; *p;) {
        size_t len;

        p += strspn(p, "/");
        len = strcspn(p, "/");
        if (!len)
            break;
        if (i == path->n)
            return -1;
        if (*p == '{') {
            if (nparams == ZN_PARAMS_MAX)
                zn_bug("route %s has too many parameters", pattern);
            params[nparams++] = (struct zn_pair){ zn_arena_strndup(req->arena, p + 1, len - 2), path->part[i] };
        } else if (strlen(path->part[i]) == len && strncmp(p, path->part[i], len) == 0) {
            literal++;
        } else {
            return -1;
        }
        i++;
        p += len;
    }
    if (i != path->n)
        return -1;
    memcpy(req->params, params, nparams * sizeof *params);
    req->nparams = nparams;
    return literal;
}

static bool method_is(const struct zn_route *r, const char *method)
{
    return strcmp(r->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0;
}

/* The best route for the request; NULL with allow filled if only other methods exist. */
static const struct zn_route *find(const struct zn_app *app, struct zn_request *req, char *allow)
{
    const struct zn_route *best = NULL;
    struct zn_pair kept[ZN_PARAMS_MAX];
    unsigned nkept = 0;
    int score = -1;
    struct split path;

    *allow = '\0';
    if (!split_path(req->arena, req->path, &path))
        return NULL;
    for (size_t t = 0; t < app->ntables; t++)
        for (size_t i = 0; i < *app->tables[t].n; i++) {
            const struct zn_route *r = &app->tables[t].routes[i];
            int s = fits(r->path, &path, req);

            if (s < 0)
                continue;
            if (!method_is(r, req->method)) {
                size_t n = strlen(allow);
                if (!strstr(allow, r->method))
                    snprintf(allow + n, METHODS_TEXT - n, "%s%s", n ? ", " : "", r->method);
                continue;
            }
            if (s > score) {
                best = r;
                score = s;
                nkept = req->nparams;
                memcpy(kept, req->params, sizeof kept);
            }
        }
    memcpy(req->params, kept, sizeof kept);
    req->nparams = nkept;
    return best;
}

static void on_route(void *self, struct zn_request *req, enum zn_lane *lane, size_t *body_max,
                     struct zn_reply *reply)
{
    char allow[METHODS_TEXT];
    const struct zn_route *r = find(self, req, allow);

    if (r) {
        req->route = r;
        *lane = r->lane;
        *body_max = r->body_max ? r->body_max : (size_t)ZN_BODY_MAX;
        return;
    }
    if (*allow) {
        zn_reply_header(reply, "Allow", zn_arena_strdup(req->arena, allow));
        zn_reply_error(reply, 405, "method_not_allowed",
                       zn_arena_printf(req->arena, "Method \"%.20s\" not allowed.", req->method), NULL);
    } else {
        zn_reply_error(reply, 404, "not_found", "Not found.", NULL);
    }
}

/* --- who is asking ---------------------------------------------------------------------------------- */

static int load_caller(struct zn_call *c, struct zn_err *err)
{
    const char *id = zn_request_cookie(c->req, "sessionid");
    zn_auto_pgresult res = NULL;
    struct zn_session session;
    char user[24];

    if (!id || !*id)
        return 0;
    if (zn_session_load(c->api->sessions, c->arena, id, &session, err) < 0) {
        if (err->code != ZN_NOT_FOUND)
            return -1;
        memset(err, 0, sizeof *err);
        return 0;
    }
    snprintf(user, sizeof user, "%lld", session.user_id);
    if (zn_sql_once(c->api->store, ZN_SQL_CALLER, ZN_P(user, session.workspace_id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return 0; /* the user is gone or suspended */
#define TEXT(col) (zn_col(res, 0, col) ? zn_arena_strdup(c->arena, zn_col(res, 0, col)) : NULL)
    c->who = (struct zn_caller){ .user_id = session.user_id,
                                 .username = TEXT("username"),
                                 .first_name = TEXT("first_name"),
                                 .last_name = TEXT("last_name"),
                                 .is_superuser = zn_col_bool(res, 0, "is_superuser"),
                                 .session_id = id,
                                 .csrf_token = session.csrf,
                                 .membership_id = zn_col_i64(res, 0, "membership_id"),
                                 .workspace_id = TEXT("workspace_id"),
                                 .workspace_name = TEXT("workspace_name"),
                                 .role = (int)zn_col_i64(res, 0, "role") };
#undef TEXT
    return 0;
}

static bool changes_something(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
}

/* A browser says which page a request comes from. Login is checked too: a foreign page must not log
 * its visitor in as somebody else. */
static bool origin_is_ours(const struct zn_request *req)
{
    const char *origin = zn_request_header(req, "Origin");
    const char *host = zn_request_header(req, "Host");
    const char *scheme = req->secure ? "https://" : "http://";
    size_t n = strlen(scheme);

    if (!origin)
        return true;
    return host && strncmp(origin, scheme, n) == 0 && strcmp(origin + n, host) == 0;
}

/* A foreign page may make a browser send the cookie, but can neither read the token nor fake Origin. */
static const char *csrf_problem(const struct zn_call *c)
{
    const char *token = zn_request_header(c->req, "X-CSRFToken");

    if (!changes_something(c->req->method))
        return NULL;
    if (!origin_is_ours(c->req))
        return "CSRF Failed: Origin checking failed.";
    if (c->who.user_id && (!token || !zn_secret_eq(token, c->who.csrf_token)))
        return "CSRF Failed: CSRF token missing or incorrect.";
    return NULL;
}

static bool below(const char *host, const char *domain)
{
    size_t n = strlen(host), d = strlen(domain);

    return n >= d && strcmp(host + n - d, domain) == 0 && (n == d || host[n - d - 1] == '.');
}

/* Names under which nobody else's page can reach us (DNS rebinding): ours, other components', and
 * bare addresses. */
static bool host_is_ours(const struct zn_config *cfg, const struct zn_request *req)
{
    const char *given = zn_request_header(req, "Host");
    char host[256];
    struct in_addr addr;

    if (!given || strlen(given) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)strcspn(given, ":"), given);
    zn_lower(host);
    return *given == '[' || inet_pton(AF_INET, host, &addr) == 1 || below(host, "localhost") ||
           zn_starts_with(host, "zn-") || below(host, cfg->root_domain) ||
           below(host, cfg->app_domain);
}

static bool ingest_allowed(const struct zn_call *c)
{
    const char *given = zn_request_header(c->req, "Authorization");
    zn_auto_buf struct zn_buf clear = ZN_BUF(1024), want = ZN_BUF(1024);

    if (!given || strncmp(given, "Basic ", 6) != 0 ||
        !zn_base64_decode(given + 6, strlen(given + 6), &clear))
        return false;
    zn_buf_printf(&want, "zane:%s", c->api->ingest_token);
    return zn_buf_str(&clear) && zn_buf_str(&want) &&
           zn_secret_eq(zn_buf_str(&clear), zn_buf_str(&want));
}

static int check_scope(struct zn_call *c, const struct zn_route *r, struct zn_err *err)
{
    static const int need[] = { [ZN_SCOPE_GUEST] = ZN_ROLE_GUEST,
                                [ZN_SCOPE_MEMBER] = ZN_ROLE_MEMBER,
                                [ZN_SCOPE_ADMIN] = ZN_ROLE_ADMIN,
                                [ZN_SCOPE_OWNER] = ZN_ROLE_OWNER };

    if (r->scope == ZN_SCOPE_PUBLIC)
        return origin_is_ours(c->req) || !changes_something(c->req->method)
                   ? 0
                   : zn_fail(err, ZN_DENIED, "CSRF Failed: Origin checking failed.");
    if (r->scope == ZN_SCOPE_INGEST) {
        if (ingest_allowed(c))
            return 0;
        if (c->who.user_id)
            return zn_fail(err, ZN_DENIED, "You do not have permission to perform this action.");
        return zn_fail(err, ZN_UNAUTHENTICATED, "Authentication credentials were not provided.");
    }
    if (!c->who.user_id)
        return zn_fail(err, ZN_UNAUTHENTICATED, "Authentication credentials were not provided.");
    if (csrf_problem(c))
        return zn_fail(err, ZN_DENIED, "%s", csrf_problem(c));
    if (r->scope == ZN_SCOPE_SESSION)
        return 0;
    bool enough = r->scope == ZN_SCOPE_SUPERUSER ? c->who.is_superuser
                                                 : c->who.role >= need[r->scope];
    return enough ? 0
                  : zn_fail(err, ZN_DENIED, "You do not have permission to perform this action.");
}

/* --- limits ----------------------------------------------------------------------------------------- */

static int check_throttle(struct zn_call *c, const struct zn_route *r, struct zn_reply *reply,
                          struct zn_err *err)
{
    enum zn_throttle t = r->throttle;
    int limit = ANON_LIMIT, wait = 0;
    char key[160];

    if (t == ZN_THROTTLE_AUTO)
        t = r->scope == ZN_SCOPE_PUBLIC ? ZN_THROTTLE_ANON : ZN_THROTTLE_NONE;
    if (t == ZN_THROTTLE_NONE || (t == ZN_THROTTLE_ANON && c->who.user_id))
        return 0;
    limit = t == ZN_THROTTLE_TLS ? TLS_LIMIT : t == ZN_THROTTLE_REGISTRATION ? REGISTRATION_LIMIT : ANON_LIMIT;
    snprintf(key, sizeof key, "%d:%.100s", (int)t, c->req->client);
    if (zn_throttle_count(c->api->sessions, key, limit, 60, &wait, err) < 0)
        return -1;
    if (!wait)
        return 0;
    zn_reply_header(reply, "Retry-After", zn_arena_printf(c->arena, "%d", wait));
    zn_reply_error(reply, 429, "throttled",
                   zn_arena_printf(c->arena, "Request was throttled. Expected available in %d seconds.", wait),
                   NULL);
    return 1;
}

/* --- bodies ------------------------------------------------------------------------------------------ */

static bool is_json(const char *type)
{
    return type && strncmp(type, "application/json", 16) == 0 &&
           (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

/* 0 parsed or absent; 1 the reply says what is wrong with it. */
static int parse_body(struct zn_call *c, struct zn_reply *reply)
{
    struct zn_err err = { 0 };
    const char *type = zn_request_header(c->req, "Content-Type");

    if (!c->req->body_len)
        return 0;
    if (!is_json(type)) {
        zn_reply_error(reply, 415, "unsupported_media_type",
                       zn_arena_printf(c->arena, "Unsupported media type \"%.80s\" in request.", type ? type : ""),
                       NULL);
        return 1;
    }
    if (!zn_utf8_valid(c->req->body, c->req->body_len)) {
        zn_reply_error(reply, 400, "parse_error", "JSON parse error - the body is not valid UTF-8", NULL);
        return 1;
    }
    if (zn_json_parse(c->req->body, c->req->body_len, &c->body, &err) < 0) {
        zn_reply_error(reply, 400, "parse_error",
                       zn_arena_printf(c->arena, "JSON parse error - %s", err.msg), NULL);
        return 1;
    }
    return 0;
}

static void run(struct zn_call *c, const struct zn_route *r, struct zn_reply *reply)
{
    struct zn_err err = { 0 };
    int limited;

    if (r->lane == ZN_LANE_WORKER && !host_is_ours(c->api->cfg, c->req)) {
        zn_reply_error(reply, 400, "bad_request", "Invalid Host header.", NULL);
        return;
    }
    if (r->lane == ZN_LANE_WORKER && load_caller(c, &err) < 0)
        goto failed;
    if (r->lane == ZN_LANE_WORKER) {
        limited = check_throttle(c, r, reply, &err);
        if (limited < 0)
            goto failed;
        if (limited)
            return;
    }
    if (check_scope(c, r, &err) < 0)
        goto failed;
    if (parse_body(c, reply))
        return;
    if (r->handler(c, reply, &err) == 0)
        return;
failed:
    zn_reply_err(reply, c->req, &err);
}

static void on_handle(void *self, struct zn_request *req, struct zn_reply *reply)
{
    const struct zn_app *app = self;
    struct zn_call c = { .api = app->api, .req = req, .arena = req->arena };

    run(&c, req->route, reply);
    json_decref(c.body);
}

static void on_refuse(void *self, struct zn_request *req, int status, const char *detail,
                      struct zn_reply *reply)
{
    const char *code = status == 413   ? "payload_too_large"
                       : status == 503 ? "unavailable"
                       : status == 500 ? "error"
                                       : "bad_request";

    (void)self;
    (void)req;
    zn_reply_error(reply, status, code, detail, NULL);
}

int zn_app_new(struct zn_api *api, const struct zn_route_table *tables, size_t ntables,
               struct zn_app **ret, struct zn_err *err)
{
    struct zn_app *app = calloc(1, sizeof *app);

    if (!app || sodium_init() < 0) {
        free(app);
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    }
    app->api = api;
    app->tables = tables;
    app->ntables = ntables;
    *ret = app;
    return 0;
}

void zn_app_free(struct zn_app *app)
{
    free(app);
}

struct zn_http_app zn_app_http(struct zn_app *app)
{
    return (struct zn_http_app){ app, on_route, on_handle, on_refuse };
}
