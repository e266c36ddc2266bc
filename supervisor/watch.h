/* Watching: tasks (polled, with the engine's events as a hint), the health check of each component,
 * memory, and the last log lines of what ended. */
#ifndef ZN_SUPERVISOR_WATCH_H
#define ZN_SUPERVISOR_WATCH_H

#include "base/str.h"
#include "supervisor/supervisor.h"

int zn_watcher_open(struct zn_supervisor *s, struct zn_err *err);
void zn_watcher_close(struct zn_supervisor *s);

/* Looks at all services, tasks and containers once, adopts what runs as wanted, then enters
 * ZN_STAGE_RUN and begins to watch. */
void zn_watcher_survey(struct zn_supervisor *s);
/* The engine went away: forgets the calls under way. */
void zn_watcher_lost(struct zn_supervisor *s);
/* Something changed: polls the tasks now. */
void zn_watcher_hint(struct zn_supervisor *s);
/* A start was written: the task that was known (facts.task) is history from now on. */
void zn_watcher_expect(struct zn_supervisor *s, unsigned component);
/* Carries out ZN_DO_KILL. */
void zn_watcher_kill(struct zn_supervisor *s, unsigned component);

/* Text of a log answer without the engine's frame headers, control characters replaced; heap. */
char *zn_log_text(struct zn_str body);

#endif
