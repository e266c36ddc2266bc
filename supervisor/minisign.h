/* Signatures in minisign's format (prehashed, algorithm "ED"), verified. A file is signed by its BLAKE2b-512; a second
 * signature covers the first and the trusted comment. Sizes and layout: from the source of minisign 0.12.
 * Pure: the caller reads and hashes. */
#ifndef ZN_SUPERVISOR_MINISIGN_H
#define ZN_SUPERVISOR_MINISIGN_H

#include <sodium.h>
#include <stddef.h>

#include "base/err.h"

enum {
    ZN_MINISIGN_ID = 8,
    ZN_MINISIGN_HASH = crypto_generichash_BYTES_MAX, /* BLAKE2b-512 without a key */
    ZN_MINISIGN_COMMENT = 8192,                      /* longest trusted comment, bytes */
    ZN_MINISIGN_TEXT = 16384                         /* longest signature or key file that is looked at, bytes */
};

struct zn_minisign_key {
    unsigned char id[ZN_MINISIGN_ID];
    unsigned char key[crypto_sign_PUBLICKEYBYTES];
};

struct zn_minisign {
    unsigned char id[ZN_MINISIGN_ID];
    unsigned char signature[crypto_sign_BYTES]; /* of the hash */
    unsigned char global[crypto_sign_BYTES];    /* of signature and comment */
    size_t comment_len;
    char comment[ZN_MINISIGN_COMMENT + 1];      /* trusted once zn_minisign_verify says so; NUL-terminated */
};

/* Reads a public key: minisign's file, or its second line alone. ZN_INVALID says which line is wrong. */
int zn_minisign_key_read(const char *text, size_t n, struct zn_minisign_key *ret, struct zn_err *err);
/* Reads a signature file. ZN_INVALID says which line is wrong; a signature of the file itself ("Ed", minisign -l) is
 * refused as such. */
int zn_minisign_read(const char *text, size_t n, struct zn_minisign *ret, struct zn_err *err);
/* 0: one of the keys made both signatures, for a file of this hash. ZN_DENIED: none of the keys has the signature's id
 * (named as minisign names it), the file is another one, or the trusted comment was changed. */
int zn_minisign_verify(const struct zn_minisign *s, const struct zn_minisign_key *keys, size_t nkeys,
                       const unsigned char hash[ZN_MINISIGN_HASH], struct zn_err *err);

#endif
