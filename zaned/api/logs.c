/* POST /api/logs/ingest, GET /api/search/logs, GET /api/logs/tail and the build log of a deployment (docs/logs.md). */
#include "base/clock.h"
#include "base/log.h"
#include "zaned/api/services.h"
#include "zaned/api/tail.h"
#include "zaned/logs/ingest.h"
#include "zaned/logs/search.h"

static void heard(void *arg, const char *service_id, int64_t first_ns)
{
    zn_tail_heard(arg, service_id, first_ns);
}

static int ingest(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct zn_ingest_ear ear = { heard, c->api->tail };
    struct zn_ingest_result done;
    json_t *out;

    if (zn_ingest_to(c->api->loki, c->body, zn_wall_ns(), &ear, &done, err) < 0)
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

struct search_query {
    const char *service_id, *deployment_id, *container_id, *query, *stream, *order, *time_after, *time_before,
        *cursor;
    struct zn_strs level, source;
    int64_t per_page;
};
static const char *const levels[] = { "ERROR", "WARN", "INFO", "DEBUG", NULL };
static const char *const sources[] = { "SERVICE", "SYSTEM", "BUILD", NULL };
static const char *const streams[] = { "stdout", "stderr", NULL };
static const char *const orders[] = { "asc", "desc", NULL };

static const char *check_id(const void *val)
{
    const char *v = *(const char *const *)val;

    return v[strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")]
               ? "Must be 1 to 64 letters, digits, \"_\" or \"-\"."
               : NULL;
}

static const char *check_time(const void *val)
{
    const char *v = *(const char *const *)val;
    int64_t ns;

    return *v && !zn_log_time_parse(v, strlen(v), &ns)
               ? "Datetime has wrong format. Use one of these formats instead: "
                 "YYYY-MM-DDThh:mm:ss[.uuuuuu][+HH:MM|-HH:MM|Z]."
               : NULL;
}

static const struct zn_jfield search_query[] = {
    ZN_J(search_query, service_id, STR, .min = 1, .max = 64, .blank = true, .check = check_id),
    ZN_J(search_query, deployment_id, STR, .min = 1, .max = 64, .blank = true, .check = check_id),
    ZN_J(search_query, container_id, STR, .min = 1, .max = 64, .blank = true, .check = check_id),
    ZN_J(search_query, query, STR, .max = ZN_SEARCH_TEXT_MAX, .help = "text that the line contains, in any case"),
    ZN_J(search_query, level, STRS, .min = 1, .choices = levels),
    ZN_J(search_query, source, STRS, .min = 1, .choices = sources),
    ZN_J(search_query, stream, STR, .min = 1, .choices = streams),
    ZN_J(search_query, order, STR, .min = 1, .choices = orders, .help = "of the lines' times; desc if not said"),
    ZN_J(search_query, time_after, STR, .max = 64, .check = check_time),
    ZN_J(search_query, time_before, STR, .max = 64, .check = check_time),
    ZN_J(search_query, per_page, INT, .min = 1, .max = ZN_SEARCH_PAGE_MAX),
    ZN_J(search_query, cursor, STR, .max = 512, .help = "next or previous of the page before"),
};

/* Bits of the choices that are listed. */
static unsigned bits_of(const struct zn_strs *strs, const char *const *list)
{
    unsigned bits = 0;

    for (size_t i = 0; i < strs->n; i++)
        for (unsigned k = 0; list[k]; k++)
            if (strcmp(list[k], strs->v[i]) == 0)
                bits |= 1u << k;
    return bits;
}

static int64_t time_of(const char *v)
{
    int64_t ns = 0;

    return v && *v && zn_log_time_parse(v, strlen(v), &ns) ? ns : 0;
}

static const char *said(const char *v)
{
    return v && *v ? v : NULL;
}

static int read_search(struct zn_call *c, struct zn_search *q, struct zn_err *err)
{
    struct search_query in = { .per_page = 50 };

    if (zn_call_query(c, &in, NULL, err) < 0)
        return -1;
    *q = (struct zn_search){
        .service_id = said(in.service_id),
        .deployment_id = said(in.deployment_id),
        .container_id = said(in.container_id),
        .text = in.query,
        .levels = bits_of(&in.level, levels),
        .sources = bits_of(&in.source, sources),
        .stream = in.stream,
        .after = time_of(in.time_after),
        .before = time_of(in.time_before),
        .asc = in.order && strcmp(in.order, "asc") == 0,
        .per_page = (unsigned)in.per_page,
        .cursor = said(in.cursor),
    };
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

/* The service of the caller's workspace that is meant: column id of *ret. */
static int own_service(struct zn_call *c, const char *service_id, const char *deployment_id, PGresult **ret,
                       struct zn_err *err)
{
    zn_auto_pgresult res = NULL;

    if (!service_id && !deployment_id) {
        zn_call_field(c, err, "service_id", "required", "This field or deployment_id is required.");
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    }
    if (zn_sql_once(c->api->store, ZN_SQL_LOG_SERVICE, ZN_P(c->who.workspace_id, service_id, deployment_id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_NOT_FOUND, "There is no such service or deployment in this workspace.");
    *ret = ZN_TAKE(res);
    return 0;
}

/* Administrators of the instance search everything, others what is their workspace's. */
static int search(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    bool everything = c->who.is_superuser && !c->who.token_id;
    zn_auto_pgresult res = NULL;
    struct zn_search q;

    if (read_search(c, &q, err) < 0 || (!everything && own_service(c, q.service_id, q.deployment_id, &res, err) < 0))
        return -1;
    if (!everything)
        q.service_id = zn_col(res, 0, "id");
    return answer(c, &q, reply, err);
}

/* --- the gate --------------------------------------------------------------------------------------- */

/* The supervisor's own app writes lines under this name (supervisor/boot_spec.h); no service of a user can have it. */
static const char canary[] = "zn-canary";
static const int64_t CANARY_AGE_NS = 600 * 1000000000LL;

struct nonce_query {
    const char *nonce;
};
static const char *check_nonce(const void *val)
{
    const char *v = *(const char *const *)val;

    return v[strspn(v, "0123456789abcdef")] ? "Must be 16 to 64 digits of a hexadecimal number." : NULL;
}
static const struct zn_jfield nonce_query[] = {
    ZN_J(nonce_query, nonce, STR, .required = true, .min = 16, .max = 64, .check = check_nonce),
};

/* Whether a line that the app was asked to write has come all the way. */
static int gate_line(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct nonce_query in = { 0 };
    int64_t now = zn_wall_ns();
    zn_auto_json page = NULL;

    if (zn_call_query(c, &in, NULL, err) < 0)
        return -1;
    struct zn_search q = { .service_id = canary, .text = in.nonce, .sources = ZN_SEARCH_SYSTEM,
                           .after = now - CANARY_AGE_NS, .per_page = 1 };
    if (zn_search(c->api->loki, &q, now, &page, err) < 0)
        return -1;
    zn_reply_json(reply, 200,
                  json_pack("{s:b}", "found", json_array_size(json_object_get(page, "results")) > 0));
    return 0;
}

/* --- live ------------------------------------------------------------------------------------------- */

struct tail_query {
    const char *service_id, *deployment_id, *container_id, *query, *stream, *since;
    struct zn_strs level, source;
};
static const struct zn_jfield tail_query[] = {
    ZN_J(tail_query, service_id, STR, .min = 1, .max = 64, .check = check_id, .help = "this or deployment_id must be said"),
    ZN_J(tail_query, deployment_id, STR, .min = 1, .max = 64, .check = check_id),
    ZN_J(tail_query, container_id, STR, .min = 1, .max = 64, .check = check_id),
    ZN_J(tail_query, query, STR, .max = ZN_SEARCH_TEXT_MAX, .help = "text that the line contains, in any case"),
    ZN_J(tail_query, level, STRS, .min = 1, .choices = levels),
    ZN_J(tail_query, source, STRS, .min = 1, .choices = sources),
    ZN_J(tail_query, stream, STR, .min = 1, .choices = streams),
    ZN_J(tail_query, since, STR, .min = 1, .max = 512, .help = "a cursor, as the header Last-Event-ID, which counts more"),
};

static int tail(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct tail_query in = { 0 };
    const char *last = zn_request_header(c->req, "Last-Event-ID");
    zn_auto_pgresult res = NULL;

    if (zn_call_query(c, &in, NULL, err) < 0)
        return -1;
    if (own_service(c, in.service_id, in.deployment_id, &res, err) < 0)
        return -1;
    struct zn_search q = { .service_id = zn_col(res, 0, "id"), .deployment_id = in.deployment_id,
                           .container_id = in.container_id, .text = in.query, .stream = in.stream,
                           .levels = bits_of(&in.level, levels), .sources = bits_of(&in.source, sources) };
    return zn_tail_stream(c->api->tail, &q, said(last) ? last : in.since, reply, err);
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
      .throttle = ZN_THROTTLE_NONE, .body_max = ZN_INGEST_BODY_MAX, .name = "log_ingest",
      .summary = "Take log lines from a collector", .body_schema = "LogBatch",
      .answers = { { 200, "IngestResult" } } },
    { .method = "GET", .path = "/api/_gate/logs", .scope = ZN_SCOPE_INGEST, .handler = gate_line,
      .throttle = ZN_THROTTLE_NONE, .name = "gate_log_line",
      .summary = "Whether a line of the platform's own test app is in the log store; asked by the supervisor",
      .query = ZN_FIELDS(nonce_query), .answers = { { 200, "LineFound" } } },
    { .method = "GET", .path = "/api/search/logs", .scope = ZN_SCOPE_MEMBER, .handler = search,
      .name = "log_search", .summary = "Search the log lines of a service or deployment",
      .query = ZN_FIELDS(search_query), .answers = { { 200, "LogPage" } } },
    { .method = "GET", .path = "/api/logs/tail", .scope = ZN_SCOPE_MEMBER, .handler = tail, .name = "log_tail",
      .summary = "Stream of the log lines of a service or deployment: hello, then lines as they come",
      .query = ZN_FIELDS(tail_query), .answers = { { 200, "EventStream" } } },
    { .method = "GET",
      .path = "/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/"
              "{deployment_hash}/build-logs",
      .scope = ZN_SCOPE_MEMBER, .handler = build_log, .name = "build_log",
      .summary = "What a deployment did, step by step, and what its build printed",
      .query = ZN_FIELDS(search_query), .answers = { { 200, "LogPage" } } },
};
const size_t zn_log_nroutes = ZN_COUNT(zn_log_routes);
