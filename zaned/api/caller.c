/* Who is asking, and whether they may: sessions, cross-site requests, roles. */
#include "zaned/api/caller.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "zaned/api/session.h"
#include "zaned/config.h"
#include "zaned/store/store.h"

int zn_caller_load(struct zn_call *c, struct zn_err *err)
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
    if (csrf_problem(c))
        return zn_fail(err, ZN_DENIED, "%s", csrf_problem(c));
    if (r->scope == ZN_SCOPE_SESSION)
        return 0;
    bool enough = r->scope == ZN_SCOPE_SUPERUSER ? c->who.is_superuser
                                                 : c->who.role >= need[r->scope];
    return enough ? 0
                  : zn_fail(err, ZN_DENIED, "You do not have permission to perform this action.");
}
