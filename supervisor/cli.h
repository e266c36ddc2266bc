/* The `zane` command: what its files share. */
#ifndef ZN_SUPERVISOR_CLI_H
#define ZN_SUPERVISOR_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/table.h"

/* Exit codes of every subcommand. */
enum { CLI_OK = 0, CLI_NOT_READY = 1, CLI_FAILED = 1, CLI_NOT_RUNNING = 2, CLI_USAGE = 64 };

struct cli {
    char run[65], state[96]; /* ZANE_RUN, ZANE_STATE */
    char socket[104];        /* of the supervisor */
};

/* One exchange with the supervisor within 10 s. 0 with the status and a document (new reference), or
 * -1 with ZN_UNAVAILABLE (nobody answers; the message says what to do) or another code. */
int cli_call(const struct cli *cli, const char *method, const char *path, int *status, json_t **ret,
             struct zn_err *err);
/* The same for what has to go well: CLI_OK with the document if the status is `wanted`, else the exit code, with the reason
 * on standard error. */
int cli_ask(const struct cli *cli, const char *method, const char *path, int wanted, json_t **ret);
/* GET that waits for a supervisor that is away for a moment: asks up to twenty times, with pauses. */
int cli_look(const struct cli *cli, const char *path, int64_t pause_ms, json_t **ret, struct zn_err *err);
/* Prints "zane: <message>" and returns the exit code that fits the error. */
int cli_complain(const struct zn_err *err);
/* Style for standard output as it is now. */
struct zn_table_style cli_style(void);

int cli_status(const struct cli *cli, int argc, char **argv);
int cli_watch(const struct cli *cli, bool json);
int cli_stop(const struct cli *cli, int argc, char **argv);
int cli_retry(const struct cli *cli, int argc, char **argv);
int cli_setup_token(const struct cli *cli, int argc, char **argv);
int cli_doctor(const struct cli *cli, int argc, char **argv);
int cli_rotate_keys(const struct cli *cli, int argc, char **argv);

#endif
