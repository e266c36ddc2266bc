/* What other route files need of login. */
#ifndef ZN_API_AUTH_H
#define ZN_API_AUTH_H

#include "zaned/api/api.h"

/* A new session for the user, with its cookies on the reply. */
int zn_auth_begin(struct zn_call *c, struct zn_reply *reply, long long user, struct zn_err *err);

#endif
