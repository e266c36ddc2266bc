/* Conversion between the API's messages and the engine's events and commands. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "zaned/temporal/wire.h"

static struct zn_arena arena = { .limit = 64 << 20 };
static struct zt_values values;

static void done(void)
{
    zt_values_done(&values);
    zn_arena_done(&arena);
}

TestSuite(wire, .fini = done);

#define EVENT(number, field, CASE, T, init)                                            \
    Zt__HistoryEvent *e = ZT_NEW(&arena, Zt__HistoryEvent, zt__history_event__init);    \
    T *at = ZT_NEW(&arena, T, init);                                                    \
    e->event_id = 9;                                                                    \
    e->event_type = number;                                                             \
    e->attributes_case = ZT__HISTORY_EVENT__ATTRIBUTES_##CASE##_EVENT_ATTRIBUTES;       \
    e->field##_event_attributes = at

/* Over the wire and back, as the worker meets it. */
static struct zt_event read_back(Zt__HistoryEvent *e)
{
    struct zt_event ret;
    size_t n;
    void *bytes = zt_pb_pack(&arena, &e->base, &n);
    Zt__HistoryEvent *copy = zt_pb_unpack(&zt__history_event__descriptor, &arena, bytes, n);

    cr_assert(copy);
    zt_event_read(copy, &values, &ret);
    return ret;
}

static Zt__Payloads *json_payload(const char *text)
{
    zn_auto_json v = json_loads(text, JSON_DECODE_ANY, NULL);

    return zt_payloads(&arena, v);
}

static Zt__Failure *wrapped(const char *message, const char *type, Zt__Failure__FailureInfoCase outer)
{
    Zt__Failure *f = ZT_NEW(&arena, Zt__Failure, zt__failure__init);

    f->message = zt_text(&arena, "activity error");
    f->cause = zt_failure(&arena, "probe", message, type, false, 0);
    f->failure_info_case = outer;
    if (outer == ZT__FAILURE__FAILURE_INFO_ACTIVITY_FAILURE_INFO)
        f->activity_failure_info = ZT_NEW(&arena, Zt__ActivityFailureInfo, zt__activity_failure_info__init);
    else
        f->timeout_failure_info = ZT_NEW(&arena, Zt__TimeoutFailureInfo, zt__timeout_failure_info__init);
    return f;
}

Test(wire, started)
{
    EVENT(ZT_E_STARTED, workflow_execution_started, WORKFLOW_EXECUTION_STARTED,
          Zt__WorkflowExecutionStartedEventAttributes, zt__workflow_execution_started_event_attributes__init);
    at->original_execution_run_id = zt_text(&arena, "run-1");
    at->input = json_payload("{\"a\":1}");
    Zt__Timestamp time = ZT__TIMESTAMP__INIT;
    time.seconds = 12, time.nanos = 345678901;
    e->event_time = &time;
    struct zt_event r = read_back(e);
    cr_expect(r.id == 9 && r.type == ZT_E_STARTED && r.time_ms == 12345);
    cr_expect_str_eq(r.key, "run-1");
    cr_expect_eq(json_integer_value(json_object_get(r.value, "a")), 1);
}

Test(wire, activity_events)
{
    EVENT(ZT_E_ACT_SCHEDULED, activity_task_scheduled, ACTIVITY_TASK_SCHEDULED,
          Zt__ActivityTaskScheduledEventAttributes, zt__activity_task_scheduled_event_attributes__init);
    at->activity_id = zt_text(&arena, "7");
    at->activity_type = ZT_NEW(&arena, Zt__ActivityType, zt__activity_type__init);
    at->activity_type->name = zt_text(&arena, "pull");
    struct zt_event r = read_back(e);
    cr_expect(strcmp(r.key, "7") == 0 && strcmp(r.name, "pull") == 0);
}

Test(wire, activity_completed)
{
    EVENT(ZT_E_ACT_COMPLETED, activity_task_completed, ACTIVITY_TASK_COMPLETED,
          Zt__ActivityTaskCompletedEventAttributes, zt__activity_task_completed_event_attributes__init);
    at->scheduled_event_id = 5;
    at->result = json_payload("\"fine\"");
    struct zt_event r = read_back(e);
    cr_expect(r.ref == 5 && !r.unreadable);
    cr_expect_str_eq(json_string_value(r.value), "fine");
    at->result = json_payload("1");
    memcpy(at->result->payloads[0]->metadata[0]->value.data, "json/other", 10);
    r = read_back(e);
    cr_expect(r.unreadable && !r.value);
    at->result = NULL;
    r = read_back(e);
    cr_expect(!r.unreadable && json_is_null(r.value));
}

/* The reason is what failed, not that something did; a nested cause of it is its own affair. */
Test(wire, failures)
{
    EVENT(ZT_E_ACT_FAILED, activity_task_failed, ACTIVITY_TASK_FAILED,
          Zt__ActivityTaskFailedEventAttributes, zt__activity_task_failed_event_attributes__init);
    at->scheduled_event_id = 5;
    at->failure = wrapped("no space", "disk", ZT__FAILURE__FAILURE_INFO_ACTIVITY_FAILURE_INFO);
    struct zt_event r = read_back(e);
    cr_expect(r.ref == 5);
    cr_expect(strcmp(r.reason, "no space") == 0 && strcmp(r.reason_type, "disk") == 0);
    at->failure->cause->cause = zt_failure(&arena, "probe", "errno 28", "os", false, 0);
    r = read_back(e);
    cr_expect_str_eq(r.reason, "no space");
    at->failure = NULL;
    r = read_back(e);
    cr_expect_null(r.reason);
}

Test(wire, timed_out)
{
    EVENT(ZT_E_ACT_TIMED_OUT, activity_task_timed_out, ACTIVITY_TASK_TIMED_OUT,
          Zt__ActivityTaskTimedOutEventAttributes, zt__activity_task_timed_out_event_attributes__init);
    at->scheduled_event_id = 6;
    at->failure = wrapped("busy", "Busy", ZT__FAILURE__FAILURE_INFO_TIMEOUT_FAILURE_INFO);
    struct zt_event r = read_back(e);
    cr_expect(r.ref == 6);
    cr_expect_str_eq(r.reason, "busy");
}

Test(wire, task_failed_signal_timer_child)
{
    {
        EVENT(ZT_E_TASK_FAILED, workflow_task_failed, WORKFLOW_TASK_FAILED,
              Zt__WorkflowTaskFailedEventAttributes, zt__workflow_task_failed_event_attributes__init);
        at->cause = 20;
        at->new_run_id = zt_text(&arena, "run-2");
        struct zt_event r = read_back(e);
        cr_expect(r.cause == 20 && strcmp(r.key, "run-2") == 0);
    }
    {
        EVENT(ZT_E_SIGNALED, workflow_execution_signaled, WORKFLOW_EXECUTION_SIGNALED,
              Zt__WorkflowExecutionSignaledEventAttributes,
              zt__workflow_execution_signaled_event_attributes__init);
        at->signal_name = zt_text(&arena, "stop");
        at->input = json_payload("[1]");
        struct zt_event r = read_back(e);
        cr_expect(strcmp(r.key, "stop") == 0 && json_array_size(r.value) == 1);
    }
    {
        EVENT(ZT_E_TIMER_FIRED, timer_fired, TIMER_FIRED, Zt__TimerFiredEventAttributes,
              zt__timer_fired_event_attributes__init);
        at->timer_id = zt_text(&arena, "3");
        at->started_event_id = 8;
        struct zt_event r = read_back(e);
        cr_expect(strcmp(r.key, "3") == 0 && r.ref == 8);
    }
    {
        EVENT(ZT_E_CHILD_STARTED, child_workflow_execution_started, CHILD_WORKFLOW_EXECUTION_STARTED,
              Zt__ChildWorkflowExecutionStartedEventAttributes,
              zt__child_workflow_execution_started_event_attributes__init);
        at->initiated_event_id = 4;
        cr_expect_eq(read_back(e).ref, 4);
    }
}

/* A type with another's attributes, or none, or a number of the future, must not be misread. */
Test(wire, type_and_attributes_disagree)
{
    EVENT(ZT_E_ACT_COMPLETED, timer_fired, TIMER_FIRED, Zt__TimerFiredEventAttributes,
          zt__timer_fired_event_attributes__init);
    at->timer_id = zt_text(&arena, "3");
    for (int type = -1; type < 100; type++) {
        e->event_type = type;
        struct zt_event r = read_back(e);
        cr_expect(r.type == type && (type == ZT_E_TIMER_FIRED || (!r.key && !r.value)), "type %d", type);
    }
    e->attributes_case = ZT__HISTORY_EVENT__ATTRIBUTES__NOT_SET;
    e->worker_may_ignore = 1;
    e->event_type = 4711;
    struct zt_event r = read_back(e);
    cr_expect(r.may_ignore && r.type == 4711);
}

/* --- commands ------------------------------------------------------------------------------------- */

static const char *const never[] = { "invalid", "absent", NULL };
static const struct zt_activity_opts full = { .type = "pull", .queue = "other", .start_to_close_ms = 1500,
                                              .schedule_to_close_ms = 60000, .heartbeat_ms = 6000,
                                              .max_attempts = 4, .backoff = 1.5, .first_ms = 200,
                                              .max_ms = 5000, .no_retry = never };
static const struct zt_activity_opts bare = { .type = "bare", .start_to_close_ms = 1000 };

static enum zt_res asks(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)result;
    zt_start(w, &full, json_pack("{s:i}", "n", 5));
    zt_start(w, &bare, NULL);
    zt_timer(w, 90500);
    zt_child(w, "kid", "kid-1", json_null());
    return zt_continue_as_new(w, json_incref(in));
}

static enum zt_res fails(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)w;
    (void)in;
    (void)result;
    return ZT_FAILED;
}

static enum zt_res big_input(struct zt_wf *w, json_t *in, json_t **result)
{
    zn_auto_mem char *text = NULL;
    size_t n = (size_t)json_integer_value(in);

    (void)result;
    text = malloc(n);
    memset(text, 'x', n);
    zt_start(w, &bare, json_stringn(text, n));
    zt_start(w, &bare, json_stringn(text, n));
    return ZT_OK;
}

static enum zt_res many(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)result;
    for (json_int_t i = 0; i < json_integer_value(in); i++)
        zt_start(w, &bare, NULL);
    return ZT_OK;
}

/* Commands of fn(input) in a first task, over the wire and back. */
static int commands(zt_workflow_fn fn, json_t *input, Zt__RespondWorkflowTaskCompletedRequest **ret,
                    struct zn_err *err)
{
    zn_auto_json in = input;
    struct zt_workflow table[] = { { "wf", fn } };
    struct zt_event ev[] = { { .id = 1, .type = ZT_E_STARTED, .key = "r", .value = in },
                             { .id = 2, .type = ZT_E_TASK_SCHEDULED },
                             { .id = 3, .type = ZT_E_TASK_STARTED } };
    struct zt_run_task t = { .events = ev, .nevents = 3, .workflow_id = "w", .run_id = "r", .type = "wf",
                             .workflows = table, .nworkflows = 1 };
    struct zt_wf *w = zt_run_new(&t);
    Zt__RespondWorkflowTaskCompletedRequest req;
    size_t n;

    cr_assert_eq(zt_run_execute(w), ZT_RUN_OK, "%s", zt_run_why(w));
    zt__respond_workflow_task_completed_request__init(&req);
    int r = zt_commands_write(&arena, w, "own", "me", &req.commands, &req.n_commands, err);
    if (r == 0) {
        void *bytes = zt_pb_pack(&arena, &req.base, &n);
        *ret = zt_pb_unpack(&zt__respond_workflow_task_completed_request__descriptor, &arena, bytes, n);
        cr_assert(*ret);
    }
    zt_run_free(w);
    return r;
}

Test(wire, activity_command)
{
    Zt__RespondWorkflowTaskCompletedRequest *req = NULL;
    struct zn_err err = { 0 };

    cr_assert_eq(commands(asks, json_integer(3), &req, &err), 0, "%s", err.msg);
    cr_assert_eq(req->n_commands, 5);
    cr_assert_eq(req->commands[0]->command_type, 1);
    const Zt__ScheduleActivityTaskCommandAttributes *s =
        req->commands[0]->schedule_activity_task_command_attributes;
    cr_expect(!strcmp(s->activity_id, "1") && !strcmp(s->activity_type->name, "pull"));
    cr_expect(!strcmp(s->task_queue->name, "other") && s->task_queue->kind == 1);
    cr_expect(zt_duration_ms(s->start_to_close_timeout) == 1500 &&
              zt_duration_ms(s->schedule_to_close_timeout) == 60000 &&
              zt_duration_ms(s->heartbeat_timeout) == 6000 && !s->schedule_to_start_timeout);
    cr_assert(s->retry_policy);
    cr_expect(zt_duration_ms(s->retry_policy->initial_interval) == 200 &&
              zt_duration_ms(s->retry_policy->maximum_interval) == 5000 &&
              s->retry_policy->backoff_coefficient > 1.4 && s->retry_policy->backoff_coefficient < 1.6 &&
              s->retry_policy->maximum_attempts == 4);
    cr_assert_eq(s->retry_policy->n_non_retryable_error_types, 2);
    cr_expect_str_eq(s->retry_policy->non_retryable_error_types[1], "absent");
    zn_auto_json v = zt_payloads_json(s->input);
    cr_expect_eq(json_integer_value(json_object_get(v, "n")), 5);
}

/* What is not said has our defaults: the retry policy is always sent, the queue is the workflow's. */
Test(wire, defaults)
{
    Zt__RespondWorkflowTaskCompletedRequest *req = NULL;
    struct zn_err err = { 0 };

    cr_assert_eq(commands(asks, json_integer(3), &req, &err), 0);
    const Zt__ScheduleActivityTaskCommandAttributes *s =
        req->commands[1]->schedule_activity_task_command_attributes;
    cr_expect(!strcmp(s->task_queue->name, "own") && !s->input && !s->heartbeat_timeout);
    cr_assert(s->retry_policy);
    cr_expect(zt_duration_ms(s->retry_policy->initial_interval) == 1000 &&
              zt_duration_ms(s->retry_policy->maximum_interval) == 100000 &&
              s->retry_policy->maximum_attempts == 0);
}

Test(wire, other_commands)
{
    Zt__RespondWorkflowTaskCompletedRequest *req = NULL;
    struct zn_err err = { 0 };

    cr_assert_eq(commands(asks, json_integer(3), &req, &err), 0);
    cr_expect_eq(req->commands[2]->command_type, 3);
    cr_expect_eq(zt_duration_ms(req->commands[2]->start_timer_command_attributes->start_to_fire_timeout), 90500);
    cr_expect_eq(req->commands[3]->command_type, 11);
    const Zt__StartChildWorkflowExecutionCommandAttributes *c =
        req->commands[3]->start_child_workflow_execution_command_attributes;
    cr_expect(!strcmp(c->workflow_id, "kid-1") && !strcmp(c->workflow_type->name, "kid") &&
              c->parent_close_policy == 3);
    cr_expect_eq(req->commands[4]->command_type, 10);
    zn_auto_json v = zt_payloads_json(
        req->commands[4]->continue_as_new_workflow_execution_command_attributes->input);
    cr_expect_eq(json_integer_value(v), 3);

    cr_assert_eq(commands(fails, NULL, &req, &err), 0);
    cr_expect_eq(req->commands[0]->command_type, 5);
    const Zt__Failure *f = req->commands[0]->fail_workflow_execution_command_attributes->failure;
    cr_expect(strstr(f->message, "gave no reason") && !strcmp(f->source, "me"));
}

/* The server would end the workflow for one value that is too large: the task fails instead. */
Test(wire, sizes_are_limited)
{
    Zt__RespondWorkflowTaskCompletedRequest *req = NULL;
    struct zn_err err = { 0 };

    cr_expect_eq(commands(big_input, json_integer(1 << 20), &req, &err), 0, "%s", err.msg);
    cr_expect_eq(commands(big_input, json_integer(ZT_PAYLOAD_MAX), &req, &err), -1);
    cr_expect(strstr(err.msg, "bare 1 has 2097154 bytes, at most 2097152"), "%s", err.msg);
    cr_expect_eq(commands(big_input, json_integer(19 << 16), &req, &err), 0, "%s", err.msg);
    cr_expect_eq(commands(big_input, json_integer(ZT_PAYLOAD_MAX - 2), &req, &err), -1);
    cr_expect(strstr(err.msg, "bytes of values in one workflow task"), "%s", err.msg);
    cr_expect_eq(commands(many, json_integer(1999), &req, &err), 0, "%s", err.msg);
    cr_expect_eq(commands(many, json_integer(2000), &req, &err), -1);
    cr_expect(strstr(err.msg, "2001 commands"), "%s", err.msg);
}
