/* Protobuf helpers: messages decoded into an arena, JSON as payloads. */
#ifndef ZT_PB_H
#define ZT_PB_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/err.h"
#include "temporal.pb-c.h"

#define ZT_RPC(name) "/temporal.api.workflowservice.v1.WorkflowService/" name

/* Decodes into the arena (never freed singly); NULL on malformed input, over the
 * arena's limit, or nested deeper than 64. */
void *zt_pb_unpack(const ProtobufCMessageDescriptor *d, struct zn_arena *a, const void *p,
                   size_t n);
/* Encodes into the arena; NULL if it is over the limit. *n: its length. */
void *zt_pb_pack(struct zn_arena *a, const ProtobufCMessage *m, size_t *n);

/* One argument as json/plain; NULL v = no payload at all (returns NULL). All in the arena. */
Zt__Payloads *zt_payloads(struct zn_arena *a, json_t *v);
/* First payload as JSON, new reference: json/plain decoded, binary/null and none as null,
 * binary/plain as a string; NULL if it is something else. */
json_t *zt_payloads_json(const Zt__Payloads *p);

/* Arena copies that protobuf-c's non-const members can point to. */
char *zt_text(struct zn_arena *a, const char *s);
ProtobufCBinaryData zt_bytes(struct zn_arena *a, const void *p, size_t n);
Zt__Duration *zt_duration(struct zn_arena *a, int64_t ms); /* NULL for 0 */
int64_t zt_duration_ms(const Zt__Duration *d);
int64_t zt_timestamp_ms(const Zt__Timestamp *t);
Zt__WorkflowExecution *zt_execution(struct zn_arena *a, const char *id, const char *run);
Zt__TaskQueue *zt_queue(struct zn_arena *a, const char *name);
/* Application failure; next_retry_ms 0 = by policy. */
Zt__Failure *zt_failure(struct zn_arena *a, const char *source, const char *message,
                        const char *type, bool non_retryable, int64_t next_retry_ms);

/* An initialised message of type T in arena a (aborts if the arena is full). */
#define ZT_NEW(a, T, init)                  \
    ({                                      \
        T *m_ = zn_arena_alloc(a, sizeof *m_); \
        if (!m_)                            \
            zn_bug("arena full");           \
        init(m_);                           \
        m_;                                 \
    })

#endif
