/* Idempotency-Key: a POST that is repeated with its key gets the first one's answer, and is carried out
 * once. The key is taken in the transaction of the change itself, so a failure leaves it free. */
#ifndef ZN_API_IDEMPOTENCY_H
#define ZN_API_IDEMPOTENCY_H

#include "zaned/api/api.h"

struct zn_once; /* one such request on its way; in its arena */

/* Before the handler. 0: go on, c->once is set if there is a key. 1: the reply is filled, from the first
 * time or with what is wrong. -1: err. */
int zn_once_begin(struct zn_call *c, struct zn_reply *reply, struct zn_err *err);
/* After it, whatever came of it: keeps the answer if the request changed something. */
void zn_once_end(struct zn_call *c, const struct zn_reply *reply);
/* zn_audit_tx that takes the key first. ZN_CONFLICT: another process has it. */
int zn_once_tx(struct zn_call *c, int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err), void *arg,
               struct zn_err *err);

#endif
