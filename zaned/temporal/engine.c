/* History is cut into sequences, each ended by the workflow task that saw it. The code runs from its
 * start; when it must wait, the next sequence is applied; when there is none, longjmp gives up and what
 * is left in the command queue is the answer to the task. */
#include "zaned/temporal/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "zaned/temporal/engine_internal.h"

static const size_t RUN_LIMIT = 16u << 20;
static const int CAUSE_RESET = 20; /* WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW */

void zt_run_give_up(struct zt_wf *w, int how, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
    longjmp(w->out, how);
}

void zt_run_too_big(struct zt_wf *w)
{
    zt_run_give_up(w, J_ERROR, "the run needs more than %zu bytes", w->arena.limit);
}

void *zt_run_try_grow(struct zt_wf *w, void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 16;
    void *bigger = zn_arena_alloc(&w->arena, more * size);

    if (!bigger)
        return NULL;
    if (n)
        memcpy(bigger, array, n * size);
    *cap = more;
    return bigger;
}

void *zt_run_grow(struct zt_wf *w, void *array, size_t n, size_t *cap, size_t size)
{
    void *room = zt_run_try_grow(w, array, n, cap, size);

    if (!room)
        zt_run_too_big(w);
    return room;
}

static uint64_t seed_of(const char *run_id)
{
    uint64_t h = 1469598103934665603ull;

    for (; run_id && *run_id; run_id++)
        h = (h ^ (unsigned char)*run_id) * 1099511628211ull;
    return h;
}

struct zt_command *zt_run_push(struct zt_wf *w, enum zt_command_kind kind, int fut)
{
    w->cmds = zt_run_grow(w, w->cmds, w->ncmds, &w->capcmds, sizeof *w->cmds);
    struct zt_command *c = &w->cmds[w->ncmds++];

    *c = (struct zt_command){ .kind = kind, .fut = fut };
    return c;
}

/* --- applying history --------------------------------------------------------------------------- */

static const char *event_name(int type)
{
    static const char *const names[] = {
        [ZT_E_COMPLETED] = "WorkflowExecutionCompleted",
        [ZT_E_FAILED] = "WorkflowExecutionFailed",
        [ZT_E_ACT_SCHEDULED] = "ActivityTaskScheduled",
        [ZT_E_ACT_CANCEL_REQUESTED] = "ActivityTaskCancelRequested",
        [ZT_E_TIMER_STARTED] = "TimerStarted",
        [ZT_E_TIMER_CANCELED] = "TimerCanceled",
        [ZT_E_CANCELED] = "WorkflowExecutionCanceled",
        [ZT_E_EXTERNAL_CANCEL_INITIATED] = "RequestCancelExternalWorkflowExecutionInitiated",
        [ZT_E_CONTINUED_AS_NEW] = "WorkflowExecutionContinuedAsNew",
        [ZT_E_CHILD_INITIATED] = "StartChildWorkflowExecutionInitiated",
    };

    return type >= 0 && type < (int)(sizeof names / sizeof *names) && names[type] ? names[type]
                                                                                  : "event";
}

/* Kind of the command that writes this event, or -1. */
static int command_of(int type)
{
    switch (type) {
    case ZT_E_ACT_SCHEDULED:
        return ZT_C_ACTIVITY;
    case ZT_E_ACT_CANCEL_REQUESTED:
        return ZT_C_CANCEL_ACTIVITY;
    case ZT_E_TIMER_STARTED:
        return ZT_C_TIMER;
    case ZT_E_TIMER_CANCELED:
        return ZT_C_CANCEL_TIMER;
    case ZT_E_CHILD_INITIATED:
        return ZT_C_CHILD;
    case ZT_E_EXTERNAL_CANCEL_INITIATED:
        return ZT_C_CANCEL_CHILD;
    case ZT_E_COMPLETED:
        return ZT_C_COMPLETE;
    case ZT_E_FAILED:
        return ZT_C_FAIL;
    case ZT_E_CANCELED:
        return ZT_C_CANCEL;
    case ZT_E_CONTINUED_AS_NEW:
        return ZT_C_CONTINUE;
    default:
        return -1;
    }
}

static struct zt_command *front(struct zt_wf *w)
{
    while (w->head < w->ncmds && w->cmds[w->head].dropped)
        w->head++;
    return w->head < w->ncmds ? &w->cmds[w->head] : NULL;
}

static const char *text(const char *s)
{
    return s ? s : "";
}

static bool same(const char *a, const char *b)
{
    return strcmp(text(a), text(b)) == 0;
}

/* The next command of the code must be the one that wrote e. */
static void match(struct zt_wf *w, const struct zt_event *e, int kind)
{
    struct zt_command *c = front(w);

    if (!c)
        zt_run_give_up(w, J_NONDET, "history has %s (event %lld) where the code asks for nothing",
                event_name(e->type), (long long)e->id);
    if ((int)c->kind != kind)
        zt_run_give_up(w, J_NONDET, "history has %s (event %lld) where the code asks for something else",
                event_name(e->type), (long long)e->id);
    if ((kind == ZT_C_ACTIVITY || kind == ZT_C_CHILD) && (!same(c->key, e->key) || !same(c->type, e->name)))
        zt_run_give_up(w, J_NONDET, "history has %s of %s/%s (event %lld), the code asks for %s/%s",
                event_name(e->type), text(e->key), text(e->name), (long long)e->id, c->key, c->type);
    if ((kind == ZT_C_TIMER || kind == ZT_C_CANCEL_TIMER) && !same(c->key, e->key))
        zt_run_give_up(w, J_NONDET, "history has timer %s (event %lld), the code has timer %s",
                text(e->key), (long long)e->id, c->key);
    if (kind == ZT_C_CANCEL_ACTIVITY && c->ref != e->ref)
        zt_run_give_up(w, J_NONDET, "history cancels activity %lld (event %lld), the code another",
                (long long)e->ref, (long long)e->id);
    if (kind == ZT_C_ACTIVITY || kind == ZT_C_TIMER || kind == ZT_C_CHILD) {
        w->futs[c->fut].event = e->id;
        w->fut_at[e - w->t.events] = c->fut + 1;
    }
    w->head++;
}

static struct zt_futstate *fut_of(struct zt_wf *w, const struct zt_event *e)
{
    int fut = e->ref > 0 && (uint64_t)e->ref <= w->t.nevents ? w->fut_at[e->ref - 1] : 0;

    if (fut && w->futs[fut - 1].event == e->ref)
        return &w->futs[fut - 1];
    zt_run_give_up(w, J_NONDET, "event %lld belongs to event %lld, which the code did not cause",
            (long long)e->id, (long long)e->ref);
}

void zt_run_settle(struct zt_wf *w, struct zt_futstate *f, enum zt_res res, json_t *value,
                   const char *reason, const char *type)
{
    if (f->done) /* a timer cancelled while its firing was under way */
        return;
    f->done = true;
    f->res = res;
    f->value = value;
    f->reason = reason ? reason : "";
    f->reason_type = type ? type : "";
    f->order = ++w->order;
}

void zt_run_cancel_child(struct zt_wf *w, struct zt_futstate *f)
{
    struct zt_command *c;

    if (f->cancel_sent)
        return;
    if (!f->started) {
        f->cancel_wanted = true;
        return;
    }
    f->cancel_sent = true;
    c = zt_run_push(w, ZT_C_CANCEL_CHILD, (int)(f - w->futs));
    c->key = f->key;
}

static void resolve(struct zt_wf *w, const struct zt_event *e)
{
    struct zt_futstate *f = fut_of(w, e);

    switch (e->type) {
    case ZT_E_ACT_COMPLETED:
    case ZT_E_CHILD_COMPLETED:
        if (e->unreadable) {
            zt_run_settle(w, f, ZT_FAILED, NULL, "its result has an encoding not known here", "bad_payload");
            break;
        }
        zt_run_settle(w, f, ZT_OK, e->value, NULL, NULL);
        break;
    case ZT_E_TIMER_FIRED:
        zt_run_settle(w, f, ZT_OK, e->value, NULL, NULL);
        break;
    case ZT_E_ACT_TIMED_OUT:
    case ZT_E_CHILD_TIMED_OUT:
        zt_run_settle(w, f, ZT_TIMED_OUT, NULL, e->reason && *e->reason ? e->reason : "timed out",
               "timeout");
        break;
    case ZT_E_ACT_CANCELED:
    case ZT_E_CHILD_CANCELED:
        zt_run_settle(w, f, ZT_CANCELED, NULL, "cancelled", "cancelled");
        break;
    case ZT_E_CHILD_STARTED:
        f->started = true;
        if (f->cancel_wanted)
            zt_run_cancel_child(w, f);
        break;
    case ZT_E_CHILD_START_FAILED:
        zt_run_settle(w, f, ZT_FAILED, NULL, "the child workflow exists already", "already_exists");
        break;
    case ZT_E_CHILD_TERMINATED:
        zt_run_settle(w, f, ZT_FAILED, NULL, "terminated", "terminated");
        break;
    default:
        zt_run_settle(w, f, ZT_FAILED, NULL, e->reason, e->reason_type);
    }
}

/* An unreadable value arrives as null: the workflow must see that there was a signal. */
static void add_signal(struct zt_wf *w, const struct zt_event *e)
{
    if (e->unreadable)
        zn_warn("workflow %s: signal %s has a value with an encoding not known here", w->t.workflow_id,
                text(e->key));
    w->signals = zt_run_grow(w, w->signals, w->nsignals, &w->capsignals, sizeof *w->signals);
    w->signals[w->nsignals++] = (struct zt_sigstate){ text(e->key),
                                                  e->value ? e->value : json_null(),
                                                  ++w->order, false };
}

/* One event that is neither a command's nor task bookkeeping. */
static void apply(struct zt_wf *w, const struct zt_event *e)
{
    switch (e->type) {
    case ZT_E_ACT_COMPLETED:
    case ZT_E_ACT_FAILED:
    case ZT_E_ACT_TIMED_OUT:
    case ZT_E_ACT_CANCELED:
    case ZT_E_TIMER_FIRED:
    case ZT_E_CHILD_START_FAILED:
    case ZT_E_CHILD_STARTED:
    case ZT_E_CHILD_COMPLETED:
    case ZT_E_CHILD_FAILED:
    case ZT_E_CHILD_CANCELED:
    case ZT_E_CHILD_TIMED_OUT:
    case ZT_E_CHILD_TERMINATED:
        resolve(w, e);
        break;
    case ZT_E_SIGNALED:
        add_signal(w, e);
        break;
    case ZT_E_CANCEL_REQUESTED:
        if (!w->canceled) {
            w->canceled = true;
            w->cancel_order = ++w->order;
        }
        break;
    case ZT_E_STARTED:
    case ZT_E_ACT_STARTED:
    case ZT_E_TIMED_OUT:
    case ZT_E_TERMINATED:
    case ZT_E_TASK_TIMED_OUT:
    case ZT_E_EXTERNAL_CANCEL_FAILED:
    case ZT_E_EXTERNAL_CANCEL_REQUESTED:
        break;
    case ZT_E_TASK_FAILED:
        if (e->cause == CAUSE_RESET)
            w->rng = seed_of(e->key);
        break;
    default:
        if (!e->may_ignore)
            zt_run_give_up(w, J_NONDET, "event %lld has type %d, which is not known here",
                    (long long)e->id, e->type);
    }
}

bool zt_run_advance(struct zt_wf *w)
{
    size_t answered = 0; /* commands up to here were the completed task's answer */

    for (size_t i = w->cur; i < w->t.nevents; i++) {
        const struct zt_event *e = &w->t.events[i];
        int kind = command_of(e->type);

        if (kind >= 0) {
            match(w, e, kind);
        } else if (e->type == ZT_E_TASK_COMPLETED) {
            answered = w->ncmds;
        } else if (e->type == ZT_E_TASK_SCHEDULED) {
            if (front(w) && w->head < answered)
                zt_run_give_up(w, J_NONDET, "the code asks for something that history lacks (event %lld)",
                        (long long)e->id);
            answered = 0;
        } else if (e->type == ZT_E_TASK_STARTED) {
            bool last = i + 1 == w->t.nevents;

            if (!last && w->t.events[i + 1].type != ZT_E_TASK_COMPLETED)
                continue; /* that task never happened */
            if (e->time_ms > w->now_ms)
                w->now_ms = e->time_ms;
            w->cur = i + 1;
            w->replaying = !last;
            return true;
        } else {
            apply(w, e);
        }
    }
    w->cur = w->t.nevents;
    return false;
}

/* --- the driver's side -------------------------------------------------------------------------- */

static void close_with(struct zt_wf *w, enum zt_res r, json_t *result)
{
    struct zt_command *c;

    if (w->continues) {
        c = zt_run_push(w, ZT_C_CONTINUE, -1);
        c->type = w->t.type;
        c->value = w->next_input;
    } else if (r == ZT_OK) {
        c = zt_run_push(w, ZT_C_COMPLETE, -1);
        c->value = result;
    } else if (r == ZT_CANCELED) {
        zt_run_push(w, ZT_C_CANCEL, -1);
    } else {
        c = zt_run_push(w, ZT_C_FAIL, -1);
        c->reason = *zt_reason(w) ? zt_reason(w) : "the workflow failed and gave no reason";
        c->reason_type = zt_reason_type(w);
    }
}

static const struct zt_workflow *find(const struct zt_run_task *t)
{
    for (size_t i = 0; i < t->nworkflows; i++)
        if (same(t->workflows[i].type, t->type))
            return &t->workflows[i];
    return NULL;
}

/* Runs the function and what history has after its end. Jumps out on suspension and errors. */
static void run(struct zt_wf *w, const struct zt_workflow *wf)
{
    const struct zt_event *first = w->t.nevents ? &w->t.events[0] : NULL;
    json_t *result = NULL;
    enum zt_res r;

    if (!first || first->type != ZT_E_STARTED)
        zt_run_give_up(w, J_NONDET, "history does not begin with the start of a workflow");
    if (first->unreadable)
        zt_run_give_up(w, J_ERROR, "the workflow's input has an encoding not known here");
    w->fut_at = zn_arena_alloc(&w->arena, w->t.nevents * sizeof *w->fut_at);
    if (!w->fut_at)
        zt_run_too_big(w);
    w->now_ms = first->time_ms;
    w->rng = seed_of(first->key);
    zt_run_advance(w);
    w->running = true;
    r = wf->fn(w, first->value ? first->value : json_null(), &result);
    w->running = false;
    close_with(w, r, result);
    while (zt_run_advance(w))
        ;
}

struct zt_wf *zt_run_new(const struct zt_run_task *t)
{
    struct zt_wf *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->t = *t;
    w->arena.limit = t->run_limit ? t->run_limit : RUN_LIMIT;
    return w;
}

enum zt_outcome zt_run_execute(struct zt_wf *w)
{
    const struct zt_workflow *wf = find(&w->t);

    if (!wf) {
        snprintf(w->why, sizeof w->why, "no workflow of type %.100s here", w->t.type);
        return ZT_RUN_ERROR;
    }
    w->began_ms = zn_now_ms();
    switch (setjmp(w->out)) {
    case 0:
        run(w, wf);
        return ZT_RUN_OK;
    case J_SUSPENDED:
        return ZT_RUN_OK;
    case J_NONDET:
        return ZT_RUN_NONDETERMINISM;
    default:
        return ZT_RUN_ERROR;
    }
}

const char *zt_run_why(struct zt_wf *w)
{
    return w->why;
}

const struct zt_command *zt_run_command(struct zt_wf *w, size_t i)
{
    for (size_t k = w->head; k < w->ncmds; k++)
        if (!w->cmds[k].dropped && i-- == 0)
            return &w->cmds[k];
    return NULL;
}

void zt_run_free(struct zt_wf *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->nkept; i++)
        json_decref(w->kept[i]);
    zn_arena_done(&w->arena);
    free(w);
}
