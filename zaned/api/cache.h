/* Answers kept in memory: by key, up to a number of bytes, the least recently used goes first.
 *
 * What is kept was true at a generation. zn_cache_raise makes a new one, and everything older is gone; so
 * whoever fills the cache reads the generation before reading what is to be kept. All functions may be
 * called by any thread; a cache that is NULL keeps nothing. */
#ifndef ZN_API_CACHE_H
#define ZN_API_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"

struct zn_cache; /* owner: the caller */

/* It starts distrusted: see zn_cache_trust. NULL: out of memory. */
struct zn_cache *zn_cache_new(size_t max_bytes);
void zn_cache_free(struct zn_cache *c);

uint64_t zn_cache_generation(struct zn_cache *c);
void zn_cache_raise(struct zn_cache *c);
/* While changes cannot be heard of, nothing is given or kept. Either way the generation is raised. */
void zn_cache_trust(struct zn_cache *c, bool trusted);

/* What is kept under key, a reference for the caller; NULL if there is nothing. */
struct zn_blob *zn_cache_get(struct zn_cache *c, const char *key);
/* Keeps data, of which it takes a reference of its own, for at most ttl_ms, if `seen` still is the
 * generation. */
void zn_cache_put(struct zn_cache *c, const char *key, uint64_t seen, int64_t ttl_ms, struct zn_blob *data);

#endif
