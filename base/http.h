/* HTTP/1.1 client side: an incremental response parser (for event loops) and a blocking one-request
 * client over a unix socket or TCP (for worker threads). One connection per request, no keep-alive:
 * the peers are local. */
#ifndef ZN_BASE_HTTP_H
#define ZN_BASE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { ZN_HTTP_HEAD_MAX = 32768 };

/* Body bytes as they arrive (already de-chunked). Return -1 to end the request as failed. */
typedef int (*zn_http_sink)(void *arg, const char *p, size_t n);

enum zn_http_state { ZN_HTTP_HEAD, ZN_HTTP_BODY, ZN_HTTP_DONE, ZN_HTTP_BAD };

struct zn_http_parser {
    enum zn_http_state state;
    int status;        /* valid from ZN_HTTP_BODY on */
    bool head_request; /* set by the caller: the response has no body */
    bool chunked, until_close, upgraded; /* upgraded: 101, the rest is raw */
    int64_t left;      /* bytes of body or chunk still to come */
    int chunk_step;
    size_t line_len;
    char line[128];    /* chunk size lines */
    struct zn_buf head; /* raw head incl. final blank line; freed by zn_http_parser_done */
    zn_http_sink sink;
    void *arg;
};

void zn_http_parser_init(struct zn_http_parser *p, zn_http_sink sink, void *arg);
/* Feeds n bytes; *used says how many were taken (less than n only at DONE or after an upgrade).
 * 0, or -1 with state ZN_HTTP_BAD on a malformed answer or a sink that refused. */
int zn_http_parser_feed(struct zn_http_parser *p, const char *s, size_t n, size_t *used);
/* The peer closed: DONE if that is how this body ends; else -1. */
int zn_http_parser_eof(struct zn_http_parser *p);
/* Value of a response header (case-insensitive name), borrowed from head; {NULL,0} if absent. */
struct zn_str zn_http_header(const struct zn_http_parser *p, const char *name);
void zn_http_parser_done(struct zn_http_parser *p);

struct zn_http_req {
    const char *unix_path;   /* socket path; or NULL and … */
    const char *host;        /* … host name or address to connect to over TCP */
    int port;
    const char *method, *target; /* target begins with '/' */
    const char *host_header; /* NULL: "localhost" on unix sockets, host[:port] on TCP */
    const char *headers;     /* more lines, each ended by CRLF; or NULL */
    const void *body;
    size_t body_len;
    const char *content_type; /* of the body; NULL = application/json if there is a body */
    int64_t deadline_ms;     /* for the whole exchange, from now; must be > 0 */
    int64_t silence_ms;      /* longest wait for more of the answer; 0 = the deadline only */
    size_t max_body;         /* of the answer kept in resp->body; 0 = 1 MiB */
    zn_http_sink sink;       /* if set, gets the body instead of resp->body */
    void *sink_arg;
    int cancel_fd;           /* readable = give up at once (ZN_CONFLICT "cancelled"); 0 or -1 = none */
};

struct zn_http_resp {
    int status;
    struct zn_buf body;          /* owned: zn_http_resp_done */
    struct zn_http_parser parser; /* for zn_http_header */
};

/* Runs one exchange. 0 = an answer of any status arrived whole; -1 = ZN_UNAVAILABLE (connect,
 * broken connection, deadline; err->msg says which), ZN_INVALID (malformed or too large answer),
 * ZN_CONFLICT (cancelled). resp must be zeroed by the caller and released in both cases. */
int zn_http_call(const struct zn_http_req *req, struct zn_http_resp *resp, struct zn_err *err);
void zn_http_resp_done(struct zn_http_resp *resp);

/* The request's bytes as zn_http_call sends them (for event loops). */
void zn_http_format(const struct zn_http_req *req, struct zn_buf *ret);

#define zn_auto_http_resp ZN_AUTO(zn_http_resp_done)

#endif
