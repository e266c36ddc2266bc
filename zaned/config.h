/* Configuration of zaned, from the environment (docs/internals.md) and the secrets directory.
 * One table in config.c makes the parser and the text of --help. */
#ifndef ZN_CONFIG_H
#define ZN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"

struct zn_config {
    /* All texts are owned by this struct and never NULL. */
    const char *pg_host, *pg_user, *pg_db;
    long long pg_port;
    const char *valkey_host;
    long long valkey_port;
    const char *loki_url, *temporal, *api_url;
    const char *root_domain, *app_domain;
    long long http_port, https_port;
    const char *version, *log_address;
    const char *engine;        /* path of the engine's socket */
    const char *caddy_admin;   /* path of Caddy's admin socket */
    const char *caddy_edge, *caddy_tls, *caddy_probe;
    const char *edge_dir;      /* folder of the proxy's upstream files */
    const char *web_dir;       /* index.html and assets/ of the dashboard; they may be absent */
    const char *handoff;       /* path of the supervisor's log hand-over socket */
    const char *supervisor;    /* path of the supervisor's socket for reading */
    const char *trial;         /* file that is there while an upgrade is on trial */
    const char *state_dir;     /* the collector's buffer */
    const char *secrets_dir, *migrations_dir;
    const char *listen;        /* address the role binds, "0.0.0.0" */
    long long port;            /* 0 = the role's own (api 8080, worker 8081, collector 8082) */
    long long rate_account;    /* requests a minute */
    long long arrive_s, idle_s, connections;
    long long standby_collector;
};

/* Reads the environment over the defaults. An unknown ZN_… variable or a value out of bounds is
 * ZN_INVALID and named. */
int zn_config_load(struct zn_config *ret, struct zn_err *err);
void zn_config_done(struct zn_config *cfg);
/* An upgrade is on trial: what is written now may be undone, so nobody is to write. */
static inline bool zn_on_trial(const struct zn_config *cfg)
{
    return access(cfg->trial, F_OK) == 0;
}
void zn_config_help(FILE *out);

/* Secret `name` from the secrets directory; heap string for zn_secret_free. */
int zn_secret_load(const struct zn_config *cfg, const char *name, char **ret, struct zn_err *err);
void zn_secret_free(char *secret); /* wipes first; NULL is fine */

#endif
