/* Statements of idempotency keys and change notices: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_HTTP_H
#define ZN_STORE_SQL_HTTP_H

#define ZN_SQL_HTTP(X)

#endif
