#include "zaned/api/openapi.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "zaned/api/caller.h"
#include "zaned/domain/values.h"

enum { PATH_PARAM_MAX = 255, TEXT_DEFAULT_MAX = 65536, ITEMS_DEFAULT = 100 };

static json_t *reference(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", name));
}

static bool changes(const struct zn_route *r)
{
    return strcmp(r->method, "GET") != 0;
}

/* --- fields ------------------------------------------------------------------------------------------ */

static json_t *fields_schema(const struct zn_jfield *tab, size_t n);

static void put(json_t *o, const char *name, json_t *steals)
{
    json_object_set_new(o, name, steals);
}

static json_t *text_schema(const struct zn_jfield *f)
{
    json_t *o = json_pack("{s:s}", "type", "string");

    if (f->min > 0 && !f->blank && !f->choices)
        put(o, "minLength", json_integer(f->min));
    if (!f->choices)
        put(o, "maxLength", json_integer(f->max ? f->max : TEXT_DEFAULT_MAX));
    if (f->choices) {
        json_t *list = json_array();

        for (const char *const *c = f->choices; *c; c++)
            json_array_append_new(list, json_string(*c));
        put(o, "enum", list);
    }
    if (f->format)
        put(o, "format", json_string(f->format));
    return o;
}

static json_t *number_schema(const struct zn_jfield *f, const char *type)
{
    json_t *o = json_pack("{s:s}", "type", type);

    if (f->min || f->max) {
        put(o, "minimum", json_integer(f->min));
        put(o, "maximum", json_integer(f->max));
    }
    return o;
}

static json_t *kind_schema(const struct zn_jfield *f)
{
    switch (f->type) {
    case ZN_J_STR:
        return text_schema(f);
    case ZN_J_INT:
        return number_schema(f, "integer");
    case ZN_J_NUM:
        return number_schema(f, "number");
    case ZN_J_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case ZN_J_STRS:
        return json_pack("{s:s,s:o,s:I}", "type", "array", "items", text_schema(f), "maxItems",
                         (json_int_t)(f->items ? f->items : ITEMS_DEFAULT));
    case ZN_J_OBJ:
        return fields_schema(f->sub, f->nsub);
    case ZN_J_JSON:
        return json_object();
    }
    zn_bug("field %s has no type", f->name);
}

/* A schema that takes null already stays as it is: a row and the table that it is in may both say so. */
static json_t *or_null(json_t *schema)
{
    json_t *type = json_object_get(schema, "type"), *choices = json_object_get(schema, "enum");

    if (!json_is_string(type))
        return schema;
    put(schema, "type", json_pack("[O,s]", type, "null"));
    if (choices)
        json_array_append_new(choices, json_null());
    return schema;
}

static json_t *field_schema(const struct zn_jfield *f)
{
    json_t *o = kind_schema(f);

    if (f->nullable)
        or_null(o);
    if (f->help)
        put(o, "description", json_string(f->help));
    return o;
}

static json_t *fields_schema(const struct zn_jfield *tab, size_t n)
{
    json_t *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < n; i++) {
        put(properties, tab[i].name, field_schema(&tab[i]));
        if (tab[i].required)
            json_array_append_new(required, json_string(tab[i].name));
    }
    json_t *o = json_pack("{s:s,s:o}", "type", "object", "properties", properties);
    if (json_array_size(required))
        json_object_set(o, "required", required);
    json_decref(required);
    return o;
}

/* --- changes of services ------------------------------------------------------------------------------ */

/* The value that a change of the field carries. */
static json_t *value_schema(const struct zn_change_table *t)
{
    json_t *o = t->n == 1 && !*t->tab[0].name ? field_schema(&t->tab[0]) : fields_schema(t->tab, t->n);

    return t->nullable ? or_null(o) : o;
}

static json_t *change_schema(const struct zn_change_table *t)
{
    json_t *properties = json_pack("{s:{s:s}}", "field", "const", t->field);

    put(properties, "type", t->list ? json_pack("{s:[s,s,s]}", "enum", "ADD", "UPDATE", "DELETE")
                                    : json_pack("{s:[s]}", "enum", "UPDATE"));
    if (t->list)
        put(properties, "item_id", json_pack("{s:[s,s],s:i,s:s}", "type", "string", "null", "maxLength", 255,
                                             "description", "needed by UPDATE and DELETE, not taken by ADD"));
    put(properties, "new_value", value_schema(t));
    json_t *required = t->list ? json_pack("[s,s]", "field", "type") : json_pack("[s,s]", "field", "new_value");
    return json_pack("{s:s,s:s,s:o,s:o}", "title", t->field, "type", "object", "required", required,
                     "properties", properties);
}

static json_t *change_request(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < zn_change_ntables; i++)
        json_array_append_new(list, change_schema(&zn_change_tables[i]));
    return json_pack("{s:o}", "oneOf", list);
}

/* --- parameters --------------------------------------------------------------------------------------- */

static json_t *parameter(const char *in, const char *name, bool required, json_t *schema)
{
    return json_pack("{s:s,s:s,s:b,s:o}", "name", name, "in", in, "required", required, "schema", schema);
}

static void add_path_parameters(json_t *list, const char *path)
{
    for (const char *p = strchr(path, '{'); p; p = strchr(p + 1, '{')) {
        size_t n = strcspn(p + 1, "}");
        json_t *name = json_stringn(p + 1, n);

        json_array_append_new(list, parameter("path", json_string_value(name), true,
                                              json_pack("{s:s,s:i,s:i}", "type", "string", "minLength", 1,
                                                        "maxLength", PATH_PARAM_MAX)));
        json_decref(name);
    }
}

static void add_headers(json_t *list, const struct zn_route *r)
{
    if (r->scope == ZN_SCOPE_PUBLIC || r->scope == ZN_SCOPE_INGEST)
        return;
    if (strcmp(r->method, "POST") == 0)
        json_array_append_new(list, parameter("header", "Idempotency-Key", false,
                                              json_pack("{s:s,s:i,s:i,s:s}", "type", "string", "minLength", 1,
                                                        "maxLength", 255, "pattern", "^[ -~]+$")));
    else if (changes(r))
        json_array_append_new(list, parameter("header", "If-Match", false,
                                              json_pack("{s:s,s:s}", "type", "string", "description",
                                                        "ETag of the resource as it was read")));
}

static json_t *parameters(const struct zn_route *r)
{
    json_t *list = json_array();

    add_path_parameters(list, r->path);
    for (size_t i = 0; i < r->query.n; i++) {
        const struct zn_jfield *f = &r->query.tab[i];

        json_array_append_new(list, parameter("query", f->name, f->required, field_schema(f)));
    }
    add_headers(list, r);
    return list;
}

static json_t *request_body(const struct zn_route *r)
{
    bool required = r->body_schema != NULL;

    for (size_t i = 0; i < r->body.n; i++)
        required = required || r->body.tab[i].required;
    json_t *schema = r->body_schema ? reference(r->body_schema) : fields_schema(r->body.tab, r->body.n);
    return json_pack("{s:b,s:{s:{s:o}}}", "required", required, "content", "application/json", "schema", schema);
}

/* --- answers ------------------------------------------------------------------------------------------ */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        { 200, "Done" },
        { 201, "Made" },
        { 202, "Asked for; it is carried out soon" },
        { 204, "Done; there is nothing to say" },
        { 302, "Go on there" },
        { 304, "As you know it (If-None-Match)" },
        { 400, "The request is wrong; each bad field is named" },
        { 401, "Nobody is logged in, or the token is not good" },
        { 403, "Not allowed" },
        { 404, "There is no such thing here" },
        { 409, "Does not go with what is there" },
        { 412, "It was changed since you read it (If-Match)" },
        { 413, "The body is too large" },
        { 414, "The address is too long" },
        { 415, "The body is no JSON" },
        { 431, "The request's head is larger than 12 KiB" },
        { 429, "Too often; Retry-After says when to come back" },
        { 503, "Something that this needs is away" },
    };

    for (size_t i = 0; i < ZN_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    zn_bug("no words for status %d", status);
}

static const char *media_type(const char *schema)
{
    return strcmp(schema, "EventStream") == 0 ? "text/event-stream"
           : strcmp(schema, "HtmlPage") == 0  ? "text/html"
                                              : "application/json";
}

static json_t *answer(int status, const char *schema)
{
    size_t n = schema ? strlen(schema) : 0;
    json_t *shape, *o = json_pack("{s:s}", "description", reason(status));

    if (!schema)
        return o;
    if (n > 2 && strcmp(schema + n - 2, "[]") == 0) {
        json_t *name = json_stringn(schema, n - 2);

        shape = json_pack("{s:s,s:o}", "type", "array", "items", reference(json_string_value(name)));
        json_decref(name);
    } else {
        shape = reference(schema);
    }
    put(o, "content", json_pack("{s:{s:o}}", media_type(schema), "schema", shape));
    return o;
}

/* Heads that do not fit are answered before anything of ours is asked, in the server's own words. */
static bool before_ours(int status)
{
    return status == 414 || status == 431;
}

/* Whether an error status can come of a route: by what it takes, and who may call. */
static bool can_fail(const struct zn_route *r, int status)
{
    bool open = r->scope == ZN_SCOPE_PUBLIC, loop = r->lane == ZN_LANE_LOOP;

    switch (status) {
    case 400:
    case 414:
    case 431:
    case 503:
        return true;
    case 401:
    case 429:
        return !loop;
    case 403:
        return changes(r) || !open;
    case 404:
        return strchr(r->path, '{');
    case 409:
        return r->conflicts || (strcmp(r->method, "POST") == 0 && !open && r->scope != ZN_SCOPE_INGEST);
    case 412:
        return changes(r) && strcmp(r->method, "POST") != 0 && !open;
    case 413:
    case 415:
        return changes(r);
    default:
        return false;
    }
}

static json_t *answers(const struct zn_route *r)
{
    static const int errors[] = { 400, 401, 403, 404, 409, 412, 413, 414, 415, 429, 431, 503 };
    json_t *all = json_object();
    char status[8];

    for (size_t i = 0; i < ZN_ANSWERS_MAX && r->answers[i].status; i++) {
        snprintf(status, sizeof status, "%d", r->answers[i].status);
        put(all, status, answer(r->answers[i].status, r->answers[i].schema));
    }
    if (!changes(r))
        put(all, "304", answer(304, NULL));
    for (size_t i = 0; i < ZN_COUNT(errors); i++) {
        snprintf(status, sizeof status, "%d", errors[i]);
        if (can_fail(r, errors[i]) && !json_object_get(all, status))
            put(all, status, answer(errors[i], before_ours(errors[i]) ? NULL : "ErrorEnvelope"));
    }
    return all;
}

/* --- operations --------------------------------------------------------------------------------------- */

static json_t *security(const struct zn_route *r)
{
    json_t *list = json_array();

    if (r->scope == ZN_SCOPE_PUBLIC)
        return list;
    if (r->scope == ZN_SCOPE_INGEST) {
        json_array_append_new(list, json_pack("{s:[]}", "ingest"));
        return list;
    }
    json_array_append_new(list, changes(r) ? json_pack("{s:[],s:[]}", "session", "csrf")
                                           : json_pack("{s:[]}", "session"));
    if (zn_route_token(r) != ZN_TOKEN_NONE)
        json_array_append_new(list, json_pack("{s:[]}", "token"));
    return list;
}

static json_t *operation(const struct zn_route *r, const char *area)
{
    static const char *const roles[] = { "public", "ingest", "session", "guest", "member",
                                         "admin",  "owner",  "superuser" };
    static const char *const tokens[] = { [ZN_TOKEN_NONE] = "none", [ZN_TOKEN_READ] = "read",
                                          [ZN_TOKEN_DEPLOY] = "deploy", [ZN_TOKEN_ADMIN] = "admin" };
    json_t *o = json_pack("{s:s,s:s,s:[s]}", "operationId", r->name, "summary", r->summary, "tags", area);
    json_t *list = parameters(r);

    if (json_array_size(list))
        json_object_set(o, "parameters", list);
    json_decref(list);
    if (r->body.n || r->body_schema)
        put(o, "requestBody", request_body(r));
    put(o, "responses", answers(r));
    put(o, "security", security(r));
    put(o, "x-zane-role", json_string(roles[r->scope]));
    put(o, "x-zane-token", json_string(tokens[zn_route_token(r)]));
    return o;
}

static void add_route(json_t *paths, const struct zn_route *r, const char *area)
{
    json_t *path = json_sprintf("%s%s", r->path, strncmp(r->path, "/api/", 5) == 0 ? "/" : "");
    const char *key = json_string_value(path);
    json_t *item = json_object_get(paths, key);
    char name[8];

    if (!r->name || !r->summary || !r->answers[0].status)
        zn_bug("route %s %s says too little of itself", r->method, r->path);
    if (!item)
        json_object_set_new(paths, key, item = json_object());
    snprintf(name, sizeof name, "%s", r->method);
    zn_lower(name);
    put(item, name, operation(r, area));
    json_decref(path);
}

static json_t *security_schemes(void)
{
    return json_pack(
        "{s:{s:s,s:s,s:s,s:s},s:{s:s,s:s,s:s,s:s},s:{s:s,s:s,s:s},s:{s:s,s:s,s:s}}", "session", "type",
        "apiKey", "in", "cookie", "name", "sessionid", "description", "POST /api/auth/login/ sets it", "csrf",
        "type", "apiKey", "in", "header", "name", "X-CSRFToken", "description",
        "the value of the cookie csrftoken, which goes with it", "token", "type", "http", "scheme", "bearer",
        "description", "an API token: POST /api/tokens/", "ingest", "type", "http", "scheme", "basic",
        "description", "the platform's own log collectors");
}

json_t *zn_openapi(const struct zn_route_table *tables, size_t ntables, const char *version)
{
    json_t *paths = json_object(), *schemas = zn_schemas(), *tags = json_array();

    put(schemas, "ServiceChangeRequest", change_request());
    for (size_t t = 0; t < ntables; t++) {
        if (!t || strcmp(tables[t].area, tables[t - 1].area) != 0) /* those of one area are neighbours */
            json_array_append_new(tags, json_pack("{s:s}", "name", tables[t].area));
        for (size_t i = 0; i < *tables[t].n; i++)
            add_route(paths, &tables[t].routes[i], tables[t].area);
    }
    json_t *doc = json_pack("{s:s,s:{s:s,s:s,s:s},s:o,s:o,s:{s:o,s:o}}", "openapi", "3.1.0", "info", "title",
                            "Zane", "version", version, "description",
                            "Deploys apps on one server. Errors are one shape: ErrorEnvelope.", "tags", tags,
                            "paths", paths, "components", "schemas", schemas, "securitySchemes",
                            security_schemes());
    if (!doc)
        zn_bug("the API's description cannot be put together");
    return doc;
}
