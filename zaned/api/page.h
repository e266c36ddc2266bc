/* Pages of lists: {count, next, previous, results}, query page (from 1) and per_page. */
#ifndef ZN_API_PAGE_H
#define ZN_API_PAGE_H

#include "zaned/api/api.h"
#include "zaned/store/store.h"

struct zn_page {
    int64_t page, per_page;
};
#define ZN_PAGE_FIRST { 1, ZN_PER_PAGE } /* what is meant if nothing is said */
enum { ZN_PER_PAGE = 10, ZN_PER_PAGE_MAX = 100 };

/* Rows of a query table for the member `page` of struct rec. */
#define ZN_PAGE_FIELDS(rec)                                                                        \
    { .name = "page", .type = ZN_J_INT, .offset = offsetof(struct rec, page.page),                 \
      .help = "from 1; a page that does not exist is empty" },                                     \
    { .name = "per_page", .type = ZN_J_INT, .offset = offsetof(struct rec, page.per_page),         \
      .help = "10 unless said otherwise; more than 100 is 100" }

/* limit and offset as parameters of a statement. */
struct zn_page_span {
    char limit[24], offset[24];
};
/* Brings what came within bounds; a page that cannot exist becomes 0. */
struct zn_page_span zn_page_span(struct zn_page *p);

/* The answer for page p of `count` rows in all; one that does not exist is empty. results is borrowed. */
json_t *zn_page_envelope(struct zn_call *c, const struct zn_page *p, int64_t count, json_t *results);
/* Answers the page that the rows are (columns n = rows of all pages, doc), whose doc's member `sealed`
 * (NULL = none) is shown in clear text. */
int zn_page_reply(struct zn_call *c, const struct zn_page *p, const PGresult *rows, const char *sealed,
                  struct zn_reply *reply, struct zn_err *err);

#endif
