/* HTTP server: libmicrohttpd with one epoll thread, a pool of worker threads by suspend and resume.
 * It knows requests, replies and lanes; routes and permissions are the application's (zaned/api). */
#ifndef ZN_HTTP_HTTP_H
#define ZN_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/blob.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum {
    ZN_BODY_MAX = 1024 * 1024, /* of a request, unless its route says otherwise */
    ZN_PARAMS_MAX = 8,
    ZN_QUERY_MAX = 64,
    ZN_HEADERS_MAX = 64,
    ZN_REPLY_HEADERS_MAX = 8,
    ZN_REPLY_MAX = 32 * 1024 * 1024,
};

/* Where a handler runs. LOOP may only touch memory: it holds up every connection. WORKER may block
 * within its deadlines. */
enum zn_lane { ZN_LANE_WORKER, ZN_LANE_LOOP };

struct zn_pair {
    const char *name, *value;
};

/* All texts live in the arena, which ends with the exchange. Path, query and parameters are
 * percent-decoded, valid UTF-8 and without NUL. */
struct zn_request {
    struct zn_arena *arena;
    char id[32];             /* for logs and the X-Request-Id header */
    const char *method, *path;
    const char *raw_target;  /* as sent: path?query */
    const char *client;      /* address of the client: last of X-Forwarded-For, else the peer's */
    bool forwarded;          /* came through the proxy */
    bool secure;             /* the client spoke https to the proxy */
    struct zn_pair query[ZN_QUERY_MAX], headers[ZN_HEADERS_MAX];
    unsigned nquery, nheaders;
    const char *body;        /* body_len bytes, NUL after them; "" if there is none */
    size_t body_len;
    const void *route;       /* the application's own, set when it chose the lane */
    struct zn_pair params[ZN_PARAMS_MAX];
    unsigned nparams;
};

/* First value, or NULL. Header names are compared without case. Borrowed. */
const char *zn_request_param(const struct zn_request *r, const char *name);
const char *zn_request_query(const struct zn_request *r, const char *name);
/* The i-th value (from 0) of a parameter that may be repeated, or NULL past the last. */
const char *zn_request_query_at(const struct zn_request *r, const char *name, unsigned i);
const char *zn_request_header(const struct zn_request *r, const char *name);
/* Value of a cookie, copied into the arena; NULL if absent. */
const char *zn_request_cookie(const struct zn_request *r, const char *name);

/* A body that comes bit by bit, such as a stream of events. */
struct zn_stream;
struct zn_stream_source {
    void *self;
    /* Once, on the loop thread: from here on zn_stream_wake(s) may be called, by any thread, until end(). */
    void (*begin)(void *self, struct zn_stream *s);
    /* On the loop thread: at most n bytes into p; 0 = nothing for now, -1 = that was all. Never waits. */
    ssize_t (*read)(void *self, char *p, size_t n);
    /* The exchange is over, whatever ended it; begin() may not have been called. */
    void (*end)(void *self);
};
void zn_stream_wake(struct zn_stream *s); /* there is something to read */

struct zn_reply {
    int status;               /* 0 = nothing was filled in yet */
    const char *content_type; /* literal or arena; NULL with an empty body */
    struct zn_buf body;       /* owned by the server */
    struct zn_blob *blob;     /* instead of body: its bytes from blob_from on; owned by the server */
    size_t blob_from;
    struct zn_stream_source stream; /* instead of both if read is set */
    struct zn_pair headers[ZN_REPLY_HEADERS_MAX]; /* literal or arena */
    unsigned nheaders;
    bool close;               /* end the connection after this reply */
};

/* Each replaces what was in the reply before, headers apart. */
void zn_reply_json(struct zn_reply *r, int status, json_t *steals); /* NULL = out of memory, 500 */
void zn_reply_empty(struct zn_reply *r, int status);
void zn_reply_text(struct zn_reply *r, int status, const char *content_type, const void *data,
                   size_t n); /* copies data */
/* Sends bytes that are shared, without a copy; takes the caller's reference. */
void zn_reply_blob(struct zn_reply *r, int status, const char *content_type, struct zn_blob *steals,
                   size_t from);
/* A 200 whose body is read from the source as it comes; source->end is called for sure. */
void zn_reply_stream(struct zn_reply *r, const char *content_type, const struct zn_stream_source *source);
/* Adds a header; value must be a literal or live in the request's arena, without line breaks. */
void zn_reply_header(struct zn_reply *r, const char *name, const char *value);

/* What the server asks of the application. Every callback must leave a complete reply behind when it
 * has one to give, and none may fail in another way. */
struct zn_http_app {
    void *self;
    /* On the loop thread, once the head is there. Sets *lane and *body_max, or fills the reply to
     * refuse at once (then the body is not read). */
    void (*route)(void *self, struct zn_request *req, enum zn_lane *lane, size_t *body_max,
                  struct zn_reply *reply);
    /* On the lane's thread, once the body is there. */
    void (*handle)(void *self, struct zn_request *req, struct zn_reply *reply);
    /* The server itself refuses (400, 408, 413, 414, 431, 503): words for it. */
    void (*refuse)(void *self, struct zn_request *req, int status, const char *detail,
                   struct zn_reply *reply);
};

struct zn_server_config {
    const char *address;  /* IPv4 address to bind */
    int port;             /* 0 = any, see zn_server_port */
    unsigned workers;     /* threads of the WORKER lane; 0 = LOOP only */
    unsigned queue;       /* requests that may wait for a worker, half of them of one client; beyond: 503 */
    unsigned max_conns;   /* beyond it the connection that has waited longest makes room */
    int64_t arrive_ms;    /* a body must have arrived whole by then, else 408 */
    int64_t idle_ms;      /* a head must have arrived whole by then, else the connection is cut */
    int64_t wait_ms;      /* longest wait for a worker, else 503 */
    struct zn_http_app app;
};

struct zn_server; /* owner: the caller */

int zn_server_start(const struct zn_server_config *cfg, struct zn_server **ret, struct zn_err *err);
int zn_server_port(const struct zn_server *s);
/* Takes no more connections, lets running requests finish for at most drain_ms, then ends; it
 * waits for handlers that still run. */
void zn_server_stop(struct zn_server *s, int64_t drain_ms);

#endif
