#include "zaned/workflows/check.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const int64_t DEFAULT_TIMEOUT_S = 30, DEFAULT_INTERVAL_S = 30;
static const int64_t PROBE_DEADLINE_MS = 5000;

void zn_check_read(const json_t *snapshot, struct zn_check *ret)
{
    const json_t *check = json_object_get(snapshot, "healthcheck");
    struct zn_check c = { .path = "/", .any_answer = true };
    size_t i;
    json_t *url;

    c.timeout_ms = zn_json_int(check, "timeout_seconds", DEFAULT_TIMEOUT_S) * 1000;
    c.interval_ms = zn_json_int(check, "interval_seconds", DEFAULT_INTERVAL_S) * 1000;
    json_array_foreach (json_object_get(snapshot, "urls"), i, url)
        if (!c.port && !json_is_object(json_object_get(url, "redirect_to")))
            c.port = zn_json_int(url, "associated_port", 0);
    if (json_is_object(check) && strcmp(zn_json_str(check, "type", "PATH"), "COMMAND") == 0) {
        c.command = zn_json_str(check, "value", "");
        c.port = 0;
    } else if (json_is_object(check)) {
        c.port = zn_json_int(check, "associated_port", c.port);
        c.path = zn_json_str(check, "value", "/");
        c.any_answer = false;
    }
    *ret = c;
}

void zn_check_describe(const struct zn_check *c, char *ret, size_t size)
{
    if (c->command)
        snprintf(ret, size, "the health command ends with status 0");
    else if (c->port)
        snprintf(ret, size, "GET %.200s on port %lld answers%s", c->path, (long long)c->port,
                 c->any_answer ? "" : " 2xx");
    else
        snprintf(ret, size, "the container stays up");
}

static int ask_http(struct zn_work *w, const struct zn_dep *d, int cancel_fd, struct zn_check *c,
                    struct zn_err *err)
{
    char dial[ZN_NAME_LEN + 16];
    struct zn_probe_result got;

    snprintf(dial, sizeof dial, "%s:%lld", d->name, (long long)c->port);
    if (zn_caddy_probe(&w->caddy, dial, c->path, PROBE_DEADLINE_MS, cancel_fd, &got, err) < 0)
        return -1;
    if (got.status && (c->any_answer || (got.status >= 200 && got.status < 300)))
        return 1;
    if (got.status) {
        snprintf(c->last, sizeof c->last, "GET %s on port %lld answered %d, not 2xx", c->path,
                 (long long)c->port, got.status);
    } else {
        snprintf(c->last, sizeof c->last, "nothing answers on port %lld: %s", (long long)c->port,
                 got.error);
        c->attached = false; /* a restarted proxy must be attached anew */
    }
    return 0;
}

static int ask_command(struct zn_work *w, const struct zn_task *task, int cancel_fd,
                       struct zn_check *c, struct zn_err *err)
{
    int code;
    char out[200];

    if (zn_engine_exec(w->engine, task->container, c->command, PROBE_DEADLINE_MS, cancel_fd, &code,
                       out, sizeof out, err) < 0)
        return err->code == ZN_NOT_FOUND ? 0 : -1;
    if (code == 0)
        return 1;
    snprintf(c->last, sizeof c->last, "health command ended with status %d: %s", code, out);
    zn_utf8_mend(c->last);
    return 0;
}

static int attach(struct zn_work *w, const struct zn_dep *d, struct zn_check *c, struct zn_err *err)
{
    if (c->attached || !c->port)
        return 1;
    if (zn_edge_attach(w, d->network, err) == 0) {
        c->attached = true;
        return 1;
    }
    if (err->code != ZN_NOT_FOUND)
        return -1;
    snprintf(c->last, sizeof c->last, "%s", err->msg);
    memset(err, 0, sizeof *err);
    return 0;
}

int zn_check_ask(struct zn_work *w, const struct zn_dep *d, const struct zn_task *task, int cancel_fd,
                 struct zn_check *c, struct zn_err *err)
{
    int r = attach(w, d, c, err);

    if (r <= 0)
        return r;
    if (c->port)
        return ask_http(w, d, cancel_fd, c, err);
    return c->command ? ask_command(w, task, cancel_fd, c, err) : 1;
}

void zn_check_stopped(const struct zn_task_view *v, const char *absent, struct zn_check *c)
{
    if (v->failed)
        snprintf(c->last, sizeof c->last, "the container ended: %s", v->last_failed.err);
    else
        snprintf(c->last, sizeof c->last, "the container is %s%s%s",
                 v->any ? v->newest.state : absent, v->any && v->newest.err[0] ? ": " : "",
                 v->any ? v->newest.err : "");
    zn_utf8_mend(c->last);
}
