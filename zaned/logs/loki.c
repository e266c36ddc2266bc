#include "zaned/logs/loki.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/guard.h"
#include "base/http.h"

enum { PUSH_MS = 10000, QUERY_MS = 25000, ANSWER_MAX = 24 << 20 };

static unsigned refused_in(const char *words)
{
    unsigned long n = 0;
    const char *at = words;

    while ((at = strstr(at, "total ignored: "))) {
        at += strlen("total ignored: ");
        n += strtoul(at, NULL, 10);
    }
    return n ? (unsigned)n : 1;
}

/* Waiting helps with a rate limit, a store that starts, and whatever a proxy in between may say. */
static bool passes(int status)
{
    return status == 429 || status == 408 || status >= 500 || status < 200;
}

static int push(struct zn_loki *l, const char *body, size_t n, unsigned *refused, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };
    struct zn_http_req req = { .host = l->url.host, .port = l->url.port, .method = "POST",
                               .target = "/loki/api/v1/push", .body = body, .body_len = n,
                               .deadline_ms = PUSH_MS };
    const char *words;

    if (zn_http_call(&req, &resp, err) < 0) {
        err->code = ZN_UNAVAILABLE;
        return zn_wrap(err, "log store");
    }
    if (resp.status >= 200 && resp.status < 300)
        return 0;
    words = resp.body.len ? zn_buf_str(&resp.body) : "";
    *refused = refused_in(words ? words : "");
    return zn_fail(err, passes(resp.status) ? ZN_UNAVAILABLE : ZN_INVALID,
                   "log store answered %d: %.180s", resp.status, words ? words : "");
}

static int query(struct zn_loki *l, const char *logql, int64_t start, int64_t end, unsigned limit,
                 bool forward, json_t **ret, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };
    ZN_AUTO(zn_buf_done) struct zn_buf target = ZN_BUF(16384);
    struct zn_http_req req = { .host = l->url.host, .port = l->url.port, .method = "GET",
                               .deadline_ms = QUERY_MS, .max_body = ANSWER_MAX };
    zn_auto_json doc = NULL;
    json_error_t je;

    zn_buf_puts(&target, "/loki/api/v1/query_range?query=");
    zn_percent_add(&target, logql);
    zn_buf_printf(&target, "&start=%" PRId64 "&end=%" PRId64 "&limit=%u&direction=%s", start, end,
                  limit, forward ? "forward" : "backward");
    req.target = zn_buf_str(&target);
    if (!req.target)
        return zn_fail(err, ZN_INVALID, "the search is too long");
    if (zn_http_call(&req, &resp, err) < 0) {
        err->code = ZN_UNAVAILABLE;
        return zn_wrap(err, "log store");
    }
    if (resp.status != 200) {
        zn_detail(err, "%.*s: %.*s", 200, logql, (int)(resp.body.len < 200 ? resp.body.len : 200),
                  resp.body.len ? resp.body.mem : "");
        return zn_fail(err, passes(resp.status) ? ZN_UNAVAILABLE : ZN_INTERNAL,
                       "log store answered %d", resp.status);
    }
    doc = json_loadb(resp.body.mem, resp.body.len, JSON_ALLOW_NUL, &je);
    *ret = json_incref(json_object_get(json_object_get(doc, "data"), "result"));
    if (!json_is_array(*ret)) {
        json_decref(*ret);
        return zn_fail(err, ZN_INTERNAL, "log store: answer without data.result");
    }
    return 0;
}

int zn_loki_init(struct zn_loki *l, const char *url, struct zn_err *err)
{
    *l = (struct zn_loki){ .push = push, .query = query };
    return zn_url_parse(url, &l->url, err);
}
