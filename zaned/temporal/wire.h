/* Between the API's messages and the engine's: events in, commands out. */
#ifndef ZT_WIRE_H
#define ZT_WIRE_H

#include "zaned/temporal/engine.h"
#include "zaned/temporal/pb.h"

enum {
    ZT_PAYLOAD_MAX = 2 << 20,  /* what the server takes as one value */
    ZT_WIRE_ARENA = 24 << 20,  /* enough for every answer that zt_commands_write lets through */
};

/* JSON values made while reading events; released together. */
struct zt_values {
    json_t **v;
    size_t n, cap;
};
void zt_values_done(struct zt_values *v);

/* e's texts point into the message; its value is owned by values. */
void zt_event_read(const Zt__HistoryEvent *e, struct zt_values *values, struct zt_event *ret);

/* The commands of a run, all in the arena (of ZT_WIRE_ARENA bytes). queue: the workflow's own task
 * queue; source: who reports failures. ZN_INVALID if the server would not take them. */
int zt_commands_write(struct zn_arena *a, struct zt_wf *run, const char *queue, const char *source,
                      Zt__Command ***ret, size_t *ret_n, struct zn_err *err);

/* Bytes of v as compact text; 0 for NULL. */
size_t zt_json_size(const json_t *v);

#endif
