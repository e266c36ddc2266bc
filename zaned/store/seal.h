/* Encryption at rest (libsodium secretbox) of values such as environment variables. The text form
 * is base64(nonce || box); key_id names the key, so that keys can be rotated: several may be known
 * at once, the first of them seals. */
#ifndef ZN_STORE_SEAL_H
#define ZN_STORE_SEAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct zn_sealer; /* holds the keys; read-only after creation, so all threads may share it */

enum { ZN_KEYS_MAX = 4 };

/* secret = content of the secret file encryption_key: one to ZN_KEYS_MAX lines, each any text of at
 * least 32 characters (the key is its BLAKE2b hash), the newest first. Owner: the caller. */
int zn_sealer_new(const char *secret, struct zn_sealer **ret, struct zn_err *err);
void zn_sealer_free(struct zn_sealer *s); /* wipes the keys; NULL is fine */
/* Of the key that seals. */
const char *zn_sealer_key_id(const struct zn_sealer *s);

/* Results live in the arena. zn_unseal: ZN_INVALID if no key fits or the text was changed. */
int zn_seal(const struct zn_sealer *s, struct zn_arena *a, const char *plain, const char **ret,
            struct zn_err *err);
int zn_unseal(const struct zn_sealer *s, struct zn_arena *a, const char *key_id,
              const char *sealed, const char **ret, struct zn_err *err);

/* Environment variables inside stored JSON (snapshots, pending changes): an object's "value" text is
 * kept as {"sealed": …, "key_id": …}. Both work in place on an array of {key, value, …} or on one such
 * object; anything else is left alone. */
int zn_seal_env(const struct zn_sealer *s, json_t *vars, struct zn_err *err);
int zn_unseal_env(const struct zn_sealer *s, json_t *vars, struct zn_err *err);
/* The same for another member than "value" ("contents" of configs). */
int zn_seal_member(const struct zn_sealer *s, json_t *items, const char *member, struct zn_err *err);
int zn_unseal_member(const struct zn_sealer *s, json_t *items, const char *member, struct zn_err *err);

/* {"sealed": text, "key_id": text}: how a sealed value stands inside any stored JSON. */
bool zn_is_sealed(const json_t *v);

/* Looks for sealed values of older keys anywhere in doc and appends to patches (an array), for
 * each,
 * {"path": [keys and indices, as texts], "value": the same value under the newest key}. doc stays
 * as it is. *lost is raised for each value that no key opens. */
int zn_reseal_json(const struct zn_sealer *s, json_t *doc, json_t *patches, unsigned *lost,
                   struct zn_err *err);

#endif
