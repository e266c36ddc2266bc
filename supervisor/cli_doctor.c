/* zane doctor: the supervisor looks, this shows what it sees. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "supervisor/cli.h"

enum { LOOK_MS = 300 };

/* Prints the checks that have ended since, a line each. */
static void show(const json_t *doc, size_t *shown)
{
    json_t *list = json_object_get(doc, "checks");

    for (; *shown < json_array_size(list); ++*shown) {
        const json_t *c = json_array_get(list, *shown);
        const char *state = zn_json_str(c, "state", "");

        if (strcmp(state, "good") == 0)
            printf("ok    %s (%.1f s)\n", zn_json_str(c, "title", ""), (double)zn_json_int(c, "ms", 0) / 1000);
        else if (strcmp(state, "bad") == 0)
            printf("FAIL  %s: %s\n", zn_json_str(c, "title", ""), zn_json_str(c, "message", ""));
        else
            break;
        fflush(stdout);
    }
}

static int verdict(const json_t *doc, size_t shown)
{
    json_t *list = json_object_get(doc, "checks");

    for (; shown < json_array_size(list); shown++)
        printf("-     %s: not looked at\n", zn_json_str(json_array_get(list, shown), "title", ""));
    if (strcmp(zn_json_str(doc, "state", ""), "passed") == 0) {
        puts("Everything works");
        return CLI_OK;
    }
    fprintf(stderr, "zane: %s\n", zn_json_str(doc, "message", ""));
    return CLI_FAILED;
}

static int follow(const struct cli *cli, bool hold)
{
    size_t shown = 0;

    for (;; zn_pause_ms(LOOK_MS)) {
        zn_auto_json doc = NULL;
        struct zn_err err = { 0 };

        if (cli_look(cli, "/v1/gate", LOOK_MS, &doc, &err) < 0)
            return cli_complain(&err);
        const char *state = zn_json_str(doc, "state", "");
        if (strcmp(state, "none") == 0) {
            fprintf(stderr, "zane: the supervisor was started anew meanwhile: run it again\n");
            return CLI_FAILED;
        }
        /* In a longer run what is bad may turn good: then the end counts. */
        if (!hold || strcmp(state, "running") != 0)
            show(doc, &shown);
        if (strcmp(state, "running") != 0)
            return verdict(doc, shown);
    }
}

int cli_doctor(const struct cli *cli, int argc, char **argv)
{
    zn_auto_json doc = NULL;
    char path[64];
    long long hold = 0;
    int r;

    if (argc && (argc != 2 || strcmp(argv[0], "--for") != 0 || !zn_parse_i64(argv[1], 0, 600, &hold))) {
        fprintf(stderr, "usage: zane doctor [--for SECONDS] (0 to 600)\n");
        return CLI_USAGE;
    }
    snprintf(path, sizeof path, "/v1/gate?hold_s=%lld", hold);
    r = cli_ask(cli, "POST", path, 202, &doc);
    return r == CLI_OK ? follow(cli, hold) : r;
}
