#include "zaned/domain/deployment.h"

#include <stddef.h>
#include <string.h>

static bool one_of(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(s, *list) == 0)
            return true;
    return false;
}

const char *zn_deployment_uncancellable(const char *status, bool finished)
{
    static const char *const open[] = { "QUEUED",   "PREPARING",  "BUILDING",
                                        "STARTING", "RESTARTING", NULL };

    if (strcmp(status, "CANCELLING") == 0 && !finished)
        return "This deployment is being cancelled already.";
    if (finished || !one_of(status, open))
        return "This deployment has finished, it can no longer be cancelled.";
    return NULL;
}

const char *zn_deployment_slot(const char *production_slot, const char *production_status)
{
    bool blue = production_slot && strcmp(production_slot, "BLUE") == 0;

    return blue && strcmp(production_status, "FAILED") != 0 ? "GREEN" : "BLUE";
}

const char *zn_service_card_status(const char *production, bool unfinished)
{
    if (unfinished)
        return "DEPLOYING";
    if (!production)
        return "NOT_DEPLOYED_YET";
    if (strcmp(production, "HEALTHY") == 0)
        return "HEALTHY";
    if (strcmp(production, "SLEEPING") == 0)
        return "SLEEPING";
    if (strcmp(production, "FAILED") == 0)
        return "FAILED";
    return strcmp(production, "UNHEALTHY") == 0 ? "UNHEALTHY" : "DEPLOYING";
}
