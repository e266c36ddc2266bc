/* Swarm specs of user services, and the names of everything we create (docs/internals.md §User
 * services). Pure: no engine, no clock. */
#ifndef ZN_SWARM_SPEC_H
#define ZN_SWARM_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

enum { ZN_NAME_LEN = 96 };

/* Facts beside the snapshot that a spec needs; all borrowed. */
struct zn_spec_env {
    const char *hash;           /* of the deployment */
    const char *slot;           /* "BLUE" or "GREEN" */
    const char *environment_id; /* "env_…" */
    const char *environment;    /* its name */
    const char *project_id;
    const char *log_address;    /* fluentd-address as the engine sees it; NULL or "" = json-file */
    json_t *shared_env;         /* [{key,value}] of the environment; may be NULL */
    const json_t *configs;      /* swarm name → id of each config of the snapshot; may be NULL */
};

/* Lower-cased part of an id after its last '_'. */
void zn_name_part(const char *id, char *ret, size_t size);
/* "srv-<part>-<blue|green>", "zn-env-<part>", "vol-<part>"; ret holds ZN_NAME_LEN bytes. */
void zn_name_service(const char *service_id, const char *slot, char *ret);
void zn_name_network(const char *environment_id, char *ret);
void zn_name_volume(const char *volume_id, char *ret);
/* "cfg-<part>-v<version>": contents never change under a name. */
void zn_name_config(const char *config_id, int64_t version, char *ret);

/* True if two copies of the service may not run beside each other: a writable volume or a host
 * port. */
bool zn_spec_exclusive(const json_t *snapshot);

/* Body of POST /services/create for one deployment of the service in `snapshot` (the API's service
 * object). *ret is a new reference. ZN_INVALID names what the snapshot lacks. */
int zn_spec_build(json_t *snapshot, const struct zn_spec_env *env, json_t **ret,
                  struct zn_err *err);

#endif
