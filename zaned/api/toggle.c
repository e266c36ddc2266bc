/* Route that puts a service to sleep and wakes it: the wish is written down here, the worker carries it out. */
#include "zaned/api/toggle.h"

#include <string.h>

#include "base/io.h"
#include "zaned/api/audit.h"
#include "zaned/api/services.h"

struct toggle {
    struct zn_call *call;
    const char *desired_state;
};

const char *const zn_toggle_states[] = { "start", "stop", NULL };

static const struct zn_jfield fields[] = {
    ZN_J(toggle, desired_state, STR, .required = true, .min = 1, .choices = zn_toggle_states),
};

static int queue(struct zn_conn *c, struct zn_call *call, const char *service_id, const char *hash,
                 struct zn_err *err)
{
    uint64_t wish;

    zn_random(&wish, sizeof wish); /* each wish is a run of its own; they do not wait for each other */
    zn_auto_json payload = json_pack("{s:s,s:o,s:{s:s,s:s}}", "workflow_type", "toggle_service",
                                     "workflow_id",
                                     json_sprintf("toggle-%s-%llx", hash, (unsigned long long)wish),
                                     "input", "deployment", hash, "service", service_id);

    return zn_sql(c, ZN_SQL_OUTBOX_ADD,
                  ZN_P("start_workflow", hash, zn_json_text(call->arena, payload)), NULL, err);
}

int zn_toggle(struct zn_conn *c, struct zn_call *call, const char *service_id, const char *slug,
              const char *desired_state, bool *ret, struct zn_err *err)
{
    bool stop = strcmp(desired_state, "stop") == 0;
    zn_auto_pgresult production = NULL;
    zn_auto_pgresult open = NULL;

    if (zn_sql(c, ZN_SQL_PRODUCTION_OF, ZN_P(service_id), &production, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_OPEN, ZN_P(service_id), &open, err) < 0)
        return -1;
    *ret = PQntuples(production) && strcmp(zn_col(production, 0, "status"), "FAILED") != 0;
    if (!*ret)
        return 0;
    if (PQntuples(open))
        return zn_fail(err, ZN_CONFLICT,
                       "A deployment of `%.40s` is under way: wait for its end or cancel it.", slug);
    const char *hash = zn_col(production, 0, "hash");
    zn_auto_json after = json_pack("{s:s,s:s}", "desired_state", desired_state, "deployment", hash);
    if (zn_sql(c, stop ? ZN_SQL_DEPLOYMENT_SLEEP : ZN_SQL_DEPLOYMENT_WAKE, ZN_P(hash), NULL, err) < 0 ||
        zn_audit(c, call, "service.toggle", service_id, NULL, after, err) < 0)
        return -1;
    /* Also when the row says so already: the swarm may not. */
    return queue(c, call, service_id, hash, err);
}

static int toggle_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct toggle *t = arg;
    zn_auto_service s = { 0 };
    bool deployed;

    if (zn_service_by_path(c, t->call, true, &s, err) < 0 ||
        zn_toggle(c, t->call, s.id, zn_json_str(s.doc, "slug", ""), t->desired_state, &deployed, err) < 0)
        return -1;
    return deployed ? 0 : zn_fail(err, ZN_CONFLICT, "This service has not been deployed yet.");
}

static int toggle(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct toggle t = { .call = call };

    if (zn_call_body(call, &t, NULL, err) < 0 || zn_call_tx(call, toggle_tx, &t, err) < 0)
        return -1;
    zn_reply_empty(reply, 202);
    return 0;
}

const struct zn_route zn_toggle_routes[] = {
    { .method = "PUT", .path = "/api/projects/{project_slug}/{env_slug}/toggle-service/{service_slug}",
      .scope = ZN_SCOPE_MEMBER, .handler = toggle, .name = "service_toggle",
      .summary = "Puts a service to sleep or wakes it", .body = ZN_FIELDS(fields),
      .answers = { { 202, NULL } }, .conflicts = true, .token = ZN_TOKEN_DEPLOY },
};
const size_t zn_toggle_nroutes = ZN_COUNT(zn_toggle_routes);
