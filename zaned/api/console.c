/* Routes of the instance: users and workspaces, for superusers. */
#include "zaned/api/api.h"

const struct zn_route zn_console_routes[1];
const size_t zn_console_nroutes = 0;
