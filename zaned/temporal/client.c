#include "zaned/temporal/client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/io.h"
#include "zaned/temporal/grpc.h"
#include "zaned/temporal/pb.h"

enum { TRIES = 10, REQUEST_ARENA = 8 << 20, REPLY_ARENA = 64 << 20 };
enum {
    RUN_ID_SIZE = 40,
    REASON_MAX = 1000,
    INPUT_MAX = 2 << 20 /* the server's limit of one payload */
};
static const int64_t CALL_MS = 10000, TOTAL_MS = 10000, POLL_MS = 70000, NAMESPACE_MS = 20000;
static const int64_t FIRST_MS = 100, MAX_MS = 5000, EXHAUSTED_MS = 1000, EXHAUSTED_MAX_MS = 10000;
static const int64_t POLL_FIRST_MS = 200, POLL_MAX_MS = 10000, EMPTY_MS = 200;
enum { EVENT_FAILED = 3, EVENT_TIMED_OUT = 4, EVENT_CANCELED = 21, EVENT_TERMINATED = 27 };

struct zt_client {
    struct zt_grpc *grpc;
    char *namespace_, *identity;
};

int zt_client_open(const struct zt_client_config *cfg, struct zt_client **ret, struct zn_err *err)
{
    struct zt_client *c = calloc(1, sizeof *c);
    char agent[128];
    const char *headers[] = { "client-name",
                              cfg->client_name,
                              "client-version",
                              cfg->client_version,
                              "supported-server-versions",
                              ">=1.0.0 <2.0.0",
                              NULL };

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    snprintf(agent, sizeof agent, "%s/%s", cfg->client_name, cfg->client_version);
    c->namespace_ = strdup(cfg->namespace_);
    c->identity = strdup(cfg->identity);
    struct zt_grpc_config g = { .target = cfg->target, .user_agent = agent, .headers = headers };
    int r = c->namespace_ && c->identity ? zt_grpc_open(&g, &c->grpc, err)
                                         : zn_fail(err, ZN_INTERNAL, "out of memory");
    if (r < 0) {
        zt_client_close(c);
        return -1;
    }
    *ret = c;
    return 0;
}

void zt_client_close(struct zt_client *c)
{
    if (!c)
        return;
    zt_grpc_close(c->grpc);
    free(c->namespace_);
    free(c->identity);
    free(c);
}

struct zt_grpc *zt_client_grpc(struct zt_client *c)
{
    return c->grpc;
}

const char *zt_client_namespace(struct zt_client *c)
{
    return c->namespace_;
}

const char *zt_client_identity(struct zt_client *c)
{
    return c->identity;
}

/* How an RPC is tried. */
struct tries {
    int64_t call_ms, total_ms;
    bool poll; /* a long poll: as often as time allows, and the server may end it at will */
};

/* Codes worth another try, as the official SDKs have it. */
static bool retryable(const struct zt_grpc_reply *r, bool poll)
{
    static const unsigned again = 1u << ZT_GRPC_UNKNOWN | 1u << ZT_GRPC_RESOURCE_EXHAUSTED |
                                  1u << ZT_GRPC_ABORTED | 1u << ZT_GRPC_OUT_OF_RANGE |
                                  1u << ZT_GRPC_INTERNAL | 1u << ZT_GRPC_UNAVAILABLE |
                                  1u << ZT_GRPC_DATA_LOSS;
    static const unsigned polls = 1u << ZT_GRPC_CANCELLED | 1u << ZT_GRPC_DEADLINE_EXCEEDED;

    if (r->code == ZT_GRPC_RESOURCE_EXHAUSTED &&
        zn_starts_with(r->message, "grpc: received message larger than max"))
        return false;
    return ((poll ? again | polls : again) >> r->code & 1) != 0;
}

/* The wait before try i + 1, in the official SDKs' figures. */
static int64_t wait_ms(unsigned i, enum zt_grpc_code code, bool poll)
{
    int64_t ms = FIRST_MS;
    uint32_t rnd;

    zn_random(&rnd, sizeof rnd);
    if (code == ZT_GRPC_RESOURCE_EXHAUSTED)
        return zn_backoff_ms(i, EXHAUSTED_MS, EXHAUSTED_MAX_MS, rnd);
    if (poll)
        return zn_backoff_ms(i, POLL_FIRST_MS, POLL_MAX_MS, rnd);
    while (i-- && ms < MAX_MS)
        ms = ms * 17 / 10;
    return zn_backoff_ms(0, ms < MAX_MS ? ms : MAX_MS, MAX_MS, rnd);
}

static enum zn_code code_of(enum zt_grpc_code code)
{
    switch (code) {
    case ZT_GRPC_OK:
        return ZN_OK;
    case ZT_GRPC_NOT_FOUND:
        return ZN_NOT_FOUND;
    case ZT_GRPC_ALREADY_EXISTS:
        return ZN_CONFLICT;
    case ZT_GRPC_INVALID_ARGUMENT:
    case ZT_GRPC_FAILED_PRECONDITION:
    case ZT_GRPC_UNIMPLEMENTED:
        return ZN_INVALID;
    case ZT_GRPC_PERMISSION_DENIED:
    case ZT_GRPC_UNAUTHENTICATED:
        return ZN_DENIED;
    default:
        return ZN_UNAVAILABLE;
    }
}

/* One RPC with its retries. *ret (may be NULL): the answer in the arena. */
static int rpc(struct zt_client *c, const char *path, const ProtobufCMessage *req, struct tries t,
               const ProtobufCMessageDescriptor *type, struct zn_arena *a, void **ret,
               struct zn_err *err)
{
    size_t n;
    void *bytes = zt_pb_pack(a, req, &n);
    int64_t end = zn_now_ms() + t.total_ms;

    if (!bytes)
        return zn_fail(err, ZN_INVALID, "the request to the workflow server is too large");
    for (unsigned i = 0;; i++) {
        struct zt_grpc_reply r = { 0 };
        int64_t left = end - zn_now_ms();
        void *m = NULL;

        if (left > t.call_ms)
            left = t.call_ms;
        zt_grpc_call(c->grpc, path, bytes, n, left > 0 ? left : 1, &r);
        enum zt_grpc_code code = r.code;
        bool again = retryable(&r, t.poll) && (t.poll || i + 1 < TRIES);
        bool good = code == ZT_GRPC_OK && (!ret || (m = zt_pb_unpack(type, a, r.body, r.len)));
        if (!good && code == ZT_GRPC_OK)
            zn_fail(err, ZN_INTERNAL, "workflow server: malformed answer to %s", path);
        else if (!good)
            zn_fail(err, code_of(code), "workflow server: %s", r.message);
        zt_grpc_reply_done(&r);
        if (good) {
            if (ret)
                *ret = m;
            return 0;
        }
        int64_t wait = wait_ms(i, code, t.poll);
        if (!again || zn_now_ms() + wait >= end)
            return -1;
        zn_pause_ms(wait);
    }
}

int zt_client_rpc(struct zt_client *c, const char *path, const ProtobufCMessage *req,
                     const ProtobufCMessageDescriptor *type, struct zn_arena *a, void **ret,
                     struct zn_err *err)
{
    struct tries t = { .call_ms = CALL_MS, .total_ms = TOTAL_MS };
    struct zn_err e = { 0 };

    if (rpc(c, path, req, t, type, a, ret, &e) == 0)
        return 0; /* what an earlier try complained about is not the caller's business */
    *err = e;
    return -1;
}

int zt_check_text(const char *field, const char *s, size_t min, size_t max, struct zn_err *err)
{
    size_t n = s ? strlen(s) : 0;

    if (n < min || n > max)
        return zn_fail(err, ZN_INVALID, "%s has %zu bytes, from %zu to %zu are allowed", field, n,
                       min, max);
    if (!zn_utf8_valid(s, n))
        return zn_fail(err, ZN_INVALID, "%s is not valid UTF-8", field);
    return 0;
}

int zt_check_input(const json_t *input, struct zn_err *err)
{
    size_t n = input ? json_dumpb(input, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;

    if (n > INPUT_MAX)
        return zn_fail(err, ZN_INVALID, "input has %zu bytes as JSON, at most %d are allowed", n,
                       INPUT_MAX);
    return 0;
}

int zt_client_ping(struct zt_client *c, int64_t deadline_ms, struct zn_err *err)
{
    Zt__GetSystemInfoRequest req;
    zt__get_system_info_request__init(&req);
    struct zt_grpc_reply r = { 0 };
    size_t n = zt__get_system_info_request__get_packed_size(&req);

    zt_grpc_call(c->grpc, ZT_RPC("GetSystemInfo"), "", n, deadline_ms, &r);
    int ret =
        r.code == ZT_GRPC_OK ? 0 : zn_fail(err, code_of(r.code), "workflow server: %s", r.message);
    zt_grpc_reply_done(&r);
    return ret;
}

static int register_namespace(struct zt_client *c, struct zn_arena *a, int64_t retention_s,
                              struct zn_err *err)
{
    Zt__RegisterNamespaceRequest req;
    zt__register_namespace_request__init(&req);
    struct zn_err e = { 0 };

    req.namespace_ = c->namespace_;
    req.workflow_execution_retention_period = zt_duration(a, retention_s * 1000);
    if (zt_client_rpc(c, ZT_RPC("RegisterNamespace"), &req.base, NULL, a, NULL, &e) == 0 ||
        e.code == ZN_CONFLICT)
        return 0;
    *err = e;
    return -1;
}

/* DescribeNamespace reads the database; calls that use a namespace go by a registry that is
 * refreshed every 2 s. Only an answer about a workflow shows that the registry has it. */
static bool in_registry(struct zt_client *c)
{
    enum zt_status status;
    struct zn_err err = { 0 };

    return zt_client_describe(c, "zt-registry-check", &status, &err) == 0 ||
           (err.code == ZN_NOT_FOUND && !strstr(err.msg, "amespace"));
}

int zt_client_ensure_namespace(struct zt_client *c, int64_t retention_s, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    int64_t end = zn_now_ms() + NAMESPACE_MS;

    if (in_registry(c))
        return 0;
    if (register_namespace(c, &a, retention_s, err) < 0)
        return -1;
    for (unsigned i = 0; zn_now_ms() < end; i++) {
        if (in_registry(c))
            return 0;
        zn_pause_ms(zn_backoff_ms(i, 100, 1000, 0));
    }
    return zn_fail(err, ZN_UNAVAILABLE, "the server does not see namespace %s yet", c->namespace_);
}

static int check_start(const struct zt_start_opts *o, struct zn_err *err)
{
    if (zt_check_text("workflow id", o->id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("workflow type", o->type, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("task queue", o->queue, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("request id", o->request_id, 0, ZT_TEXT_MAX, err) < 0)
        return -1;
    return zt_check_input(o->input, err);
}

int zt_client_start(struct zt_client *c, const struct zt_start_opts *o, char *ret_run_id,
                    struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__StartWorkflowExecutionRequest req;
    zt__start_workflow_execution_request__init(&req);
    Zt__WorkflowType type;
    zt__workflow_type__init(&type);
    Zt__StartWorkflowExecutionResponse *resp = NULL;
    char request[40];

    if (check_start(o, err) < 0)
        return -1;
    zn_id("", 32, request, sizeof request);
    type.name = zt_text(&a, o->type);
    req.namespace_ = c->namespace_;
    req.workflow_id = zt_text(&a, o->id);
    req.workflow_type = &type;
    req.task_queue = zt_queue(&a, o->queue);
    req.input = zt_payloads(&a, o->input);
    req.workflow_execution_timeout = zt_duration(&a, o->execution_timeout_ms);
    req.workflow_run_timeout = zt_duration(&a, o->run_timeout_ms);
    req.identity = c->identity;
    req.request_id = o->request_id ? zt_text(&a, o->request_id) : request;
    req.workflow_id_reuse_policy = o->reuse ? (int32_t)o->reuse : ZT_REUSE_ALLOW;
    req.workflow_id_conflict_policy = 1; /* FAIL */
    if (zt_client_rpc(c, ZT_RPC("StartWorkflowExecution"), &req.base,
                  &zt__start_workflow_execution_response__descriptor, &a, (void **)&resp, err) < 0)
        return -1;
    snprintf(ret_run_id, RUN_ID_SIZE, "%s", resp->run_id);
    return 0;
}

int zt_client_signal(struct zt_client *c, const char *id, const char *signal, json_t *input,
                     struct zn_err *err)
{
    char request[40];

    zn_id("", 32, request, sizeof request);
    return zt_client_signal_once(c, id, signal, input, request, err);
}

int zt_client_signal_once(struct zt_client *c, const char *id, const char *signal, json_t *input,
                          const char *request_id, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__SignalWorkflowExecutionRequest req;
    zt__signal_workflow_execution_request__init(&req);

    if (zt_check_text("workflow id", id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("signal name", signal, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("request id", request_id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_input(input, err) < 0)
        return -1;
    req.namespace_ = c->namespace_;
    req.workflow_execution = zt_execution(&a, id, "");
    req.signal_name = zt_text(&a, signal);
    req.input = zt_payloads(&a, input);
    req.identity = c->identity;
    req.request_id = zt_text(&a, request_id);
    return zt_client_rpc(c, ZT_RPC("SignalWorkflowExecution"), &req.base, NULL, &a, NULL, err);
}

int zt_client_cancel(struct zt_client *c, const char *id, const char *reason, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__RequestCancelWorkflowExecutionRequest req;
    zt__request_cancel_workflow_execution_request__init(&req);
    struct zn_err e = { 0 };
    char request[40];

    if (zt_check_text("workflow id", id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("reason", reason, 0, REASON_MAX, err) < 0)
        return -1;
    zn_id("", 32, request, sizeof request);
    req.namespace_ = c->namespace_;
    req.workflow_execution = zt_execution(&a, id, "");
    req.identity = c->identity;
    req.request_id = request;
    req.reason = zt_text(&a, reason);
    int r = zt_client_rpc(c, ZT_RPC("RequestCancelWorkflowExecution"), &req.base, NULL, &a, NULL, &e);
    if (r == 0 || e.code == ZN_CONFLICT) /* requested before: fine */
        return 0;
    *err = e;
    return -1;
}

int zt_client_terminate(struct zt_client *c, const char *id, const char *reason, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__TerminateWorkflowExecutionRequest req;
    zt__terminate_workflow_execution_request__init(&req);

    if (zt_check_text("workflow id", id, 1, ZT_TEXT_MAX, err) < 0 ||
        zt_check_text("reason", reason, 0, REASON_MAX, err) < 0)
        return -1;
    req.namespace_ = c->namespace_;
    req.workflow_execution = zt_execution(&a, id, "");
    req.reason = zt_text(&a, reason);
    req.identity = c->identity;
    return zt_client_rpc(c, ZT_RPC("TerminateWorkflowExecution"), &req.base, NULL, &a, NULL, err);
}

int zt_client_describe(struct zt_client *c, const char *id, enum zt_status *ret, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REPLY_ARENA };
    Zt__DescribeWorkflowExecutionRequest req;
    zt__describe_workflow_execution_request__init(&req);
    Zt__DescribeWorkflowExecutionResponse *resp = NULL;

    if (zt_check_text("workflow id", id, 1, ZT_TEXT_MAX, err) < 0)
        return -1;
    req.namespace_ = c->namespace_;
    req.execution = zt_execution(&a, id, "");
    if (zt_client_rpc(c, ZT_RPC("DescribeWorkflowExecution"), &req.base,
                  &zt__describe_workflow_execution_response__descriptor, &a, (void **)&resp,
                  err) < 0)
        return -1;
    if (!resp->workflow_execution_info)
        return zn_fail(err, ZN_INTERNAL, "workflow server: description without a status");
    *ret = (enum zt_status)resp->workflow_execution_info->status;
    return 0;
}

/* The last event of the history, asked for by the close filter. ZT_RUNNING: it is no close event.
 * run: where the workflow goes on after continue-as-new. */
static enum zt_status read_close(const Zt__History *h, json_t **result, char run[RUN_ID_SIZE])
{
    const Zt__HistoryEvent *e = h && h->n_events ? h->events[h->n_events - 1] : NULL;

    switch (e ? e->attributes_case : ZT__HISTORY_EVENT__ATTRIBUTES__NOT_SET) {
    case ZT__HISTORY_EVENT__ATTRIBUTES_WORKFLOW_EXECUTION_COMPLETED_EVENT_ATTRIBUTES:
        *result = zt_payloads_json(e->workflow_execution_completed_event_attributes->result);
        return ZT_COMPLETED;
    case ZT__HISTORY_EVENT__ATTRIBUTES_WORKFLOW_EXECUTION_CONTINUED_AS_NEW_EVENT_ATTRIBUTES:
        snprintf(run, RUN_ID_SIZE, "%s",
                 e->workflow_execution_continued_as_new_event_attributes->new_execution_run_id);
        return ZT_CONTINUED_AS_NEW;
    default:
        break;
    }
    switch (e ? e->event_type : 0) {
    case EVENT_FAILED:
        return ZT_ST_FAILED;
    case EVENT_TIMED_OUT:
        return ZT_ST_TIMED_OUT;
    case EVENT_CANCELED:
        return ZT_ST_CANCELED;
    case EVENT_TERMINATED:
        return ZT_TERMINATED;
    default:
        return ZT_RUNNING;
    }
}

/* One long poll for the close event. */
static int poll_close(struct zt_client *c, const char *id, char run[RUN_ID_SIZE], int64_t left,
                      enum zt_status *status, json_t **result, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REPLY_ARENA };
    struct tries t = { .call_ms = POLL_MS, .total_ms = left, .poll = true };
    Zt__GetWorkflowExecutionHistoryRequest req;
    zt__get_workflow_execution_history_request__init(&req);
    Zt__GetWorkflowExecutionHistoryResponse *resp = NULL;

    req.namespace_ = c->namespace_;
    req.execution = zt_execution(&a, id, run);
    req.wait_new_event = 1;
    req.history_event_filter_type = 2; /* close event only */
    if (rpc(c, ZT_RPC("GetWorkflowExecutionHistory"), &req.base, t,
            &zt__get_workflow_execution_history_response__descriptor, &a, (void **)&resp, err) < 0)
        return -1;
    *status = read_close(resp->history, result, run);
    return 0;
}

int zt_client_result(struct zt_client *c, const char *id, int64_t deadline_ms,
                     enum zt_status *ret_status, json_t **ret, struct zn_err *err)
{
    int64_t end = zn_now_ms() + deadline_ms, asked;
    char run[RUN_ID_SIZE] = "";
    struct zn_err e = { 0 };

    if (zt_check_text("workflow id", id, 1, ZT_TEXT_MAX, err) < 0)
        return -1;
    while ((asked = zn_now_ms()) < end) {
        enum zt_status status;
        json_t *result = NULL;

        if (poll_close(c, id, run, end - asked, &status, &result, &e) < 0) {
            if (e.code == ZN_UNAVAILABLE)
                break; /* tried again until the time was up */
            *err = e;
            return -1;
        }
        if (status != ZT_RUNNING && status != ZT_CONTINUED_AS_NEW) {
            *ret_status = status;
            *ret = result;
            return 0;
        }
        if (status == ZT_RUNNING && zn_now_ms() - asked < EMPTY_MS)
            zn_pause_ms(EMPTY_MS); /* an empty answer that did not wait */
    }
    zn_fail(err, ZN_BUSY, "workflow %s has not ended in time", id);
    zn_detail(err, "%s", e.msg);
    return -1;
}
