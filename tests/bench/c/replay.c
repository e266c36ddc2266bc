/* replay FILE TIMES: answers the last workflow task of a recorded history that many times, as the worker
 * does from the bytes on, and prints {"events", "decode_ms", "run_ms", "answer_ms", "all_ms"}: medians of
 * this thread's CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "tests/bench/c/bench_workflows.h"
#include "zaned/temporal/wire.h"

enum { PARTS = 4, LIMIT = 64 << 20 };

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Events up to the start of the last task. */
static size_t in_hand(const Zt__History *h)
{
    size_t n = h->n_events;

    while (n && h->events[n - 1]->event_type != ZT_E_TASK_STARTED)
        n--;
    return n;
}

static size_t once(const struct zn_buf *b, double took[PARTS])
{
    zn_auto_arena struct zn_arena a = { .limit = LIMIT };
    zn_auto_arena struct zn_arena out = { .limit = ZT_WIRE_ARENA };
    struct zt_values values = { 0 };
    struct zn_err err = { 0 };
    Zt__Command **commands;
    double at = cpu_ms();
    size_t ncommands;

    Zt__History *h = zt_pb_unpack(&zt__history__descriptor, &a, b->mem, b->len);
    size_t n = h ? in_hand(h) : 0;
    struct zt_event *events = n ? zn_arena_alloc(&a, n * sizeof *events) : NULL;
    if (!events)
        zn_bug("the file holds no history");
    for (size_t i = 0; i < n; i++)
        zt_event_read(h->events[i], &values, &events[i]);
    double decoded = cpu_ms();
    struct zt_run_task t = { .events = events, .nevents = n, .workflow_id = "replayed", .run_id = "run",
                             .type = "many", .workflows = bench_workflows, .nworkflows = BENCH_WORKFLOWS };
    struct zt_wf *w = zt_run_new(&t);
    if (!w || zt_run_execute(w) != ZT_RUN_OK)
        zn_bug("%s", w ? zt_run_why(w) : "out of memory");
    double ran = cpu_ms();
    if (zt_commands_write(&out, w, "queue", "me", &commands, &ncommands, &err) < 0 || ncommands != 1)
        zn_bug("%zu commands: %s", ncommands, err.msg);
    zt_run_free(w);
    zt_values_done(&values);
    zn_arena_done(&a);
    double end = cpu_ms();
    took[0] = decoded - at;
    took[1] = ran - decoded;
    took[2] = end - ran;
    took[3] = end - at;
    return n;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const names[PARTS] = { "decode_ms", "run_ms", "answer_ms", "all_ms" };
    size_t times = argc > 2 ? strtoul(argv[2], NULL, 10) : 1, n = 0;
    zn_auto_buf struct zn_buf b = ZN_BUF(LIMIT);
    struct zn_err err = { 0 };

    zn_log_setup("replay", ZN_LOG_WARN);
    double *took = times ? calloc(times * PARTS, sizeof *took) : NULL;
    if (!took || zn_read_file(argc > 1 ? argv[1] : "", &b, &err) < 0) {
        fprintf(stderr, "replay: %s\n", err.msg);
        free(took);
        return 1;
    }
    for (size_t i = 0; i < times; i++) {
        double one[PARTS];

        n = once(&b, one);
        for (size_t p = 0; p < PARTS; p++)
            took[p * times + i] = one[p];
    }
    printf("{\"events\": %zu", n);
    for (size_t p = 0; p < PARTS; p++) {
        qsort(took + p * times, times, sizeof *took, by_size);
        printf(", \"%s\": %.3f", names[p], took[p * times + times / 2]);
    }
    printf("}\n");
    free(took);
    return 0;
}
