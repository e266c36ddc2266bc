/* HTTP server: one libmicrohttpd epoll thread and a pool of workers. A request is collected whole
 * (bounded), then handed to the handler on a worker thread while its connection is suspended. */
#ifndef ZN_HTTP_HTTP_H
#define ZN_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum { ZN_BODY_MAX = 1 << 20, ZN_BODY_MAX_INGEST = 16 << 20, ZN_HEADERS_MAX = 64, ZN_QUERY_MAX = 64 };

struct zn_pair {
    const char *name, *value;
};

/* Everything lives in the arena until the reply was sent. */
struct zn_request {
    struct zn_arena arena;
    const char *method;
    const char *path; /* decoded by nothing: as sent, without the query */
    char id[24];      /* request id, also in X-Request-Id of the reply */
    struct zn_pair headers[ZN_HEADERS_MAX], query[ZN_QUERY_MAX]; /* query: percent-decoded */
    unsigned nheaders, nquery;
    const char *body; /* NUL-terminated; "" if none */
    size_t body_len;
    const char *peer; /* address of the client's connection (the proxy's, behind it) */
};

struct zn_reply { /* zeroed; status must be set by the handler */
    int status;
    json_t *json;     /* owned by the reply; NULL = raw, or no body */
    const char *raw;  /* in the request's arena or static */
    size_t raw_len;
    const char *content_type; /* of raw */
    struct zn_pair headers[16];
    unsigned nheaders;
};

/* Case-insensitive header, NULL if absent. */
const char *zn_header(const struct zn_request *r, const char *name);
/* First value of a query parameter, NULL if absent. */
const char *zn_query(const struct zn_request *r, const char *name);
/* The i-th value of a repeated parameter, NULL past the last. */
const char *zn_query_at(const struct zn_request *r, const char *name, unsigned i);
/* Value of a cookie in the arena, NULL if absent. */
const char *zn_cookie(struct zn_request *r, const char *name);
/* name is static; value must live in the request's arena or be static. Past 16: dropped, logged. */
void zn_reply_header(struct zn_reply *rep, const char *name, const char *value);

struct zn_http_server;

struct zn_http_server_config {
    const char *listen; /* IPv4 address */
    int port;
    unsigned workers;
    unsigned max_connections; /* 0 = 256 */
    /* Largest body for that request (called on the loop: memory only). NULL = ZN_BODY_MAX. */
    size_t (*body_limit)(void *arg, const char *method, const char *path);
    /* Answers from memory on the loop thread and returns true, or leaves it to a worker. May be NULL. */
    bool (*fast)(void *arg, struct zn_request *req, struct zn_reply *rep);
    void (*handle)(void *arg, struct zn_request *req, struct zn_reply *rep); /* on a worker */
    /* Reply for what the server itself refuses: 400, 413, 431, 503. NULL err->msg never. */
    void (*refuse)(void *arg, struct zn_request *req, struct zn_reply *rep, int status,
                   const char *code, const char *detail);
    void *arg;
};

int zn_http_server_start(const struct zn_http_server_config *cfg, struct zn_http_server **ret,
                         struct zn_err *err);
/* Stops accepting, lets the requests under way end, joins. NULL is fine. */
void zn_http_server_stop(struct zn_http_server *s);
/* The port really bound (for port 0). */
int zn_http_server_port(struct zn_http_server *s);

#endif
