/* Disk buffer of the collector: records are appended to segment files and leave as whole segments, the
 * oldest first. A segment is one batch to ship, so there is no position to remember: it is removed when
 * it was delivered, and after a crash it goes out again (the identity of its lines makes that harmless).
 *
 * Frame: u32 length, u32 crc32 of the record, little-endian, record. A frame that a crash cut short was
 * never acknowledged; opening drops it. What a killed process wrote is whole in the page cache; what a
 * power cut can take is what came after the last zn_spool_sync.
 * Safe between one thread that appends and one that takes. */
#ifndef ZN_LOGS_SPOOL_H
#define ZN_LOGS_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { ZN_SEGMENT_MAX = 704 * 1024, ZN_RECORD_MAX = 256 * 1024 };

struct zn_spool; /* owner: the caller */

struct zn_spool_stats {
    uint64_t bytes, segments; /* on disk */
    uint64_t broken_bytes;    /* found unreadable when the spool was opened or read */
    uint64_t refused_segments; /* set aside by zn_spool_refuse, counting those found */
};

/* Opens (creates) the directory. One process at a time: a second one gets ZN_CONFLICT. max = bytes on
 * disk beyond which zn_spool_full. */
int zn_spool_open(const char *dir, uint64_t max, struct zn_spool **ret, struct zn_err *err);
void zn_spool_close(struct zn_spool *s);

/* Adds a record to those that the next commit writes. */
int zn_spool_add(struct zn_spool *s, const void *data, size_t n, struct zn_err *err);
/* Writes what was added. On failure part of it may be on disk, and what was added is forgotten: it must
 * not be acknowledged. */
int zn_spool_commit(struct zn_spool *s, struct zn_err *err);
/* Forces committed records to the disk. */
int zn_spool_sync(struct zn_spool *s, struct zn_err *err);
bool zn_spool_full(struct zn_spool *s);
/* Proves that the directory can be written to again. */
int zn_spool_check(struct zn_spool *s, struct zn_err *err);

/* Waits ms; less once a sealed segment is there (if asked for) or after zn_spool_wake. */
void zn_spool_wait(struct zn_spool *s, int64_t ms, bool for_segment);
void zn_spool_wake(struct zn_spool *s);
/* Oldest segment as a JSON array of its records in ret (cleared first), its number in *id: 1. None: 0.
 * The segment stays until it is dropped or set aside. */
int zn_spool_take(struct zn_spool *s, struct zn_buf *ret, uint64_t *id, struct zn_err *err);
int zn_spool_drop(struct zn_spool *s, uint64_t id, struct zn_err *err);
/* Sets a segment aside that the receiver will never accept, for a person to look at. */
int zn_spool_refuse(struct zn_spool *s, uint64_t id, struct zn_err *err);
void zn_spool_stats(struct zn_spool *s, struct zn_spool_stats *ret);

#endif
