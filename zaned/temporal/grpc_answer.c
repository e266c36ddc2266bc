#include "zaned/temporal/grpc_answer.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/guard.h"

enum { DETAILS_MAX = 65536, MESSAGE_MAX = 65536 };

void zt_answer_init(struct zt_answer *a, size_t max_reply)
{
    *a = (struct zt_answer){ .grpc_status = -1 };
    a->frame.body = ZN_BUF(max_reply);
    a->details = ZN_BUF(DETAILS_MAX);
}

void zt_answer_done(struct zt_answer *a)
{
    zn_buf_done(&a->frame.body);
    zn_buf_done(&a->details);
}

/* Up to three digits, else -1. */
static int number(struct zn_str v)
{
    int x = 0;

    if (!v.n || v.n > 3)
        return -1;
    for (size_t i = 0; i < v.n; i++) {
        if (v.s[i] < '0' || v.s[i] > '9')
            return -1;
        x = x * 10 + (v.s[i] - '0');
    }
    return x;
}

/* As much as fits, as valid UTF-8 without control characters: the text ends up in logs and JSON. */
static void set_message(struct zt_answer *a, const char *s, size_t n)
{
    if (n > sizeof a->message - 1)
        for (n = sizeof a->message - 1; n && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
            ; /* not in the middle of a character */
    bool valid = zn_utf8_valid(s, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        a->message[i] = c < ' ' || c == 0x7f ? ' ' : c >= 0x80 && !valid ? '?' : s[i];
    }
    a->message[n] = '\0';
}

static void take_message(struct zt_answer *a, struct zn_str v)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(MESSAGE_MAX);

    if (zn_percent_decode(v.s, v.n, false, &b))
        set_message(a, b.mem ? b.mem : "", b.len);
    else
        set_message(a, v.s, v.n);
}

void zt_answer_header(struct zt_answer *a, struct zn_str name, struct zn_str value)
{
    static const char grpc_type[] = "application/grpc";
    const size_t type_len = sizeof grpc_type - 1;

    if (zn_str_eq(name, zn_str(":status"))) {
        a->http_status = number(value);
    } else if (zn_str_eq(name, zn_str("content-type"))) {
        a->foreign = value.n < type_len || memcmp(value.s, grpc_type, type_len) != 0;
    } else if (zn_str_eq(name, zn_str("grpc-status"))) {
        int code = number(value);

        a->grpc_status = code < 0 || code > ZT_GRPC_UNAUTHENTICATED ? ZT_GRPC_UNKNOWN : code;
    } else if (zn_str_eq(name, zn_str("grpc-message"))) {
        take_message(a, value);
    } else if (zn_str_eq(name, zn_str("grpc-status-details-bin"))) {
        zn_buf_clear(&a->details);
        if (!zn_base64_decode(value.s, value.n, &a->details)) {
            zn_buf_done(&a->details);
            a->details = ZN_BUF(DETAILS_MAX);
        }
    }
}

bool zt_answer_data(struct zt_answer *a, const uint8_t *p, size_t n)
{
    if (a->frame_error)
        return false;
    if (a->foreign || a->http_status != 200)
        return true; /* an error page; the verdict is in the status */
    a->frame_error = zt_frame_feed(&a->frame, p, n);
    return !a->frame_error;
}

static enum zt_grpc_code from_http(int status)
{
    switch (status) {
    case 400:
        return ZT_GRPC_INTERNAL;
    case 401:
        return ZT_GRPC_UNAUTHENTICATED;
    case 403:
        return ZT_GRPC_PERMISSION_DENIED;
    case 404:
        return ZT_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return ZT_GRPC_UNAVAILABLE;
    default:
        return ZT_GRPC_UNKNOWN;
    }
}

static enum zt_grpc_code from_reset(uint32_t error)
{
    switch (error) {
    case NGHTTP2_CANCEL:
        return ZT_GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return ZT_GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_REFUSED_STREAM:
        return ZT_GRPC_UNAVAILABLE;
    default:
        return ZT_GRPC_INTERNAL;
    }
}

static enum zt_grpc_code own_words(struct zt_answer *a, enum zt_grpc_code code, const char *text)
{
    snprintf(a->message, sizeof a->message, "%s", text);
    return code;
}

enum zt_grpc_code zt_answer_code(struct zt_answer *a, uint32_t h2_error)
{
    if (a->frame_error == -EMSGSIZE) {
        /* The words by which gRPC's peers know that trying again is of no use. */
        snprintf(a->message, sizeof a->message,
                 "grpc: received message larger than max (%zu > %zu)", a->frame.want,
                 a->frame.body.max);
        return ZT_GRPC_RESOURCE_EXHAUSTED;
    }
    if (a->frame_error == -ENOMEM)
        return own_words(a, ZT_GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
    if (a->frame_error)
        return own_words(a, ZT_GRPC_INTERNAL, "malformed gRPC message");
    if (a->grpc_status > 0)
        return (enum zt_grpc_code)a->grpc_status;
    if (a->grpc_status == 0)
        return zt_frame_whole(&a->frame)
                   ? ZT_GRPC_OK
                   : own_words(a, ZT_GRPC_INTERNAL, "status OK without a whole message");
    if (a->http_status && a->http_status != 200) {
        snprintf(a->message, sizeof a->message, "HTTP status %d instead of a gRPC answer",
                 a->http_status);
        return from_http(a->http_status);
    }
    if (a->foreign)
        return own_words(a, ZT_GRPC_UNKNOWN, "the answer is not gRPC");
    if (h2_error)
        return own_words(a, from_reset(h2_error), nghttp2_http2_strerror(h2_error));
    return own_words(a, ZT_GRPC_UNAVAILABLE, "the stream ended without a status");
}
