/* Routes of the API's own description. */
#include "zaned/api/api.h"

const struct zn_route zn_document_routes[1];
const size_t zn_document_nroutes = 0;
