/* Replay engine: executes a workflow function against a history and yields the commands that answer
 * the task in hand. No I/O, no clock but the wall-clock guard, no threads. */
#ifndef ZT_ENGINE_H
#define ZT_ENGINE_H

#include "zaned/temporal/history.h"

struct zt_run_task { /* all borrowed for the run's life */
    const struct zt_event *events; /* from event 1, contiguous */
    size_t nevents;
    const char *workflow_id, *run_id, *type;
    const struct zt_workflow *workflows;
    size_t nworkflows;
    size_t run_limit; /* most bytes of the run's arena */
};

enum zt_outcome {
    ZT_RUN_OK,             /* zt_run_command gives the commands */
    ZT_RUN_NONDETERMINISM, /* the code does not match the history */
    ZT_RUN_ERROR           /* unknown type, memory limit, time limit */
};

/* NULL only without memory. */
struct zt_wf *zt_run_new(const struct zt_run_task *t);
enum zt_outcome zt_run_execute(struct zt_wf *w);
const char *zt_run_why(struct zt_wf *w); /* of the last two outcomes */
/* The i-th command to send, NULL past the end. Owned by the run. */
const struct zt_command *zt_run_command(struct zt_wf *w, size_t i);
void zt_run_free(struct zt_wf *w);

#endif
