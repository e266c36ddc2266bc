/* Passwords: argon2id, one at a time, because each takes 19 MiB of a 96 MiB process. */
#ifndef ZN_API_PASSWORD_H
#define ZN_API_PASSWORD_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

/* NULL, or why the password is too weak (static storage). */
const char *zn_password_weak(const char *password, const char *username);
/* *ret in the arena. */
int zn_password_hash(struct zn_arena *a, const char *password, const char **ret,
                     struct zn_err *err);
/* True if it fits. hash NULL = no such user: takes as long, says no. */
bool zn_password_fits(const char *hash, const char *password);

#endif
