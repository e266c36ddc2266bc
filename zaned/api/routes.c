/* Every table of this build, with the area of the description that shows it. */
#include "zaned/api/api.h"

#define TABLE(name, area) { zn_##name##_routes, &zn_##name##_nroutes, area }

const struct zn_route_table zn_all_routes[] = {
    TABLE(auth, "account"),
    TABLE(account, "account"),
    TABLE(session, "account"),
    TABLE(totp, "account"),
    TABLE(token, "tokens"),
    TABLE(workspace, "workspaces"),
    TABLE(member, "workspaces"),
    TABLE(invitation, "workspaces"),
    TABLE(console, "instance"),
    TABLE(project, "projects"),
    TABLE(place, "projects"),
    TABLE(variable, "projects"),
    TABLE(service, "services"),
    TABLE(change, "services"),
    TABLE(deployment, "deployments"),
    TABLE(toggle, "deployments"),
    TABLE(bulk, "deployments"),
    TABLE(log, "logs"),
    TABLE(registry, "registries"),
    TABLE(feed, "events"),
    TABLE(system, "system"),
    TABLE(audit, "audit log"),
    TABLE(document, "description"),
};
const size_t zn_all_nroutes = ZN_COUNT(zn_all_routes);
