#ifndef ZN_API_LIMITS_H
#define ZN_API_LIMITS_H

#include "zaned/api/api.h"

/* Counts the call. 0 go on · 1 refused, the reply says until when · -1 err. */
int zn_limit_check(struct zn_call *c, const struct zn_route *r, struct zn_reply *reply,
                   struct zn_err *err);

#endif
