/* Routes of a person's own account. */
#include "zaned/api/api.h"

const struct zn_route zn_account_routes[1];
const size_t zn_account_nroutes = 0;
