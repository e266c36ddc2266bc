#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "supervisor/cli.h"

enum { DEADLINE_MS = 10 * 1000, UNANSWERED_MAX = 20 };

static int explain(const struct cli *cli, const struct zn_err *why, struct zn_err *err)
{
    if (access(cli->socket, F_OK) == 0 && access(cli->socket, W_OK) < 0 && errno == EACCES)
        return zn_fail(err, ZN_DENIED, "only root may talk to the supervisor (%s)", cli->socket);
    return zn_fail(err, ZN_UNAVAILABLE,
                   "zane-supervisor is not running: %s; ZANE_RUN says where its socket is", why->msg);
}

int cli_call(const struct cli *cli, const char *method, const char *path, int *status, json_t **ret,
             struct zn_err *err)
{
    struct zn_http_req req = { .unix_path = cli->socket, .method = method, .target = path,
                               .deadline_ms = DEADLINE_MS, .max_body = 8 << 20 };
    zn_auto_http_resp struct zn_http_resp resp = { 0 };
    struct zn_err why = { 0 };

    if (zn_http_call(&req, &resp, &why) < 0)
        return explain(cli, &why, err);
    if (zn_json_parse(resp.body.mem, resp.body.len, ret, &why) < 0)
        return zn_fail(err, ZN_INTERNAL, "the supervisor's answer is broken: %s", why.msg);
    *status = resp.status;
    return 0;
}

int cli_ask(const struct cli *cli, const char *method, const char *path, int wanted, json_t **ret)
{
    struct zn_err err = { 0 };
    int status;

    if (cli_call(cli, method, path, &status, ret, &err) < 0)
        return cli_complain(&err);
    if (status == wanted)
        return CLI_OK;
    fprintf(stderr, "zane: %s\n", zn_json_str(json_object_get(*ret, "error"), "message", "no reason given"));
    return CLI_FAILED;
}

int cli_look(const struct cli *cli, const char *path, int64_t pause_ms, json_t **ret, struct zn_err *err)
{
    int status;

    for (unsigned unanswered = 0; cli_call(cli, "GET", path, &status, ret, err) < 0; zn_pause_ms(pause_ms))
        if (++unanswered == UNANSWERED_MAX)
            return -1;
    return 0;
}

int cli_complain(const struct zn_err *err)
{
    fprintf(stderr, "zane: %s\n", err->msg);
    return err->code == ZN_UNAVAILABLE ? CLI_NOT_RUNNING : CLI_FAILED;
}

struct zn_table_style cli_style(void)
{
    struct winsize ws = { 0 };
    bool tty = isatty(STDOUT_FILENO);
    const char *plain = getenv("NO_COLOR");

    if (tty)
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
    return (struct zn_table_style){ .colour = tty && !(plain && *plain), .width = ws.ws_col,
                                    .now_ns = zn_wall_ns() };
}
