#include "zaned/api/registry_check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"

static const long DEADLINE_MS = 10000, CONNECT_MS = 5000;
enum { ANSWER_MAX = 64 * 1024, CHALLENGE_MAX = 1024, REDIRECTS_MAX = 3 };

struct answer {
    long status;
    char challenge[CHALLENGE_MAX]; /* value of WWW-Authenticate */
    struct zn_buf body;
};

ZN_DEFINE_AUTO(curl, CURL *, curl_easy_cleanup);
#define zn_auto_curl ZN_AUTO(zn_auto_curl) CURL *
ZN_DEFINE_AUTO(curl_list, struct curl_slist *, curl_slist_free_all);
#define zn_auto_curl_list ZN_AUTO(zn_auto_curl_list) struct curl_slist *

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;

    zn_buf_add(&a->body, p, size * n);
    return a->body.failed ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    static const char name[] = "WWW-Authenticate:";
    struct answer *a = arg;
    size_t len = size * n, skip = sizeof name - 1;

    if (len > skip && strncasecmp(p, name, skip) == 0) {
        while (len && (p[len - 1] == '\r' || p[len - 1] == '\n'))
            len--;
        while (skip < len && p[skip] == ' ')
            skip++;
        snprintf(a->challenge, sizeof a->challenge, "%.*s", (int)(len - skip), p + skip);
    }
    return size * n;
}

/* Addresses that are no registry's: link-local ones, where clouds answer with the machine's own secrets. */
static bool is_forbidden(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

        return (ntohl(in->sin_addr.s_addr) & 0xffff0000u) == 0xa9fe0000u;
    }
    if (sa->sa_family == AF_INET6) {
        const struct in6_addr *in = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

        return IN6_IS_ADDR_LINKLOCAL(in) ||
               (IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == 169 && in->s6_addr[13] == 254);
    }
    return true;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    (void)arg;
    (void)purpose;
    return is_forbidden(&addr->addr) ? CURL_SOCKET_BAD
                                     : socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* basic: "user:password" or NULL; bearer: a token or NULL. */
static int get(const char *url, const char *username, const char *password, const char *bearer,
               struct answer *ret, struct zn_err *err)
{
    zn_auto_curl c = curl_easy_init();
    zn_auto_curl_list headers = NULL;
    char why[CURL_ERROR_SIZE] = "", line[8192];

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (bearer) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", bearer);
        headers = curl_slist_append(NULL, line);
    }
    zn_buf_clear(&ret->body);
    ret->challenge[0] = '\0';
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, DEADLINE_MS);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "zane");
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, ret);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, ret);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (password) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, username);
        curl_easy_setopt(c, CURLOPT_PASSWORD, password);
    }
    CURLcode r = curl_easy_perform(c);
    explicit_bzero(line, sizeof line);
    if (r == CURLE_WRITE_ERROR)
        return zn_fail(err, ZN_INVALID, "the registry answers with more than %d KiB", ANSWER_MAX / 1024);
    if (r != CURLE_OK)
        return zn_fail(err, ZN_UNAVAILABLE, "%s", why[0] ? why : curl_easy_strerror(r));
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &ret->status);
    return 0;
}

/* name="value" out of a challenge; "" if it is not there. */
static void challenge_value(const char *challenge, const char *name, char *ret, size_t size)
{
    char key[32];
    const char *at, *end;

    snprintf(key, sizeof key, "%s=\"", name);
    at = strstr(challenge, key);
    end = at ? strchr(at + strlen(key), '"') : NULL;
    snprintf(ret, size, "%.*s", end ? (int)(end - at - (long)strlen(key)) : 0, end ? at + strlen(key) : "");
}

static const char *escaped(struct zn_arena *a, const char *text)
{
    char *s = curl_easy_escape(NULL, text, 0), *copy = s ? zn_arena_strdup(a, s) : NULL;

    curl_free(s);
    return copy ? copy : "";
}

/* The token that the realm of a Bearer challenge gives for the login. */
static int fetch_token(struct zn_arena *a, struct answer *got, const char *username, const char *password,
                       const char **ret, struct zn_err *err)
{
    char realm[CHALLENGE_MAX], service[256];
    zn_auto_json doc = NULL;

    challenge_value(got->challenge, "realm", realm, sizeof realm);
    challenge_value(got->challenge, "service", service, sizeof service);
    const char *url = zn_arena_printf(a, "%s%cservice=%s&account=%s", realm, strchr(realm, '?') ? '&' : '?',
                                      escaped(a, service), escaped(a, username));
    if (!*realm || !url)
        return zn_fail(err, ZN_INVALID, "the registry asks for a login in a way that is not known here");
    if (get(url, username, password, NULL, got, err) < 0)
        return -1;
    if (got->status == 401 || got->status == 403)
        return zn_fail(err, ZN_INVALID, "the registry refuses this username and password");
    if (got->status != 200 || zn_json_parse(got->body.mem ? got->body.mem : "", got->body.len, &doc, err) < 0)
        return zn_fail(err, ZN_INVALID, "the registry's login service answered %ld", got->status);
    const char *token = zn_json_str(doc, "token", zn_json_str(doc, "access_token", ""));
    *ret = zn_arena_strdup(a, token);
    return *token && *ret ? 0 : zn_fail(err, ZN_INVALID, "the registry's login service gives no token");
}

static int log_in(struct zn_arena *a, const char *url, const char *username, const char *password,
                  struct answer *got, struct zn_err *err)
{
    const char *token = NULL;

    if (strncasecmp(got->challenge, "Basic", 5) == 0)
        return get(url, username, password, NULL, got, err);
    if (fetch_token(a, got, username, password, &token, err) < 0)
        return -1;
    return get(url, NULL, NULL, token, got, err);
}

int zn_registry_check(struct zn_arena *a, const char *url, const char *username, const char *password,
                      struct zn_err *err)
{
    struct answer got = { .body = ZN_BUF(ANSWER_MAX) };
    size_t n = strlen(url);
    int r;

    while (n && url[n - 1] == '/')
        n--;
    const char *base = zn_arena_printf(a, "%.*s/v2/", (int)n, url);
    r = base ? get(base, NULL, NULL, NULL, &got, err) : zn_fail(err, ZN_INTERNAL, "out of memory");
    if (r == 0 && got.status == 200)
        r = zn_fail(err, ZN_INVALID, "this registry asks for no login: images can be pulled from it without one");
    else if (r == 0 && (got.status != 401 || !got.challenge[0]))
        r = zn_fail(err, ZN_INVALID, "there is no image registry: %.200s answered %ld", base, got.status);
    if (r == 0)
        r = log_in(a, base, username, password, &got, err);
    if (r == 0 && (got.status == 401 || got.status == 403))
        r = zn_fail(err, ZN_INVALID, "the registry refuses this username and password");
    else if (r == 0 && got.status != 200)
        r = zn_fail(err, ZN_INVALID, "the registry answered %ld to the login", got.status);
    zn_buf_done(&got.body);
    return r;
}
