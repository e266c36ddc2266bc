/* Statements of accounts, workspaces, members and invitations: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_PEOPLE_H
#define ZN_STORE_SQL_PEOPLE_H

#define ZN_SQL_PEOPLE(X)

#endif
