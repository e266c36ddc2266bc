/* PUT /api/deploys/{service}: one call that makes a service as the body says and deploys it. */
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/changes.h"
#include "zaned/api/deploy.h"
#include "zaned/api/services.h"
#include "zaned/domain/change.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"
#include "zaned/domain/wanted.h"

struct deploy_call {
    struct zn_call *call;
    const struct zn_wanted *wanted;
    const char *slug;
    bool created;
    json_t *shown;
};

/* The service, inserted if it is absent. */
static int find_or_insert(struct zn_conn *c, struct deploy_call *d, struct zn_service *ret,
                          struct zn_err *err)
{
    const struct zn_wanted *w = d->wanted;
    struct zn_place place;
    const char *id = NULL;

    if (zn_place_find(c, d->call, w->project, w->environment, &place, err) < 0)
        return -1;
    d->created = false;
    if (zn_service_find(c, d->call, w->project, w->environment, d->slug, true, ret, err) == 0)
        return zn_service_fresh(d->call, ret, err);
    if (err->code != ZN_NOT_FOUND)
        return -1;
    memset(err, 0, sizeof *err);
    /* NULL id: another call was faster, its service is found below. */
    if (zn_service_insert(c, d->call, &place, d->slug, &id, err) < 0)
        return -1;
    d->created = id != NULL;
    zn_auto_json made = json_pack("{s:s,s:s}", "slug", d->slug, "image", w->image);
    if (id && zn_audit(c, d->call, "service.create", id, NULL, made, err) < 0)
        return -1;
    return zn_service_find(c, d->call, w->project, w->environment, d->slug, true, ret, err);
}

/* What waits is replaced by changes to the same effect and to that of the body. */
static int request_changes(struct zn_conn *c, struct deploy_call *d, struct zn_service *s,
                           struct zn_err *err)
{
    struct zn_rules_port port = { c, s->id, d->call->arena };
    struct zn_state_rules rules = zn_service_rules(d->call, &port);
    const char *domain = zn_new_domain(d->call->arena, s->place.project, d->slug, rules.root_domain);
    zn_auto_json now = NULL;
    zn_auto_json next = NULL;
    size_t i;
    json_t *change;

    if (zn_state_overlay(s->clear, s->pending, &now, err) < 0 ||
        zn_wanted_apply(&rules, d->wanted, now, domain, &next, err) < 0 ||
        zn_sql(c, ZN_SQL_CHANGES_DROP, ZN_P(s->id), NULL, err) < 0)
        return -1;
    zn_auto_json changes = zn_state_diff(s->clear, next);
    json_array_foreach (changes, i, change)
        if (zn_change_store(c, d->call, s->id, change, NULL, err) < 0)
            return -1;
    return zn_service_reload(c, d->call, s, err);
}

static int deploy_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct deploy_call *d = arg;
    zn_auto_service s = { 0 };
    struct zn_deploy how = { .commit_message = d->wanted->commit_message, .trigger = "API" };
    const char *hash;

    if (find_or_insert(c, d, &s, err) < 0 || request_changes(c, d, &s, err) < 0 ||
        zn_deploy_queue(c, d->call, &s, &how, &hash, err) < 0)
        return -1;
    json_decref(d->shown);
    d->shown = NULL;
    if (zn_deployment_load(c, d->call, s.id, hash, &d->shown, err) < 0)
        return -1;
    return json_object_set_new(
        d->shown, "service",
        json_pack("{s:s,s:s,s:{s:s,s:s},s:{s:s,s:s}}", "id", s.id, "slug", d->slug, "project", "id",
                  s.place.project_id, "slug", s.place.project, "environment", "id",
                  s.place.environment_id, "name", s.place.environment));
}

int zn_deploy_call(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct deploy_call d = { .call = call, .slug = zn_request_param(call->req, "service") };
    struct zn_wanted wanted = { 0 };
    zn_auto_json none = json_object();
    int r;

    if (!*d.slug || strlen(d.slug) > ZN_MAX_SLUG)
        zn_field_err(err, "service", "max_length",
                     "Ensure this field has no more than 38 characters.");
    else
        zn_field_rule(err, "service", zn_rule_slug, d.slug);
    r = zn_wanted_parse(call->arena, call->body ? call->body : none, &wanted, err);
    if (r == 0) {
        d.wanted = &wanted;
        r = zn_call_tx(call, deploy_tx, &d, err);
    }
    zn_wanted_done(&wanted);
    zn_auto_json shown = d.shown;
    if (r == 0)
        zn_reply_json(reply, d.created ? 201 : 200, ZN_TAKE(shown));
    return r;
}
