/* Shared by client.c and schedule.c. */
#ifndef ZT_CLIENT_INTERNAL_H
#define ZT_CLIENT_INTERNAL_H

#include "zaned/temporal/client.h"
#include "zaned/temporal/pb.h"

enum { ZT_TEXT_MAX = 255 };

/* A short call with its retries, whose answer says nothing more (ret NULL) or is decoded as type. */
int zt_client_rpc(struct zt_client *c, const char *path, const ProtobufCMessage *req,
                  const ProtobufCMessageDescriptor *type, struct zn_arena *a, void **ret,
                  struct zn_err *err);

/* ZN_INVALID names the field and its limit. s may be NULL if min is 0. */
int zt_check_text(const char *field, const char *s, size_t min, size_t max, struct zn_err *err);
int zt_check_input(const json_t *input, struct zn_err *err);

#endif
