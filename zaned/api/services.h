/* What the route files of services share. */
#ifndef ZN_API_SERVICES_H
#define ZN_API_SERVICES_H

#include "zaned/api/snapshot.h"

enum { ZN_MAX_WAITING = 500 }; /* changes of one service */

/* The service that the path parameters project_slug, env_slug and service_slug name. */
int zn_service_by_path(struct zn_conn *c, struct zn_call *call, bool lock, struct zn_service *ret,
                       struct zn_err *err);

/* ZN_STALE if the caller's If-Match is not the entity tag of the service as it is (locked). */
int zn_service_fresh(struct zn_call *call, const struct zn_service *s, struct zn_err *err);

/* The row's part of archiving a locked service: slug, URLs and ports of the host are free at once, its deployments end.
 * Containers, volumes and the row itself go with the workflow that the caller asks for. */
int zn_service_archive(struct zn_conn *c, struct zn_call *call, const char *id, struct zn_err *err);

/* Inserts a service without an image. *id stays NULL if the slug is taken. */
int zn_service_insert(struct zn_conn *c, struct zn_call *call, const struct zn_place *place,
                      const char *slug, const char **id, struct zn_err *err);

#endif
