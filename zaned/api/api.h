/* The API's frame: routes as data, who is asking, decoding, replies, errors. A handler decodes, calls
 * domain and store, encodes; it returns 0 with the reply set, or -1 with err, which becomes the error
 * envelope (docs/api.md) in one place. */
#ifndef ZN_API_API_H
#define ZN_API_API_H

#include "base/json.h"
#include "zaned/http/http.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"

struct zn_sessions;
struct zn_loki;

struct zn_api { /* all borrowed; read-only while requests run */
    struct zn_store *store;
    struct zn_sealer *sealer;
    struct zn_sessions *sessions;
    struct zn_loki *loki;
    const char *root_domain, *app_domain, *version;
    long long http_port;
    const char *setup_token, *ingest_token;
};

/* Who may call a route. A guest or better needs a workspace; each level includes the ones above it. */
enum zn_scope {
    ZN_SCOPE_PUBLIC,
    ZN_SCOPE_INGEST,    /* Basic authentication with the ingest token */
    ZN_SCOPE_USER,      /* logged in, workspace or not */
    ZN_SCOPE_GUEST,     /* role >= 10 */
    ZN_SCOPE_MEMBER,    /* role >= 30 */
    ZN_SCOPE_ADMIN,     /* role >= 40 */
    ZN_SCOPE_OWNER,     /* role >= 50 */
    ZN_SCOPE_SUPERUSER
};

struct zn_identity {
    long long user_id; /* 0 = anonymous */
    const char *username, *first_name, *last_name;
    bool superuser;
    const char *session; /* session key; NULL = none */
    long long membership_id;
    const char *workspace_id, *workspace_name; /* NULL = none */
    int role;            /* 0 = none, else 10, 30, 40, 50 */
};

struct zn_route_match {
    const char *names[8], *values[8]; /* path parameters, percent-decoded */
    unsigned n;
};

struct zn_ctx { /* of one request */
    struct zn_api *api;
    struct zn_request *req;
    struct zn_reply *reply;
    struct zn_arena *arena; /* &req->arena */
    struct zn_identity who;
    struct zn_route_match match;
    const char *error_code; /* set together with err to choose the envelope's code; else by err->code */
};

typedef int (*zn_handler)(struct zn_ctx *c, struct zn_err *err);

/* pattern: "/api/projects/{project}/"; the trailing slash is optional in requests. */
struct zn_route {
    const char *method, *pattern;
    enum zn_scope scope;
    zn_handler handler;
};

extern const struct zn_route zn_auth_routes[], zn_project_routes[], zn_log_routes[];
extern const size_t zn_auth_routes_count, zn_project_routes_count, zn_log_routes_count;

/* Path parameter; a missing one is a bug and aborts. */
const char *zn_param(const struct zn_ctx *c, const char *name);

/* Decodes the JSON body (an object; an empty body counts as {}) by a table. Errors: 415, parse_error,
 * or all field errors at once. present may be NULL. The document lives as long as the request. */
int zn_body(struct zn_ctx *c, const struct zn_jfield *tab, size_t ntab, void *rec,
            uint64_t *present, struct zn_err *err);
/* The body as any JSON, for what tables can't say. *ret lives as long as the request. */
int zn_body_json(struct zn_ctx *c, json_t **ret, struct zn_err *err);

/* Both return 0. json: reference stolen. */
int zn_reply_json(struct zn_ctx *c, int status, json_t *json);
int zn_reply_empty(struct zn_ctx *c, int status);

/* Page numbers of the query: page (from 1), per_page (1–100, default 10). */
struct zn_page {
    long long page, per_page;
};
int zn_page_of(struct zn_ctx *c, struct zn_page *ret, struct zn_err *err);
/* {count, next, previous, results}; results stolen. Links keep the request's other parameters. */
json_t *zn_page_json(struct zn_ctx *c, const struct zn_page *p, long long count, json_t *results);

/* RFC 3339 text of a timestamptz column as the API shows it ("2026-01-31T23:59:59.123456Z"), null for
 * SQL null. New reference. */
json_t *zn_time_json(const char *column);

/* Router and server hooks (for main.c and tests). arg is struct zn_api *. */
void zn_api_handle(void *arg, struct zn_request *req, struct zn_reply *rep);
bool zn_api_fast(void *arg, struct zn_request *req, struct zn_reply *rep);
void zn_api_refuse(void *arg, struct zn_request *req, struct zn_reply *rep, int status,
                   const char *code, const char *detail);
size_t zn_api_body_limit(void *arg, const char *method, const char *path);

/* The whole route table, one area after the other; NULL past the end. */
const struct zn_route *zn_route_at(size_t i);

#endif
