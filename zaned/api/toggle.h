/* Putting services to sleep and waking them: what the ways to ask for it share. */
#ifndef ZN_API_TOGGLE_H
#define ZN_API_TOGGLE_H

#include "zaned/api/snapshot.h"

extern const char *const zn_toggle_states[]; /* values of desired_state, NULL-ended */

/* Writes the wish for a locked service down, and asks for the workflow that carries it out. *ret: false
 * if the service was never deployed, so that there is nothing to do. ZN_CONFLICT: a deployment of it is
 * under way. */
int zn_toggle(struct zn_conn *c, struct zn_call *call, const char *service_id, const char *slug,
              const char *desired_state, bool *ret, struct zn_err *err);

#endif
