/* Statements of projects, environments, shared variables and searches over them: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_PLACE_H
#define ZN_STORE_SQL_PLACE_H

#define ZN_SQL_PLACE(X)

#endif
