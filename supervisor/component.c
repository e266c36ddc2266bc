#include "supervisor/component.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"

#define BIT(id) (UINT32_C(1) << (id))

static const struct zn_component_def defs[ZN_C_MAX] = {
    [ZN_C_CADDY] = { .name = "caddy", .uid = 972, .cap_mib = 128, .volume = "zn-caddy",
                     .mount = "/data", .edge = true },
    [ZN_C_POSTGRES] = { .name = "postgres", .uid = 970, .cap_mib = 320, .volume = "zn-postgres",
                        .mount = "/var/lib/postgresql/data", .control = true,
                        .secrets = { "pg_super_password", "pg_zane_password",
                                     "pg_temporal_password" } },
    [ZN_C_VALKEY] = { .name = "valkey", .uid = 971, .cap_mib = 64, .volume = "zn-valkey",
                      .mount = "/data", .control = true, .secrets = { "valkey_password" } },
    [ZN_C_LOKI] = { .name = "loki", .uid = 974, .cap_mib = 256, .volume = "zn-loki",
                    .mount = "/var/lib/loki", .control = true },
    [ZN_C_FLUENTD] = { .name = "fluentd", .uid = 975, .cap_mib = 192, .volume = "zn-fluentd",
                       .mount = "/var/lib/fluentd", .control = true, .needs = BIT(ZN_C_LOKI),
                       .secrets = { "ingest_token" } },
    [ZN_C_TEMPORAL] = { .name = "temporal", .uid = 973, .cap_mib = 256, .control = true,
                        .needs = BIT(ZN_C_POSTGRES), .secrets = { "pg_temporal_password" } },
    [ZN_C_API] = { .name = "zaned-api", .uid = 976, .cap_mib = 96, .control = true, .edge = true,
                   .needs = BIT(ZN_C_POSTGRES) | BIT(ZN_C_VALKEY) | BIT(ZN_C_TEMPORAL),
                   .secrets = { "pg_zane_password", "valkey_password", "encryption_key",
                                "signing_key", "ingest_token", "setup_token" } },
    [ZN_C_WORKER] = { .name = "zaned-worker", .uid = 976, .cap_mib = 128,
                      .volume = "zn-collector", .mount = "/var/lib/zaned", .control = true,
                      .needs = BIT(ZN_C_API) | BIT(ZN_C_TEMPORAL),
                      .secrets = { "pg_zane_password", "valkey_password", "encryption_key",
                                   "ingest_token" } },
};

const struct zn_component_def *zn_component_def(enum zn_component_id id)
{
    return &defs[id];
}

void zn_component_init(struct zn_component *c, enum zn_component_id id)
{
    memset(c, 0, sizeof *c);
    c->def = &defs[id];
}

static void forget_checks(struct zn_component *c)
{
    c->health = ZN_H_UNKNOWN;
    c->good = c->bad = 0;
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

static void on_probe(struct zn_component *c, bool good)
{
    if (c->process != ZN_P_RUNNING)
        return;
    if (good) {
        c->bad = 0;
        if (++c->good >= ZN_RISE)
            c->health = ZN_H_OK;
        return;
    }
    c->good = 0;
    if (++c->bad >= ZN_FALL)
        c->health = ZN_H_FAILING;
    else if (c->health == ZN_H_OK)
        c->health = ZN_H_DEGRADED;
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
        on_probe(c, ev == ZN_EV_PROBE_GOOD);
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
    case ZN_EV_TICK:
        break;
    }
    return start_if_due(c, now_ms);
}

bool zn_component_ready(const struct zn_component *c)
{
    return c->process == ZN_P_RUNNING && (c->health == ZN_H_OK || c->health == ZN_H_DEGRADED);
}

void zn_component_resolve(struct zn_component all[ZN_C_MAX])
{
    uint32_t ready = 0;

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (zn_component_ready(&all[i]))
            ready |= BIT(i);
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        all[i].blocked_by = all[i].def->needs & ~ready;
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
