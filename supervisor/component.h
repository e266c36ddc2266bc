/* The platform's components: the table of what they are, and the state machine that decides when
 * each is started. Pure: time and chance come in as parameters, actions go out as return values. */
#ifndef ZN_SUPERVISOR_COMPONENT_H
#define ZN_SUPERVISOR_COMPONENT_H

#include <stdbool.h>
#include <stdint.h>

/* In boot order; the reverse is the stop order. */
enum zn_component_id {
    ZN_C_CADDY,
    ZN_C_POSTGRES,
    ZN_C_VALKEY,
    ZN_C_LOKI,
    ZN_C_FLUENTD,
    ZN_C_TEMPORAL,
    ZN_C_API,
    ZN_C_WORKER,
    ZN_C_MAX
};

struct zn_component_def {
    const char *name;            /* the service is called zn-<name> */
    unsigned uid, cap_mib;
    uint32_t needs;              /* bit per zn_component_id that must be ready first */
    const char *volume, *mount;  /* NULL: none */
    const char *secrets[8];      /* NULL-ended */
    bool control, edge;          /* networks zn-control, zn-edge */
    const char *image;           /* name of the archive in ZANE_IMAGES */
    const char *role;            /* argument of zaned; NULL: the image's own entry */
    const char *ready;           /* address for `zn-probe http`; NULL: the image's own check */
    unsigned grace_s, stop_s;    /* failures before grace_s read "starting"; time to stop in */
};

enum zn_desired { ZN_DOWN, ZN_UP };
enum zn_admin { ZN_NORMAL, ZN_HELD, ZN_OWNED }; /* held: crash loop; owned: a job is in charge */
enum zn_process { ZN_P_NONE, ZN_P_STARTING, ZN_P_RUNNING, ZN_P_STOPPING, ZN_P_BACKOFF };
enum zn_health { ZN_H_UNKNOWN, ZN_H_OK, ZN_H_DEGRADED, ZN_H_FAILING };

enum zn_component_event {
    ZN_EV_WANT_UP,
    ZN_EV_WANT_DOWN,
    ZN_EV_RUNNING,    /* the engine reports a running task */
    ZN_EV_EXITED,     /* the task ended, or could not be started */
    ZN_EV_PROBE_GOOD,
    ZN_EV_PROBE_BAD,
    ZN_EV_RETRY,      /* the operator lets a held or waiting component try at once */
    ZN_EV_TAKE,       /* a job takes over: the watchdog only observes */
    ZN_EV_RELEASE,
    ZN_EV_LOST,       /* the engine was away: what was known of the task is stale, no exit is counted */
    ZN_EV_TICK
};

/* ZN_DO_KILL: it fails its own check for too long; its end comes back as ZN_EV_EXITED. */
enum zn_component_action { ZN_DO_NOTHING, ZN_DO_START, ZN_DO_STOP, ZN_DO_KILL };

enum {
    ZN_RISE = 2,
    ZN_FALL = 3,
    ZN_LOOP_EXITS = 5,
    ZN_LOOP_WINDOW_MS = 10 * 60 * 1000,
    ZN_STABLE_MS = 10 * 60 * 1000,
    ZN_LIVENESS_MS = 60 * 1000,
    ZN_FLAP_CHECKS = 20
};

struct zn_component {
    const struct zn_component_def *def;
    enum zn_desired desired;
    enum zn_admin admin;
    enum zn_process process;
    enum zn_health health;
    uint32_t blocked_by;         /* bit per component whose readiness is missing */
    int64_t running_since_ms, retry_at_ms;
    int64_t exits_ms[ZN_LOOP_EXITS]; /* ring of the latest exits */
    unsigned nexits, attempt, good, bad;
    unsigned restarts;           /* starts after an exit, for people */
    int64_t failing_since_ms;    /* valid while health is failing */
    uint32_t turns;              /* bit per check, newest lowest: its result differs from the one before */
    bool last_good, flapping;    /* flapping is shown only: it restarts nothing */
};

/* The definition of an id below ZN_C_MAX; static storage. With an embedded collector the place of
 * fluentd is taken by "collector". */
const struct zn_component_def *zn_component_def(enum zn_component_id id, bool embedded);

void zn_component_init(struct zn_component *c, enum zn_component_id id, bool embedded);

/* Feeds one event. now_ms is monotonic, rnd is any random number (jitter). The caller must carry
 * out the returned action and report its outcome as ZN_EV_RUNNING or ZN_EV_EXITED. */
enum zn_component_action zn_component_step(struct zn_component *c, enum zn_component_event ev,
                                           int64_t now_ms, uint32_t rnd);

/* True if the component serves: running and its readiness is ok or shows one bad check. */
bool zn_component_ready(const struct zn_component *c);

/* Writes blocked_by of all ZN_C_MAX components; only those in the set `wanted` (bit per id) count as
 * dependencies. A dependency that fails later never restarts its dependents: it only shows in
 * blocked_by and delays starts. ZN_BLOCK_MIGRATION is kept as the caller set it. */
void zn_component_resolve(struct zn_component all[ZN_C_MAX], uint32_t wanted);

/* Bit in blocked_by beside those of the components: the database is not migrated yet. */
#define ZN_BLOCK_MIGRATION (UINT32_C(1) << ZN_C_MAX)

/* One word for people, derived from all axes; static storage. */
const char *zn_component_word(const struct zn_component *c);

#endif
