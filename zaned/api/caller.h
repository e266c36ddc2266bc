/* Who is asking, and whether they may call a route. */
#ifndef ZN_API_CALLER_H
#define ZN_API_CALLER_H

#include "zaned/api/api.h"

/* Fills c->who from the session cookie; nobody is not an error. */
int zn_caller_load(struct zn_call *c, struct zn_err *err);
/* ZN_UNAUTHENTICATED or ZN_DENIED unless the caller may call the route. */
int zn_caller_allowed(struct zn_call *c, const struct zn_route *r, struct zn_err *err);
/* Names under which nobody else's page can reach us. */
bool zn_host_is_ours(const struct zn_config *cfg, const struct zn_request *req);

#endif
