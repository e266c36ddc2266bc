/* Search in the log store: filters become LogQL, pages never repeat or skip a line. */
#ifndef ZN_LOGS_SEARCH_H
#define ZN_LOGS_SEARCH_H

#include "zaned/logs/loki.h"
#include "zaned/logs/text.h"

enum {
    ZN_SEARCH_PAGE_MAX = 100,
    ZN_SEARCH_TEXT_MAX = 256,
    ZN_SEARCH_DAYS = 14,
    ZN_SEARCH_SAME_TIME_MAX = 500, /* lines of one nanosecond: pieces of one line of 8 MB */
};

/* Texts are borrowed; NULL or 0 = no such filter. Ids must be of letters, digits, '_' and '-'. */
struct zn_search {
    const char *service_id, *deployment_id, *container_id;
    const char *text;         /* part of the line, any case */
    unsigned levels;          /* bits 1 << enum zn_log_level */
    unsigned sources;         /* bits of ZN_SEARCH_… */
    const char *stream;       /* "stdout" or "stderr" */
    int64_t after, before;    /* nanoseconds, both included; 0 = open */
    bool asc;                 /* order of the results: oldest first */
    unsigned per_page;        /* 1 to ZN_SEARCH_PAGE_MAX */
    const char *cursor;       /* from an earlier page; NULL = first page */
};
enum { ZN_SEARCH_SERVICE = 1, ZN_SEARCH_SYSTEM = 2, ZN_SEARCH_BUILD = 4 };

/* *ret = {results: […], next, previous}, owned by the caller. next goes on in the order of the results,
 * previous goes back. ZN_INVALID with field "cursor" if that is not one of ours. */
int zn_search(struct zn_loki *loki, const struct zn_search *q, int64_t now_ns, json_t **ret,
              struct zn_err *err);

/* The LogQL of a search. */
void zn_search_logql(const struct zn_search *q, struct zn_buf *ret);

/* A place between two lines, and the way to walk from there. */
struct zn_search_place {
    int64_t ns;
    char key[192]; /* order among the lines of that time; empty = all of them are still to come */
    bool asc;
};
void zn_search_place_write(const struct zn_search_place *p, struct zn_buf *ret);
bool zn_search_place_read(const char *cursor, struct zn_search_place *ret);

/* The lines after *place, oldest first, at most q->per_page (here at most what the store answers at once); *place is
 * then after the last of them. Cursor, order and times of q do not count. *ret: owned by the caller; *more: there are
 * others already. */
int zn_search_onward(struct zn_loki *loki, const struct zn_search *q, int64_t now_ns, struct zn_search_place *place,
                     json_t **ret, bool *more, struct zn_err *err);

#endif
