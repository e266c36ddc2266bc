/* GET …/service-details/{service_slug}/domain-states: a route of zn_service_routes in a file of its own. */
#ifndef ZN_API_DOMAIN_STATE_H
#define ZN_API_DOMAIN_STATE_H

#include "zaned/api/api.h"

/* Asks the DNS (3 s) and the proxy (about 4 s, or twice that for the last name) on behalf of whoever looks. */
int zn_service_domain_states(struct zn_call *call, struct zn_reply *reply, struct zn_err *err);

#endif
