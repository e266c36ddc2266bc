/* Routes of the variables that an environment shares. */
#include "zaned/api/api.h"

const struct zn_route zn_variable_routes[1];
const size_t zn_variable_nroutes = 0;
