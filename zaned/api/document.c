/* Routes of the API's own description. */
#include <pthread.h>
#include <string.h>

#include "zaned/api/etag.h"
#include "zaned/api/openapi.h"
#include "zaned/config.h"

enum { DOCUMENT_MAX = 4 << 20 };

/* Made once: neither routes nor shapes change while the program runs. */
struct fixed {
    struct zn_blob *bytes; /* NULL: out of memory */
    char tag[ZN_ETAG_SIZE];
};
static struct fixed document, page;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fix(struct fixed *f, const char *text, size_t n)
{
    f->bytes = zn_blob_of(text, n);
    zn_etag_of(text, n, f->tag);
}

static void make(const char *version)
{
    zn_auto_json doc = zn_openapi(zn_all_routes, zn_all_nroutes, version);
    zn_auto_mem char *text = json_dumps(doc, JSON_COMPACT);
    zn_auto_buf struct zn_buf html = ZN_BUF(DOCUMENT_MAX);

    zn_openapi_page(doc, &html);
    if (!text || html.failed)
        return;
    fix(&document, text, strlen(text));
    fix(&page, html.mem, html.len);
}

static int show(struct zn_call *c, struct zn_reply *reply, const struct fixed *f, const char *type,
                struct zn_err *err)
{
    pthread_mutex_lock(&lock);
    if (!f->bytes)
        make(c->api->cfg->version);
    pthread_mutex_unlock(&lock);
    if (!f->bytes)
        return zn_fail(err, ZN_UNAVAILABLE, "out of memory");
    zn_reply_header(reply, "ETag", f->tag);
    zn_reply_blob(reply, 200, type, zn_blob_ref(f->bytes), 0);
    return 0;
}

static int openapi(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    return show(c, reply, &document, "application/json", err);
}

static int docs(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    zn_reply_header(reply, "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'");
    return show(c, reply, &page, "text/html; charset=utf-8", err);
}

const struct zn_route zn_document_routes[] = {
    { .method = "GET", .path = "/api/openapi.json", .scope = ZN_SCOPE_PUBLIC, .handler = openapi,
      .name = "openapi", .summary = "This document", .answers = { { 200, "OpenApiDocument" } } },
    { .method = "GET", .path = "/api/docs", .scope = ZN_SCOPE_PUBLIC, .handler = docs, .name = "docs",
      .summary = "The same as a page for people", .answers = { { 200, "HtmlPage" } } },
};
const size_t zn_document_nroutes = ZN_COUNT(zn_document_routes);
