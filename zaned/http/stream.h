/* Bodies that come bit by bit, over libmicrohttpd's suspended connections: no thread waits for them. Inner
 * part of zaned/http. */
#ifndef ZN_HTTP_STREAM_H
#define ZN_HTTP_STREAM_H

#include <microhttpd.h>
#include <pthread.h>

#include "zaned/http/http.h"

struct zn_streams {
    pthread_mutex_t lock;
    struct zn_stream *first;
    bool closing; /* every read from now on is the end */
};

void zn_streams_init(struct zn_streams *s);
void zn_streams_done(struct zn_streams *s); /* all must have ended */
/* The response takes the source over, also when it cannot be made (NULL). */
struct MHD_Response *zn_stream_response(struct zn_streams *s, struct MHD_Connection *conn,
                                        struct zn_stream_source *source);
void zn_streams_close(struct zn_streams *s);

#endif
