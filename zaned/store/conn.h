/* Inside of the store: what migrate.c needs of a connection beyond store.h. */
#ifndef ZN_STORE_CONN_H
#define ZN_STORE_CONN_H

#include "zaned/store/store.h"

/* Runs text of any number of statements (a migration, never input) without parameters. deadline_ms
 * bounds the wait; afterwards the connection is unusable if it passed. */
int zn_conn_exec(struct zn_conn *c, const char *text, int64_t deadline_ms, PGresult **ret,
                 struct zn_err *err);

#endif
