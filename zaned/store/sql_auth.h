/* Statements of users, workspaces and health: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_AUTH_H
#define ZN_STORE_SQL_AUTH_H

#define ZN_SQL_AUTH(X)                                                                         \
    X(PING, 0, "select 1")                                                                     \
    X(MIGRATION_LOCK, 0, "select pg_try_advisory_lock(7262) as taken")                         \
    X(MIGRATION_UNLOCK, 0, "select pg_advisory_unlock(7262)")                                  \
    X(MIGRATION_TABLE, 0,                                                                      \
      "create table if not exists schema_migration (name text primary key,"                    \
      " sha256 text not null, applied_at timestamptz not null default now())")                 \
    X(MIGRATION_LIST, 0, "select name, sha256 from schema_migration order by name")            \
    X(MIGRATION_RECORD, 2, "insert into schema_migration (name, sha256) values ($1, $2)")      \
    /* $2: the session's workspace; without a membership there, the user's first one. */       \
    X(CALLER, 2,                                                                               \
      "select u.username, u.first_name, u.last_name, u.is_superuser, m.id as membership_id,"   \
      " m.role, w.id as workspace_id, w.name as workspace_name from app_user u"                \
      " left join lateral (select * from membership x where x.user_id = u.id"                  \
      " order by (x.workspace_id = $2) is true desc, x.id limit 1) m on true"                  \
      " left join workspace w on w.id = m.workspace_id"                                        \
      " where u.id = $1::bigint and u.is_active")                                              \
    X(USER_EXISTS, 0, "select exists (select 1 from app_user) as yes")                         \
    X(USER_LOCK, 0, "lock table app_user in share row exclusive mode")                         \
    X(USER_BY_NAME, 1, "select id, password_hash, is_active from app_user where username = $1")\
    X(USER_BY_ID, 1, "select id, username, password_hash from app_user where id = $1::bigint") \
    X(USER_INSERT, 3,                                                                          \
      "insert into app_user (username, password_hash, is_superuser)"                           \
      " values ($1, $2, $3::boolean) returning id")                                            \
    X(USER_PASSWORD, 2, "update app_user set password_hash = $2 where id = $1::bigint")        \
    X(WORKSPACE_INSERT, 2, "insert into workspace (id, name) values ($1, $2)")                 \
    X(MEMBERSHIP_INSERT, 3,                                                                    \
      "insert into membership (user_id, workspace_id, role) values ($1::bigint, $2, $3::integer)") \
    X(PROJECT_INSERT, 4,                                                                       \
      "insert into project (id, workspace_id, slug, description) values ($1, $2, $3, $4)")     \
    X(ENVIRONMENT_INSERT, 3,                                                                   \
      "insert into environment (id, project_id, name) values ($1, $2, $3)")                    \
    /* A domain that certificates may be made for: a live service's, or covered by its wildcard. */ \
    X(DOMAIN_KNOWN, 2,                                                                         \
      "select exists (select 1 from service_url u join service s on s.id = u.service_id"       \
      " where s.archived_at is null and u.domain in ($1, $2)) as yes")

#endif
