/* Client of the engine's HTTP API for the event loop: nothing blocks, each call has a deadline.
 * Calls wait in a queue and run a few at a time, each on a connection of its own; image uploads have
 * a lane of their own so that they never hold up a health check. The API version is negotiated by
 * /_ping, and while the engine is away it is asked again with backoff. */
#ifndef ZN_SUPERVISOR_ENGINE_H
#define ZN_SUPERVISOR_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/http.h"
#include "supervisor/loop.h"

struct zn_engine;

enum {
    ZN_ENGINE_SLOTS = 6,        /* calls at a time */
    ZN_ENGINE_OTHER_SLOTS = 4,  /* of them to other servers, beside those */
    ZN_ENGINE_QUEUE = 512,      /* calls that may wait */
    ZN_ENGINE_API_MIN = 41,     /* 1.41: CapabilityDrop in service specs */
    ZN_ENGINE_API_MAX = 48,
    ZN_ENGINE_DEADLINE_MS = 15000
};

/* What became of a call. status 0: no answer, err says why. Statuses from 400 up have err too, with
 * the engine's words: 404 ZN_NOT_FOUND, 409 ZN_CONFLICT, "update out of sequence" ZN_BUSY, 503
 * ZN_UNAVAILABLE. json is NULL unless the body was JSON. All borrowed for the call of done only. */
struct zn_engine_reply {
    int status;
    json_t *json;
    struct zn_str body;
    const struct zn_http_parser *head; /* for zn_http_header; NULL without an answer */
    const struct zn_err *err; /* NULL on success */
};
typedef void (*zn_engine_done)(void *arg, const struct zn_engine_reply *r);

struct zn_engine_call {
    const char *method, *target;  /* target without the version, begins with '/'; copied */
    json_t *body;                 /* reference is taken over; NULL = none */
    const char *upload;           /* file sent as the body (application/x-tar); copied */
    int64_t deadline_ms;          /* 0 = ZN_ENGINE_DEADLINE_MS; streams: longest silence, 0 = none */
    size_t max_body;              /* 0 = 4 MiB */
    /* Another server's unix socket instead of the engine's (copied, as host and headers): the target is
     * sent as it is, such calls have a lane of their own, and what becomes of them says nothing about
     * the engine. host: NULL = "localhost"; headers: more lines, each ended by CRLF, or NULL. */
    const char *socket, *host, *headers;
    zn_http_sink sink;            /* a stream: bytes go here, done comes at its end */
    zn_engine_done done;
    void *arg;                    /* of sink and done; also names the owner for cancel */
};

/* Tells when the engine begins or ceases to answer, with the reason. After every beginning, what was
 * known of tasks is stale. */
typedef void (*zn_engine_state)(void *arg, bool up, const char *why);

int zn_engine_open(struct zn_loop *loop, const char *socket_path, zn_engine_state state, void *arg,
                   struct zn_engine **ret, struct zn_err *err);
/* Drops all calls without telling their owners. */
void zn_engine_close(struct zn_engine *e);

/* Begins to look for the engine. */
void zn_engine_connect(struct zn_engine *e);
bool zn_engine_up(const struct zn_engine *e);
int zn_engine_api(const struct zn_engine *e); /* minor version agreed on; 0 before the first ping */

/* Queues a call; done is called exactly once, never before zn_engine_send returned. */
void zn_engine_send(struct zn_engine *e, const struct zn_engine_call *call);
/* path?filters=<JSON, percent-encoded>; takes the reference over. Heap, never NULL. */
char *zn_engine_filtered(const char *path, json_t *filters);

/* Forgets every call of this owner: no callback comes any more. */
void zn_engine_cancel(struct zn_engine *e, const void *arg);

#endif
