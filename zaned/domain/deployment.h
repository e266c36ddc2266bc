/* Rules of deployments: slots, statuses, what may still be cancelled. */
#ifndef ZN_DOMAIN_DEPLOYMENT_H
#define ZN_DOMAIN_DEPLOYMENT_H

#include <stdbool.h>

/* Why a deployment can't be cancelled, or NULL if it can. */
const char *zn_deployment_uncancellable(const char *status, bool finished);

/* "GREEN" iff the newest production deployment is BLUE and did not fail. NULLs: there is none. */
const char *zn_deployment_slot(const char *production_slot, const char *production_status);

/* Status shown on a service's card. production: status of the current one or NULL; unfinished: one is
 * waiting or running. */
const char *zn_service_card_status(const char *production, bool unfinished);

#endif
