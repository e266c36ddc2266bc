/* The workflows of the platform and the activities they call. Inputs and results are JSON objects.
 *   deploy_service  {"deployment": hash, "service": id} → {"status": "HEALTHY"|"FAILED"|"CANCELLED"}
 *   archive_service {"service": id}
 *   toggle_service  {"deployment": hash, "service": id}: sleeps or wakes as the row says
 *   archive_environment {"environment": id}, archive_project {"project": id}: with all that is in them
 *   housekeeping    {}: once a day, by a schedule of the workflow server
 * A deployment that fails is a workflow that completes with status FAILED: the outcome is data. */
#ifndef ZN_WORKFLOWS_WORKFLOWS_H
#define ZN_WORKFLOWS_WORKFLOWS_H

#include "zaned/temporal/worker.h"

#define ZN_TASK_QUEUE "zane"

extern const struct zt_workflow zn_workflows[];
extern const size_t zn_workflows_count;
extern const struct zt_activity zn_activities[];
extern const size_t zn_activities_count;

enum zt_res zn_wf_deploy(struct zt_wf *w, json_t *input, json_t **result);
enum zt_res zn_wf_archive(struct zt_wf *w, json_t *input, json_t **result);
enum zt_res zn_wf_archive_environment(struct zt_wf *w, json_t *input, json_t **result);
enum zt_res zn_wf_archive_project(struct zt_wf *w, json_t *input, json_t **result);
enum zt_res zn_wf_housekeeping(struct zt_wf *w, json_t *input, json_t **result);
enum zt_res zn_wf_toggle(struct zt_wf *w, json_t *input, json_t **result);

/* Activities; each is idempotent by its deployment or service. */
enum zt_res zn_act_acquire(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_prepare(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_pull(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_resources(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_discard(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_pause(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_resume(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_create(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_remove(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_health(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_route(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_unroute(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_verify(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_cancelling(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_finish(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_retire(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_release(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_scale(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_cancel_all(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_erase(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_list_services(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_list_environments(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_erase_environment(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_erase_project(struct zt_actx *c, void *work, json_t *input, json_t **result);
enum zt_res zn_act_tidy(struct zt_actx *c, void *work, json_t *input, json_t **result);

#endif
