/* The audit log: who did what, from where, with what before and after. */
#ifndef ZN_API_AUDIT_H
#define ZN_API_AUDIT_H

#include "zaned/api/api.h"

/* Writes an entry in the transaction of the change itself. action: "service.deploy"; target: the id of
 * what was changed. before and after may be NULL; they are borrowed and must hold no secret in clear
 * text: members whose values are secret are left out or replaced by their sealed form. */
int zn_audit(struct zn_conn *c, struct zn_call *call, const char *action, const char *target,
             const json_t *before, const json_t *after, struct zn_err *err);

#endif
