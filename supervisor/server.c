#include "supervisor/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/events.h"
#include "supervisor/gate.h"
#include "supervisor/health.h"
#include "supervisor/httpd.h"
#include "supervisor/status.h"

enum {
    PING_MS = 15 * 1000,
    PAGE_MS = 200, /* at most five states a second go to status pages */
    PAGE_MAX = 256 * 1024,
    GATE_MS = 150 * 1000, GATE_HOLD_MAX_S = 600
};

static const struct zn_httpd_limits api_limits = {
    .conns = 32, .streams = 16, .backlog = 512 * 1024,
    .idle_ms = 150 * 1000, .request_ms = 10 * 1000, .write_ms = 20 * 1000,
};
/* Any visitor gets here through the proxy, which keeps idle connections for 120 s. */
static const struct zn_httpd_limits page_limits = {
    .conns = 256, .streams = 192, .backlog = 32 * 1024, .ignore_bodies = true,
    .idle_ms = 150 * 1000, .request_ms = 10 * 1000, .write_ms = 20 * 1000,
};

struct zn_server {
    struct zn_supervisor *s;
    const struct zn_handoff *door;
    struct zn_httpd *api, *view, *page;
    struct zn_timer ping, page_due;
    struct zn_events events;
    struct zn_health_since since[ZN_C_MAX];
};

static const char *collector(const struct zn_server *srv)
{
    return srv->door ? zn_handoff_owner(srv->door) : NULL;
}

/* Replies with a document, whose reference it takes. */
static void reply_json(struct zn_conn *c, int status, json_t *steals)
{
    zn_auto_json doc = steals;
    zn_auto_mem char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

    if (text)
        zn_conn_reply(c, status, "application/json", NULL, text, strlen(text));
    else
        zn_conn_fail(c, 500, "internal", "out of memory");
}

/* What went wrong with a request that was understood. */
static void reply_error(struct zn_conn *c, const struct zn_err *err)
{
    zn_conn_fail(c, err->code == ZN_CONFLICT ? 409 : 500, zn_code_name(err->code), "%s", err->msg);
}

/* --- supervisor.sock --------------------------------------------------------------------------- */

typedef void (*api_fn)(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                       unsigned component);

static void api_health(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                       unsigned component)
{
    (void)r;
    (void)component;
    reply_json(c, 200, zn_health_json(srv->s, srv->since, collector(srv)));
}

/* Begins with what the client missed; with the whole state if that is not known any more. */
static void api_events(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                       unsigned component)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(1024 * 1024);
    struct zn_str last = zn_request_header(r, "Last-Event-ID");

    (void)component;
    zn_buf_puts(&b, "retry: 1000\n\n");
    if (!last.s || !zn_events_since(&srv->events, last, srv->s->seq, &b)) {
        zn_auto_json doc = zn_health_json(srv->s, srv->since, collector(srv));

        zn_event_format(&srv->events, srv->s->seq, "snapshot", doc, &b);
    }
    if (b.failed)
        zn_conn_fail(c, 500, "internal", "the state is too large");
    else
        zn_conn_stream(c, NULL, b.mem, b.len);
}

static void api_component(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                          unsigned component)
{
    (void)r;
    reply_json(c, 200, zn_health_detail(srv->s, component, &srv->since[component]));
}

static void api_retry(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                      unsigned component)
{
    struct zn_err err = { 0 };

    (void)r;
    if (zn_supervisor_retry(srv->s, component, &err) < 0)
        reply_error(c, &err);
    else
        reply_json(c, 200, zn_health_component(srv->s, component, &srv->since[component]));
}

static void api_stop(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                     unsigned component)
{
    (void)r;
    (void)component;
    reply_json(c, 202, json_pack("{s:b}", "stopping", 1));
    zn_supervisor_stop(srv->s);
}

static void keys_begin(struct zn_server *srv, struct zn_conn *c, bool drop)
{
    struct zn_err err = { 0 };

    if (zn_rotation_begin(srv->s, drop, &err) < 0)
        reply_error(c, &err);
    else
        reply_json(c, 202, zn_rotation_json(srv->s));
}

static void api_keys(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                     unsigned component)
{
    (void)r;
    (void)component;
    reply_json(c, 200, zn_rotation_json(srv->s));
}

static void api_keys_rotate(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                            unsigned component)
{
    (void)r;
    (void)component;
    keys_begin(srv, c, false);
}

static void api_keys_drop(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                          unsigned component)
{
    (void)r;
    (void)component;
    keys_begin(srv, c, true);
}

static void api_gate(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                     unsigned component)
{
    (void)r;
    (void)component;
    reply_json(c, 200, zn_gate_json(srv->s));
}

/* One round, or as many as fit into hold_s; GET /v1/gate tells of it. */
static void api_gate_begin(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r,
                           unsigned component)
{
    struct zn_gate_opts o = { .deadline_ms = GATE_MS };
    struct zn_err err = { 0 };
    char query[32];
    long long hold = 0;

    (void)component;
    snprintf(query, sizeof query, "%.*s", (int)r->query.n, r->query.n ? r->query.s : "");
    if (r->query.n && (!zn_starts_with(query, "hold_s=") || !zn_parse_i64(query + 7, 0, GATE_HOLD_MAX_S, &hold))) {
        zn_conn_fail(c, 400, "invalid", "hold_s must be a number of seconds from 0 to %d", GATE_HOLD_MAX_S);
        return;
    }
    o.hold_ms = hold * 1000;
    o.deadline_ms += 2 * o.hold_ms;
    if (zn_gate_start(srv->s, &o, NULL, &err) < 0)
        reply_error(c, &err);
    else
        reply_json(c, 202, zn_gate_json(srv->s));
}

/* {id} in a path stands for the name of a component. What view.sock has lets zaned-api read, and start again what is
 * held; it can stop nothing. */
static const struct api_route {
    const char *method, *before, *after; /* path before and after {id}; after NULL: no {id} */
    api_fn fn;
    bool view; /* view.sock has it too */
} api_routes[] = {
    { "GET", "/v1/health", NULL, api_health, true },
    { "GET", "/v1/events", NULL, api_events, true },
    { "GET", "/v1/components/", "", api_component, true },
    { "POST", "/v1/components/", "/retry", api_retry, true },
    { "POST", "/v1/stop", NULL, api_stop, false },
    { "GET", "/v1/keys", NULL, api_keys, false },
    { "POST", "/v1/keys/rotate", NULL, api_keys_rotate, false },
    { "POST", "/v1/keys/drop-old", NULL, api_keys_drop, false },
    { "GET", "/v1/gate", NULL, api_gate, false },
    { "POST", "/v1/gate", NULL, api_gate_begin, false },
};

/* True if the path is the route's; id gets what stands for {id}. */
static bool matches(const struct api_route *route, struct zn_str path, struct zn_str *id)
{
    size_t before = strlen(route->before), after = route->after ? strlen(route->after) : 0;

    if (!route->after)
        return zn_str_eq(path, zn_str(route->before));
    if (path.n <= before + after || memcmp(path.s, route->before, before) != 0 ||
        memcmp(path.s + path.n - after, route->after, after) != 0)
        return false;
    *id = (struct zn_str){ path.s + before, path.n - before - after };
    return !memchr(id->s, '/', id->n);
}

static void list_names(const struct zn_supervisor *s, struct zn_buf *b)
{
    for (unsigned i = 0; i < ZN_C_MAX; i++)
        if (s->facts[i].wanted)
            zn_buf_printf(b, "%s%s", b->len ? ", " : "", zn_supervisor_name(s, i));
}

static void run_route(struct zn_server *srv, const struct api_route *route, struct zn_str id,
                      struct zn_conn *c, const struct zn_request *r)
{
    char name[32] = "";
    int component = 0;

    if (route->after) {
        zn_auto_buf struct zn_buf names = ZN_BUF(300);

        if (id.n < sizeof name)
            memcpy(name, id.s, id.n);
        component = zn_supervisor_find(srv->s, name);
        if (component < 0) {
            list_names(srv->s, &names);
            zn_conn_fail(c, 404, "not_found", "no such component; there are: %s",
                         zn_buf_str(&names));
            return;
        }
    }
    route->fn(srv, c, r, (unsigned)component);
}

static bool method_fits(const char *method, struct zn_str got)
{
    return zn_str_eq(got, zn_str(method)) ||
           (strcmp(method, "GET") == 0 && zn_str_eq(got, zn_str("HEAD")));
}

static void serve(struct zn_server *srv, struct zn_conn *c, const struct zn_request *r, bool view)
{
    const char *allowed = NULL;

    for (size_t i = 0; i < sizeof api_routes / sizeof *api_routes; i++) {
        struct zn_str id = { 0 };

        if ((view && !api_routes[i].view) || !matches(&api_routes[i], r->path, &id))
            continue;
        if (method_fits(api_routes[i].method, r->method)) {
            run_route(srv, &api_routes[i], id, c, r);
            return;
        }
        allowed = api_routes[i].method;
    }
    if (allowed)
        zn_conn_fail(c, 405, "method_not_allowed", "only %s is allowed here", allowed);
    else
        zn_conn_fail(c, 404, "not_found", "no such path");
}

static void on_api(void *arg, struct zn_conn *c, const struct zn_request *r)
{
    serve(arg, c, r, false);
}

static void on_view(void *arg, struct zn_conn *c, const struct zn_request *r)
{
    serve(arg, c, r, true);
}

/* --- status.sock ------------------------------------------------------------------------------- */

static void page_html(struct zn_server *srv, struct zn_conn *c, int status)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(PAGE_MAX);
    zn_auto_buf struct zn_buf headers = ZN_BUF(2048);
    zn_auto_json doc = zn_health_public(srv->s);

    zn_status_page(doc, zn_wall_ns(), &b);
    zn_buf_puts(&headers, zn_status_headers());
    if (status == 503)
        zn_buf_puts(&headers, "Retry-After: 5\r\n");
    if (b.failed || headers.failed)
        zn_conn_fail(c, 500, "internal", "the page is too large");
    else
        zn_conn_reply(c, status, "text/html; charset=utf-8", zn_buf_str(&headers), b.mem, b.len);
}

static bool page_event(struct zn_server *srv, struct zn_buf *b)
{
    zn_auto_json doc = zn_health_public(srv->s);

    return zn_event_format(&srv->events, srv->s->seq, "status", doc, b);
}

static void on_page(void *arg, struct zn_conn *c, const struct zn_request *r)
{
    struct zn_server *srv = arg;
    bool get = method_fits("GET", r->method);

    if (get && zn_str_eq(r->path, zn_str("/"))) {
        page_html(srv, c, 200);
    } else if (get && zn_str_eq(r->path, zn_str("/status.json"))) {
        reply_json(c, 200, zn_health_public(srv->s));
    } else if (get && zn_str_eq(r->path, zn_str("/status/events"))) {
        zn_auto_buf struct zn_buf b = ZN_BUF(PAGE_MAX);

        zn_buf_puts(&b, "retry: 2000\n\n");
        if (page_event(srv, &b))
            zn_conn_stream(c, NULL, b.mem, b.len);
        else
            zn_conn_fail(c, 500, "internal", "out of memory");
    } else {
        page_html(srv, c, 503);
    }
}

/* --- changes ----------------------------------------------------------------------------------- */

static void send_page_state(void *arg)
{
    struct zn_server *srv = arg;
    zn_auto_buf struct zn_buf b = ZN_BUF(PAGE_MAX);

    if (zn_httpd_streams(srv->page) && page_event(srv, &b))
        zn_httpd_broadcast(srv->page, b.mem, b.len);
}

static void on_change(void *arg, unsigned component)
{
    struct zn_server *srv = arg;
    struct zn_supervisor *s = srv->s;
    zn_auto_json doc = json_pack("{s:I}", "seq", (json_int_t)s->seq);
    struct zn_str event;

    if (component < ZN_C_MAX) {
        struct zn_health_since *since = &srv->since[component];

        if (since->state != s->components[component].health)
            *since = (struct zn_health_since){ s->components[component].health, zn_wall_ns() };
        json_object_set_new(doc, "component", zn_health_component(s, component, since));
    } else {
        json_object_set_new(doc, "platform", zn_health_platform(s, collector(srv)));
    }
    event = zn_events_add(&srv->events, s->seq, component < ZN_C_MAX ? "component" : "platform",
                          doc);
    if (event.s) {
        zn_httpd_broadcast(srv->api, event.s, event.n);
        zn_httpd_broadcast(srv->view, event.s, event.n);
    }
    if (component == ZN_C_CADDY && s->components[ZN_C_CADDY].process == ZN_P_STOPPING) {
        /* It waits for the streams that it relays: they would hold up its end for as long as it may. */
        send_page_state(srv);
        zn_httpd_end_streams(srv->page);
    }
    if (!srv->page_due.armed)
        zn_timer_set(s->loop, &srv->page_due, PAGE_MS);
}

/* For pages that show figures: not kept, so who comes back has them from the state. */
static void on_measured(void *arg, unsigned component)
{
    struct zn_server *srv = arg;
    zn_auto_buf struct zn_buf b = ZN_BUF(512);

    zn_buf_printf(&b, "event: memory\ndata: {\"id\":\"%s\",\"memory_bytes\":%llu}\n\n",
                  zn_supervisor_name(srv->s, component),
                  (unsigned long long)srv->s->facts[component].memory);
    if (!b.failed)
        zn_httpd_broadcast(srv->view, b.mem, b.len);
}

/* A comment shows both ends that the other is there, through proxies too. */
static void ping(void *arg)
{
    struct zn_server *srv = arg;

    zn_httpd_broadcast(srv->api, ": ping\n\n", 8);
    zn_httpd_broadcast(srv->view, ": ping\n\n", 8);
    zn_httpd_broadcast(srv->page, ": ping\n\n", 8);
    zn_timer_set(srv->s->loop, &srv->ping, PING_MS);
}

static int open_sockets(struct zn_server *srv, struct zn_err *err)
{
    const char *run = srv->s->config.run;
    char path[128];

    snprintf(path, sizeof path, "%s/status", run);
    if (zn_mkdirs(path, 0755, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/supervisor.sock", run);
    if (zn_httpd_open(srv->s->loop, path, 0600, &api_limits, on_api, srv, &srv->api, err) < 0)
        return -1;
    /* The folder lets in zaned's user only; the containers of apps never see it. */
    snprintf(path, sizeof path, "%s/view", run);
    uid_t owner = zn_component_def(ZN_C_API, false)->uid;
    if (zn_mkdirs(path, 0700, err) < 0)
        return -1;
    if (chmod(path, 0700) < 0 || (geteuid() == 0 && chown(path, owner, owner) < 0))
        return zn_fail_errno(err, errno, "setting owner and mode of %s", path);
    snprintf(path, sizeof path, "%s/view/view.sock", run);
    if (zn_httpd_open(srv->s->loop, path, 0666, &api_limits, on_view, srv, &srv->view, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/status/status.sock", run);
    return zn_httpd_open(srv->s->loop, path, 0666, &page_limits, on_page, srv, &srv->page, err);
}

int zn_server_start(struct zn_supervisor *s, const struct zn_handoff *door, struct zn_server **ret,
                    struct zn_err *err)
{
    struct zn_server *srv = calloc(1, sizeof *srv);

    if (!srv)
        return zn_fail(err, ZN_INTERNAL, "server: out of memory");
    srv->s = s;
    srv->door = door;
    srv->ping = (struct zn_timer){ .fn = ping, .arg = srv };
    srv->page_due = (struct zn_timer){ .fn = send_page_state, .arg = srv };
    zn_events_init(&srv->events, s->started_ns);
    if (open_sockets(srv, err) < 0) {
        zn_httpd_close(srv->api);
        zn_httpd_close(srv->view);
        free(srv);
        return -1;
    }
    s->changed = on_change;
    s->measured = on_measured;
    s->changed_arg = srv;
    zn_timer_set(s->loop, &srv->ping, PING_MS);
    *ret = srv;
    return 0;
}

void zn_server_stop(struct zn_server *srv)
{
    if (!srv)
        return;
    srv->s->changed = NULL;
    srv->s->measured = NULL;
    zn_timer_clear(srv->s->loop, &srv->ping);
    zn_timer_clear(srv->s->loop, &srv->page_due);
    send_page_state(srv);
    zn_httpd_close(srv->api);
    zn_httpd_close(srv->view);
    zn_httpd_close(srv->page);
    zn_events_done(&srv->events);
    free(srv);
}
