#include "zaned/temporal/pb.h"

#include <string.h>

#include "base/json.h"

static void *pb_alloc(void *arena, size_t n)
{
    return zn_arena_alloc(arena, n);
}

static void pb_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

enum { DEPTH_MAX = 64 };

/* Reads a varint; false at the end of the input. */
static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;

        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* protobuf-c recurses as deep as the input says (a failure has a cause, which is a failure …), so
 * the nesting is measured first. Malformed input is left to the decoder, which refuses it. */
static bool shallow(const ProtobufCMessageDescriptor *d, const uint8_t *p, size_t n, int depth)
{
    const uint8_t *end = p + n;
    uint64_t tag, len;

    if (depth > DEPTH_MAX)
        return false;
    while (p < end && varint(&p, end, &tag)) {
        const ProtobufCFieldDescriptor *f;

        if (tag >> 3 == 0) /* no field has that number; protobuf-c takes it in some encodings */
            return false;
        switch (tag & 7) {
        case PROTOBUF_C_WIRE_TYPE_VARINT:
            if (!varint(&p, end, &len))
                return true;
            continue;
        case PROTOBUF_C_WIRE_TYPE_64BIT:
            len = 8;
            break;
        case PROTOBUF_C_WIRE_TYPE_32BIT:
            len = 4;
            break;
        case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
            if (!varint(&p, end, &len) || len > (uint64_t)(end - p))
                return true;
            f = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
            if (f && f->type == PROTOBUF_C_TYPE_MESSAGE &&
                !shallow(f->descriptor, p, (size_t)len, depth + 1))
                return false;
            break;
        default:
            return true;
        }
        if (len > (uint64_t)(end - p))
            return true;
        p += len;
    }
    return true;
}

void *zt_pb_unpack(const ProtobufCMessageDescriptor *d, struct zn_arena *a, const void *p, size_t n)
{
    ProtobufCAllocator alloc = { pb_alloc, pb_free, a };

    return shallow(d, p, n, 0) ? protobuf_c_message_unpack(d, &alloc, n, p) : NULL;
}

void *zt_pb_pack(struct zn_arena *a, const ProtobufCMessage *m, size_t *n)
{
    *n = protobuf_c_message_get_packed_size(m);
    uint8_t *out = zn_arena_alloc(a, *n + 1);

    if (out)
        protobuf_c_message_pack(m, out);
    return out;
}

char *zt_text(struct zn_arena *a, const char *s)
{
    char *t = zn_arena_strdup(a, s ? s : "");

    if (!t)
        zn_bug("arena full");
    return t;
}

ProtobufCBinaryData zt_bytes(struct zn_arena *a, const void *p, size_t n)
{
    uint8_t *copy = zn_arena_alloc(a, n + 1);

    if (!copy)
        zn_bug("arena full");
    if (n)
        memcpy(copy, p, n);
    return (ProtobufCBinaryData){ n, copy };
}

static Zt__Payload *payload(struct zn_arena *a, const char *encoding, const char *data, size_t n)
{
    Zt__Payload *p = ZT_NEW(a, Zt__Payload, zt__payload__init);
    Zt__Payload__MetadataEntry *e =
        ZT_NEW(a, Zt__Payload__MetadataEntry, zt__payload__metadata_entry__init);

    e->key = zt_text(a, "encoding");
    e->value = zt_bytes(a, encoding, strlen(encoding));
    p->metadata = zn_arena_alloc(a, sizeof *p->metadata);
    if (!p->metadata)
        zn_bug("arena full");
    p->metadata[0] = e;
    p->n_metadata = 1;
    p->data = zt_bytes(a, data, n);
    return p;
}

Zt__Payloads *zt_payloads(struct zn_arena *a, json_t *v)
{
    if (!v)
        return NULL;
    Zt__Payloads *list = ZT_NEW(a, Zt__Payloads, zt__payloads__init);
    zn_auto_mem char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

    list->payloads = zn_arena_alloc(a, sizeof *list->payloads);
    if (!list->payloads || !text)
        zn_bug("arena full");
    list->n_payloads = 1;
    list->payloads[0] = json_is_null(v) ? payload(a, "binary/null", "", 0)
                                        : payload(a, "json/plain", text, strlen(text));
    return list;
}

static bool encoding_is(const Zt__Payload *p, const char *name)
{
    for (size_t i = 0; i < p->n_metadata; i++)
        if (strcmp(p->metadata[i]->key, "encoding") == 0)
            return p->metadata[i]->value.len == strlen(name) &&
                   memcmp(p->metadata[i]->value.data, name, strlen(name)) == 0;
    return false;
}

json_t *zt_payloads_json(const Zt__Payloads *list)
{
    if (!list || !list->n_payloads || encoding_is(list->payloads[0], "binary/null"))
        return json_null();
    const Zt__Payload *p = list->payloads[0];
    const char *data = p->data.data ? (const char *)p->data.data : "";
    if (encoding_is(p, "json/plain"))
        return json_loadb(data, p->data.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (encoding_is(p, "binary/plain"))
        return json_stringn(data, p->data.len);
    return NULL;
}

Zt__Duration *zt_duration(struct zn_arena *a, int64_t ms)
{
    if (ms <= 0)
        return NULL;
    Zt__Duration *d = ZT_NEW(a, Zt__Duration, zt__duration__init);
    d->seconds = ms / 1000;
    d->nanos = (int32_t)(ms % 1000) * 1000000;
    return d;
}

int64_t zt_duration_ms(const Zt__Duration *d)
{
    return d ? d->seconds * 1000 + d->nanos / 1000000 : 0;
}

int64_t zt_timestamp_ms(const Zt__Timestamp *t)
{
    return t ? t->seconds * 1000 + t->nanos / 1000000 : 0;
}

Zt__WorkflowExecution *zt_execution(struct zn_arena *a, const char *id, const char *run)
{
    Zt__WorkflowExecution *e = ZT_NEW(a, Zt__WorkflowExecution, zt__workflow_execution__init);

    e->workflow_id = zt_text(a, id);
    e->run_id = zt_text(a, run);
    return e;
}

Zt__TaskQueue *zt_queue(struct zn_arena *a, const char *name)
{
    Zt__TaskQueue *q = ZT_NEW(a, Zt__TaskQueue, zt__task_queue__init);

    q->name = zt_text(a, name);
    q->kind = 1; /* TASK_QUEUE_KIND_NORMAL */
    return q;
}

Zt__Failure *zt_failure(struct zn_arena *a, const char *source, const char *message,
                        const char *type, bool non_retryable, int64_t next_retry_ms)
{
    Zt__Failure *f = ZT_NEW(a, Zt__Failure, zt__failure__init);
    Zt__ApplicationFailureInfo *i =
        ZT_NEW(a, Zt__ApplicationFailureInfo, zt__application_failure_info__init);

    f->message = zt_text(a, message);
    f->source = zt_text(a, source);
    i->type = zt_text(a, type);
    i->non_retryable = non_retryable;
    i->next_retry_delay = zt_duration(a, next_retry_ms);
    f->failure_info_case = ZT__FAILURE__FAILURE_INFO_APPLICATION_FAILURE_INFO;
    f->application_failure_info = i;
    return f;
}
