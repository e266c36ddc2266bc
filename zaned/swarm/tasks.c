/* Reading the engine's task list. */
#include <stdio.h>
#include <string.h>

#include "zaned/swarm/engine.h"

static enum zn_task_phase phase_of(const char *state)
{
    static const struct {
        const char *state;
        enum zn_task_phase phase;
    } table[] = {
        { "running", ZN_TASK_RUNNING }, { "failed", ZN_TASK_FAILED },
        { "rejected", ZN_TASK_FAILED }, { "orphaned", ZN_TASK_FAILED },
        { "complete", ZN_TASK_ENDED },  { "shutdown", ZN_TASK_ENDED },
        { "remove", ZN_TASK_ENDED },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].state, state) == 0)
            return table[i].phase;
    return ZN_TASK_PENDING;
}

static void read_task(const json_t *doc, struct zn_task *ret)
{
    const json_t *status = json_object_get(doc, "Status");
    const json_t *container = json_object_get(status, "ContainerStatus");

    memset(ret, 0, sizeof *ret);
    snprintf(ret->id, sizeof ret->id, "%s", zn_json_str(doc, "ID", ""));
    snprintf(ret->state, sizeof ret->state, "%s", zn_json_str(status, "State", "new"));
    snprintf(ret->err, sizeof ret->err, "%s", zn_json_str(status, "Err", ""));
    snprintf(ret->container, sizeof ret->container, "%s",
             zn_json_str(container, "ContainerID", ""));
    ret->exit_code = zn_json_int(container, "ExitCode", 0);
    ret->slot = zn_json_int(doc, "Slot", 0);
    ret->index = zn_json_int(json_object_get(doc, "Version"), "Index", 0);
    ret->phase = phase_of(ret->state);
    /* A service's program should not end: an exit counts as a failure unless the swarm asked. */
    if (strcmp(ret->state, "complete") == 0) {
        ret->phase = ZN_TASK_FAILED;
        if (!ret->err[0])
            snprintf(ret->err, sizeof ret->err, "the program ended (exit status %lld)",
                     (long long)ret->exit_code);
    }
}

void zn_tasks_view(const json_t *tasks, struct zn_task_view *ret)
{
    size_t i;
    json_t *doc;

    memset(ret, 0, sizeof *ret);
    json_array_foreach (tasks, i, doc) {
        struct zn_task t;
        bool wanted = strcmp(zn_json_str(doc, "DesiredState", ""), "running") == 0 ||
                      strcmp(zn_json_str(doc, "DesiredState", ""), "ready") == 0;

        read_task(doc, &t);
        ret->total++;
        if (t.phase == ZN_TASK_FAILED) {
            if (!ret->failed || t.index > ret->last_failed.index)
                ret->last_failed = t;
            ret->failed++;
        }
        ret->running += t.phase == ZN_TASK_RUNNING;
        if (wanted && (!ret->any || t.index > ret->newest.index)) {
            ret->newest = t;
            ret->any = true;
        }
    }
}
