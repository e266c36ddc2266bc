/* Rules for single values. The zn_rule_* functions are validators for decode tables (base/json.h): val
 * points to a const char *, the result is NULL or a message of static storage. */
#ifndef ZN_DOMAIN_RULES_H
#define ZN_DOMAIN_RULES_H

#include <stdbool.h>

#include "base/arena.h"

/* Longest values in bytes, and most items of one service. */
enum {
    ZN_MAX_SLUG = 38,
    ZN_MAX_PROJECT_SLUG = 255,
    ZN_MAX_IMAGE = 510,
    ZN_MAX_COMMAND = 4096,
    ZN_MAX_DOMAIN = 253,
    ZN_MAX_PATH = 255,
    ZN_MAX_URL = 2000,
    ZN_MAX_NAME = 255,
    ZN_MAX_ENV_KEY = 255,
    ZN_MAX_ENV_VALUE = 65536,
    ZN_MAX_COMMIT_MESSAGE = 2000,
    ZN_MAX_SECONDS = 3600, /* time-out and interval of a health check */
    ZN_MAX_ITEMS = 200,    /* volumes, URLs or variables of one service */
    ZN_MAX_WATCH_PATHS = 2048,
    ZN_MAX_CONFIG = 256 * 1024,   /* contents of one config */
    ZN_MAX_CONFIGS = 1024 * 1024, /* contents of all configs of a service */
    ZN_MAX_DOTENV = 512 * 1024,
    ZN_MIN_MEMORY = 6 * 1024 * 1024, /* bytes; the engine starts nothing below */
};
#define ZN_MIN_CPUS 0.1

const char *zn_rule_slug(const void *val);
const char *zn_rule_image(const void *val);
const char *zn_rule_command(const void *val);
const char *zn_rule_domain(const void *val);         /* lower case; may begin with "*." */
const char *zn_rule_base_path(const void *val);      /* before normalisation */
const char *zn_rule_container_path(const void *val); /* before normalisation */
const char *zn_rule_host_path(const void *val);      /* normalised */
const char *zn_rule_redirect_url(const void *val);
const char *zn_rule_env_key(const void *val);
const char *zn_rule_name(const void *val);        /* one line without control characters */
const char *zn_rule_text(const void *val);        /* the same with tabs and line ends */
const char *zn_rule_health_path(const void *val); /* value of a PATH health check */

/* ISO 8601: a date, or date and time ("T" or blank between, seconds and zone optional). */
const char *zn_rule_time(const void *val);
/* A text that holds that rule with its time and zone written out; without a zone UTC is meant. */
char *zn_time_full(struct zn_arena *a, const char *text);

/* Without empty and "." parts and trailing slashes, ".." resolved; "/" stays. The path must be
 * absolute. NULL if the arena is full. */
char *zn_path_normalise(struct zn_arena *a, const char *path);

/* Why the platform keeps this (lower-case) domain for itself, or NULL. */
const char *zn_domain_reserved(const char *domain, const char *root_domain, const char *app_domain);
/* True if wildcard = "*.d" and domain = "<label>.d", a name that the wildcard answers for. */
bool zn_domain_covers(const char *wildcard, const char *domain);

#endif
