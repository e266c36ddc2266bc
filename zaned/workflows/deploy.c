/* The deploy workflow: acquire, steps, and either finish and retire the old version, or undo. */
#include <string.h>

#include "base/json.h"
#include "zaned/workflows/workflows.h"

/* Requests that were on their way to the old version when the route moved get this long. */
static const int64_t DRAIN_MS = 3000;

static const char *const lost[] = { "not_found", "invalid", NULL };

/* Start-to-close bounds one attempt, schedule-to-close all of them: a database, engine or worker that
 * is away for minutes does not fail a deployment. A worker that died is noticed by its heartbeat. */
#define ACT(kind, attempt_s, total_s)                                                     \
    {                                                                                     \
        .type = kind, .start_to_close_ms = (attempt_s) * 1000LL,                          \
        .schedule_to_close_ms = (total_s) * 1000LL, .heartbeat_ms = 6000, .backoff = 1.5, \
        .first_ms = 200, .max_ms = 5000, .no_retry = lost                                 \
    }

static const struct zt_activity_opts acquire = ACT("acquire", 15, 86400);
static const struct zt_activity_opts prepare = ACT("prepare", 30, 1800);
static const struct zt_activity_opts pull = ACT("pull", 1800, 3600);
static const struct zt_activity_opts resources = ACT("resources", 60, 900);
static const struct zt_activity_opts discard = ACT("discard", 60, 3600);
static const struct zt_activity_opts pause_old = ACT("pause", 120, 900);
static const struct zt_activity_opts resume_old = ACT("resume", 120, 3600);
static const struct zt_activity_opts create = ACT("create", 60, 900);
static const struct zt_activity_opts remove_new = ACT("remove", 120, 3600);
static const struct zt_activity_opts health = ACT("health", 3700, 7200);
static const struct zt_activity_opts route = ACT("route", 60, 900);
static const struct zt_activity_opts unroute = ACT("unroute", 60, 3600);
static const struct zt_activity_opts verify = ACT("verify", 60, 900);
static const struct zt_activity_opts cancelling = ACT("cancelling", 30, 3600);
static const struct zt_activity_opts finish = ACT("finish", 30, 86400);
static const struct zt_activity_opts retire = ACT("retire", 120, 86400);
static const struct zt_activity_opts release = ACT("release", 30, 86400);

struct deploy {
    json_t *input;    /* deployment and service */
    json_t *plan;     /* result of prepare: slot, exclusive, routes, previous */
    const char *image; /* pinned reference, from pull */
};

struct step {
    const char *what; /* for the reason of a failure */
    const struct zt_activity_opts *act, *undo;
    bool (*when)(const struct deploy *d);
    bool undo_if_failed; /* false: undone only if the deployment was called off */
};

static bool has_previous(const struct deploy *d)
{
    return json_is_object(json_object_get(d->plan, "previous"));
}

static bool must_pause(const struct deploy *d)
{
    return has_previous(d) && json_is_true(json_object_get(d->plan, "exclusive"));
}

static bool has_routes(const struct deploy *d)
{
    return json_is_true(json_object_get(d->plan, "routes"));
}

/* Order matters: undone from the last one begun to the first. */
static const struct step steps[] = {
    { "preparing", &prepare, NULL, NULL, false },
    { "getting the image", &pull, NULL, NULL, false },
    /* A version that failed may have written to its new volumes: the next one finds that. */
    { "creating network and volumes", &resources, &discard, NULL, false },
    { "stopping the running version", &pause_old, &resume_old, must_pause, true },
    { "creating the service", &create, &remove_new, NULL, true },
    { "health check", &health, NULL, NULL, false },
    { "switching the route", &route, &unroute, NULL, true },
    { "check through the proxy", &verify, NULL, has_routes, false },
};
enum { NSTEPS = sizeof steps / sizeof *steps };

/* Input of each activity: what the workflow was started with, and what it has learnt since. */
static json_t *facts(const struct deploy *d)
{
    json_t *o = json_copy(d->input);

    if (d->plan)
        json_object_set(o, "plan", d->plan);
    if (d->image)
        json_object_set_new(o, "image", json_string(d->image));
    return o;
}

static json_t *outcome(const struct deploy *d, const char *status, const char *reason)
{
    json_t *o = facts(d);

    json_object_set_new(o, "status", json_string(status));
    json_object_set_new(o, "reason", reason ? json_string(reason) : json_null());
    return o;
}

static enum zt_res run_step(struct zt_wf *w, struct deploy *d, const struct step *s)
{
    json_t *out = NULL;
    enum zt_res r = zt_do(w, s->act, facts(d), &out);

    if (r == ZT_OK && s->act == &prepare)
        d->plan = out;
    if (r == ZT_OK && s->act == &pull)
        d->image = zn_json_str(out, "image", NULL);
    return r;
}

/* Undoes the steps 0 … last; each undo accepts that its step never happened. */
static void undo(struct zt_wf *w, const struct deploy *d, int last, bool canceled)
{
    for (int i = last; i >= 0; i--)
        if (steps[i].undo && (canceled || steps[i].undo_if_failed) &&
            (!steps[i].when || steps[i].when(d)))
            zt_do(w, steps[i].undo, facts(d), NULL);
}

static const char *reason_text(struct zt_wf *w, const char *what)
{
    const char *why = zt_reason(w);

    return zn_arena_printf(zt_arena(w), "%s: %s", what, *why ? why : "no reason given");
}

static void succeed(struct zt_wf *w, const struct deploy *d)
{
    zt_shield(w, true);
    zt_do(w, &finish, outcome(d, "HEALTHY", NULL), NULL);
    if (has_previous(d)) {
        if (has_routes(d) && !must_pause(d))
            zt_await(w, zt_timer(w, DRAIN_MS), NULL);
        zt_do(w, &retire, facts(d), NULL);
    }
}

static void fail(struct zt_wf *w, const struct deploy *d, int last, bool canceled,
                 const char *reason)
{
    zt_shield(w, true);
    if (canceled)
        zt_do(w, &cancelling, facts(d), NULL);
    undo(w, d, last, canceled);
    zt_do(w, &finish, outcome(d, canceled ? "CANCELLED" : "FAILED", reason), NULL);
}

enum zt_res zn_wf_deploy(struct zt_wf *w, json_t *input, json_t **result)
{
    struct deploy d = { .input = input };
    const char *status = "HEALTHY";
    enum zt_res r = zt_do(w, &acquire, facts(&d), NULL);
    const char *what = "waiting for the deployment before";
    int i = -1;

    while (r == ZT_OK && ++i < NSTEPS) {
        what = steps[i].what;
        if (!steps[i].when || steps[i].when(&d))
            r = run_step(w, &d, &steps[i]);
    }
    if (r == ZT_OK) {
        succeed(w, &d);
    } else {
        bool canceled = r == ZT_CANCELED;

        status = canceled ? "CANCELLED" : "FAILED";
        fail(w, &d, i, canceled, canceled ? "Deployment cancelled." : reason_text(w, what));
    }
    zt_do(w, &release, facts(&d), NULL);
    *result = zt_keep(w, json_pack("{s:s}", "status", status));
    return ZT_OK;
}
