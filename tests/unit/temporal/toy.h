/* A toy workflow server: turns commands into events with random failures, cancellations, buffered
 * signals, failed and timed-out tasks and UnhandledCommand, and checks that every completed task's
 * history, cut there and replayed, gives exactly the commands that follow. */
#ifndef TESTS_TOY_H
#define TESTS_TOY_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zaned/temporal/engine.h"

enum { TOY_BUFFERED = 64, TOY_EVENTS = 1200, TOY_PENDING = 64, TOY_CUTS = 200 };

struct toy_pending {
    int kind; /* ZT_C_ACTIVITY, ZT_C_TIMER, ZT_C_CHILD */
    int64_t event;
    char key[64], type[64];
    bool cancel, started;
};

struct toy_cut { /* a completed task: history up to its start, and what it answered */
    size_t events;
    size_t first, n; /* in toy.log */
};

struct toy {
    uint64_t rng;
    const struct zt_workflow *wf;
    json_t *input;
    struct zt_event ev[TOY_EVENTS];
    size_t n;
    struct zt_event buffered[TOY_BUFFERED];
    size_t nbuffered;
    struct toy_pending pending[TOY_PENDING];
    size_t npending;
    struct toy_cut cuts[TOY_CUTS];
    size_t ncuts;
    struct { int kind; char key[64], type[64]; } log[2000];
    size_t nlog;
    bool cancel_sent, closed;
    int closed_kind;
    unsigned fail_percent, cancel_percent;
    char texts[TOY_EVENTS][64];
    size_t ntexts;
    json_t *made[TOY_EVENTS];
    size_t nmade;
    unsigned counts[8]; /* by outcome, for "all of them occur" */
    /* What the activity answers; NULL = JSON true. New reference. */
    json_t *(*answer)(struct toy *t, const char *type);
    /* Called when an activity is scheduled and when it has ended with that result. */
    void (*seen)(struct toy *t, const char *type, int result);
    void *arg;
};

static uint64_t toy_rand(struct toy *t)
{
    t->rng ^= t->rng << 13;
    t->rng ^= t->rng >> 7;
    t->rng ^= t->rng << 17;
    return t->rng;
}

static bool toy_chance(struct toy *t, unsigned percent)
{
    return toy_rand(t) % 100 < percent;
}

static const char *toy_text(struct toy *t, const char *s)
{
    cr_assert(t->ntexts < TOY_EVENTS);
    snprintf(t->texts[t->ntexts], 64, "%s", s ? s : "");
    return t->texts[t->ntexts++];
}

static struct zt_event *toy_add(struct toy *t, int type)
{
    cr_assert(t->n < TOY_EVENTS, "history too long");
    struct zt_event *e = &t->ev[t->n];

    *e = (struct zt_event){ .id = (int64_t)t->n + 1, .type = type, .time_ms = 1000 + (int64_t)t->n * 10 };
    t->n++;
    return e;
}

static json_t *toy_own(struct toy *t, json_t *v)
{
    cr_assert(t->nmade < TOY_EVENTS);
    t->made[t->nmade++] = v;
    return v;
}

static void toy_buffer(struct toy *t, struct zt_event e)
{
    cr_assert(t->nbuffered < TOY_BUFFERED);
    t->buffered[t->nbuffered++] = e;
}

static void toy_drop(struct toy *t, size_t i)
{
    t->pending[i] = t->pending[--t->npending];
}

/* Ends one pending thing in a random way; the event goes to *e. False if it only started. */
static bool toy_end(struct toy *t, size_t i, struct zt_event *e)
{
    struct toy_pending p = t->pending[i];
    int result = ZT_OK;

    *e = (struct zt_event){ .ref = p.event };
    if (p.kind == ZT_C_TIMER) {
        e->type = ZT_E_TIMER_FIRED;
        e->key = toy_text(t, p.key);
    } else if (p.kind == ZT_C_CHILD && !p.started) {
        t->pending[i].started = true;
        e->type = ZT_E_CHILD_STARTED;
        return true;
    } else {
        bool act = p.kind == ZT_C_ACTIVITY;

        if (p.cancel && toy_chance(t, 70)) {
            result = ZT_CANCELED;
            e->type = act ? ZT_E_ACT_CANCELED : ZT_E_CHILD_CANCELED;
        } else if (toy_chance(t, t->fail_percent)) {
            bool out = toy_chance(t, 30);
            result = out ? ZT_TIMED_OUT : ZT_FAILED;
            e->type = act ? (out ? ZT_E_ACT_TIMED_OUT : ZT_E_ACT_FAILED)
                          : (out ? ZT_E_CHILD_TIMED_OUT : ZT_E_CHILD_FAILED);
            e->reason = "toy failure";
            e->reason_type = "toy";
        } else {
            e->type = act ? ZT_E_ACT_COMPLETED : ZT_E_CHILD_COMPLETED;
            e->value = toy_own(t, t->answer ? t->answer(t, p.type) : json_true());
        }
        t->counts[result]++;
        if (act && t->seen)
            t->seen(t, p.type, result);
    }
    toy_drop(t, i);
    return true;
}

static struct zt_event toy_signal(void)
{
    return (struct zt_event){ .type = ZT_E_SIGNALED, .key = "poke", .value = json_true() };
}

/* Something of the world outside happens: one event. */
static struct zt_event toy_world(struct toy *t)
{
    struct zt_event e;

    if (!t->cancel_sent && toy_chance(t, t->cancel_percent)) {
        t->cancel_sent = true;
        return (struct zt_event){ .type = ZT_E_CANCEL_REQUESTED };
    }
    if (!t->npending || toy_chance(t, 5))
        return toy_signal();
    toy_end(t, toy_rand(t) % t->npending, &e);
    return e;
}

static void toy_append(struct toy *t, struct zt_event e)
{
    struct zt_event *to = toy_add(t, e.type);
    int64_t id = to->id, time = to->time_ms;

    *to = e;
    to->id = id;
    to->time_ms = time;
}

static bool toy_is_close(int type)
{
    return (type >= ZT_E_ACT_COMPLETED && type <= ZT_E_ACT_TIMED_OUT) || type == ZT_E_ACT_CANCELED ||
           (type >= ZT_E_CHILD_COMPLETED && type <= ZT_E_CHILD_TERMINATED);
}

/* As the real server: the ends of activities and children go behind the other buffered events. */
static void toy_flush(struct toy *t)
{
    for (int closes = 0; closes < 2; closes++)
        for (size_t i = 0; i < t->nbuffered; i++)
            if (toy_is_close(t->buffered[i].type) == (closes == 1))
                toy_append(t, t->buffered[i]);
    t->nbuffered = 0;
}

/* A timer cancelled while its firing is buffered never fired. */
static void toy_unfire(struct toy *t, const char *key)
{
    for (size_t i = 0; i < t->nbuffered; i++)
        if (t->buffered[i].type == ZT_E_TIMER_FIRED && strcmp(t->buffered[i].key, key) == 0) {
            memmove(&t->buffered[i], &t->buffered[i + 1], (--t->nbuffered - i) * sizeof *t->buffered);
            return;
        }
}

static void toy_open(struct toy *t, const struct zt_command *c, int64_t event)
{
    cr_assert(t->npending < TOY_PENDING);
    struct toy_pending *p = &t->pending[t->npending++];

    *p = (struct toy_pending){ .kind = (int)c->kind, .event = event };
    snprintf(p->key, sizeof p->key, "%s", c->key);
    snprintf(p->type, sizeof p->type, "%s", c->type ? c->type : "");
}

/* The event that a command writes, and what it changes. */
static void toy_command(struct toy *t, const struct zt_command *c)
{
    static const int events[] = { [ZT_C_ACTIVITY] = ZT_E_ACT_SCHEDULED,
                                  [ZT_C_CANCEL_ACTIVITY] = ZT_E_ACT_CANCEL_REQUESTED,
                                  [ZT_C_TIMER] = ZT_E_TIMER_STARTED,
                                  [ZT_C_CANCEL_TIMER] = ZT_E_TIMER_CANCELED,
                                  [ZT_C_CHILD] = ZT_E_CHILD_INITIATED,
                                  [ZT_C_CANCEL_CHILD] = ZT_E_EXTERNAL_CANCEL_INITIATED,
                                  [ZT_C_COMPLETE] = ZT_E_COMPLETED,
                                  [ZT_C_FAIL] = ZT_E_FAILED,
                                  [ZT_C_CANCEL] = ZT_E_CANCELED,
                                  [ZT_C_CONTINUE] = ZT_E_CONTINUED_AS_NEW };
    struct zt_event *e = toy_add(t, events[c->kind]);

    e->key = toy_text(t, c->key);
    e->name = toy_text(t, c->type);
    e->ref = c->ref;
    if (c->kind == ZT_C_ACTIVITY || c->kind == ZT_C_TIMER || c->kind == ZT_C_CHILD)
        toy_open(t, c, e->id);
    if (c->kind == ZT_C_ACTIVITY && t->seen)
        t->seen(t, c->type, -1);
    if (c->kind == ZT_C_CANCEL_TIMER)
        toy_unfire(t, c->key);
    for (size_t i = 0; i < t->npending; i++) {
        struct toy_pending *p = &t->pending[i];
        if (c->kind == ZT_C_CANCEL_ACTIVITY && p->event == c->ref && toy_chance(t, 40)) {
            /* no worker has it yet: cancelled at once, behind this task's events */
            t->counts[ZT_CANCELED]++;
            if (t->seen)
                t->seen(t, p->type, ZT_CANCELED);
            toy_buffer(t, (struct zt_event){ .type = ZT_E_ACT_CANCELED, .ref = p->event });
            toy_drop(t, i);
            break;
        }
        if (c->kind == ZT_C_CANCEL_ACTIVITY && p->event == c->ref)
            p->cancel = true;
        if (c->kind == ZT_C_CANCEL_CHILD && p->kind == ZT_C_CHILD && !strcmp(p->key, c->key))
            p->cancel = true;
        if (c->kind == ZT_C_CANCEL_TIMER && p->kind == ZT_C_TIMER && !strcmp(p->key, c->key)) {
            toy_drop(t, i);
            break;
        }
    }
    if (c->kind >= ZT_C_COMPLETE) {
        t->closed = true;
        t->closed_kind = (int)c->kind;
    }
}

static struct zt_wf *toy_run(struct toy *t, size_t n)
{
    struct zt_run_task task = { .events = t->ev, .nevents = n, .workflow_id = "wf", .run_id = "run",
                                .type = t->wf->type, .workflows = t->wf, .nworkflows = 1,
                                .run_limit = 4 << 20 };
    struct zt_wf *w = zt_run_new(&task);
    enum zt_outcome o = zt_run_execute(w);

    cr_assert_eq(o, ZT_RUN_OK, "outcome %d: %s", (int)o, zt_run_why(w));
    return w;
}

static bool toy_closes(struct zt_wf *w)
{
    const struct zt_command *c;

    for (size_t i = 0; (c = zt_run_command(w, i)); i++)
        if (c->kind >= ZT_C_COMPLETE)
            return true;
    return false;
}

/* One workflow task: handed over, answered (or not), its commands carried out. */
static void toy_task(struct toy *t)
{
    toy_add(t, ZT_E_TASK_SCHEDULED);
    toy_add(t, ZT_E_TASK_STARTED);
    if (toy_chance(t, 5)) {
        toy_add(t, toy_chance(t, 50) ? ZT_E_TASK_TIMED_OUT : ZT_E_TASK_FAILED);
        return;
    }
    struct zt_wf *w = toy_run(t, t->n);
    const struct zt_command *c;

    while (toy_chance(t, 25)) /* something comes in while the task runs */
        toy_buffer(t, toy_chance(t, 50) ? toy_signal() : toy_world(t));
    if (toy_closes(w) && t->nbuffered) { /* UnhandledCommand */
        toy_add(t, ZT_E_TASK_FAILED)->cause = 1;
        toy_flush(t);
        zt_run_free(w);
        return;
    }
    cr_assert(t->ncuts < TOY_CUTS);
    struct toy_cut *cut = &t->cuts[t->ncuts++];
    *cut = (struct toy_cut){ t->n, t->nlog, 0 };
    toy_add(t, ZT_E_TASK_COMPLETED);
    for (size_t i = 0; (c = zt_run_command(w, i)); i++) {
        snprintf(t->log[t->nlog].key, 64, "%s", c->key ? c->key : "");
        snprintf(t->log[t->nlog].type, 64, "%s", c->type ? c->type : "");
        t->log[t->nlog++].kind = (int)c->kind;
        cut->n++;
        toy_command(t, c);
    }
    zt_run_free(w);
    toy_flush(t);
}

/* Every cut, replayed, must answer as it did. */
static void toy_check(struct toy *t)
{
    for (size_t i = 0; i < t->ncuts; i++) {
        struct zt_wf *w = toy_run(t, t->cuts[i].events);
        const struct zt_command *c;
        size_t k;

        for (k = 0; (c = zt_run_command(w, k)); k++) {
            cr_assert(k < t->cuts[i].n, "replay asks for more");
            size_t at = t->cuts[i].first + k;
            cr_assert_eq((int)c->kind, t->log[at].kind);
            cr_assert_str_eq(c->key ? c->key : "", t->log[at].key);
            cr_assert_str_eq(c->type ? c->type : "", t->log[at].type);
        }
        cr_assert_eq(k, t->cuts[i].n, "replay asks for less");
        zt_run_free(w);
    }
}

static void toy_play(struct toy *t)
{
    struct zt_event *e = toy_add(t, ZT_E_STARTED);

    e->key = "run";
    e->value = t->input;
    for (int i = 0; i < 150 && !t->closed; i++) {
        toy_task(t);
        if (t->closed)
            break;
        for (unsigned k = 0; k <= toy_rand(t) % 2; k++)
            toy_append(t, toy_world(t));
    }
    toy_check(t);
}

static void toy_done(struct toy *t)
{
    for (size_t i = 0; i < t->nmade; i++)
        json_decref(t->made[i]);
    json_decref(t->input);
}

#endif
