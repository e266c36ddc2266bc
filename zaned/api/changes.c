/* Routes that request and cancel changes of a service. */
#include "zaned/api/changes.h"

#include <string.h>

#include "zaned/domain/change.h"
#include "zaned/domain/names.h"
#include "zaned/api/services.h"

struct request {
    struct zn_call *call;
    json_t *change;
    json_t *shown; /* the service afterwards; owned */
};

static int request_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct request *q = arg;
    struct zn_call *call = q->call;
    zn_auto_service s = { 0 };
    struct zn_change_plan plan;

    if (zn_service_by_path(c, call, true, &s, err) < 0)
        return -1;
    struct zn_rules_port port = { c, s.id, call->arena };
    struct zn_state_rules rules = zn_service_rules(call, &port);
    zn_auto_json change = json_deep_copy(q->change);
    const char *domain = zn_new_domain(call->arena, s.place.project,
                                       zn_json_str(s.doc, "slug", ""), rules.root_domain);
    if (zn_change_check(&rules, s.clear, s.pending, domain, change, &plan, err) < 0)
        return -1;
    if (plan.replaces &&
        zn_sql(c, ZN_SQL_CHANGE_DELETE, ZN_P(s.id, plan.replaces), NULL, err) < 0)
        return -1;
    if (json_array_size(s.pending) >= ZN_MAX_WAITING && !plan.replaces)
        return zn_fail(err, ZN_CONFLICT, "%d changes are waiting already: deploy or cancel them",
                       ZN_MAX_WAITING);
    if (plan.store && zn_change_store(c, call, s.id, change, NULL, err) < 0)
        return -1;
    if (zn_service_reload(c, call, &s, err) < 0)
        return -1;
    json_decref(q->shown);
    q->shown = zn_service_show(&s);
    return 0;
}

static int changes_request(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_json none = json_object();
    zn_auto_json change = NULL;
    zn_auto_json shown = NULL;

    if (zn_change_parse(call->arena, call->body ? call->body : none, &change, err) < 0)
        return -1;
    struct request q = { call, change, NULL };
    int r = zn_tx(call->api->store, request_tx, &q, err);
    shown = q.shown;
    if (r == 0)
        zn_reply_json(reply, 200, ZN_TAKE(shown));
    return r;
}

/* The waiting changes without one of them. */
static json_t *without(const json_t *pending, const char *id)
{
    json_t *ret = json_array(), *change;
    size_t i;

    json_array_foreach (pending, i, change)
        if (strcmp(zn_json_str(change, "id", ""), id) != 0)
            json_array_append(ret, change);
    return ret;
}

static int cancel_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    const char *id = zn_request_param(call->req, "change_id");
    zn_auto_service s = { 0 };
    zn_auto_json after = NULL;

    if (zn_service_by_path(c, call, true, &s, err) < 0)
        return -1;
    struct zn_rules_port port = { c, s.id, call->arena };
    struct zn_state_rules rules = zn_service_rules(call, &port);
    zn_auto_json rest = without(s.pending, id);
    if (json_array_size(rest) == json_array_size(s.pending))
        return zn_fail(err, ZN_NOT_FOUND,
                       "A waiting change with the id `%.60s` does not exist in this service.", id);
    if (zn_state_overlay(s.clear, rest, &after, err) < 0 ||
        zn_state_check(&rules, after, err) < 0) {
        if (err->code == ZN_CONFLICT)
            zn_wrap(err, "This change cannot be cancelled");
        return -1;
    }
    return zn_sql(c, ZN_SQL_CHANGE_DELETE, ZN_P(s.id, id), NULL, err);
}

static int changes_cancel(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_tx(call->api->store, cancel_tx, call, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

#define PLACE "/api/projects/{project_slug}/{env_slug}/"

const struct zn_route zn_change_routes[] = {
    { .method = "PUT", .path = PLACE "request-service-changes/{service_slug}",
      .scope = ZN_SCOPE_MEMBER, .handler = changes_request },
    { .method = "DELETE", .path = PLACE "cancel-service-changes/{service_slug}/{change_id}",
      .scope = ZN_SCOPE_MEMBER, .handler = changes_cancel },
};
const size_t zn_change_nroutes = ZN_COUNT(zn_change_routes);
