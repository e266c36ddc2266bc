/* What the activities of one worker share, and helpers that more than one file of them uses. */
#ifndef ZN_WORKFLOWS_WORK_H
#define ZN_WORKFLOWS_WORK_H

#include <pthread.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "zaned/proxy/caddy.h"
#include "zaned/proxy/config.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"
#include "zaned/swarm/engine.h"
#include "zaned/swarm/spec.h"
#include "zaned/temporal/worker.h"

struct zn_work { /* all borrowed; set once before the worker starts */
    struct zn_store *store;
    struct zn_sealer *sealer;
    struct zn_engine *engine;
    struct zt_client *temporal;
    struct zn_caddy caddy;
    struct zn_proxy_opts proxy;
    const char *log_address;
    pthread_mutex_t route_lock; /* one at a time changes the proxy */
};

#define ZN_EDGE_SERVICE "zn-caddy" /* swarm names of the proxy and of the worker */
#define ZN_WORKER_SERVICE "zn-zaned-worker"
/* Why a version sleeps that nobody put to sleep. */
#define ZN_PAUSED_REASON "paused while its successor starts"

/* One deployment with its service and environment; texts live as long as `rows`. */
struct zn_dep {
    PGresult *rows;
    json_t *snapshot; /* variables in clear text */
    const char *hash, *slot, *status, *service_id, *environment_id, *environment, *project_id;
    const char *routed_hash; /* may be NULL */
    bool production, finished, archived;
    char name[ZN_NAME_LEN], network[ZN_NAME_LEN]; /* of its swarm service and network */
};

/* The deployment named by input.deployment; ZN_NOT_FOUND if it or its service is gone. */
int zn_dep_load(struct zn_work *w, json_t *input, struct zn_dep *ret, struct zn_err *err);
int zn_dep_read(struct zn_work *w, PGresult *rows, int row, struct zn_dep *ret,
                struct zn_err *err); /* does not take rows */
void zn_dep_done(struct zn_dep *d);
#define zn_auto_dep ZN_AUTO(zn_dep_done)

/* Error of an activity to its result: invalid and absent things are not tried again. */
enum zt_res zn_act_result(struct zt_actx *c, int r, struct zn_err *err);

/* Sets the deployment's step (what it is doing), with a line in the build log that says so; the line
 * comes once however often the step is tried. */
int zn_dep_step(struct zn_work *w, const char *hash, const char *step, struct zn_err *err,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* One line of the build log (at most 1,000 bytes). level: "INFO", "WARN" or "ERROR". A line that cannot
 * be written is left out, with a warning in the log: no deployment fails for it. */
void zn_dep_line(struct zn_work *w, const char *hash, const char *level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* X-Registry-Auth of the deployment's image; the buffer (ZN_AUTH_MAX) stays empty if it needs none. ZN_INVALID:
 * the credentials are gone, or are for another registry than the image's. */
enum { ZN_AUTH_MAX = 15360 };
int zn_registry_auth(struct zn_work *w, const struct zn_dep *d, struct zn_buf *ret, struct zn_err *err);
void zn_registry_auth_done(struct zn_buf *auth); /* wipes it */
#define zn_auto_registry_auth ZN_AUTO(zn_registry_auth_done)

/* Sets its status; not its end. */
int zn_dep_status(struct zn_work *w, const char *hash, const char *status, const char *reason,
                  struct zn_err *err);

/* Brings the proxy to what the database says: upstream files, then the configuration. */
int zn_route_sync(struct zn_work *w, struct zn_err *err);
/* Connects the proxy to an environment's network. ZN_NOT_FOUND: no task of it runs here yet. */
int zn_edge_attach(struct zn_work *w, const char *network, struct zn_err *err);
/* Takes the proxy off a network and removes it; absent is fine, in use is ZN_BUSY. Some seconds. */
int zn_network_remove(struct zn_work *w, const char *network, struct zn_err *err);
/* Creates the network of its environment and its volumes if they are absent. A volume that is made here
 * carries the deployment's hash. */
int zn_resources_ensure(struct zn_work *w, const struct zn_dep *d, struct zn_err *err);
/* Removes the volumes that were made for a service. deployment: only those that it made; NULL = all. */
int zn_volumes_remove(struct zn_work *w, const char *service, const char *deployment,
                      struct zn_err *err);
/* Removes the swarm configs of a service that none of its versions uses any more. Not while one is made. */
int zn_configs_tidy(struct zn_work *w, const char *service, struct zn_err *err);
/* Creates the swarm service of a deployment, and its configs, if they are absent. image: pinned reference. */
int zn_service_ensure(struct zn_work *w, const struct zn_dep *d, const char *image,
                      struct zn_err *err);
/* Makes the swarm service of a deployment that should run again, with network and volumes. */
int zn_service_restore(struct zn_work *w, const struct zn_dep *d, struct zn_err *err);
/* Removes a swarm service if it belongs to that deployment, and waits until its containers are gone. */
int zn_service_remove(struct zn_work *w, struct zt_actx *c, const char *name, const char *hash,
                      struct zn_err *err);

#endif
