/* History and commands as the replay engine sees them, independent of the wire format. */
#ifndef ZT_HISTORY_H
#define ZT_HISTORY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "zaned/temporal/workflow.h"

/* EventType of the API; only what the engine looks at has a name here. */
enum zt_event_type {
    ZT_E_STARTED = 1,
    ZT_E_COMPLETED = 2,
    ZT_E_FAILED = 3,
    ZT_E_TIMED_OUT = 4,
    ZT_E_TASK_SCHEDULED = 5,
    ZT_E_TASK_STARTED = 6,
    ZT_E_TASK_COMPLETED = 7,
    ZT_E_TASK_TIMED_OUT = 8,
    ZT_E_TASK_FAILED = 9,
    ZT_E_ACT_SCHEDULED = 10,
    ZT_E_ACT_STARTED = 11,
    ZT_E_ACT_COMPLETED = 12,
    ZT_E_ACT_FAILED = 13,
    ZT_E_ACT_TIMED_OUT = 14,
    ZT_E_ACT_CANCEL_REQUESTED = 15,
    ZT_E_ACT_CANCELED = 16,
    ZT_E_TIMER_STARTED = 17,
    ZT_E_TIMER_FIRED = 18,
    ZT_E_TIMER_CANCELED = 19,
    ZT_E_CANCEL_REQUESTED = 20,
    ZT_E_CANCELED = 21,
    ZT_E_EXTERNAL_CANCEL_INITIATED = 22,
    ZT_E_EXTERNAL_CANCEL_FAILED = 23,
    ZT_E_EXTERNAL_CANCEL_REQUESTED = 24,
    ZT_E_SIGNALED = 26,
    ZT_E_TERMINATED = 27,
    ZT_E_CONTINUED_AS_NEW = 28,
    ZT_E_CHILD_INITIATED = 29,
    ZT_E_CHILD_START_FAILED = 30,
    ZT_E_CHILD_STARTED = 31,
    ZT_E_CHILD_COMPLETED = 32,
    ZT_E_CHILD_FAILED = 33,
    ZT_E_CHILD_CANCELED = 34,
    ZT_E_CHILD_TIMED_OUT = 35,
    ZT_E_CHILD_TERMINATED = 36,
};

struct zt_event { /* texts and value are borrowed */
    int64_t id;
    int type; /* enum zt_event_type or another number of the API */
    bool may_ignore;
    int64_t time_ms;
    int64_t ref;      /* scheduled, started or initiated event that it belongs to */
    const char *key;  /* activity id, timer id, child's workflow id, signal name, run id (1, 9) */
    const char *name; /* activity type, workflow type */
    json_t *value;    /* input or result; may be NULL */
    bool unreadable;  /* there is a value, but not in an encoding known here */
    const char *reason, *reason_type; /* of failures; may be NULL */
    int cause;        /* WorkflowTaskFailedCause */
};

enum zt_command_kind {
    ZT_C_ACTIVITY,
    ZT_C_CANCEL_ACTIVITY,
    ZT_C_TIMER,
    ZT_C_CANCEL_TIMER,
    ZT_C_CHILD,
    ZT_C_CANCEL_CHILD,
    ZT_C_COMPLETE,
    ZT_C_FAIL,
    ZT_C_CANCEL,
    ZT_C_CONTINUE
};

struct zt_command { /* everything lives as long as the run */
    enum zt_command_kind kind;
    int fut;
    bool dropped; /* cancelled before it was sent */
    const char *key;
    const char *type; /* activity type or workflow type */
    const char *queue; /* child: task queue; NULL = the workflow's own */
    const struct zt_activity_opts *act;
    int64_t ms;  /* timer */
    int64_t ref; /* scheduled event of the activity to cancel */
    json_t *value;
    const char *reason, *reason_type;
};

#endif
