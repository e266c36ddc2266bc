/* Statements of API tokens, second factors, the audit log and keys: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_SECURITY_H
#define ZN_STORE_SQL_SECURITY_H

#define ZN_SQL_SECURITY(X)

#endif
