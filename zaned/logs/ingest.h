/* Ingest: a batch of records as the collectors send them becomes one push to the log store. */
#ifndef ZN_LOGS_INGEST_H
#define ZN_LOGS_INGEST_H

#include "base/str.h"
#include "zaned/logs/loki.h"

enum {
    ZN_INGEST_BODY_MAX = 2 * 1024 * 1024,
    ZN_INGEST_ITEMS_MAX = 50000,
    ZN_LINE_MAX = 200 * 1024,       /* the store takes 256 KiB */
    ZN_LINE_AGE_MAX_H = 334,        /* hours; the store takes 335, it keeps 336 */
    ZN_LINE_FUTURE_MAX_MIN = 9,     /* minutes; the store takes 10 */
    ZN_SLICE_H = 6,
};

struct zn_ingest_result {
    unsigned inserted;
    unsigned ignored;   /* not lines of a user's service */
    unsigned refused;   /* can never be stored; reason has the first cause */
    char reason[256];
};

/* now_ns: wall clock. 0 = the store has all lines but the ignored and refused ones. -1 = ZN_INVALID: not
 * an array or too many items, or ZN_UNAVAILABLE: send the batch again. */
int zn_ingest(struct zn_loki *loki, json_t *batch, int64_t now_ns, struct zn_ingest_result *ret,
              struct zn_err *err);

/* Who wants to know what came: called for each service of a batch that the store took, first_ns the time of its oldest
 * line; a service may come more than once. */
struct zn_ingest_ear {
    void (*heard)(void *arg, const char *service_id, int64_t first_ns);
    void *arg;
};
/* The same, and tells the ear (NULL is fine). */
int zn_ingest_to(struct zn_loki *loki, json_t *batch, int64_t now_ns, const struct zn_ingest_ear *ear,
                 struct zn_ingest_result *ret, struct zn_err *err);

/* The suffix that sets apart the pieces of a long line: pieces with one time and one text are one line
 * to the store. U+001F and the ordinal in digits U+E000 to U+E009, which no search text matches. */
void zn_piece_mark_add(struct zn_buf *line, int ordinal);
/* Length of the text in a stored line without that suffix. */
size_t zn_piece_mark_cut(const char *line, size_t n);

#endif
