#include "zaned/proxy/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "zaned/proxy/assets.h"

static const char status_dial[] = "unix//run/zane-status/status.sock";

/* A route and the keys it is sorted by: longer path first, exact host before wildcard, then host. */
struct sorted_route {
    json_t *route;
    const char *domain;
    size_t path_len;
    const char *id;
};

void zn_edge_file(const char *service_id, const char *what, char *ret)
{
    const char *tail = strrchr(service_id, '_');

    snprintf(ret, ZN_EDGE_NAME, "%s.%s", tail ? tail + 1 : service_id, what);
    zn_lower(ret);
}

static json_t *edge_ref(const struct zn_proxy_opts *o, const char *service_id, const char *what)
{
    char file[ZN_EDGE_NAME];

    zn_edge_file(service_id, what, file);
    return json_sprintf("{file.%s/%s}", o->edge_dir, file);
}

static json_t *proxy_to(json_t *dial)
{
    return json_pack("{s:s,s:i,s:s,s:[{s:o}]}", "handler", "reverse_proxy", "flush_interval", -1,
                     "stream_close_delay", "5m", "upstreams", "dial", dial);
}

/* Base path without its trailing slash; "" for the root. */
static void trim_path(const char *path, char *ret, size_t size)
{
    size_t n = strlen(path);

    while (n && path[n - 1] == '/')
        n--;
    snprintf(ret, size, "%.*s", (int)n, path);
}

static json_t *service_headers(const struct zn_proxy_opts *o, const struct zn_route_service *s)
{
    return json_pack(
        "{s:s,s:{s:b,s:{s:[s],s:[o],s:[o]}},s:{s:{s:[s]}}}", "handler", "headers", "response",
        "deferred", 1, "set", "x-zane-request-id", "{http.request.uuid}", "x-zane-dpl-hash",
        edge_ref(o, s->service_id, "hash"), "x-zane-dpl-slot", edge_ref(o, s->service_id, "slot"),
        "request", "set", "x-request-id", "{http.request.uuid}");
}

static json_t *redirect(const json_t *to)
{
    bool permanent = json_is_true(json_object_get(to, "permanent"));

    return json_pack("{s:s,s:s,s:{s:[o]}}", "handler", "static_response", "status_code",
                     permanent ? "308" : "307", "headers", "Location",
                     json_sprintf("%s{http.request.uri}", zn_json_str(to, "url", "")));
}

static json_t *url_route(const struct zn_proxy_opts *o, const struct zn_route_service *s,
                         const json_t *url)
{
    const json_t *to = json_object_get(url, "redirect_to");
    char path[1024], port[16];
    json_t *handle = json_array();

    trim_path(zn_json_str(url, "base_path", "/"), path, sizeof path);
    if (json_is_object(to)) {
        json_array_append_new(handle, redirect(to));
    } else {
        snprintf(port, sizeof port, "%lld", (long long)zn_json_int(url, "associated_port", 80));
        json_array_append_new(handle, service_headers(o, s));
        if (*path && !json_is_false(json_object_get(url, "strip_prefix")))
            json_array_append_new(handle, json_pack("{s:s,s:s}", "handler", "rewrite",
                                                    "strip_path_prefix", path));
        json_array_append_new(handle, json_pack("{s:s,s:{s:{}},s:[s]}", "handler", "encode",
                                                "encodings", "gzip", "prefer", "gzip"));
        json_array_append_new(handle, proxy_to(edge_ref(o, s->service_id, port)));
    }
    json_t *paths = *path ? json_pack("[s,o]", path, json_sprintf("%s/*", path))
                          : json_pack("[s]", "/*");
    return json_pack("{s:[{s:[s],s:o}],s:[{s:s,s:[{s:o}]}],s:b}", "match", "host",
                     zn_json_str(url, "domain", ""), "path", paths, "handle", "handler", "subroute",
                     "routes", "handle", handle, "terminal", 1);
}

static int compare(const void *pa, const void *pb)
{
    const struct sorted_route *a = pa, *b = pb;
    int wa = a->domain[0] == '*', wb = b->domain[0] == '*', c;

    if (a->path_len != b->path_len)
        return a->path_len > b->path_len ? -1 : 1;
    if (wa != wb)
        return wa - wb;
    c = strcmp(a->domain, b->domain);
    return c ? c : strcmp(a->id, b->id);
}

/* Routes of all URLs of all services, most specific first. */
static int service_routes(const struct zn_proxy_opts *o, const struct zn_route_service *services,
                          size_t n, json_t *into, struct zn_err *err)
{
    size_t total = 0, used = 0, i, k;
    json_t *url;

    for (i = 0; i < n; i++)
        total += json_array_size(services[i].urls);
    zn_auto_mem struct sorted_route *all = calloc(total ? total : 1, sizeof *all);
    if (!all)
        return zn_fail(err, ZN_INTERNAL, "out of memory for %zu routes", total);
    for (i = 0; i < n; i++)
        json_array_foreach (services[i].urls, k, url)
            all[used++] = (struct sorted_route){ url_route(o, &services[i], url),
                                                 zn_json_str(url, "domain", ""),
                                                 strlen(zn_json_str(url, "base_path", "/")),
                                                 services[i].service_id };
    qsort(all, used, sizeof *all, compare);
    for (i = 0; i < used; i++)
        json_array_append_new(into, all[i].route);
    return 0;
}

static const char ip_hosts[] = "^(\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9a-fA-F:]+\\]|localhost)(:\\d+)?$";

/* The dashboard's own addresses: its domain, and the machine's bare address. */
static json_t *own_hosts(const struct zn_proxy_opts *o)
{
    json_t *hosts = json_pack("[s]", o->app_domain);

    if (strcmp(o->app_domain, o->root_domain) != 0)
        json_array_append_new(hosts, json_string(o->root_domain));
    return json_pack("[{s:o},{s:{s:{s:s}}}]", "host", hosts, "header_regexp", "Host", "pattern",
                     ip_hosts);
}

/* Files of the dashboard, which never change under their names. One that is not there (yet) is the API's to
 * answer for. */
static json_t *assets_route(const struct zn_proxy_opts *o)
{
    zn_auto_json root = json_sprintf("%s/" ZN_WEB_FOLDER, o->edge_dir);
    json_t *headers = json_pack("{s:s,s:{s:{s:[s],s:[s]}}}", "handler", "headers", "response", "set", "Cache-Control",
                                "public, max-age=31536000, immutable", "X-Content-Type-Options", "nosniff");
    json_t *files = json_pack("{s:s,s:O,s:{s:{},s:{}},s:[s,s]}", "handler", "file_server", "root", root, "precompressed",
                              "br", "gzip", "precompressed_order", "br", "gzip");

    return json_pack("{s:[{s:[s],s:{s:O,s:[s]}}],s:[o,o],s:b}", "match", "path", "/assets/*", "file", "root", root,
                     "try_files", "{http.request.uri.path}", "handle", headers, files, "terminal", 1);
}

/* What the API has in memory. Whoever opens the address is not to wait for an API that has no name yet, which the
 * engine's resolver may take seconds to say, nor for one that is frozen: then the status page shows. */
static json_t *document_from(const char *api)
{
    return json_pack("{s:s,s:[{s:s}],s:{s:s,s:s,s:s}}", "handler", "reverse_proxy", "upstreams", "dial", api, "transport",
                     "protocol", "http", "dial_timeout", "500ms", "response_header_timeout", "5s");
}

/* The dashboard's document comes from the API, so that both are of one version and the status page shows
 * while the API is away. What the supervisor asks the API about itself is nobody else's to ask. */
static json_t *own_route(const struct zn_proxy_opts *o)
{
    json_t *status = json_pack("{s:[{s:[s,s,s]}],s:[o],s:b}", "match", "path", "/status.json", "/status/*", "/readyz",
                               "handle", proxy_to(json_string(status_dial)), "terminal", 1);
    json_t *api = json_pack("{s:[{s:[s,s]}],s:[o],s:b}", "match", "path", "/api", "/api/*", "handle",
                            proxy_to(json_string(o->api)), "terminal", 1);
    json_t *inner = json_pack("[o,o,o,{s:[o]}]", assets_route(o), status, api, "handle", document_from(o->api));

    return json_pack("{s:o,s:[{s:s,s:o}],s:b}", "match", own_hosts(o), "handle", "handler",
                     "subroute", "routes", inner, "terminal", 1);
}

static json_t *page(int status, const char *title, const char *text)
{
    char body[1024];

    snprintf(body, sizeof body,
             "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title>"
             "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;"
             "max-width:34rem;margin:18vh auto;padding:0 1.25rem}h1{font-size:1.4rem}</style>"
             "<h1>%s</h1><p>%s</p></html>",
             title, title, text);
    return json_pack("{s:s,s:i,s:{s:[s],s:[s]},s:s}", "handler", "static_response", "status_code",
                     status, "headers", "Content-Type", "text/html; charset=utf-8",
                     "x-zane-error", status == 404 ? "no-route" : "upstream", "body", body);
}

static json_t *not_found_route(void)
{
    return json_pack("{s:[o]}", "handle",
                     page(404, "No app answers at this address",
                          "The domain points to this server, but no service here has it. Check the "
                          "domain in the service's settings."));
}

/* What a person sees when an upstream is away: the status page for our own part, a plain page for an
 * app. */
static json_t *error_routes(const struct zn_proxy_opts *o)
{
    json_t *app = page(502, "This app is not answering",
                       "It may be starting, asleep or have crashed. Its deployment in the "
                       "dashboard says more.");

    return json_pack("{s:[{s:o,s:[o],s:b},{s:[o]}]}", "routes", "match", own_hosts(o), "handle",
                     proxy_to(json_string(status_dial)), "terminal", 1, "handle", app);
}

static json_t *public_server(const struct zn_proxy_opts *o, json_t *routes, json_t *listen)
{
    return json_pack("{s:o,s:{s:b},s:O,s:o}", "listen", listen, "automatic_https", "disable", 1,
                     "routes", routes, "errors", error_routes(o));
}

/* GET with header Zane-Dial is proxied to that address; used for health checks before there is a
 * route. Its error says what the dialling said. */
static json_t *probe_server(void)
{
    return json_pack(
        "{s:[s],s:{s:b},s:[{s:[{s:{s:[s]}}],s:[{s:s,s:[{s:s}],s:{s:s,s:s,s:{s:b}}}],s:b},"
        "{s:[{s:s,s:i}]}],s:{s:[{s:[{s:s,s:i,s:{s:[s]}}]}]}}",
        "listen", "unix//run/caddy/probe.sock|0660", "automatic_https", "disable", 1, "routes",
        "match", "header", "Zane-Dial", "*", "handle", "handler", "reverse_proxy", "upstreams",
        "dial", "{http.request.header.Zane-Dial}", "transport", "protocol", "http", "dial_timeout",
        "3s", "keep_alive", "enabled", 0, "terminal", 1, "handle", "handler", "static_response",
        "status_code", 204, "errors", "routes", "handle", "handler", "static_response",
        "status_code", 502, "headers", "Zane-Probe-Error", "{http.error.message}");
}

/* Certificates on demand, only for names the API confirms. Without a public name ACME can't work:
 * then Caddy's internal authority signs. */
static json_t *tls_app(const struct zn_proxy_opts *o)
{
    bool local = zn_ends_with(o->root_domain, ".localhost") ||
                 strcmp(o->root_domain, "localhost") == 0;
    json_t *issuers = local ? json_pack("[{s:s}]", "module", "internal")
                            : json_pack("[{s:s},{s:s}]", "module", "acme", "module", "internal");

    return json_pack("{s:{s:[{s:b,s:o}],s:{s:{s:s,s:o}}}}", "automation", "policies", "on_demand",
                     1, "issuers", issuers, "on_demand", "permission", "module", "http", "endpoint",
                     json_sprintf("http://%s/api/_proxy/check-certiticates", o->api));
}

/* Caddy would put its own authority's root into the machine's trust store, which in its image is read
 * only and nobody's. */
static json_t *own_authority(void)
{
    return json_pack("{s:{s:{s:b}}}", "certificate_authorities", "local", "install_trust", 0);
}

int zn_proxy_render(const struct zn_proxy_opts *o, const struct zn_route_service *services,
                    size_t n, json_t **ret, struct zn_err *err)
{
    zn_auto_json routes = json_array();

    if (service_routes(o, services, n, routes, err) < 0)
        return -1;
    json_array_append_new(routes, own_route(o));
    json_array_append_new(routes, not_found_route());

    json_t *plain = public_server(o, routes, json_pack("[s,s]", "{env.ZN_LISTEN}:8080",
                                                       "unix//run/caddy/edge.sock|0660"));
    json_t *tls = public_server(o, routes, json_pack("[s,s]", "{env.ZN_LISTEN}:8443",
                                                     "unix//run/caddy/tls.sock|0660"));
    json_object_set_new(tls, "tls_connection_policies", json_pack("[{}]"));
    json_t *all = json_pack("{s:{s:s},s:{s:{s:{s:s}}},s:{s:{s:{s:o,s:o,s:o}},s:o,s:o}}", "admin",
                            "listen", "unix//run/caddy/admin.sock|0660", "logging", "logs",
                            "default", "level", "WARN", "apps", "http", "servers", "public", plain,
                            "public_tls", tls, "probe", probe_server(), "tls", tls_app(o), "pki",
                            own_authority());
    if (!all)
        return zn_fail(err, ZN_INTERNAL, "the proxy configuration could not be put together");
    *ret = all;
    return 0;
}
