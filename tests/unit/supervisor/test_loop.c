#include <criterion/criterion.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/loop.h"

TestSuite(loop, .timeout = 20);

static struct zn_loop *open_loop(void)
{
    struct zn_err err = { 0 };
    struct zn_loop *l = NULL;

    cr_assert_eq(zn_loop_open(&l, &err), 0, "%s", err.msg);
    return l;
}

static void stop_loop(void *arg)
{
    zn_loop_stop(arg);
}

/* A readable pipe whose callback deletes the other one: only one of the two may run. */
struct pair {
    struct zn_loop *l;
    struct zn_watch *self, *other;
    int *calls;
    bool free_other;
};

static void delete_other(void *arg, uint32_t events)
{
    struct pair *p = arg;

    (void)events;
    (*p->calls)++;
    zn_watch_del(p->other);
    if (p->free_other) {
        memset(p->other, 0xdb, sizeof *p->other);
        free(p->other);
        p->other = NULL;
    }
    zn_watch_del(p->self);
}

Test(loop, deleted_watch_gets_no_event_of_the_same_round)
{
    struct zn_loop *l = open_loop();
    struct zn_err err = { 0 };
    struct zn_watch *w[2];
    struct pair pair[2];
    int fds[2], calls = 0;

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 2; i++)
        w[i] = calloc(1, sizeof *w[i]);
    for (int i = 0; i < 2; i++) {
        pair[i] = (struct pair){ l, w[i], w[1 - i], &calls, true };
        *w[i] = (struct zn_watch){ .fd = i ? dup(fds[0]) : fds[0], .events = EPOLLIN,
                                   .fn = delete_other, .arg = &pair[i] };
        cr_assert_eq(zn_watch_add(l, w[i], &err), 0);
    }
    struct zn_timer end = { .fn = stop_loop, .arg = l };
    zn_timer_set(l, &end, 50);
    zn_loop_run(l);
    cr_assert_eq(calls, 1);
    for (int i = 0; i < 2; i++)
        if (!pair[i].other) /* it ran, and freed the other one */
            free(w[i]);
    zn_loop_close(l);
}

struct note {
    struct zn_loop *l;
    char name;
    char *out;
    struct zn_timer t;
};

static void write_name(void *arg)
{
    struct note *n = arg;

    n->out[strlen(n->out)] = n->name; /* the rest is zero */
}

Test(loop, timers_fire_in_order_of_time_then_of_arming)
{
    struct zn_loop *l = open_loop();
    char out[16] = "";
    struct note n[4];
    static const struct { char name; int ms; } plan[] = {
        { 'c', 40 }, { 'a', 5 }, { 'd', 40 }, { 'b', 20 },
    };
    struct zn_timer end = { .fn = stop_loop, .arg = l };

    for (int i = 0; i < 4; i++) {
        n[i] = (struct note){ l, plan[i].name, out, { .fn = write_name, .arg = &n[i] } };
        zn_timer_set(l, &n[i].t, plan[i].ms);
    }
    /* Same millisecond or not, 'd' was armed after 'c' for the same delay. */
    zn_timer_set(l, &end, 80);
    int64_t t0 = zn_now_ms();
    zn_loop_run(l);
    cr_assert_str_eq(out, "abcd");
    cr_assert_geq(zn_now_ms() - t0, 78);
    zn_loop_close(l);
}

Test(loop, cleared_and_rearmed_timers)
{
    struct zn_loop *l = open_loop();
    char out[16] = "";
    struct note a = { l, 'a', out, { .fn = write_name, .arg = &a } };
    struct note b = { l, 'b', out, { .fn = write_name, .arg = &b } };
    struct zn_timer end = { .fn = stop_loop, .arg = l };

    zn_timer_set(l, &a.t, 5);
    zn_timer_set(l, &b.t, 10);
    zn_timer_set(l, &end, 60);
    zn_timer_clear(l, &a.t);
    zn_timer_clear(l, &a.t); /* twice is harmless */
    zn_timer_set(l, &b.t, 20); /* armed again: fires once */
    zn_loop_run(l);
    cr_assert_str_eq(out, "b");
    cr_assert_not(a.t.armed);
    cr_assert_not(b.t.armed);
    zn_loop_close(l);
}

struct greedy {
    struct zn_loop *l;
    struct zn_timer t;
    int calls;
};

static void rearm_at_once(void *arg)
{
    struct greedy *g = arg;

    g->calls++;
    zn_timer_set(g->l, &g->t, 0);
}

static void clear_greedy(void *arg, uint32_t events)
{
    struct greedy *g = arg;

    (void)events;
    if (g->calls < 3)
        return;
    zn_timer_clear(g->l, &g->t);
    zn_loop_stop(g->l);
}

Test(loop, timer_that_rearms_for_now_starves_nobody)
{
    struct zn_loop *l = open_loop();
    struct zn_err err = { 0 };
    struct greedy g = { .l = l, .t = { .fn = rearm_at_once, .arg = &g } };
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    struct zn_watch w = { .fd = fds[0], .events = EPOLLIN, .fn = clear_greedy, .arg = &g };
    cr_assert_eq(zn_watch_add(l, &w, &err), 0);
    zn_timer_set(l, &g.t, 0);
    zn_loop_run(l); /* would never return if the timer pass did not end */
    cr_assert_leq(g.calls, 4, "once a round, not as often as fits into a millisecond");
    zn_loop_close(l);
}

struct killer {
    struct zn_loop *l;
    struct zn_timer self, *victim;
};

static void clear_victim(void *arg)
{
    struct killer *k = arg;

    zn_timer_clear(k->l, k->victim);
}

Test(loop, timer_cleared_by_one_of_the_same_pass_does_not_fire)
{
    struct zn_loop *l = open_loop();
    char out[4] = "";
    struct note victim = { l, 'x', out, { .fn = write_name, .arg = &victim } };
    struct killer k = { l, { .fn = clear_victim, .arg = &k }, &victim.t };
    struct zn_timer end = { .fn = stop_loop, .arg = l };

    zn_timer_set(l, &k.self, 1);
    zn_timer_set(l, &victim.t, 1);
    zn_timer_set(l, &end, 30);
    zn_pause_ms(5); /* both are due when the loop starts */
    zn_loop_run(l);
    cr_assert_str_eq(out, "");
    zn_loop_close(l);
}

struct ended {
    struct zn_loop *l;
    int status, calls;
};

static void note_end(void *arg, int status)
{
    struct ended *e = arg;

    e->status = status;
    e->calls++;
    zn_loop_stop(e->l);
}

Test(loop, child_status_arrives_once)
{
    struct zn_loop *l = open_loop();
    struct zn_err err = { 0 };
    struct ended e = { .l = l };
    struct zn_child c = { .fn = note_end, .arg = &e };

    c.pid = fork();
    if (c.pid == 0)
        _exit(7);
    cr_assert_eq(zn_child_watch(l, &c, &err), 0, "%s", err.msg);
    zn_loop_run(l);
    cr_assert_eq(e.calls, 1);
    cr_assert(WIFEXITED(e.status));
    cr_assert_eq(WEXITSTATUS(e.status), 7);
    cr_assert_eq(waitpid(c.pid, NULL, WNOHANG), -1, "the loop reaps its children");
    zn_loop_close(l);
}

Test(loop, child_killed_by_signal)
{
    struct zn_loop *l = open_loop();
    struct zn_err err = { 0 };
    struct ended e = { .l = l };
    struct zn_child c = { .fn = note_end, .arg = &e };

    c.pid = fork();
    if (c.pid == 0) {
        pause();
        _exit(0);
    }
    cr_assert_eq(zn_child_watch(l, &c, &err), 0, "%s", err.msg);
    kill(c.pid, SIGKILL);
    zn_loop_run(l);
    cr_assert(WIFSIGNALED(e.status));
    cr_assert_eq(WTERMSIG(e.status), SIGKILL);
    zn_loop_close(l);
}

static int got[2], ngot;

static void note_signal(void *arg, int signo)
{
    if (ngot < 2)
        got[ngot++] = signo;
    if (ngot == 2)
        zn_loop_stop(arg);
}

Test(loop, signals_arrive_in_the_loop)
{
    struct zn_loop *l = open_loop();
    struct zn_err err = { 0 };
    static const int wanted[] = { SIGTERM, SIGHUP };

    cr_assert_eq(zn_loop_signals(l, wanted, 2, note_signal, l, &err), 0, "%s", err.msg);
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGHUP);
    zn_loop_run(l);
    cr_assert_eq(got[0] + got[1], SIGTERM + SIGHUP);
    zn_loop_close(l);
}

struct toggler {
    struct zn_loop *l;
    struct zn_watch w;
    int calls;
};

static void mute(void *arg, uint32_t events)
{
    struct toggler *t = arg;

    cr_assert(events & EPOLLIN);
    t->calls++;
    zn_watch_set(&t->w, 0);
}

Test(loop, muted_watch_stays_silent)
{
    struct zn_loop *l = open_loop();
    struct zn_err err = { 0 };
    struct toggler t = { .l = l };
    struct zn_timer end = { .fn = stop_loop, .arg = l };
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    t.w = (struct zn_watch){ .fd = fds[0], .events = EPOLLIN, .fn = mute, .arg = &t };
    cr_assert_eq(zn_watch_add(l, &t.w, &err), 0);
    zn_timer_set(l, &end, 30);
    zn_loop_run(l);
    cr_assert_eq(t.calls, 1);
    zn_watch_del(&t.w);
    cr_assert_eq(zn_watch_add(l, &(struct zn_watch){ .fd = -1 }, &err), -1);
    zn_loop_close(l);
}
