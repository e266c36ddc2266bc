/* Whether a registry takes a login (distribution API v2, https://distribution.github.io/distribution/spec/api/):
 * GET /v2/ answers 401 with a Basic or Bearer challenge; with the login it answers 200. */
#ifndef ZN_API_REGISTRY_CHECK_H
#define ZN_API_REGISTRY_CHECK_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

/* Some seconds, over the network: never inside a transaction. ZN_INVALID says what the registry did not like,
 * or that it asks for no login; ZN_UNAVAILABLE that it could not be reached; ZN_BUSY that enough of these
 * run already. Link-local and cloud metadata addresses and the platform's own names and networks are not
 * asked, whoever names them: the url, a redirect or a token service. */
int zn_registry_check(struct zn_arena *a, const char *url, const char *username, const char *password,
                      struct zn_err *err);

/* The host of an address is one of the platform's own parts. */
bool zn_registry_is_ours(const char *url);

#endif
