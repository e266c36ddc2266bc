#include "zaned/logs/ship.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/guard.h"
#include "base/http.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"

enum { BATCH_MS = 1000, POST_MS = 20000, RETRY_FIRST_MS = 500, RETRY_MAX_MS = 30000 };

int zn_shipper_init(struct zn_shipper *s, struct zn_spool *spool, const char *api_url,
                    const char *token, int cancel_fd, struct zn_err *err)
{
    ZN_AUTO(zn_buf_done) struct zn_buf pair = ZN_BUF(300), text = ZN_BUF(sizeof s->auth - 40);

    *s = (struct zn_shipper){ .spool = spool, .cancel_fd = cancel_fd };
    if (zn_url_parse(api_url, &s->api, err) < 0)
        return -1;
    zn_buf_printf(&pair, "zane:%s", token);
    zn_base64_add(&text, pair.mem, pair.len, false);
    if (pair.failed || !zn_buf_str(&text))
        return zn_fail(err, ZN_INVALID, "ingest token longer than 290 characters");
    snprintf(s->auth, sizeof s->auth, "Authorization: Basic %s\r\n", zn_buf_str(&text));
    explicit_bzero(pair.mem, pair.len);
    explicit_bzero(text.mem, text.len);
    return 0;
}

void zn_shipper_done(struct zn_shipper *s)
{
    explicit_bzero(s->auth, sizeof s->auth);
}

enum verdict { TAKEN, LATER, NEVER };

/* What the receiver says about a batch; err has its words unless TAKEN. */
static enum verdict post(struct zn_shipper *s, const struct zn_buf *batch, struct zn_err *err)
{
    ZN_AUTO(zn_http_resp_done) struct zn_http_resp resp = { 0 };
    struct zn_http_req req = { .host = s->api.host, .port = s->api.port, .method = "POST",
                               .target = "/api/logs/ingest", .headers = s->auth,
                               .body = batch->mem, .body_len = batch->len,
                               .deadline_ms = POST_MS, .cancel_fd = s->cancel_fd };
    struct zn_err ignored = { 0 };
    zn_auto_json doc = NULL;

    if (zn_http_call(&req, &resp, err) < 0)
        return LATER;
    if (resp.status == 200) {
        if (zn_json_parse(resp.body.mem, resp.body.len, &doc, &ignored) == 0 &&
            zn_json_int(doc, "refused", 0) > 0)
            zn_error("the log store refused %" PRId64 " lines for good: %.300s",
                     zn_json_int(doc, "refused", 0), zn_json_str(doc, "reason", "no reason given"));
        return TAKEN;
    }
    zn_fail(err, ZN_UNAVAILABLE, "ingest answered %d: %.*s", resp.status,
            (int)(resp.body.len < 150 ? resp.body.len : 150), resp.body.len ? resp.body.mem : "");
    /* Malformed or too large stays so. Everything else (a token that is being changed, a store that
     * is down) can become right. */
    return resp.status == 400 || resp.status == 413 || resp.status == 422 ? NEVER : LATER;
}

/* Delivers the oldest segment, however long it takes. */
static void deliver(struct zn_shipper *s, const struct zn_buf *batch, uint64_t id)
{
    unsigned attempt = 0;

    while (!s->stop) {
        struct zn_err err = { 0 };
        uint32_t rnd;
        enum verdict v = post(s, batch, &err);
        if (v == TAKEN) {
            if (attempt)
                zn_info("ingest takes batches again after %u failures", attempt);
            s->batches++;
            if (zn_spool_drop(s->spool, id, &err) == 0)
                return;
        } else if (v == NEVER) {
            zn_error("a batch of log lines was set aside as %016" PRIx64 ".refused: %s", id, err.msg);
            if (zn_spool_refuse(s->spool, id, &err) == 0)
                return;
        }
        if (s->stop)
            return;
        if (attempt == 0 || attempt % 10 == 0)
            zn_warn("shipping log lines: %s (try %u)", err.msg, attempt + 1);
        zn_random(&rnd, sizeof rnd);
        zn_spool_wait(s->spool, zn_backoff_ms(attempt++, RETRY_FIRST_MS, RETRY_MAX_MS, rnd), false);
    }
}

void zn_shipper_run(struct zn_shipper *s)
{
    struct zn_buf batch = ZN_BUF(4 * ZN_SEGMENT_MAX);

    while (!s->stop) {
        struct zn_err err = { 0 };
        uint64_t id;
        int r;
        zn_spool_wait(s->spool, BATCH_MS, true);
        if (s->stop)
            break;
        r = zn_spool_take(s->spool, &batch, &id, &err);
        if (r > 0) {
            deliver(s, &batch, id);
        } else if (r < 0) {
            zn_error("reading the log buffer: %s", err.msg);
            zn_spool_wait(s->spool, RETRY_MAX_MS, false);
        }
    }
    zn_buf_done(&batch);
}
