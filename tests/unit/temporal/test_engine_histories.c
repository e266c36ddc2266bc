/* The workflows of the tests on the histories that each version recorded of them
 * (`python3 tests/integration/test_worker.py record`). */
#include "tests/integration/c/worker_workflows.h"
#include "tests/unit/temporal/histories.h"

#define DIRECTORY "tests/unit/temporal/histories"

Test(histories, every_prefix_of_every_record, .timeout = 60)
{
    struct replayed all = records_check(DIRECTORY, workflows, NWORKFLOWS);

    /* How many tasks a run took depends on the machine that recorded it: 70 to 100. */
    cr_expect(all.versions >= 1 && all.files >= 17 * all.versions && all.tasks >= 60 * all.versions,
              "%u versions, %u files, %u tasks", all.versions, all.files, all.tasks);
}

Test(histories, changed_code_is_refused)
{
    struct record r;
    enum zt_outcome o;

    record_load(&r, DIRECTORY "/0.1.0/changing.pb");
    changed_code = true;
    struct zt_wf *w = record_replay(&r, r.n, workflows, NWORKFLOWS, &o);
    changed_code = false;
    cr_expect_eq(o, ZT_RUN_NONDETERMINISM);
    cr_expect_str_eq(zt_run_why(w), "history has ActivityTaskScheduled of 1/add (event 5), the code asks for 1/undo");
    zt_run_free(w);
    record_done(&r);
}
