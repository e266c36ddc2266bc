#include "zaned/temporal/client.h"

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
static const int64_t CALL_MS = 10000, TOTAL_MS = 20000;
static const int64_t FIRST_MS = 100, MAX_MS = 5000, EXHAUSTED_MS = 1000;
static const int64_t POLL_MS = 70000;

struct zt_client {
    struct zt_grpc *grpc;
    char *namespace_, *identity;
};

int zt_client_open(const struct zt_client_config *cfg, struct zt_client **ret, struct zn_err *err)
{
    struct zt_client *c = calloc(1, sizeof *c);
    char agent[128];
    const char *headers[] = { "client-name", cfg->client_name, "client-version",
                              cfg->client_version, "supported-server-versions", ">=1.0.0 <2.0.0",
                              NULL };

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    snprintf(agent, sizeof agent, "%s/%s", cfg->client_name, cfg->client_version);
    c->namespace_ = strdup(cfg->namespace_);
    c->identity = strdup(cfg->identity);
    struct zt_grpc_config g = { .target = cfg->target, .user_agent = agent, .headers = headers };
    if (!c->namespace_ || !c->identity || zt_grpc_open(&g, &c->grpc, err) < 0) {
        zt_client_close(c);
        return err->code ? -1 : zn_fail(err, ZN_INTERNAL, "out of memory");
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

/* Codes worth another try, as the official SDKs have it. */
static bool retryable(const struct zt_grpc_reply *r)
{
    static const unsigned again = 1u << ZT_GRPC_UNKNOWN | 1u << ZT_GRPC_RESOURCE_EXHAUSTED |
                                  1u << ZT_GRPC_ABORTED | 1u << ZT_GRPC_OUT_OF_RANGE |
                                  1u << ZT_GRPC_INTERNAL | 1u << ZT_GRPC_UNAVAILABLE |
                                  1u << ZT_GRPC_DATA_LOSS;

    if (r->code == ZT_GRPC_RESOURCE_EXHAUSTED &&
        zn_starts_with(r->message, "grpc: received message larger than max"))
        return false;
    return r->code < 32 && (again >> r->code & 1);
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

/* One RPC with retries until total_ms is over. *ret (may be NULL): the answer in the arena. */
static int rpc(struct zt_client *c, const char *path, const ProtobufCMessage *req, int64_t call_ms,
               int64_t total_ms, const ProtobufCMessageDescriptor *type, struct zn_arena *a,
               void **ret, struct zn_err *err)
{
    size_t n;
    void *bytes = zt_pb_pack(a, req, &n);
    int64_t end = zn_now_ms() + total_ms;

    if (!bytes)
        return zn_fail(err, ZN_INVALID, "the request to the workflow server is too large");
    for (unsigned i = 0;; i++) {
        struct zt_grpc_reply r = { 0 };
        int64_t left = end - zn_now_ms(), wait;
        uint32_t rnd;

        zt_grpc_call(c->grpc, path, bytes, n, left < call_ms ? (left > 0 ? left : 1) : call_ms, &r);
        bool again = retryable(&r) && i + 1 < TRIES;
        enum zn_code code = code_of(r.code);
        if (code == ZN_OK && ret && !(*ret = zt_pb_unpack(type, a, r.body, r.len)))
            code = zn_fail(err, ZN_INTERNAL, "malformed answer to %s", path) ? ZN_INTERNAL : ZN_OK;
        else if (code != ZN_OK)
            zn_fail(err, code, "workflow server: %s", r.message);
        zn_random(&rnd, sizeof rnd);
        wait = zn_backoff_ms(i, r.code == ZT_GRPC_RESOURCE_EXHAUSTED ? EXHAUSTED_MS : FIRST_MS,
                             MAX_MS, rnd);
        zt_grpc_reply_done(&r);
        if (code == ZN_OK || !again || zn_now_ms() + wait >= end)
            return code == ZN_OK ? 0 : -1;
        zn_pause_ms(wait);
    }
}

int zt_client_ping(struct zt_client *c, int64_t deadline_ms, struct zn_err *err)
{
    Zt__GetSystemInfoRequest req;
    zt__get_system_info_request__init(&req);
    struct zt_grpc_reply r = { 0 };
    size_t n = zt__get_system_info_request__get_packed_size(&req);

    zt_grpc_call(c->grpc, ZT_RPC("GetSystemInfo"), "", n, deadline_ms, &r);
    int ret = r.code == ZT_GRPC_OK
                  ? 0
                  : zn_fail(err, code_of(r.code), "workflow server: %s", r.message);
    zt_grpc_reply_done(&r);
    return ret;
}

static int register_namespace(struct zt_client *c, struct zn_arena *a, int64_t retention_s,
                              struct zn_err *err)
{
    Zt__RegisterNamespaceRequest req;
    zt__register_namespace_request__init(&req);

    req.namespace_ = c->namespace_;
    req.workflow_execution_retention_period = zt_duration(a, retention_s * 1000);
    if (rpc(c, ZT_RPC("RegisterNamespace"), &req.base, CALL_MS, TOTAL_MS, NULL, a, NULL, err) == 0 ||
        err->code == ZN_CONFLICT) {
        memset(err, 0, sizeof *err);
        return 0;
    }
    return -1;
}

/* DescribeNamespace reads the database; calls that use a namespace go by a registry that is
 * refreshed every 2 s. Only an answer about a workflow shows that the registry has it. */
static bool in_registry(struct zt_client *c)
{
    enum zt_status status;
    struct zn_err err = { 0 };

    zt_client_describe(c, "zt-registry-check", &status, &err);
    return err.code == ZN_NOT_FOUND && !strstr(err.msg, "amespace");
}

int zt_client_ensure_namespace(struct zt_client *c, int64_t retention_s, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    int64_t end = zn_now_ms() + TOTAL_MS;

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
    if (rpc(c, ZT_RPC("StartWorkflowExecution"), &req.base, CALL_MS, TOTAL_MS,
            &zt__start_workflow_execution_response__descriptor, &a, (void **)&resp, err) < 0)
        return -1;
    snprintf(ret_run_id, 40, "%s", resp->run_id);
    return 0;
}

int zt_client_signal(struct zt_client *c, const char *id, const char *signal, json_t *input,
                     struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__SignalWorkflowExecutionRequest req;
    zt__signal_workflow_execution_request__init(&req);
    char request[40];

    zn_id("", 32, request, sizeof request);
    req.namespace_ = c->namespace_;
    req.workflow_execution = zt_execution(&a, id, "");
    req.signal_name = zt_text(&a, signal);
    req.input = zt_payloads(&a, input);
    req.identity = c->identity;
    req.request_id = request;
    return rpc(c, ZT_RPC("SignalWorkflowExecution"), &req.base, CALL_MS, TOTAL_MS, NULL, &a, NULL,
               err);
}

int zt_client_cancel(struct zt_client *c, const char *id, const char *reason, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__RequestCancelWorkflowExecutionRequest req;
    zt__request_cancel_workflow_execution_request__init(&req);
    char request[40];

    zn_id("", 32, request, sizeof request);
    req.namespace_ = c->namespace_;
    req.workflow_execution = zt_execution(&a, id, "");
    req.identity = c->identity;
    req.request_id = request;
    req.reason = zt_text(&a, reason);
    if (rpc(c, ZT_RPC("RequestCancelWorkflowExecution"), &req.base, CALL_MS, TOTAL_MS, NULL, &a,
            NULL, err) == 0)
        return 0;
    if (err->code != ZN_CONFLICT)
        return -1;
    memset(err, 0, sizeof *err); /* requested before: fine */
    return 0;
}

int zt_client_terminate(struct zt_client *c, const char *id, const char *reason, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REQUEST_ARENA };
    Zt__TerminateWorkflowExecutionRequest req;
    zt__terminate_workflow_execution_request__init(&req);

    req.namespace_ = c->namespace_;
    req.workflow_execution = zt_execution(&a, id, "");
    req.reason = zt_text(&a, reason);
    req.identity = c->identity;
    return rpc(c, ZT_RPC("TerminateWorkflowExecution"), &req.base, CALL_MS, TOTAL_MS, NULL, &a, NULL,
               err);
}

int zt_client_describe(struct zt_client *c, const char *id, enum zt_status *ret, struct zn_err *err)
{
    zn_auto_arena struct zn_arena a = { .limit = REPLY_ARENA };
    Zt__DescribeWorkflowExecutionRequest req;
    zt__describe_workflow_execution_request__init(&req);
    Zt__DescribeWorkflowExecutionResponse *resp = NULL;

    req.namespace_ = c->namespace_;
    req.execution = zt_execution(&a, id, "");
    if (rpc(c, ZT_RPC("DescribeWorkflowExecution"), &req.base, CALL_MS, TOTAL_MS,
            &zt__describe_workflow_execution_response__descriptor, &a, (void **)&resp, err) < 0)
        return -1;
    if (!resp->workflow_execution_info)
        return zn_fail(err, ZN_INTERNAL, "workflow server: description without a status");
    *ret = (enum zt_status)resp->workflow_execution_info->status;
    return 0;
}

/* What a close event says; false if e is none. */
static bool read_close(const Zt__HistoryEvent *e, enum zt_status *status, json_t **result)
{
    switch (e->event_type) {
    case 2:
        *status = ZT_COMPLETED;
        *result = zt_payloads_json(e->workflow_execution_completed_event_attributes->result);
        return true;
    case 3:
        *status = ZT_ST_FAILED;
        return true;
    case 4:
        *status = ZT_ST_TIMED_OUT;
        return true;
    case 21:
        *status = ZT_ST_CANCELED;
        return true;
    case 27:
        *status = ZT_TERMINATED;
        return true;
    case 28:
        *status = ZT_CONTINUED_AS_NEW;
        return true;
    default:
        return false;
    }
}

int zt_client_result(struct zt_client *c, const char *id, int64_t deadline_ms,
                     enum zt_status *ret_status, json_t **ret, struct zn_err *err)
{
    int64_t end = zn_now_ms() + deadline_ms;
    char run[64] = "";

    for (;;) {
        zn_auto_arena struct zn_arena a = { .limit = REPLY_ARENA };
        Zt__GetWorkflowExecutionHistoryRequest req;
        zt__get_workflow_execution_history_request__init(&req);
        Zt__GetWorkflowExecutionHistoryResponse *resp = NULL;
        int64_t left = end - zn_now_ms();
        enum zt_status status = ZT_RUNNING;
        json_t *result = NULL;

        if (left <= 0)
            return zn_fail(err, ZN_BUSY, "workflow %s has not ended in time", id);
        req.namespace_ = c->namespace_;
        req.execution = zt_execution(&a, id, run);
        req.wait_new_event = 1;
        req.history_event_filter_type = 2; /* close event only */
        if (rpc(c, ZT_RPC("GetWorkflowExecutionHistory"), &req.base, left < POLL_MS ? left : POLL_MS,
                left, &zt__get_workflow_execution_history_response__descriptor, &a, (void **)&resp,
                err) < 0)
            return zn_now_ms() >= end ? zn_fail(err, ZN_BUSY, "workflow %s has not ended in time", id)
                                      : -1;
        size_t n = resp->history ? resp->history->n_events : 0;
        if (!n || !read_close(resp->history->events[n - 1], &status, &result))
            continue;
        if (status == ZT_CONTINUED_AS_NEW) {
            snprintf(run, sizeof run, "%s",
                     resp->history->events[n - 1]
                         ->workflow_execution_continued_as_new_event_attributes->new_execution_run_id);
            continue;
        }
        *ret_status = status;
        *ret = result;
        return 0;
    }
}
