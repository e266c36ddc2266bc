#include "zaned/logs/rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "zaned/logs/ingest.h"

static struct zn_str meta_text(const json_t *meta, const char *name)
{
    return zn_str(zn_json_str(meta, name, ""));
}

static long long meta_number(const json_t *meta, const char *name)
{
    long long v;

    return zn_parse_i64(zn_json_str(meta, name, ""), 0, 100000000, &v) ? v : 0;
}

static int add(struct zn_rows *r, const json_t *meta, const json_t *pair, struct zn_err *err)
{
    const json_t *when = json_array_get(pair, 0), *line = json_array_get(pair, 1);
    struct zn_log_key k = { .container_id = meta_text(meta, "container_id"),
                            .stream = meta_text(meta, "stream"),
                            .partial_id = meta_text(meta, "partial_id"),
                            .ordinal = (int)meta_number(meta, "partial_ordinal") };
    struct zn_row *row;
    long long ns;

    if (!json_is_string(when) || !json_is_string(line) ||
        !zn_parse_i64(json_string_value(when), 0, INT64_MAX, &ns))
        return zn_fail(err, ZN_INTERNAL, "log store: a line that is not [time, text]");
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 128;
        struct zn_row *more = realloc(r->row, cap * sizeof *more);
        if (!more)
            return zn_fail(err, ZN_INTERNAL, "out of memory for log lines");
        r->row = more;
        r->cap = cap;
    }
    row = &r->row[r->n++];
    *row = (struct zn_row){ .ns = ns, .meta = meta,
                            .text = { json_string_value(line), json_string_length(line) } };
    if (k.ordinal)
        row->text.n = zn_piece_mark_cut(row->text.s, row->text.n);
    k.time_ns = ns;
    k.text = row->text;
    zn_log_identity(&k, row->id);
    snprintf(row->key, sizeof row->key, "%.16s.%.8s.%.16s.%09d.%09lld.%s", k.container_id.s,
             k.stream.s, k.partial_id.s, k.ordinal, meta_number(meta, "seq"), row->id);
    return 0;
}

int zn_rows_add(struct zn_rows *r, json_t *steals, struct zn_err *err)
{
    json_t **more = realloc(r->answer, (r->nanswers + 1) * sizeof *more);

    if (!more) {
        json_decref(steals);
        return zn_fail(err, ZN_INTERNAL, "out of memory for log lines");
    }
    r->answer = more;
    r->answer[r->nanswers++] = steals;
    for (size_t i = 0; i < json_array_size(steals); i++) {
        const json_t *group = json_array_get(steals, i);
        const json_t *values = json_object_get(group, "values");
        const json_t *meta = json_object_get(group, "stream");
        if (!json_is_array(values) || !json_is_object(meta))
            return zn_fail(err, ZN_INTERNAL, "log store: a group without stream or values");
        for (size_t k = 0; k < json_array_size(values); k++)
            if (add(r, meta, json_array_get(values, k), err) < 0)
                return -1;
    }
    return 0;
}

/* Equal identities side by side, the one that comes first in order in front. */
static int by_identity(const void *a, const void *b)
{
    const struct zn_row *x = a, *y = b;
    int c = x->ns < y->ns ? -1 : x->ns > y->ns;

    if (!c)
        c = strcmp(x->id, y->id);
    return c ? c : strcmp(x->key, y->key);
}

static int by_order(const void *a, const void *b)
{
    const struct zn_row *x = a, *y = b;

    return x->ns != y->ns ? (x->ns < y->ns ? -1 : 1) : strcmp(x->key, y->key);
}

static int by_order_desc(const void *a, const void *b)
{
    return by_order(b, a);
}

void zn_rows_order(struct zn_rows *r, size_t from, bool asc)
{
    size_t keep = from;

    if (r->n <= from)
        return;
    qsort(r->row + from, r->n - from, sizeof *r->row, by_identity);
    for (size_t i = from; i < r->n; i++)
        if (i == from || r->row[i].ns != r->row[keep - 1].ns ||
            strcmp(r->row[i].id, r->row[keep - 1].id) != 0)
            r->row[keep++] = r->row[i];
    r->n = keep;
    qsort(r->row + from, r->n - from, sizeof *r->row, asc ? by_order : by_order_desc);
}

static json_t *text_or_null(const char *s)
{
    return *s ? json_string(s) : json_null();
}

json_t *zn_row_json(const struct zn_row *row)
{
    const char *ansi = zn_json_str(row->meta, "ansi", NULL);
    long long ordinal = meta_number(row->meta, "partial_ordinal");
    char when[ZN_LOG_TIME_LEN];
    json_t *out;

    zn_log_time_format(row->ns, when);
    out = json_pack("{s:s,s:s,s:I,s:s,s:s,s:o,s:s,s:o,s:n,s:n,s:o}", "id", row->id, "time", when,
                    "timestamp", (json_int_t)row->ns, "level",
                    zn_json_str(row->meta, "level", "INFO"), "source",
                    zn_json_str(row->meta, "source", "SERVICE"), "stream",
                    text_or_null(zn_json_str(row->meta, "stream", "")), "service_id",
                    zn_json_str(row->meta, "service_id", "unknown"), "deployment_id",
                    text_or_null(zn_json_str(row->meta, "deployment_id", "")), "stack_id",
                    "stack_service_name", "container_id",
                    text_or_null(zn_json_str(row->meta, "container_id", "")));
    json_object_set_new(out, "content",
                        ansi ? json_string(ansi) : json_stringn(row->text.s, row->text.n));
    json_object_set_new(out, "content_text", json_stringn(row->text.s, row->text.n));
    if (ordinal)
        json_object_set_new(out, "partial",
                            json_pack("{s:s,s:I,s:b}", "id",
                                      zn_json_str(row->meta, "partial_id", ""), "ordinal",
                                      (json_int_t)ordinal, "last",
                                      strcmp(zn_json_str(row->meta, "partial_last", ""), "true") == 0));
    return out;
}

void zn_rows_done(struct zn_rows *r)
{
    for (size_t i = 0; i < r->nanswers; i++)
        json_decref(r->answer[i]);
    free(r->answer);
    free(r->row);
    *r = (struct zn_rows){ 0 };
}
