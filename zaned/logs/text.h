/* Text of log lines: what a container writes is any bytes; what we store is UTF-8 without NUL. */
#ifndef ZN_LOGS_TEXT_H
#define ZN_LOGS_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { ZN_LOG_TIME_LEN = 36, ZN_LOG_IDENTITY_LEN = 33 };

/* Appends s as valid UTF-8: every maximal broken part becomes U+FFFD (as Ruby's String#scrub does, so
 * that both collectors store the same text), NUL becomes U+2400. */
void zn_log_scrub(struct zn_buf *out, const char *s, size_t n);

/* Appends valid UTF-8 text without terminal control sequences (CSI, OSC, two-byte escapes). */
void zn_log_plain(struct zn_buf *out, const char *s, size_t n);

enum zn_log_level { ZN_LEVEL_ERROR, ZN_LEVEL_WARN, ZN_LEVEL_INFO, ZN_LEVEL_DEBUG };

/* Level that a plain line states about itself; else ERROR on stderr, INFO on stdout. */
enum zn_log_level zn_log_level(const char *s, size_t n, bool is_stderr);
const char *zn_log_level_name(enum zn_log_level level); /* "ERROR", "WARN", "INFO", "DEBUG" */

/* "<unix seconds>.<9 digits>" or RFC 3339 with up to 9 digits and Z or ±hh:mm, years 1970 to 2261.
 * Nanoseconds since 1970. */
bool zn_log_time_parse(const char *s, size_t n, int64_t *ret);
/* "2026-01-31T23:59:59.123456789Z" */
void zn_log_time_format(int64_t ns, char ret[ZN_LOG_TIME_LEN]);

/* What makes a line the line it is: two records with the same identity are one line delivered twice. */
struct zn_log_key {
    int64_t time_ns;
    struct zn_str container_id, stream, partial_id, text;
    int ordinal; /* of a piece of a long line, from 1; 0 = whole line */
};
void zn_log_identity(const struct zn_log_key *key, char ret[ZN_LOG_IDENTITY_LEN]);

#endif
