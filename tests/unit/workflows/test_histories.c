/* The platform's workflows on the histories that each released version recorded of them: deployments
 * that an old version has begun must go on under this one. */
#include "tests/unit/temporal/histories.h"
#include "zaned/workflows/workflows.h"

Test(histories, every_prefix_of_every_record, .timeout = 60)
{
    struct replayed all = records_check("tests/unit/workflows/histories", zn_workflows, zn_workflows_count);

    cr_expect(all.files >= 13 && all.tasks >= 80, "%u files, %u tasks", all.files, all.tasks);
}
