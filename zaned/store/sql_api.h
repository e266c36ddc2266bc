/* Statements of the API: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_API_H
#define ZN_STORE_SQL_API_H

#define ZN_SQL_API(X) \
    X(PROJECT_BY_SLUG, 1, "select id, slug, description, workspace_id from project where slug = $1")

#endif
