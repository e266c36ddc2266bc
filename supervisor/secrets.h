/* The platform's secrets: generated once, kept in files that only root reads, given to the engine
 * under names that change with the content. */
#ifndef ZN_SUPERVISOR_SECRETS_H
#define ZN_SUPERVISOR_SECRETS_H

#include <stdbool.h>

#include "base/err.h"

enum { ZN_SECRETS = 8, ZN_SECRET_MAX = 600, ZN_SECRET_KEYS = 4 };

struct zn_secret {
    const char *name;           /* file name, and name below /run/secrets */
    char value[ZN_SECRET_MAX];  /* zn_secrets_wipe when done */
    char engine_name[48];       /* "<name>-<hash12>" */
    char id[32];                /* in the engine; "" while unknown */
};

struct zn_secrets {
    struct zn_secret all[ZN_SECRETS];
};

/* Reads dir (created 0700), generating what is absent (files 0600). Refuses files that others may
 * read, and empty ones: a lost secret must not be replaced in silence while data depends on it. */
int zn_secrets_load(const char *dir, struct zn_secrets *ret, struct zn_err *err);
struct zn_secret *zn_secrets_find(struct zn_secrets *s, const char *name);
/* Change of the encryption key. Its file holds up to ZN_SECRET_KEYS keys, a line each: the first
 * seals, all open. zn_key_learn adds a new one at the end, zn_key_turn puts it first; in between
 * everybody must have learned it. Both can be repeated after a crash: the new key stands in
 * encryption_key.next until it was turned. zn_key_drop keeps the first only. zn_key_count: how many
 * there are; *next: one waits to be turned. */
int zn_key_learn(const char *dir, struct zn_err *err);
int zn_key_turn(const char *dir, struct zn_err *err);
int zn_key_drop(const char *dir, struct zn_err *err);
int zn_key_count(const char *dir, unsigned *ret, bool *next, struct zn_err *err);
/* Overwrites the values; names and ids stay. */
void zn_secrets_wipe(struct zn_secrets *s);

#endif
