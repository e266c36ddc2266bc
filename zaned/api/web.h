/* The dashboard as the API serves it: one document for every address that is none of the API's, and, where the proxy
 * does not have them (yet), the files that it asks for. All of it is in memory. */
#ifndef ZN_API_WEB_H
#define ZN_API_WEB_H

#include "base/err.h"
#include "zaned/http/http.h"

struct zn_web; /* owner: the caller */

/* Reads index.html and assets/ of the folder. A folder without an index.html is no dashboard: *ret is NULL then. */
int zn_web_load(const char *folder, struct zn_web **ret, struct zn_err *err);
void zn_web_free(struct zn_web *w); /* NULL is fine */

/* Answers GET and HEAD of what belongs to the dashboard; false: it does not (NULL has nothing). Never waits. */
bool zn_web_answer(const struct zn_web *w, const struct zn_request *req, struct zn_reply *reply);

#endif
