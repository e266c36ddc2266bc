/* Workflows that tests/bench/bench_workflows.py measures: run by worker.c, replayed by replay.c. */
#ifndef TESTS_BENCH_WORKFLOWS_H
#define TESTS_BENCH_WORKFLOWS_H

#include <jansson.h>

#include "zaned/temporal/workflow.h"

static const struct zt_activity_opts noop = { .type = "noop", .start_to_close_ms = 30000 };
static const struct zt_activity_opts step = { .type = "step", .start_to_close_ms = 30000,
                                              .schedule_to_close_ms = 900000, .heartbeat_ms = 6000 };

/* Five activities that do nothing, one after the other. sdk.py has the same for the official SDK. */
static enum zt_res wf_five(struct zt_wf *w, json_t *in, json_t **result)
{
    json_t *v = in;

    for (int i = 0; i < 5; i++)
        if (zt_do(w, &noop, json_incref(v), &v) != ZT_OK)
            return ZT_FAILED;
    *result = v;
    return ZT_OK;
}

/* What a deployment's activities are given and answer, in size and form. */
static json_t *facts(const char *id, json_int_t i)
{
    return json_pack("{s:{s:s,s:I},s:{s:s},s:{s:s,s:b,s:b,s:{s:s,s:s,s:b}},s:s}", "deployment", "hash", id,
                     "number", i, "service", "id", "srv_dkr_8hJk2LmN4pQ", "plan", "slot", "blue", "exclusive",
                     0, "routes", 1, "previous", "deployment", "dpl_dkr_2bYc9TzX1wV", "service",
                     "srv-8hjk2lmn4pq-green", "keep", 0, "image",
                     "registry.example.net/team/app@sha256:"
                     "4cbf9a1c5f9c2f1e6b0f5a3f0c8f7d7c1c0a9b1e2d3f4a5b6c7d8e9fa0b1c2d3");
}

/* n activities in turn, as a deployment's look in history. */
static enum zt_res steps(struct zt_wf *w, json_int_t n)
{
    enum zt_res r = ZT_OK;

    for (json_int_t i = 0; i < n && r == ZT_OK; i++)
        r = zt_do(w, &step, facts(zt_workflow_id(w), i), NULL);
    return r;
}

static enum zt_res wf_many(struct zt_wf *w, json_t *in, json_t **result)
{
    (void)result;
    return steps(w, json_integer_value(in));
}

/* Some 60 events, then one more step for each signal "go" within the hour. */
static enum zt_res wf_rollout(struct zt_wf *w, json_t *in, json_t **result)
{
    enum zt_res r = steps(w, json_integer_value(in));
    struct zt_fut hour = zt_timer(w, 3600000);

    (void)result;
    while (r == ZT_OK && zt_select(w, &hour, 1, ZT_ON_SIGNAL) == ZT_SIGNALED) {
        zt_signal(w, NULL, NULL);
        r = steps(w, 1);
    }
    return r;
}

static const struct zt_workflow bench_workflows[] = { { "five", wf_five },
                                                      { "many", wf_many },
                                                      { "rollout", wf_rollout } };
enum { BENCH_WORKFLOWS = sizeof bench_workflows / sizeof *bench_workflows };

#endif
