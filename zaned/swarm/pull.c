/* Image pull: the engine answers 200 at once and reports progress and errors as JSON lines. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/http.h"
#include "zaned/swarm/engine.h"

enum { LAYERS_MAX = 128, LINE_MAX = 65536 };

struct layer {
    char id[16];
    int64_t now, total;
};

struct pull_stream {
    const struct zn_pull *how;
    struct zn_buf line;
    struct layer layers[LAYERS_MAX];
    unsigned nlayers;
    int percent;
    char error[256];
};

static void layer_progress(struct pull_stream *s, const json_t *msg)
{
    const char *id = zn_json_str(msg, "id", NULL);
    const json_t *detail = json_object_get(msg, "progressDetail");
    int64_t total = zn_json_int(detail, "total", 0), sum = 0, all = 0;
    unsigned i;

    if (!id || total <= 0 || strcmp(zn_json_str(msg, "status", ""), "Downloading") != 0)
        return;
    for (i = 0; i < s->nlayers && strncmp(s->layers[i].id, id, 15) != 0; i++)
        ;
    if (i == LAYERS_MAX)
        return;
    if (i == s->nlayers)
        snprintf(s->layers[s->nlayers++].id, 16, "%.15s", id);
    s->layers[i].now = zn_json_int(detail, "current", 0);
    s->layers[i].total = total;
    for (i = 0; i < s->nlayers; i++) {
        sum += s->layers[i].now;
        all += s->layers[i].total;
    }
    int percent = (int)(sum / (all / 100 + 1));
    if (percent > s->percent && percent <= 100) {
        s->percent = percent;
        if (s->how->progress)
            s->how->progress(s->how->arg, percent);
    }
}

static void pull_line(struct pull_stream *s)
{
    zn_auto_json msg = json_loadb(s->line.mem ? s->line.mem : "", s->line.len, 0, NULL);
    const char *error = zn_json_str(msg, "error", zn_json_str(msg, "message", NULL));

    if (error)
        snprintf(s->error, sizeof s->error, "%s", error);
    else if (msg)
        layer_progress(s, msg);
    zn_buf_clear(&s->line);
}

static int pull_sink(void *arg, const char *p, size_t n)
{
    struct pull_stream *s = arg;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n')
            pull_line(s);
        else
            zn_buf_putc(&s->line, p[i]);
    }
    return s->line.failed ? -1 : 0;
}

/* "repo:tag" needs its tag named, or the engine would pull all tags. */
static const char *default_tag(const char *image)
{
    const char *slash = strrchr(image, '/');

    return strchr(slash ? slash : image, ':') || strchr(image, '@') ? "" : "&tag=latest";
}

int zn_engine_pull(struct zn_engine *e, const char *image, const struct zn_pull *how,
                   struct zn_err *err)
{
    zn_auto_buf struct zn_buf target = ZN_BUF(8192), head = ZN_BUF(16384);
    zn_auto_mem struct pull_stream *s = calloc(1, sizeof *s);
    zn_auto_http_resp struct zn_http_resp resp = { 0 };

    if (!s)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    if (!e->api[0] && zn_engine_call(e, "GET", "/version", NULL, NULL, err) < 0)
        return -1;
    s->how = how;
    s->line = ZN_BUF(LINE_MAX);
    zn_buf_printf(&target, "/%s/images/create?fromImage=", e->api);
    zn_percent_add(&target, image);
    zn_buf_puts(&target, default_tag(image));
    if (how->registry_auth)
        zn_buf_printf(&head, "X-Registry-Auth: %s\r\n", how->registry_auth);
    struct zn_http_req req = { .unix_path = e->socket,
                               .method = "POST",
                               .target = zn_buf_str(&target),
                               .headers = how->registry_auth ? zn_buf_str(&head) : NULL,
                               .deadline_ms = how->deadline_ms,
                               .sink = pull_sink,
                               .sink_arg = s,
                               .cancel_fd = how->cancel_fd };
    int r = req.target ? zn_http_call(&req, &resp, err)
                       : zn_fail(err, ZN_INVALID, "image name too long");

    if (r == 0)
        pull_line(s);
    zn_buf_done(&s->line);
    if (head.mem)
        explicit_bzero(head.mem, head.len);
    if (r < 0)
        return zn_wrap(err, "pulling %s", image);
    if (s->error[0] || resp.status >= 400)
        return zn_fail(err, ZN_INVALID, "pulling %s: %s", image,
                       s->error[0] ? s->error : "the registry or the engine refused");
    return 0;
}
