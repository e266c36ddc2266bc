#include "zaned/api/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/io.h"
#include "zaned/api/caller.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"

enum { SEED = 20, RECOVERY_MAX = 40 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

int zn_totp_code(const void *seed, size_t n, long long step, unsigned digits, char ret[9],
                 struct zn_err *err)
{
    static const unsigned power[] = { [6] = 1000000, [7] = 10000000, [8] = 100000000 };
    unsigned char counter[8], mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    for (int i = 7; i >= 0; i--, step >>= 8)
        counter[i] = (unsigned char)(step & 0xff);
    if (!HMAC(EVP_sha1(), seed, (int)n, counter, sizeof counter, mac, &len) || len != 20)
        return zn_fail(err, ZN_INTERNAL, "libcrypto has no HMAC-SHA-1");
    const unsigned char *p = mac + (mac[19] & 15); /* RFC 4226 §5.3 */
    uint32_t bits =
        (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    snprintf(ret, 9, "%0*u", (int)digits, bits % power[digits]);
    explicit_bzero(mac, sizeof mac);
    return 0;
}

void zn_totp_seed(char ret[ZN_TOTP_SEED_TEXT])
{
    unsigned char seed[SEED];

    zn_random(seed, sizeof seed);
    for (unsigned i = 0; i < ZN_TOTP_SEED_TEXT - 1; i++) {
        unsigned bit = i * 5, byte = bit / 8;
        unsigned two = (unsigned)seed[byte] << 8 | (byte + 1 < SEED ? seed[byte + 1] : 0);

        ret[i] = alphabet[two >> (11 - bit % 8) & 31];
    }
    ret[ZN_TOTP_SEED_TEXT - 1] = '\0';
    explicit_bzero(seed, sizeof seed);
}

static bool seed_of(const char *text, unsigned char ret[SEED])
{
    uint64_t bits = 0;
    unsigned have = 0, n = 0;

    for (const char *p = text; *p; p++) {
        const char *at = strchr(alphabet, *p);

        if (!at)
            return false;
        bits = bits << 5 | (uint64_t)(at - alphabet);
        have += 5;
        if (have >= 8 && n == SEED)
            return false;
        if (have >= 8) {
            have -= 8;
            ret[n++] = (unsigned char)(bits >> have);
        }
    }
    return n == SEED;
}

long long zn_totp_match(const char *seed_text, const char *code, long long at_s)
{
    unsigned char seed[SEED];
    long long now = at_s / ZN_TOTP_STEP_S, found = 0;
    struct zn_err ignored = { 0 };
    char want[9];

    if (!seed_of(seed_text, seed))
        return 0;
    for (long long step = now - 1; step <= now + 1; step++)
        if (zn_totp_code(seed, sizeof seed, step, ZN_TOTP_DIGITS, want, &ignored) == 0 &&
            zn_secret_eq(want, code))
            found = step;
    explicit_bzero(seed, sizeof seed);
    return found;
}

/* People type them with blanks, dashes and line breaks. */
static void recovery_hash(const char *code, char ret[ZN_SECRET_HASH])
{
    char bare[RECOVERY_MAX + 1];
    size_t n = 0;

    for (const char *p = code; *p && n < RECOVERY_MAX; p++)
        if (!strchr("- \t\r\n", *p))
            bare[n++] = *p;
    bare[n] = '\0';
    zn_secret_hash(bare, ret);
    explicit_bzero(bare, sizeof bare);
}

static int use_recovery(struct zn_conn *conn, const char *user, const char *code,
                        enum zn_factor *ret, struct zn_err *err)
{
    zn_auto_pgresult used = NULL;
    char hash[ZN_SECRET_HASH];

    recovery_hash(code, hash);
    if (zn_sql(conn, ZN_SQL_RECOVERY_USE, ZN_P(user, hash), &used, err) < 0)
        return -1;
    *ret = PQntuples(used) ? ZN_FACTOR_RIGHT : ZN_FACTOR_WRONG;
    return 0;
}

static int use_code(struct zn_conn *conn, const char *user, const char *seed, const char *code,
                    enum zn_factor *ret, struct zn_err *err)
{
    long long step = zn_totp_match(seed, code, zn_wall_ns() / 1000000000);
    zn_auto_pgresult used = NULL;
    char text[24];

    *ret = ZN_FACTOR_WRONG;
    if (!step)
        return 0;
    snprintf(text, sizeof text, "%lld", step);
    if (zn_sql(conn, ZN_SQL_SECOND_FACTOR_STEP, ZN_P(user, text), &used, err) < 0)
        return -1;
    if (PQntuples(used))
        *ret = ZN_FACTOR_RIGHT;
    return 0;
}

int zn_factor_check(struct zn_conn *conn, struct zn_call *c, const char *user, const char *code,
                    const char *recovery_code, enum zn_factor *ret, struct zn_err *err)
{
    zn_auto_pgresult row = NULL;
    const char *seed;

    if (zn_sql(conn, ZN_SQL_SECOND_FACTOR_LOCK, ZN_P(user), &row, err) < 0)
        return -1;
    *ret = ZN_FACTOR_NONE;
    if (PQntuples(row) == 0 || !zn_col_bool(row, 0, "confirmed"))
        return 0;
    *ret = ZN_FACTOR_REQUIRED;
    if (code) {
        if (zn_unseal(c->api->sealer, c->arena, zn_col(row, 0, "key_id"),
                      zn_col(row, 0, "seed_sealed"), &seed, err) < 0) {
            err->code = ZN_INTERNAL; /* ours, not the caller's */
            return -1;
        }
        return use_code(conn, user, seed, code, ret, err);
    }
    return recovery_code ? use_recovery(conn, user, recovery_code, ret, err) : 0;
}
