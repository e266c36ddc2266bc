/* History is cut into sequences, each ended by the workflow task that saw it. The code runs from its
 * start; when it must wait, the next sequence is applied; when there is none, longjmp gives up and what
 * is left in the command queue is the answer to the task. */
#include "zaned/temporal/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static const int64_t BUDGET_MS = 2000;
static const size_t RUN_LIMIT = 16u << 20;
static const int CAUSE_RESET = 20; /* WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW */

enum fut_kind { F_ACTIVITY, F_TIMER, F_CHILD };

struct fut {
    enum fut_kind kind;
    bool done, cancel_sent, cancel_wanted, started;
    enum zt_res res;
    json_t *value;
    const char *key, *reason, *reason_type;
    int64_t event; /* that the server gave its command; 0 = not sent yet */
    unsigned order; /* place in history at which it was resolved */
    size_t command; /* index in the queue while not sent */
};

struct signal {
    const char *name;
    json_t *value;
    unsigned order;
    bool read;
};

enum { J_SUSPENDED = 1, J_NONDET, J_ERROR };

struct zt_wf {
    struct zt_run_task t;
    struct zn_arena arena;
    jmp_buf out;
    bool running; /* inside the workflow function */
    char why[512];
    size_t cur; /* first event not applied */
    int64_t now_ms, began_ms;
    bool replaying;
    struct fut *futs;
    size_t nfuts, capfuts;
    struct zt_command *cmds; /* commands since the last completed task; [head, ncmds) wait */
    size_t head, ncmds, capcmds;
    struct signal *signals;
    size_t nsignals, capsignals;
    json_t **kept;
    size_t nkept, capkept;
    bool canceled, shield, continues;
    unsigned cancel_order, order;
    uint64_t rng;
    unsigned next_id;
    const char *reason, *reason_type;
    json_t *next_input;
};

static void give_up(struct zt_wf *w, int how, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

static void give_up(struct zt_wf *w, int how, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
    longjmp(w->out, how);
}

/* Room for one more element of a growing array in the arena (old copies stay in it). */
static void *grow(struct zt_wf *w, void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 16;
    void *bigger = zn_arena_alloc(&w->arena, more * size);

    if (!bigger)
        give_up(w, J_ERROR, "the run needs more than %zu bytes", w->arena.limit);
    if (n)
        memcpy(bigger, array, n * size);
    *cap = more;
    return bigger;
}

static void guard(struct zt_wf *w)
{
    if (!w->running)
        zn_bug("workflow call outside a workflow");
    if (zn_now_ms() - w->began_ms > BUDGET_MS)
        give_up(w, J_ERROR, "the workflow computed for more than %lld ms without waiting",
                (long long)BUDGET_MS);
}

static uint64_t seed_of(const char *run_id)
{
    uint64_t h = 1469598103934665603ull;

    for (; run_id && *run_id; run_id++)
        h = (h ^ (unsigned char)*run_id) * 1099511628211ull;
    return h;
}

static struct zt_command *push(struct zt_wf *w, enum zt_command_kind kind, int fut)
{
    w->cmds = grow(w, w->cmds, w->ncmds, &w->capcmds, sizeof *w->cmds);
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

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The next command of the code must be the one that wrote e. */
static void match(struct zt_wf *w, const struct zt_event *e, int kind)
{
    struct zt_command *c = front(w);

    if (!c)
        give_up(w, J_NONDET, "history has %s (event %lld) where the code asks for nothing",
                event_name(e->type), (long long)e->id);
    if ((int)c->kind != kind)
        give_up(w, J_NONDET, "history has %s (event %lld) where the code asks for something else",
                event_name(e->type), (long long)e->id);
    if ((kind == ZT_C_ACTIVITY || kind == ZT_C_CHILD) && (!same(c->key, e->key) || !same(c->type, e->name)))
        give_up(w, J_NONDET, "history has %s of %s/%s (event %lld), the code asks for %s/%s",
                event_name(e->type), e->key, e->name, (long long)e->id, c->key, c->type);
    if ((kind == ZT_C_TIMER || kind == ZT_C_CANCEL_TIMER) && !same(c->key, e->key))
        give_up(w, J_NONDET, "history has timer %s (event %lld), the code has timer %s", e->key,
                (long long)e->id, c->key);
    if (kind == ZT_C_CANCEL_ACTIVITY && c->ref != e->ref)
        give_up(w, J_NONDET, "history cancels activity %lld (event %lld), the code another",
                (long long)e->ref, (long long)e->id);
    if (kind == ZT_C_ACTIVITY || kind == ZT_C_TIMER || kind == ZT_C_CHILD)
        w->futs[c->fut].event = e->id;
    w->head++;
}

static struct fut *fut_of(struct zt_wf *w, const struct zt_event *e)
{
    for (size_t i = 0; i < w->nfuts; i++)
        if (w->futs[i].event && w->futs[i].event == e->ref)
            return &w->futs[i];
    give_up(w, J_NONDET, "event %lld belongs to event %lld, which the code did not cause",
            (long long)e->id, (long long)e->ref);
}

static void settle(struct zt_wf *w, struct fut *f, enum zt_res res, json_t *value,
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

static void cancel_child(struct zt_wf *w, struct fut *f)
{
    struct zt_command *c;

    if (f->cancel_sent)
        return;
    if (!f->started) {
        f->cancel_wanted = true;
        return;
    }
    f->cancel_sent = true;
    c = push(w, ZT_C_CANCEL_CHILD, (int)(f - w->futs));
    c->key = f->key;
}

static void resolve(struct zt_wf *w, const struct zt_event *e)
{
    struct fut *f = fut_of(w, e);

    switch (e->type) {
    case ZT_E_ACT_COMPLETED:
    case ZT_E_CHILD_COMPLETED:
    case ZT_E_TIMER_FIRED:
        settle(w, f, ZT_OK, e->value, NULL, NULL);
        break;
    case ZT_E_ACT_TIMED_OUT:
    case ZT_E_CHILD_TIMED_OUT:
        settle(w, f, ZT_TIMED_OUT, NULL, e->reason && *e->reason ? e->reason : "timed out",
               "timeout");
        break;
    case ZT_E_ACT_CANCELED:
    case ZT_E_CHILD_CANCELED:
        settle(w, f, ZT_CANCELED, NULL, "cancelled", "cancelled");
        break;
    case ZT_E_CHILD_STARTED:
        f->started = true;
        if (f->cancel_wanted)
            cancel_child(w, f);
        break;
    case ZT_E_CHILD_START_FAILED:
        settle(w, f, ZT_FAILED, NULL, "the child workflow exists already", "already_exists");
        break;
    case ZT_E_CHILD_TERMINATED:
        settle(w, f, ZT_FAILED, NULL, "terminated", "terminated");
        break;
    default:
        settle(w, f, ZT_FAILED, NULL, e->reason, e->reason_type);
    }
}

static void add_signal(struct zt_wf *w, const struct zt_event *e)
{
    w->signals = grow(w, w->signals, w->nsignals, &w->capsignals, sizeof *w->signals);
    w->signals[w->nsignals++] = (struct signal){ e->key, e->value, ++w->order, false };
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
            give_up(w, J_NONDET, "event %lld has type %d, which is not known here",
                    (long long)e->id, e->type);
    }
}

/* Applies one more sequence; false: history is used up. */
static bool advance(struct zt_wf *w)
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
                give_up(w, J_NONDET, "the code asks for something that history lacks (event %lld)",
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

/* --- the author's side -------------------------------------------------------------------------- */

static void suspend(struct zt_wf *w)
{
    w->running = false;
    longjmp(w->out, J_SUSPENDED);
}

json_t *zt_keep(struct zt_wf *w, json_t *value)
{
    if (!value)
        return NULL;
    w->kept = grow(w, w->kept, w->nkept, &w->capkept, sizeof *w->kept);
    w->kept[w->nkept++] = value;
    return value;
}

static struct fut *new_fut(struct zt_wf *w, enum fut_kind kind)
{
    w->futs = grow(w, w->futs, w->nfuts, &w->capfuts, sizeof *w->futs);
    struct fut *f = &w->futs[w->nfuts++];

    *f = (struct fut){ .kind = kind, .command = w->ncmds };
    f->key = zn_arena_printf(&w->arena, "%u", ++w->next_id);
    if (!f->key)
        give_up(w, J_ERROR, "the run needs more than %zu bytes", w->arena.limit);
    return f;
}

struct zt_fut zt_start(struct zt_wf *w, const struct zt_activity_opts *act, json_t *input)
{
    zt_keep(w, input);
    guard(w);
    struct fut *f = new_fut(w, F_ACTIVITY);
    int id = (int)(f - w->futs);
    struct zt_command *c = push(w, ZT_C_ACTIVITY, id);

    c->key = f->key;
    c->type = act->type;
    c->act = act;
    c->value = input;
    return (struct zt_fut){ id };
}

struct zt_fut zt_timer(struct zt_wf *w, int64_t ms)
{
    guard(w);
    struct fut *f = new_fut(w, F_TIMER);
    int id = (int)(f - w->futs);
    struct zt_command *c = push(w, ZT_C_TIMER, id);

    c->key = f->key;
    c->ms = ms > 0 ? ms : 1;
    return (struct zt_fut){ id };
}

struct zt_fut zt_child(struct zt_wf *w, const char *type, const char *workflow_id, json_t *input)
{
    zt_keep(w, input);
    guard(w);
    struct fut *f = new_fut(w, F_CHILD);
    int id = (int)(f - w->futs);
    struct zt_command *c = push(w, ZT_C_CHILD, id);

    f->key = zn_arena_strdup(&w->arena, workflow_id);
    c->key = f->key;
    c->type = type;
    c->value = input;
    return (struct zt_fut){ id };
}

static struct fut *get(struct zt_wf *w, struct zt_fut f)
{
    if (f.id < 0 || (size_t)f.id >= w->nfuts)
        zn_bug("future %d of %zu", f.id, w->nfuts);
    return &w->futs[f.id];
}

bool zt_done(struct zt_wf *w, struct zt_fut f)
{
    return get(w, f)->done;
}

void zt_cancel(struct zt_wf *w, struct zt_fut fut)
{
    struct fut *f = get(w, fut);
    struct zt_command *c;

    guard(w);
    if (f->done)
        return;
    if (!f->event) { /* asked for in this very task: never mind */
        w->cmds[f->command].dropped = true;
        settle(w, f, ZT_CANCELED, NULL, "cancelled", "cancelled");
    } else if (f->kind == F_TIMER) {
        c = push(w, ZT_C_CANCEL_TIMER, fut.id);
        c->key = f->key;
        settle(w, f, ZT_CANCELED, NULL, "cancelled", "cancelled");
    } else if (f->kind == F_CHILD) {
        cancel_child(w, f);
    } else if (!f->cancel_sent) {
        f->cancel_sent = true;
        c = push(w, ZT_C_CANCEL_ACTIVITY, fut.id);
        c->ref = f->event;
    }
}

enum zt_res zt_await(struct zt_wf *w, struct zt_fut fut, json_t **ret)
{
    guard(w);
    while (!get(w, fut)->done)
        if (!advance(w))
            suspend(w);
    struct fut *f = get(w, fut);
    if (ret)
        *ret = f->value;
    if (f->res != ZT_OK) {
        w->reason = f->reason;
        w->reason_type = f->reason_type;
    }
    return f->res;
}

/* What is true already, the earliest in history first; INT32_MIN if nothing is. */
static int ready(struct zt_wf *w, const struct zt_fut *f, int n, unsigned flags)
{
    unsigned best = UINT32_MAX;
    int which = INT32_MIN;

    for (int i = 0; i < n; i++) {
        struct fut *x = get(w, f[i]);
        if (x->done && x->order < best) {
            best = x->order;
            which = i;
        }
    }
    for (size_t i = 0; (flags & ZT_ON_SIGNAL) && i < w->nsignals; i++)
        if (!w->signals[i].read && w->signals[i].order < best) {
            best = w->signals[i].order;
            which = ZT_SIGNALED;
        }
    if ((flags & ZT_ON_CANCEL) && w->canceled && !w->shield && w->cancel_order < best)
        which = ZT_CANCEL_REQUESTED;
    return which;
}

int zt_select(struct zt_wf *w, const struct zt_fut *f, int n, unsigned flags)
{
    int which;

    guard(w);
    while ((which = ready(w, f, n, flags)) == INT32_MIN)
        if (!advance(w))
            suspend(w);
    return which;
}

static enum zt_res seen_cancel(struct zt_wf *w)
{
    w->reason = "cancelled";
    w->reason_type = "cancelled";
    return ZT_CANCELED;
}

enum zt_res zt_do(struct zt_wf *w, const struct zt_activity_opts *act, json_t *input, json_t **ret)
{
    if (w->canceled && !w->shield) {
        json_decref(input);
        return seen_cancel(w);
    }
    struct zt_fut f = zt_start(w, act, input);
    if (zt_select(w, &f, 1, ZT_ON_CANCEL) != ZT_CANCEL_REQUESTED)
        return zt_await(w, f, ret);
    zt_cancel(w, f);
    return zt_await(w, f, ret) == ZT_OK ? ZT_OK : seen_cancel(w);
}

enum zt_res zt_sleep(struct zt_wf *w, int64_t ms)
{
    if (w->canceled && !w->shield)
        return seen_cancel(w);
    struct zt_fut f = zt_timer(w, ms);
    if (zt_select(w, &f, 1, ZT_ON_CANCEL) != ZT_CANCEL_REQUESTED)
        return zt_await(w, f, NULL);
    zt_cancel(w, f);
    return seen_cancel(w);
}

bool zt_signal(struct zt_wf *w, const char *name, json_t **ret)
{
    for (size_t i = 0; i < w->nsignals; i++) {
        struct signal *s = &w->signals[i];

        if (s->read || (name && !same(s->name, name)))
            continue;
        s->read = true;
        if (ret)
            *ret = s->value;
        return true;
    }
    return false;
}

bool zt_cancel_requested(struct zt_wf *w)
{
    return w->canceled;
}

void zt_shield(struct zt_wf *w, bool on)
{
    w->shield = on;
}

int64_t zt_now_ms(struct zt_wf *w)
{
    return w->now_ms;
}

uint64_t zt_random(struct zt_wf *w)
{
    uint64_t z = w->rng += 0x9e3779b97f4a7c15ull; /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

const char *zt_workflow_id(struct zt_wf *w)
{
    return w->t.workflow_id;
}

const char *zt_run_id(struct zt_wf *w)
{
    return w->t.run_id;
}

const char *zt_reason(struct zt_wf *w)
{
    return w->reason ? w->reason : "";
}

const char *zt_reason_type(struct zt_wf *w)
{
    return w->reason_type ? w->reason_type : "";
}

void zt_log(struct zt_wf *w, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (w->replaying)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    zn_info("workflow %s: %s", w->t.workflow_id, text);
}

enum zt_res zt_continue_as_new(struct zt_wf *w, json_t *input)
{
    w->continues = true;
    w->next_input = zt_keep(w, input);
    return ZT_OK;
}

struct zn_arena *zt_arena(struct zt_wf *w)
{
    return &w->arena;
}

/* --- the driver's side -------------------------------------------------------------------------- */

static void close_with(struct zt_wf *w, enum zt_res r, json_t *result)
{
    struct zt_command *c;

    if (w->continues) {
        c = push(w, ZT_C_CONTINUE, -1);
        c->type = w->t.type;
        c->value = w->next_input;
    } else if (r == ZT_OK) {
        c = push(w, ZT_C_COMPLETE, -1);
        c->value = result;
    } else if (r == ZT_CANCELED) {
        push(w, ZT_C_CANCEL, -1);
    } else {
        c = push(w, ZT_C_FAIL, -1);
        c->reason = zt_reason(w);
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
        give_up(w, J_NONDET, "history does not begin with the start of a workflow");
    w->now_ms = first->time_ms;
    w->rng = seed_of(first->key);
    advance(w);
    w->running = true;
    r = wf->fn(w, first->value ? first->value : json_null(), &result);
    w->running = false;
    close_with(w, r, result);
    while (advance(w))
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
