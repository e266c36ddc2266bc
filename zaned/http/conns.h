/* Connections by what they wait for and how long they have done so. Whoever takes too long to send is cut;
 * at the limit the one that has waited longest makes room, so that nobody can lock others out by holding
 * connections. On the loop thread only. Inner part of zaned/http. */
#ifndef ZN_HTTP_CONNS_H
#define ZN_HTTP_CONNS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

enum zn_conn_place {
    ZN_CONN_QUIET,    /* no head of a request is there whole; makes room first */
    ZN_CONN_ARRIVING, /* a body is on its way; makes room as early */
    ZN_CONN_SENDING,  /* an answer is on its way; makes room if the others are all fresh */
    ZN_CONN_WORKING,  /* a worker's turn, of which there are as many as the queue takes, or a stream, which
                       * the application counts; they stay */
    ZN_CONN_PLACES,
};

struct zn_conn_entry;
struct zn_conns {
    unsigned n, max;
    int64_t longest_ms[ZN_CONN_PLACES]; /* then it is cut at the next request or connection; 0 = never */
    struct {
        struct zn_conn_entry *oldest, *newest;
    } places[ZN_CONN_PLACES];
};

/* For MHD_OPTION_NOTIFY_CONNECTION; arg is the zn_conns. */
void zn_conns_notify(void *arg, struct MHD_Connection *conn, void **context,
                     enum MHD_ConnectionNotificationCode code);
/* From now on the connection waits for something else. */
void zn_conns_move(struct zn_conns *c, struct MHD_Connection *conn, enum zn_conn_place place);

#endif
