/* A small HTTP/1.1 server on a unix socket, inside the loop: keep-alive, limits and deadlines on
 * everything, and server-sent event streams whose slow readers are dropped. */
#ifndef ZN_SUPERVISOR_HTTPD_H
#define ZN_SUPERVISOR_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/loop.h"
#include "supervisor/request.h"

struct zn_httpd;
struct zn_conn;

struct zn_httpd_limits {
    unsigned conns;      /* open at a time; more wait in the backlog once no idle one can be closed */
    unsigned streams;    /* of these, event streams; more get 503 */
    size_t backlog;      /* bytes that wait for one stream's reader before it is dropped */
    bool ignore_bodies;  /* answer on the head alone, whatever body comes, and close */
    int64_t idle_ms;     /* between requests */
    int64_t request_ms;  /* first to last byte of a request */
    int64_t write_ms;    /* without progress while an answer or event waits */
};

/* Must call zn_conn_reply or zn_conn_stream exactly once, before it returns. */
typedef void (*zn_httpd_fn)(void *arg, struct zn_conn *c, const struct zn_request *r);

/* path is copied; loop is borrowed. */
int zn_httpd_open(struct zn_loop *loop, const char *path, mode_t mode,
                  const struct zn_httpd_limits *limits, zn_httpd_fn fn, void *arg,
                  struct zn_httpd **ret, struct zn_err *err);
/* Tries once to send what waits, closes all connections, removes the socket file. */
void zn_httpd_close(struct zn_httpd *h);

/* headers: more lines, each ended by CRLF; or NULL. The body is copied; HEAD gets none. */
void zn_conn_reply(struct zn_conn *c, int status, const char *type, const char *headers,
                   const void *body, size_t n);
/* Error as JSON: {"error":{"code","message"}}. */
void zn_conn_fail(struct zn_conn *c, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes the connection an event stream, beginning with n bytes of events. Answers 503 and returns
 * false if there are too many. */
bool zn_conn_stream(struct zn_conn *c, const char *headers, const void *first, size_t n);
/* To every stream of the server. Must not be called while a handler's connection is a stream. */
void zn_httpd_broadcast(struct zn_httpd *h, const void *data, size_t n);

/* Ends every stream of the server, after what fits into their sockets. */
void zn_httpd_end_streams(struct zn_httpd *h);

unsigned zn_httpd_conns(const struct zn_httpd *h);
unsigned zn_httpd_streams(const struct zn_httpd *h);

#endif
