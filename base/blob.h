/* Bytes that several owners share: whoever holds a reference may read them, the last one frees them. They
 * do not change once a second owner has them. */
#ifndef ZN_BASE_BLOB_H
#define ZN_BASE_BLOB_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/guard.h"

struct zn_blob {
    atomic_uint refs;
    size_t n;
    _Alignas(max_align_t) char bytes[];
};

struct zn_blob *zn_blob_new(size_t n); /* one reference, bytes not set; NULL: out of memory */
struct zn_blob *zn_blob_of(const void *p, size_t n); /* the same, a copy of p */
struct zn_blob *zn_blob_ref(struct zn_blob *b); /* returns b */
void zn_blob_unref(struct zn_blob *b);          /* NULL is fine */

ZN_DEFINE_AUTO(blob, struct zn_blob *, zn_blob_unref);
#define zn_auto_blob ZN_AUTO(zn_auto_blob) struct zn_blob *

#endif
