/* The archive workflow: ends what still runs of a service, then removes all that it left. */
#include "base/json.h"
#include "zaned/workflows/workflows.h"

enum zt_res zn_wf_archive(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts cancel_all = {
        .type = "cancel_all", .start_to_close_ms = 30000, .schedule_to_close_ms = 86400000,
        .heartbeat_ms = 6000, .backoff = 1.5, .first_ms = 500, .max_ms = 5000,
    };
    static const struct zt_activity_opts erase = {
        .type = "erase", .start_to_close_ms = 180000, .schedule_to_close_ms = 86400000,
        .heartbeat_ms = 6000, .backoff = 1.5, .first_ms = 500, .max_ms = 10000,
    };

    (void)result;
    zt_shield(w, true);
    enum zt_res r = zt_do(w, &cancel_all, json_incref(input), NULL);
    return r == ZT_OK ? zt_do(w, &erase, json_incref(input), NULL) : r;
}

const struct zt_workflow zn_workflows[] = {
    { "deploy_service", zn_wf_deploy },
    { "archive_service", zn_wf_archive },
    { "toggle_service", zn_wf_toggle },
};
const size_t zn_workflows_count = sizeof zn_workflows / sizeof *zn_workflows;
