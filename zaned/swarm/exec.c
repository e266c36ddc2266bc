/* A command inside a container: create, start with its output as a framed stream, read the status. */
#include <stdio.h>
#include <string.h>

#include "base/http.h"
#include "zaned/swarm/demux.h"
#include "zaned/swarm/engine.h"

struct output {
    char *out;
    size_t size, used;
};

static int take(void *arg, int stream, const char *p, size_t n)
{
    struct output *o = arg;

    (void)stream;
    for (size_t i = 0; i < n && o->used + 1 < o->size; i++) {
        unsigned char ch = (unsigned char)p[i];

        o->out[o->used++] = ch < ' ' || ch == 0x7f ? ' ' : p[i];
    }
    o->out[o->used] = '\0';
    return 0;
}

static int feed(void *arg, const char *p, size_t n)
{
    return zn_demux_feed(arg, p, n);
}

static int start(struct zn_engine *e, const char *id, int64_t deadline_ms, int cancel_fd,
                 struct output *o, struct zn_err *err)
{
    char target[160];
    static const char body[] = "{\"Detach\":false,\"Tty\":false}";
    struct zn_demux demux = { .sink = take, .arg = o };
    zn_auto_http_resp struct zn_http_resp resp = { 0 };
    struct zn_http_req req = { .unix_path = e->socket,
                               .method = "POST",
                               .target = target,
                               .body = body,
                               .body_len = sizeof body - 1,
                               .deadline_ms = deadline_ms,
                               .sink = feed,
                               .sink_arg = &demux,
                               .cancel_fd = cancel_fd };

    snprintf(target, sizeof target, "/%s/exec/%.100s/start", e->api, id);
    if (zn_http_call(&req, &resp, err) < 0)
        return zn_wrap(err, "health command");
    if (resp.status != 200)
        return zn_fail(err, ZN_UNAVAILABLE, "the engine answered %d to exec", resp.status);
    return 0;
}

int zn_engine_exec(struct zn_engine *e, const char *container, const char *command,
                   int64_t deadline_ms, int cancel_fd, int *ret_code, char *out, size_t size,
                   struct zn_err *err)
{
    char path[192];
    struct output o = { out, size, 0 };
    zn_auto_json made = NULL;
    zn_auto_json after = NULL;
    zn_auto_json body = json_pack("{s:[s,s,s],s:b,s:b}", "Cmd", "/bin/sh", "-c", command,
                                  "AttachStdout", 1, "AttachStderr", 1);

    out[0] = '\0';
    snprintf(path, sizeof path, "/containers/%.100s/exec", container);
    if (zn_engine_call(e, "POST", path, body, &made, err) < 0) {
        if (err->code == ZN_CONFLICT) /* not running any more */
            err->code = ZN_NOT_FOUND;
        return -1;
    }
    const char *id = zn_json_str(made, "Id", "");
    if (start(e, id, deadline_ms, cancel_fd, &o, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/exec/%.100s/json", id);
    if (zn_engine_call(e, "GET", path, NULL, &after, err) < 0)
        return -1;
    *ret_code = (int)zn_json_int(after, "ExitCode", -1);
    return 0;
}
