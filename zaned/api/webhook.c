/* Deploying by token: whoever knows a service's token may deploy that service, and nothing else. */
#include "zaned/api/webhook.h"

#include <string.h>

#include "zaned/api/changes.h"
#include "zaned/api/deploy.h"
#include "zaned/domain/change.h"
#include "zaned/domain/rules.h"

enum { TOKEN_LEN = 32 };

struct webhook {
    const char *commit_message, *new_image;
    bool cleanup_queue;
    struct zn_call *call;
};

const struct zn_jfield zn_webhook_fields[ZN_WEBHOOK_NFIELDS] = {
    ZN_J(webhook, commit_message, STR, .max = ZN_MAX_COMMIT_MESSAGE, .check = zn_rule_text),
    ZN_J(webhook, new_image, STR, .min = 1, .max = ZN_MAX_IMAGE, .check = zn_rule_image,
         .help = "Image to deploy instead; without a tag, latest is meant"),
    ZN_J(webhook, cleanup_queue, BOOL, .help = "Cancel the unfinished deployments of the service first"),
};

static int unknown(struct zn_err *err)
{
    return zn_fail(err, ZN_NOT_FOUND, "There is no service with this token.");
}

/* The service of the token, locked. */
static int find(struct zn_conn *c, struct zn_call *call, struct zn_service *s, struct zn_err *err)
{
    const char *token = zn_request_param(call->req, "deploy_token");
    zn_auto_pgresult res = NULL;

    if (strlen(token) != TOKEN_LEN || strspn(token, "0123456789abcdef") != TOKEN_LEN)
        return unknown(err);
    if (zn_sql(c, ZN_SQL_SERVICE_LOCK_BY_TOKEN, ZN_P(token), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return unknown(err);
    s->id = zn_arena_strdup(call->arena, zn_col(res, 0, "id"));
    s->place.project_id = zn_arena_strdup(call->arena, zn_col(res, 0, "project_id"));
    s->place.project = zn_arena_strdup(call->arena, zn_col(res, 0, "project"));
    s->place.environment_id = zn_arena_strdup(call->arena, zn_col(res, 0, "environment_id"));
    s->place.environment = zn_arena_strdup(call->arena, zn_col(res, 0, "environment"));
    if (!s->id || !s->place.project_id || !s->place.project || !s->place.environment_id ||
        !s->place.environment)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    return zn_service_reload(c, call, s, err);
}

/* What waits is replaced by changes to the same effect and to the new image; credentials and whatever
 * else belongs to the source stay. */
static int set_image(struct zn_conn *c, struct zn_call *call, struct zn_service *s, const char *image,
                     struct zn_err *err)
{
    zn_auto_json next = NULL;
    size_t i;
    json_t *change;

    if (zn_state_overlay(s->clear, s->pending, &next, err) < 0 ||
        zn_sql(c, ZN_SQL_CHANGES_DROP, ZN_P(s->id), NULL, err) < 0)
        return -1;
    json_object_set_new(next, "image", json_string(image));
    zn_auto_json changes = zn_state_diff(s->clear, next);
    json_array_foreach (changes, i, change)
        if (zn_change_store(c, call, s->id, change, NULL, err) < 0)
            return -1;
    return zn_service_reload(c, call, s, err);
}

static int deploy_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    const struct webhook *in = arg;
    zn_auto_service s = { 0 };
    struct zn_deploy how = { .commit_message = in->commit_message,
                             .trigger = "API",
                             .cleanup_queue = in->cleanup_queue };
    const char *hash;

    if (find(c, in->call, &s, err) < 0 ||
        (in->new_image && set_image(c, in->call, &s, in->new_image, err) < 0) ||
        zn_deploy_queue(c, in->call, &s, &how, &hash, err) < 0)
        return -1;
    return 0;
}

int zn_webhook_deploy(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct webhook in = { .call = call };

    if (zn_call_body(call, &in, NULL, err) < 0)
        return -1;
    if (in.commit_message && !*in.commit_message)
        in.commit_message = NULL;
    if (zn_call_tx(call, deploy_tx, &in, err) < 0)
        return -1;
    zn_reply_empty(reply, 202);
    return 0;
}
