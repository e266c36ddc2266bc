/* Whose turn it is: deployments wait as QUEUED rows until their service and a slot of the server are
 * free. Both sides of the product give turns, the API where it queues and the worker where it ends. */
#ifndef ZN_STORE_QUEUE_H
#define ZN_STORE_QUEUE_H

#include "zaned/store/store.h"

/* Gives free slots to waiting deployments, and asks for their workflows, in the caller's transaction.
 * Must be the last act of every transaction that locks queued deployments or frees a service. */
int zn_queue_dispatch(struct zn_conn *c, struct zn_err *err);
/* The same in a transaction of its own. */
int zn_queue_dispatch_now(struct zn_store *s, struct zn_err *err);

#endif
