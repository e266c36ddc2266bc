/* Bounded memory of published changes as server-sent events, so that a client that lost its
 * connection resumes by Last-Event-ID. Pure: nothing is sent here. */
#ifndef ZN_SUPERVISOR_EVENTS_H
#define ZN_SUPERVISOR_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { ZN_EVENTS_KEPT = 256 };

struct zn_event {
    uint64_t seq;
    char *text; /* heap */
    size_t n;
};

/* seq begins anew with every start of the supervisor, so an id is "<seq>.<life>"; a bare "<seq>" is
 * taken as one of this life. */
struct zn_events {
    char life[17];
    struct zn_event ring[ZN_EVENTS_KEPT];
    unsigned n; /* ever added */
};

void zn_events_init(struct zn_events *e, int64_t started_ns);
void zn_events_done(struct zn_events *e);

/* Formats an event with this id. False if memory ran out. */
bool zn_event_format(const struct zn_events *e, uint64_t seq, const char *name, const json_t *data,
                     struct zn_buf *ret);
/* Remembers one and returns its text, valid until the next call; {NULL,0} if memory ran out (then
 * nobody can resume across the gap). seq must grow by one with each call. */
struct zn_str zn_events_add(struct zn_events *e, uint64_t seq, const char *name, const json_t *data);
/* Appends what came after the event with that id. False if that is not known any more, or the id
 * is not one of ours: the caller sends a snapshot. seq = the latest one. */
bool zn_events_since(const struct zn_events *e, struct zn_str id, uint64_t seq, struct zn_buf *ret);

#endif
