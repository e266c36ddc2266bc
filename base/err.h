/* Errors: int result (0 or -1) beside a caller-owned struct that says what went wrong.
 * Reporting an error never allocates, so it cannot fail itself. */
#ifndef ZN_BASE_ERR_H
#define ZN_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum zn_code {
    ZN_OK,
    ZN_INVALID,
    ZN_DENIED,
    ZN_UNAUTHENTICATED,
    ZN_NOT_FOUND,
    ZN_CONFLICT,
    ZN_STALE, /* a precondition of the caller's does not hold any more */
    ZN_BUSY,
    ZN_UNAVAILABLE,
    ZN_INTERNAL,
    ZN_CODE_MAX
};

/* One bad field. All three point to storage that outlives the error: literals or the request's arena. */
struct zn_field {
    const char *path, *rule, *msg;
};

struct zn_err {
    enum zn_code code;
    char msg[256];    /* short, may reach the user */
    char detail[512]; /* facts for the log and administrators only */
    struct zn_field fields[16];
    unsigned nfields;
    bool fields_cut; /* there were more bad fields than fit */
};

/* Fills *err and returns -1. */
int zn_fail(struct zn_err *err, enum zn_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills *err with "<text>: <strerror(errnum)>", code ZN_INTERNAL; returns -1. */
int zn_fail_errno(struct zn_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " in front of the message; the code stays. Returns -1. */
int zn_wrap(struct zn_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the detail (facts for the log). */
void zn_detail(struct zn_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds a bad field; past the 16th sets fields_cut. Does not set the code. */
void zn_field_err(struct zn_err *err, const char *path, const char *rule, const char *msg);

/* Machine word of a code ("not_found", …); never NULL. */
const char *zn_code_name(enum zn_code code);

/* A broken invariant of ours: prints and aborts. Never for input or I/O. */
void zn_bug(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
