/* The first byte chooses the message type; the rest is decoded as one. What is accepted can be
 * packed and decoded again, and stays within the arena's limit; a value that was read is written so
 * that it is read as the same. */
#include "zaned/temporal/pb.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const Zt__Payloads *list)
{
    zn_auto_arena struct zn_arena a = { .limit = 8 << 20 };
    zn_auto_json v = zt_payloads_json(list);

    if (!v)
        return;
    zn_auto_json again = zt_payloads_json(zt_payloads(&a, v));
    if (!json_equal(v, again))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *const types[] = {
        &zt__poll_workflow_task_queue_response__descriptor,
        &zt__poll_activity_task_queue_response__descriptor,
        &zt__get_workflow_execution_history_response__descriptor,
        &zt__describe_workflow_execution_response__descriptor,
        &zt__record_activity_task_heartbeat_response__descriptor,
        &zt__status__descriptor,
        &zt__failure__descriptor,
        &zt__payloads__descriptor,
    };
    zn_auto_arena struct zn_arena a = { .limit = 1 << 20 };
    size_t n;

    if (!size)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof types / sizeof *types)];
    ProtobufCMessage *m = zt_pb_unpack(type, &a, data + 1, size - 1);
    if (!m)
        return 0;
    if (type == &zt__payloads__descriptor)
        check_value((const Zt__Payloads *)m);
    zn_auto_arena struct zn_arena b = { .limit = 8 << 20 };
    void *bytes = zt_pb_pack(&b, m, &n);
    if (!bytes || !zt_pb_unpack(type, &b, bytes, n))
        __builtin_trap();
    return 0;
}
