#include "zaned/workflows/lines.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "zaned/logs/ingest.h"
#include "base/periodic.h"

enum { ID_LIST_MAX = 16384 };

/* A row as the collectors would have sent it. Its identity comes from the row's own time, so that a line
 * that is shipped twice is one line. */
static json_t *item_of(const PGresult *rows, int i)
{
    long long us = zn_col_i64(rows, i, "us");
    zn_auto_json tag = json_pack("{s:s,s:s,s:s,s:s}", "service_id", zn_col(rows, i, "service_id"),
                                 "deployment_id", zn_col(rows, i, "deployment_hash"), "source",
                                 zn_col(rows, i, "source"), "level", zn_col(rows, i, "level"));
    zn_auto_mem char *text = json_dumps(tag, JSON_COMPACT);

    return json_pack("{s:s,s:s,s:o,s:s?,s:s}", "log", zn_col(rows, i, "text"), "container_id",
                     zn_col(rows, i, "deployment_hash"), "time",
                     json_sprintf("%lld.%06lld000", us / 1000000, us % 1000000), "tag", text, "source",
                     "stdout");
}

/* Ships the oldest lines; *n: how many there were. */
static int ship_some(struct zn_lines *l, int *n, struct zn_err *err)
{
    zn_auto_pgresult rows = NULL;
    zn_auto_json batch = json_array();
    zn_auto_buf struct zn_buf ids = ZN_BUF(ID_LIST_MAX);
    struct zn_ingest_result done;

    if (zn_sql_once(l->store, ZN_SQL_LINES_NEXT, ZN_P0, &rows, err) < 0)
        return -1;
    *n = PQntuples(rows);
    if (!*n)
        return 0;
    zn_buf_putc(&ids, '{');
    for (int i = 0; i < *n; i++) {
        json_array_append_new(batch, item_of(rows, i));
        zn_buf_printf(&ids, "%s%s", i ? "," : "", zn_col(rows, i, "id"));
    }
    zn_buf_putc(&ids, '}');
    if (!zn_buf_str(&ids))
        return zn_fail(err, ZN_INTERNAL, "out of memory for %d lines", *n);
    if (zn_ingest(l->loki, batch, zn_wall_ns(), &done, err) < 0)
        return -1;
    if (done.refused)
        zn_warn("%u lines of the build log can never be stored: %s", done.refused, done.reason);
    return zn_sql_once(l->store, ZN_SQL_LINES_DROP, ZN_P(zn_buf_str(&ids)), NULL, err);
}

int zn_lines_ship(void *lines, struct zn_periodic *self, struct zn_err *err)
{
    int n = 1;

    while (n && !zn_periodic_stopping(self))
        if (ship_some(lines, &n, err) < 0)
            return zn_wrap(err, "build log");
    return 0;
}
