#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool zn_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool zn_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);

    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

bool zn_parse_i64(const char *s, long long min, long long max, long long *ret)
{
    const char *p = *s == '-' ? s + 1 : s;
    char *end;
    long long v;

    if (*p < '0' || *p > '9')
        return false;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno || *end || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

/* Length of the well-formed sequence at p (1-4), or 0. */
static size_t utf8_step(const unsigned char *p, size_t n)
{
    static const unsigned min[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t k = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    unsigned cp = p[0];

    if (k <= 1)
        return k;
    if (k > n || p[0] > 0xf4)
        return 0;
    cp = p[0] & (0x7fu >> k);
    for (size_t i = 1; i < k; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    return cp < min[k] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff) ? 0 : k;
}

bool zn_utf8_valid(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;

    while (n) {
        size_t k = utf8_step(p, n);
        if (!k)
            return false;
        p += k;
        n -= k;
    }
    return true;
}

void zn_utf8_mend(char *s)
{
    size_t n = strlen(s);

    while (n) {
        size_t k = utf8_step((const unsigned char *)s, n);

        if (!k) {
            *s = '?';
            k = 1;
        }
        s += k;
        n -= k;
    }
}

unsigned zn_distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);

    if (strlen(a) > 63 || n > 63)
        return 64;
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            unsigned best = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            if (row[j] + 1 < best)
                best = row[j] + 1;
            row[j + 1] = best;
        }
    }
    return row[n];
}

void zn_lower(char *s)
{
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s + ('a' - 'A'));
}

static bool grow(struct zn_buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 64;
    char *mem;

    if (b->failed || b->len > b->max || n > b->max - b->len) {
        b->failed = true;
        return false;
    }
    /* One byte more than asked for: zn_buf_str can always terminate. */
    if (n + 1 <= b->cap - b->len)
        return true;
    while (cap - b->len < n + 1)
        cap *= 2;
    mem = realloc(b->mem, cap);
    if (!mem) {
        b->failed = true;
        return false;
    }
    b->mem = mem;
    b->cap = cap;
    return true;
}

void zn_buf_add(struct zn_buf *b, const void *src, size_t n)
{
    if (!grow(b, n))
        return;
    if (n)
        memcpy(b->mem + b->len, src, n);
    b->len += n;
}

void zn_buf_puts(struct zn_buf *b, const char *s)
{
    zn_buf_add(b, s, strlen(s));
}

void zn_buf_putc(struct zn_buf *b, char c)
{
    zn_buf_add(b, &c, 1);
}

void zn_buf_printf(struct zn_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !grow(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->mem + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void zn_buf_eat(struct zn_buf *b, size_t n)
{
    if (n > b->len)
        n = b->len;
    if (n && n < b->len)
        memmove(b->mem, b->mem + n, b->len - n);
    b->len -= n;
}

void zn_buf_clear(struct zn_buf *b)
{
    b->len = 0;
    b->failed = false;
}

const char *zn_buf_str(struct zn_buf *b)
{
    if (b->failed || !grow(b, 0))
        return NULL;
    b->mem[b->len] = '\0';
    return b->mem;
}

char *zn_buf_take(struct zn_buf *b)
{
    char *mem;

    if (!zn_buf_str(b))
        return NULL;
    mem = b->mem;
    b->mem = NULL;
    b->len = b->cap = 0;
    return mem;
}

void zn_buf_done(struct zn_buf *b)
{
    free(b->mem);
    *b = (struct zn_buf){ .max = b->max };
}
