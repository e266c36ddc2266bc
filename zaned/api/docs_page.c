/* The OpenAPI document as one HTML page: no scripts, nothing from elsewhere, light and dark. */
#include <string.h>

#include "zaned/api/openapi.h"

static const char style[] =
    ":root{color-scheme:light dark;--line:#8884;--soft:#8882}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem}"
    "h1{margin:.2em 0}h2{border-bottom:1px solid var(--line);padding-top:1rem}"
    "nav a{display:inline-block;margin-right:.8em}h2{text-transform:capitalize}code,pre{font:13px/1.5 ui-monospace,monospace}"
    "details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:.3rem .7rem}"
    "summary{cursor:pointer;overflow-wrap:anywhere}summary b{display:inline-block;min-width:4.2em}"
    "summary span{display:block;opacity:.8}table{border-collapse:collapse;width:100%;margin:.4rem 0}"
    "td,th{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-top:1px solid var(--line);"
    "overflow-wrap:anywhere}td:nth-child(2),th{overflow-wrap:normal}pre{background:var(--soft);padding:.6rem;overflow-x:auto;border-radius:6px}"
    "p.who{margin:.3rem 0;opacity:.85}";

static void text(struct zn_buf *b, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            zn_buf_puts(b, "&amp;");
            break;
        case '<':
            zn_buf_puts(b, "&lt;");
            break;
        case '>':
            zn_buf_puts(b, "&gt;");
            break;
        case '"':
            zn_buf_puts(b, "&quot;");
            break;
        default:
            zn_buf_putc(b, *s);
        }
}

/* Follows one reference into the shapes. */
static const json_t *deref(const json_t *doc, const json_t *schema)
{
    const char *ref = zn_json_str(schema, "$ref", NULL), *name = ref ? strrchr(ref, '/') : NULL;
    const json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
    const json_t *found = name ? json_object_get(schemas, name + 1) : NULL;

    return found ? found : schema;
}

static void type_words(struct zn_buf *b, const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    const char *ref = zn_json_str(schema, "$ref", NULL);
    size_t i;
    json_t *one;

    if (ref)
        text(b, strrchr(ref, '/') + 1);
    else if (json_is_string(type))
        text(b, json_string_value(type));
    json_array_foreach (type, i, one) {
        zn_buf_puts(b, i ? " or " : "");
        text(b, json_string_value(one));
    }
    if (strcmp(zn_json_str(schema, "type", ""), "array") == 0) {
        zn_buf_puts(b, " of ");
        type_words(b, json_object_get(schema, "items"));
    }
}

static void number_word(struct zn_buf *b, const json_t *schema, const char *key, const char *words)
{
    const json_t *v = json_object_get(schema, key);

    if (json_is_integer(v))
        zn_buf_printf(b, ", %s %lld", words, (long long)json_integer_value(v));
}

static void schema_words(struct zn_buf *b, const json_t *schema)
{
    const json_t *choices = json_object_get(schema, "enum");
    size_t i;
    json_t *one;

    type_words(b, schema);
    number_word(b, schema, "minimum", "from");
    number_word(b, schema, "maximum", "to");
    number_word(b, schema, "maxLength", "at most");
    number_word(b, schema, "maxItems", "at most");
    json_array_foreach (choices, i, one)
        if (json_is_string(one)) {
            zn_buf_puts(b, i ? " | " : ": ");
            text(b, json_string_value(one));
        }
    if (zn_json_str(schema, "description", NULL)) {
        zn_buf_puts(b, " · ");
        text(b, zn_json_str(schema, "description", ""));
    }
}

static void row(struct zn_buf *b, const char *name, const char *where, bool required, const json_t *schema)
{
    zn_buf_puts(b, "<tr><td><code>");
    text(b, name);
    zn_buf_printf(b, "</code>%s<td>%s<td>", required ? " *" : "", where);
    schema_words(b, schema);
}

static bool is_required(const json_t *schema, const char *name)
{
    size_t i;
    json_t *one;

    json_array_foreach (json_object_get(schema, "required"), i, one)
        if (strcmp(json_string_value(one), name) == 0)
            return true;
    return false;
}

static void body_rows(struct zn_buf *b, const json_t *doc, const json_t *op)
{
    const json_t *media = json_object_get(json_object_get(json_object_get(op, "requestBody"), "content"),
                                          "application/json");
    const json_t *schema = deref(doc, json_object_get(media, "schema"));
    const char *name;
    json_t *one;
    size_t i;

    json_object_foreach (json_object_get(schema, "properties"), name, one)
        row(b, name, "body", is_required(schema, name), one);
    json_array_foreach (json_object_get(schema, "oneOf"), i, one) {
        zn_buf_puts(b, "<tr><td><code>field = ");
        text(b, zn_json_str(one, "title", ""));
        zn_buf_puts(b, "</code><td>body<td>new_value: ");
        const char *member;
        json_t *value;
        const json_t *new_value = json_object_get(json_object_get(one, "properties"), "new_value");
        if (!json_object_get(new_value, "properties"))
            schema_words(b, new_value);
        json_object_foreach (json_object_get(new_value, "properties"), member, value) {
            zn_buf_puts(b, "<br><code>");
            text(b, member);
            zn_buf_printf(b, "</code>%s ", is_required(new_value, member) ? " *" : "");
            schema_words(b, value);
        }
    }
}

static void inputs(struct zn_buf *b, const json_t *doc, const json_t *op)
{
    const json_t *list = json_object_get(op, "parameters");
    size_t i;
    json_t *p;

    if (!json_array_size(list) && !json_object_get(op, "requestBody"))
        return;
    zn_buf_puts(b, "<table><tr><th>Input (* needed)<th>Where<th>What");
    json_array_foreach (list, i, p)
        row(b, zn_json_str(p, "name", ""), zn_json_str(p, "in", ""), json_is_true(json_object_get(p, "required")),
            json_object_get(p, "schema"));
    body_rows(b, doc, op);
    zn_buf_puts(b, "</table>");
}

static void answer_shape(struct zn_buf *b, const json_t *answer)
{
    const char *type;
    json_t *media;

    json_object_foreach (json_object_get(answer, "content"), type, media) {
        zn_buf_puts(b, " <code>");
        type_words(b, json_object_get(media, "schema"));
        zn_buf_puts(b, "</code>");
    }
}

static void outputs(struct zn_buf *b, const json_t *op)
{
    const char *status;
    json_t *one;

    zn_buf_puts(b, "<table><tr><th>Answer<th>When");
    json_object_foreach (json_object_get(op, "responses"), status, one) {
        zn_buf_printf(b, "<tr><td>%s", status);
        if (*status == '2')
            answer_shape(b, one);
        zn_buf_puts(b, "<td>");
        text(b, zn_json_str(one, "description", ""));
    }
    zn_buf_puts(b, "</table>");
}

static void example(struct zn_buf *b, const char *method, const char *path, const json_t *op)
{
    bool body = json_object_get(op, "requestBody");

    zn_buf_printf(b, "<pre>curl -X %s", method);
    if (strcmp(zn_json_str(op, "x-zane-token", "none"), "none") != 0)
        zn_buf_puts(b, " -H \"Authorization: Bearer $TOKEN\"");
    if (body)
        zn_buf_puts(b, " -H 'Content-Type: application/json' -d '{…}'");
    zn_buf_puts(b, " \"$ZANE");
    text(b, path);
    zn_buf_puts(b, "\"</pre>");
}

static void operation(struct zn_buf *b, const json_t *doc, const char *method, const char *path, const json_t *op)
{
    char upper[8] = "";

    for (size_t i = 0; i + 1 < sizeof upper && method[i]; i++)
        upper[i] = (char)(method[i] - 'a' + 'A');
    zn_buf_printf(b, "<details id=\"%s\"><summary><b>%s</b> <code>", zn_json_str(op, "operationId", ""), upper);
    text(b, path);
    zn_buf_puts(b, "</code><span>");
    text(b, zn_json_str(op, "summary", ""));
    zn_buf_printf(b, "</span></summary><p class=who>Who: %s · API token: %s</p>", zn_json_str(op, "x-zane-role", ""),
                  zn_json_str(op, "x-zane-token", ""));
    inputs(b, doc, op);
    outputs(b, op);
    example(b, upper, path, op);
    zn_buf_puts(b, "</details>");
}

static void area(struct zn_buf *b, const json_t *doc, const char *tag)
{
    const char *path, *method;
    json_t *item, *op;

    zn_buf_printf(b, "<h2 id=\"area-%.4s\">%s</h2>", tag, tag); /* the first letters tell them apart */
    json_object_foreach (json_object_get(doc, "paths"), path, item)
        json_object_foreach (item, method, op)
            if (strcmp(json_string_value(json_array_get(json_object_get(op, "tags"), 0)), tag) == 0)
                operation(b, doc, method, path, op);
}

static void shapes(struct zn_buf *b, const json_t *doc)
{
    const char *name;
    json_t *schema;

    zn_buf_puts(b, "<h2 id=\"shapes\">Shapes</h2>");
    json_object_foreach (json_object_get(json_object_get(doc, "components"), "schemas"), name, schema) {
        zn_auto_mem char *dump = json_dumps(schema, JSON_INDENT(2));

        zn_buf_printf(b, "<details id=\"shape-%s\"><summary><code>%s</code></summary><pre>", name, name);
        text(b, dump ? dump : "");
        zn_buf_puts(b, "</pre></details>");
    }
}

void zn_openapi_page(const json_t *doc, struct zn_buf *ret)
{
    const json_t *info = json_object_get(doc, "info");
    size_t i;
    json_t *tag;

    zn_buf_printf(ret,
                  "<!doctype html><html lang=en><meta charset=utf-8><title>Zane API</title>"
                  "<meta name=viewport content=\"width=device-width,initial-scale=1\"><style>%s</style>"
                  "<h1>Zane API %s</h1><p>Every route of this version, made of the same tables that the server "
                  "decodes requests by. As a file for programs: <a href=\"/api/openapi.json\">/api/openapi.json</a>. "
                  "A session needs the header <code>X-CSRFToken</code> on everything but GET; an API token needs "
                  "only <code>Authorization: Bearer</code>.</p><nav>",
                  style, zn_json_str(info, "version", ""));
    json_array_foreach (json_object_get(doc, "tags"), i, tag)
        zn_buf_printf(ret, "<a href=\"#area-%.4s\">%s</a>", zn_json_str(tag, "name", ""), zn_json_str(tag, "name", ""));
    zn_buf_puts(ret, "<a href=\"#shapes\">shapes</a></nav>");
    json_array_foreach (json_object_get(doc, "tags"), i, tag)
        area(ret, doc, zn_json_str(tag, "name", ""));
    shapes(ret, doc);
}
