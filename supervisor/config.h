/* Configuration of zane-supervisor: one table from the environment. */
#ifndef ZN_SUPERVISOR_CONFIG_H
#define ZN_SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct zn_config {
    char state[96], run[64], images[160]; /* directories, absolute */
    char engine[104];                     /* path of the engine's socket */
    char root_domain[254], app_domain[254];
    char collector[16];                   /* "fluentd" or "embedded" */
    char component_list[160];             /* ZANE_COMPONENTS as given; "" = all */
    int64_t http_port, https_port;
    char log_level[8];                    /* error, warn, info, debug */
    bool embedded;                        /* derived from collector */
    uint32_t components;                  /* derived: bit per zn_component_id that is wanted */
};

/* Fills ret from the variables of env (NULL-ended "NAME=value" list) and the defaults. ZN_INVALID
 * names the variable and its limit; an unknown ZANE_ variable is an error with the nearest name. */
int zn_config_load(char *const *env, struct zn_config *ret, struct zn_err *err);

/* The table as text for --help. */
void zn_config_help(FILE *out);

/* The settings as they were worked out, one NAME=value a line, for scripts. */
void zn_config_show(const struct zn_config *c, FILE *out);

/* Address of the interface with the default route if it is a public IPv4 address, else false. */
bool zn_public_address(char *ret, size_t size);

#endif
