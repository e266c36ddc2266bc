/* Services as objects: found by their path, loaded with all their parts, shown, kept as snapshots. */
#ifndef ZN_API_SNAPSHOT_H
#define ZN_API_SNAPSHOT_H

#include "zaned/api/api.h"
#include "zaned/domain/state.h"
#include "zaned/store/store.h"

/* An environment and its project; texts in the request's arena. */
struct zn_place {
    const char *project_id, *project, *environment_id, *environment;
};

/* Finds the place in the caller's workspace; slugs are compared in lower case. ZN_NOT_FOUND. */
int zn_place_find(struct zn_conn *c, struct zn_call *call, const char *project,
                  const char *environment, struct zn_place *ret, struct zn_err *err);

struct zn_service {
    struct zn_place place;
    const char *id;  /* arena */
    json_t *doc;     /* with its waiting changes under unapplied_changes; values sealed */
    json_t *clear;   /* the same, values in clear text */
    json_t *pending; /* borrowed from clear */
    bool token_shown; /* whether the caller may see the deploy token */
};

/* lock: the row stays locked until the transaction ends; whatever changes or deploys a service takes
 * it. ZN_NOT_FOUND names what is missing. */
int zn_service_find(struct zn_conn *c, struct zn_call *call, const char *project,
                    const char *environment, const char *slug, bool lock, struct zn_service *ret,
                    struct zn_err *err);
/* Reads the parts again after a change. */
int zn_service_reload(struct zn_conn *c, struct zn_call *call, struct zn_service *s,
                      struct zn_err *err);
void zn_service_done(struct zn_service *s);
#define zn_auto_service ZN_AUTO(zn_service_done) struct zn_service

/* The service as the API shows it (new reference); borrows nothing from s. */
json_t *zn_service_show(const struct zn_service *s);
/* What a deployment keeps of the service: the same shape without waiting changes and deploy token. Secret
 * are env_variables[].value, environment.variables[].value and configs[].contents, each kept as {sealed,
 * key_id}. */
json_t *zn_service_snapshot(const struct zn_service *s);

/* Rules for this service; url_taken asks through the transaction's connection. */
struct zn_rules_port {
    struct zn_conn *conn;
    const char *service_id;
    struct zn_arena *arena;
};
struct zn_state_rules zn_service_rules(struct zn_call *call, struct zn_rules_port *port);

/* Secrets of a service's document or snapshot to clear text, in place. */
int zn_unseal_service(const struct zn_sealer *sealer, json_t *doc, struct zn_err *err);
/* The member that is secret in the items of that list ("value" of env_variables); NULL = none. */
const char *zn_sealed_member(const char *field);
/* The same inside stored changes. */
int zn_unseal_changes(const struct zn_sealer *sealer, json_t *changes, struct zn_err *err);

/* Compact text of a value in the arena; NULL is JSON null. */
const char *zn_json_text(struct zn_arena *a, const json_t *v);

#endif
