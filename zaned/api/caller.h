/* Who is asking, and whether they may call a route. */
#ifndef ZN_API_CALLER_H
#define ZN_API_CALLER_H

#include "zaned/api/api.h"

#define ZN_API_TOKEN_PREFIX "zane_"
enum { ZN_API_TOKEN_LEN = 40 }; /* characters after it: 233 bits */

/* Fills c->who from the API token ("Authorization: Bearer zane_…") or else from the session cookie.
 * Nobody is not an error, but a token that is not (any more) good is ZN_UNAUTHENTICATED. Nothing
 * else reads sessions and tokens to find out who calls. */
int zn_caller_load(struct zn_call *c, struct zn_err *err);
/* ZN_UNAUTHENTICATED or ZN_DENIED unless the caller may call the route. */
int zn_caller_allowed(struct zn_call *c, const struct zn_route *r, struct zn_err *err);
/* What a token must be good for to call the route: ZN_TOKEN_AUTO resolved. */
enum zn_token_scope zn_route_token(const struct zn_route *r);
/* A session, token, role or name of the user changed or ended: whatever was kept of them must be
 * forgotten. After the commit. */
void zn_caller_changed(struct zn_api *api, long long user_id);
/* BLAKE2b-256 of a secret that is random enough to need no salt, in hexadecimal. */
enum { ZN_SECRET_HASH = 65 };
void zn_secret_hash(const char *secret, char ret[ZN_SECRET_HASH]);
/* Names under which nobody else's page can reach us. */
bool zn_host_is_ours(const struct zn_config *cfg, const struct zn_request *req);

#endif
