#include "zaned/logs/search.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/guard.h"
#include "zaned/logs/rows.h"

#define SECOND_NS 1000000000LL

enum { ROUNDS_MAX = 8, SPARE = 16 };

/* --- LogQL -------------------------------------------------------------------------------------- */

/* A Go string literal. */
static void quote(struct zn_buf *b, const char *s)
{
    zn_buf_putc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            zn_buf_putc(b, '\\');
        if (c < 0x20 || c == 0x7f)
            zn_buf_printf(b, "\\x%02x", c);
        else
            zn_buf_putc(b, (char)c);
    }
    zn_buf_putc(b, '"');
}

/* Text as a regular expression (RE2) that matches it and nothing else, in any case. */
static void text_filter(struct zn_buf *b, const char *text)
{
    ZN_AUTO(zn_buf_done) struct zn_buf re = ZN_BUF(2 * ZN_SEARCH_TEXT_MAX + 16);

    zn_buf_puts(&re, "(?i)");
    for (const char *s = text; *s; s++) {
        if (strchr("\\.+*?()|[]{}^$", *s))
            zn_buf_putc(&re, '\\');
        zn_buf_putc(&re, *s);
    }
    zn_buf_puts(b, " |~ ");
    quote(b, zn_buf_str(&re) ? zn_buf_str(&re) : "");
    b->failed |= re.failed;
}

static void equals(struct zn_buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    zn_buf_printf(b, " | %s=", name);
    quote(b, value);
}

/* name=~"A|B" of the names whose bit is set. */
static void one_of(struct zn_buf *b, const char *before, const char *const *names, unsigned n,
                   unsigned bits)
{
    bool first = true;

    if (!bits)
        return;
    zn_buf_printf(b, "%s=~\"", before);
    for (unsigned i = 0; i < n; i++)
        if (bits & 1u << i) {
            zn_buf_printf(b, "%s%s", first ? "" : "|", names[i]);
            first = false;
        }
    zn_buf_putc(b, '"');
}

void zn_search_logql(const struct zn_search *q, struct zn_buf *ret)
{
    static const char *const sources[] = { "SERVICE", "SYSTEM", "BUILD" };
    static const char *const levels[] = { "ERROR", "WARN", "INFO", "DEBUG" };

    zn_buf_puts(ret, "{app=\"zane\"");
    if (q->service_id) {
        zn_buf_puts(ret, ",service_id=");
        quote(ret, q->service_id);
    }
    one_of(ret, ",source", sources, 3, q->sources);
    zn_buf_putc(ret, '}');
    if (q->text && *q->text)
        text_filter(ret, q->text);
    equals(ret, "deployment_id", q->deployment_id);
    equals(ret, "container_id", q->container_id);
    equals(ret, "stream", q->stream);
    one_of(ret, " | level", levels, 4, q->levels);
}

/* --- cursors ------------------------------------------------------------------------------------ */

void zn_search_place_write(const struct zn_search_place *p, struct zn_buf *ret)
{
    zn_auto_json doc = json_pack("{s:[o],s:s}", "sort", json_sprintf("%" PRId64, p->ns), "order",
                                 p->asc ? "asc" : "desc");
    zn_auto_mem char *text = NULL;

    if (*p->key)
        json_object_set_new(doc, "key", json_string(p->key));
    text = json_dumps(doc, JSON_COMPACT);
    if (text)
        zn_base64_add(ret, text, strlen(text), true);
    else
        ret->failed = true;
}

bool zn_search_place_read(const char *cursor, struct zn_search_place *ret)
{
    ZN_AUTO(zn_buf_done) struct zn_buf text = ZN_BUF(1024);
    zn_auto_json doc = NULL;
    struct zn_err ignored = { 0 };
    const json_t *sort;
    const char *order, *key, *ns;
    long long v;

    if (strlen(cursor) > 1024 || !zn_base64_decode(cursor, strlen(cursor), &text) ||
        zn_json_parse(text.mem ? text.mem : "", text.len, &doc, &ignored) < 0)
        return false;
    sort = json_object_get(doc, "sort");
    ns = json_string_value(json_array_get(sort, 0));
    order = zn_json_str(doc, "order", "");
    key = zn_json_str(doc, "key", "");
    if (!ns || json_array_size(sort) != 1 || !zn_parse_i64(ns, 0, INT64_MAX - 1, &v) ||
        strlen(key) >= sizeof ret->key ||
        (strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0))
        return false;
    *ret = (struct zn_search_place){ .ns = v, .asc = strcmp(order, "asc") == 0 };
    memcpy(ret->key, key, strlen(key));
    return true;
}

/* --- walking ------------------------------------------------------------------------------------ */

struct walk {
    struct zn_loki *loki;
    const char *logql;
    int64_t low, high;         /* times of the search: low <= time < high */
    struct zn_search_place at; /* everything up to here was looked at */
    struct zn_rows rows;
    bool finished;             /* nothing lies beyond the rows */
};

static int ask(struct walk *w, int64_t start, int64_t end, unsigned limit, size_t *got,
               struct zn_err *err)
{
    json_t *answer = NULL;
    size_t before = w->rows.n;

    *got = 0;
    if (start >= end)
        return 0;
    if (w->loki->query(w->loki, w->logql, start, end, limit, w->at.asc, &answer, err) < 0 ||
        zn_rows_add(&w->rows, answer, err) < 0)
        return -1;
    *got = w->rows.n - before;
    return 0;
}

/* Drops rows from `from` on that lie before or at the place in the direction of the walk. */
static void skip_seen(struct walk *w, size_t from)
{
    size_t keep = from;

    for (size_t i = from; i < w->rows.n; i++) {
        const struct zn_row *r = &w->rows.row[i];
        int c = *w->at.key && r->ns == w->at.ns ? strcmp(r->key, w->at.key) : w->at.asc ? 1 : -1;
        if (w->at.asc ? c > 0 : c < 0)
            w->rows.row[keep++] = *r;
    }
    w->rows.n = keep;
}

/* The answer was cut at its limit: the lines of its last time may be incomplete, and which of them came
 * is not said. Takes them out, or asks for all of them if there is nothing else. *edge = first time that
 * is not complete. */
static int complete(struct walk *w, size_t from, int64_t *edge, struct zn_err *err)
{
    int64_t first = w->rows.row[from].ns, last = w->rows.row[w->rows.n - 1].ns;
    size_t got;

    if (first == last) {
        w->rows.n = from;
        *edge = w->at.asc ? last + 1 : last - 1;
        return ask(w, last, last + 1, ZN_SEARCH_SAME_TIME_MAX, &got, err);
    }
    while (w->rows.row[w->rows.n - 1].ns == last)
        w->rows.n--;
    *edge = last;
    return 0;
}

/* One question further; rows grow by what is new. */
static int step(struct walk *w, unsigned want, struct zn_err *err)
{
    int64_t start = w->low, end = w->high, edge;
    size_t from = w->rows.n, got;
    unsigned limit = want + SPARE;

    if (w->at.asc && w->at.ns > start)
        start = w->at.ns;
    if (!w->at.asc && w->at.ns < end)
        end = w->at.ns + 1;
    if (ask(w, start, end, limit, &got, err) < 0)
        return -1;
    zn_rows_order(&w->rows, from, w->at.asc);
    w->finished = got < limit;
    if (!w->finished && complete(w, from, &edge, err) < 0)
        return -1;
    if (!w->finished)
        zn_rows_order(&w->rows, from, w->at.asc);
    skip_seen(w, from);
    if (!w->finished)
        w->at = (struct zn_search_place){ .ns = edge, .asc = w->at.asc };
    return 0;
}

static int walk_on(struct walk *w, unsigned per_page, struct zn_err *err)
{
    for (unsigned i = 0; i < ROUNDS_MAX && !w->finished && w->rows.n <= per_page; i++)
        if (step(w, per_page + 1, err) < 0)
            return -1;
    return 0;
}

/* --- pages -------------------------------------------------------------------------------------- */

static json_t *cursor_text(const struct zn_search_place *p)
{
    ZN_AUTO(zn_buf_done) struct zn_buf b = ZN_BUF(1024);

    zn_search_place_write(p, &b);
    return zn_buf_str(&b) ? json_string(b.mem) : NULL;
}

static struct zn_search_place place_of(const struct zn_row *row, bool asc)
{
    struct zn_search_place p = { .ns = row->ns, .asc = asc };

    memcpy(p.key, row->key, sizeof p.key);
    return p;
}

/* Where the walk goes on after the page of n rows; NULL = nowhere. */
static json_t *onward(const struct walk *w, size_t n)
{
    struct zn_search_place p = w->at;

    if (w->rows.n > n)
        p = place_of(&w->rows.row[n - 1], w->at.asc);
    else if (w->finished)
        return json_null();
    return cursor_text(&p);
}

/* Where the opposite walk starts: before the first row, or before the place itself. */
static json_t *backward(const struct walk *w, const struct zn_search_place *start)
{
    struct zn_search_place p = *start;

    p.asc = !start->asc;
    if (w->rows.n)
        p = place_of(&w->rows.row[0], p.asc);
    return cursor_text(&p);
}

static json_t *page(const struct walk *w, const struct zn_search *q,
                    const struct zn_search_place *start)
{
    size_t n = w->rows.n < q->per_page ? w->rows.n : q->per_page;
    bool same = w->at.asc == q->asc;
    json_t *list = json_array(), *on = onward(w, n);
    json_t *back = q->cursor ? backward(w, start) : json_null();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, zn_row_json(&w->rows.row[same ? i : n - 1 - i]));
    return json_pack("{s:o,s:o,s:o}", "next", same ? on : back, "previous", same ? back : on,
                     "results", list);
}

int zn_search(struct zn_loki *loki, const struct zn_search *q, int64_t now_ns, json_t **ret,
              struct zn_err *err)
{
    int64_t oldest = now_ns - ZN_SEARCH_DAYS * 86400 * SECOND_NS;
    ZN_AUTO(zn_buf_done) struct zn_buf logql = ZN_BUF(8192);
    struct walk w = { .loki = loki, .low = q->after > oldest ? q->after : oldest,
                      .high = now_ns + 600 * SECOND_NS };
    struct zn_search_place start;
    int r;

    if (q->before && q->before < w.high)
        w.high = q->before + 1;
    w.at = (struct zn_search_place){ .ns = q->asc ? w.low : w.high - 1, .asc = q->asc };
    if (q->cursor && !zn_search_place_read(q->cursor, &w.at)) {
        zn_field_err(err, "cursor", "invalid", "Invalid cursor.");
        return zn_fail(err, ZN_INVALID, "invalid cursor");
    }
    start = w.at;
    zn_search_logql(q, &logql);
    w.logql = zn_buf_str(&logql);
    r = w.logql ? walk_on(&w, q->per_page, err) : zn_fail(err, ZN_INVALID, "the search is too long");
    if (r == 0) {
        *ret = page(&w, q, &start);
        if (!*ret)
            r = zn_fail(err, ZN_INTERNAL, "out of memory for log lines");
    }
    zn_rows_done(&w.rows);
    return r;
}

int zn_search_onward(struct zn_loki *loki, const struct zn_search *q, int64_t now_ns, struct zn_search_place *place,
                     json_t **ret, bool *more, struct zn_err *err)
{
    ZN_AUTO(zn_buf_done) struct zn_buf logql = ZN_BUF(8192);
    struct walk w = { .loki = loki, .low = now_ns - ZN_SEARCH_DAYS * 86400 * SECOND_NS,
                      .high = now_ns + 600 * SECOND_NS, .at = *place };
    zn_auto_json list = json_array();
    int r;

    w.at.asc = true;
    zn_search_logql(q, &logql);
    w.logql = zn_buf_str(&logql);
    r = w.logql ? walk_on(&w, q->per_page, err) : zn_fail(err, ZN_INVALID, "the search is too long");
    size_t n = w.rows.n < q->per_page ? w.rows.n : q->per_page;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (json_array_append_new(list, zn_row_json(&w.rows.row[i])) < 0)
            r = zn_fail(err, ZN_INTERNAL, "out of memory for log lines");
    if (r == 0) {
        *more = w.rows.n > n || !w.finished;
        if (!w.finished && w.rows.n <= n)
            *place = w.at;
        else if (n)
            *place = place_of(&w.rows.row[n - 1], true);
        *ret = ZN_TAKE(list);
    }
    zn_rows_done(&w.rows);
    return r;
}
