/* Statements of what services are made of, and their changes: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_CHANGE_H
#define ZN_STORE_SQL_CHANGE_H

#define ZN_SQL_CHANGE(X)

#endif
