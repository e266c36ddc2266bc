/* What one stream has brought in so far, and what it means for the call. No I/O. */
#ifndef ZT_GRPC_ANSWER_H
#define ZT_GRPC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "zaned/temporal/grpc.h"
#include "zaned/temporal/grpc_frame.h"

struct zt_answer {
    int http_status; /* 0 = not seen */
    int grpc_status; /* -1 = not seen */
    bool foreign;    /* the content type is not gRPC's */
    int frame_error; /* of zt_frame_feed */
    char message[512];
    struct zt_frame frame;
    struct zn_buf details;
};

void zt_answer_init(struct zt_answer *a, size_t max_reply);
/* A field of any header block: gRPC puts its status into the first one (an answer without a body)
 * or into the trailers. */
void zt_answer_header(struct zt_answer *a, struct zn_str name, struct zn_str value);
/* False: the rest of the stream is of no use, reset it. */
bool zt_answer_data(struct zt_answer *a, const uint8_t *p, size_t n);
/* The stream is over with this HTTP/2 error code (0 = ended by the peer): the verdict; a->message
 * then holds the server's words or ours. */
enum zt_grpc_code zt_answer_code(struct zt_answer *a, uint32_t h2_error);
void zt_answer_done(struct zt_answer *a); /* it may be initialised again */

#endif
