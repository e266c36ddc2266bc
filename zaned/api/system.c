/* Health of the daemon, settings, and which certificates may be made. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/events.h"
#include "zaned/api/session.h"
#include "zaned/config.h"
#include "zaned/store/store.h"

static const int64_t READY_FRESH_MS = 1000;

static int healthz(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    (void)c;
    (void)err;
    zn_reply_json(reply, 200, json_pack("{s:b}", "alive", 1));
    return 0;
}

/* What the daemon can't work without; NULL if all of it answers. */
static const char *missing(struct zn_api *api, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (zn_sql_once(api->store, ZN_SQL_PING, ZN_P0, &res, err) < 0)
        return "postgres";
    return zn_sessions_ping(api->sessions, err) < 0 ? "valkey" : NULL;
}

/* One look a second at most, and one at a time, however many ask: the others get the last answer, so
 * that a silent database cannot hold all workers. */
static int readyz(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t at_ms;
    static const char *bad = "start";
    static char reason[256];
    static bool looking;
    bool look;
    char why[256];
    const char *what;

    (void)err;
    pthread_mutex_lock(&lock);
    look = !looking && (!at_ms || zn_now_ms() - at_ms > READY_FRESH_MS);
    if (look) {
        struct zn_err e = { 0 };

        looking = true;
        pthread_mutex_unlock(&lock);
        what = missing(c->api, &e);
        pthread_mutex_lock(&lock);
        looking = false;
        bad = what;
        memcpy(reason, e.msg, sizeof reason);
        at_ms = zn_now_ms();
    }
    what = bad;
    memcpy(why, reason, sizeof why);
    pthread_mutex_unlock(&lock);
    if (what)
        zn_reply_json(reply, 503,
                      json_pack("{s:b,s:s,s:s}", "ready", 0, "waits_for", what, "reason", why));
    else
        zn_reply_json(reply, 200, json_pack("{s:b}", "ready", 1));
    return 0;
}

static int settings(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const struct zn_config *cfg = c->api->cfg;

    (void)err;
    zn_reply_json(reply, 200,
                  json_pack("{s:s,s:s,s:s,s:s}", "root_domain", cfg->root_domain, "app_domain",
                            cfg->app_domain, "image_version", cfg->version, "commit_sha", ""));
    return 0;
}

static int check_certificates(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const char *given = zn_request_query(c->req, "domain");
    char domain[254], wildcard[260] = "";
    zn_auto_pgresult res = NULL;

    if (!given || !*given || strlen(given) >= sizeof domain || strchr(given, '/')) {
        zn_call_field(c, err, "domain", given ? "invalid" : "required",
                      given ? "This is not a domain." : "This field is required.");
        return zn_fail(err, ZN_INVALID, "the query has invalid fields");
    }
    memcpy(domain, given, strlen(given) + 1);
    zn_lower(domain);
    const char *dot = strchr(domain, '.');
    if (dot)
        snprintf(wildcard, sizeof wildcard, "*%s", dot);
    bool ours = strcmp(domain, c->api->cfg->app_domain) == 0 ||
                strcmp(domain, c->api->cfg->root_domain) == 0;
    if (!ours && zn_sql_once(c->api->store, ZN_SQL_DOMAIN_KNOWN, ZN_P(domain, wildcard), &res, err) < 0)
        return -1;
    if (!ours && !zn_col_bool(res, 0, "yes"))
        return zn_fail(err, ZN_DENIED, "A certificate cannot be issued for this domain.");
    zn_reply_json(reply, 200, json_pack("{s:b}", "validated", 1));
    return 0;
}

static int system_health(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    json_t *doc;

    if (zn_events_ask(c->api->events, "/v1/health", &doc, err) < 0)
        return -1;
    zn_reply_json(reply, 200, doc);
    return 0;
}

/* Starts a component that was left stopped; one that runs stays as it is. Noted before it is asked for. */
static int component_retry(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const char *name = zn_request_param(c->req, "component");
    char path[96];
    json_t *doc;

    if (*name < 'a' || *name > 'z' || strlen(name) > 31 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return zn_fail(err, ZN_NOT_FOUND, "There is no such component.");
    if (zn_audit(NULL, c, "system.retry", name, NULL, NULL, err) < 0 || zn_audit_write(c, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/v1/components/%s/retry", name);
    if (zn_events_do(c->api->events, path, &doc, err) < 0)
        return -1;
    zn_reply_json(reply, 200, doc);
    return 0;
}

static int system_events(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    const char *last;

    return zn_call_since(c, &last, err) < 0 ? -1 : zn_events_stream(c->api->events, last, reply, err);
}

struct certificate_query {
    const char *domain;
};
static const struct zn_jfield certificate_query[] = {
    ZN_J(certificate_query, domain, STR, .required = true, .min = 1, .max = 253),
};

const struct zn_route zn_system_routes[] = {
    { .method = "GET", .path = "/healthz", .scope = ZN_SCOPE_PUBLIC, .lane = ZN_LANE_LOOP,
      .handler = healthz, .throttle = ZN_THROTTLE_NONE, .name = "healthz",
      .summary = "Whether the process lives", .answers = { { 200, "Alive" } } },
    { .method = "GET", .path = "/readyz", .scope = ZN_SCOPE_PUBLIC, .handler = readyz,
      .throttle = ZN_THROTTLE_NONE, .name = "readyz",
      .summary = "Whether all that the API needs answers", .answers = { { 200, "Ready" } } },
    { .method = "GET", .path = "/api/settings", .scope = ZN_SCOPE_SESSION, .handler = settings,
      .name = "settings", .summary = "Domains and version of the platform",
      .answers = { { 200, "Settings" } } },
    { .method = "GET", .path = "/api/system/health", .scope = ZN_SCOPE_SUPERUSER, .handler = system_health,
      .name = "system_health", .summary = "The state of every component of the platform, from the supervisor",
      .answers = { { 200, "SystemHealth" } } },
    { .method = "POST", .path = "/api/system/components/{component}/retry", .scope = ZN_SCOPE_SUPERUSER,
      .handler = component_retry, .name = "system_component_retry",
      .summary = "Start a component again that the supervisor left stopped",
      .answers = { { 200, "SystemComponent" } }, .conflicts = true },
    { .method = "GET", .path = "/api/system/events", .scope = ZN_SCOPE_SUPERUSER, .handler = system_events,
      .name = "system_events",
      .summary = "Stream of the platform's changes: snapshot, then component and platform, away",
      .query = ZN_FIELDS(zn_since_query), .answers = { { 200, "EventStream" } } },
    { .method = "GET", .path = "/api/_proxy/check-certiticates", .scope = ZN_SCOPE_PUBLIC,
      .handler = check_certificates, .throttle = ZN_THROTTLE_TLS, .name = "check_certificates",
      .summary = "Whether a certificate may be made for a domain; asked by the proxy",
      .query = ZN_FIELDS(certificate_query),
      .answers = { { 200, "Validated" }, { 403, "ErrorEnvelope" } } },
};
const size_t zn_system_nroutes = ZN_COUNT(zn_system_routes);
