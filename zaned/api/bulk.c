/* Routes that act on several services, or on a service by its token. */
#include "zaned/api/api.h"

const struct zn_route zn_bulk_routes[1];
const size_t zn_bulk_nroutes = 0;
