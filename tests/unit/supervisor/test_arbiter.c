/* Who accepts log connections, under simulated time. */
#include <criterion/criterion.h>

#include "supervisor/arbiter.h"

static enum zn_command due[ZN_ARBITER_PEERS];

/* Two collectors; both say "ready" (or not) every 400 ms from `from` to `to`. */
struct world {
    struct zn_arbiter a;
    int fluentd, embedded;
    int64_t now;
};

static void settle(struct world *w)
{
    zn_arbiter_settle(&w->a, w->now, due);
}

static void speak(struct world *w, int slot, bool ready)
{
    zn_arbiter_heard(&w->a, slot, ready, w->now);
    settle(w);
}

static struct world running(void)
{
    struct world w = { .now = 1000 };

    zn_arbiter_init(&w.a, w.now);
    w.fluentd = zn_arbiter_join(&w.a, true, w.now);
    w.embedded = zn_arbiter_join(&w.a, false, w.now);
    speak(&w, w.fluentd, true);
    speak(&w, w.embedded, true);
    cr_assert_eq(w.a.owner, w.fluentd);
    return w;
}

/* Lets time pass in steps of 100 ms; a collector that speaks does so every 400 ms. */
static void pass(struct world *w, int64_t ms, bool fluentd_speaks)
{
    for (int64_t end = w->now + ms; w->now < end;) {
        w->now += 100;
        if (w->now % 400 == 0) {
            zn_arbiter_heard(&w->a, w->embedded, true, w->now);
            if (fluentd_speaks)
                zn_arbiter_heard(&w->a, w->fluentd, true, w->now);
        }
        settle(w);
    }
}

Test(arbiter, preferred_one_accepts_at_once_and_the_other_holds)
{
    struct world w = { .now = 5 };

    zn_arbiter_init(&w.a, w.now);
    w.fluentd = zn_arbiter_join(&w.a, true, w.now);
    w.embedded = zn_arbiter_join(&w.a, false, w.now);
    speak(&w, w.embedded, true);
    cr_assert_eq(due[w.embedded], ZN_CMD_NONE, "the preferred one may still come");
    speak(&w, w.fluentd, true);
    cr_assert_eq(due[w.fluentd], ZN_CMD_ACCEPT);
    cr_assert_eq(due[w.embedded], ZN_CMD_HOLD);
    settle(&w);
    cr_assert_eq(due[w.fluentd], ZN_CMD_NONE, "a command is sent once");
}

Test(arbiter, silence_moves_the_socket_at_1500_ms_and_not_before)
{
    struct world w = running();
    int64_t silent_since = w.now;

    while (w.a.owner == w.fluentd && w.now < silent_since + 5000) {
        w.now += 10;
        zn_arbiter_heard(&w.a, w.embedded, true, w.now);
        settle(&w);
    }
    cr_assert_eq(w.a.owner, w.embedded);
    cr_assert_eq(w.now - silent_since, ZN_SILENCE_MS);
    cr_assert_eq(due[w.fluentd], ZN_CMD_HOLD);
    cr_assert_eq(due[w.embedded], ZN_CMD_ACCEPT);
}

Test(arbiter, down_and_lost_connection_move_it_at_once)
{
    struct world w = running();

    speak(&w, w.fluentd, false);
    cr_assert_eq(w.a.owner, w.embedded);
    w = running();
    zn_arbiter_leave(&w.a, w.fluentd);
    settle(&w);
    cr_assert_eq(w.a.owner, w.embedded);
    cr_assert_eq(due[w.embedded], ZN_CMD_ACCEPT);
}

Test(arbiter, preferred_one_gets_it_back_after_3_s_of_being_ready)
{
    struct world w = running();

    speak(&w, w.fluentd, false);
    w.now += 1000;
    zn_arbiter_heard(&w.a, w.embedded, true, w.now);
    speak(&w, w.fluentd, true);
    int64_t back = w.now;
    pass(&w, 2900, true);
    cr_assert_eq(w.a.owner, w.embedded);
    pass(&w, 100, true);
    cr_assert_eq(w.a.owner, w.fluentd);
    cr_assert_eq(w.now - back, ZN_RETURN_MS);
}

Test(arbiter, a_relapse_starts_the_3_s_anew)
{
    struct world w = running();

    speak(&w, w.fluentd, false);
    speak(&w, w.fluentd, true);
    pass(&w, 2000, true);
    speak(&w, w.fluentd, false);
    speak(&w, w.fluentd, true);
    pass(&w, 2900, true);
    cr_assert_eq(w.a.owner, w.embedded);
    pass(&w, 100, true);
    cr_assert_eq(w.a.owner, w.fluentd);
}

Test(arbiter, silence_in_between_is_a_relapse_too)
{
    struct world w = running();

    speak(&w, w.fluentd, false);
    speak(&w, w.fluentd, true);
    pass(&w, 2000, false); /* ready was its last word, then nothing for more than 1.5 s */
    zn_arbiter_heard(&w.a, w.fluentd, true, w.now);
    pass(&w, 2900, true);
    cr_assert_eq(w.a.owner, w.embedded);
    pass(&w, 100, true);
    cr_assert_eq(w.a.owner, w.fluentd);
}

Test(arbiter, both_down_means_nobody_and_the_first_back_gets_it)
{
    struct world w = running();

    speak(&w, w.fluentd, false);
    speak(&w, w.embedded, false);
    cr_assert_eq(w.a.owner, -1);
    cr_assert_eq(due[w.embedded], ZN_CMD_HOLD);
    speak(&w, w.fluentd, true);
    cr_assert_eq(w.a.owner, w.fluentd, "nobody else is there: no reason to wait 3 s");
}

Test(arbiter, a_silent_owner_keeps_it_while_there_is_no_other)
{
    struct zn_arbiter a;
    int only;

    zn_arbiter_init(&a, 0);
    only = zn_arbiter_join(&a, true, 0);
    zn_arbiter_heard(&a, only, true, 0);
    zn_arbiter_settle(&a, 0, due);
    cr_assert_eq(due[only], ZN_CMD_ACCEPT);
    zn_arbiter_settle(&a, 10000, due);
    cr_assert_eq(a.owner, only);
    cr_assert_eq(due[only], ZN_CMD_NONE);
    /* and it is handed over as soon as another one can */
    int other = zn_arbiter_join(&a, false, 10000);
    zn_arbiter_heard(&a, other, true, 10000);
    zn_arbiter_settle(&a, 10000, due);
    cr_assert_eq(a.owner, other);
    cr_assert_eq(due[only], ZN_CMD_HOLD);
}

Test(arbiter, standby_alone_waits_for_the_grace_after_a_start)
{
    struct zn_arbiter a;
    int standby;

    zn_arbiter_init(&a, 0);
    standby = zn_arbiter_join(&a, false, 0);
    for (int64_t now = 0; now < ZN_GRACE_MS; now += 100) {
        zn_arbiter_heard(&a, standby, true, now);
        zn_arbiter_settle(&a, now, due);
        cr_assert_eq(a.owner, -1);
        cr_assert_eq(due[standby], ZN_CMD_NONE, "it keeps the command from before the restart");
    }
    cr_assert_eq(zn_arbiter_wait(&a, ZN_GRACE_MS - 100), 100);
    zn_arbiter_heard(&a, standby, true, ZN_GRACE_MS);
    zn_arbiter_settle(&a, ZN_GRACE_MS, due);
    cr_assert_eq(a.owner, standby);
}

Test(arbiter, embedded_as_the_wanted_one_accepts_without_grace)
{
    struct zn_arbiter a;
    int embedded;

    zn_arbiter_init(&a, 0); /* ZANE_COLLECTOR=embedded: preferred is what the name says */
    embedded = zn_arbiter_join(&a, true, 0);
    zn_arbiter_heard(&a, embedded, true, 0);
    zn_arbiter_settle(&a, 0, due);
    cr_assert_eq(due[embedded], ZN_CMD_ACCEPT);
}

Test(arbiter, two_of_a_name_do_not_take_it_from_each_other)
{
    struct world w = running();
    int second = zn_arbiter_join(&w.a, true, w.now);

    speak(&w, second, true);
    cr_assert_eq(due[second], ZN_CMD_HOLD);
    for (int i = 0; i < 20; i++) {
        w.now += 400;
        zn_arbiter_heard(&w.a, second, true, w.now);
        zn_arbiter_heard(&w.a, w.fluentd, true, w.now);
        settle(&w);
        cr_assert_eq(w.a.owner, w.fluentd);
    }
    zn_arbiter_leave(&w.a, w.fluentd);
    settle(&w);
    cr_assert_eq(w.a.owner, second);
}

Test(arbiter, wait_names_the_next_moment_that_matters)
{
    struct world w = running();

    cr_assert_eq(zn_arbiter_wait(&w.a, w.now), ZN_SILENCE_MS);
    speak(&w, w.fluentd, false);
    w.now += 1400;
    speak(&w, w.fluentd, true);
    /* the embedded one falls silent in 100 ms, the other would return in 3,000 */
    cr_assert_eq(zn_arbiter_wait(&w.a, w.now), 100);
}

Test(arbiter, ninth_collector_is_refused)
{
    struct zn_arbiter a;

    zn_arbiter_init(&a, 0);
    for (int i = 0; i < ZN_ARBITER_PEERS; i++)
        cr_assert_eq(zn_arbiter_join(&a, false, 0), i);
    cr_assert_eq(zn_arbiter_join(&a, true, 0), -1);
    zn_arbiter_leave(&a, 3);
    cr_assert_eq(zn_arbiter_join(&a, true, 0), 3);
}
