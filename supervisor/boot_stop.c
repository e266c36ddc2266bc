#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/edge.h"
#include "supervisor/watch.h"

/* How long beyond its own stop time a component may take, and the pace of looking. */
enum { EXTRA_MS = 10000, LOOK_MS = 100 };

static void next_component(struct stop *st);
static void look(void *arg);

static const char *name_of(const struct stop *st)
{
    return st->id < 0 ? "migrate" : st->s->components[st->id].def->name;
}

static void component_ended(struct stop *st, bool in_time)
{
    zn_engine_cancel(st->s->engine, st);
    if (!in_time) {
        st->left++;
        zn_error("component=%s did not end in time", name_of(st));
    }
    if (st->id >= 0)
        zn_supervisor_feed(st->s, (unsigned)st->id, ZN_EV_EXITED);
    st->id--;
    next_component(st);
}

static void later(struct stop *st)
{
    if (zn_now_ms() >= st->give_up_ms)
        component_ended(st, false);
    else
        zn_timer_set(st->s->loop, &st->again, LOOK_MS);
}

static void removed(void *arg, const struct zn_engine_reply *r)
{
    struct stop *st = arg;

    if (r->err && r->err->code != ZN_NOT_FOUND) {
        zn_warn("removing service=zn-%s why=\"%s\"", name_of(st), r->err->msg);
        later(st);
        return;
    }
    st->removed = true;
    look(st);
}

/* Swarm removes the containers of a removed service by itself; what it forgot, because it belonged to
 * a swarm before this one, is removed here. */
static void counted(void *arg, const struct zn_engine_reply *r)
{
    struct stop *st = arg;
    bool runs = false;
    char target[128];
    size_t i;
    json_t *c;

    if (!r->err && json_array_size(r->json) == 0) {
        component_ended(st, true);
        return;
    }
    json_array_foreach (r->json, i, c)
        runs |= strcmp(zn_json_str(c, "State", ""), "running") == 0;
    json_array_foreach (r->json, i, c) {
        if (runs)
            break;
        snprintf(target, sizeof target, "/containers/%s?force=true", zn_json_str(c, "Id", ""));
        zn_engine_send(st->s->engine,
                       &(struct zn_engine_call){ .method = "DELETE", .target = target });
    }
    later(st);
}

static void look(void *arg)
{
    struct stop *st = arg;
    char target[160];

    if (!st->removed) {
        snprintf(target, sizeof target, "/services/zn-%s", name_of(st));
        zn_engine_send(st->s->engine, &(struct zn_engine_call){ .method = "DELETE",
                                                                .target = target,
                                                                .done = removed, .arg = st });
        return;
    }
    /* {"label":["zane.component=NAME"]} */
    snprintf(target, sizeof target,
             "/containers/json?all=true&filters=%%7B%%22label%%22%%3A%%5B%%22zane.component%%3D%s%%22%%5D%%7D",
             name_of(st));
    zn_engine_send(st->s->engine, &(struct zn_engine_call){ .method = "GET", .target = target,
                                                            .done = counted, .arg = st });
}

static void next_component(struct stop *st)
{
    struct zn_supervisor *s = st->s;

    while (st->id >= 0 && !s->facts[st->id].wanted)
        st->id--;
    if (st->id < -1) {
        if (st->left)
            zn_error("platform stopped, %u components did not end in time", st->left);
        else
            zn_info("platform stopped");
        zn_supervisor_stage(s, ZN_STAGE_STOPPED);
        if (s->stopped)
            s->stopped(s->stopped_arg);
        return;
    }
    st->removed = false;
    st->give_up_ms = zn_now_ms() + EXTRA_MS;
    if (st->id >= 0) {
        st->give_up_ms += s->components[st->id].def->stop_s * INT64_C(1000);
        zn_supervisor_feed(s, (unsigned)st->id, ZN_EV_WANT_DOWN);
        zn_supervisor_say(s, (unsigned)st->id, "stopping");
    }
    zn_info("stopping component=%s", name_of(st));
    look(st);
}

void zn_boot_stop(struct zn_supervisor *s)
{
    struct stop *st = &s->boot->stop;

    if (s->stage == ZN_STAGE_STOP || s->stage == ZN_STAGE_STOPPED)
        return;
    zn_boot_lost(s);
    zn_watcher_lost(s);
    zn_edge_lost(s);
    zn_supervisor_stage(s, ZN_STAGE_STOP);
    st->again.fn = look;
    st->again.arg = st;
    st->id = ZN_C_MAX - 1;
    st->left = 0;
    if (!zn_engine_up(s->engine)) {
        zn_error("the engine does not answer: nothing can be stopped");
        st->id = -2;
        st->left = ZN_C_MAX;
    }
    next_component(st);
}
