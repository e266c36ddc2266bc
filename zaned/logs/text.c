#include "zaned/logs/text.h"

#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "base/encode.h"

/* Bytes of the well-formed character at s, or 0 with *bad = length of the maximal broken part
 * (Unicode 15, table 3-7). */
static size_t utf8_char(const unsigned char *s, size_t n, size_t *bad)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t want;

    *bad = 1;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    want = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0)
        low = 0xa0;
    if (s[0] == 0xed)
        high = 0x9f;
    if (s[0] == 0xf0)
        low = 0x90;
    if (s[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < want; i++) {
        if (i >= n || s[i] < low || s[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return want;
}

void zn_log_scrub(struct zn_buf *out, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t start = 0, at = 0;

    while (at < n) {
        size_t bad, len = utf8_char(p + at, n - at, &bad);
        if (len && p[at]) {
            at += len;
            continue;
        }
        zn_buf_add(out, s + start, at - start);
        zn_buf_puts(out, len ? "\xe2\x90\x80" : "\xef\xbf\xbd");
        at += len ? len : bad;
        start = at;
    }
    if (n > start) /* s may be NULL with nothing in it */
        zn_buf_add(out, s + start, n - start);
}

/* Length of the escape sequence at s (s[0] is ESC), at least 1. ECMA-48: CSI = ESC [ parameters
 * final; OSC = ESC ] text up to BEL or ESC \; the rest = ESC intermediates final. */
static size_t escape_len(const char *s, size_t n)
{
    size_t i = 2;

    if (n < 2)
        return 1;
    if (s[1] == '[') {
        while (i < n && s[i] >= 0x20 && s[i] <= 0x3f)
            i++;
        return i < n && s[i] >= 0x40 && s[i] <= 0x7e ? i + 1 : i;
    }
    if (s[1] == ']') {
        while (i < n && s[i] != '\a' && s[i] != '\x1b')
            i++;
        if (i < n && s[i] == '\a')
            return i + 1;
        return i + 1 < n && s[i + 1] == '\\' ? i + 2 : i;
    }
    for (i = 1; i < n && s[i] >= 0x20 && s[i] <= 0x2f;)
        i++;
    return i < n && s[i] >= 0x30 && s[i] <= 0x7e ? i + 1 : i;
}

void zn_log_plain(struct zn_buf *out, const char *s, size_t n)
{
    while (n) {
        const char *esc = memchr(s, '\x1b', n);
        size_t plain = esc ? (size_t)(esc - s) : n;
        zn_buf_add(out, s, plain);
        s += plain;
        n -= plain;
        if (esc) {
            size_t k = escape_len(s, n);
            s += k;
            n -= k;
        }
    }
}

static bool digits(const char *s, size_t n, long long *ret)
{
    long long v = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    *ret = v;
    return n > 0;
}

/* ".123" at s: nanoseconds, *used = its length; at most 9 digits. No point: 0 and 0. */
static bool fraction(const char *s, size_t n, long long *ns, size_t *used)
{
    size_t k = 1;

    *ns = 0;
    *used = 0;
    if (!n || s[0] != '.')
        return true;
    while (k < n && s[k] >= '0' && s[k] <= '9')
        k++;
    if (k < 2 || k > 10 || !digits(s + 1, k - 1, ns))
        return false;
    for (size_t i = k; i < 10; i++)
        *ns *= 10;
    *used = k;
    return true;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static long long days_of(long long y, long long m, long long d)
{
    long long era, doy;

    y -= m <= 2;
    era = y / 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + (y % 400) * 365 + (y % 400) / 4 - (y % 400) / 100 + doy - 719468;
}

static bool date_ok(long long y, long long m, long long d)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return y >= 1970 && y <= 2261 && m >= 1 && m <= 12 && d >= 1 &&
           d <= days[m - 1] + (m == 2 && leap);
}

static bool zone(const char *s, size_t n, long long *offset)
{
    long long h, m;

    *offset = 0;
    if (n == 1 && (s[0] == 'Z' || s[0] == 'z'))
        return true;
    if ((n != 6 && n != 5) || (s[0] != '+' && s[0] != '-') || (n == 6 && s[3] != ':'))
        return false;
    if (!digits(s + 1, 2, &h) || !digits(s + n - 2, 2, &m) || h > 23 || m > 59)
        return false;
    *offset = (h * 3600 + m * 60) * (s[0] == '-' ? -1 : 1);
    return true;
}

static bool rfc3339(const char *s, size_t n, int64_t *ret)
{
    long long y, mo, d, h, mi, sec, ns, off, secs;
    size_t used;

    if (n < 20 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't' && s[10] != ' ') ||
        s[13] != ':' || s[16] != ':')
        return false;
    if (!digits(s, 4, &y) || !digits(s + 5, 2, &mo) || !digits(s + 8, 2, &d) ||
        !digits(s + 11, 2, &h) || !digits(s + 14, 2, &mi) || !digits(s + 17, 2, &sec))
        return false;
    if (!date_ok(y, mo, d) || h > 23 || mi > 59 || sec > 60)
        return false;
    if (!fraction(s + 19, n - 19, &ns, &used) || !zone(s + 19 + used, n - 19 - used, &off))
        return false;
    secs = days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - off;
    if (secs < 0)
        return false;
    *ret = secs * 1000000000 + ns;
    return true;
}

bool zn_log_time_parse(const char *s, size_t n, int64_t *ret)
{
    const char *dot = memchr(s, '.', n);
    size_t whole = dot ? (size_t)(dot - s) : n, used;
    long long secs, ns;

    if (whole >= 1 && whole <= 10 && digits(s, whole, &secs)) {
        if (!fraction(s + whole, n - whole, &ns, &used) || whole + used != n ||
            secs > 9214646400LL)
            return false;
        *ret = secs * 1000000000 + ns;
        return true;
    }
    return n < 64 && rfc3339(s, n, ret);
}

void zn_log_time_format(int64_t ns, char ret[ZN_LOG_TIME_LEN])
{
    time_t secs = (time_t)(ns / 1000000000);
    struct tm tm;
    char date[24];

    gmtime_r(&secs, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret, ZN_LOG_TIME_LEN, "%s.%09dZ", date, (int)(ns % 1000000000));
}

static void hash_str(crypto_generichash_state *h, struct zn_str s)
{
    uint64_t n = s.n;

    crypto_generichash_update(h, (const unsigned char *)&n, sizeof n);
    if (n)
        crypto_generichash_update(h, (const unsigned char *)s.s, s.n);
}

void zn_log_identity(const struct zn_log_key *key, char ret[ZN_LOG_IDENTITY_LEN])
{
    unsigned char sum[(ZN_LOG_IDENTITY_LEN - 1) / 2];
    crypto_generichash_state h;
    int64_t numbers[2] = { key->time_ns, key->ordinal };

    crypto_generichash_init(&h, NULL, 0, sizeof sum);
    crypto_generichash_update(&h, (const unsigned char *)numbers, sizeof numbers);
    hash_str(&h, key->container_id);
    hash_str(&h, key->stream);
    hash_str(&h, key->partial_id);
    hash_str(&h, key->text);
    crypto_generichash_final(&h, sum, sizeof sum);
    zn_hex(sum, sizeof sum, ret);
}
