/* Who is asking, and whether they may: sessions, cross-site requests, roles. */
#include "zaned/api/caller.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "zaned/api/cache.h"
#include "zaned/api/session.h"
#include "zaned/config.h"
#include "zaned/store/store.h"

void zn_caller_changed(struct zn_api *api, long long user_id)
{
    (void)user_id; /* such changes are rare: everybody is looked up again */
    zn_cache_raise(api->callers);
}

void zn_secret_hash(const char *secret, char ret[ZN_SECRET_HASH])
{
    unsigned char hash[(ZN_SECRET_HASH - 1) / 2];

    crypto_generichash(hash, sizeof hash, (const unsigned char *)secret, strlen(secret), NULL, 0);
    zn_hex(hash, sizeof hash, ret);
}

static const char *text_of(struct zn_call *c, const PGresult *res, const char *col)
{
    const char *text = zn_col(res, 0, col);

    return text ? zn_arena_strdup(c->arena, text) : NULL;
}

static void fill(struct zn_call *c, const PGresult *res)
{
    c->who.username = text_of(c, res, "username");
    c->who.first_name = text_of(c, res, "first_name");
    c->who.last_name = text_of(c, res, "last_name");
    c->who.membership_id = zn_col_i64(res, 0, "membership_id");
    c->who.workspace_id = text_of(c, res, "workspace_id");
    c->who.workspace_name = text_of(c, res, "workspace_name");
    c->who.role = (int)zn_col_i64(res, 0, "role");
}

static int load_session(struct zn_call *c, const char *cookie, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    struct zn_session session;
    char user[24];

    if (zn_session_load(c->api->sessions, c->arena, cookie, &session, err) < 0) {
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
    fill(c, res);
    c->who.user_id = session.user_id;
    c->who.is_superuser = zn_col_bool(res, 0, "is_superuser");
    c->who.session_id = cookie;
    c->who.session_name = session.name;
    c->who.csrf_token = session.csrf;
    return 0;
}

static int load_token(struct zn_call *c, const char *token, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    char hash[ZN_SECRET_HASH];

    if (zn_id_valid(token, ZN_API_TOKEN_PREFIX, ZN_API_TOKEN_LEN)) {
        zn_secret_hash(token, hash);
        if (zn_sql_once(c->api->store, ZN_SQL_API_TOKEN_CALLER, ZN_P(hash), &res, err) < 0)
            return -1;
    }
    if (!res || PQntuples(res) == 0)
        return zn_fail(err, ZN_UNAUTHENTICATED,
                       "The API token is not valid: it may have expired or been revoked.");
    const char *scope = zn_col(res, 0, "scope");
    fill(c, res); /* and never is_superuser: the instance is no matter of a token's */
    c->who.user_id = zn_col_i64(res, 0, "user_id");
    c->who.token_id = text_of(c, res, "token_id");
    c->who.token_scope = strcmp(scope, "admin") == 0    ? ZN_TOKEN_ADMIN
                         : strcmp(scope, "deploy") == 0 ? ZN_TOKEN_DEPLOY
                                                        : ZN_TOKEN_READ;
    if (zn_col_bool(res, 0, "unseen"))
        return zn_sql_once(c->api->store, ZN_SQL_API_TOKEN_USED, ZN_P(c->who.token_id), NULL, err);
    return 0;
}

int zn_caller_load(struct zn_call *c, struct zn_err *err)
{
    const char *auth = zn_request_header(c->req, "Authorization");
    const char *cookie = zn_request_cookie(c->req, "sessionid");

    if (auth && strncasecmp(auth, "Bearer ", 7) == 0)
        return load_token(c, auth + 7 + strspn(auth + 7, " "), err);
    return cookie && *cookie ? load_session(c, cookie, err) : 0;
}

enum zn_token_scope zn_route_token(const struct zn_route *r)
{
    if (r->token != ZN_TOKEN_AUTO)
        return r->token;
    if (r->scope == ZN_SCOPE_PUBLIC || r->scope == ZN_SCOPE_INGEST ||
        r->scope == ZN_SCOPE_SESSION || r->scope == ZN_SCOPE_SUPERUSER)
        return ZN_TOKEN_NONE;
    return strcmp(r->method, "GET") == 0 ? ZN_TOKEN_READ : ZN_TOKEN_ADMIN;
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
bool zn_host_is_ours(const struct zn_config *cfg, const struct zn_request *req)
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

static int token_allowed(const struct zn_call *c, const struct zn_route *r, const int *need,
                         struct zn_err *err)
{
    static const char *const names[] = {
        [ZN_TOKEN_READ] = "read", [ZN_TOKEN_DEPLOY] = "deploy", [ZN_TOKEN_ADMIN] = "admin"
    };
    enum zn_token_scope wants = zn_route_token(r);

    if (wants == ZN_TOKEN_NONE || r->scope == ZN_SCOPE_SESSION || r->scope == ZN_SCOPE_SUPERUSER)
        return zn_fail(err, ZN_DENIED, "API tokens may not do this: log in.");
    if (c->who.token_scope < wants)
        return zn_fail(err, ZN_DENIED, "This needs an API token with the scope %s.", names[wants]);
    return c->who.role >= need[r->scope]
               ? 0
               : zn_fail(err, ZN_DENIED, "You do not have permission to perform this action.");
}

int zn_caller_allowed(struct zn_call *c, const struct zn_route *r, struct zn_err *err)
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
    if (c->who.token_id) /* no browser sends it by itself, so there is nothing to forge */
        return token_allowed(c, r, need, err);
    if (csrf_problem(c))
        return zn_fail(err, ZN_DENIED, "%s", csrf_problem(c));
    if (r->scope == ZN_SCOPE_SESSION)
        return 0;
    bool enough = r->scope == ZN_SCOPE_SUPERUSER ? c->who.is_superuser
                                                 : c->who.role >= need[r->scope];
    return enough ? 0
                  : zn_fail(err, ZN_DENIED, "You do not have permission to perform this action.");
}
