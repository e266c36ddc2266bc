/* Errors become envelopes here, and nowhere else. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "zaned/api/api.h"

static const struct {
    enum zn_code code;
    int status;
    const char *word;
} table[] = {
    { ZN_INVALID, 400, "bad_request" },
    { ZN_UNAUTHENTICATED, 401, "not_authenticated" },
    { ZN_DENIED, 403, "permission_denied" },
    { ZN_NOT_FOUND, 404, "not_found" },
    { ZN_CONFLICT, 409, "resource_conflict" },
    { ZN_STALE, 412, "precondition_failed" },
    { ZN_BUSY, 429, "throttled" },
    { ZN_UNAVAILABLE, 503, "unavailable" },
    { ZN_INTERNAL, 500, "error" },
};

static json_t *envelope(const char *type, json_t *errors)
{
    return json_pack("{s:s,s:o}", "type", type, "errors", errors);
}

static json_t *entry(const char *code, const char *detail, const char *attr)
{
    return json_pack("{s:s,s:s,s:s?}", "code", code, "detail", detail, "attr", attr);
}

void zn_reply_error(struct zn_reply *r, int status, const char *code, const char *detail,
                    const char *attr)
{
    const char *type = status >= 500           ? "server_error"
                       : attr && status == 400 ? "validation_error"
                                               : "client_error";

    zn_reply_json(r, status, envelope(type, json_pack("[o]", entry(code, detail, attr))));
}

static void reply_fields(struct zn_reply *r, const struct zn_err *err)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < err->nfields; i++)
        json_array_append_new(list,
                              entry(err->fields[i].rule, err->fields[i].msg, err->fields[i].path));
    if (err->fields_cut)
        json_array_append_new(list, entry("invalid", "there are more invalid fields",
                                          "non_field_errors"));
    zn_reply_json(r, 400, envelope("validation_error", list));
}

void zn_reply_err(struct zn_reply *r, const struct zn_request *req, const struct zn_err *err)
{
    size_t i = 0;
    char text[128];

    if (err->code == ZN_INVALID && err->nfields) {
        reply_fields(r, err);
        return;
    }
    while (i + 1 < sizeof table / sizeof *table && table[i].code != err->code)
        i++;
    if (table[i].status >= 500)
        zn_error("request %s %s %s: %s (%s)", req->id, req->method, req->path, err->msg, err->detail);
    if (table[i].status == 500) {
        snprintf(text, sizeof text, "something went wrong here; the log has it under request %s", req->id);
        zn_reply_error(r, 500, "error", text, NULL);
        return;
    }
    if (err->code == ZN_UNAVAILABLE || err->code == ZN_BUSY)
        zn_reply_header(r, "Retry-After", "2");
    zn_reply_error(r, table[i].status, table[i].word, err->msg[0] ? err->msg : table[i].word, NULL);
}
