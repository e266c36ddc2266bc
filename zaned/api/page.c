#include "zaned/api/page.h"

#include <stdio.h>

#include "zaned/api/people.h"

enum { PAGE_MAX = 1000000000 };

struct zn_page_span zn_page_span(struct zn_page *p)
{
    struct zn_page_span s;

    if (p->page < 1 || p->page > PAGE_MAX)
        p->page = 0;
    if (p->per_page < 1)
        p->per_page = ZN_PER_PAGE;
    if (p->per_page > ZN_PER_PAGE_MAX)
        p->per_page = ZN_PER_PAGE_MAX;
    snprintf(s.limit, sizeof s.limit, "%lld", (long long)p->per_page);
    snprintf(s.offset, sizeof s.offset, "%lld",
             (long long)(p->page ? (p->page - 1) * p->per_page : 0));
    return s;
}

static json_t *link_to(struct zn_call *c, int64_t page)
{
    return json_string(
        zn_call_url(c, "page", zn_arena_printf(c->arena, "%lld", (long long)page)));
}

json_t *zn_page_envelope(struct zn_call *c, const struct zn_page *p, int64_t count, json_t *results)
{
    int64_t pages = (count + p->per_page - 1) / p->per_page;

    if (p->page < 1 || p->page > pages)
        return json_pack("{s:i,s:n,s:n,s:[]}", "count", 0, "next", "previous", "results");
    return json_pack("{s:I,s:o,s:o,s:O}", "count", (json_int_t)count, "next",
                     p->page < pages ? link_to(c, p->page + 1) : json_null(), "previous",
                     p->page > 1 ? link_to(c, p->page - 1) : json_null(), "results", results);
}

int zn_page_reply(struct zn_call *c, const struct zn_page *p, const PGresult *rows, const char *sealed,
                  struct zn_reply *reply, struct zn_err *err)
{
    int64_t count = PQntuples(rows) ? zn_col_i64(rows, 0, "n") : 0;
    zn_auto_json results = NULL;

    if (zn_people_docs(c, rows, sealed, &results, err) < 0)
        return -1;
    zn_reply_json(reply, 200, zn_page_envelope(c, p, count, results));
    return 0;
}
