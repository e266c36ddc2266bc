#include "zaned/api/registry_check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "zaned/domain/registry.h"

static const int64_t DEADLINE_MS = 10000, CONNECT_MS = 5000; /* of a whole check; of one connection */
enum { ANSWER_MAX = 64 * 1024, CHALLENGE_MAX = 2048, REDIRECTS_MAX = 3 };
/* Each holds a worker of the API for as long as a stranger likes, so most workers stay out of it. */
enum { AT_ONCE_MAX = 2 };

struct check {
    struct zn_arena *arena;
    int64_t end_ms;
    long status; /* of the newest answer */
    char challenge[CHALLENGE_MAX]; /* value of its WWW-Authenticate */
    struct zn_buf body;
    const char *next; /* where it redirects to; NULL = nowhere */
    const char *forbidden; /* why an address was not connected to; NULL = none was kept back */
};

struct login {
    const char *username, *password; /* Basic; NULL without */
    const char *token;               /* Bearer; NULL without */
};

ZN_DEFINE_AUTO(curl, CURL *, curl_easy_cleanup);
#define zn_auto_curl ZN_AUTO(zn_auto_curl) CURL *
ZN_DEFINE_AUTO(curl_list, struct curl_slist *, curl_slist_free_all);
#define zn_auto_curl_list ZN_AUTO(zn_auto_curl_list) struct curl_slist *

/* --- where we do not go ------------------------------------------------------------------------------ */

/* Link-local, "this host", and where a cloud outside 169.254/16 hands out the machine's own secrets. */
static bool is_forbidden_v4(uint32_t address)
{
    return (address & 0xffff0000u) == 0xa9fe0000u || (address & 0xff000000u) == 0 || address == 0x646464c8u;
}

static bool is_forbidden_v6(const struct in6_addr *in)
{
    static const unsigned char metadata[][16] = {
        { 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 },
        { 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 },
    };
    static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    const unsigned char *b = in->s6_addr;

    for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++)
        if (memcmp(b, metadata[i], 16) == 0)
            return true;
    if (IN6_IS_ADDR_V4MAPPED(in) || memcmp(b, nat64, sizeof nat64) == 0)
        return is_forbidden_v4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15]);
    return IN6_IS_ADDR_LINKLOCAL(in) || IN6_IS_ADDR_UNSPECIFIED(in);
}

static bool is_forbidden(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return is_forbidden_v4(ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
    if (sa->sa_family == AF_INET6)
        return is_forbidden_v6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
    return true;
}

/* The address proper: its bytes, *ret of them; NULL for a family that is not known here. */
static const unsigned char *address_bytes(const struct sockaddr *sa, size_t *ret)
{
    *ret = 4;
    if (sa->sa_family == AF_INET)
        return (const unsigned char *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    if (sa->sa_family != AF_INET6)
        return NULL;
    const struct in6_addr *in = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(in))
        return in->s6_addr + 12;
    *ret = 16;
    return in->s6_addr;
}

static bool is_within(const struct sockaddr *sa, const struct ifaddrs *net)
{
    size_t n, nnet, nmask;
    const unsigned char *a = address_bytes(sa, &n), *b = address_bytes(net->ifa_addr, &nnet);
    const unsigned char *mask = address_bytes(net->ifa_netmask, &nmask);

    if (!a || !b || !mask || n != nnet || n != nmask)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((a[i] ^ b[i]) & mask[i])
            return false;
    return true;
}

/* The networks that this container itself is on are the platform's: its parts have no name there that a number
 * would not stand for. Loopback is not one of them. */
static bool is_neighbour(const struct sockaddr *sa)
{
    struct ifaddrs *all;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return true; /* not known: not asked */
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        found = i->ifa_addr && i->ifa_netmask && !(i->ifa_flags & IFF_LOOPBACK) && is_within(sa, i);
    freeifaddrs(all);
    return found;
}

/* After the name was looked up, so that no name gets around it. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct check *k = arg;

    (void)purpose;
    if (is_forbidden(&addr->addr))
        k->forbidden = "its address is one where no registry can be";
    else if (is_neighbour(&addr->addr))
        k->forbidden = "its address is on a network of the platform's own";
    if (k->forbidden)
        return CURL_SOCKET_BAD;
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* Without the port, of which http and https have one each. */
static void cut_port(char *host)
{
    char *end = strchr(host, ']'), *colon = strchr(end ? end : host, ':');

    if (colon)
        *colon = '\0';
}

/* "zn-loki", and what the engine's name server knows it by besides: "tasks.zn-loki", "….zn-control". */
static bool host_is_ours(const char *host)
{
    char name[ZN_REGISTRY_HOST];

    snprintf(name, sizeof name, "%s", host);
    cut_port(name);
    for (size_t n = strlen(name); n && name[n - 1] == '.'; n--)
        name[n - 1] = '\0';
    const char *last = strrchr(name, '.');
    return zn_starts_with(name, "zn-") || (last && zn_starts_with(last + 1, "zn-"));
}

bool zn_registry_is_ours(const char *url)
{
    char host[ZN_REGISTRY_HOST];

    return zn_url_registry(url, host) && host_is_ours(host);
}

static bool same_host(const char *a, const char *b)
{
    char one[ZN_REGISTRY_HOST], other[ZN_REGISTRY_HOST];

    if (!zn_url_registry(a, one) || !zn_url_registry(b, other))
        return false;
    cut_port(one);
    cut_port(other);
    return strcmp(one, other) == 0;
}

/* "https://" does not lead to "http://", where the login could be read on the way. */
static bool is_downgrade(const char *from, const char *to)
{
    return strncasecmp(from, "https:", 6) == 0 && strncasecmp(to, "https:", 6) != 0;
}

/* --- one request ------------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct check *k = arg;

    zn_buf_add(&k->body, p, size * n);
    return k->body.failed ? 0 : size * n;
}

/* Of several challenges the one for tokens counts, then Basic; others are not known here. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    static const char name[] = "WWW-Authenticate:";
    struct check *k = arg;
    size_t len = size * n, skip = sizeof name - 1;

    if (len <= skip || strncasecmp(p, name, skip) != 0)
        return len;
    while (len > skip && (p[len - 1] == '\r' || p[len - 1] == '\n'))
        len--;
    while (skip < len && p[skip] == ' ')
        skip++;
    bool bearer = len - skip > 7 && strncasecmp(p + skip, "Bearer ", 7) == 0;
    bool basic = len - skip >= 5 && strncasecmp(p + skip, "Basic", 5) == 0;
    if (len - skip < sizeof k->challenge && (bearer || (basic && !k->challenge[0])))
        snprintf(k->challenge, sizeof k->challenge, "%.*s", (int)(len - skip), p + skip);
    return size * n;
}

static void set_up(CURL *c, struct check *k, const char *url, int64_t left_ms)
{
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* each step is looked at: get */
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(left_ms < CONNECT_MS ? left_ms : CONNECT_MS));
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "zane");
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, k);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, k);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, k);
}

static int perform(CURL *c, struct check *k, struct zn_err *err)
{
    char why[CURL_ERROR_SIZE] = "";
    char *next = NULL;

    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    CURLcode r = curl_easy_perform(c);
    if (k->forbidden)
        return zn_fail(err, ZN_UNAVAILABLE, "%s", k->forbidden);
    if (r == CURLE_WRITE_ERROR)
        return zn_fail(err, ZN_INVALID, "the registry answers with more than %d KiB", ANSWER_MAX / 1024);
    if (r != CURLE_OK)
        return zn_fail(err, ZN_UNAVAILABLE, "%s", why[0] ? why : curl_easy_strerror(r));
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &k->status);
    curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &next);
    k->next = next ? zn_arena_strdup(k->arena, next) : NULL;
    return next && !k->next ? zn_fail(err, ZN_INTERNAL, "out of memory") : 0;
}

static int get_once(struct check *k, const char *url, const struct login *as, struct zn_err *err)
{
    zn_auto_curl c = curl_easy_init();
    zn_auto_curl_list headers = NULL;
    int64_t left = k->end_ms - zn_now_ms();
    char host[ZN_REGISTRY_HOST];

    if (!c)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (left <= 0)
        return zn_fail(err, ZN_UNAVAILABLE, "it took longer than %d s", (int)(DEADLINE_MS / 1000));
    if (!zn_url_registry(url, host) || host_is_ours(host))
        return zn_fail(err, ZN_INVALID, "this is no address of a registry: %.150s", url);
    zn_buf_clear(&k->body);
    k->challenge[0] = '\0';
    set_up(c, k, url, left);
    if (as && as->password) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, as->username);
        curl_easy_setopt(c, CURLOPT_PASSWORD, as->password);
    } else if (as) {
        const char *line = zn_arena_printf(k->arena, "Authorization: Bearer %s", as->token);

        headers = line ? curl_slist_append(NULL, line) : NULL;
        if (!headers)
            return zn_fail(err, ZN_INTERNAL, "out of memory");
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    }
    return perform(c, k, err);
}

/* Follows redirects within the host; *url becomes where the answer came from. */
static int get(struct check *k, const char **url, const struct login *as, struct zn_err *err)
{
    for (unsigned i = 0; i <= REDIRECTS_MAX; i++) {
        if (get_once(k, *url, as, err) < 0)
            return -1;
        if (!k->next)
            return 0;
        if (!same_host(*url, k->next) || is_downgrade(*url, k->next))
            return zn_fail(err, ZN_INVALID, "the registry redirects to another place: %.150s", k->next);
        *url = k->next;
    }
    return zn_fail(err, ZN_INVALID, "the registry redirects more than %d times", REDIRECTS_MAX);
}

/* --- logging in -------------------------------------------------------------------------------------- */

/* name="value" out of a challenge; "" if it is not there. */
static void challenge_value(const char *challenge, const char *name, char *ret, size_t size)
{
    char key[32];
    const char *at, *end;

    snprintf(key, sizeof key, "%s=\"", name);
    at = strcasestr(challenge, key);
    end = at ? strchr(at + strlen(key), '"') : NULL;
    snprintf(ret, size, "%.*s", end ? (int)(end - at - (long)strlen(key)) : 0, end ? at + strlen(key) : "");
}

static const char *escaped(struct zn_arena *a, const char *text)
{
    char *s = curl_easy_escape(NULL, text, 0), *copy = s ? zn_arena_strdup(a, s) : NULL;

    curl_free(s);
    return copy ? copy : "";
}

static int refused(struct zn_err *err)
{
    return zn_fail(err, ZN_INVALID, "the registry refuses this username and password");
}

/* The token that the realm of a Bearer challenge gives for the login. */
static int fetch_token(struct check *k, const char *base, const struct login *login, const char **ret,
                       struct zn_err *err)
{
    char realm[CHALLENGE_MAX], service[512], host[ZN_REGISTRY_HOST];
    zn_auto_json doc = NULL;

    challenge_value(k->challenge, "realm", realm, sizeof realm);
    challenge_value(k->challenge, "service", service, sizeof service);
    const char *url = zn_arena_printf(k->arena, "%s%cservice=%s&account=%s", realm, strchr(realm, '?') ? '&' : '?',
                                      escaped(k->arena, service), escaped(k->arena, login->username));
    if (!url || !zn_url_registry(realm, host) || host_is_ours(host))
        return zn_fail(err, ZN_INVALID, "the registry names no login service that could be asked");
    if (is_downgrade(base, url))
        return zn_fail(err, ZN_INVALID, "the registry's login service has no TLS, so the password is not sent there");
    if (get(k, &url, login, err) < 0)
        return -1;
    if (k->status == 401 || k->status == 403)
        return refused(err);
    if (k->status != 200 || zn_json_parse(k->body.mem ? k->body.mem : "", k->body.len, &doc, err) < 0)
        return zn_fail(err, ZN_INVALID, "the registry's login service answered %ld", k->status);
    const char *token = zn_json_str(doc, "token", zn_json_str(doc, "access_token", ""));
    if (!*token || strpbrk(token, "\r\n"))
        return zn_fail(err, ZN_INVALID, "the registry's login service gives no token");
    *ret = zn_arena_strdup(k->arena, token);
    return *ret ? 0 : zn_fail(err, ZN_INTERNAL, "out of memory");
}

static int log_in(struct check *k, const char *base, const struct login *login, struct zn_err *err)
{
    struct login with_token = { 0 };
    int r;

    if (strncasecmp(k->challenge, "Basic", 5) == 0) {
        r = get(k, &base, login, err);
    } else {
        if (fetch_token(k, base, login, &with_token.token, err) < 0)
            return -1;
        r = get(k, &base, &with_token, err);
    }
    if (r < 0)
        return -1;
    if (k->status == 401 || k->status == 403)
        return refused(err);
    return k->status == 200 ? 0 : zn_fail(err, ZN_INVALID, "the registry answered %ld to the login", k->status);
}

static int check(struct check *k, const char *url, const struct login *login, struct zn_err *err)
{
    char host[ZN_REGISTRY_HOST];

    if (!zn_url_registry(url, host))
        return zn_fail(err, ZN_INVALID, "this is no address of a registry");
    /* The API is at the host's root, whatever path people write behind it; the Hub has it elsewhere. */
    const char *base = strcmp(host, "docker.io") == 0
                           ? "https://registry-1.docker.io/v2/"
                           : zn_arena_printf(k->arena, "%s://%s/v2/", zn_starts_with(url, "https:") ? "https" : "http",
                                             host);
    if (!base)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (get(k, &base, NULL, err) < 0)
        return -1;
    if (k->status == 200)
        return zn_fail(err, ZN_INVALID, "this registry asks for no login: images can be pulled from it without one");
    if (k->status != 401 || !k->challenge[0])
        return zn_fail(err, ZN_INVALID, "there is no image registry: %.150s answered %ld", base, k->status);
    return log_in(k, base, login, err);
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int zn_registry_check(struct zn_arena *a, const char *url, const char *username, const char *password,
                      struct zn_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static atomic_int running;
    struct check k = { .arena = a, .end_ms = zn_now_ms() + DEADLINE_MS, .body = ZN_BUF(ANSWER_MAX) };
    struct login login = { .username = username, .password = password };
    int r;

    pthread_once(&once, start_curl);
    if (atomic_fetch_add(&running, 1) >= AT_ONCE_MAX)
        r = zn_fail(err, ZN_BUSY, "Other registries are being tried just now: try again in %d seconds.",
                    (int)(DEADLINE_MS / 1000));
    else
        r = check(&k, url, &login, err);
    atomic_fetch_sub(&running, 1);
    if (k.body.mem) /* it may hold a token */
        explicit_bzero(k.body.mem, k.body.len);
    zn_buf_done(&k.body);
    return r;
}
