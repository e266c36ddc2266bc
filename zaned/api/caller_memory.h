/* Callers that were loaded a moment ago, kept in memory. */
#ifndef ZN_API_CALLER_MEMORY_H
#define ZN_API_CALLER_MEMORY_H

#include "zaned/api/api.h"

/* Fills c->who from memory; false if it is not known there. Never waits. */
bool zn_caller_recall(struct zn_call *c);
/* From memory, else by zn_caller_load, which is then remembered. */
int zn_caller_find(struct zn_call *c, struct zn_err *err);

#endif
