/* worker HOST:PORT QUEUE THREADS: says "ready" once the namespace is there, then works on the queue with that
 * many activity threads until its standard input ends. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "tests/bench/c/bench_workflows.h"
#include "zaned/temporal/worker.h"

static enum zt_res act_noop(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)c;
    (void)arg;
    *out = json_integer(json_integer_value(in) + 1);
    return ZT_OK;
}

static enum zt_res act_step(struct zt_actx *c, void *arg, json_t *in, json_t **out)
{
    (void)c;
    (void)arg;
    *out = json_incref(json_object_get(in, "plan"));
    return ZT_OK;
}

static const struct zt_activity activities[] = { { "noop", act_noop }, { "step", act_step } };

int main(int argc, char **argv)
{
    struct zt_client_config where = { .target = argc > 1 ? argv[1] : "", .namespace_ = "default",
                                      .identity = "bench", .client_name = "bench", .client_version = "1.0.0" };
    struct zt_worker_config what = { .queue = argc > 2 ? argv[2] : "", .workflows = bench_workflows,
                                     .nworkflows = BENCH_WORKFLOWS, .activities = activities, .nactivities = 2,
                                     .activity_threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 8 };
    struct zt_client *client = NULL;
    struct zt_worker *worker = NULL;
    struct zn_err err = { 0 };

    zn_log_setup("bench", ZN_LOG_WARN);
    int r = zt_client_open(&where, &client, &err);
    if (r == 0)
        r = zt_client_ensure_namespace(client, 86400, &err);
    what.client = client;
    if (r == 0)
        r = zt_worker_start(&what, &worker, &err);
    if (r < 0)
        fprintf(stderr, "worker: %s\n", err.msg);
    if (r == 0 && puts("ready") >= 0 && fflush(stdout) == 0)
        while (getchar() != EOF)
            ;
    zt_worker_stop(worker, 1000);
    zt_client_close(client);
    return r < 0;
}
