/* Shared between watch.c (tasks) and watch_check.c (checks, events, memory, last lines) only. */
#ifndef ZN_SUPERVISOR_WATCH_INTERNAL_H
#define ZN_SUPERVISOR_WATCH_INTERNAL_H

#include "supervisor/boot_spec.h"
#include "supervisor/engine.h"
#include "supervisor/watch.h"

/* The health check of one component: one exec at a time. */
struct zn_check {
    struct zn_supervisor *s;
    unsigned id;
    bool on;
    char exec[72];
    char said[200];      /* last line of its output */
    int64_t begun_ms;    /* when the container was seen to run */
    struct zn_timer next;
};

/* A call about one component that may outlive its task. */
struct zn_side_call {
    struct zn_supervisor *s;
    unsigned id;
};

struct zn_watcher {
    struct zn_supervisor *s;
    bool busy, hinted, survey;
    int64_t fast_until_ms;
    struct zn_timer poll, events_again, memory;
    unsigned memory_at;  /* component measured next */
    json_t *containers;  /* running ones of ours, seen by the survey */
    struct {
        char old_task[32], hash[ZN_SPEC_HASH];
        int64_t expect_ms;
        struct zn_check check;
        struct zn_side_call lines, memory;
    } of[ZN_C_MAX];
};

void zn_check_init(struct zn_supervisor *s, unsigned component);
void zn_check_begin(struct zn_supervisor *s, unsigned component);
void zn_check_end(struct zn_supervisor *s, unsigned component);
void zn_fetch_last_lines(struct zn_supervisor *s, unsigned component);
void zn_watch_events_init(struct zn_watcher *w);
void zn_watch_events(struct zn_watcher *w);
void zn_watch_side_calls_end(struct zn_watcher *w);

#endif
