/* Whether a registry takes a login (distribution API v2, https://distribution.github.io/distribution/spec/api/):
 * GET /v2/ answers 401 with a Basic or Bearer challenge; with the login it answers 200. */
#ifndef ZN_API_REGISTRY_CHECK_H
#define ZN_API_REGISTRY_CHECK_H

#include "base/arena.h"
#include "base/err.h"

/* Some seconds, over the network. ZN_INVALID says what the registry did not like, or that it asks for no login;
 * ZN_UNAVAILABLE that it could not be reached. */
int zn_registry_check(struct zn_arena *a, const char *url, const char *username, const char *password,
                      struct zn_err *err);

#endif
