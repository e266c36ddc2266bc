#include "base/blob.h"

#include <stdlib.h>
#include <string.h>

struct zn_blob *zn_blob_new(size_t n)
{
    struct zn_blob *b = malloc(sizeof *b + n);

    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->n = n;
    return b;
}

struct zn_blob *zn_blob_of(const void *p, size_t n)
{
    struct zn_blob *b = zn_blob_new(n);

    if (b && n)
        memcpy(b->bytes, p, n);
    return b;
}

struct zn_blob *zn_blob_ref(struct zn_blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void zn_blob_unref(struct zn_blob *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}
