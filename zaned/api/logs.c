/* POST /api/logs/ingest, GET /api/search/logs and the build log of a deployment (docs/logs.md). */
#include "base/clock.h"
#include "base/log.h"
#include "zaned/api/services.h"
#include "zaned/logs/ingest.h"
#include "zaned/logs/search.h"

static int ingest(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_ingest_result done;
    json_t *out;

    if (zn_ingest(c->api->loki, c->body, zn_wall_ns(), &done, err) < 0)
        return -1;
    out = json_pack("{s:i,s:i}", "simple_logs_inserted", (int)done.inserted, "http_logs_inserted", 0);
    if (done.refused) {
        zn_warn("%u of a batch's log lines can never be stored: %s", done.refused, done.reason);
        json_object_set_new(out, "refused", json_integer(done.refused));
        json_object_set_new(out, "reason", json_string(done.reason));
    }
    if (done.ignored)
        json_object_set_new(out, "ignored", json_integer(done.ignored));
    zn_reply_json(reply, 200, out);
    return 0;
}

static const char *id_param(struct zn_call *c, const char *name, struct zn_err *err)
{
    const char *v = zn_request_query(c->req, name);
    size_t n = v ? strlen(v) : 0;

    if (!n)
        return NULL;
    if (n > 64 ||
        strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n)
        zn_call_field(c, err, name, "invalid",
                      "Must be 1 to 64 letters, digits, \"_\" or \"-\".");
    return v;
}

static int64_t time_param(struct zn_call *c, const char *name, struct zn_err *err)
{
    const char *v = zn_request_query(c->req, name);
    int64_t ns = 0;

    if (v && *v && !zn_log_time_parse(v, strlen(v), &ns))
        zn_call_field(c, err, name, "invalid",
                      "Datetime has wrong format. Use one of these formats instead: "
                      "YYYY-MM-DDThh:mm:ss[.uuuuuu][+HH:MM|-HH:MM|Z].");
    return ns;
}

/* Bits of the choices that a repeatable parameter names. */
static unsigned choices(struct zn_call *c, const char *name, const char *const *list, unsigned n,
                        struct zn_err *err)
{
    unsigned bits = 0;
    const char *v;

    for (unsigned i = 0; (v = zn_request_query_at(c->req, name, i)); i++) {
        unsigned k = 0;
        while (k < n && strcmp(list[k], v) != 0)
            k++;
        if (k == n)
            zn_call_field(c, err, name, "invalid_choice",
                          zn_arena_printf(c->arena, "\"%.40s\" is not a valid choice.", v));
        else
            bits |= 1u << k;
    }
    return bits;
}

static int read_search(struct zn_call *c, struct zn_search *q, struct zn_err *err)
{
    static const char *const levels[] = { "ERROR", "WARN", "INFO", "DEBUG" };
    static const char *const sources[] = { "SERVICE", "SYSTEM", "BUILD" };
    static const char *const streams[] = { "stdout", "stderr" };
    static const char *const orders[] = { "asc", "desc" };
    long long per_page = 50;
    unsigned stream = choices(c, "stream", streams, 2, err);
    unsigned order = choices(c, "order", orders, 2, err);

    zn_call_query_int(c, "per_page", 1, ZN_SEARCH_PAGE_MAX, 50, &per_page, err);
    *q = (struct zn_search){
        .service_id = id_param(c, "service_id", err),
        .deployment_id = id_param(c, "deployment_id", err),
        .container_id = id_param(c, "container_id", err),
        .text = zn_request_query(c->req, "query"),
        .levels = choices(c, "level", levels, 4, err),
        .sources = choices(c, "source", sources, 3, err),
        .stream = stream == 1 ? "stdout" : stream == 2 ? "stderr" : NULL,
        .after = time_param(c, "time_after", err),
        .before = time_param(c, "time_before", err),
        .asc = order == 1,
        .per_page = (unsigned)per_page,
        .cursor = zn_request_query(c->req, "cursor"),
    };
    if (q->text && strlen(q->text) > ZN_SEARCH_TEXT_MAX)
        zn_call_field(c, err, "query", "max_length",
                      "Ensure this field has no more than 256 characters.");
    if (q->cursor && !*q->cursor)
        q->cursor = NULL;
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    return 0;
}

static int answer(struct zn_call *c, const struct zn_search *q, struct zn_reply *reply,
                  struct zn_err *err)
{
    int64_t started = zn_now_ms();
    json_t *page = NULL;

    if (zn_search(c->api->loki, q, zn_wall_ns(), &page, err) < 0)
        return -1;
    json_object_set_new(page, "query_time_ms", json_real((double)(zn_now_ms() - started)));
    zn_reply_json(reply, 200, page);
    return 0;
}

static int search(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_search q;

    if (read_search(c, &q, err) < 0)
        return -1;
    return answer(c, &q, reply, err);
}

/* --- build log -------------------------------------------------------------------------------------- */

struct build_log {
    struct zn_call *call;
    const char *service_id;
};

static int find_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct build_log *b = arg;
    const char *hash = zn_request_param(b->call->req, "deployment_hash");
    zn_auto_service s = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_service_by_path(c, b->call, false, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_DEPLOYMENT_ONE, ZN_P(s.id, hash), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND,
                       "A deployment with the hash `%.60s` does not exist for this service.", hash);
    b->service_id = s.id;
    return 0;
}

/* What a deployment did, step by step, and what its build printed. */
static int build_log(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct build_log b = { .call = c };
    struct zn_search q;

    if (read_search(c, &q, err) < 0 || zn_tx(c->api->store, find_tx, &b, err) < 0)
        return -1;
    q.service_id = b.service_id;
    q.deployment_id = zn_request_param(c->req, "deployment_hash");
    q.sources = ZN_SEARCH_SYSTEM | ZN_SEARCH_BUILD;
    return answer(c, &q, reply, err);
}

const struct zn_route zn_log_routes[] = {
    { .method = "POST", .path = "/api/logs/ingest", .scope = ZN_SCOPE_INGEST, .handler = ingest,
      .throttle = ZN_THROTTLE_NONE, .body_max = ZN_INGEST_BODY_MAX },
    { .method = "GET", .path = "/api/search/logs", .scope = ZN_SCOPE_MEMBER, .handler = search },
    { .method = "GET",
      .path = "/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/"
              "{deployment_hash}/build-logs",
      .scope = ZN_SCOPE_MEMBER, .handler = build_log },
};
const size_t zn_log_nroutes = ZN_COUNT(zn_log_routes);
