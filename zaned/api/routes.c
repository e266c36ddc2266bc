/* Every table of this build. */
#include "zaned/api/api.h"

#define TABLE(area) { zn_##area##_routes, &zn_##area##_nroutes, #area }

const struct zn_route_table zn_all_routes[] = {
    TABLE(auth),
    TABLE(system),
    TABLE(project),
    TABLE(service),
    TABLE(deployment),
    TABLE(log),
    TABLE(toggle),
    TABLE(place),
    TABLE(account),
    TABLE(workspace),
    TABLE(console),
    TABLE(member),
    TABLE(invitation),
    TABLE(token),
    TABLE(session),
    TABLE(totp),
    TABLE(audit),
    TABLE(change),
    TABLE(variable),
    TABLE(bulk),
    TABLE(registry),
    TABLE(document),
};
const size_t zn_all_nroutes = ZN_COUNT(zn_all_routes);
