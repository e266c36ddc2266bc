#include "supervisor/supervisor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/edge.h"
#include "supervisor/engine.h"
#include "supervisor/gate.h"
#include "supervisor/watch.h"

enum { TICK_MS = 200 };

static const char *const stage_words[] = { "waiting for the engine", "preparing", "running",
                                           "stopping", "stopped" };

void zn_supervisor_publish(struct zn_supervisor *s, unsigned component)
{
    s->seq++;
    if (s->changed)
        s->changed(s->changed_arg, component);
}

static void remember(struct zn_supervisor *s, unsigned i)
{
    struct zn_facts *f = &s->facts[i];
    struct zn_change *c = &f->history[f->nhistory++ % ZN_HISTORY];

    c->seq = s->seq + 1;
    c->at_ns = zn_wall_ns();
    snprintf(c->word, sizeof c->word, "%s", zn_component_word(&s->components[i]));
    memcpy(c->message, f->message, sizeof c->message);
    c->message[sizeof c->message - 1] = '\0';
}

bool zn_supervisor_is_ready(const struct zn_supervisor *s)
{
    if (s->stage != ZN_STAGE_RUN)
        return false;
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted && !zn_component_ready(&s->components[i]))
            return false;
    return true;
}

static void note_readiness(struct zn_supervisor *s)
{
    bool ready = zn_supervisor_is_ready(s);

    if (ready == (s->ready_ns != 0))
        return;
    s->ready_ns = ready ? zn_wall_ns() : 0;
    if (ready)
        zn_info("platform ready after_ms=%lld",
                (long long)((s->ready_ns - s->started_ns) / 1000000));
    else
        zn_warn("platform not ready");
    zn_supervisor_publish(s, ZN_CHANGED_PLATFORM);
}

static void set_text(struct zn_supervisor *s, unsigned i, char *at, size_t size, const char *text)
{
    if (strcmp(at, text) == 0)
        return;
    snprintf(at, size, "%s", text);
    if (i < ZN_C_MAX && text[0])
        remember(s, i);
    zn_supervisor_publish(s, i);
}

void zn_supervisor_say(struct zn_supervisor *s, unsigned i, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (i < ZN_C_MAX)
        set_text(s, i, s->facts[i].message, sizeof s->facts[i].message, text);
    else
        set_text(s, i, s->stage_message, sizeof s->stage_message, text);
}

void zn_supervisor_stage(struct zn_supervisor *s, enum zn_stage stage)
{
    if (s->stage == stage)
        return;
    s->stage = stage;
    s->stage_since_ms = zn_now_ms();
    snprintf(s->stage_message, sizeof s->stage_message, "%s", stage_words[stage]);
    zn_info("stage=\"%s\"", stage_words[stage]);
    zn_supervisor_publish(s, ZN_CHANGED_PLATFORM);
    note_readiness(s);
}

/* The word changed: since, history, log, the others. */
static void word_changed(struct zn_supervisor *s, unsigned i, const char *before)
{
    const char *word = zn_component_word(&s->components[i]);

    s->facts[i].since_ns = zn_wall_ns();
    if (strcmp(word, "ready") == 0)
        s->facts[i].message[0] = '\0';
    remember(s, i);
    zn_info("component=%s %s -> %s", s->components[i].def->name, before, word);
    zn_supervisor_publish(s, i);
}

void zn_supervisor_feed(struct zn_supervisor *s, unsigned i, enum zn_component_event ev)
{
    struct zn_component *c = &s->components[i];
    const char *before = zn_component_word(c);
    bool was_ready = zn_component_ready(c);
    enum zn_component_action action;

    /* Outside ZN_STAGE_RUN nothing is started; what is seen is noted all the same. */
    if (ev == ZN_EV_TICK && s->stage != ZN_STAGE_RUN)
        return;
    action = zn_component_step(c, ev, zn_now_ms(), (uint32_t)zn_wall_ns());
    if (zn_component_word(c) != before)
        word_changed(s, i, before);
    if (action == ZN_DO_START)
        zn_boot_start(s, i);
    else if (action == ZN_DO_KILL)
        zn_watcher_kill(s, i);
    if (zn_component_ready(c) != was_ready)
        zn_supervisor_resolve(s);
    note_readiness(s);
}

static void block(struct zn_supervisor *s)
{
    if (s->facts[ZN_C_API].wanted && s->facts[ZN_C_POSTGRES].wanted && !s->migrated)
        s->components[ZN_C_API].blocked_by |= ZN_BLOCK_MIGRATION;
    zn_component_resolve(s->components, s->config.components);
}

void zn_supervisor_resolve(struct zn_supervisor *s)
{
    uint32_t before[ZN_C_MAX];
    const char *word[ZN_C_MAX];

    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        before[i] = s->components[i].blocked_by;
        word[i] = zn_component_word(&s->components[i]);
    }
    block(s);
    zn_boot_migrate(s);
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        struct zn_component *c = &s->components[i];

        if (!s->facts[i].wanted || c->blocked_by == before[i])
            continue;
        if (zn_component_word(c) != word[i])
            word_changed(s, i, word[i]);
        else
            zn_supervisor_publish(s, i);
        if (s->stage != ZN_STAGE_RUN)
            continue;
        /* A dependency changed: what is held may try again. */
        zn_supervisor_feed(s, i, c->admin == ZN_HELD && !c->blocked_by ? ZN_EV_RETRY : ZN_EV_TICK);
    }
}

void zn_supervisor_lost(struct zn_supervisor *s)
{
    zn_watcher_lost(s);
    zn_edge_lost(s);
    zn_boot_lost(s);
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        if (!s->facts[i].wanted)
            continue;
        s->facts[i].container[0] = s->facts[i].task[0] = s->facts[i].service[0] = '\0';
        zn_supervisor_feed(s, i, ZN_EV_LOST);
    }
}

static void engine_state(void *arg, bool up, const char *why)
{
    struct zn_supervisor *s = arg;

    if (s->stage == ZN_STAGE_STOP || s->stage == ZN_STAGE_STOPPED)
        return;
    if (up) {
        zn_boot_prepare(s);
        return;
    }
    if (s->stage != ZN_STAGE_ENGINE) {
        zn_supervisor_stage(s, ZN_STAGE_ENGINE);
        zn_supervisor_lost(s);
    }
    zn_supervisor_say(s, ZN_CHANGED_PLATFORM, "waiting for the engine: %s", why);
}

static void tick(void *arg)
{
    struct zn_supervisor *s = arg;

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted)
            zn_supervisor_feed(s, i, ZN_EV_TICK);
    zn_timer_set(s->loop, &s->tick, TICK_MS);
}

int zn_supervisor_init(struct zn_supervisor *s, const struct zn_config *config,
                       struct zn_loop *loop, struct zn_err *err)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->loop = loop;
    s->seq = 1;
    s->started_ns = zn_wall_ns();
    snprintf(s->version, sizeof s->version, "unknown");
    snprintf(s->stage_message, sizeof s->stage_message, "%s", stage_words[ZN_STAGE_ENGINE]);
    s->tick = (struct zn_timer){ .fn = tick, .arg = s };
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        zn_component_init(&s->components[i], i, config->embedded);
        s->facts[i].wanted = config->components & UINT32_C(1) << i;
        s->facts[i].memory_cap = (uint64_t)s->components[i].def->cap_mib << 20;
        s->facts[i].since_ns = s->started_ns;
    }
    block(s);
    if (zn_engine_open(loop, config->engine, engine_state, s, &s->engine, err) < 0 ||
        zn_boot_open(s, err) < 0 || zn_watcher_open(s, err) < 0 || zn_edge_open(s, err) < 0 ||
        zn_gate_open(s, err) < 0) {
        zn_supervisor_done(s);
        return -1;
    }
    return 0;
}

void zn_supervisor_start(struct zn_supervisor *s)
{
    zn_timer_set(s->loop, &s->tick, TICK_MS);
    zn_engine_connect(s->engine);
}

void zn_supervisor_done(struct zn_supervisor *s)
{
    zn_timer_clear(s->loop, &s->tick);
    zn_gate_close(s);
    zn_edge_close(s);
    zn_boot_close(s);
    zn_watcher_close(s);
    zn_engine_close(s->engine);
    s->engine = NULL;
    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        free(s->facts[i].last_lines);
        s->facts[i].last_lines = NULL;
    }
}

int zn_supervisor_retry(struct zn_supervisor *s, enum zn_component_id id, struct zn_err *err)
{
    if (s->stage == ZN_STAGE_STOP || s->stage == ZN_STAGE_STOPPED)
        return zn_fail(err, ZN_CONFLICT, "the platform is being stopped");
    zn_info("retry asked for component=%s", s->components[id].def->name);
    if (s->stage == ZN_STAGE_RUN)
        zn_supervisor_feed(s, id, ZN_EV_RETRY);
    return 0;
}

void zn_supervisor_stop(struct zn_supervisor *s)
{
    zn_gate_cancel(s);
    zn_boot_stop(s);
}

const char *zn_supervisor_name(const struct zn_supervisor *s, unsigned component)
{
    return s->components[component].def->name;
}

int zn_supervisor_find(const struct zn_supervisor *s, const char *name)
{
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted && strcmp(s->components[i].def->name, name) == 0)
            return (int)i;
    return -1;
}
