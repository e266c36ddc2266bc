/* Hears of changes in the database, whoever makes them, and has what is kept in memory forgotten. While it
 * cannot hear, the caches keep nothing. */
#ifndef ZN_API_NOTICES_H
#define ZN_API_NOTICES_H

#include "base/err.h"

struct zn_cache;
struct zn_notices; /* a thread with a database connection of its own; owner: the caller */
struct zn_store;

int zn_notices_start(struct zn_store *store, struct zn_cache *callers, struct zn_cache *answers,
                     struct zn_notices **ret, struct zn_err *err);
void zn_notices_stop(struct zn_notices *n); /* NULL is fine */

#endif
