/* Queueing deployments: what every way to deploy shares. All inside the caller's transaction, with the
 * service's row locked. */
#ifndef ZN_API_DEPLOY_H
#define ZN_API_DEPLOY_H

#include "zaned/api/snapshot.h"

struct zn_deploy {
    const char *commit_message; /* NULL = the default */
    const char *trigger;        /* MANUAL, AUTO or API */
    const char *redeploy_of;    /* hash, or NULL */
    const json_t *changes;      /* applied beside the waiting ones' order: NULL = apply what waits */
    bool cleanup_queue;         /* cancel what is unfinished first */
};

/* Applies the changes, inserts the deployment with its snapshot and gives it its turn if that has come.
 * With `changes` only these are applied, and what waits goes on waiting. s is reloaded. *hash in the
 * arena. */
int zn_deploy_queue(struct zn_conn *c, struct zn_call *call, struct zn_service *s,
                    const struct zn_deploy *how, const char **hash, struct zn_err *err);

/* Ends a deployment that waits for its turn, or asks the workflow of one that runs to end it. Its row is
 * locked by the caller, who calls zn_queue_dispatch() last. */
int zn_deploy_cancel(struct zn_conn *c, struct zn_call *call, const char *hash, const char *reason,
                     struct zn_err *err);

/* The same for all unfinished ones of a service. */
int zn_deploy_cancel_open(struct zn_conn *c, struct zn_call *call, const char *service_id,
                          const char *reason, struct zn_err *err);

/* A deployment as the API shows it (new reference). ZN_NOT_FOUND. */
int zn_deployment_load(struct zn_conn *c, struct zn_call *call, const char *service_id,
                       const char *hash, json_t **ret, struct zn_err *err);
/* The same from a row with the columns doc and snapshot. */
int zn_deployment_read(struct zn_call *call, const PGresult *rows, int row, json_t **ret,
                       struct zn_err *err);

/* PUT /api/deploys/{service}, in deploy_call.c. */
int zn_deploy_call(struct zn_call *call, struct zn_reply *reply, struct zn_err *err);

#endif
