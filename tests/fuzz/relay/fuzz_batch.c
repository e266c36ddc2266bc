/* Any bytes: a batch takes no more than there is, fits its room, and is what its own parser would find
 * again message by message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/fluentd/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *in = malloc(size ? size : 1), *out = malloc(BATCH_ROOM(size));
    size_t len = 0, again = 0;
    ssize_t used;

    if (!in || !out)
        abort();
    memcpy(in, data, size);
    used = batch_add(in, size, 7, out, &len);
    if (used > (ssize_t)size || len > BATCH_ROOM(size) || (used <= 0) != (len == 0))
        __builtin_trap();
    if (used > 0 && batch_add(in, (size_t)used, 7, out, &again) != used)
        __builtin_trap(); /* what was taken stands alone */
    if (used > 0 && again != len)
        __builtin_trap();
    free(in);
    free(out);
    return 0;
}
