/* Statements of registry credentials: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_REGISTRY_H
#define ZN_STORE_SQL_REGISTRY_H

#define ZN_SQL_REGISTRY(X)

#endif
