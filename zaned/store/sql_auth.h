/* Statements of users, workspaces and health: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_AUTH_H
#define ZN_STORE_SQL_AUTH_H

#define ZN_SQL_AUTH(X)                                                                         \
    X(PING, 0, "select 1")                                                                     \
    X(MIGRATION_BY_NAME, 1, "select sha256 from schema_migration where name = $1")             \
    X(MIGRATION_RECORD, 2, "insert into schema_migration (name, sha256) values ($1, $2)")

#endif
