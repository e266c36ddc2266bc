/* Statements of projects, environments, shared variables and searches over them: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_PLACE_H
#define ZN_STORE_SQL_PLACE_H

#include "zaned/store/sql_api.h"

/* Values of variables stay sealed here. */
#define ZN_SQLT_VARIABLE_DOC                                                                     \
    "jsonb_build_object('id', v.id, 'key', v.key, 'value', jsonb_build_object('sealed',"         \
    " v.value_sealed, 'key_id', v.key_id))"

#define ZN_SQLT_ENVIRONMENT_DOC                                                                  \
    "jsonb_build_object('id', e.id, 'name', e.name, 'is_preview', e.is_preview,"                 \
    " 'preview_metadata', null, 'variables', (select coalesce(jsonb_agg(" ZN_SQLT_VARIABLE_DOC   \
    " order by v.created_at, v.id), '[]') from environment_variable v"                           \
    " where v.environment_id = e.id))"

/* $n is the beginning of the column's text: a range, which an index in byte order finds whatever the
 * parameter is. */
#define ZN_SQLT_BEGINS(column, n)                                                                \
    " and " column " collate \"C\" >= $" #n "::text"                                             \
    " and " column " collate \"C\" < $" #n "::text || chr(1114111)"

#define ZN_SQL_PLACE(X)                                                                          \
    X(PROJECT_DOC_BY_ID, 1,                                                                      \
      "select jsonb_build_object(" ZN_SQLT_PROJECT_DOC ") as doc from project p where p.id = $1") \
    X(PROJECT_UPDATE, 3,                                                                         \
      "update project set slug = coalesce($2, slug), description = coalesce($3, description),"   \
      " updated_at = now() where id = $1")                                                       \
    X(ENVIRONMENT_DOC, 1,                                                                        \
      "select " ZN_SQLT_ENVIRONMENT_DOC " as doc from environment e where e.id = $1"             \
      " and e.archived_at is null")                                                              \
    X(ENVIRONMENT_COUNT, 1,                                                                      \
      "select count(*) as n from environment where project_id = $1 and archived_at is null")     \
    X(ENVIRONMENT_RENAME, 2, "update environment set name = $2 where id = $1")                   \
    /* Taken first by what adds to an environment up to a limit. */                              \
    X(ENVIRONMENT_HOLD, 1,                                                                       \
      "select id from environment where id = $1 and archived_at is null for update")             \
    X(VARIABLE_LIST, 1,                                                                          \
      "select " ZN_SQLT_VARIABLE_DOC " as doc from environment_variable v"                       \
      " where v.environment_id = $1 order by v.created_at, v.id limit 1000")                     \
    X(VARIABLE_ONE, 2,                                                                           \
      "select " ZN_SQLT_VARIABLE_DOC " as doc from environment_variable v"                       \
      " where v.id = $2 and v.environment_id = $1")                                              \
    X(VARIABLE_LOCK, 2,                                                                          \
      "select " ZN_SQLT_VARIABLE_DOC " as doc from environment_variable v"                       \
      " where v.id = $2 and v.environment_id = $1 for update")                                   \
    X(VARIABLE_COUNT, 1,                                                                         \
      "select count(*) as n from environment_variable where environment_id = $1")                \
    X(VARIABLE_ADD, 5,                                                                           \
      "insert into environment_variable (id, environment_id, key, value_sealed, key_id)"         \
      " values ($1, $2, $3, $4, $5) on conflict (environment_id, key) do nothing returning id")  \
    X(VARIABLE_SET, 4,                                                                           \
      "update environment_variable set key = $2, value_sealed = $3, key_id = $4,"                \
      " updated_at = clock_timestamp() where id = $1")                                           \
    X(VARIABLE_DELETE, 1, "delete from environment_variable where id = $1")                      \
    X(VARIABLE_COPY, 3,                                                                          \
      "insert into environment_variable (id, environment_id, key, value_sealed, key_id)"         \
      " select $1, $2, key, value_sealed, key_id from environment_variable where id = $3")       \
    /* A copy ($2) of a service ($1) in another environment: with the settings that are columns of its \
     * row, whichever there are, but without what changes bring and deployments know. */         \
    X(SERVICE_COPY, 4,                                                                           \
      "insert into service select (jsonb_populate_record(null::service, to_jsonb(s) ||"          \
      " jsonb_build_object('id', $2::text, 'environment_id', $3::text, 'deploy_token', $4::text," \
      " 'image', null, 'command', null, 'resource_limits', null, 'registry_credential_id', null," \
      " 'routed_hash', null, 'created_at', now(), 'updated_at', now()))).* from service s"       \
      " where s.id = $1 and s.archived_at is null returning id")                                 \
    X(SERVICES_LOCK_SOME, 2,                                                                     \
      "select id, slug from service where environment_id = $1 and id = any($2::text[])"          \
      " and archived_at is null order by id for update")                                         \
    X(SERVICE_LOCK_BY_TOKEN, 1,                                                                  \
      "select s.id, s.slug, e.id as environment_id, e.name as environment, p.id as project_id,"  \
      " p.slug as project from service s join environment e on e.id = s.environment_id"          \
      " join project p on p.id = e.project_id where s.deploy_token = $1 and s.archived_at is null" \
      " for update of s")                                                                        \
    /* Five of each kind. $2: how the name begins, in lower case. The limits inside keep the planner \
     * from reading whole tables to join them: names are read in order until five are found. */  \
    X(SEARCH, 3,                                                                                 \
      "select doc from ((select 1 as kind, p.slug as name, p.id, jsonb_build_object('type',"     \
      " 'project', 'id', p.id, 'slug', p.slug, 'created_at', " ZN_SQLT_TS("p.created_at") ") as doc" \
      " from project p where p.workspace_id = $1 and p.archived_at is null"                      \
      ZN_SQLT_BEGINS("p.slug", 2) ZN_SQLT_GUEST_SEES(3)                                          \
      " order by p.slug collate \"C\" limit 5) union all"                                        \
      " (select 2, e.name, e.id, jsonb_build_object('type', 'environment', 'id', e.id, 'name',"  \
      " e.name, 'project_slug', p.slug, 'created_at', " ZN_SQLT_TS("e.created_at") ")"           \
      " from environment e cross join lateral (select p.id, p.slug from project p"               \
      " where p.id = e.project_id and p.workspace_id = $1 limit 1) p where e.archived_at is null" \
      ZN_SQLT_BEGINS("e.name", 2) ZN_SQLT_GUEST_SEES(3)                                          \
      " order by e.name collate \"C\", e.id limit 5) union all"                                  \
      " (select 3, s.slug, s.id, jsonb_build_object('type', 'service', 'id', s.id, 'slug', s.slug," \
      " 'kind', s.type, 'git_provider', null, 'project_slug', p.slug, 'environment', p.environment," \
      " 'created_at', " ZN_SQLT_TS("s.created_at") ")"                                           \
      " from service s cross join lateral (select p.id, p.slug, e.name as environment"           \
      " from environment e join project p on p.id = e.project_id where e.id = s.environment_id"  \
      " and p.workspace_id = $1 limit 1) p where s.archived_at is null"                          \
      ZN_SQLT_BEGINS("s.slug", 2) ZN_SQLT_GUEST_SEES(3)                                          \
      " order by s.slug collate \"C\", s.id limit 5)) found order by kind, name collate \"C\", id")

#endif
