/* Statements of the API: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_API_H
#define ZN_STORE_SQL_API_H

#define ZN_SQL_API(X) X(PING, 0, "select 1")

#endif
