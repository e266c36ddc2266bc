/* The status page: one HTML document that needs no script, and becomes live with one. */
#ifndef ZN_SUPERVISOR_STATUS_H
#define ZN_SUPERVISOR_STATUS_H

#include <jansson.h>
#include <stdint.h>

#include "base/str.h"

/* The page from a document of zn_health_public. now_ns: wall clock, for "since". */
void zn_status_page(const json_t *doc, int64_t now_ns, struct zn_buf *ret);

/* Headers that go with it (content security policy by the hashes of its script and style), each
 * line ended by CRLF; static storage. */
const char *zn_status_headers(void);

/* Adds s with the five characters escaped that HTML gives a meaning. */
void zn_html_add(struct zn_buf *b, const char *s);

/* "for 12 s", "for 3 min", "for 2 h", "for 5 days". */
void zn_status_age(int64_t ns, char *ret, size_t size);

#endif
