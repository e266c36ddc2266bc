/* The audit log: who did what, from where, with what before and after. Entries are a chain of
 * hashes that is only added to; GET /api/audit/verify/ walks it. */
#ifndef ZN_API_AUDIT_H
#define ZN_API_AUDIT_H

#include "zaned/api/api.h"

/* Notes an entry for the transaction of the change itself, which must be one of zn_call_tx: that
 * writes it at the end, or never if the transaction fails. action: "service.deploy"; target: the id
 * of what was changed. before and after may be NULL; they are borrowed and must hold no secret in
 * clear text: members whose values are secret are left out or replaced by their sealed form, which
 * is written down as "(sealed)". Members named like secrets ("password", "deploy_token", …) are
 * written down as "(secret)" all the same. */
int zn_audit(struct zn_conn *c, struct zn_call *call, const char *action, const char *target,
             const json_t *before, const json_t *after, struct zn_err *err);

/* The same for somebody who has no session (yet): a login. user_id 0 = not known. */
int zn_audit_as(struct zn_call *call, long long user_id, const char *username, const char *action,
                const char *target, const json_t *after, struct zn_err *err);

/* zn_tx whose last act is to write the entries that fn noted. Each attempt begins without any. */
int zn_audit_tx(struct zn_call *call,
                int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err), void *arg,
                struct zn_err *err);

/* What happened without changing anything else: a transaction of its own for the entries noted so
 * far. */
int zn_audit_write(struct zn_call *call, struct zn_err *err);

/* The request is over: entries that were noted and never written are a mistake of ours, and said in
 * the log. */
void zn_audit_end(struct zn_call *call);

#endif
