#include "supervisor/component.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"

#define BIT(id) (UINT32_C(1) << (id))

static const struct zn_component_def defs[ZN_C_MAX] = {
    [ZN_C_CADDY] = { .name = "caddy", .image = "caddy", .uid = 972, .cap_mib = 128,
                     .volume = "zn-caddy", .mount = "/data", .edge = true, .grace_s = 20,
                     .stop_s = 10 },
    [ZN_C_POSTGRES] = { .name = "postgres", .image = "postgres", .uid = 970, .cap_mib = 320,
                        .volume = "zn-postgres", .mount = "/var/lib/postgresql/data",
                        .control = true, .grace_s = 120, .stop_s = 60,
                        .secrets = { "pg_super_password", "pg_zane_password",
                                     "pg_temporal_password" } },
    [ZN_C_VALKEY] = { .name = "valkey", .image = "valkey", .uid = 971, .cap_mib = 64,
                      .volume = "zn-valkey", .mount = "/data", .control = true, .grace_s = 20,
                      .stop_s = 10, .secrets = { "valkey_password" } },
    [ZN_C_LOKI] = { .name = "loki", .image = "loki", .uid = 974, .cap_mib = 256,
                    .volume = "zn-loki", .mount = "/var/lib/loki", .control = true,
                    .grace_s = 90, .stop_s = 20 },
    [ZN_C_FLUENTD] = { .name = "fluentd", .image = "fluentd", .uid = 975, .cap_mib = 192,
                       .volume = "zn-fluentd", .mount = "/var/lib/fluentd", .control = true,
                       .needs = BIT(ZN_C_LOKI), .grace_s = 60, .stop_s = 15,
                       .secrets = { "ingest_token" } },
    [ZN_C_TEMPORAL] = { .name = "temporal", .image = "temporal", .uid = 973, .cap_mib = 256,
                        .control = true, .needs = BIT(ZN_C_POSTGRES), .grace_s = 120,
                        .stop_s = 15, .secrets = { "pg_temporal_password" } },
    [ZN_C_API] = { .name = "zaned-api", .image = "zaned", .role = "api",
                   .ready = "127.0.0.1:8080/readyz", .uid = 976, .cap_mib = 96, .control = true,
                   .edge = true, .grace_s = 60, .stop_s = 15,
                   .needs = BIT(ZN_C_POSTGRES) | BIT(ZN_C_VALKEY) | BIT(ZN_C_TEMPORAL),
                   .secrets = { "pg_zane_password", "valkey_password", "encryption_key",
                                "signing_key", "ingest_token", "setup_token" } },
    [ZN_C_WORKER] = { .name = "zaned-worker", .image = "zaned", .role = "worker",
                      .ready = "127.0.0.1:8081/readyz", .uid = 976, .cap_mib = 128,
                      .volume = "zn-collector", .mount = "/var/lib/zaned", .control = true,
                      .needs = BIT(ZN_C_API) | BIT(ZN_C_TEMPORAL), .grace_s = 60, .stop_s = 30,
                      .secrets = { "pg_zane_password", "valkey_password", "encryption_key",
                                   "ingest_token" } },
};

static const struct zn_component_def collector = {
    .name = "collector", .image = "zaned", .role = "collector", .ready = "127.0.0.1:8082/readyz",
    .uid = 976, .cap_mib = 128, .volume = "zn-collector", .mount = "/var/lib/zaned",
    .control = true, .needs = BIT(ZN_C_LOKI), .grace_s = 60, .stop_s = 15,
    .secrets = { "ingest_token" },
};

const struct zn_component_def *zn_component_def(enum zn_component_id id, bool embedded)
{
    return embedded && id == ZN_C_FLUENTD ? &collector : &defs[id];
}

void zn_component_init(struct zn_component *c, enum zn_component_id id, bool embedded)
{
    memset(c, 0, sizeof *c);
    c->def = zn_component_def(id, embedded);
}

static void forget_checks(struct zn_component *c)
{
    c->health = ZN_H_UNKNOWN;
    c->good = c->bad = 0;
    c->turns = 0;
    c->flapping = false;
}

static enum zn_component_action start_if_due(struct zn_component *c, int64_t now_ms)
{
    if (c->desired != ZN_UP || c->admin != ZN_NORMAL || c->blocked_by)
        return ZN_DO_NOTHING;
    if (c->process == ZN_P_BACKOFF) {
        if (now_ms < c->retry_at_ms)
            return ZN_DO_NOTHING;
        c->restarts++;
    } else if (c->process != ZN_P_NONE) {
        return ZN_DO_NOTHING;
    }
    c->process = ZN_P_STARTING;
    return ZN_DO_START;
}

static bool crash_loop(const struct zn_component *c, int64_t now_ms)
{
    /* The slot that the next exit would take holds the oldest one of a full ring. */
    return c->nexits >= ZN_LOOP_EXITS &&
           now_ms - c->exits_ms[c->nexits % ZN_LOOP_EXITS] < ZN_LOOP_WINDOW_MS;
}

static void on_exit_seen(struct zn_component *c, int64_t now_ms, uint32_t rnd)
{
    bool stable = c->process == ZN_P_RUNNING && now_ms - c->running_since_ms >= ZN_STABLE_MS;

    forget_checks(c);
    if (c->process == ZN_P_STOPPING || c->desired == ZN_DOWN) {
        c->process = ZN_P_NONE;
        return;
    }
    if (c->process == ZN_P_BACKOFF || c->process == ZN_P_NONE)
        return; /* the poller repeats itself: one exit counts once */
    if (stable)
        c->attempt = 0;
    c->exits_ms[c->nexits++ % ZN_LOOP_EXITS] = now_ms;
    c->process = ZN_P_BACKOFF;
    c->retry_at_ms = now_ms + zn_backoff_ms(c->attempt++, 1000, 60000, rnd);
    if (c->admin == ZN_NORMAL && crash_loop(c, now_ms))
        c->admin = ZN_HELD;
}

/* Recent turns count up to half as much again as old ones; the thresholds differ so that a
 * component on the edge does not itself flap between the two. */
static void note_turn(struct zn_component *c, bool good)
{
    unsigned weight = 0, full = 0;

    c->turns = (c->turns << 1 | (good != c->last_good)) & ((UINT32_C(1) << ZN_FLAP_CHECKS) - 1);
    c->last_good = good;
    for (unsigned i = 0; i < ZN_FLAP_CHECKS; i++) {
        unsigned w = 2 * ZN_FLAP_CHECKS + ZN_FLAP_CHECKS - i;

        full += w;
        if (c->turns & UINT32_C(1) << i)
            weight += w;
    }
    if (weight * 100 >= full * 50)
        c->flapping = true;
    else if (weight * 100 < full * 25)
        c->flapping = false;
}

static void on_probe(struct zn_component *c, bool good, int64_t now_ms)
{
    if (c->process != ZN_P_RUNNING)
        return;
    if (c->health == ZN_H_UNKNOWN && !c->good && !c->bad)
        c->last_good = good; /* the first check is no turn */
    note_turn(c, good);
    if (good) {
        c->bad = 0;
        if (++c->good >= ZN_RISE)
            c->health = ZN_H_OK;
        return;
    }
    c->good = 0;
    c->bad++;
    if (c->health == ZN_H_UNKNOWN && now_ms - c->running_since_ms < c->def->grace_s * 1000)
        return; /* starting up */
    if (c->bad >= ZN_FALL && c->health != ZN_H_FAILING) {
        c->health = ZN_H_FAILING;
        c->failing_since_ms = now_ms;
    } else if (c->health == ZN_H_OK) {
        c->health = ZN_H_DEGRADED;
    }
}

/* Liveness: a component whose dependencies are all well, but which fails its own check for a
 * minute, is killed; while one of them is ill, nothing is known against itself. */
static bool should_kill(struct zn_component *c, int64_t now_ms)
{
    if (c->process != ZN_P_RUNNING || c->health != ZN_H_FAILING || c->admin != ZN_NORMAL)
        return false;
    if (c->blocked_by || c->desired != ZN_UP) {
        c->failing_since_ms = now_ms;
        return false;
    }
    if (now_ms - c->failing_since_ms < ZN_LIVENESS_MS)
        return false;
    c->failing_since_ms = now_ms;
    return true;
}

/* Nothing is known until the engine's next answers; waits of a backoff go on. */
static void on_lost(struct zn_component *c)
{
    forget_checks(c);
    if (c->process != ZN_P_BACKOFF)
        c->process = ZN_P_NONE;
}

static void on_retry(struct zn_component *c, int64_t now_ms)
{
    if (c->admin == ZN_HELD)
        c->admin = ZN_NORMAL;
    c->nexits = c->attempt = 0;
    c->retry_at_ms = now_ms;
}

static enum zn_component_action want_down(struct zn_component *c)
{
    c->desired = ZN_DOWN;
    if (c->process == ZN_P_STARTING || c->process == ZN_P_RUNNING) {
        c->process = ZN_P_STOPPING;
        return ZN_DO_STOP;
    }
    if (c->process == ZN_P_BACKOFF)
        c->process = ZN_P_NONE;
    return ZN_DO_NOTHING;
}

enum zn_component_action zn_component_step(struct zn_component *c, enum zn_component_event ev,
                                           int64_t now_ms, uint32_t rnd)
{
    switch (ev) {
    case ZN_EV_WANT_UP:
        c->desired = ZN_UP;
        break;
    case ZN_EV_WANT_DOWN:
        return want_down(c);
    case ZN_EV_RUNNING:
        if (c->process != ZN_P_RUNNING && c->process != ZN_P_STOPPING) {
            forget_checks(c);
            c->process = ZN_P_RUNNING;
            c->running_since_ms = now_ms;
        }
        break;
    case ZN_EV_EXITED:
        on_exit_seen(c, now_ms, rnd);
        break;
    case ZN_EV_PROBE_GOOD:
    case ZN_EV_PROBE_BAD:
        on_probe(c, ev == ZN_EV_PROBE_GOOD, now_ms);
        break;
    case ZN_EV_RETRY:
        on_retry(c, now_ms);
        break;
    case ZN_EV_TAKE:
        c->admin = ZN_OWNED;
        break;
    case ZN_EV_RELEASE:
        if (c->admin == ZN_OWNED)
            c->admin = ZN_NORMAL;
        break;
    case ZN_EV_LOST:
        on_lost(c);
        return ZN_DO_NOTHING;
    case ZN_EV_TICK:
        if (should_kill(c, now_ms))
            return ZN_DO_KILL;
        break;
    }
    return start_if_due(c, now_ms);
}

bool zn_component_ready(const struct zn_component *c)
{
    return c->process == ZN_P_RUNNING && (c->health == ZN_H_OK || c->health == ZN_H_DEGRADED);
}

void zn_component_resolve(struct zn_component all[ZN_C_MAX], uint32_t wanted)
{
    uint32_t ready = 0;

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (zn_component_ready(&all[i]))
            ready |= BIT(i);
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        all[i].blocked_by = (all[i].def->needs & wanted & ~ready) |
                            (all[i].blocked_by & ZN_BLOCK_MIGRATION);
}

const char *zn_component_word(const struct zn_component *c)
{
    static const char *const health[] = { "starting", "ready", "degraded", "failing" };

    if (c->admin == ZN_HELD)
        return "held";
    if (c->process == ZN_P_STOPPING)
        return "stopping";
    if (c->process == ZN_P_RUNNING)
        return health[c->health];
    if (c->desired == ZN_DOWN)
        return "stopped";
    if (c->blocked_by)
        return "waiting";
    return c->process == ZN_P_BACKOFF ? "backoff" : "starting";
}
