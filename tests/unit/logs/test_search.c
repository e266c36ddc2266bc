/* Search: LogQL, cursors, and pages over a store that is as unhelpful as Loki may be. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "zaned/logs/ingest.h"
#include "zaned/logs/search.h"

#define NOW 1764085000000000000LL

/* --- a store ------------------------------------------------------------------------------------
 * Keeps lines with repetitions, answers equal times in no order, and cuts at the limit anywhere among
 * them. */

struct stored {
    int64_t ns;
    int line, seq, ordinal;
};
static struct stored store[2000];
static size_t nstore, queries;
static unsigned rnd = 1;

static unsigned roll(unsigned n)
{
    rnd = rnd * 1103515245 + 12345;
    return (rnd >> 16) % n;
}

static json_t *answer_of(const struct stored *s)
{
    char line[64], ordinal[16], seq[16];
    struct zn_buf text = ZN_BUF(256);
    json_t *out;

    snprintf(line, sizeof line, "line %d", s->line);
    snprintf(seq, sizeof seq, "%d", s->seq);
    snprintf(ordinal, sizeof ordinal, "%d", s->ordinal);
    zn_buf_puts(&text, s->ordinal ? "xx" : line);
    if (s->ordinal)
        zn_piece_mark_add(&text, s->ordinal);
    out = json_pack("{s:{s:s,s:s,s:s,s:s,s:s,s:s},s:[[o,s]]}", "stream", "container_id", "c1", "stream",
                    "stdout", "level", "INFO", "service_id", "srv", "seq", seq,
                    s->ordinal ? "partial_ordinal" : "ignored", ordinal, "values",
                    json_sprintf("%" PRId64, s->ns), zn_buf_str(&text));
    zn_buf_done(&text);
    return out;
}

static int by_time(const void *a, const void *b)
{
    const struct stored *x = *(const struct stored *const *)a, *y = *(const struct stored *const *)b;

    return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static int fake_query(struct zn_loki *l, const char *logql, int64_t start, int64_t end,
                      unsigned limit, bool forward, json_t **ret, struct zn_err *err)
{
    const struct stored *hit[2000];
    size_t n = 0;

    (void)l;
    (void)err;
    queries++;
    cr_assert_str_eq(logql, "{app=\"zane\"}");
    for (size_t i = 0; i < nstore; i++)
        if (store[i].ns >= start && store[i].ns < end)
            hit[n++] = &store[i];
    for (size_t i = n; i > 1; i--) { /* no order among equal times */
        size_t k = roll((unsigned)i);
        const struct stored *t = hit[k];
        hit[k] = hit[i - 1];
        hit[i - 1] = t;
    }
    qsort(hit, n, sizeof *hit, by_time);
    *ret = json_array();
    for (size_t i = 0; i < n && i < limit; i++)
        json_array_append_new(*ret, answer_of(forward ? hit[i] : hit[n - 1 - i]));
    return 0;
}

static struct zn_loki loki = { .query = fake_query };

static json_t *fetch(const struct zn_search *q)
{
    struct zn_err err = { 0 };
    json_t *page = NULL;

    cr_assert_eq(zn_search(&loki, q, NOW, &page, &err), 0, "%s", err.msg);
    return page;
}

/* All contents over all pages, joined; asserts that no page is too long. */
static char *walk(bool asc, unsigned per_page)
{
    struct zn_search q = { .asc = asc, .per_page = per_page };
    struct zn_buf all = ZN_BUF(1 << 20);
    char cursor[1024];

    for (int pages = 0;; pages++) {
        cr_assert(pages < 5000, "no end of pages");
        json_t *page = fetch(&q), *rows = json_object_get(page, "results");
        const char *next = json_string_value(json_object_get(page, "next"));
        cr_assert(json_array_size(rows) <= per_page);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            json_t *r = json_array_get(rows, i);
            zn_buf_printf(&all, "%s/%lld ", zn_json_str(r, "content", "?"),
                          (long long)zn_json_int(json_object_get(r, "partial"), "ordinal", 0));
        }
        if (!next) {
            json_decref(page);
            return zn_buf_take(&all);
        }
        snprintf(cursor, sizeof cursor, "%s", next);
        q.cursor = cursor;
        json_decref(page);
    }
}

/* n distinct lines of which `same` share each time, repeated up to twice with other metadata. */
static void fill(size_t n, unsigned same, bool repeat)
{
    nstore = 0;
    for (size_t i = 0; i < n; i++) {
        struct stored s = { NOW - 1000000 + (int64_t)(i / same) * 10, (int)i, (int)(i % same), 0 };
        store[nstore++] = s;
        if (repeat && roll(3) == 0) {
            s.seq = roll(2) ? s.seq : s.seq + 1; /* went through the other collector's batch */
            store[nstore++] = s;
        }
    }
}

static char *expected(size_t n, bool asc)
{
    struct zn_buf b = ZN_BUF(1 << 20);

    for (size_t i = 0; i < n; i++)
        zn_buf_printf(&b, "line %zu/0 ", asc ? i : n - 1 - i);
    return n ? zn_buf_take(&b) : calloc(1, 1);
}

Test(search, pages_hold_each_line_once_and_in_order, .timeout = 120)
{
    static const unsigned sames[] = { 1, 2, 7, 150 };

    for (size_t k = 0; k < sizeof sames / sizeof *sames; k++)
        for (unsigned per_page = 1; per_page <= 100; per_page = per_page * 3 + 1)
            for (int asc = 0; asc < 2; asc++) {
                size_t n = 300;
                fill(n, sames[k], false);
                zn_auto_mem char *want = expected(n, asc), *got = walk(asc, per_page);
                cr_assert_str_eq(got, want, "same %u per_page %u asc %d", sames[k], per_page, asc);
            }
}

/* With repetitions the order among equal times may differ, so only whole times are compared. */
Test(search, repetitions_show_once, .timeout = 120)
{
    for (int round = 0; round < 20; round++)
        for (int asc = 0; asc < 2; asc++) {
            fill(200, 1, true);
            zn_auto_mem char *want = expected(200, asc), *got = walk(asc, 1 + roll(40));
            cr_assert_str_eq(got, want, "round %d asc %d", round, asc);
        }
    for (int round = 0; round < 20; round++) {
        char seen[200] = { 0 };
        int n = 0, line, used;
        fill(200, 40, true);
        zn_auto_mem char *got = walk(round % 2, 1 + roll(60));
        for (const char *at = got; sscanf(at, "line %d/0 %n", &line, &used) == 1; at += used, n++)
            cr_assert_eq(seen[line]++, 0, "line %d twice", line);
        cr_assert_eq(n, 200);
    }
}

Test(search, pieces_of_a_line_stay_in_order, .timeout = 20)
{
    nstore = 0;
    for (int i = 0; i < 130; i++)
        store[nstore++] = (struct stored){ NOW - 500, 0, 0, 130 - i };
    zn_auto_mem char *got = walk(true, 50);
    const char *at = got;
    int ordinal, used;
    for (int i = 1; i <= 130; i++, at += used) {
        cr_assert_eq(sscanf(at, "xx/%d %n", &ordinal, &used), 1, "at %d: %.40s", i, at);
        cr_assert_eq(ordinal, i);
    }
    cr_assert_eq(*at, '\0');
}

static json_t *turn(struct zn_search *q, const json_t *page, const char *which, char cursor[1024])
{
    const char *c = json_string_value(json_object_get(page, which));

    cr_assert(c, "no %s", which);
    snprintf(cursor, 1024, "%s", c);
    q->cursor = cursor;
    return fetch(q);
}

Test(search, previous_leads_back_to_the_same_page, .timeout = 20)
{
    for (int asc = 0; asc < 2; asc++) {
        struct zn_search q = { .asc = asc, .per_page = 20 };
        char cursor[1024];
        fill(100, 7, false);
        zn_auto_json one = fetch(&q);
        zn_auto_json two = turn(&q, one, "next", cursor);
        zn_auto_json three = turn(&q, two, "next", cursor);
        zn_auto_json back = turn(&q, three, "previous", cursor);
        cr_expect(json_is_null(json_object_get(one, "previous")));
        cr_expect(json_equal(json_object_get(back, "results"), json_object_get(two, "results")));
        zn_auto_json front = turn(&q, back, "previous", cursor);
        cr_expect(json_equal(json_object_get(front, "results"), json_object_get(one, "results")));
        cr_expect(json_is_null(json_object_get(front, "previous")));
        zn_auto_json again = turn(&q, front, "next", cursor);
        cr_expect(json_equal(json_object_get(again, "results"), json_object_get(two, "results")));
    }
}

Test(search, empty_store_is_an_empty_page, .timeout = 5)
{
    struct zn_search q = { .per_page = 50 };

    nstore = 0;
    zn_auto_json page = fetch(&q);
    cr_expect_eq(json_array_size(json_object_get(page, "results")), 0);
    cr_expect(json_is_null(json_object_get(page, "next")));
    cr_expect_eq(queries, 1);
}

Test(search, a_page_costs_one_question_to_the_store, .timeout = 5)
{
    struct zn_search q = { .per_page = 50 };

    fill(1000, 1, false);
    zn_auto_json page = fetch(&q);
    cr_expect_eq(json_array_size(json_object_get(page, "results")), 50);
    cr_expect_eq(queries, 1);
}

Test(search, times_bound_the_walk, .timeout = 5)
{
    struct zn_search q = { .per_page = 100, .after = NOW - 1000000 + 100, .before = NOW - 1000000 + 200 };

    fill(300, 1, false);
    zn_auto_json page = fetch(&q);
    cr_expect_eq(json_array_size(json_object_get(page, "results")), 11); /* both ends included */
}

/* --- text ----------------------------------------------------------------------------------------- */

static void logql_is(const struct zn_search *q, const char *want)
{
    struct zn_buf b = ZN_BUF(8192);

    zn_search_logql(q, &b);
    cr_expect_str_eq(zn_buf_str(&b), want);
    zn_buf_done(&b);
}

Test(search, filters_become_logql, .timeout = 5)
{
    logql_is(&(struct zn_search){ 0 }, "{app=\"zane\"}");
    logql_is(&(struct zn_search){ .service_id = "srv", .sources = ZN_SEARCH_SYSTEM | ZN_SEARCH_BUILD,
                                  .deployment_id = "dpl", .container_id = "c", .stream = "stderr",
                                  .levels = 1 << ZN_LEVEL_ERROR | 1 << ZN_LEVEL_DEBUG, .text = "a" },
             "{app=\"zane\",service_id=\"srv\",source=~\"SYSTEM|BUILD\"} |~ \"(?i)a\" | "
             "deployment_id=\"dpl\" | container_id=\"c\" | stream=\"stderr\" | level=~\"ERROR|DEBUG\"");
}

Test(search, text_is_only_text, .timeout = 5)
{
    logql_is(&(struct zn_search){ .text = "a.b\"} | json \\d `x` {y} $1^ (z)|[q]*+?" },
             "{app=\"zane\"} |~ \"(?i)a\\\\.b\\\"\\\\} \\\\| json \\\\\\\\d `x` \\\\{y\\\\} \\\\$1\\\\^ "
             "\\\\(z\\\\)\\\\|\\\\[q\\\\]\\\\*\\\\+\\\\?\"");
    logql_is(&(struct zn_search){ .text = "tab\there\n" },
             "{app=\"zane\"} |~ \"(?i)tab\\x09here\\x0a\"");
}

Test(search, cursors_are_checked, .timeout = 5)
{
    static const char *const bad[] = {
        "x", "!!!!", "bm9wZQ", "e30", "eyJzb3J0IjpbXSwib3JkZXIiOiJhc2MifQ", /* {"sort":[],…} */
        "eyJzb3J0IjpbIi01Il0sIm9yZGVyIjoiYXNjIn0",                         /* -5 */
        "eyJzb3J0IjpbIjUiXSwib3JkZXIiOiJ1cCJ9",                             /* order up */
        "eyJzb3J0IjpbNV0sIm9yZGVyIjoiYXNjIn0",                              /* a number */
    };
    struct zn_search_place p = { .ns = 5, .key = "k", .asc = true }, q;
    struct zn_buf b = ZN_BUF(1024);
    struct zn_err err = { 0 };
    json_t *page = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_not(zn_search_place_read(bad[i], &q), "%s", bad[i]);
        struct zn_search s = { .per_page = 5, .cursor = bad[i] };
        cr_expect_eq(zn_search(&loki, &s, NOW, &page, &err), -1);
        cr_expect_str_eq(err.fields[0].path, "cursor");
    }
    zn_search_place_write(&p, &b);
    cr_assert(zn_search_place_read(zn_buf_str(&b), &q));
    cr_expect(q.ns == 5 && q.asc && strcmp(q.key, "k") == 0);
    /* {"sort":["5"],"order":"desc"}: the compatible form without a key */
    cr_expect(zn_search_place_read("eyJzb3J0IjpbIjUiXSwib3JkZXIiOiJkZXNjIn0=", &q));
    zn_buf_done(&b);
}
