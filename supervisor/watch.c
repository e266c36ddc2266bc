#include "supervisor/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/edge.h"
#include "supervisor/gate.h"
#include "supervisor/watch_internal.h"

enum { POLL_MS = 2000, FAST_MS = 150, HINT_MS = 30, HINT_WINDOW_MS = 3000, NO_TASK_MS = 30000,
       POLL_DEADLINE_MS = 10000, AGAIN_MS = 1000 };

static void poll_services(void *arg);

static bool matters(const struct zn_supervisor *s, unsigned i)
{
    return s->facts[i].wanted && (s->stage == ZN_STAGE_RUN || s->watcher->survey);
}

/* A start was written and its task is awaited. */
static bool awaits_task(const struct zn_supervisor *s, unsigned i)
{
    return s->components[i].process == ZN_P_STARTING && !s->boot->ops[i].start;
}

static void schedule(struct zn_watcher *w)
{
    bool fast = zn_now_ms() < w->fast_until_ms;

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        fast |= awaits_task(w->s, i);
    w->busy = false;
    if (w->s->stage == ZN_STAGE_RUN)
        zn_timer_set(w->s->loop, &w->poll, w->hinted ? HINT_MS : fast ? FAST_MS : POLL_MS);
    w->hinted = false;
}

void zn_watcher_hint(struct zn_supervisor *s)
{
    struct zn_watcher *w = s->watcher;

    w->fast_until_ms = zn_now_ms() + HINT_WINDOW_MS;
    if (w->busy)
        w->hinted = true;
    else if (s->stage == ZN_STAGE_RUN)
        zn_timer_set(s->loop, &w->poll, HINT_MS);
}

void zn_watcher_expect(struct zn_supervisor *s, unsigned id)
{
    struct zn_watcher *w = s->watcher;

    memcpy(w->of[id].old_task, s->facts[id].task, sizeof w->of[id].old_task);
    w->of[id].expect_ms = zn_now_ms();
    zn_watcher_hint(s);
}

/* --- what a poll found ---------------------------------------------------------------------- */

static void component_runs(struct zn_supervisor *s, unsigned i, const char *container)
{
    struct zn_facts *f = &s->facts[i];
    bool known = strcmp(f->container, container) == 0;

    if (s->components[i].process == ZN_P_RUNNING && known)
        return;
    if (s->components[i].process == ZN_P_RUNNING) /* exchanged by somebody else */
        zn_supervisor_feed(s, i, ZN_EV_LOST);
    snprintf(f->container, sizeof f->container, "%s", container);
    f->memory = 0;
    zn_info("runs component=%s container=%.12s", s->components[i].def->name, container);
    zn_supervisor_say(s, i, "waiting for its first good check");
    zn_supervisor_feed(s, i, ZN_EV_RUNNING);
    zn_check_begin(s, i);
    if (i == ZN_C_CADDY)
        zn_edge_attach(s);
    if (i == ZN_C_API && s->watcher->survey) { /* the wanted code runs: so it was migrated for it */
        s->migrated = true;
        s->components[i].blocked_by &= ~ZN_BLOCK_MIGRATION;
    }
}

static void component_ended(struct zn_supervisor *s, unsigned i, const char *why)
{
    struct zn_component *c = &s->components[i];

    if (c->process != ZN_P_RUNNING && !awaits_task(s, i))
        return;
    zn_warn("ended component=%s why=\"%s\"", c->def->name, why);
    zn_check_end(s, i);
    zn_supervisor_say(s, i, "%s", why);
    zn_fetch_last_lines(s, i);
    zn_supervisor_feed(s, i, ZN_EV_EXITED);
    if (c->admin == ZN_HELD)
        zn_supervisor_say(s, i, "held after %d exits within 10 minutes, the last: %s",
                          ZN_LOOP_EXITS, why);
}

static bool is_final(const char *state)
{
    static const char *const final[] = { "complete", "failed", "shutdown", "rejected", "orphaned",
                                         "remove" };

    for (size_t i = 0; i < sizeof final / sizeof *final; i++)
        if (strcmp(state, final[i]) == 0)
            return true;
    return false;
}

static void end_reason(const json_t *status, char *ret, size_t size)
{
    long long code = zn_json_int(json_object_get(status, "ContainerStatus"), "ExitCode", 0);
    const char *err = zn_json_str(status, "Err", NULL);

    if (code == 137)
        snprintf(ret, size, "was killed (SIGKILL: by hand, or out of memory)");
    else if (err)
        snprintf(ret, size, "ended: %.200s", err);
    else
        snprintf(ret, size, "ended with exit code %lld", code);
}

/* The task that counts: the one that is to run, else the newest. */
static json_t *current_task(json_t *tasks, const char *service)
{
    json_t *best = NULL, *t;
    size_t i;

    json_array_foreach (tasks, i, t) {
        bool live, best_live;

        if (strcmp(zn_json_str(t, "ServiceID", ""), service) != 0)
            continue;
        live = strcmp(zn_json_str(t, "DesiredState", ""), "running") == 0;
        best_live = best && strcmp(zn_json_str(best, "DesiredState", ""), "running") == 0;
        if (!best || (live && !best_live) ||
            (live == best_live &&
             strcmp(zn_json_str(t, "CreatedAt", ""), zn_json_str(best, "CreatedAt", "")) > 0))
            best = t;
    }
    return best;
}

static bool container_is_up(struct zn_watcher *w, const char *id)
{
    size_t i;
    json_t *c;

    json_array_foreach (w->containers, i, c)
        if (strcmp(zn_json_str(c, "Id", ""), id) == 0)
            return true;
    return false;
}

static void judge_task(struct zn_watcher *w, unsigned i, json_t *task)
{
    struct zn_supervisor *s = w->s;
    const json_t *status = json_object_get(task, "Status");
    const char *state = zn_json_str(status, "State", ""), *id = zn_json_str(task, "ID", "");
    const char *container =
        zn_json_str(json_object_get(status, "ContainerStatus"), "ContainerID", "");
    char why[256];

    if (strcmp(id, w->of[i].old_task) == 0) {
        if (awaits_task(s, i) && zn_now_ms() - w->of[i].expect_ms > NO_TASK_MS)
            component_ended(s, i, "the engine made no task within 30 s");
        return;
    }
    snprintf(s->facts[i].task, sizeof s->facts[i].task, "%s", id);
    if (is_final(state)) {
        end_reason(status, why, sizeof why);
        component_ended(s, i, why);
    } else if (strcmp(state, "running") == 0) {
        char wanted[ZN_SPEC_HASH];

        /* After a start of the engine tasks may still be called running whose container is gone. */
        if (w->survey && !container_is_up(w, container))
            return;
        if (!zn_boot_wanted_hash(s, i, wanted) || strcmp(wanted, w->of[i].hash) != 0)
            return;
        snprintf(s->facts[i].spec_hash, sizeof s->facts[i].spec_hash, "%s", wanted);
        component_runs(s, i, container);
    } else if (zn_json_str(status, "Err", "")[0] && awaits_task(s, i)) {
        zn_supervisor_say(s, i, "%s: %s", state, zn_json_str(status, "Err", ""));
    }
}

static void judge(struct zn_watcher *w, json_t *tasks)
{
    struct zn_supervisor *s = w->s;

    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        json_t *task;

        if (!matters(s, i))
            continue;
        task = s->facts[i].service[0] ? current_task(tasks, s->facts[i].service) : NULL;
        if (task)
            judge_task(w, i, task);
        else if (!s->facts[i].service[0] && s->components[i].process == ZN_P_RUNNING)
            component_ended(s, i, "its service was removed");
        else if (awaits_task(s, i) && zn_now_ms() - w->of[i].expect_ms > NO_TASK_MS)
            component_ended(s, i, "the engine made no task within 30 s");
    }
    if (!w->survey) {
        schedule(w);
        return;
    }
    w->survey = false;
    zn_supervisor_stage(s, ZN_STAGE_RUN);
    zn_gate_tidy(s);
    zn_watch_events(w);
    zn_boot_images(s);
    /* Before anything is wanted: else dependents would start as if they needed nobody. */
    zn_supervisor_resolve(s);
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted)
            zn_supervisor_feed(s, i, ZN_EV_WANT_UP);
    zn_supervisor_resolve(s);
    schedule(w);
}

/* --- the calls of a poll --------------------------------------------------------------------- */

static void poll_failed(struct zn_watcher *w, const struct zn_err *err)
{
    struct zn_supervisor *s = w->s;

    w->busy = false;
    if (!zn_engine_up(s->engine))
        return; /* the engine's return begins anew */
    if (err->code == ZN_UNAVAILABLE && strstr(err->msg, "swarm")) {
        zn_warn("the swarm is gone and is built anew why=\"%s\"", err->msg);
        zn_supervisor_lost(s);
        zn_boot_prepare(s);
        return;
    }
    if (err->code != ZN_NOT_FOUND) /* a service that went away between two calls */
        zn_warn("polling why=\"%s\"", err->msg);
    zn_timer_set(s->loop, &w->poll, AGAIN_MS);
}

static void send_poll(struct zn_watcher *w, char *target, zn_engine_done done)
{
    zn_auto_mem char *owned = target;

    zn_engine_send(w->s->engine,
                   &(struct zn_engine_call){ .method = "GET", .target = owned, .done = done,
                                             .deadline_ms = POLL_DEADLINE_MS, .arg = w });
}

static void tasks_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_watcher *w = arg;

    if (r->err)
        poll_failed(w, r->err);
    else
        judge(w, r->json);
}

static void poll_tasks(struct zn_watcher *w)
{
    json_t *ids = json_array();

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (w->s->facts[i].service[0])
            json_array_append_new(ids, json_string(w->s->facts[i].service));
    if (!json_array_size(ids)) {
        json_decref(ids);
        judge(w, NULL);
        return;
    }
    send_poll(w, zn_engine_filtered("/tasks", json_pack("{s:o}", "service", ids)), tasks_done);
}

static void containers_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_watcher *w = arg;

    if (r->err) {
        poll_failed(w, r->err);
        return;
    }
    json_decref(w->containers);
    w->containers = json_incref(r->json);
    poll_tasks(w);
}

static void services_done(void *arg, const struct zn_engine_reply *r)
{
    struct zn_watcher *w = arg;
    struct zn_supervisor *s = w->s;
    size_t k;
    json_t *svc;

    if (r->err) {
        poll_failed(w, r->err);
        return;
    }
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        char name[40];

        s->facts[i].service[0] = w->of[i].hash[0] = '\0';
        snprintf(name, sizeof name, "zn-%s", s->components[i].def->name);
        json_array_foreach (r->json, k, svc) {
            const json_t *spec = json_object_get(svc, "Spec");

            if (strcmp(zn_json_str(spec, "Name", ""), name) != 0)
                continue;
            snprintf(s->facts[i].service, sizeof s->facts[i].service, "%s",
                     zn_json_str(svc, "ID", ""));
            snprintf(w->of[i].hash, sizeof w->of[i].hash, "%s",
                     zn_json_str(json_object_get(spec, "Labels"), "zane.spec", ""));
        }
    }
    if (w->survey)
        send_poll(w, zn_engine_filtered("/containers/json",
                                        json_pack("{s:[s]}", "label", "zane.component")),
                  containers_done);
    else
        poll_tasks(w);
}

static void poll_services(void *arg)
{
    struct zn_watcher *w = arg;

    if (w->busy)
        return;
    w->busy = true;
    send_poll(w, zn_engine_filtered("/services", json_pack("{s:[s]}", "name", "zn-")),
              services_done);
}

/* --- life ------------------------------------------------------------------------------------ */

void zn_watcher_survey(struct zn_supervisor *s)
{
    struct zn_watcher *w = s->watcher;

    zn_watcher_lost(s);
    w->survey = true;
    poll_services(w);
}

void zn_watcher_lost(struct zn_supervisor *s)
{
    struct zn_watcher *w = s->watcher;

    zn_engine_cancel(s->engine, w);
    zn_timer_clear(s->loop, &w->poll);
    zn_timer_clear(s->loop, &w->events_again);
    zn_timer_clear(s->loop, &w->memory);
    zn_watch_side_calls_end(w);
    w->busy = w->hinted = w->survey = false;
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        zn_check_end(s, i);
}

int zn_watcher_open(struct zn_supervisor *s, struct zn_err *err)
{
    struct zn_watcher *w = calloc(1, sizeof *w);

    if (!w)
        return zn_fail(err, ZN_INTERNAL, "watcher: out of memory");
    s->watcher = w;
    w->s = s;
    w->poll = (struct zn_timer){ .fn = poll_services, .arg = w };
    zn_watch_events_init(w);
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        zn_check_init(s, i);
    return 0;
}

void zn_watcher_close(struct zn_supervisor *s)
{
    if (!s->watcher)
        return;
    zn_watcher_lost(s);
    json_decref(s->watcher->containers);
    free(s->watcher);
    s->watcher = NULL;
}
