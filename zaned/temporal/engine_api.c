/* The calls that a workflow makes. Those that wait apply history until it has what they wait for, and
 * never return where it has not. */
#include "zaned/temporal/workflow.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "zaned/temporal/engine_internal.h"

static const int64_t BUDGET_MS = 2000;

/* First in every call of the author's that a loop could be made of: such a loop must end. */
static void guard(struct zt_wf *w)
{
    if (!w->running)
        zn_bug("workflow call outside a workflow");
    if (zn_now_ms() - w->began_ms > BUDGET_MS)
        zt_run_give_up(w, J_ERROR, "the workflow computed for more than %lld ms without waiting",
                (long long)BUDGET_MS);
}

static void suspend(struct zt_wf *w)
{
    w->running = false;
    longjmp(w->out, J_SUSPENDED);
}

json_t *zt_keep(struct zt_wf *w, json_t *value)
{
    if (!value)
        return NULL;
    json_t **room = zt_run_try_grow(w, w->kept, w->nkept, &w->capkept, sizeof *w->kept);

    if (!room) {
        json_decref(value); /* nobody else would */
        zt_run_too_big(w);
    }
    w->kept = room;
    w->kept[w->nkept++] = value;
    return value;
}

static struct zt_futstate *new_fut(struct zt_wf *w, enum zt_fut_kind kind)
{
    w->futs = zt_run_grow(w, w->futs, w->nfuts, &w->capfuts, sizeof *w->futs);
    struct zt_futstate *f = &w->futs[w->nfuts++];

    *f = (struct zt_futstate){ .kind = kind, .command = w->ncmds };
    f->key = zn_arena_printf(&w->arena, "%u", ++w->next_id);
    if (!f->key)
        zt_run_too_big(w);
    return f;
}

struct zt_fut zt_start(struct zt_wf *w, const struct zt_activity_opts *act, json_t *input)
{
    zt_keep(w, input);
    guard(w);
    struct zt_futstate *f = new_fut(w, F_ACTIVITY);
    int id = (int)(f - w->futs);
    struct zt_command *c = zt_run_push(w, ZT_C_ACTIVITY, id);

    c->key = f->key;
    c->type = act->type;
    c->act = act;
    c->value = input;
    return (struct zt_fut){ id };
}

struct zt_fut zt_timer(struct zt_wf *w, int64_t ms)
{
    guard(w);
    struct zt_futstate *f = new_fut(w, F_TIMER);
    int id = (int)(f - w->futs);
    struct zt_command *c = zt_run_push(w, ZT_C_TIMER, id);

    c->key = f->key;
    c->ms = ms > 0 ? ms : 1;
    return (struct zt_fut){ id };
}

struct zt_fut zt_child(struct zt_wf *w, const char *type, const char *workflow_id, json_t *input)
{
    return zt_child_on(w, NULL, type, workflow_id, input);
}

struct zt_fut zt_child_on(struct zt_wf *w, const char *queue, const char *type, const char *workflow_id,
                          json_t *input)
{
    zt_keep(w, input);
    guard(w);
    struct zt_futstate *f = new_fut(w, F_CHILD);
    int id = (int)(f - w->futs);
    struct zt_command *c = zt_run_push(w, ZT_C_CHILD, id);

    f->key = zn_arena_strdup(&w->arena, workflow_id);
    if (!f->key)
        zt_run_too_big(w);
    c->key = f->key;
    c->type = type;
    c->queue = queue;
    c->value = input;
    return (struct zt_fut){ id };
}

static struct zt_futstate *get(struct zt_wf *w, struct zt_fut f)
{
    if (f.id < 0 || (size_t)f.id >= w->nfuts)
        zn_bug("future %d of %zu", f.id, w->nfuts);
    return &w->futs[f.id];
}

bool zt_done(struct zt_wf *w, struct zt_fut f)
{
    guard(w);
    return get(w, f)->done;
}

void zt_cancel(struct zt_wf *w, struct zt_fut fut)
{
    struct zt_futstate *f = get(w, fut);
    struct zt_command *c;

    guard(w);
    if (f->done)
        return;
    if (!f->event) { /* asked for in this very task: never mind */
        w->cmds[f->command].dropped = true;
        zt_run_settle(w, f, ZT_CANCELED, NULL, "cancelled", "cancelled");
    } else if (f->kind == F_TIMER) {
        c = zt_run_push(w, ZT_C_CANCEL_TIMER, fut.id);
        c->key = f->key;
        zt_run_settle(w, f, ZT_CANCELED, NULL, "cancelled", "cancelled");
    } else if (f->kind == F_CHILD) {
        zt_run_cancel_child(w, f);
    } else if (!f->cancel_sent) {
        f->cancel_sent = true;
        c = zt_run_push(w, ZT_C_CANCEL_ACTIVITY, fut.id);
        c->ref = f->event;
    }
}

enum zt_res zt_await(struct zt_wf *w, struct zt_fut fut, json_t **ret)
{
    guard(w);
    while (!get(w, fut)->done)
        if (!zt_run_advance(w))
            suspend(w);
    struct zt_futstate *f = get(w, fut);
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
        struct zt_futstate *x = get(w, f[i]);
        if (x->done && x->order < best) {
            best = x->order;
            which = i;
        }
    }
    if ((flags & ZT_ON_SIGNAL) && w->unread < w->nsignals && w->signals[w->unread].order < best) {
        best = w->signals[w->unread].order; /* they queue in order: the first is the earliest */
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
        if (!zt_run_advance(w))
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
    guard(w);
    for (size_t i = w->unread; i < w->nsignals; i++) {
        struct zt_sigstate *s = &w->signals[i];

        if (s->read || (name && strcmp(s->name, name) != 0))
            continue;
        s->read = true;
        while (w->unread < w->nsignals && w->signals[w->unread].read)
            w->unread++;
        if (ret)
            *ret = s->value;
        return true;
    }
    return false;
}

bool zt_cancel_requested(struct zt_wf *w)
{
    guard(w);
    return w->canceled;
}

void zt_shield(struct zt_wf *w, bool on)
{
    w->shield = on;
}

int64_t zt_now_ms(struct zt_wf *w)
{
    guard(w);
    return w->now_ms;
}

uint64_t zt_random(struct zt_wf *w)
{
    guard(w);
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
