/* Statements of accounts, workspaces, members and invitations: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_PEOPLE_H
#define ZN_STORE_SQL_PEOPLE_H

#include "zaned/store/sql_api.h" /* ZN_SQLT_TS */

/* Pieces that several statements share. */
#define ZN_SQLT_ROLE_NAME(col)                                                                    \
    "case " col " when 50 then 'Owner' when 40 then 'Admin' when 30 then 'Member' else 'Guest' end"

#define ZN_SQLT_PROJECTS_OF(table, key)                                                           \
    "(select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'slug', p.slug) order by p.slug), '[]')" \
    " from " table " g join project p on p.id = g.project_id where g." key " and p.archived_at is null)"

/* A member m, whose user is u. */
#define ZN_SQLT_MEMBER_DOC                                                                        \
    "jsonb_build_object('id', m.id, 'role', m.role, 'role_name', " ZN_SQLT_ROLE_NAME("m.role") "," \
    " 'accessible_projects', " ZN_SQLT_PROJECTS_OF("membership_project", "membership_id = m.id") "," \
    " 'user', jsonb_build_object('username', u.username, 'first_name', u.first_name, 'last_name'," \
    " u.last_name))"

#define ZN_SQLT_WORKSPACE_DOC "jsonb_build_object('id', w.id, 'name', w.name)"

#define ZN_SQLT_INVITATION_DOC                                                                    \
    "jsonb_build_object('id', i.id, 'username', i.username, 'role', i.role, 'role_name', "        \
    ZN_SQLT_ROLE_NAME("i.role") ", 'expires_at', " ZN_SQLT_TS("i.expires_at") ","                 \
    " 'token', jsonb_build_object('sealed', i.token_sealed, 'key_id', i.key_id),"                 \
    " 'accessible_projects', " ZN_SQLT_PROJECTS_OF("invitation_project", "invitation_id = i.id") ")"

#define ZN_SQLT_USER_DOC                                                                          \
    "jsonb_build_object('id', u.id, 'username', u.username, 'first_name', u.first_name, 'last_name'," \
    " u.last_name, 'is_superuser', u.is_superuser, 'is_active', u.is_active)"

#define ZN_SQLT_RESET_DOC                                                                         \
    "jsonb_build_object('id', r.id, 'expires_at', " ZN_SQLT_TS("r.expires_at") ","                \
    " 'value', jsonb_build_object('sealed', r.token_sealed, 'key_id', r.key_id),"                 \
    " 'user', " ZN_SQLT_USER_DOC ")"

#define ZN_SQL_PEOPLE(X)                                                                          \
    X(GUEST_PROJECTS, 1,                                                                          \
      "select project_id from membership_project where membership_id = $1::bigint"                \
      " order by project_id limit 500")                                                           \
    X(PROFILE_SET, 4,                                                                             \
      "update app_user set username = coalesce($2, username), first_name = coalesce($3, first_name)," \
      " last_name = coalesce($4, last_name) where id = $1::bigint returning username, first_name, last_name") \
    /* --- workspaces. Whatever changes one or who is in it locks its row first. */               \
    X(WORKSPACE_LOCK, 1,                                                                          \
      "select w.id, " ZN_SQLT_WORKSPACE_DOC " as doc from workspace w where w.id = $1"            \
      " and w.deleted_at is null for no key update")                                              \
    X(WORKSPACE_DOC, 1,                                                                           \
      "select " ZN_SQLT_WORKSPACE_DOC " as doc from workspace w where w.id = $1 and w.deleted_at is null") \
    X(WORKSPACES_OF, 1,                                                                           \
      "select jsonb_build_object('id', m.id, 'role', m.role, 'role_name', " ZN_SQLT_ROLE_NAME("m.role") "," \
      " 'workspace', " ZN_SQLT_WORKSPACE_DOC ") as doc from membership m join workspace w"        \
      " on w.id = m.workspace_id where m.user_id = $1::bigint order by m.id limit 1000")          \
    X(WORKSPACE_RENAME, 2, "update workspace set name = $2 where id = $1")                        \
    /* Two owners that delete their workspaces at once must not both find the other's. */         \
    X(WORKSPACES_LOCK, 0, "select pg_advisory_xact_lock(hashtext('zane.workspaces'))")            \
    X(WORKSPACE_OTHER, 1,                                                                         \
      "select 1 from workspace where id <> $1 and deleted_at is null limit 1")                    \
    X(WORKSPACE_PROJECTS_LOCK, 1,                                                                 \
      "select id from project where workspace_id = $1 and archived_at is null order by id for update") \
    X(WORKSPACE_MEMBERS_DROP, 1, "delete from membership where workspace_id = $1")                \
    X(WORKSPACE_INVITATIONS_DROP, 1, "delete from workspace_invitation where workspace_id = $1")  \
    X(WORKSPACE_HIDE, 1, "update workspace set deleted_at = now() where id = $1")                 \
    X(WORKSPACE_FORGET, 1,                                                                        \
      "delete from workspace w where w.id = $1 and w.deleted_at is not null"                      \
      " and not exists (select 1 from project p where p.workspace_id = w.id)")                    \
    /* --- members */                                                                             \
    X(MEMBER_OF, 2,                                                                               \
      "select m.id, m.role from membership m where m.user_id = $1::bigint and m.workspace_id = $2") \
    X(MEMBER_DOC, 2,                                                                              \
      "select m.id, m.user_id, m.role, u.is_active, " ZN_SQLT_MEMBER_DOC " as doc from membership m" \
      " join app_user u on u.id = m.user_id where m.workspace_id = $1 and m.id = $2::bigint")     \
    X(MEMBER_PAGE, 4,                                                                             \
      "select count(*) over () as n, " ZN_SQLT_MEMBER_DOC " as doc from membership m"             \
      " join app_user u on u.id = m.user_id where m.workspace_id = $1"                            \
      " and ($2::integer is null or m.role = $2::integer) order by m.id limit $3::integer offset $4::bigint") \
    X(MEMBER_ADD, 3,                                                                              \
      "insert into membership (user_id, workspace_id, role) values ($1::bigint, $2, $3::integer)" \
      " on conflict do nothing returning id")                                                     \
    X(MEMBER_ROLE_SET, 2, "update membership set role = $2::integer where id = $1::bigint")       \
    X(MEMBER_DROP, 1, "delete from membership where id = $1::bigint")                             \
    X(MEMBER_PROJECTS_DROP, 1, "delete from membership_project where membership_id = $1::bigint") \
    X(MEMBER_PROJECTS_ADD, 3,                                                                     \
      "insert into membership_project (membership_id, project_id) select $1::bigint, p.id from project p" \
      " where p.workspace_id = $2 and p.archived_at is null"                                      \
      " and p.id in (select jsonb_array_elements_text($3::jsonb))")                               \
    X(MEMBER_PROJECTS_COPY, 2,                                                                    \
      "insert into membership_project (membership_id, project_id) select $1::bigint, g.project_id" \
      " from invitation_project g where g.invitation_id = $2")                                    \
    /* Those of the ids that are no projects of the workspace. */                                 \
    X(PROJECTS_MISSING, 2,                                                                        \
      "select x.id from jsonb_array_elements_text($2::jsonb) x (id) where not exists (select 1 from" \
      " project p where p.id = x.id and p.workspace_id = $1 and p.archived_at is null) limit 16") \
    /* The owner becomes an admin; the caller gives the workspace another owner in the same transaction. */ \
    X(OWNER_DEMOTE, 1, "update membership set role = 40 where workspace_id = $1 and role = 50")   \
    X(OWNER_PUT, 2,                                                                               \
      "insert into membership (user_id, workspace_id, role) values ($1::bigint, $2, 50)"          \
      " on conflict (user_id, workspace_id) do update set role = 50 returning id")                \
    /* --- invitations */                                                                         \
    X(INVITATION_LIST, 1,                                                                         \
      "select " ZN_SQLT_INVITATION_DOC " as doc from workspace_invitation i where i.workspace_id = $1" \
      " order by i.username limit 1000")                                                          \
    X(INVITATION_DOC, 2,                                                                          \
      "select i.role, " ZN_SQLT_INVITATION_DOC " as doc from workspace_invitation i"              \
      " where i.workspace_id = $1 and i.id = $2")                                                 \
    X(MEMBER_NAMED, 2,                                                                            \
      "select 1 from membership m join app_user u on u.id = m.user_id"                            \
      " where m.workspace_id = $1 and u.username = $2")                                           \
    X(INVITATION_EXPIRED_DROP, 2,                                                                 \
      "delete from workspace_invitation where workspace_id = $1 and username = $2 and expires_at <= now()") \
    X(INVITATION_ADD, 8,                                                                          \
      "insert into workspace_invitation (id, workspace_id, username, role, token_hash, token_sealed," \
      " key_id, expires_at) values ($1, $2, $3, $4::integer, $5, $6, $7,"                         \
      " now() + $8::integer * interval '1 day') on conflict (workspace_id, username) do nothing returning id") \
    X(INVITATION_PROJECTS_ADD, 3,                                                                 \
      "insert into invitation_project (invitation_id, project_id) select $1, p.id from project p" \
      " where p.workspace_id = $2 and p.archived_at is null"                                      \
      " and p.id in (select jsonb_array_elements_text($3::jsonb))")                               \
    X(INVITATION_RENEW, 5,                                                                        \
      "update workspace_invitation set token_hash = $2, token_sealed = $3, key_id = $4,"          \
      " expires_at = now() + $5::integer * interval '1 day' where id = $1")                       \
    X(INVITATION_DROP, 1, "delete from workspace_invitation where id = $1")                       \
    X(INVITATION_BY_TOKEN, 1,                                                                     \
      "select i.id, i.username, i.role, i.workspace_id, w.name as workspace, exists (select 1 from" \
      " app_user u where u.username = i.username) as has_account from workspace_invitation i"     \
      " join workspace w on w.id = i.workspace_id where i.token_hash = $1 and i.expires_at > now()") \
    X(USER_ADD, 2,                                                                                \
      "insert into app_user (username, password_hash) values ($1, $2) on conflict do nothing returning id") \
    /* --- the console */                                                                         \
    X(USER_DOC, 1, "select " ZN_SQLT_USER_DOC " as doc from app_user u where u.id = $1::bigint")  \
    X(USER_ROW_LOCK, 1,                                                                           \
      "select u.is_active, " ZN_SQLT_USER_DOC " as doc from app_user u where u.id = $1::bigint for update") \
    X(USER_PAGE, 3,                                                                               \
      "select count(*) over () as n, " ZN_SQLT_USER_DOC " as doc from app_user u where $1::text is null" \
      " or position(lower($1) in lower(u.username)) > 0 order by u.id limit $2::integer offset $3::bigint") \
    X(USER_ACTIVE_SET, 2, "update app_user set is_active = $2::boolean where id = $1::bigint")    \
    X(USER_OWNS, 1,                                                                               \
      "select w.name from membership m join workspace w on w.id = m.workspace_id"                 \
      " where m.user_id = $1::bigint and m.role = 50 order by m.id limit 1")                      \
    X(USER_DROP, 1, "delete from app_user where id = $1::bigint")                                 \
    X(RESET_PUT, 4,                                                                               \
      "insert into password_reset (user_id, token_hash, token_sealed, key_id, expires_at)"        \
      " values ($1::bigint, $2, $3, $4, now() + interval '30 minutes') on conflict (user_id) do update set" \
      " token_hash = excluded.token_hash, token_sealed = excluded.token_sealed,"                  \
      " key_id = excluded.key_id, expires_at = excluded.expires_at returning id")                 \
    X(RESET_DOC, 1,                                                                               \
      "select " ZN_SQLT_RESET_DOC " as doc from password_reset r join app_user u on u.id = r.user_id" \
      " where r.id = $1::bigint and r.expires_at > now()")                                        \
    X(RESET_PAGE, 2,                                                                              \
      "select count(*) over () as n, " ZN_SQLT_RESET_DOC " as doc from password_reset r"          \
      " join app_user u on u.id = r.user_id where r.expires_at > now() order by r.id"             \
      " limit $1::integer offset $2::bigint")                                                     \
    X(RESET_DROP, 1,                                                                              \
      "delete from password_reset where id = $1::bigint and expires_at > now() returning id")     \
    X(RESET_BY_TOKEN, 1,                                                                          \
      "select u.id, u.username from password_reset r join app_user u on u.id = r.user_id"         \
      " where r.token_hash = $1 and r.expires_at > now() and u.is_active")                        \
    X(RESET_TAKE, 1,                                                                              \
      "delete from password_reset where token_hash = $1 and expires_at > now() returning user_id") \
    X(WORKSPACE_PAGE, 3,                                                                          \
      "select count(*) over () as n, " ZN_SQLT_WORKSPACE_DOC " as doc from workspace w"           \
      " where w.deleted_at is null and ($1::text is null or position(lower($1) in lower(w.name)) > 0)" \
      " order by w.created_at, w.id limit $2::integer offset $3::bigint")                         \
    X(WORKSPACE_DETAIL, 1,                                                                        \
      "select jsonb_build_object('id', w.id, 'name', w.name, 'members', (select"                  \
      " coalesce(jsonb_agg(" ZN_SQLT_MEMBER_DOC " order by m.id), '[]') from (select * from membership x" \
      " where x.workspace_id = w.id order by x.id limit 1000) m join app_user u on u.id = m.user_id))" \
      " as doc from workspace w where w.id = $1 and w.deleted_at is null")

#endif
