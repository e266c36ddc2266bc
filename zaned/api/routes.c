/* Every table of this build. */
#include "zaned/api/api.h"

const struct zn_route_table zn_all_routes[] = {
    { zn_auth_routes, &zn_auth_nroutes },       { zn_system_routes, &zn_system_nroutes },
    { zn_project_routes, &zn_project_nroutes }, { zn_service_routes, &zn_service_nroutes },
    { zn_deployment_routes, &zn_deployment_nroutes }, { zn_log_routes, &zn_log_nroutes },
    { zn_toggle_routes, &zn_toggle_nroutes },   { zn_place_routes, &zn_place_nroutes },
};
const size_t zn_all_nroutes = ZN_COUNT(zn_all_routes);
