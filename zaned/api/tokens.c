/* Routes of API tokens, sessions and the second factor. */
#include "zaned/api/api.h"

const struct zn_route zn_token_routes[1];
const size_t zn_token_nroutes = 0;
