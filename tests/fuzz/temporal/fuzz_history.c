/* Any bytes as a history: decoded, converted and replayed, whole and up to the start of its tasks. It may
 * be refused, never crash, and what is asked for must be something that the server takes. */
#include "base/log.h"
#include "tests/integration/c/worker_workflows.h"
#include "zaned/temporal/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TASKS = 8 }; /* of one history: enough for the seeds, and no input takes long */

static void replay(const struct zt_event *events, size_t nevents, const char *type, const char *id)
{
    struct zn_arena out = { .limit = ZT_WIRE_ARENA };
    struct zt_run_task t = { .events = events, .nevents = nevents, .workflow_id = id, .run_id = "run",
                             .type = type, .workflows = workflows, .nworkflows = NWORKFLOWS,
                             .run_limit = 1 << 20 };
    struct zt_wf *w = zt_run_new(&t);
    struct zn_err err = { 0 };
    Zt__Command **commands;
    size_t n;

    if (zt_run_execute(w) == ZT_RUN_OK && zt_commands_write(&out, w, "queue", "me", &commands, &n, &err) == 0)
        for (size_t i = 0; i < n; i++)
            if (commands[i]->attributes_case == ZT__COMMAND__ATTRIBUTES__NOT_SET)
                __builtin_trap();
    zt_run_free(w);
    zn_arena_done(&out);
}

/* The answers are in the tasks: a history that is whole asks for nothing more. */
static void replay_all(const struct zt_event *events, size_t n, const char *type, const char *id)
{
    replay(events, n, type, id);
    for (size_t i = 0, tasks = 0; i + 1 < n && tasks < TASKS; i++)
        if (events[i].type == ZT_E_TASK_STARTED) {
            replay(events, i + 1, type, id);
            tasks++;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_arena a = { .limit = 16 << 20 };
    struct zt_values values = { 0 };
    Zt__History *h = zt_pb_unpack(&zt__history__descriptor, &a, data, size);

    zn_log_setup("fuzz", ZN_LOG_ERROR);
    if (h && h->n_events) {
        const Zt__HistoryEvent *first = h->events[0];
        struct zt_event *events = zn_arena_alloc(&a, h->n_events * sizeof *events);
        const char *type = workflows[size % NWORKFLOWS].type, *id = "id";

        if (first->attributes_case == ZT__HISTORY_EVENT__ATTRIBUTES_WORKFLOW_EXECUTION_STARTED_EVENT_ATTRIBUTES &&
            first->workflow_execution_started_event_attributes->workflow_type) {
            type = first->workflow_execution_started_event_attributes->workflow_type->name;
            id = first->workflow_execution_started_event_attributes->workflow_id;
        }
        for (size_t i = 0; events && i < h->n_events; i++)
            zt_event_read(h->events[i], &values, &events[i]);
        if (events)
            replay_all(events, h->n_events, type, id);
    }
    zt_values_done(&values);
    zn_arena_done(&a);
    return 0;
}
