/* Routes of deployments: deploy, redeploy, cancel, list, show. */
#include <string.h>

#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/changes.h"
#include "zaned/api/deploy.h"
#include "zaned/api/page.h"
#include "zaned/api/services.h"
#include "zaned/domain/change.h"
#include "zaned/domain/deployment.h"
#include "zaned/domain/rules.h"
#include "zaned/domain/wanted.h"
#include "zaned/store/queue.h"

/* Runs fn in a transaction; it leaves the reply's JSON in *shown. */
struct op {
    struct zn_call *call;
    const char *commit_message;
    bool cleanup_queue;
    json_t *shown;
};

static int run(struct op *op, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    int r = zn_call_tx(op->call, fn, op, err);
    zn_auto_json shown = op->shown;

    if (r == 0)
        zn_reply_json(reply, 200, ZN_TAKE(shown));
    return r;
}

static int show_into(struct zn_conn *c, struct op *op, const struct zn_service *s, const char *hash,
                     struct zn_err *err)
{
    json_decref(op->shown);
    op->shown = NULL;
    return zn_deployment_load(c, op->call, s->id, hash, &op->shown, err);
}

/* --- deploy ----------------------------------------------------------------------------------------- */

static const struct zn_jfield deploy_fields[] = {
    ZN_J(op, commit_message, STR, .max = ZN_MAX_COMMIT_MESSAGE, .check = zn_rule_text),
    ZN_J(op, cleanup_queue, BOOL, .help = "Cancel the unfinished deployments of the service first"),
};

static int deploy_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    zn_auto_service s = { 0 };
    struct zn_deploy how = { .commit_message = op->commit_message,
                             .trigger = "MANUAL",
                             .cleanup_queue = op->cleanup_queue };
    const char *hash;

    if (zn_service_by_path(c, op->call, true, &s, err) < 0 ||
        zn_deploy_queue(c, op->call, &s, &how, &hash, err) < 0)
        return -1;
    return show_into(c, op, &s, hash, err);
}

static int deploy(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { .call = call };

    if (zn_call_body(call, &op, NULL, err) < 0)
        return -1;
    if (op.commit_message && !*op.commit_message)
        op.commit_message = NULL;
    return run(&op, deploy_tx, reply, err);
}

/* --- redeploy --------------------------------------------------------------------------------------- */

/* Changes that bring the service back to what a deployment keeps of it; they must leave what waits
 * possible. */
static int changes_back(struct zn_conn *c, struct zn_call *call, const struct zn_service *s,
                        const json_t *snapshot, json_t **ret, struct zn_err *err)
{
    zn_auto_json changes = zn_state_diff(s->clear, snapshot);
    zn_auto_json back = NULL;
    zn_auto_json after = NULL;
    struct zn_rules_port port = { c, s->id, call->arena };
    struct zn_state_rules rules = zn_service_rules(call, &port);

    if (zn_state_overlay(s->clear, changes, &back, err) < 0)
        return -1;
    if (zn_state_check(&rules, back, err) < 0) {
        if (err->code == ZN_CONFLICT)
            zn_wrap(err, "That version cannot be deployed again");
        return -1;
    }
    if (zn_state_overlay(back, s->pending, &after, err) < 0 ||
        zn_state_check(&rules, after, err) < 0) {
        if (err->code == ZN_CONFLICT)
            zn_wrap(err, "That version does not go with the waiting changes: cancel them first");
        return -1;
    }
    *ret = ZN_TAKE(changes);
    return 0;
}

static int redeploy_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    const char *old = zn_request_param(op->call->req, "deployment_hash"), *hash;
    zn_auto_service s = { 0 };
    zn_auto_pgresult production = NULL;
    zn_auto_json deployment = NULL;
    zn_auto_json changes = NULL;

    if (zn_service_by_path(c, op->call, true, &s, err) < 0 ||
        zn_deployment_load(c, op->call, s.id, old, &deployment, err) < 0 ||
        zn_sql(c, ZN_SQL_PRODUCTION_OF, ZN_P(s.id), &production, err) < 0)
        return -1;
    if (PQntuples(production) == 0)
        return zn_fail(err, ZN_CONFLICT, "This service has no production deployment yet.");
    if (changes_back(c, op->call, &s, json_object_get(deployment, "service_snapshot"), &changes,
                     err) < 0)
        return -1;
    struct zn_deploy how = { .commit_message = zn_json_str(deployment, "commit_message", NULL),
                             .trigger = "MANUAL",
                             .redeploy_of = old,
                             .changes = changes };
    if (zn_deploy_queue(c, op->call, &s, &how, &hash, err) < 0)
        return -1;
    return show_into(c, op, &s, hash, err);
}

static int redeploy(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { .call = call };

    return run(&op, redeploy_tx, reply, err);
}

/* --- cancel ----------------------------------------------------------------------------------------- */

static int cancel_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    const char *hash = zn_request_param(op->call->req, "deployment_hash"), *why;
    zn_auto_service s = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_service_by_path(c, op->call, true, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_STATE, ZN_P(s.id, hash), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND,
                       "A deployment with the hash `%.60s` does not exist for this service.", hash);
    why = zn_deployment_uncancellable(zn_col(res, 0, "status"), zn_col_bool(res, 0, "finished"));
    if (why)
        return zn_fail(err, ZN_CONFLICT, "%s", why);
    if (zn_deploy_cancel(c, op->call, hash, "Deployment cancelled.", err) < 0 ||
        zn_audit(c, op->call, "deployment.cancel", hash, NULL, NULL, err) < 0 ||
        zn_queue_dispatch(c, err) < 0)
        return -1;
    return show_into(c, op, &s, hash, err);
}

static int cancel(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { .call = call };

    return run(&op, cancel_tx, reply, err);
}

/* --- list and show ---------------------------------------------------------------------------------- */

static int one_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct op *op = arg;
    zn_auto_service s = { 0 };

    if (zn_service_by_path(c, op->call, false, &s, err) < 0)
        return -1;
    return show_into(c, op, &s, zn_request_param(op->call->req, "deployment_hash"), err);
}

static int deployment_show(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct op op = { .call = call };
    int r = zn_tx(call->api->store, one_tx, &op, err);
    zn_auto_json shown = op.shown;

    if (r == 0)
        zn_reply_doc(call, reply, 200, ZN_TAKE(shown));
    return r;
}

struct list {
    struct op op;
    struct zn_strs status;
    const char *queued_at_after, *queued_at_before;
    const char *page_text, *per_page_text;
    const char *statuses, *after, *before; /* SQL texts, NULL = any */
    struct zn_page page;
    int64_t count;
    json_t *results;
};

static const char *rule_time_or_none(const void *val)
{
    return **(const char *const *)val ? zn_rule_time(val) : NULL;
}

static const char *const statuses[] = { "QUEUED",   "CANCELLED", "CANCELLING", "FAILED",  "PREPARING",
                                        "BUILDING", "STARTING",  "RESTARTING", "HEALTHY", "UNHEALTHY",
                                        "REMOVED",  "SLEEPING",  NULL };

static const struct zn_jfield list_query[] = {
    ZN_J(list, status, STRS, .min = 1, .choices = statuses, .items = 12),
    ZN_J(list, queued_at_after, STR, .max = 64, .check = rule_time_or_none,
         .help = "A date, or date and time; without a zone UTC is meant"),
    ZN_J(list, queued_at_before, STR, .max = 64, .check = rule_time_or_none,
         .help = "A date, or date and time; without a zone UTC is meant"),
    { .name = "page", .type = ZN_J_STR, .offset = offsetof(struct list, page_text), .max = 32,
      .help = "From 1; one that does not exist is empty" },
    { .name = "per_page", .type = ZN_J_STR, .offset = offsetof(struct list, per_page_text), .max = 32,
      .help = "1 to 100; 10 if it is left out or is no such number" },
};

/* Statuses as an array literal: the words are checked, so none needs quoting. */
static const char *statuses_of(struct zn_call *call, const struct zn_strs *list)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(4096);

    for (size_t i = 0; i < list->n; i++) {
        zn_buf_puts(&b, b.len ? "," : "{");
        zn_buf_puts(&b, list->v[i]);
    }
    if (!b.len)
        return NULL;
    zn_buf_putc(&b, '}');
    const char *text = zn_buf_str(&b);
    return text ? zn_arena_strdup(call->arena, text) : NULL;
}

static const char *time_of(struct zn_call *call, const char *s)
{
    return s && *s ? zn_time_full(call->arena, s) : NULL;
}

static int page_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct list *l = arg;
    struct zn_call *call = l->op.call;
    zn_auto_service s = { 0 };
    zn_auto_pgresult count = NULL;
    zn_auto_pgresult rows = NULL;
    struct zn_page_span span = zn_page_span(&l->page);

    if (zn_service_by_path(c, call, false, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_COUNT, ZN_P(s.id, l->statuses, l->after, l->before), &count,
               err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_PAGE,
               ZN_P(s.id, l->statuses, l->after, l->before, span.limit, span.offset), &rows, err) < 0)
        return -1;
    l->count = zn_col_i64(count, 0, "n");
    json_decref(l->results);
    l->results = json_array();
    for (int i = 0; i < PQntuples(rows); i++) {
        json_t *one;

        if (zn_deployment_read(call, rows, i, &one, err) < 0)
            return -1;
        json_array_append_new(l->results, one);
    }
    return 0;
}

/* A page that makes no sense is an empty answer, a page size that makes none is the default: so do the
 * clients of the compatible API expect it. */
static void read_page(struct list *l)
{
    long long page = 1, per_page = ZN_PER_PAGE;

    if (l->page_text && !zn_parse_i64(l->page_text, 1, INT64_MAX, &page))
        page = 0;
    if (l->per_page_text && !zn_parse_i64(l->per_page_text, 1, 1000000000, &per_page))
        per_page = ZN_PER_PAGE;
    l->page = (struct zn_page){ page, per_page };
}

static int deployment_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct list l = { .op.call = call };
    int r;

    if (zn_call_query(call, &l, NULL, err) < 0)
        return -1;
    read_page(&l);
    l.statuses = statuses_of(call, &l.status);
    l.after = time_of(call, l.queued_at_after);
    l.before = time_of(call, l.queued_at_before);
    r = zn_tx(call->api->store, page_tx, &l, err);
    if (r == 0)
        zn_reply_json(reply, 200, zn_page_envelope(call, &l.page, l.count, l.results));
    json_decref(l.results);
    return r;
}

static int recent_list(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    json_t *list;

    if (zn_sql_once(call->api->store, ZN_SQL_RECENT_DEPLOYMENTS,
                    ZN_P(call->who.workspace_id, zn_guest_of(call)), &res, err) < 0)
        return -1;
    list = json_array();
    for (int i = 0; i < PQntuples(res); i++) {
        json_t *doc = json_loads(zn_col(res, i, "doc"), 0, NULL);
        const char *hash = zn_json_str(doc, "hash", "");

        json_object_set_new(doc, "unprefixed_hash",
                            json_string(strrchr(hash, '_') ? strrchr(hash, '_') + 1 : hash));
        json_array_append_new(list, doc);
    }
    zn_reply_json(reply, 200, list);
    return 0;
}

#define PLACE "/api/projects/{project_slug}/{env_slug}/"

const struct zn_route zn_deployment_routes[] = {
    { .method = "PUT", .path = "/api/deploys/{service}", .scope = ZN_SCOPE_MEMBER,
      .handler = zn_deploy_call, .name = "deploy",
      .summary = "Makes a service as the body says, creates it if need be, and deploys it",
      .body = { zn_wanted_fields, ZN_WANTED_NFIELDS },
      .answers = { { 200, "ServiceAndDeployment" }, { 201, "ServiceAndDeployment" } },
      .conflicts = true, .token = ZN_TOKEN_DEPLOY },
    { .method = "PUT", .path = PLACE "deploy-service/docker/{service_slug}",
      .scope = ZN_SCOPE_MEMBER, .handler = deploy, .name = "service_deploy",
      .summary = "Applies the waiting changes of a service and deploys it",
      .body = ZN_FIELDS(deploy_fields), .answers = { { 200, "Deployment" } }, .conflicts = true,
      .token = ZN_TOKEN_DEPLOY },
    { .method = "PUT", .path = PLACE "redeploy-service/docker/{service_slug}/{deployment_hash}",
      .scope = ZN_SCOPE_MEMBER, .handler = redeploy, .name = "service_redeploy",
      .summary = "Makes a service as it was in an earlier deployment, and deploys it",
      .answers = { { 200, "Deployment" } }, .conflicts = true, .token = ZN_TOKEN_DEPLOY },
    { .method = "PUT", .path = PLACE "cancel-deployment/{service_slug}/{deployment_hash}",
      .scope = ZN_SCOPE_MEMBER, .handler = cancel, .name = "deployment_cancel",
      .summary = "Cancels a deployment that waits or runs", .answers = { { 200, "Deployment" } },
      .conflicts = true, .token = ZN_TOKEN_DEPLOY },
    { .method = "GET", .path = PLACE "service-details/{service_slug}/deployments",
      .scope = ZN_SCOPE_MEMBER, .handler = deployment_list, .name = "deployment_list",
      .summary = "The deployments of a service, the healthy one first, then the newest",
      .query = ZN_FIELDS(list_query), .answers = { { 200, "DeploymentPage" } } },
    { .method = "GET", .path = PLACE "service-details/{service_slug}/deployments/{deployment_hash}",
      .scope = ZN_SCOPE_MEMBER, .handler = deployment_show, .name = "deployment_show",
      .summary = "A deployment with what it kept of the service",
      .answers = { { 200, "Deployment" } } },
    { .method = "GET", .path = "/api/recent-deployments", .scope = ZN_SCOPE_GUEST,
      .handler = recent_list, .name = "recent_deployments",
      .summary = "The newest deployments of the workspace, at most one of a service and six in all",
      .answers = { { 200, "RecentDeployment[]" } } },
};
const size_t zn_deployment_nroutes = ZN_COUNT(zn_deployment_routes);
