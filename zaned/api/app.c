/* The router: finds the route, asks who calls and whether they may, reads the body, calls the handler. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "zaned/api/answers.h"
#include "zaned/api/cache.h"
#include "zaned/api/audit.h"
#include "zaned/api/caller.h"
#include "zaned/api/caller_memory.h"
#include "zaned/api/etag.h"
#include "zaned/api/idempotency.h"
#include "zaned/api/limits.h"
#include "zaned/api/web.h"
#include "zaned/config.h"

enum { SEGMENTS_MAX = 24, METHODS_TEXT = 64 };

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

/* Methods of the routes that fit the path. */
static void list_methods(const struct zn_app *app, const struct split *path, struct zn_request *req, char *allow)
{
    for (size_t t = 0; t < app->ntables; t++)
        for (size_t i = 0; i < *app->tables[t].n; i++) {
            const struct zn_route *r = &app->tables[t].routes[i];
            size_t n = strlen(allow);

            if (fits(r->path, path, req) >= 0 && !strstr(allow, r->method))
                snprintf(allow + n, METHODS_TEXT - n, "%s%s", n ? ", " : "", r->method);
        }
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
            int s = method_is(r, req->method) ? fits(r->path, &path, req) : -1;

            if (s > score) {
                best = r;
                score = s;
                nkept = req->nparams;
                memcpy(kept, req->params, sizeof kept);
            }
        }
    if (!best)
        list_methods(app, &path, req, allow);
    memcpy(req->params, kept, nkept * sizeof *kept);
    req->nparams = nkept;
    return best;
}

/* What is known of a request once its head is there. req->route points to one. */
struct target {
    const struct zn_route *route;
    bool quick;           /* caller and answer are in memory: it is served by the loop */
    struct zn_caller who; /* if quick */
    struct zn_blob *answer; /* if quick and the route's answers are kept; goes with the reply */
};

/* Whether all that the request needs is in memory. */
static bool is_quick(const struct zn_app *app, struct zn_request *req, struct target *t)
{
    struct zn_call c = { .api = app->api, .route = t->route, .req = req, .arena = req->arena };
    struct zn_err err = { 0 };

    if (!(t->route->memory || t->route->cached) || strcmp(req->method, "GET") != 0 ||
        zn_request_header(req, "Content-Length") || zn_request_header(req, "Transfer-Encoding") ||
        zn_request_header(req, "Expect") || /* nothing may come between this and the answer */
        !zn_host_is_ours(app->api->cfg, req) || !zn_caller_recall(&c) ||
        zn_caller_allowed(&c, t->route, &err) < 0)
        return false;
    if (t->route->cached && !(t->answer = zn_answer_recall(&c)))
        return false;
    t->who = c.who;
    return true;
}

/* A client that has this document already is told so. */
static void not_modified(const struct zn_request *req, struct zn_reply *reply)
{
    const char *known = zn_request_header(req, "If-None-Match");

    if (!known || reply->status != 200 || (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0))
        return;
    for (unsigned i = 0; i < reply->nheaders; i++)
        if (strcmp(reply->headers[i].name, "ETag") == 0 && zn_etag_listed(known, reply->headers[i].value)) {
            zn_reply_empty(reply, 304);
            return;
        }
}

/* What is not the API's is the dashboard's, at the addresses that are ours. */
static bool web_answers(const struct zn_app *app, struct zn_request *req, struct zn_reply *reply)
{
    return zn_host_is_ours(app->api->cfg, req) && zn_web_answer(app->api->web, req, reply);
}

/* While an upgrade is on trial: what this would write is undone with it, if it is. Not so log lines, which go to Loki. */
static bool kept_out(const struct zn_app *app, const struct zn_route *r)
{
    return strcmp(r->method, "GET") != 0 && r->scope != ZN_SCOPE_INGEST && zn_on_trial(app->api->cfg);
}

static void refuse_on_trial(struct zn_reply *reply)
{
    zn_reply_header(reply, "Retry-After", "5");
    zn_reply_error(reply, 503, "upgrading", "An upgrade is being checked; changes are accepted again in a moment.",
                   NULL);
}

static void on_route(void *self, struct zn_request *req, enum zn_lane *lane, size_t *body_max,
                     struct zn_reply *reply)
{
    char allow[METHODS_TEXT];
    const struct zn_route *r = find(self, req, allow);
    struct target *t = r ? zn_arena_alloc(req->arena, sizeof *t) : NULL;

    if (r && kept_out(self, r)) {
        refuse_on_trial(reply);
    } else if (t) {
        t->route = r;
        t->quick = is_quick(self, req, t);
        req->route = t;
        *lane = t->quick ? ZN_LANE_LOOP : r->lane;
        if (strstr(r->path, "token}"))
            req->path = r->path; /* what is logged of a request must not show a token */
        *body_max = r->body_max ? r->body_max : (size_t)ZN_BODY_MAX;
    } else if (r) {
        zn_reply_error(reply, 503, "unavailable", "out of memory", NULL);
    } else if (*allow) {
        zn_reply_header(reply, "Allow", zn_arena_strdup(req->arena, allow));
        zn_reply_error(reply, 405, "method_not_allowed",
                       zn_arena_printf(req->arena, "Method \"%.20s\" not allowed.", req->method), NULL);
    } else if (web_answers(self, req, reply)) {
        not_modified(req, reply);
    } else {
        zn_reply_error(reply, 404, "not_found", "Not found.", NULL);
    }
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

/* Who asks, and whether they may. 0 go on · 1 the reply is filled · -1 err. */
static int admit(struct zn_call *c, const struct target *t, struct zn_reply *reply, struct zn_err *err)
{
    int limited;

    if (t->quick) {
        c->who = t->who; /* may call the route: is_quick */
        return zn_limit_account(c, reply);
    }
    if (t->route->lane == ZN_LANE_LOOP)
        return zn_caller_allowed(c, t->route, err);
    if (!zn_host_is_ours(c->api->cfg, c->req)) {
        zn_reply_error(reply, 400, "bad_request", "Invalid Host header.", NULL);
        return 1;
    }
    if (zn_caller_find(c, err) < 0)
        return -1;
    limited = zn_limit_check(c, t->route, reply, err);
    if (limited)
        return limited;
    if (zn_caller_allowed(c, t->route, err) < 0)
        return -1;
    return zn_limit_account(c, reply);
}

/* Other callers' memories are out of date before the reply is sent. Log lines change nothing that is kept,
 * nor does what was refused before anything was written: else strangers could empty it for everybody. */
static void forget_kept(const struct zn_call *c, const struct zn_reply *reply)
{
    bool refused = reply->status >= 400 && reply->status < 500 && !c->changed;

    if (strcmp(c->req->method, "GET") == 0 || strcmp(c->req->method, "HEAD") == 0 ||
        c->route->scope == ZN_SCOPE_INGEST || refused)
        return;
    zn_cache_raise(c->api->callers);
    zn_cache_raise(c->api->answers);
}

/* Runs the handler; what went wrong is in the reply as well. */
static void handle(struct zn_call *c, struct zn_reply *reply)
{
    struct zn_err err = { 0 };

    if (c->route->handler(c, reply, &err) < 0)
        zn_reply_err(reply, c->req, &err);
    forget_kept(c, reply);
}

static void answer_cached(struct zn_call *c, struct zn_reply *reply)
{
    struct zn_blob *kept = zn_answer_begin(c);

    if (kept) {
        zn_answer_reply(c, reply, kept);
        return;
    }
    handle(c, reply);
    zn_answer_end(c, reply);
}

static int answer(struct zn_call *c, const struct target *t, struct zn_reply *reply, struct zn_err *err)
{
    int r;

    if (t->answer) {
        zn_answer_reply(c, reply, t->answer);
        return 0;
    }
    if (t->route->cached && strcmp(c->req->method, "GET") == 0) {
        answer_cached(c, reply);
        return 0;
    }
    if (parse_body(c, reply))
        return 0;
    r = zn_once_begin(c, reply, err);
    if (r)
        return r < 0 ? -1 : 0;
    handle(c, reply);
    zn_once_end(c, reply);
    return 0;
}

static void on_handle(void *self, struct zn_request *req, struct zn_reply *reply)
{
    const struct zn_app *app = self;
    const struct target *t = req->route;
    struct zn_call c = { .api = app->api, .route = t->route, .req = req, .arena = req->arena };
    struct zn_err err = { 0 };
    int r = admit(&c, t, reply, &err);

    if (r && t->answer)
        zn_blob_unref(t->answer);
    if (r == 0)
        r = answer(&c, t, reply, &err);
    if (r < 0)
        zn_reply_err(reply, req, &err);
    zn_audit_end(&c);
    not_modified(req, reply);
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
