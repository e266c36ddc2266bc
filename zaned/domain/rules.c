#include "zaned/domain/rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char *text_of(const void *val)
{
    return *(const char *const *)val;
}

static bool only(const char *s, const char *extra)
{
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(extra, *s))
            return false;
    return true;
}

/* Control characters of ASCII and Latin-1 (U+0080 to U+009F) but for those in `fine`. */
static bool has_control_but(const char *s, const char *fine)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

        if ((c < 0x20 && !strchr(fine, *s)) || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
            return true;
    }
    return false;
}

static bool has_control(const char *s)
{
    return has_control_but(s, "");
}

const char *zn_rule_slug(const void *val)
{
    const char *s = text_of(val);

    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-' && *s != '_')
            return "Enter a valid \"slug\" consisting of lower-case letters, numbers, underscores "
                   "or hyphens.";
    return NULL;
}

/* --- image references: [host[:port]/]path[:tag][@sha256:hex] ------------------------------------ */

/* One path component of a repository: lower-case words joined by ".", "_", "__" or hyphens. */
static bool image_component(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t word = i;

        while (i < n && (islower((unsigned char)s[i]) || isdigit((unsigned char)s[i])))
            i++;
        if (i == word)
            return false;
        if (i == n)
            return true;
        size_t sep = i;
        char c = s[i];
        while (i < n && s[i] == c)
            i++;
        if (!((c == '.' && i - sep == 1) || (c == '_' && i - sep <= 2) || c == '-'))
            return false;
    }
    return false;
}

static bool image_host(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    size_t host = colon ? (size_t)(colon - s) : n;
    long long port;
    char digits[8];

    if (host == 0 || s[0] == '-' || s[0] == '.')
        return false;
    for (size_t i = 0; i < host; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
            return false;
    if (!colon)
        return true;
    if (n - host - 1 >= sizeof digits)
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)(n - host - 1), colon + 1);
    return zn_parse_i64(digits, 1, 65535, &port);
}

/* The part in front of the first '/' is a host if it looks like one. */
static size_t image_host_len(const char *s, size_t n)
{
    const char *slash = memchr(s, '/', n);
    size_t len = slash ? (size_t)(slash - s) : 0;

    if (len && (memchr(s, '.', len) || memchr(s, ':', len) ||
                zn_str_eq((struct zn_str){ s, len }, zn_str("localhost"))))
        return len;
    return 0;
}

static bool image_repository(const char *s, size_t n)
{
    size_t host = image_host_len(s, n), at = 0;

    if (n > 255)
        return false;
    if (host) {
        if (!image_host(s, host))
            return false;
        at = host + 1;
    }
    for (;;) {
        const char *slash = memchr(s + at, '/', n - at);
        size_t end = slash ? (size_t)(slash - s) : n;

        if (!image_component(s + at, end - at))
            return false;
        if (!slash)
            return true;
        at = end + 1;
    }
}

static bool image_tag(const char *s, size_t n)
{
    if (n < 1 || n > 128 || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("_.-", s[i]))
            return false;
    return true;
}

static bool image_digest(const char *s)
{
    if (!zn_starts_with(s, "sha256:") || strlen(s) != 7 + 64)
        return false;
    for (s += 7; *s; s++)
        if (!isdigit((unsigned char)*s) && !(*s >= 'a' && *s <= 'f'))
            return false;
    return true;
}

const char *zn_rule_image(const void *val)
{
    const char *s = text_of(val), *at = strchr(s, '@');
    size_t n = at ? (size_t)(at - s) : strlen(s);
    const char *slash = memrchr(s, '/', n);
    const char *last = slash ? slash + 1 : s;
    const char *colon = memchr(last, ':', n - (size_t)(last - s));
    bool ok = !at || image_digest(at + 1);

    if (colon) {
        ok = ok && image_tag(colon + 1, n - (size_t)(colon + 1 - s));
        n = (size_t)(colon - s);
    }
    if (ok && image_repository(s, n))
        return NULL;
    return "Enter a valid image reference: [host[:port]/]name[:tag][@sha256:digest], the name in "
           "lower case.";
}

const char *zn_rule_command(const void *val)
{
    char quote = 0;

    if (has_control_but(text_of(val), "\t\n"))
        return "A command may not contain control characters.";
    for (const char *s = text_of(val); *s; s++) {
        if (*s == '\\' && quote != '\'' && s[1])
            s++;
        else if (quote ? *s == quote : (*s == '"' || *s == '\''))
            quote = quote ? 0 : *s;
    }
    return quote ? "The command has a quote that is not closed." : NULL;
}

/* --- addresses ------------------------------------------------------------------------------------ */

static bool dns_label(const char *s, size_t n)
{
    if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
            return false;
    return true;
}

const char *zn_rule_domain(const void *val)
{
    static const char bad[] = "Enter a valid domain: at least two labels of letters, digits and "
                              "hyphens, optionally behind \"*.\"; no scheme, port or path.";
    const char *s = text_of(val);
    int labels = 0;
    bool digits = true;

    if (zn_starts_with(s, "*."))
        s += 2;
    if (strlen(s) > ZN_MAX_DOMAIN)
        return bad;
    for (;;) {
        size_t n = strcspn(s, ".");

        if (!dns_label(s, n))
            return bad;
        labels++;
        digits = strspn(s, "0123456789") == n;
        if (!s[n])
            break;
        s += n + 1;
    }
    /* A last label of digits only is an IPv4 address, which the dashboard answers on. */
    return labels >= 2 && !digits ? NULL : bad;
}

/* Braces are placeholders to the proxy, '%' and '*' have a meaning in its path matcher. */
const char *zn_rule_base_path(const void *val)
{
    const char *s = text_of(val);

    if (*s != '/')
        return "The path should start with a `/`.";
    if (strstr(s, "..") || strchr(s, '*'))
        return "The path may not contain `..` or `*`.";
    return only(s, "/-._~!$&'()+,;=:@") ? NULL : "The path contains characters that are not allowed.";
}

const char *zn_rule_container_path(const void *val)
{
    const char *s = text_of(val);

    if (*s != '/')
        return "The path should start with a `/`.";
    if (has_control(s))
        return "The path may not contain control characters.";
    return s[strspn(s, "/.")] ? NULL : "The root of the container cannot be a volume.";
}

/* A folder of the host is for shared data only: what else lies there (sockets, secrets, the engine's
 * files) would hand the machine to whoever may deploy. */
const char *zn_rule_host_path(const void *val)
{
    static const char *const allowed[] = { "/srv/", "/mnt/", "/media/", "/opt/", "/data/" };
    const char *s = text_of(val);

    if (*s != '/')
        return "The path should start with a `/`.";
    if (has_control(s))
        return "The path may not contain control characters.";
    if (strcmp(s, "/etc/localtime") == 0 || strcmp(s, "/etc/timezone") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (zn_starts_with(s, allowed[i]))
            return NULL;
    return "Host paths are limited to folders below /srv, /mnt, /media, /opt and /data, and to "
           "/etc/localtime and /etc/timezone.";
}

const char *zn_rule_redirect_url(const void *val)
{
    static const char bad[] = "Enter a valid URL: http:// or https://, a host, no credentials, no "
                              "braces.";
    const char *s = text_of(val), *host;

    host = zn_starts_with(s, "https://") ? s + 8 : zn_starts_with(s, "http://") ? s + 7 : NULL;
    if (!host)
        return bad;
    size_t n = strcspn(host, "/?#");
    if (n == 0 || memchr(host, '@', n))
        return bad;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr("-.:[]", host[i]))
            return bad;
    return only(host, "-._~:/?#[]@!$&'()*+,;=%") ? NULL : bad;
}

const char *zn_rule_health_path(const void *val)
{
    const char *s = text_of(val);

    if (*s != '/')
        return "The path should start with a `/`.";
    return only(s, "-._~:/?[]@!$&'()*+,;=%") ? NULL : "The path contains characters that are not "
                                                      "allowed in a URL.";
}

/* --- names ------------------------------------------------------------------------------------------ */

const char *zn_rule_env_key(const void *val)
{
    const char *s = text_of(val);

    if (!isdigit((unsigned char)*s) && only(s, "_"))
        return NULL;
    return "Should only contain letters, digits and underscores, and not begin with a digit.";
}

const char *zn_rule_name(const void *val)
{
    return has_control(text_of(val)) ? "Control characters are not allowed." : NULL;
}

const char *zn_rule_text(const void *val)
{
    return has_control_but(text_of(val), "\t\r\n")
               ? "Control characters other than tabs and line ends are not allowed."
               : NULL;
}

/* --- times ------------------------------------------------------------------------------------------ */

/* Two digits within bounds at *s, which moves past them and the separator before them (0 = none). */
static bool two(const char **s, char before, int min, int max, int *ret)
{
    const char *p = *s;

    if (before && *p++ != before)
        return false;
    if (!isdigit((unsigned char)p[0]) || !isdigit((unsigned char)p[1]))
        return false;
    *ret = (p[0] - '0') * 10 + p[1] - '0';
    *s = p + 2;
    return *ret >= min && *ret <= max;
}

static bool date_part(const char **s)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int century, year, month, day;

    if (!two(s, 0, 19, 99, &century) || !two(s, 0, 0, 99, &year) || !two(s, '-', 1, 12, &month) ||
        !two(s, '-', 1, 31, &day))
        return false;
    year += century * 100;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

static bool clock_part(const char **s)
{
    int n;

    if (!two(s, 0, 0, 23, &n) || !two(s, ':', 0, 59, &n))
        return false;
    if (**s == ':' && !two(s, ':', 0, 59, &n))
        return false;
    if (**s == '.') {
        size_t digits = strspn(++*s, "0123456789");

        *s += digits;
        return digits >= 1 && digits <= 9;
    }
    return true;
}

const char *zn_rule_time(const void *val)
{
    static const char bad[] = "Enter a valid date/time.";
    const char *s = text_of(val);
    int n;

    if (!date_part(&s))
        return bad;
    if (!*s)
        return NULL;
    if (*s != 'T' && *s != ' ')
        return bad;
    s++;
    if (!clock_part(&s))
        return bad;
    if (*s == 'Z')
        s++;
    else if ((*s == '+' || *s == '-') && (!two(&s, *s, 0, 14, &n) || !two(&s, ':', 0, 59, &n)))
        return bad;
    return *s ? bad : NULL;
}

char *zn_time_full(struct zn_arena *a, const char *text)
{
    size_t n = strlen(text);

    if (n == 10)
        return zn_arena_printf(a, "%sT00:00:00Z", text);
    bool zone = text[n - 1] == 'Z' || strpbrk(text + 10, "+-");
    return zn_arena_printf(a, "%s%s", text, zone ? "" : "Z");
}

char *zn_path_normalise(struct zn_arena *a, const char *path)
{
    char *ret = zn_arena_alloc(a, strlen(path) + 2);
    size_t len = 0;

    if (!ret)
        return NULL;
    while (*path) {
        size_t n;

        path += strspn(path, "/");
        n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            while (len && ret[--len] != '/')
                ;
        } else if (n && !(n == 1 && path[0] == '.')) {
            ret[len++] = '/';
            memcpy(ret + len, path, n);
            len += n;
        }
        path += n;
    }
    if (!len)
        ret[len++] = '/';
    ret[len] = '\0';
    return ret;
}

const char *zn_domain_reserved(const char *domain, const char *root_domain, const char *app_domain)
{
    const char *bare = zn_starts_with(domain, "*.") ? domain + 2 : domain;

    if (strcmp(bare, app_domain) == 0)
        return "This domain, and the wildcard below it, belong to the dashboard.";
    if (strcmp(bare, root_domain) == 0)
        return "The root domain and its wildcard belong to the platform.";
    return NULL;
}

bool zn_domain_covers(const char *wildcard, const char *domain)
{
    const char *dot = strchr(domain, '.');

    return zn_starts_with(wildcard, "*.") && !zn_starts_with(domain, "*.") && dot &&
           strcmp(wildcard + 1, dot) == 0;
}
