#include "supervisor/request.h"

#include <strings.h>

/* RFC 9110 token characters. */
static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *s, size_t n)
{
    size_t k = 0;

    while (k < n && is_token((unsigned char)s[k]))
        k++;
    return k;
}

static struct zn_str trim(const char *s, size_t n)
{
    while (n && (*s == ' ' || *s == '\t')) {
        s++;
        n--;
    }
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    return (struct zn_str){ s, n };
}

static bool name_is(struct zn_str s, const char *name)
{
    return s.n == strlen(name) && strncasecmp(s.s, name, s.n) == 0;
}

/* True if the comma-separated list holds the word. */
static bool list_has(struct zn_str list, const char *word)
{
    while (list.n) {
        const char *comma = memchr(list.s, ',', list.n);
        size_t k = comma ? (size_t)(comma - list.s) : list.n;

        if (name_is(trim(list.s, k), word))
            return true;
        k += comma ? 1 : 0;
        list.s += k;
        list.n -= k;
    }
    return false;
}

/* "GET /path?query HTTP/1.1" without its CRLF; 0 or a negative status. */
static int request_line(const char *s, size_t n, struct zn_request *r)
{
    size_t k = token_length(s, n);
    const char *target, *question;

    if (k == 0 || k > 16 || k == n || s[k] != ' ')
        return -400;
    r->method = (struct zn_str){ s, k };
    target = s + k + 1;
    n -= k + 1;
    for (k = 0; k < n && target[k] > ' ' && target[k] < 0x7f; k++)
        ;
    if (k == 0 || target[0] != '/' || n - k != 9 || memcmp(target + k, " HTTP/", 6) != 0)
        return -400;
    if (memcmp(target + k + 6, "1.1", 3) != 0 && memcmp(target + k + 6, "1.0", 3) != 0)
        return -505;
    r->http10 = target[k + 8] == '0';
    question = memchr(target, '?', k);
    r->path = (struct zn_str){ target, question ? (size_t)(question - target) : k };
    if (question)
        r->query = (struct zn_str){ question + 1, k - r->path.n - 1 };
    return 0;
}

static int content_length(struct zn_str v, struct zn_request *r)
{
    int64_t sum = 0;

    /* More than 15 digits is larger than anything we take: keep it comparable, never overflow. */
    if (!v.n || v.n > 15)
        return -400;
    for (size_t i = 0; i < v.n; i++) {
        if (v.s[i] < '0' || v.s[i] > '9')
            return -400;
        sum = sum * 10 + (v.s[i] - '0');
    }
    r->length = sum;
    return 0;
}

struct seen {
    bool host, length, coding, close, keep;
};

/* One header line without its CRLF. */
static int header_line(const char *s, size_t n, struct zn_request *r, struct seen *seen)
{
    size_t k = token_length(s, n);
    struct zn_str name = { s, k }, value;

    if (k == 0 || k == n || s[k] != ':') /* a blank before the colon or a folded line ends here */
        return -400;
    value = trim(s + k + 1, n - k - 1);
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.s[i] < ' ' && value.s[i] != '\t') || value.s[i] == 0x7f)
            return -400;
    if (name_is(name, "Host")) {
        if (seen->host)
            return -400;
        seen->host = true;
    } else if (name_is(name, "Content-Length")) {
        if (seen->length)
            return -400;
        seen->length = true;
        return content_length(value, r);
    } else if (name_is(name, "Transfer-Encoding")) {
        if (seen->coding || !name_is(value, "chunked"))
            return -501;
        seen->coding = true;
    } else if (name_is(name, "Connection")) {
        seen->close |= list_has(value, "close");
        seen->keep |= list_has(value, "keep-alive");
    }
    return 0;
}

/* The end of the line at s: points at its CR. NULL: not there yet, or a bare line feed or carriage
 * return came first (*broken). */
static const char *line_end(const char *s, size_t n, bool *broken)
{
    const char *lf = memchr(s, '\n', n);
    const char *cr = memchr(s, '\r', lf ? (size_t)(lf - s) : n);

    if (lf && cr == lf - 1)
        return cr;
    /* A carriage return as the last byte may still get its line feed. */
    *broken = lf || (cr && cr + 1 < s + n);
    return NULL;
}

static int finish(struct zn_request *r, const struct seen *seen)
{
    if (!r->http10 && !seen->host)
        return -400;
    if (seen->coding && (seen->length || r->http10))
        return -400; /* the classic disagreement about where a request ends */
    if (seen->coding)
        r->length = -1;
    r->keep_alive = !seen->close && (!r->http10 || seen->keep);
    return 0;
}

int zn_request_parse(const char *s, size_t n, struct zn_request *ret)
{
    struct seen seen = { 0 };
    size_t room = n < ZN_REQUEST_HEAD_MAX ? n : ZN_REQUEST_HEAD_MAX;
    const char *p = s, *end = s + room;
    unsigned lines = 0;
    bool broken = false;

    *ret = (struct zn_request){ 0 };
    for (;;) {
        const char *cr = line_end(p, (size_t)(end - p), &broken);
        size_t len = cr ? (size_t)(cr - p) : 0;
        int r;

        if (!cr)
            return broken ? -400 : room == ZN_REQUEST_HEAD_MAX ? -431 : 0;
        if (len == 0 && lines == 0)
            return -400;
        if (len == 0)
            break;
        r = lines == 0 ? request_line(p, len, ret) : header_line(p, len, ret, &seen);
        if (r < 0)
            return r;
        p = cr + 2;
        if (lines == 0)
            ret->head.s = p;
        if (++lines > ZN_REQUEST_HEADERS_MAX + 1)
            return -431;
    }
    ret->head.n = (size_t)(p - ret->head.s);
    if (finish(ret, &seen) < 0)
        return -400;
    return (int)(p + 2 - s);
}

struct zn_str zn_request_header(const struct zn_request *r, const char *name)
{
    const char *p = r->head.s, *end = p + r->head.n;
    size_t k = strlen(name);

    while (r->head.s && p < end) {
        const char *cr = memchr(p, '\r', (size_t)(end - p));

        if (!cr)
            break;
        if ((size_t)(cr - p) > k && p[k] == ':' && strncasecmp(p, name, k) == 0)
            return trim(p + k + 1, (size_t)(cr - p) - k - 1);
        p = cr + 2;
    }
    return (struct zn_str){ NULL, 0 };
}
