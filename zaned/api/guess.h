/* How often somebody may guess. */
#ifndef ZN_API_GUESS_H
#define ZN_API_GUESS_H

#include "zaned/api/api.h"

/* Counts one guess at what ("login") about whom. 1: too many, the reply says so; 0: go on; -1. */
int zn_guess(struct zn_call *c, const char *what, const char *about, int limit, int window_s,
             struct zn_reply *reply, struct zn_err *err);
/* Of the caller at their own password or code: 10 in five minutes each. */
int zn_guess_own(struct zn_call *c, const char *what, struct zn_reply *reply, struct zn_err *err);

#endif
