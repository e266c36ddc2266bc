/* Strict parser of HTTP/1.0 and 1.1 request heads. Pure: bytes in, views out. */
#ifndef ZN_SUPERVISOR_REQUEST_H
#define ZN_SUPERVISOR_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    ZN_REQUEST_HEAD_MAX = 8 * 1024,
    ZN_REQUEST_BODY_MAX = 64 * 1024,
    ZN_REQUEST_HEADERS_MAX = 64
};

/* Views into the caller's bytes. */
struct zn_request {
    struct zn_str method, path, query; /* path and query as sent, not percent-decoded */
    struct zn_str head;                /* header lines, each with its CRLF */
    int64_t length;                    /* Content-Length, at least 0; -1 = chunked, which we do not read */
    bool http10, keep_alive;
    struct zn_str body;                /* filled in by the server */
};

/* Parses the head at the start of s. Returns its length including the blank line; 0 if more bytes
 * are needed; a negative HTTP status (-400, -431, -501, -505) if it can never become valid. *ret is
 * complete only for a positive result. */
int zn_request_parse(const char *s, size_t n, struct zn_request *ret);

/* Value of the first header of that name (case-insensitive); {NULL,0} if absent. */
struct zn_str zn_request_header(const struct zn_request *r, const char *name);

#endif
