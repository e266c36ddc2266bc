/* Routes that request and cancel changes of a service. */
#include "zaned/api/changes.h"

#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/domain/change.h"
#include "zaned/domain/dotenv.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/api/services.h"

struct request {
    struct zn_call *call;
    json_t *change;    /* of request-service-changes */
    json_t *variables; /* of request-env-changes */
    json_t *shown;     /* the service afterwards; owned */
};

/* The service of the path, locked, as the caller expects it to be. */
static int begin(struct zn_conn *c, struct zn_call *call, struct zn_service *s, struct zn_err *err)
{
    if (zn_service_by_path(c, call, true, s, err) < 0)
        return -1;
    return zn_service_fresh(call, s, err);
}

static int end(struct zn_conn *c, struct request *q, struct zn_service *s, struct zn_err *err)
{
    if (zn_service_reload(c, q->call, s, err) < 0)
        return -1;
    if (json_array_size(s->pending) > ZN_MAX_WAITING)
        return zn_fail(err, ZN_CONFLICT, "%d changes are waiting already: deploy or cancel them",
                       ZN_MAX_WAITING);
    json_decref(q->shown);
    q->shown = zn_service_show(s);
    return 0;
}

static int run(struct request *q, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    int r = zn_call_tx(q->call, fn, q, err);
    zn_auto_json shown = q->shown;

    if (r == 0)
        zn_reply_doc(q->call, reply, 200, ZN_TAKE(shown));
    return r;
}

/* --- one change ------------------------------------------------------------------------------------- */

static int store(struct zn_conn *c, struct zn_call *call, const struct zn_service *s,
                 const json_t *change, const struct zn_change_plan *plan, struct zn_err *err)
{
    zn_auto_json sealed = NULL;

    if (plan->replaces &&
        zn_sql(c, ZN_SQL_CHANGE_DELETE, ZN_P(s->id, plan->replaces), NULL, err) < 0)
        return -1;
    if (plan->store && zn_change_store(c, call, s->id, change, NULL, err) < 0)
        return -1;
    if (zn_change_sealed(call, change, &sealed, err) < 0)
        return -1;
    return zn_audit(c, call, "service.request_change", s->id, NULL, sealed, err);
}

static int request_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct request *q = arg;
    struct zn_call *call = q->call;
    zn_auto_service s = { 0 };
    struct zn_change_plan plan;

    if (begin(c, call, &s, err) < 0)
        return -1;
    struct zn_rules_port port = { c, s.id, call->arena };
    struct zn_state_rules rules = zn_service_rules(call, &port);
    zn_auto_json change = json_deep_copy(q->change);
    const char *domain = zn_new_domain(call->arena, s.place.project,
                                       zn_json_str(s.doc, "slug", ""), rules.root_domain);
    if (zn_change_check(&rules, s.clear, s.pending, domain, change, &plan, err) < 0 ||
        store(c, call, &s, change, &plan, err) < 0)
        return -1;
    return end(c, q, &s, err);
}

static int changes_request(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_json none = json_object();
    zn_auto_json change = NULL;

    if (zn_change_parse(call->arena, call->body ? call->body : none, &change, err) < 0)
        return -1;
    struct request q = { .call = call, .change = change };
    return run(&q, request_tx, reply, err);
}

/* --- variables from a text -------------------------------------------------------------------------- */

struct env_in {
    const char *new_value;
};
static const struct zn_jfield env_fields[] = {
    ZN_J(env_in, new_value, STR, .required = true, .max = ZN_MAX_DOTENV,
         .help = "lines KEY=value as .env files have them; variables of other keys stay"),
};

/* Keys only: values are secret. */
static json_t *keys_of(const json_t *variables)
{
    json_t *keys = json_array(), *v;
    size_t i;

    json_array_foreach (variables, i, v)
        json_array_append(keys, json_object_get(v, "key"));
    return json_pack("{s:o}", "keys", keys);
}

static int too_many(const struct zn_service *s, struct zn_err *err)
{
    zn_auto_json after = NULL;

    if (zn_state_overlay(s->clear, s->pending, &after, err) < 0)
        return -1;
    if (json_array_size(json_object_get(after, "env_variables")) <= ZN_MAX_ITEMS)
        return 0;
    zn_field_err(err, "new_value", "invalid", "A service has at most 200 variables.");
    return zn_fail(err, ZN_INVALID, "the change does not fit the service");
}

static int variables_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct request *q = arg;
    zn_auto_service s = { 0 };
    zn_auto_json changes = NULL;
    zn_auto_json replaced = NULL;
    zn_auto_json keys = keys_of(q->variables);
    size_t i;
    json_t *v;

    if (begin(c, q->call, &s, err) < 0 ||
        zn_change_variables(s.clear, s.pending, q->variables, &changes, &replaced, err) < 0)
        return -1;
    json_array_foreach (replaced, i, v)
        if (zn_sql(c, ZN_SQL_CHANGE_DELETE, ZN_P(s.id, json_string_value(v)), NULL, err) < 0)
            return -1;
    json_array_foreach (changes, i, v)
        if (zn_change_store(c, q->call, s.id, v, NULL, err) < 0)
            return -1;
    if (zn_audit(c, q->call, "service.request_variables", s.id, NULL, keys, err) < 0 ||
        end(c, q, &s, err) < 0)
        return -1;
    return too_many(&s, err);
}

static int variables_request(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct env_in in = { 0 };
    zn_auto_json variables = NULL;

    if (zn_call_body(call, &in, NULL, err) < 0 ||
        zn_dotenv_parse(call->arena, in.new_value, &variables, err) < 0)
        return -1;
    struct request q = { .call = call, .variables = variables };
    return run(&q, variables_tx, reply, err);
}

/* --- cancel ----------------------------------------------------------------------------------------- */

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

/* The waiting change with its secrets sealed; borrowed. */
static const json_t *waiting(const struct zn_service *s, const char *id)
{
    size_t i;
    json_t *change;

    json_array_foreach (json_object_get(s->doc, "unapplied_changes"), i, change)
        if (strcmp(zn_json_str(change, "id", ""), id) == 0)
            return change;
    return NULL;
}

static int cancel_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct zn_call *call = arg;
    const char *id = zn_request_param(call->req, "change_id");
    zn_auto_service s = { 0 };
    zn_auto_json after = NULL;

    if (begin(c, call, &s, err) < 0)
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
    if (zn_sql(c, ZN_SQL_CHANGE_DELETE, ZN_P(s.id, id), NULL, err) < 0)
        return -1;
    return zn_audit(c, call, "service.cancel_change", s.id, waiting(&s, id), NULL, err);
}

static int changes_cancel(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_call_tx(call, cancel_tx, call, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

#define PLACE "/api/projects/{project_slug}/{env_slug}/"

const struct zn_route zn_change_routes[] = {
    { .method = "PUT", .path = PLACE "request-service-changes/{service_slug}",
      .scope = ZN_SCOPE_MEMBER, .handler = changes_request, .name = "service_request_change",
      .summary = "Asks for a change of a service, which waits for the next deploy",
      .body = { zn_change_fields, ZN_CHANGE_NFIELDS }, .body_schema = "ServiceChangeRequest",
      .answers = { { 200, "Service" } },
      .conflicts = true },
    { .method = "PUT", .path = PLACE "request-env-changes/{service_slug}", .scope = ZN_SCOPE_MEMBER,
      .handler = variables_request, .name = "service_request_variables",
      .summary = "Asks for variables given as the text of an .env file; others stay as they are",
      .body = ZN_FIELDS(env_fields), .answers = { { 200, "Service" } }, .conflicts = true },
    { .method = "DELETE", .path = PLACE "cancel-service-changes/{service_slug}/{change_id}",
      .scope = ZN_SCOPE_MEMBER, .handler = changes_cancel, .name = "service_cancel_change",
      .summary = "Takes back a change that waits", .answers = { { 204, NULL } }, .conflicts = true },
};
const size_t zn_change_nroutes = ZN_COUNT(zn_change_routes);
