/* Routes of registry credentials. */
#include "zaned/api/api.h"

const struct zn_route zn_registry_routes[1];
const size_t zn_registry_nroutes = 0;
