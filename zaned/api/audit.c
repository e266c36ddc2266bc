#include "zaned/api/audit.h"

int zn_audit(struct zn_conn *c, struct zn_call *call, const char *action, const char *target,
             const json_t *before, const json_t *after, struct zn_err *err)
{
    (void)c;
    (void)call;
    (void)action;
    (void)target;
    (void)before;
    (void)after;
    (void)err;
    return 0;
}

const struct zn_route zn_audit_routes[1];
const size_t zn_audit_nroutes = 0;
