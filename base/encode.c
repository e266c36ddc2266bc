#include "base/encode.h"

#include <stdint.h>
#include <stdio.h>

#include "base/io.h"

static const char id_alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

void zn_hex(const void *src, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = src;

    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = digits[p[i] >> 4];
        ret[2 * i + 1] = digits[p[i] & 15];
    }
    ret[2 * n] = '\0';
}

void zn_base64_add(struct zn_buf *b, const void *src, size_t n, bool url_alphabet)
{
    const char *tab =
        url_alphabet ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                     : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = src;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        char out[4] = { tab[v >> 18], tab[v >> 12 & 63], left > 1 ? tab[v >> 6 & 63] : '=',
                        left > 2 ? tab[v & 63] : '=' };
        zn_buf_add(b, out, 4);
    }
}

static int b64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool zn_base64_decode(const char *s, size_t n, struct zn_buf *ret)
{
    uint32_t v = 0;
    unsigned bits = 0;

    while (n && s[n - 1] == '=')
        n--;
    if (n % 4 == 1)
        return false;
    for (size_t i = 0; i < n; i++) {
        int d = b64_value(s[i]);
        if (d < 0)
            return false;
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            zn_buf_putc(ret, (char)(v >> bits & 0xff));
        }
    }
    return !ret->failed;
}

void zn_percent_add(struct zn_buf *b, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            zn_buf_putc(b, *s);
        else
            zn_buf_printf(b, "%%%02X", c);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool zn_percent_decode(const char *s, size_t n, bool plus, struct zn_buf *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%') {
            int hi = i + 2 < n ? hex_value(s[i + 1]) : -1;
            int lo = i + 2 < n ? hex_value(s[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return false;
            zn_buf_putc(ret, (char)(hi << 4 | lo));
            i += 2;
        } else {
            zn_buf_putc(ret, plus && s[i] == '+' ? ' ' : s[i]);
        }
    }
    return !ret->failed;
}

void zn_id(const char *prefix, unsigned n, char *ret, size_t size)
{
    size_t at = (size_t)snprintf(ret, size, "%s", prefix);

    if (at + n + 1 > size)
        zn_bug("zn_id: %zu bytes are too few for %s", size, prefix);
    while (n) {
        unsigned char r;
        zn_random(&r, 1);
        if (r >= 57 * 4) /* keep the distribution even */
            continue;
        ret[at++] = id_alphabet[r % 57];
        n--;
    }
    ret[at] = '\0';
}

bool zn_id_valid(const char *s, const char *prefix, unsigned n)
{
    size_t k = strlen(prefix);

    if (!zn_starts_with(s, prefix) || strlen(s + k) != n)
        return false;
    return strspn(s + k, id_alphabet) == n;
}

bool zn_secret_eq(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    volatile unsigned char diff = na != nb;

    for (size_t i = 0; i < na && i < nb; i++)
        diff = (unsigned char)(diff | (unsigned char)(a[i] ^ b[i]));
    return diff == 0;
}
