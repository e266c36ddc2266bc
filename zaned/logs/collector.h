/* The embedded log collector: accepts the engine's log connections when the supervisor says so, keeps
 * every record in its disk buffer before it acknowledges it, and ships batches to the ingest route. */
#ifndef ZN_LOGS_COLLECTOR_H
#define ZN_LOGS_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct zn_collector; /* owner: the caller of zn_collector_start */
struct zn_config;

/* name and handoff are borrowed until zn_collector_stop, the rest is copied. */
struct zn_collector_opts {
    const char *name;      /* for the supervisor: "embedded" */
    const char *handoff;   /* path of the supervisor's hand-over socket */
    const char *dir;       /* of the disk buffer */
    const char *api_url, *token;
    uint64_t spool_max;    /* bytes; 0 = 1 GiB. Beyond it nothing more is read. */
};

struct zn_collector_stats {
    bool accepting;
    unsigned connections;
    uint64_t records, refused_records; /* since the start; refused: no text, or too large */
    uint64_t shipped_batches, spool_bytes, spool_segments, refused_segments;
};

/* Starts three threads: connections, shipping, syncing. */
int zn_collector_start(const struct zn_collector_opts *opts, struct zn_collector **ret,
                       struct zn_err *err);
/* Ends them; what was not shipped stays on disk for the next start. */
void zn_collector_stop(struct zn_collector *c);
/* True if it could take lines now; else why[size] says what is in the way. */
bool zn_collector_ready(struct zn_collector *c, char *why, unsigned size);
void zn_collector_stats(struct zn_collector *c, struct zn_collector_stats *ret);

/* The role `zaned collector`, and the same collector for the worker; both in zaned/collector_main.c. */
int zn_collector_main(const struct zn_config *cfg);
int zn_collector_from_config(const struct zn_config *cfg, struct zn_collector **ret,
                             struct zn_err *err);

#endif
