/* Shared by engine.c (history and driver) and engine_api.c (the calls that workflows make). */
#ifndef ZT_ENGINE_INTERNAL_H
#define ZT_ENGINE_INTERNAL_H

#include <setjmp.h>

#include "zaned/temporal/engine.h"

enum zt_fut_kind { F_ACTIVITY, F_TIMER, F_CHILD };

struct zt_futstate {
    enum zt_fut_kind kind;
    bool done, cancel_sent, cancel_wanted, started;
    enum zt_res res;
    json_t *value;
    const char *key, *reason, *reason_type;
    int64_t event; /* that the server gave its command; 0 = not sent yet */
    unsigned order; /* place in history at which it was resolved */
    size_t command; /* index in the queue while not sent */
};

struct zt_sigstate {
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
    struct zt_futstate *futs;
    size_t nfuts, capfuts;
    int *fut_at; /* by place of the event that its command wrote: index + 1; 0 = no future's */
    struct zt_command *cmds; /* commands since the last completed task; [head, ncmds) wait */
    size_t head, ncmds, capcmds;
    struct zt_sigstate *signals;
    size_t nsignals, capsignals, unread; /* all before unread are read */
    json_t **kept;
    size_t nkept, capkept;
    bool canceled, shield, continues;
    unsigned cancel_order, order;
    uint64_t rng;
    unsigned next_id;
    const char *reason, *reason_type;
    json_t *next_input;
};

/* Ends the execution; the outcome is how, the text is zt_run_why(). */
void zt_run_give_up(struct zt_wf *w, int how, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void zt_run_too_big(struct zt_wf *w) __attribute__((noreturn)); /* over the memory limit */
/* Room for one more element of a growing array in the arena (old copies stay in it). try_: NULL over
 * the limit; the other gives up. */
void *zt_run_try_grow(struct zt_wf *w, void *array, size_t n, size_t *cap, size_t size);
void *zt_run_grow(struct zt_wf *w, void *array, size_t n, size_t *cap, size_t size);
struct zt_command *zt_run_push(struct zt_wf *w, enum zt_command_kind kind, int fut);
/* Resolves f unless it is resolved already. */
void zt_run_settle(struct zt_wf *w, struct zt_futstate *f, enum zt_res res, json_t *value,
                   const char *reason, const char *type);
/* Asks a child to cancel, once it has started. */
void zt_run_cancel_child(struct zt_wf *w, struct zt_futstate *f);
/* Applies one more sequence; false: history is used up. */
bool zt_run_advance(struct zt_wf *w);

#endif
