/* PUT /api/deploy-service/docker/{deploy_token}: the handler and its body, for the table in bulk.c. */
#ifndef ZN_API_WEBHOOK_H
#define ZN_API_WEBHOOK_H

#include "zaned/api/api.h"

enum { ZN_WEBHOOK_NFIELDS = 3 };
extern const struct zn_jfield zn_webhook_fields[ZN_WEBHOOK_NFIELDS];
int zn_webhook_deploy(struct zn_call *call, struct zn_reply *reply, struct zn_err *err);

#endif
