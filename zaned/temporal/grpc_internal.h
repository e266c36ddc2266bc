/* Shared by grpc.c (calls and the loop) and grpc_conn.c (one HTTP/2 connection). Everything here is
 * used on the I/O thread only, but for what stands under the lock. */
#ifndef ZT_GRPC_INTERNAL_H
#define ZT_GRPC_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "zaned/temporal/grpc.h"
#include "zaned/temporal/grpc_answer.h"

enum { ZT_CONNS_MAX = 8, ZT_HEADERS_MAX = 32 /* names and values */ };

struct zt_conn;
struct zt_dial;

struct zt_call {
    struct zt_call *next;
    uint64_t id;
    char *path;
    uint8_t *req; /* prefix and message */
    size_t len, sent;
    int64_t deadline,
        grace; /* grace: how long the server's own answer to the deadline is waited for */
    zt_grpc_done done;
    void *arg;
    struct zt_conn *conn; /* NULL = waits for a connection */
    int32_t stream;
    bool on_wire;        /* the request's headers have left */
    uint64_t refused_by; /* serial of the last connection that did not process it */
    struct zt_answer answer;
};

struct zt_conn {
    struct zt_grpc *g;
    uint64_t serial;
    int fd;
    nghttp2_session *session;
    const uint8_t *out; /* bytes that the socket has not taken yet; nghttp2's memory */
    size_t out_len;
    bool ready;  /* the peer's SETTINGS came: it is there and speaks HTTP/2 */
    bool useful; /* it answered a call */
    bool goaway, dead;
    unsigned streams;
    int64_t opened_ms, heard_ms, pinged_ms; /* pinged_ms: 0 = no ping outstanding */
};

struct zt_grpc {
    char host[256], port[8], authority[272];
    char *user_agent, *headers[ZT_HEADERS_MAX];
    size_t nheaders, max_reply;
    int64_t ping_idle_ms, ping_wait_ms;
    pthread_t thread;
    int wake;
    atomic_bool stop;
    pthread_mutex_t lock; /* of the four below */
    struct zt_call *submitted;
    uint64_t *cancels;
    size_t ncancels;
    uint64_t last_id;
    /* the I/O thread's own */
    struct zt_call *calls;
    struct zt_conn *conns[ZT_CONNS_MAX];
    struct zt_conn *current, *opening; /* takes new calls; not ready yet */
    uint64_t last_serial;
    struct zt_dial *dial; /* NULL = no attempt is under way */
    unsigned failures;
    int64_t next_try_ms;
    char why[160]; /* the last attempt failed with this; "" = it did not */
};

/* grpc.c: the call's stream is over. Tells the caller and frees the call, or lets it wait again. */
void zt_call_over(struct zt_grpc *g, struct zt_call *c, uint32_t h2_error);

/* grpc_conn.c. Takes fd in every case; NULL without memory. */
struct zt_conn *zt_conn_open(struct zt_grpc *g, int fd);
void zt_conn_send(struct zt_conn *k, struct zt_call *c);
void zt_conn_cancel(struct zt_conn *k, struct zt_call *c); /* resets the stream, forgets the call */
void zt_conn_ping(struct zt_conn *k, int64_t now);
/* Read and write what is possible; any error marks the connection dead. */
void zt_conn_read(struct zt_conn *k);
void zt_conn_write(struct zt_conn *k);
/* Closes and frees; the calls on it are the caller's business. */
void zt_conn_free(struct zt_conn *k);

#endif
