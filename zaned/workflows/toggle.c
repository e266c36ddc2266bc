/* The toggle workflow: brings the swarm to what the production deployment's row says, asleep or not. */
#include <string.h>

#include "base/json.h"
#include "zaned/store/queue.h"
#include "zaned/workflows/work.h"
#include "zaned/workflows/workflows.h"

static const int64_t BUSY_MS = 500;

enum zt_res zn_wf_toggle(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts scale = {
        .type = "scale", .start_to_close_ms = 30000, .schedule_to_close_ms = 86400000,
        .heartbeat_ms = 6000, .backoff = 1.5, .first_ms = 500, .max_ms = 5000,
    };

    (void)result;
    return zt_do(w, &scale, json_incref(input), NULL);
}

/* Reads the wish only under the lease, so that of several runs the last one to come agrees with the last
 * wish. */
static int scale(struct zn_work *w, json_t *input, struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };

    if (zn_dep_load(w, input, &d, err) < 0)
        return -1;
    if (!d.production || d.archived)
        return 0; /* a deployment has taken its place */
    bool asleep = strcmp(d.status, "SLEEPING") == 0;
    if (zn_engine_service_scale(w->engine, d.name, asleep ? 0 : 1, err) == 0)
        return 0;
    if (err->code != ZN_NOT_FOUND)
        return -1;
    memset(err, 0, sizeof *err);
    return asleep ? 0 : zn_service_restore(w, &d, err);
}

struct lease {
    const char *hash, *run_id;
};

static int drop_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct lease *l = arg;

    if (zn_sql(c, ZN_SQL_LEASE_DROP_RUN, ZN_P(l->hash, l->run_id), NULL, err) < 0)
        return -1;
    return zn_queue_dispatch(c, err); /* a deployment may have been asked for meanwhile */
}

/* 1: done, or archived meanwhile; 0: a deployment works on the service; -1: error. */
static int scale_alone(struct zn_work *w, json_t *input, const char *run_id, const char *workflow_id,
                       struct zn_err *err)
{
    zn_auto_dep struct zn_dep d = { 0 };
    zn_auto_pgresult res = NULL;
    struct zn_err drop = { 0 };

    if (zn_dep_load(w, input, &d, err) < 0)
        return err->code == ZN_NOT_FOUND ? 1 : -1;
    if (zn_sql_once(w->store, ZN_SQL_LEASE_TAKE_IDLE, ZN_P(d.hash, run_id, workflow_id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return 0;
    int r = scale(w, input, err);
    struct lease l = { d.hash, run_id };
    if (zn_tx(w->store, drop_tx, &l, &drop) < 0 && r == 0) {
        *err = drop;
        return -1;
    }
    return r < 0 ? -1 : 1;
}

enum zt_res zn_act_scale(struct zt_actx *c, void *work, json_t *input, json_t **result)
{
    struct zn_err err = { 0 };
    int r = scale_alone(work, input, zt_actx_run_id(c), zt_actx_workflow_id(c), &err);

    (void)result;
    if (r == 0)
        return zt_fail(c, "busy", BUSY_MS, "a deployment of the service is running");
    return zn_act_result(c, r < 0 ? -1 : 0, &err);
}
