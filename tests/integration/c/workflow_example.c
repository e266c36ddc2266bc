/* Sends an order unless it is called off first: workflow, activity, worker and client in one program. */
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "zaned/temporal/worker.h"

/* The workflow. Input {"order": text, "patience_ms": n}; result {"sent": bool, "receipt": text}. */
static enum zt_res send_order(struct zt_wf *w, json_t *input, json_t **result)
{
    static const struct zt_activity_opts deliver = {
        .type = "deliver",
        .start_to_close_ms = 10000,      /* one attempt */
        .schedule_to_close_ms = 3600000, /* all of them */
        .heartbeat_ms = 5000,            /* a dead worker is noticed after this */
        .first_ms = 100, .backoff = 2.0, .max_ms = 5000,
    };
    struct zt_fut patience = zt_timer(w, zn_json_int(input, "patience_ms", 1000));
    json_t *why = NULL, *receipt = NULL;

    while (zt_select(w, &patience, 1, ZT_ON_SIGNAL) == ZT_SIGNALED)
        if (zt_signal(w, "call_off", &why)) {
            zt_cancel(w, patience);
            *result = zt_keep(w, json_pack("{s:b,s:O?}", "sent", 0, "why", why));
            return ZT_OK;
        } else {
            zt_signal(w, NULL, NULL); /* one that we do not know */
        }
    enum zt_res r = zt_do(w, &deliver, json_incref(input), &receipt);
    if (r != ZT_OK)
        return r; /* zt_reason(w) goes with it */
    *result = zt_keep(w, json_pack("{s:b,s:O?}", "sent", 1, "receipt", receipt));
    return ZT_OK;
}

/* The activity. It may be run twice, so what it does must be idempotent by something in its input. */
static enum zt_res deliver(struct zt_actx *c, void *arg, json_t *input, json_t **result)
{
    int *failures = arg;

    if (!*zn_json_str(input, "order", ""))
        return zt_fail(c, "no_order", -1, "there is no order to deliver"); /* no attempt can succeed */
    if ((*failures)-- > 0)
        return zt_fail(c, "unreachable", 0, "nobody opens"); /* tried again as the options say */
    *result = json_sprintf("receipt of %s, attempt %d", zn_json_str(input, "order", ""),
                           zt_actx_attempt(c));
    return ZT_OK;
}

static int run(struct zt_client *client, const char *id, const char *order, bool call_off,
               struct zn_err *err)
{
    zn_auto_json input = json_pack("{s:s,s:i}", "order", order, "patience_ms", call_off ? 60000 : 300);
    zn_auto_json result = NULL;
    struct zt_start_opts start = { .id = id, .type = "send_order", .queue = "orders", .input = input };
    enum zt_status status;
    char run_id[40];

    if (zt_client_start(client, &start, run_id, err) < 0)
        return -1;
    if (call_off) {
        zn_auto_json why = json_string("changed my mind");
        if (zt_client_signal(client, id, "call_off", why, err) < 0)
            return -1;
    }
    if (zt_client_result(client, id, 60000, &status, &result, err) < 0)
        return -1;
    char *text = result ? json_dumps(result, JSON_SORT_KEYS) : NULL;
    printf("%s: status %d, %s\n", id, status, text ? text : "no result");
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct zt_workflow workflows[] = { { "send_order", send_order } };
    static const struct zt_activity activities[] = { { "deliver", deliver } };
    int failures = 2;
    struct zt_client_config where = { .target = argc > 1 ? argv[1] : "127.0.0.1:7233",
                                      .namespace_ = "default", .identity = "example",
                                      .client_name = "example", .client_version = "1.0.0" };
    struct zt_worker_config what = { .queue = "orders", .workflows = workflows, .nworkflows = 1,
                                     .activities = activities, .nactivities = 1, .arg = &failures,
                                     .activity_threads = 1 };
    struct zt_client *client = NULL;
    struct zt_worker *worker = NULL;
    struct zn_err err = { 0 };

    zn_log_setup("example", ZN_LOG_WARN);
    int r = zt_client_open(&where, &client, &err);
    if (r == 0)
        r = zt_client_ensure_namespace(client, 86400, &err);
    what.client = client;
    if (r == 0)
        r = zt_worker_start(&what, &worker, &err);
    if (r == 0)
        r = run(client, "order-1", "tea", false, &err);
    if (r == 0)
        r = run(client, "order-2", "coffee", true, &err);
    if (r == 0)
        r = run(client, "order-3", "", false, &err);
    if (r < 0)
        fprintf(stderr, "example: %s\n", err.msg);
    zt_worker_stop(worker, 1000);
    zt_client_close(client);
    return r < 0;
}
