/* Rate limits.
 *
 * Addresses are counted in Valkey call by call (zn_limit_check), on the few routes that need no session.
 * Accounts and API tokens are counted in memory (zn_limit_account) and settled with Valkey four times a
 * second, so that several api processes know of each other: what one of them lets through too much is what
 * all of them got in a quarter of a second. */
#ifndef ZN_API_LIMITS_H
#define ZN_API_LIMITS_H

#include "zaned/api/api.h"

/* Counts the call of an address. 0 go on · 1 refused, the reply says until when · -1 err. */
int zn_limit_check(struct zn_call *c, const struct zn_route *r, struct zn_reply *reply,
                   struct zn_err *err);

/* a_minute: requests of one account or token; 0 = any number, and *ret is NULL. Owner: the caller. */
int zn_limits_new(struct zn_sessions *sessions, int a_minute, struct zn_limits **ret, struct zn_err *err);
void zn_limits_free(struct zn_limits *l); /* NULL is fine */
/* Counts the call of an account or token, in memory only. True: refused, the reply says until when. */
bool zn_limit_account(struct zn_call *c, struct zn_reply *reply);

#endif
