/* Reading requests and writing replies; no network. */
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "zaned/http/http.h"

const char *zn_request_param(const struct zn_request *r, const char *name)
{
    for (unsigned i = 0; i < r->nparams; i++)
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    return NULL;
}

const char *zn_request_query_at(const struct zn_request *r, const char *name, unsigned at)
{
    for (unsigned i = 0; i < r->nquery; i++)
        if (strcmp(r->query[i].name, name) == 0 && at-- == 0)
            return r->query[i].value;
    return NULL;
}

const char *zn_request_query(const struct zn_request *r, const char *name)
{
    return zn_request_query_at(r, name, 0);
}

const char *zn_request_header(const struct zn_request *r, const char *name)
{
    for (unsigned i = 0; i < r->nheaders; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

const char *zn_request_cookie(const struct zn_request *r, const char *name)
{
    const char *p = zn_request_header(r, "Cookie");
    size_t n = strlen(name);

    while (p && *p) {
        p += strspn(p, " ;");
        size_t len = strcspn(p, ";");
        if (len > n && strncmp(p, name, n) == 0 && p[n] == '=')
            return zn_arena_strndup(r->arena, p + n + 1, len - n - 1);
        p += len;
    }
    return NULL;
}

static void begin(struct zn_reply *r, int status, const char *content_type)
{
    zn_buf_done(&r->body);
    zn_blob_unref(r->blob);
    r->blob = NULL;
    if (r->stream.end)
        r->stream.end(r->stream.self);
    r->stream = (struct zn_stream_source){ 0 };
    r->body = ZN_BUF(ZN_REPLY_MAX);
    r->status = status;
    r->content_type = content_type;
}

static int add_json(const char *p, size_t n, void *buf)
{
    struct zn_buf *b = buf;

    zn_buf_add(b, p, n);
    return b->failed ? -1 : 0;
}

void zn_reply_json(struct zn_reply *r, int status, json_t *steals)
{
    begin(r, status, "application/json");
    if (!steals ||
        json_dump_callback(steals, add_json, &r->body, JSON_COMPACT | JSON_ENCODE_ANY) < 0) {
        begin(r, 500, "application/json");
        zn_buf_puts(&r->body, "{\"type\":\"server_error\",\"errors\":[{\"code\":\"error\",\"detail\":"
                              "\"the answer could not be put together\",\"attr\":null}]}");
    }
    json_decref(steals);
}

void zn_reply_empty(struct zn_reply *r, int status)
{
    begin(r, status, NULL);
}

void zn_reply_text(struct zn_reply *r, int status, const char *content_type, const void *data,
                   size_t n)
{
    begin(r, status, content_type);
    zn_buf_add(&r->body, data, n);
}

void zn_reply_blob(struct zn_reply *r, int status, const char *content_type, struct zn_blob *steals,
                   size_t from)
{
    begin(r, status, content_type);
    r->blob = steals;
    r->blob_from = from;
}

void zn_reply_stream(struct zn_reply *r, const char *content_type, const struct zn_stream_source *source)
{
    begin(r, 200, content_type);
    r->stream = *source;
}

void zn_reply_header(struct zn_reply *r, const char *name, const char *value)
{
    if (r->nheaders == ZN_REPLY_HEADERS_MAX || strpbrk(value, "\r\n"))
        zn_error("reply header %s left out", name);
    else
        r->headers[r->nheaders++] = (struct zn_pair){ name, value };
}
