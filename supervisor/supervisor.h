/* The supervisor's one object: wanted and seen state of the platform. Single thread: everything here
 * is read and changed from loop callbacks only. */
#ifndef ZN_SUPERVISOR_SUPERVISOR_H
#define ZN_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/component.h"
#include "supervisor/config.h"
#include "supervisor/loop.h"

struct zn_engine;

/* What the platform as a whole is doing. */
enum zn_stage {
    ZN_STAGE_ENGINE,  /* waiting for the engine's socket to answer */
    ZN_STAGE_PREPARE, /* swarm, networks, secrets */
    ZN_STAGE_RUN,     /* components are started and watched */
    ZN_STAGE_STOP,    /* graceful stop in reverse order */
    ZN_STAGE_STOPPED
};

enum { ZN_CHANGED_PLATFORM = ZN_C_MAX, ZN_HISTORY = 64, ZN_LAST_LINES = 50 };

/* One entry of a component's history: its display word from then on. */
struct zn_change {
    uint64_t seq;
    int64_t at_ns; /* wall clock */
    char word[12];
    char message[116];
};

/* Facts about a component beside its state machine. Strings are "" while unknown. */
struct zn_facts {
    bool wanted;              /* false: left out by ZANE_COMPONENTS; not shown, never started */
    char image[80];           /* id of the wanted image, "sha256:…" */
    char version[64];         /* of the image, from its NAME.json */
    char container[68], task[32], service[32]; /* engine ids of what runs now */
    char spec_hash[20];       /* of the wanted spec (label zane.spec) */
    char message[256];        /* why it is as it is: last check's words, exit reason, step of a start */
    int64_t since_ns;         /* wall clock of the last change of the display word */
    uint64_t memory, memory_cap; /* bytes; memory 0 = not measured yet */
    char *last_lines;         /* last log lines at the latest exit; heap, NULL if none */
    struct zn_change history[ZN_HISTORY]; /* ring; entry i of n sits at (nhistory - n + i) % ZN_HISTORY */
    unsigned nhistory;        /* entries ever written */
};

struct zn_boot;  /* preparation and the calls under way: boot.c */
struct zn_watcher; /* polling of tasks, events, checks, memory: watch.c */
struct zn_edge;  /* attachment of caddy to environment networks: edge.c */
struct zn_gate;  /* whether all of it works for people: gate.c */

struct zn_supervisor {
    struct zn_config config;
    struct zn_loop *loop;
    struct zn_engine *engine;
    enum zn_stage stage;
    int64_t stage_since_ms;
    char stage_message[256];  /* the step under way, or why it does not go on */
    char version[32];         /* of the platform: manifest, else the build's */
    uint64_t seq;             /* grows with every published change; starts at 1 */
    int64_t started_ns;       /* wall clock of the supervisor's start */
    int64_t ready_ns;         /* wall clock since when the platform is ready; 0 = is not */
    struct zn_component components[ZN_C_MAX];
    struct zn_facts facts[ZN_C_MAX];
    bool migrated;            /* the migrations of the wanted zaned image have run */

    /* Called after every published change, seq already raised: component is an id, or
     * ZN_CHANGED_PLATFORM for stage, stage_message or readiness. Set before zn_supervisor_start. */
    void (*changed)(void *arg, unsigned component);
    void *changed_arg;
    /* Called when a component's memory is another than before: no change to be remembered, seq stays. */
    void (*measured)(void *arg, unsigned component);

    struct zn_timer tick;
    struct zn_boot *boot;
    struct zn_watcher *watcher;
    struct zn_edge *edge;
    struct zn_gate *gate;
    void (*stopped)(void *arg); /* main.c: the graceful stop is done */
    void *stopped_arg;
};

/* Fills an instance from a loaded config; nothing is started. loop is borrowed. */
int zn_supervisor_init(struct zn_supervisor *s, const struct zn_config *config,
                       struct zn_loop *loop, struct zn_err *err);
void zn_supervisor_start(struct zn_supervisor *s);
void zn_supervisor_done(struct zn_supervisor *s);

/* The operator lets a held or waiting component try at once. Idempotent. ZN_CONFLICT during a stop. */
int zn_supervisor_retry(struct zn_supervisor *s, enum zn_component_id id, struct zn_err *err);

/* Begins the graceful stop of the platform (reverse order); the process exits when it is done. */
void zn_supervisor_stop(struct zn_supervisor *s);

/* Every wanted component is ready. */
bool zn_supervisor_is_ready(const struct zn_supervisor *s);

/* Name shown for a component: its service name without "zn-" ("collector" when embedded). */
const char *zn_supervisor_name(const struct zn_supervisor *s, unsigned component);

/* Id by that name, or -1. Only wanted components are found. */
int zn_supervisor_find(const struct zn_supervisor *s, const char *name);

/* --- between the supervisor's own files ------------------------------------------------------- */

/* Feeds an event and carries out the action; publishes if the display word changed. */
void zn_supervisor_feed(struct zn_supervisor *s, unsigned component, enum zn_component_event ev);
/* Sets the message of a component, or of the stage (ZN_CHANGED_PLATFORM); publishes on change. */
void zn_supervisor_say(struct zn_supervisor *s, unsigned component, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void zn_supervisor_stage(struct zn_supervisor *s, enum zn_stage stage);
/* Raises seq and tells the hook. */
void zn_supervisor_publish(struct zn_supervisor *s, unsigned component);
/* The engine or its swarm went away: nothing is known of the components until the next survey. */
void zn_supervisor_lost(struct zn_supervisor *s);
/* Resolves dependencies and starts what has become possible. */
void zn_supervisor_resolve(struct zn_supervisor *s);

#endif
