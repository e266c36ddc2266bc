#include "zaned/temporal/wire.h"

#include <stdlib.h>
#include <string.h>

/* CommandType of the API. */
enum { CT_ACTIVITY = 1, CT_CANCEL_ACTIVITY = 2, CT_TIMER = 3, CT_COMPLETE = 4, CT_FAIL = 5,
       CT_CANCEL_TIMER = 6, CT_CANCEL = 7, CT_CANCEL_EXTERNAL = 8, CT_CONTINUE = 10, CT_CHILD = 11 };

/* What the API takes: 4 MiB for a request, 2,000 pending activities of a run. */
enum { ANSWER_MAX = 7 << 19, COMMANDS_MAX = 2000 };

/* The value of an event, owned by values. */
static void take(struct zt_values *values, const Zt__Payloads *p, struct zt_event *ret)
{
    json_t *v = zt_payloads_json(p);

    ret->value = v;
    ret->unreadable = !v;
    if (!v || json_is_null(v))
        return;
    if (values->n == values->cap) {
        size_t cap = values->cap ? values->cap * 2 : 32;
        json_t **more = realloc(values->v, cap * sizeof *more);

        if (!more)
            zn_bug("out of memory");
        values->v = more;
        values->cap = cap;
    }
    values->v[values->n++] = v;
}

void zt_values_done(struct zt_values *v)
{
    for (size_t i = 0; i < v->n; i++)
        json_decref(v->v[i]);
    free(v->v);
    memset(v, 0, sizeof *v);
}

/* What an activity or child failed of. Wrappers and time-outs only say that something went wrong
 * below; the failure of an attempt itself says what. */
static void read_failure(const Zt__Failure *f, struct zt_event *ret)
{
    while (f && f->cause && f->failure_info_case != ZT__FAILURE__FAILURE_INFO_APPLICATION_FAILURE_INFO)
        f = f->cause;
    if (!f)
        return;
    ret->reason = f->message;
    if (f->failure_info_case == ZT__FAILURE__FAILURE_INFO_APPLICATION_FAILURE_INFO)
        ret->reason_type = f->application_failure_info->type;
}

static void read_activity(const Zt__HistoryEvent *e, struct zt_values *values, struct zt_event *ret)
{
    switch (e->event_type) {
    case ZT_E_ACT_SCHEDULED:
        ret->key = e->activity_task_scheduled_event_attributes->activity_id;
        if (e->activity_task_scheduled_event_attributes->activity_type)
            ret->name = e->activity_task_scheduled_event_attributes->activity_type->name;
        break;
    case ZT_E_ACT_COMPLETED:
        ret->ref = e->activity_task_completed_event_attributes->scheduled_event_id;
        take(values, e->activity_task_completed_event_attributes->result, ret);
        break;
    case ZT_E_ACT_FAILED:
        ret->ref = e->activity_task_failed_event_attributes->scheduled_event_id;
        read_failure(e->activity_task_failed_event_attributes->failure, ret);
        break;
    case ZT_E_ACT_TIMED_OUT:
        ret->ref = e->activity_task_timed_out_event_attributes->scheduled_event_id;
        read_failure(e->activity_task_timed_out_event_attributes->failure, ret);
        break;
    case ZT_E_ACT_CANCEL_REQUESTED:
        ret->ref = e->activity_task_cancel_requested_event_attributes->scheduled_event_id;
        break;
    case ZT_E_ACT_CANCELED:
        ret->ref = e->activity_task_canceled_event_attributes->scheduled_event_id;
        break;
    default:
        break;
    }
}

static void read_child(const Zt__HistoryEvent *e, struct zt_values *values, struct zt_event *ret)
{
    switch (e->event_type) {
    case ZT_E_CHILD_INITIATED:
        ret->key = e->start_child_workflow_execution_initiated_event_attributes->workflow_id;
        if (e->start_child_workflow_execution_initiated_event_attributes->workflow_type)
            ret->name =
                e->start_child_workflow_execution_initiated_event_attributes->workflow_type->name;
        break;
    case ZT_E_CHILD_START_FAILED:
        ret->ref = e->start_child_workflow_execution_failed_event_attributes->initiated_event_id;
        break;
    case ZT_E_CHILD_STARTED:
        ret->ref = e->child_workflow_execution_started_event_attributes->initiated_event_id;
        break;
    case ZT_E_CHILD_COMPLETED:
        ret->ref = e->child_workflow_execution_completed_event_attributes->initiated_event_id;
        take(values, e->child_workflow_execution_completed_event_attributes->result, ret);
        break;
    case ZT_E_CHILD_FAILED:
        ret->ref = e->child_workflow_execution_failed_event_attributes->initiated_event_id;
        read_failure(e->child_workflow_execution_failed_event_attributes->failure, ret);
        break;
    case ZT_E_CHILD_CANCELED:
        ret->ref = e->child_workflow_execution_canceled_event_attributes->initiated_event_id;
        break;
    case ZT_E_CHILD_TIMED_OUT:
        ret->ref = e->child_workflow_execution_timed_out_event_attributes->initiated_event_id;
        break;
    case ZT_E_CHILD_TERMINATED:
        ret->ref = e->child_workflow_execution_terminated_event_attributes->initiated_event_id;
        break;
    default:
        break;
    }
}

static void read_workflow(const Zt__HistoryEvent *e, struct zt_values *values, struct zt_event *ret)
{
    switch (e->event_type) {
    case ZT_E_STARTED:
        ret->key = e->workflow_execution_started_event_attributes->original_execution_run_id;
        take(values, e->workflow_execution_started_event_attributes->input, ret);
        break;
    case ZT_E_TASK_FAILED:
        ret->cause = e->workflow_task_failed_event_attributes->cause;
        ret->key = e->workflow_task_failed_event_attributes->new_run_id;
        break;
    case ZT_E_SIGNALED:
        ret->key = e->workflow_execution_signaled_event_attributes->signal_name;
        take(values, e->workflow_execution_signaled_event_attributes->input, ret);
        break;
    case ZT_E_TIMER_STARTED:
        ret->key = e->timer_started_event_attributes->timer_id;
        break;
    case ZT_E_TIMER_FIRED:
        ret->key = e->timer_fired_event_attributes->timer_id;
        ret->ref = e->timer_fired_event_attributes->started_event_id;
        break;
    case ZT_E_TIMER_CANCELED:
        ret->key = e->timer_canceled_event_attributes->timer_id;
        ret->ref = e->timer_canceled_event_attributes->started_event_id;
        break;
    default:
        break;
    }
}

/* The oneof that belongs to a type; 0 = we read nothing of it. */
static int attributes_of(int type)
{
#define A(name) ZT__HISTORY_EVENT__ATTRIBUTES_##name##_EVENT_ATTRIBUTES
    static const int of[] = {
        [ZT_E_STARTED] = A(WORKFLOW_EXECUTION_STARTED),
        [ZT_E_TASK_FAILED] = A(WORKFLOW_TASK_FAILED),
        [ZT_E_ACT_SCHEDULED] = A(ACTIVITY_TASK_SCHEDULED),
        [ZT_E_ACT_COMPLETED] = A(ACTIVITY_TASK_COMPLETED),
        [ZT_E_ACT_FAILED] = A(ACTIVITY_TASK_FAILED),
        [ZT_E_ACT_TIMED_OUT] = A(ACTIVITY_TASK_TIMED_OUT),
        [ZT_E_ACT_CANCEL_REQUESTED] = A(ACTIVITY_TASK_CANCEL_REQUESTED),
        [ZT_E_ACT_CANCELED] = A(ACTIVITY_TASK_CANCELED),
        [ZT_E_TIMER_STARTED] = A(TIMER_STARTED),
        [ZT_E_TIMER_FIRED] = A(TIMER_FIRED),
        [ZT_E_TIMER_CANCELED] = A(TIMER_CANCELED),
        [ZT_E_SIGNALED] = A(WORKFLOW_EXECUTION_SIGNALED),
        [ZT_E_CHILD_INITIATED] = A(START_CHILD_WORKFLOW_EXECUTION_INITIATED),
        [ZT_E_CHILD_START_FAILED] = A(START_CHILD_WORKFLOW_EXECUTION_FAILED),
        [ZT_E_CHILD_STARTED] = A(CHILD_WORKFLOW_EXECUTION_STARTED),
        [ZT_E_CHILD_COMPLETED] = A(CHILD_WORKFLOW_EXECUTION_COMPLETED),
        [ZT_E_CHILD_FAILED] = A(CHILD_WORKFLOW_EXECUTION_FAILED),
        [ZT_E_CHILD_CANCELED] = A(CHILD_WORKFLOW_EXECUTION_CANCELED),
        [ZT_E_CHILD_TIMED_OUT] = A(CHILD_WORKFLOW_EXECUTION_TIMED_OUT),
        [ZT_E_CHILD_TERMINATED] = A(CHILD_WORKFLOW_EXECUTION_TERMINATED),
    };
#undef A

    return type > 0 && type < (int)(sizeof of / sizeof *of) ? of[type] : 0;
}

void zt_event_read(const Zt__HistoryEvent *e, struct zt_values *values, struct zt_event *ret)
{
    *ret = (struct zt_event){ .id = e->event_id,
                              .type = e->event_type,
                              .may_ignore = e->worker_may_ignore,
                              .time_ms = zt_timestamp_ms(e->event_time) };
    /* Without the attributes of its type it is a bare event: the union holds something else. */
    if (!attributes_of(e->event_type) || (int)e->attributes_case != attributes_of(e->event_type))
        return;
    if (e->event_type >= ZT_E_ACT_SCHEDULED && e->event_type <= ZT_E_ACT_CANCELED)
        read_activity(e, values, ret);
    else if (e->event_type >= ZT_E_CHILD_INITIATED && e->event_type <= ZT_E_CHILD_TERMINATED)
        read_child(e, values, ret);
    else
        read_workflow(e, values, ret);
}

/* --- commands ----------------------------------------------------------------------------------- */

static Zt__WorkflowType *workflow_type(struct zn_arena *a, const char *name)
{
    Zt__WorkflowType *t = ZT_NEW(a, Zt__WorkflowType, zt__workflow_type__init);

    t->name = zt_text(a, name);
    return t;
}

static Zt__RetryPolicy *retry_policy(struct zn_arena *a, const struct zt_activity_opts *o)
{
    Zt__RetryPolicy *p = ZT_NEW(a, Zt__RetryPolicy, zt__retry_policy__init);
    int64_t first = o->first_ms ? o->first_ms : 1000;
    size_t n = 0;

    p->initial_interval = zt_duration(a, first);
    p->backoff_coefficient = o->backoff >= 1 ? o->backoff : 2.0;
    p->maximum_interval = zt_duration(a, o->max_ms ? o->max_ms : first * 100);
    p->maximum_attempts = o->max_attempts;
    while (o->no_retry && o->no_retry[n])
        n++;
    if (n) {
        p->non_retryable_error_types = zn_arena_alloc(a, n * sizeof(char *));
        if (!p->non_retryable_error_types)
            zn_bug("arena full");
        for (size_t i = 0; i < n; i++)
            p->non_retryable_error_types[i] = zt_text(a, o->no_retry[i]);
        p->n_non_retryable_error_types = n;
    }
    return p;
}

static void write_activity(struct zn_arena *a, const struct zt_command *c, const char *queue,
                           Zt__Command *ret)
{
    Zt__ScheduleActivityTaskCommandAttributes *s =
        ZT_NEW(a, Zt__ScheduleActivityTaskCommandAttributes,
               zt__schedule_activity_task_command_attributes__init);
    const struct zt_activity_opts *o = c->act;

    s->activity_id = zt_text(a, c->key);
    s->activity_type = ZT_NEW(a, Zt__ActivityType, zt__activity_type__init);
    s->activity_type->name = zt_text(a, c->type);
    s->task_queue = zt_queue(a, o->queue ? o->queue : queue);
    s->input = zt_payloads(a, c->value);
    s->start_to_close_timeout = zt_duration(a, o->start_to_close_ms);
    s->schedule_to_close_timeout = zt_duration(a, o->schedule_to_close_ms);
    s->heartbeat_timeout = zt_duration(a, o->heartbeat_ms);
    s->retry_policy = retry_policy(a, o);
    ret->command_type = CT_ACTIVITY;
    ret->attributes_case = ZT__COMMAND__ATTRIBUTES_SCHEDULE_ACTIVITY_TASK_COMMAND_ATTRIBUTES;
    ret->schedule_activity_task_command_attributes = s;
}

static void write_timer(struct zn_arena *a, const struct zt_command *c, Zt__Command *ret)
{
    if (c->kind == ZT_C_CANCEL_TIMER) {
        ret->command_type = CT_CANCEL_TIMER;
        ret->attributes_case = ZT__COMMAND__ATTRIBUTES_CANCEL_TIMER_COMMAND_ATTRIBUTES;
        ret->cancel_timer_command_attributes = ZT_NEW(
            a, Zt__CancelTimerCommandAttributes, zt__cancel_timer_command_attributes__init);
        ret->cancel_timer_command_attributes->timer_id = zt_text(a, c->key);
        return;
    }
    ret->command_type = CT_TIMER;
    ret->attributes_case = ZT__COMMAND__ATTRIBUTES_START_TIMER_COMMAND_ATTRIBUTES;
    ret->start_timer_command_attributes =
        ZT_NEW(a, Zt__StartTimerCommandAttributes, zt__start_timer_command_attributes__init);
    ret->start_timer_command_attributes->timer_id = zt_text(a, c->key);
    ret->start_timer_command_attributes->start_to_fire_timeout = zt_duration(a, c->ms);
}

static void write_child(struct zn_arena *a, const struct zt_command *c, const char *queue,
                        Zt__Command *ret)
{
    if (c->kind == ZT_C_CANCEL_CHILD) {
        Zt__RequestCancelExternalWorkflowExecutionCommandAttributes *x =
            ZT_NEW(a, Zt__RequestCancelExternalWorkflowExecutionCommandAttributes,
                   zt__request_cancel_external_workflow_execution_command_attributes__init);

        x->workflow_id = zt_text(a, c->key);
        x->child_workflow_only = 1;
        ret->command_type = CT_CANCEL_EXTERNAL;
        ret->attributes_case =
            ZT__COMMAND__ATTRIBUTES_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
        ret->request_cancel_external_workflow_execution_command_attributes = x;
        return;
    }
    Zt__StartChildWorkflowExecutionCommandAttributes *s =
        ZT_NEW(a, Zt__StartChildWorkflowExecutionCommandAttributes,
               zt__start_child_workflow_execution_command_attributes__init);
    s->workflow_id = zt_text(a, c->key);
    s->workflow_type = workflow_type(a, c->type);
    s->task_queue = zt_queue(a, c->queue ? c->queue : queue);
    s->input = zt_payloads(a, c->value);
    s->parent_close_policy = 3; /* REQUEST_CANCEL: a child always gets to undo */
    ret->command_type = CT_CHILD;
    ret->attributes_case = ZT__COMMAND__ATTRIBUTES_START_CHILD_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    ret->start_child_workflow_execution_command_attributes = s;
}

static void write_close(struct zn_arena *a, const struct zt_command *c, const char *queue,
                        const char *source, Zt__Command *ret)
{
    switch (c->kind) {
    case ZT_C_COMPLETE:
        ret->command_type = CT_COMPLETE;
        ret->attributes_case = ZT__COMMAND__ATTRIBUTES_COMPLETE_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
        ret->complete_workflow_execution_command_attributes =
            ZT_NEW(a, Zt__CompleteWorkflowExecutionCommandAttributes,
                   zt__complete_workflow_execution_command_attributes__init);
        ret->complete_workflow_execution_command_attributes->result = zt_payloads(a, c->value);
        break;
    case ZT_C_FAIL:
        ret->command_type = CT_FAIL;
        ret->attributes_case = ZT__COMMAND__ATTRIBUTES_FAIL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
        ret->fail_workflow_execution_command_attributes =
            ZT_NEW(a, Zt__FailWorkflowExecutionCommandAttributes,
                   zt__fail_workflow_execution_command_attributes__init);
        ret->fail_workflow_execution_command_attributes->failure =
            zt_failure(a, source, c->reason, c->reason_type, false, 0);
        break;
    case ZT_C_CONTINUE:
        ret->command_type = CT_CONTINUE;
        ret->attributes_case =
            ZT__COMMAND__ATTRIBUTES_CONTINUE_AS_NEW_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
        ret->continue_as_new_workflow_execution_command_attributes =
            ZT_NEW(a, Zt__ContinueAsNewWorkflowExecutionCommandAttributes,
                   zt__continue_as_new_workflow_execution_command_attributes__init);
        ret->continue_as_new_workflow_execution_command_attributes->workflow_type =
            workflow_type(a, c->type);
        ret->continue_as_new_workflow_execution_command_attributes->task_queue = zt_queue(a, queue);
        ret->continue_as_new_workflow_execution_command_attributes->input = zt_payloads(a, c->value);
        break;
    default:
        ret->command_type = CT_CANCEL;
        ret->attributes_case = ZT__COMMAND__ATTRIBUTES_CANCEL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
        ret->cancel_workflow_execution_command_attributes =
            ZT_NEW(a, Zt__CancelWorkflowExecutionCommandAttributes,
                   zt__cancel_workflow_execution_command_attributes__init);
    }
}

static Zt__Command *write_command(struct zn_arena *a, const struct zt_command *c, const char *queue,
                                  const char *source)
{
    Zt__Command *ret = ZT_NEW(a, Zt__Command, zt__command__init);

    switch (c->kind) {
    case ZT_C_ACTIVITY:
        write_activity(a, c, queue, ret);
        break;
    case ZT_C_CANCEL_ACTIVITY:
        ret->command_type = CT_CANCEL_ACTIVITY;
        ret->attributes_case =
            ZT__COMMAND__ATTRIBUTES_REQUEST_CANCEL_ACTIVITY_TASK_COMMAND_ATTRIBUTES;
        ret->request_cancel_activity_task_command_attributes =
            ZT_NEW(a, Zt__RequestCancelActivityTaskCommandAttributes,
                   zt__request_cancel_activity_task_command_attributes__init);
        ret->request_cancel_activity_task_command_attributes->scheduled_event_id = c->ref;
        break;
    case ZT_C_TIMER:
    case ZT_C_CANCEL_TIMER:
        write_timer(a, c, ret);
        break;
    case ZT_C_CHILD:
    case ZT_C_CANCEL_CHILD:
        write_child(a, c, queue, ret);
        break;
    default:
        write_close(a, c, queue, source, ret);
    }
    return ret;
}

size_t zt_json_size(const json_t *v)
{
    return v ? json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;
}

/* Within what the server takes; it would end the whole workflow for one payload that is too large. */
static int check_sizes(struct zt_wf *run, size_t *n, struct zn_err *err)
{
    const struct zt_command *c;
    size_t total = 0;

    for (*n = 0; (c = zt_run_command(run, *n)); ++*n) {
        size_t size = zt_json_size(c->value);

        if (size > ZT_PAYLOAD_MAX)
            return zn_fail(err, ZN_INVALID, "the value given to %s %s has %zu bytes, at most %d",
                           c->type ? c->type : "the end of the workflow", c->key ? c->key : "", size,
                           ZT_PAYLOAD_MAX);
        total += size;
    }
    if (*n > COMMANDS_MAX)
        return zn_fail(err, ZN_INVALID, "%zu commands in one workflow task, at most %d", *n,
                       COMMANDS_MAX);
    if (total > ANSWER_MAX)
        return zn_fail(err, ZN_INVALID, "%zu bytes of values in one workflow task, at most %d", total,
                       ANSWER_MAX);
    return 0;
}

int zt_commands_write(struct zn_arena *a, struct zt_wf *run, const char *queue, const char *source,
                      Zt__Command ***ret, size_t *ret_n, struct zn_err *err)
{
    Zt__Command **list;
    size_t n;

    if (check_sizes(run, &n, err) < 0)
        return -1;
    list = zn_arena_alloc(a, (n + 1) * sizeof *list);
    if (!list)
        return zn_fail(err, ZN_INTERNAL, "the answer to a workflow task does not fit its arena");
    for (size_t i = 0; i < n; i++)
        list[i] = write_command(a, zt_run_command(run, i), queue, source);
    *ret = list;
    *ret_n = n;
    return 0;
}
