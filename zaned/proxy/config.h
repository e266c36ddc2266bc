/* Caddy's complete configuration as a pure function of what should be reachable. The address that
 * a service's requests go to is not in it: it is the content of a small file that Caddy reads for each
 * request, so that the blue/green switch is a rename and needs no load (docs/decisions/0002). */
#ifndef ZN_PROXY_CONFIG_H
#define ZN_PROXY_CONFIG_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

enum { ZN_EDGE_NAME = 96 };

/* One routed service; all borrowed. */
struct zn_route_service {
    const char *service_id, *hash, *slot; /* slot "BLUE" or "GREEN" */
    const char *host;                     /* name of its container on the environment network */
    json_t *urls; /* snapshot: [{domain, base_path, strip_prefix, redirect_to, associated_port}] */
};

struct zn_proxy_opts {
    const char *app_domain;  /* the dashboard and the API */
    const char *root_domain;
    const char *edge_dir;    /* folder of the upstream files as Caddy sees it */
    const char *api;         /* "host:port" of the API on the edge network */
};

/* "<id part>.<port>": the file with a service's upstream for one port, and "<id part>.hash",
 * "<id part>.slot"; ret holds ZN_EDGE_NAME bytes. */
void zn_edge_file(const char *service_id, const char *what, char *ret);

/* *ret: new reference. The order of services does not matter. */
int zn_proxy_render(const struct zn_proxy_opts *o, const struct zn_route_service *services,
                    size_t n, json_t **ret, struct zn_err *err);

#endif
