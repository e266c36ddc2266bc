/* Lines "name: value" are header fields, an empty line ends them, the rest is data. The verdict is
 * always one of gRPC's codes, its message valid UTF-8 on one line, and OK means that a message is
 * there. */
#include "zaned/temporal/grpc_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zt_answer a;
    const char *p = (const char *)data, *end = p + size;

    zt_answer_init(&a, 256);
    while (p < end && *p != '\n') {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        const char *colon = *p ? memchr(p + 1, ':', (size_t)(stop - p - 1)) : NULL;

        if (colon) {
            const char *v = colon + 1 < stop && colon[1] == ' ' ? colon + 2 : colon + 1;
            zt_answer_header(&a, (struct zn_str){ p, (size_t)(colon - p) },
                             (struct zn_str){ v, (size_t)(stop - v) });
        }
        p = nl ? nl + 1 : end;
    }
    if (p < end)
        zt_answer_data(&a, (const uint8_t *)p + 1, (size_t)(end - p - 1));
    enum zt_grpc_code code = zt_answer_code(&a, size ? data[0] % 14 : 0);
    size_t n = strnlen(a.message, sizeof a.message);
    if ((unsigned)code > ZT_GRPC_UNAUTHENTICATED || n == sizeof a.message ||
        !zn_utf8_valid(a.message, n) || strchr(a.message, '\n'))
        __builtin_trap();
    if (code == ZT_GRPC_OK && !zt_frame_whole(&a.frame))
        __builtin_trap();
    zt_answer_done(&a);
    return 0;
}
