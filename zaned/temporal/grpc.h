/* gRPC unary client over HTTP/2 without TLS (libnghttp2, prior knowledge). One I/O thread owns the
 * connection; calls are submitted from any thread. Two-step GOAWAY, keepalive, reconnect with
 * backoff and deadlines are handled here; retries by status are the caller's. */
#ifndef ZT_GRPC_H
#define ZT_GRPC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum zt_grpc_code { /* grpc-status */
    ZT_GRPC_OK = 0, ZT_GRPC_CANCELLED = 1, ZT_GRPC_UNKNOWN = 2, ZT_GRPC_INVALID_ARGUMENT = 3,
    ZT_GRPC_DEADLINE_EXCEEDED = 4, ZT_GRPC_NOT_FOUND = 5, ZT_GRPC_ALREADY_EXISTS = 6,
    ZT_GRPC_PERMISSION_DENIED = 7, ZT_GRPC_RESOURCE_EXHAUSTED = 8, ZT_GRPC_FAILED_PRECONDITION = 9,
    ZT_GRPC_ABORTED = 10, ZT_GRPC_OUT_OF_RANGE = 11, ZT_GRPC_UNIMPLEMENTED = 12,
    ZT_GRPC_INTERNAL = 13, ZT_GRPC_UNAVAILABLE = 14, ZT_GRPC_DATA_LOSS = 15,
    ZT_GRPC_UNAUTHENTICATED = 16
};

struct zt_grpc;

struct zt_grpc_config {
    const char *target;     /* "host:port"; copied */
    const char *user_agent; /* copied */
    const char *const *headers; /* name, value, …, NULL: sent with every call; at most 16; copied */
    size_t max_reply;       /* most bytes of one answer; 0 = 64 MiB */
    /* A connection silent for ping_idle_ms (0 = 30 s; a frontend tolerates one ping in 10 s) is
     * pinged and is lost if nothing comes within ping_wait_ms (0 = 15 s). */
    int64_t ping_idle_ms, ping_wait_ms;
};

struct zt_grpc_reply {
    enum zt_grpc_code code;
    char message[512];   /* decoded grpc-message, or our own words */
    const uint8_t *body; /* one message without the 5-byte prefix */
    size_t len;
    const uint8_t *details; /* decoded grpc-status-details-bin, NULL if none */
    size_t details_len;
};

int zt_grpc_open(const struct zt_grpc_config *cfg, struct zt_grpc **ret, struct zn_err *err);
/* Ends every call with CANCELLED, joins the thread. From its start on nothing may be submitted, not
 * even by a done function. NULL is fine. */
void zt_grpc_close(struct zt_grpc *g);

/* Called once per call on the I/O thread: must not block and not call zt_grpc_call. reply is valid
 * during the call only. */
typedef void (*zt_grpc_done)(void *arg, const struct zt_grpc_reply *reply);
/* path "/package.Service/Method"; body copied. Returns the call's id (never 0). A call that cannot
 * be sent because there is no connection waits for one until its deadline (then UNAVAILABLE). One
 * that the server surely has not processed goes out again by itself, once for each connection. The
 * server is told the deadline and gets a tenth of it more (250 ms to 5 s) to answer it itself; then
 * the stream is reset and the call ends with DEADLINE_EXCEEDED. */
uint64_t zt_grpc_submit(struct zt_grpc *g, const char *path, const void *body, size_t len,
                        int64_t deadline_ms, zt_grpc_done done, void *arg);
/* Ends it with CANCELLED; unknown ids are fine. */
void zt_grpc_cancel(struct zt_grpc *g, uint64_t id);

/* Blocking form. reply: zeroed by the caller, released with zt_grpc_reply_done in every case. */
void zt_grpc_call(struct zt_grpc *g, const char *path, const void *body, size_t len,
                  int64_t deadline_ms, struct zt_grpc_reply *reply);
void zt_grpc_reply_done(struct zt_grpc_reply *reply);

#endif
