/* Schedules of the server: periodic starts of a workflow. */
#include "base/encode.h"
#include "base/guard.h"
#include "zaned/temporal/client_internal.h"

enum { OVERLAP_SKIP = 1, ARENA = 8 << 20, REQUEST_ID_SIZE = 40 };
static const int64_t CATCHUP_MS = 60000, EVERY_MIN_MS = 1000;

static int check(const struct zt_schedule *s, struct zn_err *err)
{
    if (zt_check_text("schedule id", s->id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("workflow id", s->workflow_id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("workflow type", s->type, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("task queue", s->queue, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("cron", s->cron, s->every_ms ? 0 : 1, s->every_ms ? 0 : ZT_TEXT_MAX, err) < 0)
        return -1;
    if (s->every_ms && s->every_ms < EVERY_MIN_MS)
        return zn_fail(err, ZN_INVALID, "every_ms is %lld, at least %lld is allowed",
                       (long long)s->every_ms, (long long)EVERY_MIN_MS);
    return zt_check_input(s->input, err);
}

/* A repeated field with one element. */
static void *one_of_them(struct zn_arena *a, void *element)
{
    void **list = zn_arena_alloc(a, sizeof *list);

    if (!list)
        zn_bug("arena full");
    list[0] = element;
    return list;
}

static Zt__ScheduleSpec *spec_of(struct zn_arena *a, const struct zt_schedule *s)
{
    Zt__ScheduleSpec *spec = ZT_NEW(a, Zt__ScheduleSpec, zt__schedule_spec__init);

    if (s->every_ms) {
        Zt__IntervalSpec *every = ZT_NEW(a, Zt__IntervalSpec, zt__interval_spec__init);

        every->interval = zt_duration(a, s->every_ms);
        every->phase = zt_duration(a, s->phase_ms);
        spec->interval = one_of_them(a, every);
        spec->n_interval = 1;
    } else {
        spec->cron_string = one_of_them(a, zt_text(a, s->cron));
        spec->n_cron_string = 1;
    }
    return spec;
}

static Zt__Schedule *schedule_of(struct zn_arena *a, const struct zt_schedule *s)
{
    Zt__Schedule *out = ZT_NEW(a, Zt__Schedule, zt__schedule__init);
    Zt__NewWorkflowExecutionInfo *start =
        ZT_NEW(a, Zt__NewWorkflowExecutionInfo, zt__new_workflow_execution_info__init);

    start->workflow_id = zt_text(a, s->workflow_id);
    start->workflow_type = ZT_NEW(a, Zt__WorkflowType, zt__workflow_type__init);
    start->workflow_type->name = zt_text(a, s->type);
    start->task_queue = zt_queue(a, s->queue);
    start->input = zt_payloads(a, s->input);
    start->workflow_execution_timeout = zt_duration(a, s->execution_timeout_ms);
    out->spec = spec_of(a, s);
    out->action = ZT_NEW(a, Zt__ScheduleAction, zt__schedule_action__init);
    out->action->action_case = ZT__SCHEDULE_ACTION__ACTION_START_WORKFLOW;
    out->action->start_workflow = start;
    out->policies = ZT_NEW(a, Zt__SchedulePolicies, zt__schedule_policies__init);
    out->policies->overlap_policy = OVERLAP_SKIP;
    out->policies->catchup_window = zt_duration(a, s->catchup_ms ? s->catchup_ms : CATCHUP_MS);
    return out;
}

int zt_client_schedule(struct zt_client *c, const struct zt_schedule *s, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = ARENA };
    Zt__CreateScheduleRequest create;
    zt__create_schedule_request__init(&create);
    Zt__UpdateScheduleRequest update;
    zt__update_schedule_request__init(&update);
    struct zn_err e = { 0 };
    char request[REQUEST_ID_SIZE];

    if (check(s, err) < 0)
        return -1;
    zn_id("", 32, request, sizeof request);
    create.namespace_ = update.namespace_ = zt_text(&a, zt_client_namespace(c));
    create.schedule_id = update.schedule_id = zt_text(&a, s->id);
    create.schedule = update.schedule = schedule_of(&a, s);
    create.identity = update.identity = zt_text(&a, zt_client_identity(c));
    create.request_id = update.request_id = request;
    if (zt_client_rpc(c, ZT_RPC("CreateSchedule"), &create.base, NULL, &a, NULL, &e) == 0)
        return 0;
    if (e.code == ZN_CONFLICT) /* there already: made what it should be now */
        return zt_client_rpc(c, ZT_RPC("UpdateSchedule"), &update.base, NULL, &a, NULL, err);
    *err = e;
    return -1;
}

int zt_client_schedule_trigger(struct zt_client *c, const char *id, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = ARENA };
    Zt__PatchScheduleRequest req;
    zt__patch_schedule_request__init(&req);
    char request[REQUEST_ID_SIZE];

    if (zt_check_text("schedule id", id, 1, ZT_TEXT_MAX, err) < 0)
        return -1;
    zn_id("", 32, request, sizeof request);
    req.namespace_ = zt_text(&a, zt_client_namespace(c));
    req.schedule_id = zt_text(&a, id);
    req.patch = ZT_NEW(&a, Zt__SchedulePatch, zt__schedule_patch__init);
    req.patch->trigger_immediately =
        ZT_NEW(&a, Zt__TriggerImmediatelyRequest, zt__trigger_immediately_request__init);
    req.patch->trigger_immediately->overlap_policy = OVERLAP_SKIP;
    req.identity = zt_text(&a, zt_client_identity(c));
    req.request_id = request;
    return zt_client_rpc(c, ZT_RPC("PatchSchedule"), &req.base, NULL, &a, NULL, err);
}

int zt_client_schedule_delete(struct zt_client *c, const char *id, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = ARENA };
    Zt__DeleteScheduleRequest req;
    zt__delete_schedule_request__init(&req);
    struct zn_err e = { 0 };

    if (zt_check_text("schedule id", id, 1, ZT_TEXT_MAX, err) < 0)
        return -1;
    req.namespace_ = zt_text(&a, zt_client_namespace(c));
    req.schedule_id = zt_text(&a, id);
    req.identity = zt_text(&a, zt_client_identity(c));
    if (zt_client_rpc(c, ZT_RPC("DeleteSchedule"), &req.base, NULL, &a, NULL, &e) == 0 ||
        e.code == ZN_NOT_FOUND)
        return 0;
    *err = e;
    return -1;
}
