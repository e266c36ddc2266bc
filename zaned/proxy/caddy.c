#include "zaned/proxy/caddy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/http.h"
#include "base/io.h"
#include "zaned/proxy/assets.h"

static const int64_t ADMIN_DEADLINE_MS = 15000;
enum { CONFIG_MAX = 32 << 20 };

static int admin(const struct zn_caddy *c, const char *method, const char *target, const char *body,
                 struct zn_http_resp *resp, struct zn_err *err)
{
    struct zn_http_req req = { .unix_path = c->admin,
                               .method = method,
                               .target = target,
                               .body = body,
                               .body_len = body ? strlen(body) : 0,
                               .deadline_ms = ADMIN_DEADLINE_MS,
                               .max_body = CONFIG_MAX,
                               .cancel_fd = -1 };

    return zn_http_call(&req, resp, err) < 0 ? zn_wrap(err, "proxy") : 0;
}

int zn_caddy_apply(const struct zn_caddy *c, json_t *cfg, bool *loaded, struct zn_err *err)
{
    zn_auto_http_resp struct zn_http_resp now = { 0 }, answer = { 0 };

    if (admin(c, "GET", "/config/", NULL, &now, err) < 0)
        return -1;
    zn_auto_json running = json_loadb(now.body.mem ? now.body.mem : "", now.body.len, 0, NULL);
    bool same = now.status == 200 && json_equal(running, cfg);

    if (loaded)
        *loaded = !same;
    if (same)
        return 0;
    zn_auto_mem char *text = json_dumps(cfg, JSON_COMPACT);
    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory for the proxy configuration");
    if (admin(c, "POST", "/load", text, &answer, err) < 0)
        return -1;
    if (answer.status == 200)
        return 0;
    zn_auto_json why = json_loadb(answer.body.mem ? answer.body.mem : "", answer.body.len, 0, NULL);
    return zn_fail(err, answer.status < 500 ? ZN_INVALID : ZN_UNAVAILABLE,
                   "the proxy refused its configuration: %s",
                   zn_json_str(why, "error", "no reason given"));
}

int zn_edge_write(const struct zn_caddy *c, const char *name, const char *value, struct zn_err *err)
{
    char path[512];
    zn_auto_buf struct zn_buf now = ZN_BUF(4096);
    struct zn_err ignored = { 0 };

    if (snprintf(path, sizeof path, "%s/%s", c->edge_dir, name) >= (int)sizeof path)
        return zn_fail(err, ZN_INVALID, "upstream file name %s is too long", name);
    if (zn_read_file(path, &now, &ignored) == 0 && now.len == strlen(value) &&
        memcmp(now.mem ? now.mem : "", value, now.len) == 0)
        return 0;
    return zn_write_file(path, value, strlen(value), 0644, err);
}

int zn_edge_keep(const struct zn_caddy *c, const json_t *names, struct zn_err *err)
{
    ZN_AUTO(zn_auto_dir) DIR *dir = opendir(c->edge_dir);
    struct dirent *e;

    if (!dir)
        return zn_fail_errno(err, errno, "reading %s", c->edge_dir);
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.' && strcmp(e->d_name, ZN_WEB_FOLDER) != 0 && !json_object_get(names, e->d_name) &&
            unlinkat(dirfd(dir), e->d_name, 0) < 0 && errno != ENOENT)
            return zn_fail_errno(err, errno, "removing %s/%s", c->edge_dir, e->d_name);
    return 0;
}

/* Body bytes of a probe are not looked at. */
static int drop(void *arg, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    (void)n;
    return 0;
}

static void header_text(const struct zn_http_resp *resp, const char *name, char *ret, size_t size)
{
    struct zn_str v = zn_http_header(&resp->parser, name);

    snprintf(ret, size, "%.*s", (int)v.n, v.s ? v.s : "");
}

/* One GET through a socket of the proxy. error_header is set on answers that the proxy made itself. */
static int get(const char *socket, const char *host, const char *headers, const char *path,
               int64_t deadline_ms, int cancel_fd, const char *error_header,
               struct zn_probe_result *ret, struct zn_err *err)
{
    int64_t end = zn_now_ms() + deadline_ms;
    zn_auto_http_resp struct zn_http_resp resp = { 0 };
    struct zn_http_req req = { .unix_path = socket,
                               .method = "GET",
                               .target = path,
                               .host_header = host,
                               .headers = headers,
                               .deadline_ms = deadline_ms,
                               .sink = drop,
                               .cancel_fd = cancel_fd };

    memset(ret, 0, sizeof *ret);
    if (zn_http_call(&req, &resp, err) < 0) {
        /* An endless body is fine once the head came; silence until the end is the app's. */
        if (err->code == ZN_CONFLICT || (!resp.parser.status && zn_now_ms() < end))
            return zn_wrap(err, "proxy");
        memset(err, 0, sizeof *err);
        if (!resp.parser.status)
            snprintf(ret->error, sizeof ret->error, "no answer within %lld ms",
                     (long long)deadline_ms);
        if (!resp.parser.status)
            return 0;
    }
    ret->status = resp.parser.status;
    header_text(&resp, "x-zane-dpl-hash", ret->hash, sizeof ret->hash);
    header_text(&resp, error_header, ret->error, sizeof ret->error);
    if (ret->error[0])
        ret->status = 0;
    return 0;
}

int zn_caddy_probe(const struct zn_caddy *c, const char *dial, const char *path,
                   int64_t deadline_ms, int cancel_fd, struct zn_probe_result *ret,
                   struct zn_err *err)
{
    char headers[256];

    if (snprintf(headers, sizeof headers, "Zane-Dial: %s\r\n", dial) >= (int)sizeof headers)
        return zn_fail(err, ZN_INVALID, "address %s is too long", dial);
    return get(c->probe, NULL, headers, path, deadline_ms, cancel_fd, "Zane-Probe-Error", ret, err);
}

int zn_caddy_visit(const struct zn_caddy *c, const char *domain, const char *path,
                   int64_t deadline_ms, int cancel_fd, struct zn_probe_result *ret,
                   struct zn_err *err)
{
    return get(c->edge, domain, NULL, path, deadline_ms, cancel_fd, "x-zane-error", ret, err);
}
