/* Live log lines as server-sent events. What a reader gets is read from the log store in the order of search, from its
 * place on; what is told here only says that it is time to look. */
#ifndef ZN_API_TAIL_H
#define ZN_API_TAIL_H

#include "zaned/api/api.h"
#include "zaned/logs/search.h"

struct zn_tail; /* owner: the caller */

int zn_tail_start(struct zn_loki *loki, struct zn_tail **ret, struct zn_err *err); /* loki is borrowed */
void zn_tail_stop(struct zn_tail *t); /* readers must have ended; NULL is fine */

/* The store took lines of the service, the oldest of first_ns. From any thread. */
void zn_tail_heard(struct zn_tail *t, const char *service_id, int64_t first_ns);

/* Streams the lines of a search (its filters; its texts are copied) that belong to the service: what came since the
 * cursor (NULL = now), then what comes. ZN_INVALID with field "since": no cursor. ZN_UNAVAILABLE: too many readers. */
int zn_tail_stream(struct zn_tail *t, const struct zn_search *q, const char *since, struct zn_reply *reply,
                   struct zn_err *err);

#endif
