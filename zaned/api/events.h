/* The supervisor's events for any number of readers: one connection to its socket, one ring of the latest
 * events, and no thread or buffer for a reader. */
#ifndef ZN_API_EVENTS_H
#define ZN_API_EVENTS_H

#include "zaned/api/api.h"

struct zn_events; /* owner: the caller */

/* socket: path of the supervisor's socket for reading; it may come later. */
int zn_events_start(const char *socket, struct zn_events **ret, struct zn_err *err);
/* Ends the connection; readers must have ended. NULL is fine. */
void zn_events_stop(struct zn_events *e);

/* GET of a path of the supervisor's. ZN_UNAVAILABLE: it does not answer. */
int zn_events_ask(struct zn_events *e, const char *path, json_t **ret, struct zn_err *err);
/* POST of a path of the supervisor's. *ret: its answer. ZN_NOT_FOUND and ZN_CONFLICT as it says;
 * ZN_UNAVAILABLE: it does not answer. */
int zn_events_do(struct zn_events *e, const char *path, json_t **ret, struct zn_err *err);
/* Streams to the reply: what came after the event `last` (as in Last-Event-ID; NULL or unknown: the whole
 * state first), then what comes. A reader that falls behind the ring is cut off. */
int zn_events_stream(struct zn_events *e, const char *last, struct zn_reply *reply, struct zn_err *err);

#endif
