/* One-time codes by time (RFC 6238: HMAC-SHA-1, steps of 30 s, 6 digits) and recovery codes, which
 * are for whoever lost the device. */
#ifndef ZN_API_TOTP_H
#define ZN_API_TOTP_H

#include <stddef.h>

#include "zaned/api/api.h"

enum {
    ZN_TOTP_SEED_TEXT = 33, /* 20 bytes in base32 and the NUL */
    ZN_TOTP_STEP_S = 30,
    ZN_TOTP_DIGITS = 6,
    ZN_RECOVERY_CODES = 10,
};

/* The code of a step with 6 to 8 digits. */
int zn_totp_code(const void *seed, size_t n, long long step, unsigned digits, char ret[9],
                 struct zn_err *err);
/* A new seed in base32 (RFC 4648, no padding), as authenticators take it. */
void zn_totp_seed(char ret[ZN_TOTP_SEED_TEXT]);
/* The step, at most one beside that of the time (seconds since 1970), whose code this is; 0 =
 * none's. */
long long zn_totp_match(const char *seed_text, const char *code, long long at_s);

/* What a second factor said. */
enum zn_factor {
    ZN_FACTOR_NONE,     /* the user has none: the password is enough */
    ZN_FACTOR_REQUIRED, /* neither a code nor a recovery code was given */
    ZN_FACTOR_WRONG,
    ZN_FACTOR_RIGHT, /* and what was given is used up */
};

/* Checks and uses up a code or a recovery code (either may be NULL) in the transaction. user: id as
 * text. */
int zn_factor_check(struct zn_conn *conn, struct zn_call *c, const char *user, const char *code,
                    const char *recovery_code, enum zn_factor *ret, struct zn_err *err);

#endif
