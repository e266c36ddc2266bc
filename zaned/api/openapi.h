/* The API as an OpenAPI 3.1 document, made of the route tables, the decode tables and the shapes in
 * zaned/api/schemas/. There is no other description. */
#ifndef ZN_API_OPENAPI_H
#define ZN_API_OPENAPI_H

#include "zaned/api/api.h"

/* New reference; aborts on a mistake in the tables or shapes, which a test finds. */
json_t *zn_openapi(const struct zn_route_table *tables, size_t ntables, const char *version);
/* The shapes in zaned/api/schemas/, by name; new reference. */
json_t *zn_schemas(void);
/* A page for people made of the document: HTML without scripts. */
void zn_openapi_page(const json_t *doc, struct zn_buf *ret);

#endif
