/* The API: routes as data, one context for all handlers, one place that makes errors into replies.
 *
 * A handler decodes, calls, encodes:
 *
 *     static int thing_create(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
 *     {
 *         struct thing_in in = { .size = 1 };
 *
 *         if (zn_call_body(c, &in, NULL, err) < 0 || zn_call_tx(c, create_tx, &in, err) < 0)
 *             return -1;
 *         …
 *         zn_reply_json(reply, 201, json_pack("{s:s}", "slug", in.slug));
 *         return 0;
 *     }
 *
 * 0 = the reply is filled. -1 = err says why; the router makes the envelope of it:
 *     ZN_INVALID with fields 400 validation_error, without 400 bad_request · ZN_UNAUTHENTICATED 401
 *     not_authenticated · ZN_DENIED 403 permission_denied · ZN_NOT_FOUND 404 not_found · ZN_CONFLICT
 *     409 resource_conflict · ZN_STALE 412 precondition_failed · ZN_BUSY 429 throttled · ZN_UNAVAILABLE 503 unavailable · ZN_INTERNAL 500
 *     error (the detail goes to the log, the caller sees the request's id).
 * For any other status or code a handler fills the reply with zn_reply_error and returns 0. */
#ifndef ZN_API_API_H
#define ZN_API_API_H

#include "base/err.h"
#include "base/json.h"
#include "zaned/domain/people.h"
#include "zaned/http/http.h"

struct zn_audit_note;
struct zn_cache;
struct zn_config;
struct zn_flight;
struct zn_conn;
struct zn_events;
struct zn_feed;
struct zn_limits;
struct zn_loki;
struct zn_once;
struct zn_sealer;
struct zn_sessions;
struct zn_store;
struct zn_tail;
struct zn_web;

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

/* What an API token must be good for to call a route. A token never does more than its user may. */
enum zn_token_scope {
    ZN_TOKEN_AUTO, /* READ for GET, else ADMIN; NONE for SESSION, SUPERUSER and PUBLIC scopes */
    ZN_TOKEN_NONE, /* no token is taken: accounts, tokens, the instance */
    ZN_TOKEN_READ,
    ZN_TOKEN_DEPLOY,
    ZN_TOKEN_ADMIN,
};

/* Calls of one client address in a minute. ANON counts only callers without a session. */
enum zn_throttle {
    ZN_THROTTLE_AUTO, /* ANON for PUBLIC scope, none for the others */
    ZN_THROTTLE_NONE,
    ZN_THROTTLE_ANON,
    ZN_THROTTLE_TLS,
    ZN_THROTTLE_REGISTRATION,
    ZN_THROTTLE_WEBHOOK,
};

struct zn_caller {
    long long user_id; /* 0 = nobody */
    const char *username, *first_name, *last_name;
    bool is_superuser;
    const char *session_id;   /* the cookie, never shown or logged; NULL without a session */
    const char *session_name; /* what the session is called where it is shown */
    const char *csrf_token;
    long long membership_id;  /* 0 = no workspace */
    const char *workspace_id; /* current workspace; NULL without one */
    const char *workspace_name;
    int role;                 /* enum zn_role; 0 without a workspace */
    const char *token_id;     /* the API token that was shown; NULL for a session */
    enum zn_token_scope token_scope; /* of that token */
};

/* Shared by all handlers and threads; everything in it outlives the server. */
struct zn_api {
    const struct zn_config *cfg;
    struct zn_store *store;
    struct zn_sessions *sessions;
    const struct zn_sealer *sealer;
    struct zn_loki *loki;
    const char *ingest_token, *setup_token; /* never NULL or empty */
    struct zn_cache *callers, *answers; /* NULL: nothing is kept */
    struct zn_events *events;           /* of the supervisor */
    struct zn_feed *feed;               /* of the workspaces */
    struct zn_tail *tail;               /* live log lines */
    const struct zn_web *web;           /* the dashboard; NULL: there is none */
    struct zn_limits *limits;           /* NULL: nothing is counted for accounts */
};

/* Rows of a decode table. */
struct zn_fields {
    const struct zn_jfield *tab;
    size_t n;
};
#define ZN_FIELDS(array) { array, ZN_COUNT(array) }

/* One request on its way through a handler. */
struct zn_route;
struct zn_call {
    const struct zn_route *route;
    struct zn_api *api;
    struct zn_request *req;
    struct zn_arena *arena; /* of the request */
    struct zn_caller who;
    json_t *body; /* parsed JSON body, any type; NULL if the request had none. Borrowed. */
    struct zn_audit_note *notes; /* of the transaction that runs: audit.c */
    bool changed;                /* a transaction of it was committed */
    struct zn_flight *flight;    /* it works out an answer that others wait for: answers.c */
    struct zn_once *once;        /* the request has an Idempotency-Key: idempotency.c */
};

typedef int (*zn_handler)(struct zn_call *c, struct zn_reply *reply, struct zn_err *err);

/* An answer that is no error. schema: a component of zaned/api/schemas/, "Name"; "Name[]" for a list of
 * them; NULL = no body. */
struct zn_answer {
    int status;
    const char *schema;
};
enum { ZN_ANSWERS_MAX = 4 };

/* The OpenAPI document is made of these (openapi.c), so what is said here is what a client can read. */
struct zn_route {
    const char *method;
    const char *path; /* "/api/things/{slug}": a parameter is a whole segment; a trailing slash in the
                       * request is optional; literal segments win over parameters */
    enum zn_scope scope;
    enum zn_lane lane;         /* LOOP: PUBLIC scope only, no throttle */
    zn_handler handler;
    enum zn_throttle throttle;
    size_t body_max;           /* 0 = ZN_BODY_MAX */
    const char *name;          /* operation, unique: "thing_create" */
    const char *summary;       /* what it does, one sentence without a full stop */
    struct zn_fields body;     /* what zn_call_body decodes; empty = takes no body */
    const char *body_schema;   /* a component that describes the body, where a table cannot say all of it */
    struct zn_fields query;    /* what zn_call_query decodes */
    struct zn_answer answers[ZN_ANSWERS_MAX]; /* up to status 0 */
    bool conflicts;            /* may answer 409 */
    bool memory;               /* GET that needs nothing but the caller: no database, no waiting */
    bool cached;               /* GET whose answer depends on workspace, guest and address alone, and
                                * changes with rows of the tables of migration 0010 only */
    enum zn_token_scope token;
};

/* Tables of the areas, gathered in routes.c. */
extern const struct zn_route zn_auth_routes[], zn_system_routes[], zn_project_routes[],
    zn_service_routes[], zn_deployment_routes[], zn_log_routes[], zn_toggle_routes[],
    zn_place_routes[], zn_account_routes[], zn_workspace_routes[], zn_console_routes[],
    zn_token_routes[], zn_session_routes[], zn_totp_routes[], zn_audit_routes[], zn_change_routes[],
    zn_variable_routes[], zn_bulk_routes[], zn_registry_routes[], zn_document_routes[],
    zn_member_routes[], zn_invitation_routes[], zn_feed_routes[];
extern const size_t zn_auth_nroutes, zn_system_nroutes, zn_project_nroutes, zn_service_nroutes,
    zn_deployment_nroutes, zn_log_nroutes, zn_toggle_nroutes, zn_place_nroutes,
    zn_account_nroutes, zn_workspace_nroutes, zn_console_nroutes, zn_token_nroutes,
    zn_session_nroutes, zn_totp_nroutes, zn_audit_nroutes,
    zn_change_nroutes, zn_variable_nroutes, zn_bulk_nroutes, zn_registry_nroutes,
    zn_document_nroutes, zn_member_nroutes, zn_invitation_nroutes, zn_feed_nroutes;

/* Decodes the body (no body = an empty object) or the query by the table of the route. Numbers and
 * booleans ("true", "false") of the query are read from their texts, a ZN_J_STRS is a parameter that may
 * be repeated. present: see zn_json_decode. */
int zn_call_body(struct zn_call *c, void *rec, uint64_t *present, struct zn_err *err);
int zn_call_query(struct zn_call *c, void *rec, uint64_t *present, struct zn_err *err);

/* The query of a stream that can be resumed, for its route; zn_call_since: the id of the last event that the caller has
 * seen, by the header Last-Event-ID or else ?since=; NULL: neither. */
extern const struct zn_jfield zn_since_query[1];
int zn_call_since(struct zn_call *c, const char **ret, struct zn_err *err);

/* zn_tx for a request that changes something: with its audit entries, and with its Idempotency-Key taken.
 * Everything that such a request writes belongs into one of these. */
int zn_call_tx(struct zn_call *c, int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err), void *arg,
               struct zn_err *err);

/* Entity tags. zn_reply_doc answers with a document and its ETag; zn_call_fresh compares the document as it
 * is (locked, before the change) with If-Match: ZN_STALE if the caller saw another one. The document
 * must be what the GET of the resource shows. */
void zn_reply_doc(struct zn_call *c, struct zn_reply *r, int status, json_t *steals);
int zn_call_fresh(struct zn_call *c, const json_t *doc, struct zn_err *err);

/* The membership of the caller as a text if it is a guest's, who sees some projects only (statements
 * with ZN_SQLT_GUEST_SEES); NULL for other roles. */
const char *zn_guest_of(struct zn_call *c);

/* Adds a bad field; path ("new_value.domain") and msg are copied into the arena. */
void zn_call_field(struct zn_call *c, struct zn_err *err, const char *path, const char *rule,
                   const char *msg);
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
    const char *area;
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
