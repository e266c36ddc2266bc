/* Hears of changes in the database, whoever makes them: has what is kept in memory forgotten and tells those who look
 * at it. While it cannot hear, the caches keep nothing, and afterwards everybody fetches anew. */
#ifndef ZN_API_NOTICES_H
#define ZN_API_NOTICES_H

#include "base/err.h"

struct zn_cache;
struct zn_feed;
struct zn_notices; /* a thread with a database connection of its own; owner: the caller */
struct zn_store;

int zn_notices_start(struct zn_store *store, struct zn_cache *callers, struct zn_cache *answers,
                     struct zn_feed *feed, struct zn_notices **ret, struct zn_err *err);
void zn_notices_stop(struct zn_notices *n); /* NULL is fine */

#endif
