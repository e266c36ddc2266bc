/* Keeps swarm and proxy at what the database says, at start and every 30 s: production services that are
 * missing come back, what nothing stands for goes after a grace time, wrong routes are loaded anew, and
 * deployments whose workflow is gone end. A swarm that was emptied is filled again this way. */
#ifndef ZN_WORKFLOWS_RECONCILE_H
#define ZN_WORKFLOWS_RECONCILE_H

#include "base/err.h"

struct zn_work;
struct zn_reconciler;

/* w is borrowed and must outlive it. */
int zn_reconciler_start(struct zn_work *w, struct zn_reconciler **ret, struct zn_err *err);
void zn_reconciler_stop(struct zn_reconciler *r); /* joins; NULL is fine */

#endif
