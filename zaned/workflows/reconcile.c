#include "zaned/workflows/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "zaned/store/queue.h"
#include "base/periodic.h"
#include "zaned/workflows/work.h"

static const int64_t PERIOD_MS = 30000, RETRY_FIRST_MS = 500, RETRY_MAX_MS = 10000;
static const int64_t GRACE_MS = 60000; /* an orphan is looked at twice at least */
enum { OWNERS_MAX = 1 << 20 };

struct zn_reconciler {
    struct zn_work *work;
    struct zn_periodic *thread;
    json_t *orphans; /* name of a service or network, id of a container → when it was first seen (ms, monotonic) */
};

/* --- what is missing ---------------------------------------------------------------------------------- */

static int restore_all(struct zn_work *w, struct zn_err *err)
{
    zn_auto_pgresult rows = NULL;
    int bad = 0;

    if (zn_sql_once(w->store, ZN_SQL_WORK_WANTED, ZN_P0, &rows, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows); i++) {
        struct zn_dep d = { 0 };
        struct zn_err one = { 0 };

        if (zn_dep_read(w, rows, i, &d, &one) < 0 || zn_service_restore(w, &d, &one) < 0 ||
            (zn_edge_attach(w, d.network, &one) < 0 && one.code != ZN_NOT_FOUND)) {
            zn_warn("reconcile %s: %s", zn_col(rows, i, "service_id"), one.msg);
            bad++;
        }
        zn_dep_done(&d);
    }
    return bad ? zn_fail(err, ZN_UNAVAILABLE, "%d services could not be restored", bad) : 0;
}

/* --- what is too much --------------------------------------------------------------------------------- */

/* True once name has been an orphan for the grace time; next collects those of this round. */
static bool is_due(struct zn_reconciler *r, json_t *next, const char *name)
{
    json_int_t now = zn_now_ms();
    json_int_t since = zn_json_int(r->orphans, name, now);

    json_object_set_new(next, name, json_integer(since));
    return now - since >= GRACE_MS;
}

/* The owners in list as an array literal: hashes and ids need no quoting. */
static int owners(const json_t *list, struct zn_buf *ret, struct zn_err *err)
{
    size_t i;
    json_t *one;

    zn_buf_putc(ret, '{');
    json_array_foreach (list, i, one) {
        const char *v = zn_json_str(one, "owner", "");

        if (v[strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")])
            continue; /* not one of ours: left alone */
        zn_buf_printf(ret, "%s%s", ret->len > 1 ? "," : "", v);
    }
    zn_buf_putc(ret, '}');
    return zn_buf_str(ret) ? 0 : zn_fail(err, ZN_INTERNAL, "too many services to look through");
}

static bool listed(const PGresult *rows, const char *owner)
{
    for (int i = 0; i < PQntuples(rows); i++)
        if (strcmp(zn_col(rows, i, "owner"), owner) == 0)
            return true;
    return false;
}

/* Again under its name: another deployment may have taken it meanwhile. */
static int remove_service(struct zn_work *w, const char *name, const char *hash, struct zn_err *err)
{
    zn_auto_json there = NULL;

    if (zn_engine_service_get(w->engine, name, &there, err) < 0)
        return err->code == ZN_NOT_FOUND ? 0 : -1;
    json_t *labels = json_object_get(json_object_get(there, "Spec"), "Labels");
    if (strcmp(zn_json_str(labels, "zane.deployment", ""), hash) != 0)
        return 0;
    zn_info("service %s of %s belongs to nothing any more: removed", name, hash);
    if (zn_engine_service_remove(w->engine, name, err) < 0)
        return -1;
    return zn_sql_once(w->store, ZN_SQL_DEPLOYMENT_ORPHANED, ZN_P(hash), NULL, err);
}

static int remove_network(struct zn_work *w, const char *name, const char *environment,
                          struct zn_err *err)
{
    zn_info("network %s of %s belongs to nothing any more: removed", name, environment);
    return zn_network_remove(w, name, err);
}

static int remove_config(struct zn_work *w, const char *name, const char *service, struct zn_err *err)
{
    zn_info("config %s of %s belongs to nothing any more: removed", name, service);
    return zn_engine_config_remove(w->engine, name, err);
}

static int all_configs(struct zn_engine *e, json_t **ret, struct zn_err *err)
{
    return zn_engine_configs_of(e, NULL, ret, err);
}

/* What belongs to somebody of the database, and how to tell that it belongs to nobody. */
struct kind {
    int (*list)(struct zn_engine *e, json_t **ret, struct zn_err *err);
    enum zn_sql_id gone; /* of an array of owners, those that are gone */
    int (*remove)(struct zn_work *w, const char *name, const char *owner, struct zn_err *err);
};
static const struct kind services = { zn_engine_services_deployed, ZN_SQL_ORPHANS, remove_service };
static const struct kind configs = { all_configs, ZN_SQL_SERVICES_GONE, remove_config };
static const struct kind networks = { zn_engine_networks_owned, ZN_SQL_ENVIRONMENTS_GONE, remove_network };

static int remove_kind(struct zn_reconciler *r, const struct kind *k, json_t *next, struct zn_err *err)
{
    zn_auto_json list = NULL;
    zn_auto_buf struct zn_buf ids = ZN_BUF(OWNERS_MAX);
    zn_auto_pgresult gone = NULL;
    size_t i;
    json_t *one;

    if (k->list(r->work->engine, &list, err) < 0 || owners(list, &ids, err) < 0 ||
        zn_sql_once(r->work->store, k->gone, ZN_P(zn_buf_str(&ids)), &gone, err) < 0)
        return -1;
    json_array_foreach (list, i, one) {
        const char *name = zn_json_str(one, "name", ""), *owner = zn_json_str(one, "owner", "");

        if (listed(gone, owner) && is_due(r, next, name) && k->remove(r->work, name, owner, err) < 0)
            return -1;
    }
    return 0;
}

static bool any_of(const json_t *list, const char *owner)
{
    size_t i;
    json_t *one;

    json_array_foreach (list, i, one)
        if (strcmp(zn_json_str(one, "owner", ""), owner) == 0)
            return true;
    return false;
}

/* An engine that is killed while a service goes forgets that its ended container was to go too. Such a
 * container would hold its volumes for ever. */
static int remove_containers(struct zn_reconciler *r, json_t *next, struct zn_err *err)
{
    zn_auto_json ended = NULL;
    zn_auto_json there = NULL;
    size_t i;
    json_t *one;

    if (zn_engine_containers_ended(r->work->engine, &ended, err) < 0 ||
        zn_engine_services_deployed(r->work->engine, &there, err) < 0)
        return -1;
    json_array_foreach (ended, i, one) {
        const char *id = zn_json_str(one, "name", ""), *hash = zn_json_str(one, "owner", "");

        if (any_of(there, hash) || !is_due(r, next, id))
            continue;
        zn_info("container %.12s of %s belongs to no service any more: removed", id, hash);
        if (zn_engine_container_remove(r->work->engine, id, err) < 0)
            return -1;
    }
    return 0;
}

static int remove_orphans(struct zn_reconciler *r, struct zn_err *err)
{
    json_t *next = json_object();
    int ret = remove_kind(r, &services, next, err);

    if (ret == 0)
        ret = remove_containers(r, next, err);
    if (ret == 0)
        ret = remove_kind(r, &configs, next, err);
    if (ret == 0)
        ret = remove_kind(r, &networks, next, err);
    if (ret == 0) { /* after a failure the times of the round before are the better ones */
        json_decref(r->orphans);
        r->orphans = json_incref(next);
    }
    json_decref(next);
    return ret;
}

/* --- what no workflow will end ------------------------------------------------------------------------- */

/* The version that made room for it runs again; the toggle workflow does it. */
static int wake_paused(struct zn_conn *c, const char *hash, struct zn_err *err)
{
    zn_auto_pgresult paused = NULL;

    if (zn_sql(c, ZN_SQL_PAUSED_WAKE, ZN_P(hash, ZN_PAUSED_REASON), &paused, err) < 0)
        return -1;
    if (PQntuples(paused) == 0)
        return 0;
    const char *old = zn_col(paused, 0, "hash");
    zn_auto_json p = json_pack("{s:s,s:o,s:{s:s,s:s}}", "workflow_type", "toggle_service", "workflow_id",
                               json_sprintf("toggle-%s-for-%s", old, hash), "input", "deployment", old,
                               "service", zn_col(paused, 0, "service_id"));
    zn_auto_mem char *text = json_dumps(p, JSON_COMPACT);

    return zn_sql(c, ZN_SQL_OUTBOX_ADD, ZN_P("start_workflow", old, text), NULL, err);
}

static int abandon_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    const char *hash = arg;

    if (wake_paused(c, hash, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_ABANDON,
               ZN_P(hash, "Its workflow is gone: terminated by hand, or lost with the workflow server's data."),
               NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_PRODUCTION_SET_IF_ONLY, ZN_P(hash), NULL, err) < 0 ||
        zn_sql(c, ZN_SQL_LEASE_DROP, ZN_P(hash), NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err);
}

/* The route first, so that nobody is sent to what goes; then what it started, which must not run beside a
 * version that comes back. The lease goes last: until then all of it is done again if need be. */
static int abandon(struct zn_work *w, char *hash, struct zn_err *err)
{
    zn_auto_json input = json_pack("{s:s}", "deployment", hash);
    zn_auto_dep struct zn_dep d = { 0 };

    if (zn_dep_load(w, input, &d, err) < 0)
        return -1;
    if (!d.production &&
        (zn_sql_once(w->store, ZN_SQL_ROUTE_BACK, ZN_P(hash), NULL, err) < 0 ||
         zn_route_sync(w, err) < 0 || remove_service(w, d.name, hash, err) < 0))
        return -1;
    return zn_tx(w->store, abandon_tx, hash, err);
}

static int drop_dead_leases(struct zn_work *w, struct zn_err *err)
{
    zn_auto_pgresult rows = NULL;

    if (zn_sql_once(w->store, ZN_SQL_LEASES_OLD, ZN_P0, &rows, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(rows); i++) {
        enum zt_status status;
        zn_auto_mem char *hash = strdup(zn_col(rows, i, "deployment_hash"));

        if (!hash)
            return zn_fail(err, ZN_INTERNAL, "out of memory");
        if (zt_client_describe(w->temporal, zn_col(rows, i, "workflow_id"), &status, err) == 0) {
            if (status == ZT_RUNNING || status == ZT_CONTINUED_AS_NEW)
                continue;
        } else if (err->code != ZN_NOT_FOUND) {
            return -1;
        }
        memset(err, 0, sizeof *err);
        zn_warn("deployment %s holds a lease, but its workflow %s no longer runs: given up", hash,
                zn_col(rows, i, "workflow_id"));
        if (abandon(w, hash, err) < 0)
            return -1;
    }
    return 0;
}

/* --- rounds --------------------------------------------------------------------------------------------- */

/* Every part is tried in each round; the first failure is the one that is told. */
static int reconcile(void *arg, struct zn_periodic *self, struct zn_err *err)
{
    struct zn_reconciler *r = arg;
    struct zn_err e[5] = { 0 };
    int bad = 0;

    (void)self;
    bad |= zn_queue_dispatch_now(r->work->store, &e[0]);
    bad |= restore_all(r->work, &e[1]);
    bad |= zn_route_sync(r->work, &e[2]);
    bad |= drop_dead_leases(r->work, &e[3]);
    bad |= remove_orphans(r, &e[4]);
    for (size_t i = 0; bad && i < sizeof e / sizeof *e; i++)
        if (e[i].code) {
            *err = e[i];
            break;
        }
    return bad;
}

int zn_reconciler_start(struct zn_work *w, struct zn_reconciler **ret, struct zn_err *err)
{
    struct zn_reconciler *r = calloc(1, sizeof *r);

    if (!r)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    r->work = w;
    r->orphans = json_object();
    struct zn_periodic_config c = { .name = "reconcile",
                                    .fn = reconcile,
                                    .arg = r,
                                    .period_ms = PERIOD_MS,
                                    .retry_first_ms = RETRY_FIRST_MS,
                                    .retry_max_ms = RETRY_MAX_MS };
    if (zn_periodic_start(&c, &r->thread, err) < 0) {
        json_decref(r->orphans);
        free(r);
        return -1;
    }
    *ret = r;
    return 0;
}

void zn_reconciler_stop(struct zn_reconciler *r)
{
    if (!r)
        return;
    zn_periodic_stop(r->thread);
    json_decref(r->orphans);
    free(r);
}
