/* Whether the names of a service lead here, and which certificate is served for them. */
#include "zaned/api/domain_state.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/guard.h"
#include "zaned/api/lookup.h"
#include "zaned/api/services.h"
#include "zaned/config.h"
#include "zaned/store/store.h"

enum { DOMAINS_MAX = 50, HOST_MAX = 300, WORDS_MAX = 200 };
static const int64_t DNS_MS = 3000, TLS_MS = 4000;
static const char PROBE_LABEL[] = "zane-dns-check"; /* stands for the star of a wildcard */

ZN_DEFINE_AUTO(curl, CURL *, curl_easy_cleanup);
#define zn_auto_curl ZN_AUTO(zn_auto_curl) CURL *

struct domains_in {
    struct zn_call *call;
    const char *names[DOMAINS_MAX];
    size_t n;
};

static int domains_tx(struct zn_conn *c, void *arg, struct zn_err *err)
{
    struct domains_in *in = arg;
    zn_auto_service s = { 0 };
    zn_auto_pgresult res = NULL;

    if (zn_service_by_path(c, in->call, false, &s, err) < 0 ||
        zn_sql(c, ZN_SQL_SERVICE_DOMAINS, ZN_P(s.id), &res, err) < 0)
        return -1;
    in->n = 0;
    for (int i = 0; i < PQntuples(res) && in->n < DOMAINS_MAX; i++)
        if (!(in->names[in->n++] = zn_arena_strdup(in->call->arena, zn_col(res, i, "domain"))))
            return zn_fail(err, ZN_INTERNAL, "out of memory");
    return 0;
}

static bool is_local(const char *name)
{
    size_t n = strlen(name), k = strlen(".localhost");

    return strcmp(name, "localhost") == 0 || (n > k && strcmp(name + n - k, ".localhost") == 0);
}

/* --- DNS ---------------------------------------------------------------------------------------------- */

static bool shares_address(const struct zn_lookup *a, const struct zn_lookup *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (strcmp(a->addresses[i], b->addresses[k]) == 0)
                return true;
    return false;
}

/* own: of the dashboard's name, which leads here since somebody reads this page. */
static const char *dns_word(const char *name, const struct zn_lookup *l, const struct zn_lookup *own)
{
    if (is_local(name))
        return "local";
    if (l->state != ZN_LOOKUP_FOUND)
        return l->state == ZN_LOOKUP_MISSING ? "missing" : "unknown";
    if (own->state != ZN_LOOKUP_FOUND)
        return "resolves";
    return shares_address(l, own) ? "here" : "elsewhere";
}

static json_t *addresses(const struct zn_lookup *l)
{
    json_t *ret = json_array();

    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(ret, json_string(l->addresses[i]));
    return ret;
}

/* --- TLS ---------------------------------------------------------------------------------------------- */

struct certificate {
    char issuer[WORDS_MAX], expires[40], why[CURL_ERROR_SIZE];
};

/* "C = US, O = Let's Encrypt, CN = R11" → the CN, else the whole. */
static void note_issuer(struct certificate *k, const char *text)
{
    const char *cn = strstr(text, "CN = ");

    if (!cn)
        cn = strstr(text, "CN=");
    cn = cn ? strchr(cn, '=') + 1 : text;
    snprintf(k->issuer, sizeof k->issuer, "%.*s", (int)strcspn(cn + strspn(cn, " "), ",\n"), cn + strspn(cn, " "));
    zn_utf8_mend(k->issuer);
}

static void note_expiry(struct certificate *k, const char *text)
{
    struct tm tm = { 0 };

    if (strptime(text, "%b %d %H:%M:%S %Y", &tm))
        strftime(k->expires, sizeof k->expires, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* The first of the chain is the server's own. */
static void read_certificate(CURL *c, struct certificate *k)
{
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo(c, CURLINFO_CERTINFO, &info) != CURLE_OK || !info || info->num_of_certs < 1)
        return;
    for (const struct curl_slist *l = info->certinfo[0]; l; l = l->next) {
        if (strncmp(l->data, "Issuer:", 7) == 0)
            note_issuer(k, l->data + 7);
        else if (strncmp(l->data, "Expire date:", 12) == 0)
            note_expiry(k, l->data + 12);
    }
}

/* One handshake with our own proxy for this name, as a browser would begin it. */
static CURLcode shake_hands(const struct zn_config *cfg, const char *name, bool trust_all, struct certificate *k)
{
    zn_auto_curl c = curl_easy_init();
    char url[HOST_MAX];

    if (!c)
        return CURLE_OUT_OF_MEMORY;
    snprintf(url, sizeof url, "https://%s/", name);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, cfg->caddy_tls);
    curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(c, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)TLS_MS);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, k->why);
    if (trust_all) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    CURLcode r = curl_easy_perform(c);
    read_certificate(c, k);
    return r;
}

static json_t *tls_state(const struct zn_config *cfg, const char *name)
{
    struct certificate k = { .why = "" }, own = { .why = "" };
    CURLcode r = shake_hands(cfg, name, false, &k);
    const char *word = "trusted";

    if (r == CURLE_PEER_FAILED_VERIFICATION || r == CURLE_SSL_CACERT_BADFILE) {
        word = "untrusted";
        r = shake_hands(cfg, name, true, &own);
        memcpy(k.issuer, own.issuer, sizeof k.issuer);
        memcpy(k.expires, own.expires, sizeof k.expires);
    }
    if (r != CURLE_OK)
        return json_pack("{s:s,s:n,s:n,s:s}", "state", "none", "issuer", "expires_at", "reason",
                         k.why[0] ? k.why : curl_easy_strerror(r));
    return json_pack("{s:s,s:s,s:s?,s:s?}", "state", word, "issuer", k.issuer, "expires_at",
                     k.expires[0] ? k.expires : NULL, "reason", k.why[0] ? k.why : NULL);
}

/* --- the route ---------------------------------------------------------------------------------------- */

/* A handshake for a name makes the proxy ask for its certificate: only where that can work. */
static bool may_shake(const char *name, const char *dns)
{
    return name[0] != '*' && (strcmp(dns, "here") == 0 || strcmp(dns, "local") == 0);
}

static json_t *unchecked(void)
{
    return json_pack("{s:s,s:n,s:n,s:n}", "state", "unchecked", "issuer", "expires_at", "reason");
}

/* The name to ask the DNS for: of a wildcard any below it. */
static const char *host_of(struct zn_call *call, const char *domain)
{
    return domain[0] == '*' ? zn_arena_printf(call->arena, "%s%s", PROBE_LABEL, domain + 1) : domain;
}

int zn_service_domain_states(struct zn_call *call, struct zn_reply *reply, struct zn_err *err)
{
    const struct zn_config *cfg = call->api->cfg;
    struct domains_in in = { .call = call };
    struct zn_lookup asked[DOMAINS_MAX + 1] = { { .name = cfg->app_domain } };

    if (zn_tx(call->api->store, domains_tx, &in, err) < 0)
        return -1;
    for (size_t i = 0; i < in.n; i++)
        if (!(asked[i + 1].name = host_of(call, in.names[i])))
            return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_lookup(asked, in.n + 1, DNS_MS);

    json_t *list = json_array();
    int64_t end = zn_now_ms() + TLS_MS;
    for (size_t i = 0; i < in.n; i++) {
        const char *dns = dns_word(in.names[i], &asked[i + 1], &asked[0]);
        json_t *tls = may_shake(in.names[i], dns) && zn_now_ms() < end ? tls_state(cfg, in.names[i]) : unchecked();

        json_array_append_new(list, json_pack("{s:s,s:{s:s,s:o},s:o}", "domain", in.names[i], "dns", "state", dns,
                                              "addresses", addresses(&asked[i + 1]), "tls", tls));
    }
    zn_reply_json(reply, 200, json_pack("{s:{s:s,s:o},s:o}", "server", "domain", cfg->app_domain, "addresses",
                                        addresses(&asked[0]), "domains", list));
    return 0;
}
