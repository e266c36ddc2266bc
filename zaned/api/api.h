/* The API: routes as data, one context for all handlers, one place that makes errors into replies.
 *
 * A handler decodes, calls, encodes:
 *
 *     static int thing_create(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
 *     {
 *         struct thing_in in = { .size = 1 };
 *
 *         if (zn_call_decode(c, thing_fields, ZN_COUNT(thing_fields), &in, NULL, err) < 0)
 *             return -1;
 *         …
 *         zn_reply_json(reply, 201, json_pack("{s:s}", "slug", in.slug));
 *         return 0;
 *     }
 *
 * 0 = the reply is filled. -1 = err says why; the router makes the envelope of it:
 *     ZN_INVALID with fields 400 validation_error, without 400 bad_request · ZN_UNAUTHENTICATED 401
 *     not_authenticated · ZN_DENIED 403 permission_denied · ZN_NOT_FOUND 404 not_found · ZN_CONFLICT
 *     409 resource_conflict · ZN_BUSY 429 throttled · ZN_UNAVAILABLE 503 unavailable · ZN_INTERNAL 500
 *     error (the detail goes to the log, the caller sees the request's id).
 * For any other status or code a handler fills the reply with zn_reply_error and returns 0. */
#ifndef ZN_API_API_H
#define ZN_API_API_H

#include "base/err.h"
#include "base/json.h"
#include "zaned/http/http.h"

struct zn_config;
struct zn_loki;
struct zn_sealer;
struct zn_sessions;
struct zn_store;

#define ZN_COUNT(array) (sizeof(array) / sizeof *(array))

/* Who may call. Sessions need a valid CSRF token on methods that change something. */
enum zn_scope {
    ZN_SCOPE_PUBLIC,
    ZN_SCOPE_INGEST,    /* HTTP Basic zane:<ingest_token> */
    ZN_SCOPE_SESSION,   /* any user with a session, with a workspace or not */
    ZN_SCOPE_GUEST,     /* from here on: a role in the current workspace */
    ZN_SCOPE_MEMBER,
    ZN_SCOPE_ADMIN,
    ZN_SCOPE_OWNER,
    ZN_SCOPE_SUPERUSER, /* of the instance */
};

enum zn_role { ZN_ROLE_GUEST = 10, ZN_ROLE_MEMBER = 30, ZN_ROLE_ADMIN = 40, ZN_ROLE_OWNER = 50 };

/* Calls of one client address in a minute. ANON counts only callers without a session. */
enum zn_throttle {
    ZN_THROTTLE_AUTO, /* ANON for PUBLIC scope, none for the others */
    ZN_THROTTLE_NONE,
    ZN_THROTTLE_ANON,
    ZN_THROTTLE_TLS,
    ZN_THROTTLE_REGISTRATION,
};

struct zn_caller {
    long long user_id; /* 0 = nobody */
    const char *username, *first_name, *last_name;
    bool is_superuser;
    const char *session_id;   /* NULL without a session */
    const char *csrf_token;
    long long membership_id;  /* 0 = no workspace */
    const char *workspace_id; /* current workspace; NULL without one */
    const char *workspace_name;
    int role;                 /* enum zn_role; 0 without a workspace */
};

/* Shared by all handlers and threads; everything in it outlives the server. */
struct zn_api {
    const struct zn_config *cfg;
    struct zn_store *store;
    struct zn_sessions *sessions;
    const struct zn_sealer *sealer;
    struct zn_loki *loki;
    const char *ingest_token, *setup_token; /* never NULL or empty */
};

/* One request on its way through a handler. */
struct zn_call {
    struct zn_api *api;
    struct zn_request *req;
    struct zn_arena *arena; /* of the request */
    struct zn_caller who;
    json_t *body; /* parsed JSON body, any type; NULL if the request had none. Borrowed. */
};

typedef int (*zn_handler)(struct zn_call *c, struct zn_reply *reply, struct zn_err *err);

struct zn_route {
    const char *method;
    const char *path; /* "/api/things/{slug}": a parameter is a whole segment; a trailing slash in the
                       * request is optional; literal segments win over parameters */
    enum zn_scope scope;
    enum zn_lane lane;         /* LOOP: PUBLIC scope only, no throttle */
    zn_handler handler;
    enum zn_throttle throttle;
    size_t body_max;           /* 0 = ZN_BODY_MAX */
};

/* Tables of the areas, gathered in routes.c. */
extern const struct zn_route zn_auth_routes[], zn_system_routes[], zn_project_routes[],
    zn_service_routes[], zn_deployment_routes[], zn_log_routes[], zn_toggle_routes[],
    zn_place_routes[];
extern const size_t zn_auth_nroutes, zn_system_nroutes, zn_project_nroutes, zn_service_nroutes,
    zn_deployment_nroutes, zn_log_nroutes, zn_toggle_nroutes, zn_place_nroutes;

/* Decodes the body (no body = an empty object) by base/json tables. More rules of the caller's can
 * add to err->fields afterwards: see zn_call_field. */
int zn_call_decode(struct zn_call *c, const struct zn_jfield *tab, size_t ntab, void *rec,
                   uint64_t *present, struct zn_err *err);
/* Adds a bad field; path ("new_value.domain") and msg are copied into the arena. */
void zn_call_field(struct zn_call *c, struct zn_err *err, const char *path, const char *rule,
                   const char *msg);
/* Integer from the query within bounds, fallback if absent; else a field error under its name and
 * -1. */
int zn_call_query_int(struct zn_call *c, const char *name, long long min, long long max,
                      long long fallback, long long *ret, struct zn_err *err);
/* The request's own URL with one query parameter replaced (absolute, as pages show it); arena. */
const char *zn_call_url(struct zn_call *c, const char *param, const char *value);

/* An error envelope with one entry. type follows from the status; attr may be NULL. */
void zn_reply_error(struct zn_reply *r, int status, const char *code, const char *detail,
                    const char *attr);
/* The envelope of err. */
void zn_reply_err(struct zn_reply *r, const struct zn_request *req, const struct zn_err *err);

/* The application for zn_server_start: routes over every table, or over the ones given. */
struct zn_route_table {
    const struct zn_route *routes;
    const size_t *n; /* how many */
};
struct zn_app; /* owner: the caller; must outlive the server */
int zn_app_new(struct zn_api *api, const struct zn_route_table *tables, size_t ntables,
               struct zn_app **ret, struct zn_err *err);
void zn_app_free(struct zn_app *app);
struct zn_http_app zn_app_http(struct zn_app *app);

/* All tables of this build. */
extern const struct zn_route_table zn_all_routes[];
extern const size_t zn_all_nroutes;

#endif
