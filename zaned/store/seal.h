/* Encryption at rest (libsodium secretbox) of values such as environment variables. The text form is
 * base64(nonce || box); key_id names the key, so that keys can be rotated. */
#ifndef ZN_STORE_SEAL_H
#define ZN_STORE_SEAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct zn_sealer; /* holds the key; read-only after creation, so all threads may share it */

/* secret = content of the secret file encryption_key (any text of at least 32 characters; the key is
 * its BLAKE2b hash). Owner: the caller. */
int zn_sealer_new(const char *secret, struct zn_sealer **ret, struct zn_err *err);
void zn_sealer_free(struct zn_sealer *s); /* wipes the key; NULL is fine */
const char *zn_sealer_key_id(const struct zn_sealer *s);

/* Results live in the arena. zn_unseal: ZN_INVALID if the key differs or the text was changed. */
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

#endif
