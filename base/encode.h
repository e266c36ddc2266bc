/* Text encodings and identifiers. */
#ifndef ZN_BASE_ENCODE_H
#define ZN_BASE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

void zn_hex(const void *src, size_t n, char *ret /* 2n+1 bytes */);
void zn_base64_add(struct zn_buf *b, const void *src, size_t n, bool url_alphabet);
/* Accepts both alphabets, with or without padding; false on any other byte. */
bool zn_base64_decode(const char *s, size_t n, struct zn_buf *ret);
/* Percent-encodes everything but unreserved characters. */
void zn_percent_add(struct zn_buf *b, const char *s);
/* Decodes %XX (and '+' as blank if plus). False on a broken escape. */
bool zn_percent_decode(const char *s, size_t n, bool plus, struct zn_buf *ret);

/* Random identifier "<prefix><n characters of the 57-character alphabet without 0 1 I O l>" into
 * ret[size]; about 5.8 bits a character. */
void zn_id(const char *prefix, unsigned n, char *ret, size_t size);
/* True if s = prefix + exactly n characters of that alphabet. */
bool zn_id_valid(const char *s, const char *prefix, unsigned n);

/* Constant-time comparison of two C strings (length may leak). */
bool zn_secret_eq(const char *a, const char *b);

#endif
