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

/* The engine's words, but for what would be cut off at their end: which port of the host is not free. Of 20.10:
 * "… driver failed programming external connectivity on endpoint … listen tcp4 0.0.0.0:80: bind: address
 * already in use", or "Bind for 0.0.0.0:80 failed: port is already allocated" if a container has it. */
static void reason(const char *text, char *ret, size_t size)
{
    const char *at = strstr(text, "0.0.0.0:");
    size_t digits = at ? strspn(at + 8, "0123456789") : 0;

    if (digits && (strstr(at, "address already in use") || strstr(at, "port is already allocated")))
        snprintf(ret, size, "port %.*s of the host is in use by another program", (int)digits, at + 8);
    else
        snprintf(ret, size, "%s", text);
}

static void read_task(const json_t *doc, struct zn_task *ret)
{
    const json_t *status = json_object_get(doc, "Status");
    const json_t *container = json_object_get(status, "ContainerStatus");

    memset(ret, 0, sizeof *ret);
    snprintf(ret->id, sizeof ret->id, "%s", zn_json_str(doc, "ID", ""));
    snprintf(ret->state, sizeof ret->state, "%s", zn_json_str(status, "State", "new"));
    reason(zn_json_str(status, "Err", ""), ret->err, sizeof ret->err);
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
