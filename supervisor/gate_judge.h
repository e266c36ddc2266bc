/* What the gate makes of an answer, and of good and bad rounds. Pure: no loop, no clock. */
#ifndef ZN_SUPERVISOR_GATE_JUDGE_H
#define ZN_SUPERVISOR_GATE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/engine.h"

enum { ZN_GATE_WHY = 256 };

/* How long all has been good in a row. */
struct zn_gate_hold {
    int64_t hold_ms, since_ms; /* since_ms 0 = it is not */
};

/* A round ended, or something broke in between. True: that was long enough. */
bool zn_gate_hold_note(struct zn_gate_hold *h, int64_t now_ms, bool good);
unsigned zn_gate_hold_percent(const struct zn_gate_hold *h, int64_t now_ms);

/* Each: 0 good, or -1 with why in words. */
/* The dashboard's document; script gets the path of its program. */
int zn_gate_judge_page(const struct zn_engine_reply *r, char script[ZN_GATE_WHY],
                       char why[ZN_GATE_WHY]);
int zn_gate_judge_script(const struct zn_engine_reply *r, char why[ZN_GATE_WHY]);
int zn_gate_judge_api(const struct zn_engine_reply *r, char why[ZN_GATE_WHY]);
/* run: what the app of this run shows; an app of an earlier one may answer for a moment longer. */
int zn_gate_judge_canary(const struct zn_engine_reply *r, const char *run, char why[ZN_GATE_WHY]);
/* 1 the line is there, 0 not yet. */
int zn_gate_judge_line(const struct zn_engine_reply *r, char why[ZN_GATE_WHY]);
/* What is known of the app's tasks (GET /tasks), in words; "" if its newest one runs. */
void zn_gate_judge_tasks(json_t *tasks, char why[ZN_GATE_WHY]);

#endif
