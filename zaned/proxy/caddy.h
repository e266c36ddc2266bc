/* Client of the proxy: configuration through the admin socket, upstream files, requests through its
 * unix sockets. Blocking, with deadlines; safe to share between threads. */
#ifndef ZN_PROXY_CADDY_H
#define ZN_PROXY_CADDY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct zn_caddy { /* paths are borrowed */
    const char *admin, *edge, *probe; /* unix sockets */
    const char *edge_dir;             /* folder of the upstream files, as this process sees it */
};

/* Loads cfg unless the proxy runs exactly it already; *loaded (may be NULL) says which. Atomic: a
 * refused configuration changes nothing and is ZN_INVALID with the proxy's words. */
int zn_caddy_apply(const struct zn_caddy *c, json_t *cfg, bool *loaded, struct zn_err *err);

/* Content of the file `name` in the edge folder: written beside and renamed, unless it is that
 * already. */
int zn_edge_write(const struct zn_caddy *c, const char *name, const char *value,
                  struct zn_err *err);

/* Removes the edge folder's files that are no key of names. For after the configuration that read them
 * is gone. */
int zn_edge_keep(const struct zn_caddy *c, const json_t *names, struct zn_err *err);

struct zn_probe_result {
    int status;       /* of the answer; 0 if none came */
    char error[256];  /* why not, in words; empty if an answer came */
    char hash[64];    /* x-zane-dpl-hash of the answer */
};

/* GET path at host:port over the networks that the proxy is attached to. 0 also when nothing answers
 * there (ret says why); -1 if the proxy itself does not answer. */
int zn_caddy_probe(const struct zn_caddy *c, const char *dial, const char *path,
                   int64_t deadline_ms, int cancel_fd, struct zn_probe_result *ret,
                   struct zn_err *err);

/* GET as the public would: Host is domain. Same results. */
int zn_caddy_visit(const struct zn_caddy *c, const char *domain, const char *path,
                   int64_t deadline_ms, int cancel_fd, struct zn_probe_result *ret,
                   struct zn_err *err);

#endif
