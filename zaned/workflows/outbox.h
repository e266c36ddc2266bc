/* Delivers the outbox: what a committed transaction wants to happen at Temporal. One thread; duplicate
 * deliveries are harmless because ids are fixed by the row. */
#ifndef ZN_WORKFLOWS_OUTBOX_H
#define ZN_WORKFLOWS_OUTBOX_H

#include "base/err.h"

struct zn_work;
struct zn_outbox;

/* Row payloads: start_workflow {workflow_type, workflow_id, input}; cancel_workflow {workflow_id,
 * reason}; signal_workflow {workflow_id, signal, input}. w is borrowed. */
int zn_outbox_start(struct zn_work *w, struct zn_outbox **ret, struct zn_err *err);
void zn_outbox_stop(struct zn_outbox *o); /* joins; NULL is fine */

#endif
