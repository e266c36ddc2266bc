/* What other route files need of projects and environments. */
#ifndef ZN_API_PLACES_H
#define ZN_API_PLACES_H

#include "zaned/api/api.h"
#include "zaned/store/store.h"

/* Archives a locked project with all that is in it: rows now, the rest by the workflow that is asked for
 * here. The caller ends its transaction with zn_queue_dispatch. */
int zn_project_archive(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err);

#endif
