#include <stdlib.h>
#include <strings.h>

#include "base/http.h"

enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER };

void zn_http_parser_init(struct zn_http_parser *p, zn_http_sink sink, void *arg)
{
    *p = (struct zn_http_parser){ .sink = sink, .arg = arg, .head = ZN_BUF(ZN_HTTP_HEAD_MAX) };
}

void zn_http_parser_done(struct zn_http_parser *p)
{
    zn_buf_done(&p->head);
}

struct zn_str zn_http_header(const struct zn_http_parser *p, const char *name)
{
    const char *s = p->head.mem, *end = s + p->head.len;
    size_t n = strlen(name);

    while (s && s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        if (!nl)
            break;
        if ((size_t)(nl - s) > n && s[n] == ':' && strncasecmp(s, name, n) == 0) {
            const char *v = s + n + 1, *e = nl;
            while (v < e && (*v == ' ' || *v == '\t'))
                v++;
            while (e > v && (e[-1] == '\r' || e[-1] == ' ' || e[-1] == '\t'))
                e--;
            return (struct zn_str){ v, (size_t)(e - v) };
        }
        s = nl + 1;
    }
    return (struct zn_str){ NULL, 0 };
}

static int bad(struct zn_http_parser *p)
{
    p->state = ZN_HTTP_BAD;
    return -1;
}

static bool has_token(struct zn_str v, const char *token)
{
    size_t n = strlen(token);

    for (size_t i = 0; v.s && i + n <= v.n; i++)
        if (strncasecmp(v.s + i, token, n) == 0)
            return true;
    return false;
}

/* The whole head is in: decides how the body ends. */
static int head_done(struct zn_http_parser *p)
{
    const char *s = p->head.mem;
    struct zn_str len;

    if (p->head.len < 13 || strncmp(s, "HTTP/1.", 7) != 0 || s[8] != ' ')
        return bad(p);
    p->status = 0;
    for (int i = 9; i < 12; i++) {
        if (s[i] < '0' || s[i] > '9')
            return bad(p);
        p->status = p->status * 10 + (s[i] - '0');
    }
    if (p->status < 100 || (s[12] != ' ' && s[12] != '\r' && s[12] != '\n'))
        return bad(p);
    if (p->status == 100) { /* interim: the real head follows */
        zn_buf_clear(&p->head);
        return 0;
    }
    if (p->status == 101) {
        p->upgraded = true;
        p->state = ZN_HTTP_DONE;
        return 0;
    }
    p->state = ZN_HTTP_BODY;
    len = zn_http_header(p, "Content-Length");
    if (p->head_request || p->status == 204 || p->status == 304) {
        p->state = ZN_HTTP_DONE;
    } else if (has_token(zn_http_header(p, "Transfer-Encoding"), "chunked")) {
        p->chunked = true;
    } else if (len.s) {
        char digits[24];
        long long v;
        if (len.n >= sizeof digits)
            return bad(p);
        memcpy(digits, len.s, len.n);
        digits[len.n] = '\0';
        if (!zn_parse_i64(digits, 0, INT64_MAX, &v))
            return bad(p);
        p->left = v;
        if (!v)
            p->state = ZN_HTTP_DONE;
    } else {
        p->until_close = true;
    }
    return 0;
}

/* One byte of head. */
static int head_byte(struct zn_http_parser *p, char c)
{
    size_t n;

    zn_buf_putc(&p->head, c);
    if (p->head.failed)
        return bad(p);
    n = p->head.len;
    if (c == '\n' && ((n >= 4 && memcmp(p->head.mem + n - 4, "\r\n\r\n", 4) == 0) ||
                      (n >= 2 && memcmp(p->head.mem + n - 2, "\n\n", 2) == 0)))
        return head_done(p);
    return 0;
}

/* A size, end or trailer line of a chunked body is complete in p->line. */
static int chunk_line(struct zn_http_parser *p)
{
    char *end;
    long long v;

    while (p->line_len && p->line[p->line_len - 1] == '\r')
        p->line_len--;
    p->line[p->line_len] = '\0';
    switch (p->chunk_step) {
    case CHUNK_SIZE:
        if (strspn(p->line, "0123456789abcdefABCDEF") == 0 || p->line_len > 64)
            return bad(p);
        v = strtoll(p->line, &end, 16);
        if (v < 0 || v > INT64_MAX / 2 || (*end && *end != ';' && *end != ' '))
            return bad(p);
        p->left = v;
        p->chunk_step = v ? CHUNK_DATA : CHUNK_TRAILER;
        break;
    case CHUNK_END:
        if (p->line_len)
            return bad(p);
        p->chunk_step = CHUNK_SIZE;
        break;
    default: /* trailer: an empty line ends the message */
        if (!p->line_len)
            p->state = ZN_HTTP_DONE;
    }
    p->line_len = 0;
    return 0;
}

static int line_byte(struct zn_http_parser *p, char c)
{
    if (c == '\n')
        return chunk_line(p);
    if (p->line_len + 1 >= sizeof p->line) {
        if (p->chunk_step != CHUNK_TRAILER)
            return bad(p);
        return 0; /* long trailer: its text is of no use to us */
    }
    p->line[p->line_len++] = c;
    return 0;
}

static int body_bytes(struct zn_http_parser *p, const char *s, size_t n, size_t *took)
{
    size_t k = p->until_close || (int64_t)n < p->left ? n : (size_t)p->left;

    if (k && p->sink && p->sink(p->arg, s, k) < 0)
        return bad(p);
    *took = k;
    if (p->until_close)
        return 0;
    p->left -= (int64_t)k;
    if (!p->left && p->chunked)
        p->chunk_step = CHUNK_END;
    else if (!p->left)
        p->state = ZN_HTTP_DONE;
    return 0;
}

int zn_http_parser_feed(struct zn_http_parser *p, const char *s, size_t n, size_t *used)
{
    size_t i = 0;
    int r = 0;

    while (i < n && r == 0 && p->state != ZN_HTTP_DONE && p->state != ZN_HTTP_BAD) {
        if (p->state == ZN_HTTP_HEAD) {
            r = head_byte(p, s[i++]);
        } else if (p->chunked && p->chunk_step != CHUNK_DATA) {
            r = line_byte(p, s[i++]);
        } else {
            size_t took = 0;
            r = body_bytes(p, s + i, n - i, &took);
            i += took;
        }
    }
    *used = i;
    return p->state == ZN_HTTP_BAD ? -1 : r;
}

int zn_http_parser_eof(struct zn_http_parser *p)
{
    if (p->state == ZN_HTTP_BODY && p->until_close)
        p->state = ZN_HTTP_DONE;
    return p->state == ZN_HTTP_DONE ? 0 : -1;
}
