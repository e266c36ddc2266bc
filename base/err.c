#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int zn_fail(struct zn_err *err, enum zn_code code, const char *fmt, ...)
{
    va_list ap;

    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    zn_utf8_mend(err->msg); /* it may be cut, or hold what a program printed */
    return -1;
}

int zn_fail_errno(struct zn_err *err, int errnum, const char *fmt, ...)
{
    char text[160], why[80];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return zn_fail(err, ZN_INTERNAL, "%s: %s", text, strerror_r(errnum, why, sizeof why));
}

int zn_wrap(struct zn_err *err, const char *fmt, ...)
{
    char text[sizeof err->msg], old[sizeof err->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(old, err->msg, sizeof old);
    /* Too long together: the end is cut, the context in front survives. */
    if (snprintf(err->msg, sizeof err->msg, "%.120s: %.130s", text, old) < 0)
        err->msg[0] = '\0';
    zn_utf8_mend(err->msg);
    return -1;
}

void zn_detail(struct zn_err *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->detail, sizeof err->detail, fmt, ap);
    va_end(ap);
}

void zn_field_err(struct zn_err *err, const char *path, const char *rule, const char *msg)
{
    if (err->nfields == sizeof err->fields / sizeof *err->fields) {
        err->fields_cut = true;
        return;
    }
    err->fields[err->nfields++] = (struct zn_field){ path, rule, msg };
}

const char *zn_code_name(enum zn_code code)
{
    static const char *const names[ZN_CODE_MAX] = {
        [ZN_OK] = "ok",
        [ZN_INVALID] = "invalid",
        [ZN_DENIED] = "permission_denied",
        [ZN_UNAUTHENTICATED] = "not_authenticated",
        [ZN_NOT_FOUND] = "not_found",
        [ZN_CONFLICT] = "resource_conflict",
        [ZN_STALE] = "precondition_failed",
        [ZN_BUSY] = "throttled",
        [ZN_UNAVAILABLE] = "unavailable",
        [ZN_INTERNAL] = "error",
    };

    return code < ZN_CODE_MAX ? names[code] : "error";
}

void zn_bug(const char *fmt, ...)
{
    va_list ap;

    fputs("bug: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
