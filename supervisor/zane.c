/* zane: shows and steers the platform from its host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli.h"

static const struct command {
    const char *name, *usage, *help;
    int (*fn)(const struct cli *cli, int argc, char **argv);
} commands[] = {
    { "status", "status [COMPONENT] [--watch] [--json]",
      "what runs, how it is and what is wrong; --watch stays and shows changes", cli_status },
    { "doctor", "doctor [--for SECONDS]",
      "try the platform out as its users do: page, API, an app, its log", cli_doctor },
    { "retry", "retry COMPONENT", "start a held or waiting component at once", cli_retry },
    { "stop", "stop", "stop the platform in good order; data is kept", cli_stop },
    { "setup-token", "setup-token", "the one-time token for making the first administrator",
      cli_setup_token },
    { "rotate-keys", "rotate-keys [--drop-old]",
      "seal all stored secrets with a new key; --drop-old removes the old ones", cli_rotate_keys },
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(FILE *out)
{
    fputs("usage: zane COMMAND\n\n", out);
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-38s %s\n", commands[i].usage, commands[i].help);
    fputs("\nZANE_RUN (default /run/zane) says where the supervisor's socket is, ZANE_STATE\n"
          "(default /var/lib/zane) where the setup token is kept.\n"
          "Exit codes: 0 done or ready, 1 not ready or failed, 2 the supervisor is not running,\n"
          "64 wrong usage.\n", out);
}

static int unknown(const char *name)
{
    const struct command *best = &commands[0];

    for (unsigned i = 1; i < COMMANDS; i++)
        if (zn_distance(name, commands[i].name) < zn_distance(name, best->name))
            best = &commands[i];
    fprintf(stderr, "zane: unknown command %.60s; did you mean \"zane %s\"? (zane --help)\n", name,
            best->name);
    return CLI_USAGE;
}

static bool set_path(char *ret, size_t size, const char *variable, const char *fallback)
{
    const char *value = getenv(variable);

    if (!value || !*value)
        value = fallback;
    if (value[0] == '/' && strlen(value) < size) {
        memcpy(ret, value, strlen(value) + 1);
        return true;
    }
    fprintf(stderr, "zane: %s must be an absolute path of at most %zu bytes\n", variable, size - 1);
    return false;
}

int main(int argc, char **argv)
{
    struct cli cli = { 0 };

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (!set_path(cli.run, sizeof cli.run, "ZANE_RUN", "/run/zane") ||
        !set_path(cli.state, sizeof cli.state, "ZANE_STATE", "/var/lib/zane"))
        return CLI_USAGE;
    snprintf(cli.socket, sizeof cli.socket, "%s/supervisor.sock", cli.run);
    for (unsigned i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].fn(&cli, argc - 2, argv + 2);
    return unknown(argv[1]);
}
