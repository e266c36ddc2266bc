/* zane rotate-keys: the supervisor does it, this follows. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "supervisor/cli.h"

enum { LOOK_MS = 500 };

/* Prints each message once until the end. */
static int follow(const struct cli *cli)
{
    char last[256] = "";

    for (;;) {
        zn_auto_json doc = NULL;
        struct zn_err err = { 0 };

        if (cli_look(cli, "/v1/keys", LOOK_MS, &doc, &err) < 0)
            return cli_complain(&err);
        const char *state = zn_json_str(doc, "state", ""),
                   *message = zn_json_str(doc, "message", "");
        if (strcmp(state, "none") == 0) {
            fprintf(stderr,
                    "zane: the supervisor was started anew meanwhile: run it again, it goes on\n");
            return CLI_FAILED;
        }
        if (strcmp(state, "failed") == 0) {
            fprintf(stderr, "zane: %s\n", message);
            return CLI_FAILED;
        }
        if (strcmp(message, last) != 0)
            puts(message);
        fflush(stdout);
        snprintf(last, sizeof last, "%s", message);
        if (strcmp(state, "done") == 0)
            return CLI_OK;
        zn_pause_ms(LOOK_MS);
    }
}

int cli_rotate_keys(const struct cli *cli, int argc, char **argv)
{
    bool drop = argc == 1 && strcmp(argv[0], "--drop-old") == 0;
    zn_auto_json doc = NULL;
    int r;

    if (argc && !drop) {
        fprintf(stderr, "usage: zane rotate-keys [--drop-old]\n");
        return CLI_USAGE;
    }
    r = cli_ask(cli, "POST", drop ? "/v1/keys/drop-old" : "/v1/keys/rotate", 202, &doc);
    if (r != CLI_OK)
        return r;
    r = follow(cli);
    if (r == CLI_OK && !drop)
        puts("The old key is kept, for backups and for going back; zane rotate-keys --drop-old "
             "removes it");
    return r;
}
