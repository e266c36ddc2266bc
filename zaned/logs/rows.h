/* Lines as the store answers them: flattened, ordered, without repetitions. */
#ifndef ZN_LOGS_ROWS_H
#define ZN_LOGS_ROWS_H

#include "zaned/logs/text.h"
#include "zaned/logs/loki.h"

enum { ZN_ROW_KEY_MAX = 192 };

struct zn_row {
    int64_t ns;
    const json_t *meta;       /* labels and structured metadata; borrowed from the answer */
    struct zn_str text;       /* without colours and without the mark of a piece; borrowed */
    char id[ZN_LOG_IDENTITY_LEN];
    char key[ZN_ROW_KEY_MAX]; /* order among lines of one time */
};

struct zn_rows {
    struct zn_row *row; /* owned */
    size_t n, cap;
    json_t **answer;    /* owned: what the rows borrow from */
    size_t nanswers;
};

/* Takes the answer over (also on failure) and appends its lines; ZN_INTERNAL if it is not of the form
 * that the store documents. */
int zn_rows_add(struct zn_rows *r, json_t *steals, struct zn_err *err);
/* Orders rows from `from` on by (time, key) and drops repetitions among them. */
void zn_rows_order(struct zn_rows *r, size_t from, bool asc);
json_t *zn_row_json(const struct zn_row *row);
void zn_rows_done(struct zn_rows *r);

#endif
