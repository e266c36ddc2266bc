/* Routes of workspaces, their members and invitations. */
#include "zaned/api/api.h"

const struct zn_route zn_workspace_routes[1];
const size_t zn_workspace_nroutes = 0;
