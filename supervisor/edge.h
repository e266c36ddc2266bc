/* Attaches the proxy to every environment network (label zane.edge=true), busiest first: after each
 * start of its container, and again on a slow timer. */
#ifndef ZN_SUPERVISOR_EDGE_H
#define ZN_SUPERVISOR_EDGE_H

#include <jansson.h>

#include "supervisor/supervisor.h"

int zn_edge_open(struct zn_supervisor *s, struct zn_err *err);
void zn_edge_close(struct zn_supervisor *s);
/* caddy's container runs, or runs anew: attach now. */
void zn_edge_attach(struct zn_supervisor *s);
void zn_edge_lost(struct zn_supervisor *s);

/* Ids of the networks to connect, most used first: edge networks of /networks that are not in
 * `attached` (NetworkSettings.Networks of the container), ordered by how many of /services use
 * them. New reference to an array of strings. */
json_t *zn_edge_plan(json_t *networks, json_t *services, json_t *attached);

#endif
