/* What `zane status` prints, from the documents of supervisor.sock. Pure: text out. */
#ifndef ZN_SUPERVISOR_TABLE_H
#define ZN_SUPERVISOR_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct zn_table_style {
    bool colour;
    unsigned width;   /* columns of the terminal; longer lines are cut; 0 = never cut */
    int64_t now_ns;   /* wall clock */
};

/* The whole platform: one line about it, a table of its components, what is wrong and what helps. */
void zn_table_health(const json_t *health, const struct zn_table_style *st, struct zn_buf *ret);
/* One component with its history and last log lines. */
void zn_table_component(const json_t *detail, const struct zn_table_style *st, struct zn_buf *ret);

/* "2026-01-31T23:59:59.123456Z" as wall nanoseconds (whole seconds); 0 if it is not such a time. */
int64_t zn_table_time(const char *rfc3339);

#endif
