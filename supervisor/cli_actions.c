#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/http.h"
#include "base/io.h"
#include "base/json.h"
#include "supervisor/cli.h"

enum { STOP_MS = 180 * 1000 };

static int no_arguments(const char *command, int argc, char **argv)
{
    if (argc == 0)
        return 0;
    fprintf(stderr, "zane: %s takes no arguments, not %.60s\n", command, argv[0]);
    return -1;
}

int cli_retry(const struct cli *cli, int argc, char **argv)
{
    zn_auto_buf struct zn_buf path = ZN_BUF(256);
    zn_auto_json doc = NULL;
    int r;

    if (argc != 1 || argv[0][0] == '-') {
        fprintf(stderr, "usage: zane retry COMPONENT (the names are in zane status)\n");
        return CLI_USAGE;
    }
    if (argv[0][strspn(argv[0], "abcdefghijklmnopqrstuvwxyz0123456789-")] || strlen(argv[0]) > 31) {
        fprintf(stderr, "zane: no such component: %.60s\n", argv[0]);
        return CLI_FAILED;
    }
    zn_buf_printf(&path, "/v1/components/%s/retry", argv[0]);
    r = cli_ask(cli, "POST", zn_buf_str(&path), 200, &doc);
    if (r == CLI_OK)
        printf("%s: %s\n", argv[0], zn_json_str(doc, "state", "?"));
    return r;
}

/* What the event stream told while the platform stops. */
struct farewell {
    struct zn_buf line;
    json_t *states;     /* component id -> last state */
    char message[256];  /* last of the platform */
};

static void note_component(struct farewell *f, const json_t *c)
{
    const char *id = zn_json_str(c, "id", "?"), *state = zn_json_str(c, "state", "?");

    if (strcmp(zn_json_str(f->states, id, ""), state) != 0 &&
        (strcmp(state, "stopping") == 0 || strcmp(state, "stopped") == 0))
        printf("%s: %s\n", id, state);
    json_object_set_new(f->states, id, json_string(state));
    fflush(stdout);
}

static void note_event(struct farewell *f, const char *text, size_t n)
{
    zn_auto_json doc = NULL;
    struct zn_err err = { 0 };
    json_t *c, *platform;
    const char *message;
    size_t i;

    if (zn_json_parse(text, n, &doc, &err) < 0)
        return;
    if (json_object_get(doc, "component"))
        note_component(f, json_object_get(doc, "component"));
    json_array_foreach(json_object_get(doc, "components"), i, c)
        note_component(f, c);
    platform = json_object_get(doc, "platform");
    message = zn_json_str(platform ? platform : doc, "message", NULL);
    if (message)
        snprintf(f->message, sizeof f->message, "%s", message);
}

static int on_stream(void *arg, const char *p, size_t n)
{
    struct farewell *f = arg;

    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n') {
            zn_buf_putc(&f->line, p[i]);
            continue;
        }
        if (!f->line.failed && f->line.len > 6 && memcmp(f->line.mem, "data: ", 6) == 0)
            note_event(f, f->line.mem + 6, f->line.len - 6);
        zn_buf_clear(&f->line);
    }
    return 0;
}

/* Names what did not stop; the number of such components. */
static unsigned left_over(const struct farewell *f)
{
    const char *id;
    json_t *state;
    unsigned n = 0;

    json_object_foreach(f->states, id, state) {
        if (strcmp(json_string_value(state), "stopped") != 0) {
            fprintf(stderr, "zane: %s did not stop: it is %s\n", id, json_string_value(state));
            n++;
        }
    }
    return n;
}

/* The supervisor ends when the platform is stopped, and the event stream with it. */
static int await_end(const struct cli *cli)
{
    struct farewell f = { .line = ZN_BUF(1 << 20), .states = json_object() };
    struct zn_http_req req = { .unix_path = cli->socket, .method = "GET", .target = "/v1/events",
                               .deadline_ms = STOP_MS, .sink = on_stream, .sink_arg = &f };
    zn_auto_http_resp struct zn_http_resp resp = { 0 };
    struct zn_err err = { 0 };
    int64_t end = zn_now_ms() + STOP_MS;
    int r = CLI_OK;

    zn_http_call(&req, &resp, &err); /* however it ends: what counts is what it told */
    if (zn_now_ms() >= end) {
        fprintf(stderr, "zane: the platform did not stop within %d s; see zane status\n",
                STOP_MS / 1000);
        r = CLI_FAILED;
    } else if (left_over(&f)) {
        fprintf(stderr, "zane: the supervisor ended all the same: %s\n", f.message);
        r = CLI_FAILED;
    } else {
        puts("Zane is stopped; volumes, networks and secrets are kept");
    }
    zn_buf_done(&f.line);
    json_decref(f.states);
    return r;
}

int cli_stop(const struct cli *cli, int argc, char **argv)
{
    zn_auto_json doc = NULL;
    int r;

    if (no_arguments("stop", argc, argv) < 0)
        return CLI_USAGE;
    r = cli_ask(cli, "POST", "/v1/stop", 202, &doc);
    return r == CLI_OK ? await_end(cli) : r;
}

int cli_setup_token(const struct cli *cli, int argc, char **argv)
{
    zn_auto_buf struct zn_buf path = ZN_BUF(256);
    char *token = NULL;
    struct zn_err err = { 0 };

    if (no_arguments("setup-token", argc, argv) < 0)
        return CLI_USAGE;
    zn_buf_printf(&path, "%s/secrets/setup_token", cli->state);
    if (access(zn_buf_str(&path), R_OK) < 0 && errno == EACCES) {
        fprintf(stderr, "zane: only root may read the setup token (%s)\n", zn_buf_str(&path));
        return CLI_FAILED;
    }
    if (zn_read_line_file(zn_buf_str(&path), &token, &err) < 0) {
        fprintf(stderr, "zane: no setup token: %s; ZANE_STATE says where it is kept\n", err.msg);
        return CLI_FAILED;
    }
    puts(token);
    explicit_bzero(token, strlen(token));
    free(token);
    return CLI_OK;
}
