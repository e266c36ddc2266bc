/* Entity tags: a hash of what is shown. */
#ifndef ZN_API_ETAG_H
#define ZN_API_ETAG_H

#include "zaned/api/api.h"

enum { ZN_ETAG_SIZE = 35 }; /* 32 hexadecimal digits in quotes, NUL */

void zn_etag_of(const void *data, size_t n, char tag[ZN_ETAG_SIZE]);
/* RFC 9110 §13.1: whether If-Match or If-None-Match is "*" or lists the tag. Weak tags never fit. */
bool zn_etag_listed(const char *list, const char *tag);

#endif
