/* Archiving a place on a toy server: its own removal comes after the end of everything inside, however
 * that ended. */
#include "tests/unit/temporal/toy.h"
#include "zaned/workflows/workflows.h"

enum { SEEDS = 500, INSIDE = 23 };

struct tally {
    int listed, erased, early, children;
};

static json_t *answer(struct toy *t, const char *type)
{
    json_t *ids = json_array();

    (void)t;
    if (strncmp(type, "list_", 5) == 0)
        for (int i = 0; i < INSIDE; i++)
            json_array_append_new(ids, json_sprintf("srv_dkr_%d", i));
    return json_pack("{s:o}", "ids", ids);
}

static void seen(struct toy *t, const char *type, int result)
{
    struct tally *y = t->arg;

    y->listed += strncmp(type, "list_", 5) == 0 && result == ZT_OK;
    if (strncmp(type, "erase_", 6) != 0 || result != -1)
        return;
    y->erased++;
    for (size_t i = 0; i < t->npending; i++)
        y->early += t->pending[i].kind == ZT_C_CHILD;
    for (size_t i = 0; i < t->n; i++)
        y->children += t->ev[i].type == ZT_E_CHILD_INITIATED;
}

static void play(const char *workflow, const char *key)
{
    const struct zt_workflow *wf = NULL;
    unsigned whole = 0;

    for (size_t i = 0; i < zn_workflows_count; i++)
        if (strcmp(zn_workflows[i].type, workflow) == 0)
            wf = &zn_workflows[i];
    cr_assert(wf);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct toy *t = calloc(1, sizeof *t);
        struct tally y = { 0 };

        t->rng = seed * 0x9e3779b97f4a7c15ull + 1;
        t->wf = wf;
        t->input = json_pack("{s:s}", key, "x");
        t->fail_percent = (unsigned)(seed % 4) * 6;
        t->cancel_percent = (unsigned)(seed % 3) * 4;
        t->answer = answer;
        t->seen = seen;
        t->arg = &y;
        toy_play(t);
        cr_assert(t->closed, "seed %u", (unsigned)seed);
        cr_assert_eq(y.erased, y.listed);
        cr_assert_eq(y.early, 0, "removed while %d were still inside", y.early);
        cr_assert_eq(y.children, y.listed * INSIDE);
        whole += y.erased && t->closed_kind == ZT_C_COMPLETE;
        toy_done(t);
        free(t);
    }
    cr_expect(whole > SEEDS / 2, "%u", whole);
}

Test(archive, environment, .timeout = 120)
{
    play("archive_environment", "environment");
}

Test(archive, project, .timeout = 120)
{
    play("archive_project", "project");
}
