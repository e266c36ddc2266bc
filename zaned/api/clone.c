/* POST …/clone-environment/{env_slug}/: an environment with copies of another's services and variables.
 *
 * A copy is the service as its next deployment would make it, waiting changes included, and arrives as
 * waiting changes itself: nothing runs until it is deployed. Copied is what the Service document holds.
 * Different is what can exist only once: domains and volumes are new, host ports are left out, and so are
 * URLs that redirect, which would lead visitors away from the copy. */
#include <string.h>

#include "zaned/api/audit.h"
#include "zaned/api/changes.h"
#include "zaned/api/deploy.h"
#include "zaned/api/places.h"
#include "zaned/config.h"
#include "zaned/domain/names.h"
#include "zaned/domain/rules.h"

#define ID_VARIABLE "env_prj_"

struct clone_in {
    const char *name;
    bool deploy_after_clone;
    struct zn_call *call;
    json_t *shown;
};

const struct zn_jfield zn_environment_clone_fields[ZN_ENVIRONMENT_CLONE_NFIELDS] = {
    ZN_J(clone_in, name, STR, .required = true, .min = 1, .max = ZN_MAX_NAME,
         .help = "Of the new environment; does not begin with preview"),
    ZN_J(clone_in, deploy_after_clone, BOOL, .help = "Deploy the copies at once"),
};

struct copy {
    struct zn_service from, to;
    json_t *wanted; /* state of the copy */
    bool deployed;
};

struct copies {
    struct copy *v; /* n of them, in the arena */
    size_t n;
    json_t *ids;    /* id in the original → id in the copy, of volumes and services */
    json_t *owners; /* id of a volume of the copy → index of its service */
};

static void copies_done(struct copies *all)
{
    for (size_t i = 0; i < all->n; i++) {
        zn_service_done(&all->v[i].from);
        zn_service_done(&all->v[i].to);
        json_decref(all->v[i].wanted);
    }
    json_decref(all->ids);
    json_decref(all->owners);
}

/* --- what a copy is --------------------------------------------------------------------------------- */

/* Several URLs of a domain get the same new one. */
static void new_domain(struct zn_call *call, const struct copy *copy, json_t *domains, json_t *url)
{
    const char *old = zn_json_str(url, "domain", ""), *made = zn_json_str(domains, old, NULL);

    if (!made) {
        made = zn_new_domain(call->arena, copy->to.place.project,
                             zn_json_str(copy->from.doc, "slug", ""), call->api->cfg->root_domain);
        json_object_set_new(domains, old, json_string(made ? made : ""));
    }
    json_object_set_new(url, "domain", json_string(made ? made : ""));
}

static void renew_urls(struct zn_call *call, struct copy *copy)
{
    zn_auto_json domains = json_object();
    json_t *urls = json_object_get(copy->wanted, "urls"), *url;

    for (size_t i = 0; i < json_array_size(urls);) {
        url = json_array_get(urls, i);
        if (json_is_object(json_object_get(url, "redirect_to"))) {
            json_array_remove(urls, i);
            continue;
        }
        new_domain(call, copy, domains, url);
        i++;
    }
}

/* Items of the copy get ids when they are applied; only volumes have theirs from now on, since shared
 * volumes refer to them. */
static void renew_items(struct zn_call *call, struct copies *all, size_t at)
{
    json_t *state = all->v[at].wanted, *item;
    size_t i;

    for (const char *const *list = zn_state_lists; *list; list++)
        json_array_foreach (json_object_get(state, *list), i, item) {
            const char *old = zn_json_str(item, "id", NULL);
            const char *made = strcmp(*list, "volumes") == 0 ? zn_new_id(call->arena, ZN_ID_VOLUME) : NULL;

            if (made && old)
                json_object_set_new(all->ids, old, json_string(made));
            if (made) {
                json_object_set_new(all->owners, made, json_integer((json_int_t)at));
                json_object_set_new(item, "id", json_string(made));
            } else {
                json_object_del(item, "id");
                json_object_del(item, "version"); /* of a config: the database counts it */
            }
        }
    json_object_del(json_object_get(state, "healthcheck"), "id");
    if (json_object_get(state, "ports"))
        json_object_set_new(state, "ports", json_array());
}

/* References inside v to what was copied as well become references to the copies. */
static void point_to_copies(const json_t *ids, json_t *v)
{
    const char *key, *made;
    size_t i;
    json_t *member;

    json_array_foreach (v, i, member)
        point_to_copies(ids, member);
    json_object_foreach (v, key, member) {
        made = json_is_string(member) ? zn_json_str(ids, json_string_value(member), NULL) : NULL;
        if (made)
            json_object_set_new(v, key, json_string(made));
        else
            point_to_copies(ids, member);
    }
}

/* --- making them ------------------------------------------------------------------------------------ */

static int insert_copy(struct zn_conn *c, struct zn_call *call, struct copy *copy, struct zn_err *err)
{
    zn_auto_pgresult made = NULL;

    copy->to.id = zn_new_id(call->arena, ZN_ID_SERVICE);
    if (!copy->to.id || zn_sql(c, ZN_SQL_SERVICE_COPY,
                               ZN_P(copy->from.id, copy->to.id, copy->to.place.environment_id,
                                    zn_new_token(call->arena)),
                               &made, err) < 0)
        return copy->to.id ? -1 : zn_fail(err, ZN_INTERNAL, "out of memory");
    if (PQntuples(made) == 0)
        return zn_fail(err, ZN_INTERNAL, "service %s vanished while it was locked", copy->from.id);
    return zn_service_reload(c, call, &copy->to, err);
}

/* The arena holds all texts of the transaction: far from its end there is room for one more service. */
static int room(const struct zn_call *call, struct zn_err *err)
{
    return call->arena->used < call->arena->limit / 4
               ? 0
               : zn_fail(err, ZN_CONFLICT, "This environment is too large to be cloned at once.");
}

static int load_copy(struct zn_conn *c, struct zn_call *call, struct copies *all, size_t at,
                     struct zn_err *err)
{
    struct copy *copy = &all->v[at];

    if (room(call, err) < 0 || zn_service_reload(c, call, &copy->from, err) < 0 ||
        zn_state_overlay(copy->from.clear, copy->from.pending, &copy->wanted, err) < 0 ||
        insert_copy(c, call, copy, err) < 0)
        return -1;
    json_object_set_new(all->ids, copy->from.id, json_string(copy->to.id));
    renew_urls(call, copy);
    renew_items(call, all, at);
    return 0;
}

static int store_changes(struct zn_conn *c, struct zn_call *call, const struct copies *all,
                         struct copy *copy, struct zn_err *err)
{
    size_t i;
    json_t *change;

    point_to_copies(all->ids, json_object_get(copy->wanted, "shared_volumes"));
    zn_auto_json changes = zn_state_diff(copy->to.clear, copy->wanted);
    json_array_foreach (changes, i, change)
        if (room(call, err) < 0 || zn_change_store(c, call, copy->to.id, change, NULL, err) < 0)
            return -1;
    return 0;
}

static int copy_services(struct zn_conn *c, struct zn_call *call, const struct zn_place *from,
                         const struct zn_place *to, struct copies *all, struct zn_err *err)
{
    zn_auto_pgresult rows = NULL;

    if (zn_sql(c, ZN_SQL_SERVICES_LOCK, ZN_P(from->environment_id), &rows, err) < 0)
        return -1;
    size_t n = (size_t)PQntuples(rows);
    all->v = zn_arena_alloc(call->arena, (n + 1) * sizeof *all->v);
    if (!all->v)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    for (size_t i = 0; i < n; i++) {
        all->n = i + 1;
        all->v[i].from = (struct zn_service){ .place = *from };
        all->v[i].to = (struct zn_service){ .place = *to };
        all->v[i].from.id = zn_arena_strdup(call->arena, zn_col(rows, (int)i, "id"));
        if (!all->v[i].from.id)
            return zn_fail(err, ZN_INTERNAL, "out of memory");
        if (load_copy(c, call, all, i, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (store_changes(c, call, all, &all->v[i], err) < 0)
            return -1;
    return 0;
}

static int copy_variables(struct zn_conn *c, struct zn_call *call, const struct zn_place *from,
                          const struct zn_place *to, struct zn_err *err)
{
    zn_auto_pgresult rows = NULL;

    if (zn_sql(c, ZN_SQL_VARIABLE_LIST, ZN_P(from->environment_id), &rows, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows); i++) {
        zn_auto_json doc = json_loads(zn_col(rows, i, "doc"), 0, NULL);

        if (zn_sql(c, ZN_SQL_VARIABLE_COPY,
                   ZN_P(zn_new_id(call->arena, ID_VARIABLE), to->environment_id,
                        zn_json_str(doc, "id", "")),
                   NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* --- deploying them --------------------------------------------------------------------------------- */

/* Whether v refers to a volume of a copy that is not deployed yet, so that the volume has no row. */
static bool waits(const struct copies *all, const json_t *v)
{
    const char *key;
    size_t i;
    json_t *member;

    if (json_is_string(v)) {
        const json_t *owner = json_object_get(all->owners, json_string_value(v));
        return owner && !all->v[json_integer_value(owner)].deployed;
    }
    json_array_foreach ((json_t *)(uintptr_t)v, i, member)
        if (waits(all, member))
            return true;
    json_object_foreach ((json_t *)(uintptr_t)v, key, member)
        if (waits(all, member))
            return true;
    return false;
}

static int deploy_copy(struct zn_conn *c, struct zn_call *call, struct copy *copy, struct zn_err *err)
{
    struct zn_deploy how = { .trigger = "MANUAL" };
    const char *hash;

    copy->deployed = true;
    if (!zn_json_str(copy->wanted, "image", NULL))
        return 0; /* nothing to run yet, as in the original */
    if (zn_service_reload(c, call, &copy->to, err) < 0)
        return -1;
    return zn_deploy_queue(c, call, &copy->to, &how, &hash, err);
}

/* Owners of volumes before those who share them. Services that wait for each other in a circle come last;
 * the database then says what is missing. */
static int deploy_copies(struct zn_conn *c, struct zn_call *call, struct copies *all, struct zn_err *err)
{
    size_t left = all->n;
    bool moved = true;

    while (left) {
        bool force = !moved;

        moved = false;
        for (size_t i = 0; i < all->n; i++) {
            struct copy *copy = &all->v[i];

            if (copy->deployed || (!force && waits(all, json_object_get(copy->wanted, "shared_volumes"))))
                continue;
            if (deploy_copy(c, call, copy, err) < 0)
                return -1;
            moved = true;
            left--;
        }
    }
    return 0;
}

/* --- the route -------------------------------------------------------------------------------------- */

/* Says in the audit log which service came of which. */
static int audit(struct zn_conn *c, struct clone_in *in, const struct zn_place *from,
                 const struct zn_place *to, const struct copies *all, struct zn_err *err)
{
    zn_auto_json after = json_pack("{s:s,s:s,s:{}}", "name", to->environment, "cloned_from",
                                   from->environment_id, "services");

    for (size_t i = 0; i < all->n; i++)
        json_object_set_new(json_object_get(after, "services"), all->v[i].from.id,
                            json_string(all->v[i].to.id));
    return zn_audit(c, in->call, "environment.clone", to->environment_id, NULL, after, err);
}

static int clone_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct clone_in *in = arg;
    struct zn_call *call = in->call;
    struct zn_place from, to;
    const char *project;
    ZN_AUTO(copies_done) struct copies all = { .ids = json_object(), .owners = json_object() };

    if (zn_project_lock(c, call, false, &project, err) < 0 ||
        zn_place_find(c, call, zn_request_param(call->req, "slug"),
                      zn_request_param(call->req, "env_slug"), &from, err) < 0)
        return -1;
    to = from;
    to.environment = in->name;
    if (zn_environment_add(c, call, project, in->name, &to.environment_id, err) < 0 ||
        copy_variables(c, call, &from, &to, err) < 0 ||
        copy_services(c, call, &from, &to, &all, err) < 0 ||
        audit(c, in, &from, &to, &all, err) < 0 ||
        (in->deploy_after_clone && deploy_copies(c, call, &all, err) < 0))
        return -1;
    json_decref(in->shown);
    in->shown = NULL;
    return zn_environment_load(c, call, to.environment_id, &in->shown, err);
}

int zn_environment_clone(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    struct clone_in in = { .call = call };

    zn_call_body(call, &in, NULL, err);
    if (err->code && !err->nfields)
        return -1;
    if (in.name && !(in.name = zn_environment_name(call, in.name, err)))
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    int r = zn_call_tx(call, clone_tx, &in, err);
    zn_auto_json shown = in.shown;
    if (r == 0)
        zn_reply_doc(call, reply, 201, ZN_TAKE(shown));
    return r;
}
