/* The values that changes of a service carry, one decode table for each field. */
#ifndef ZN_DOMAIN_VALUES_H
#define ZN_DOMAIN_VALUES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

/* What "new_value" of a change of that field is made of. A row without a name means that the value is no
 * object: the row describes the value itself. */
struct zn_change_table {
    const char *field;
    const struct zn_jfield *tab;
    size_t n;
    bool nullable; /* null is a value: there is none of it */
    bool list;     /* ADD, UPDATE, DELETE of items; else UPDATE only */
    /* Value to its canonical form (new reference): defaults filled in, paths normalised; NULL with field
     * errors, relative to the value. */
    json_t *(*parse)(struct zn_arena *a, json_t *value, struct zn_err *err);
};
extern const struct zn_change_table zn_change_tables[];
extern const size_t zn_change_ntables;

const struct zn_change_table *zn_change_table(const char *field); /* NULL = no such field */

/* Bytes of {"value": …, "unit": …}; INT64_MAX if that is more than fits. */
int64_t zn_memory_bytes(const json_t *memory);

#endif
