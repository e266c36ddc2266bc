/* Statements of users, workspaces and health: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_AUTH_H
#define ZN_STORE_SQL_AUTH_H

#define ZN_SQL_AUTH(X) X(PING, 0, "select 1")

#endif
