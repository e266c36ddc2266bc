/* The deploy workflow on a toy server that fails, times out and cancels at random: whatever happens, it
 * ends with the state a person would expect. */
#include "tests/unit/temporal/toy.h"
#include "zaned/workflows/workflows.h"

enum { SEEDS = 3000 };

struct tally { /* what the activities did, in one run */
    int began[32], good[32];
    bool previous, exclusive, routes;
    char status[16];
    unsigned order, finished_at, retired_at, verified_at, released_at, removed_at, resumed_at;
};

static const char *const kinds[] = { "acquire", "prepare", "pull",    "resources", "pause",  "resume",
                                     "create",  "remove",  "health",  "route",     "unroute", "verify",
                                     "cancelling", "finish", "retire", "release", "discard", NULL };

static int kind_of(const char *type)
{
    for (int i = 0; kinds[i]; i++)
        if (strcmp(kinds[i], type) == 0)
            return i;
    cr_assert_fail("unknown activity %s", type);
    return -1;
}

static json_t *answer(struct toy *t, const char *type)
{
    struct tally *y = t->arg;

    if (strcmp(type, "prepare") == 0) {
        json_t *plan = json_pack("{s:s,s:b,s:b,s:s}", "slot", "GREEN", "exclusive", y->exclusive,
                                 "routes", y->routes, "routed", "dpl_dkr_old");
        if (y->previous)
            json_object_set_new(plan, "previous",
                                json_pack("{s:s,s:s}", "deployment", "dpl_dkr_old", "slot", "BLUE"));
        return plan;
    }
    if (strcmp(type, "pull") == 0)
        return json_pack("{s:s}", "image", "sha256:abc");
    return json_object();
}

static void seen(struct toy *t, const char *type, int result)
{
    struct tally *y = t->arg;
    int k = kind_of(type);

    y->order++;
    if (result == -1) {
        y->began[k]++;
        return;
    }
    if (result != ZT_OK)
        return;
    y->good[k]++;
    unsigned *at = !strcmp(type, "finish")    ? &y->finished_at
                   : !strcmp(type, "retire")  ? &y->retired_at
                   : !strcmp(type, "verify")  ? &y->verified_at
                   : !strcmp(type, "release") ? &y->released_at
                   : !strcmp(type, "remove")  ? &y->removed_at
                   : !strcmp(type, "resume")  ? &y->resumed_at
                                              : NULL;
    if (at)
        *at = y->order;
}

#define BEGAN(type) (y->began[kind_of(type)])
#define GOOD(type) (y->good[kind_of(type)])

static const char *status_of(struct toy *t)
{
    struct zt_wf *w = toy_run(t, t->cuts[t->ncuts - 1].events);
    const struct zt_command *c;
    static char status[16];

    for (size_t i = 0; (c = zt_run_command(w, i)); i++)
        if (c->kind == ZT_C_COMPLETE)
            snprintf(status, sizeof status, "%s", json_string_value(json_object_get(c->value, "status")));
    zt_run_free(w);
    return status;
}

static void check(struct toy *t, const struct tally *y)
{
    cr_assert(t->closed);
    cr_assert_eq(t->closed_kind, ZT_C_COMPLETE, "a deployment's outcome is data");
    const char *status = status_of(t);

    cr_assert(BEGAN("finish") == 1 && BEGAN("release") == 1);
    if (strcmp(status, "HEALTHY") == 0) {
        cr_assert(GOOD("create") && GOOD("health") && GOOD("route"));
        cr_assert(!y->routes || GOOD("verify"));
        cr_assert_eq(BEGAN("remove") + BEGAN("resume") + BEGAN("unroute") + BEGAN("discard"), 0);
        /* The old version goes only after the new one answered through the proxy. */
        cr_assert_eq(BEGAN("retire"), y->previous ? 1 : 0);
        cr_assert(!y->retired_at || !y->routes || y->verified_at < y->retired_at);
        return;
    }
    cr_assert_eq(BEGAN("retire"), 0, "the old version was retired by a deployment that is %s", status);
    cr_assert(!BEGAN("create") || BEGAN("remove") == 1);
    cr_assert(!BEGAN("pause") || BEGAN("resume") == 1);
    cr_assert(!BEGAN("route") || BEGAN("unroute") == 1);
    /* A failed version's new volumes may hold what it wrote. */
    cr_assert(!BEGAN("discard") || strcmp(status, "CANCELLED") == 0);
    cr_assert(BEGAN("discard") == 1 || !BEGAN("resources") || strcmp(status, "CANCELLED") != 0);
    cr_assert(!y->resumed_at || !y->removed_at || y->removed_at < y->resumed_at);
    cr_assert_eq(BEGAN("cancelling"), strcmp(status, "CANCELLED") == 0);
    cr_assert(strcmp(status, "CANCELLED") != 0 || t->cancel_sent);
}

Test(deploy, ends_well_whatever_happens, .timeout = 300)
{
    unsigned healthy = 0, failed = 0, cancelled = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct toy *t = calloc(1, sizeof *t);
        struct tally y = { .previous = seed % 3 != 0, .exclusive = seed % 4 == 0, .routes = seed % 5 != 0 };

        t->rng = seed * 0x9e3779b97f4a7c15ull + 1;
        t->wf = &zn_workflows[0];
        t->input = json_pack("{s:s,s:s}", "deployment", "dpl_dkr_new", "service", "srv_dkr_x");
        t->fail_percent = (unsigned)(seed % 4) * 6;
        t->cancel_percent = (unsigned)(seed % 3) * 4;
        t->answer = answer;
        t->seen = seen;
        t->arg = &y;
        toy_play(t);
        check(t, &y);
        const char *s = status_of(t);
        healthy += strcmp(s, "HEALTHY") == 0;
        failed += strcmp(s, "FAILED") == 0;
        cancelled += strcmp(s, "CANCELLED") == 0;
        toy_done(t);
        free(t);
    }
    cr_expect(healthy > 300 && failed > 100 && cancelled > 100, "%u %u %u", healthy, failed, cancelled);
}
