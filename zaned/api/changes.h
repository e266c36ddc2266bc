/* Changes of services in the database: stored while they wait, applied when deployed. */
#ifndef ZN_API_CHANGES_H
#define ZN_API_CHANGES_H

#include "zaned/api/snapshot.h"

#define ZN_ID_PORT "prt_"
#define ZN_ID_CONFIG "cf_"
#define ZN_ID_SHARED_VOLUME "shared_vol_"

/* Copy of a change with its secrets sealed (new reference). */
int zn_change_sealed(struct zn_call *call, const json_t *change, json_t **ret, struct zn_err *err);

/* Stores one change in clear text (secrets are sealed on the way). deployment: NULL = it
 * waits; else it counts as applied by that one. */
int zn_change_store(struct zn_conn *c, struct zn_call *call, const char *service_id,
                    const json_t *change, const char *deployment, struct zn_err *err);

/* Applies changes in order to the parts of the service; secrets may be sealed or not.
 * ZN_CONFLICT if one does not fit any more. */
int zn_changes_apply(struct zn_conn *c, struct zn_call *call, const char *service_id,
                     const json_t *changes, struct zn_err *err);

#endif
