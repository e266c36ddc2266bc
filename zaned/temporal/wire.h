/* Between the API's messages and the engine's: events in, commands out. */
#ifndef ZT_WIRE_H
#define ZT_WIRE_H

#include "zaned/temporal/history.h"
#include "zaned/temporal/pb.h"

/* JSON values made while reading events; released together. */
struct zt_values {
    json_t **v;
    size_t n, cap;
};
void zt_values_done(struct zt_values *v);

/* e's texts point into the message; its value is owned by values. */
void zt_event_read(const Zt__HistoryEvent *e, struct zt_values *values, struct zt_event *ret);

/* All in the arena. queue: the workflow's own task queue; source: who reports failures. */
Zt__Command *zt_command_write(struct zn_arena *a, const struct zt_command *c, const char *queue,
                              const char *source);

#endif
