/* Routes that act on several services of an environment at once: on all that are named, or on none. */
#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/deploy.h"
#include "zaned/api/services.h"
#include "zaned/api/toggle.h"
#include "zaned/api/webhook.h"
#include "zaned/store/queue.h"

enum { MAX_SERVICES = 100, MAX_ID = 64 };

struct bulk {
    const char *desired_state;
    struct zn_strs service_ids;
    struct zn_call *call;
    struct zn_place place;
};

/* Letters, digits and _ only, so that an id needs no quoting in an array literal. */
static const char *rule_id(const void *val)
{
    const char *s = *(const char *const *)val;

    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return "This is not the id of a service.";
    return NULL;
}

#define SERVICE_IDS                                                                        \
    ZN_J(bulk, service_ids, STRS, .required = true, .min = 1, .max = MAX_ID, .items = MAX_SERVICES, \
         .check = rule_id, .help = "Services of this environment")

static const struct zn_jfield toggle_fields[] = {
    ZN_J(bulk, desired_state, STR, .required = true, .min = 1, .choices = zn_toggle_states),
    SERVICE_IDS,
};
static const struct zn_jfield deploy_fields[] = { SERVICE_IDS };

static const char *id_list(struct bulk *b)
{
    zn_auto_buf struct zn_buf text = ZN_BUF(MAX_SERVICES * (MAX_ID + 1) + 3);

    zn_buf_putc(&text, '{');
    for (size_t i = 0; i < b->service_ids.n; i++)
        zn_buf_printf(&text, "%s%s", i ? "," : "", b->service_ids.v[i]);
    zn_buf_putc(&text, '}');
    return zn_buf_str(&text) ? zn_arena_strdup(b->call->arena, zn_buf_str(&text)) : NULL;
}

static bool found(const PGresult *rows, const char *id)
{
    for (int i = 0; i < PQntuples(rows); i++)
        if (strcmp(zn_col(rows, i, "id"), id) == 0)
            return true;
    return false;
}

/* The named services, locked in one order whatever that of the names is. */
static int lock_services(struct zn_conn *c, struct bulk *b, PGresult **ret, struct zn_err *err)
{
    struct zn_call *call = b->call;
    const char *ids = id_list(b);
    zn_auto_pgresult rows = NULL;

    if (!ids)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_place_find(c, call, zn_request_param(call->req, "project_slug"),
                      zn_request_param(call->req, "env_slug"), &b->place, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICES_LOCK_SOME, ZN_P(b->place.environment_id, ids), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < b->service_ids.n; i++)
        if (!found(rows, b->service_ids.v[i])) {
            const char *path = zn_arena_printf(call->arena, "service_ids.%zu", i);

            zn_field_err(err, path ? path : "service_ids", "invalid",
                         "This environment has no service with this id.");
        }
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    *ret = ZN_TAKE(rows);
    return 0;
}

static int run(struct bulk *b, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    if (zn_call_body(b->call, b, NULL, err) < 0 || zn_call_tx(b->call, fn, b, err) < 0)
        return -1;
    zn_reply_empty(reply, 202);
    return 0;
}

/* --- toggle ----------------------------------------------------------------------------------------- */

/* Services that were never deployed are passed over: they run nothing that could sleep. */
static int toggle_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct bulk *b = arg;
    zn_auto_pgresult rows = NULL;
    bool deployed;

    if (lock_services(c, b, &rows, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows); i++)
        if (zn_toggle(c, b->call, zn_col(rows, i, "id"), zn_col(rows, i, "slug"), b->desired_state,
                      &deployed, err) < 0)
            return -1;
    return 0;
}

static int bulk_toggle(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct bulk b = { .call = call };

    return run(&b, toggle_tx, reply, err);
}

/* --- deploy ----------------------------------------------------------------------------------------- */

static int deploy_one(struct zn_conn *c, struct bulk *b, const char *id, const char *slug,
                      struct zn_err *err)
{
    struct zn_deploy how = { .trigger = "MANUAL" };
    zn_auto_service s = { .place = b->place, .id = id };
    const char *hash;

    if (zn_service_reload(c, b->call, &s, err) < 0)
        return -1;
    if (zn_deploy_queue(c, b->call, &s, &how, &hash, err) < 0)
        return err->nfields ? -1 : zn_wrap(err, "service `%.40s`", slug);
    return 0;
}

static int deploy_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct bulk *b = arg;
    zn_auto_pgresult rows = NULL;

    if (lock_services(c, b, &rows, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows); i++)
        if (deploy_one(c, b, zn_col(rows, i, "id"), zn_col(rows, i, "slug"), err) < 0)
            return -1;
    return 0;
}

static int bulk_deploy(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct bulk b = { .call = call };

    return run(&b, deploy_tx, reply, err);
}

/* --- the queue of one service ----------------------------------------------------------------------- */

struct cleanup {
    bool cancel_running_deployments;
    struct zn_call *call;
};
static const struct zn_jfield cleanup_fields[] = {
    ZN_J(cleanup, cancel_running_deployments, BOOL,
         .help = "Also the oldest that is unfinished, which else goes on"),
};

static int cleanup_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    const struct cleanup *in = arg;
    zn_auto_service s = { 0 };
    zn_auto_pgresult open = NULL;
    zn_auto_json after = json_pack("{s:[]}", "cancelled");

    if (zn_service_by_path(c, in->call, true, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_OPEN, ZN_P(s.id), &open, err) < 0)
        return -1;
    for (int i = in->cancel_running_deployments ? 0 : 1; i < PQntuples(open); i++) {
        const char *hash = zn_col(open, i, "hash");

        if (zn_deploy_cancel(c, in->call, hash, "Cancelled when the queue was cleaned up.", err) < 0)
            return -1;
        json_array_append_new(json_object_get(after, "cancelled"), json_string(hash));
    }
    if (zn_audit(c, in->call, "service.queue_cleanup", s.id, NULL, after, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

static int queue_cleanup(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct cleanup in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0 || zn_call_tx(call, cleanup_tx, &in, err) < 0)
        return -1;
    zn_reply_empty(reply, 202);
    return 0;
}

#define PLACE "/api/projects/{project_slug}/{env_slug}/"

const struct zn_route zn_bulk_routes[] = {
    { .method = "PUT", .path = PLACE "bulk-toggle-services", .scope = ZN_SCOPE_MEMBER,
      .handler = bulk_toggle, .name = "bulk_toggle", .summary = "Puts services to sleep or wakes them",
      .body = ZN_FIELDS(toggle_fields), .answers = { { 202, NULL } }, .conflicts = true,
      .token = ZN_TOKEN_DEPLOY },
    { .method = "PUT", .path = PLACE "bulk-deploy-services", .scope = ZN_SCOPE_MEMBER,
      .handler = bulk_deploy, .name = "bulk_deploy", .summary = "Deploys services",
      .body = ZN_FIELDS(deploy_fields), .answers = { { 202, NULL } }, .conflicts = true,
      .token = ZN_TOKEN_DEPLOY },
    { .method = "PUT", .path = PLACE "service-details/{service_slug}/cleanup-deployment-queue",
      .scope = ZN_SCOPE_MEMBER, .handler = queue_cleanup, .name = "queue_cleanup",
      .summary = "Cancels the deployments of a service that wait", .body = ZN_FIELDS(cleanup_fields),
      .answers = { { 202, NULL } }, .token = ZN_TOKEN_DEPLOY },
    { .method = "PUT", .path = "/api/deploy-service/docker/{deploy_token}", .scope = ZN_SCOPE_PUBLIC,
      .handler = zn_webhook_deploy, .throttle = ZN_THROTTLE_WEBHOOK, .name = "webhook_deploy",
      .summary = "Deploys the service that the token belongs to, without a login",
      .body = { zn_webhook_fields, ZN_WEBHOOK_NFIELDS }, .answers = { { 202, NULL } },
      .conflicts = true },
};
const size_t zn_bulk_nroutes = ZN_COUNT(zn_bulk_routes);
