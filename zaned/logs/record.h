/* A log record as it goes over the wire to POST /api/logs/ingest (docs/internals.md, "Ingest"). */
#ifndef ZN_LOGS_RECORD_H
#define ZN_LOGS_RECORD_H

#include "base/err.h"
#include "zaned/logs/forward.h"

/* Appends the entry as one JSON object. ZN_INVALID if it has no text or no container. */
int zn_record_write(const struct zn_log_entry *e, struct zn_buf *out, struct zn_err *err);

#endif
