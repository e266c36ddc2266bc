#include "zaned/domain/dotenv.h"

#include <string.h>

#include "base/str.h"
#include "zaned/domain/rules.h"

struct reader {
    const char *p;
    unsigned line; /* of *p, from 1 */
    struct zn_arena *arena;
    struct zn_err *err;
    json_t *into;
};

static void bad(struct reader *r, unsigned line, const char *msg)
{
    const char *text = zn_arena_printf(r->arena, "Line %u: %s", line, msg);

    zn_field_err(r->err, "new_value", "invalid", text ? text : msg);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool line_end(char c)
{
    return c == '\n' || c == '\r' || c == '\0';
}

static void skip_blanks(struct reader *r)
{
    while (blank(*r->p))
        r->p++;
}

/* To the begin of the next line. */
static void skip_line(struct reader *r)
{
    while (!line_end(*r->p))
        r->p++;
    if (*r->p == '\r' && r->p[1] == '\n')
        r->p++;
    if (*r->p) {
        r->p++;
        r->line++;
    }
}

/* Between double quotes a backslash means something before these; before others it is itself. */
static char unescaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '"':
    case '\\':
    case '$':
        return c;
    default:
        return 0;
    }
}

/* A quoted value; r->p is at its opening quote. False = it is not closed. */
static bool quoted(struct reader *r, struct zn_buf *b)
{
    char quote = *r->p++, c;

    for (; *r->p && *r->p != quote; r->p++) {
        if (*r->p == '\n' || (*r->p == '\r' && r->p[1] != '\n'))
            r->line++;
        if (quote == '"' && *r->p == '\\' && (c = unescaped(r->p[1]))) {
            zn_buf_putc(b, c);
            r->p++;
        } else if (!(*r->p == '\r' && r->p[1] == '\n')) { /* CRLF of the text is one line end */
            zn_buf_putc(b, *r->p);
        }
    }
    if (!*r->p)
        return false;
    r->p++;
    return true;
}

static void plain(struct reader *r, struct zn_buf *b)
{
    const char *begin = r->p, *end;

    while (!line_end(*r->p) && !(*r->p == '#' && (r->p == begin || blank(r->p[-1]))))
        r->p++;
    for (end = r->p; end > begin && blank(end[-1]); end--)
        ;
    zn_buf_add(b, begin, (size_t)(end - begin));
}

/* The value behind the '='. False = a field error. */
static bool value(struct reader *r, struct zn_buf *b)
{
    unsigned line = r->line;

    skip_blanks(r);
    if (*r->p != '"' && *r->p != '\'') {
        plain(r, b);
        return true;
    }
    if (!quoted(r, b)) {
        bad(r, line, "the quote is not closed.");
        return false;
    }
    skip_blanks(r);
    if (line_end(*r->p) || *r->p == '#')
        return true;
    bad(r, r->line, "there is text behind the closing quote.");
    return false;
}

static void store(struct reader *r, unsigned line, const char *key, const char *text)
{
    const char *why = zn_rule_env_key(&key);
    size_t i;
    json_t *old;

    if (!*key || why)
        bad(r, line, "a key begins with a letter or underscore and has letters, digits and underscores.");
    else if (strlen(key) > ZN_MAX_ENV_KEY)
        bad(r, line, "a key has at most 255 characters.");
    else if (strlen(text) > ZN_MAX_ENV_VALUE)
        bad(r, line, "a value has at most 65536 characters.");
    else if ((why = zn_rule_text(&text)))
        bad(r, line, why);
    if (!*key || why || strlen(key) > ZN_MAX_ENV_KEY || strlen(text) > ZN_MAX_ENV_VALUE)
        return;
    json_array_foreach (r->into, i, old)
        if (strcmp(zn_json_str(old, "key", ""), key) == 0) {
            json_object_set_new(old, "value", json_string(text));
            return;
        }
    if (json_array_size(r->into) < ZN_MAX_ITEMS)
        json_array_append_new(r->into, json_pack("{s:s,s:s}", "key", key, "value", text));
    else
        bad(r, line, "a service has at most 200 variables.");
}

static const char *key_of(struct reader *r)
{
    const char *begin = r->p;

    if (strncmp(r->p, "export", 6) == 0 && blank(r->p[6])) {
        r->p += 6;
        skip_blanks(r);
        begin = r->p;
    }
    while (*r->p != '=' && !line_end(*r->p))
        r->p++;
    const char *end = r->p;
    while (end > begin && blank(end[-1]))
        end--;
    return zn_arena_strndup(r->arena, begin, (size_t)(end - begin));
}

/* One line, or several if a quoted value spans them. False = what follows can't be told apart any more. */
static bool entry(struct reader *r)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(ZN_MAX_DOTENV);
    unsigned line = r->line;
    const char *key, *text;

    skip_blanks(r);
    if (line_end(*r->p) || *r->p == '#') {
        skip_line(r);
        return true;
    }
    key = key_of(r);
    if (*r->p != '=') {
        bad(r, line, "there is no `=` behind the key.");
        skip_line(r);
        return true;
    }
    r->p++;
    if (!value(r, &b)) {
        bool more = *r->p;

        skip_line(r);
        return more;
    }
    text = b.len ? zn_buf_str(&b) : "";
    if (key && text)
        store(r, line, key, text);
    skip_line(r);
    return true;
}

int zn_dotenv_parse(struct zn_arena *a, const char *text, json_t **ret, struct zn_err *err)
{
    zn_auto_json list = json_array();
    struct reader r = { .p = text, .line = 1, .arena = a, .err = err, .into = list };

    if (!list)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (zn_starts_with(text, "\xef\xbb\xbf"))
        r.p += 3;
    while (*r.p && err->nfields < 16 && entry(&r))
        ;
    if (err->nfields)
        return zn_fail(err, ZN_INVALID, "the variables have lines that cannot be read");
    *ret = ZN_TAKE(list);
    return 0;
}
