/* What handlers use to read their call. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/str.h"
#include "zaned/api/audit.h"
#include "zaned/api/idempotency.h"
#include "zaned/store/store.h"

int zn_call_body(struct zn_call *c, void *rec, uint64_t *present, struct zn_err *err)
{
    const struct zn_jfield *tab = c->route->body.tab;
    size_t n = c->route->body.n;
    zn_auto_json empty = NULL;

    if (!c->body)
        return zn_json_decode(c->arena, (empty = json_object()), tab, n, rec, present, err);
    if (!json_is_object(c->body)) {
        zn_field_err(err, "non_field_errors", "invalid",
                     "Invalid data. Expected a dictionary.");
        return zn_fail(err, ZN_INVALID, "the body is not an object");
    }
    return zn_json_decode(c->arena, c->body, tab, n, rec, present, err);
}

/* What a text of the query means to the decoder; what it can't be stays a text, which the decoder
 * refuses. */
static json_t *query_value(const struct zn_jfield *f, const char *text)
{
    long long n;

    if (f->type == ZN_J_INT && zn_parse_i64(text, INT64_MIN, INT64_MAX, &n))
        return json_integer(n);
    if (f->type == ZN_J_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return json_boolean(*text == 't');
    return json_string(text);
}

/* A parameter that is repeated is named as it is sent, not by which of them is wrong. */
static void name_parameters(struct zn_call *c, struct zn_err *err)
{
    for (unsigned i = 0; i < err->nfields; i++) {
        const char *name = zn_arena_strndup(c->arena, err->fields[i].path, strcspn(err->fields[i].path, "."));

        if (name)
            err->fields[i].path = name;
    }
}

int zn_call_query(struct zn_call *c, void *rec, uint64_t *present, struct zn_err *err)
{
    zn_auto_json given = json_object();

    for (size_t i = 0; i < c->route->query.n; i++) {
        const struct zn_jfield *f = &c->route->query.tab[i];
        json_t *list = f->type == ZN_J_STRS ? json_array() : NULL;
        const char *text;

        for (unsigned k = 0; (text = zn_request_query_at(c->req, f->name, k)) && (list || !k); k++)
            list ? json_array_append_new(list, json_string(text))
                 : json_object_set_new(given, f->name, query_value(f, text));
        if (json_array_size(list))
            json_object_set(given, f->name, list);
        json_decref(list);
    }
    int r = zn_json_decode(c->arena, given, c->route->query.tab, c->route->query.n, rec, present, err);
    if (r < 0)
        name_parameters(c, err);
    return r;
}

const char *zn_guest_of(struct zn_call *c)
{
    const char *id = zn_arena_printf(c->arena, "%lld", c->who.membership_id);

    if (c->who.role >= ZN_ROLE_MEMBER)
        return NULL;
    return id ? id : "0";
}

int zn_call_tx(struct zn_call *c, int (*fn)(struct zn_conn *conn, void *arg, struct zn_err *err), void *arg,
               struct zn_err *err)
{
    int r = c->once ? zn_once_tx(c, fn, arg, err) : zn_audit_tx(c, fn, arg, err);

    c->changed = c->changed || r == 0;
    return r;
}

struct since_query {
    const char *since;
};
const struct zn_jfield zn_since_query[1] = {
    ZN_J(since_query, since, STR, .min = 1, .max = 60, .help = "as the header Last-Event-ID, which counts more"),
};

int zn_call_since(struct zn_call *c, const char **ret, struct zn_err *err)
{
    struct since_query q = { 0 };
    const char *last = zn_request_header(c->req, "Last-Event-ID");

    if (zn_call_query(c, &q, NULL, err) < 0)
        return -1;
    *ret = last ? last : q.since;
    return 0;
}

void zn_call_field(struct zn_call *c, struct zn_err *err, const char *path, const char *rule,
                   const char *msg)
{
    const char *p = zn_arena_strdup(c->arena, path), *m = zn_arena_strdup(c->arena, msg);

    zn_field_err(err, p ? p : "non_field_errors", rule, m ? m : "is not valid");
}

const char *zn_call_url(struct zn_call *c, const char *param, const char *value)
{
    const struct zn_request *r = c->req;
    const char *host = zn_request_header(r, "Host");
    zn_auto_buf struct zn_buf b = ZN_BUF(65536);
    char sep = '?';

    zn_buf_printf(&b, "%s://%s", r->secure ? "https" : "http", host ? host : "localhost");
    zn_buf_add(&b, r->raw_target, strcspn(r->raw_target, "?"));
    for (unsigned i = 0; i < r->nquery; i++) {
        if (strcmp(r->query[i].name, param) == 0)
            continue;
        zn_buf_putc(&b, sep);
        zn_percent_add(&b, r->query[i].name);
        zn_buf_putc(&b, '=');
        zn_percent_add(&b, r->query[i].value);
        sep = '&';
    }
    zn_buf_putc(&b, sep);
    zn_percent_add(&b, param);
    zn_buf_putc(&b, '=');
    zn_percent_add(&b, value);
    return zn_buf_str(&b) ? zn_arena_strdup(c->arena, zn_buf_str(&b)) : NULL;
}
