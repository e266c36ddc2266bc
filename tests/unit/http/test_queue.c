/* Fairness of the queue of workers. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "zaned/http/queue.h"

enum { JOBS = 2000 };
static struct zn_job jobs[JOBS];

static unsigned take_all(struct zn_queue *q)
{
    unsigned n = 0;

    for (struct zn_job *j; (j = zn_queue_take(q)); n++)
        zn_queue_done(q, j);
    return n;
}

Test(queue, first_come_first_served_for_one)
{
    struct zn_queue q = { .max = 10, .share = 10 };

    for (int i = 0; i < 5; i++)
        cr_assert(zn_queue_push(&q, "a", &jobs[i]));
    for (int i = 0; i < 5; i++)
        cr_assert_eq(zn_queue_take(&q), &jobs[i]);
    cr_assert_null(zn_queue_take(&q));
    for (int i = 0; i < 5; i++)
        zn_queue_done(&q, &jobs[i]);
}

Test(queue, a_newcomer_waits_for_one_job_of_each_other)
{
    struct zn_queue q = { .max = 1000, .share = 1000 };

    for (int i = 0; i < 400; i++)
        cr_assert(zn_queue_push(&q, i % 2 ? "greedy" : "too", &jobs[i]));
    cr_assert(zn_queue_push(&q, "calm", &jobs[400]));
    int at = 0;
    for (struct zn_job *j; (j = zn_queue_take(&q)) != &jobs[400]; at++)
        zn_queue_done(&q, j);
    zn_queue_done(&q, &jobs[400]);
    cr_assert_leq(at, 2);
    cr_assert_eq(take_all(&q), 398u);
}

Test(queue, nobody_has_more_than_the_share)
{
    struct zn_queue q = { .max = 100, .share = 3 };

    for (int i = 0; i < 20; i++)
        zn_queue_push(&q, "greedy", &jobs[i]);
    for (int i = 0; i < 3; i++)
        cr_assert_not_null(zn_queue_take(&q));
    cr_assert_null(zn_queue_take(&q), "the fourth waits though workers are free");
    zn_queue_push(&q, "calm", &jobs[20]);
    cr_assert_eq(zn_queue_take(&q), &jobs[20]);
    zn_queue_done(&q, &jobs[1]);
    cr_assert_eq(zn_queue_take(&q), &jobs[3]);
    zn_queue_done(&q, &jobs[0]);
    zn_queue_done(&q, &jobs[2]);
    zn_queue_done(&q, &jobs[3]);
    zn_queue_done(&q, &jobs[20]);
    cr_assert_eq(take_all(&q), 16u);
}

Test(queue, one_client_fills_half_of_it_all_fill_it_whole)
{
    struct zn_queue q = { .max = 10, .share = 1 };
    char name[8];
    int n = 0;

    while (zn_queue_push(&q, "greedy", &jobs[n]))
        n++;
    cr_assert_eq(n, 5);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "c%d", i);
        cr_assert(zn_queue_push(&q, name, &jobs[n++]));
    }
    cr_assert_not(zn_queue_push(&q, "one more", &jobs[n]));
    cr_assert_eq(take_all(&q), 10u);
    cr_assert_eq(q.waiting, 0u);
}

/* Random pushes, takes and ends against counts; the sanitizers look for what is left behind. */
Test(queue, counts_hold_under_random_use)
{
    struct zn_queue q = { .max = 64, .share = 4 };
    struct zn_job *running[JOBS];
    int nrunning = 0, fresh = 0, pushed = 0, taken = 0;
    char name[8];
    unsigned rnd = 4711;

    for (int i = 0; i < 20000; i++) {
        rnd = rnd * 1103515245u + 12345u;
        unsigned what = rnd >> 16 & 3;
        snprintf(name, sizeof name, "c%u", rnd >> 20 & 7);
        if (what < 2 && fresh < JOBS) {
            if (zn_queue_push(&q, name, &jobs[fresh]))
                fresh++, pushed++;
        } else if (what == 2) {
            struct zn_job *j = zn_queue_take(&q);
            if (j)
                running[nrunning++] = j, taken++;
        } else if (nrunning) {
            zn_queue_done(&q, running[--nrunning]);
        }
        cr_assert_eq(q.waiting, (unsigned)(pushed - taken));
    }
    while (nrunning)
        zn_queue_done(&q, running[--nrunning]);
    taken += (int)take_all(&q);
    cr_assert_eq(taken, pushed);
    for (int i = 0; i < ZN_QUEUE_BUCKETS; i++)
        cr_assert_null(q.buckets[i]);
}
