/* One entry of the audit log and its place in the chain. */
#ifndef ZN_API_AUDIT_CHAIN_H
#define ZN_API_AUDIT_CHAIN_H

#include "base/err.h"
#include "base/json.h"

enum { ZN_AUDIT_HASH = 65 };

/* All texts as the database shows them, NULL for SQL null. */
struct zn_audit_entry {
    const char *seq, *at, *user_id, *user_name, *token_id, *session_id, *workspace_id, *address,
        *request_id, *action, *target, *before, *after;
};

/* BLAKE2b-256 over the hash before and the entry's canonical text: the JSON array of its members in
 * the order above, without blanks. prev and ret may be the same memory. */
int zn_audit_hash(const struct zn_audit_entry *e, const char *prev, char ret[ZN_AUDIT_HASH],
                  struct zn_err *err);

/* A copy without what nobody may read: texts named like secrets ("password", "deploy_token", the
 * value of a variable) become "(secret)", sealed values "(sealed)", because the chain outlives
 * their keys. New reference. */
json_t *zn_audit_clean(json_t *doc);

#endif
