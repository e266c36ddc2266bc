#include <criterion/criterion.h>

#include "supervisor/component.h"

static struct zn_component started(enum zn_component_id id)
{
    struct zn_component c;

    zn_component_init(&c, id, false);
    cr_assert_eq(zn_component_step(&c, ZN_EV_WANT_UP, 0, 0), ZN_DO_START);
    zn_component_step(&c, ZN_EV_RUNNING, 0, 0);
    return c;
}

Test(component, caps_fit_the_platform_budget_and_needs_come_earlier)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < ZN_C_MAX; i++) {
        sum += zn_component_def(i, false)->cap_mib;
        cr_assert_eq(zn_component_def(i, false)->needs >> i, 0, "%s", zn_component_def(i, false)->name);
    }
    cr_assert_leq(sum, 1536);
}

Test(component, rises_after_two_good_and_falls_after_three_bad)
{
    struct zn_component c = started(ZN_C_VALKEY);

    for (int i = 0; i < 9; i++)
        zn_component_step(&c, ZN_EV_PROBE_BAD, i, 0);
    cr_assert_str_eq(zn_component_word(&c), "starting", "failures in the grace time");
    zn_component_step(&c, ZN_EV_PROBE_GOOD, 1, 0);
    cr_assert_not(zn_component_ready(&c));
    zn_component_step(&c, ZN_EV_PROBE_GOOD, 2, 0);
    cr_assert(zn_component_ready(&c));
    zn_component_step(&c, ZN_EV_PROBE_BAD, 3, 0);
    zn_component_step(&c, ZN_EV_PROBE_BAD, 4, 0);
    cr_assert_str_eq(zn_component_word(&c), "degraded");
    zn_component_step(&c, ZN_EV_PROBE_BAD, 5, 0);
    cr_assert_not(zn_component_ready(&c));
}

Test(component, fifth_exit_in_ten_minutes_holds_until_retry)
{
    struct zn_component c = started(ZN_C_LOKI);
    int64_t now = 0;

    for (int i = 0; i < ZN_LOOP_EXITS; i++) {
        cr_assert_eq(c.admin, ZN_NORMAL);
        zn_component_step(&c, ZN_EV_EXITED, now, 0);
        cr_assert_eq(c.process, ZN_P_BACKOFF);
        now += 73000;
        if (i < ZN_LOOP_EXITS - 1) {
            cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, now, 0), ZN_DO_START);
            zn_component_step(&c, ZN_EV_RUNNING, now, 0);
        }
    }
    cr_assert_str_eq(zn_component_word(&c), "held");
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, now + 3600000, 0), ZN_DO_NOTHING);
    cr_assert_eq(zn_component_step(&c, ZN_EV_RETRY, now, 0), ZN_DO_START);
}

Test(component, waits_at_least_the_backoff_and_a_repeated_exit_counts_once)
{
    struct zn_component c = started(ZN_C_CADDY);

    zn_component_step(&c, ZN_EV_EXITED, 1000, 7);
    zn_component_step(&c, ZN_EV_EXITED, 1001, 7);
    cr_assert_eq(c.nexits, 1);
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, 1799, 7), ZN_DO_NOTHING);
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, 2201, 7), ZN_DO_START);
    zn_component_step(&c, ZN_EV_RUNNING, 3000, 7);
    zn_component_step(&c, ZN_EV_EXITED, 3000 + ZN_STABLE_MS, 7);
    cr_assert_eq(c.attempt, 1, "ten stable minutes start the backoff anew");
}

Test(component, dependents_wait_for_readiness_but_are_not_restarted_by_its_loss)
{
    struct zn_component all[ZN_C_MAX];
    struct zn_component *pg = &all[ZN_C_POSTGRES], *t = &all[ZN_C_TEMPORAL];

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        zn_component_init(&all[i], i, false);
    zn_component_resolve(all, UINT32_MAX);
    cr_assert_eq(zn_component_step(t, ZN_EV_WANT_UP, 0, 0), ZN_DO_NOTHING);
    cr_assert_str_eq(zn_component_word(t), "waiting");
    *pg = started(ZN_C_POSTGRES);
    zn_component_step(pg, ZN_EV_PROBE_GOOD, 1, 0);
    zn_component_step(pg, ZN_EV_PROBE_GOOD, 2, 0);
    zn_component_resolve(all, UINT32_MAX);
    cr_assert_eq(zn_component_step(t, ZN_EV_TICK, 3, 0), ZN_DO_START);
    zn_component_step(t, ZN_EV_RUNNING, 4, 0);
    zn_component_step(pg, ZN_EV_EXITED, 5, 0);
    zn_component_resolve(all, UINT32_MAX);
    cr_assert_eq(zn_component_step(t, ZN_EV_TICK, 6, 0), ZN_DO_NOTHING);
    cr_assert_eq(t->process, ZN_P_RUNNING);
    cr_assert_neq(t->blocked_by, 0);
}

Test(component, an_owner_silences_the_watchdog_and_down_stops_once)
{
    struct zn_component c = started(ZN_C_POSTGRES);

    zn_component_step(&c, ZN_EV_TAKE, 1, 0);
    zn_component_step(&c, ZN_EV_EXITED, 2, 0);
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, 100000, 0), ZN_DO_NOTHING);
    cr_assert_eq(zn_component_step(&c, ZN_EV_RELEASE, 100001, 0), ZN_DO_START);
    cr_assert_eq(zn_component_step(&c, ZN_EV_WANT_DOWN, 100002, 0), ZN_DO_STOP);
    cr_assert_eq(zn_component_step(&c, ZN_EV_WANT_DOWN, 100003, 0), ZN_DO_NOTHING);
    zn_component_step(&c, ZN_EV_EXITED, 100004, 0);
    cr_assert_str_eq(zn_component_word(&c), "stopped");
}

Test(component, never_ready_after_its_grace_is_failing_and_killed_after_a_minute)
{
    struct zn_component c = started(ZN_C_VALKEY);
    int64_t t = 20000;

    zn_component_step(&c, ZN_EV_PROBE_BAD, t - 2, 0);
    zn_component_step(&c, ZN_EV_PROBE_BAD, t - 1, 0);
    cr_assert_eq(c.health, ZN_H_UNKNOWN);
    zn_component_step(&c, ZN_EV_PROBE_BAD, t, 0);
    cr_assert_eq(c.health, ZN_H_FAILING);
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, t + ZN_LIVENESS_MS - 1, 0), ZN_DO_NOTHING);
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, t + ZN_LIVENESS_MS, 0), ZN_DO_KILL);
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, t + ZN_LIVENESS_MS + 1, 0), ZN_DO_NOTHING);
}

Test(component, is_not_killed_while_a_dependency_is_ill)
{
    struct zn_component c = started(ZN_C_TEMPORAL);
    int64_t t = 120000;

    for (int i = 0; i < 3; i++)
        zn_component_step(&c, ZN_EV_PROBE_BAD, t, 0);
    cr_assert_eq(c.health, ZN_H_FAILING);
    c.blocked_by = UINT32_C(1) << ZN_C_POSTGRES;
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, t + 300000, 0), ZN_DO_NOTHING);
    c.blocked_by = 0;
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, t + 300001, 0), ZN_DO_NOTHING, "minute anew");
    cr_assert_eq(zn_component_step(&c, ZN_EV_TICK, t + 300001 + ZN_LIVENESS_MS, 0), ZN_DO_KILL);
}

Test(component, alternating_checks_flap_with_hysteresis)
{
    struct zn_component c = started(ZN_C_VALKEY);
    int i;

    for (i = 0; i < 20; i++)
        zn_component_step(&c, i % 2 ? ZN_EV_PROBE_BAD : ZN_EV_PROBE_GOOD, 30000 + i, 0);
    cr_assert(c.flapping);
    for (i = 0; i < 8; i++)
        zn_component_step(&c, ZN_EV_PROBE_GOOD, 31000 + i, 0);
    cr_assert(c.flapping, "under the upper threshold is not enough");
    for (i = 0; i < 12; i++)
        zn_component_step(&c, ZN_EV_PROBE_GOOD, 32000 + i, 0);
    cr_assert_not(c.flapping);
}

Test(component, an_absent_engine_makes_state_unknown_without_counting_an_exit)
{
    struct zn_component c = started(ZN_C_LOKI);

    zn_component_step(&c, ZN_EV_LOST, 1, 0);
    cr_assert_eq(c.process, ZN_P_NONE);
    cr_assert_eq(c.nexits, 0);
    zn_component_step(&c, ZN_EV_RUNNING, 2, 0);
    cr_assert_eq(c.process, ZN_P_RUNNING);
}

Test(component, left_out_components_block_nobody_and_migration_does)
{
    struct zn_component all[ZN_C_MAX];

    for (unsigned i = 0; i < ZN_C_MAX; i++)
        zn_component_init(&all[i], i, false);
    all[ZN_C_API].blocked_by = ZN_BLOCK_MIGRATION;
    zn_component_resolve(all, UINT32_C(1) << ZN_C_API);
    cr_assert_eq(all[ZN_C_API].blocked_by, ZN_BLOCK_MIGRATION);
    cr_assert_str_eq(zn_component_def(ZN_C_FLUENTD, true)->name, "collector");
}
