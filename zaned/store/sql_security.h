/* Statements of API tokens, second factors, the audit log and keys: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_SECURITY_H
#define ZN_STORE_SQL_SECURITY_H

#define ZN_SQL_SECURITY(X)                                                                       \
    /* No row: the time is over already. */                                                      \
    X(API_TOKEN_ADD, 7,                                                                          \
      "insert into api_token (id, user_id, workspace_id, name, scope, token_hash, expires_at)"   \
      " select $1, $2::bigint, $3, $4, $5, $6, $7::timestamptz"                                  \
      " where coalesce($7::timestamptz > now(), true) returning id")                             \
    X(API_TOKEN_COUNT, 2,                                                                        \
      "select count(*) as n from api_token where user_id = $1::bigint and workspace_id = $2")    \
    X(API_TOKEN_LIST, 3,                                                                         \
      "select jsonb_build_object('id', id, 'name', name, 'scope', scope,"                        \
      " 'created_at', " ZN_SQLT_TS("created_at") ","                                             \
      " 'expires_at', " ZN_SQLT_TS("expires_at") ","                                             \
      " 'last_used_at', " ZN_SQLT_TS("last_used_at") ", 'expired', coalesce(expires_at <="       \
      " now(), false)) as doc from api_token where user_id = $1::bigint and workspace_id = $2"   \
      " and ($3::text is null or id = $3) order by created_at, id limit 200")                    \
    X(API_TOKEN_DELETE, 3,                                                                       \
      "delete from api_token where user_id = $1::bigint and workspace_id = $2 and id = $3"       \
      " returning name, scope")                                                                  \
    /* A token whose owner left the workspace is nobody's there: no role. */                     \
    X(API_TOKEN_CALLER, 1,                                                                       \
      "select t.id as token_id, t.scope, u.id as user_id, u.username, u.first_name,"             \
      " u.last_name, m.id as membership_id, m.role, w.id as workspace_id, w.name as"             \
      " workspace_name, coalesce(t.last_used_at < now() - interval '1 minute', true) as"         \
      " unseen from api_token t join app_user u on u.id = t.user_id and u.is_active left join"   \
      " membership m on m.user_id = t.user_id and m.workspace_id = t.workspace_id left join"     \
      " workspace w on w.id = m.workspace_id where t.token_hash = $1 and"                        \
      " coalesce(t.expires_at > now(), true)")                                                   \
    X(API_TOKEN_USED, 1,                                                                         \
      "update api_token set last_used_at = now() where id = $1 and coalesce(last_used_at <"      \
      " now() - interval '1 minute', true)")                                                     \
    X(SECOND_FACTOR, 1,                                                                          \
      "select seed_sealed, key_id, confirmed_at is not null as confirmed, (select count(*)"      \
      " from recovery_code r where r.user_id = f.user_id and r.used_at is null) as codes from"   \
      " second_factor f where user_id = $1::bigint")                                             \
    X(SECOND_FACTOR_LOCK, 1,                                                                     \
      "select seed_sealed, key_id, confirmed_at is not null as confirmed from second_factor"     \
      " where user_id = $1::bigint for update")                                                  \
    X(SECOND_FACTOR_BEGIN, 3,                                                                    \
      "insert into second_factor (user_id, seed_sealed, key_id) values ($1::bigint, $2, $3)"     \
      " on conflict (user_id) do update set seed_sealed = excluded.seed_sealed, key_id ="        \
      " excluded.key_id, last_step = 0, created_at = now() where second_factor.confirmed_at"     \
      " is null returning user_id")                                                              \
    X(SECOND_FACTOR_CONFIRM, 1,                                                                  \
      "update second_factor set confirmed_at = now() where user_id = $1::bigint")                \
    /* No row: that step, or a later one, was accepted before. */                                \
    X(SECOND_FACTOR_STEP, 2,                                                                     \
      "update second_factor set last_step = $2::bigint where user_id = $1::bigint and"           \
      " last_step < $2::bigint returning user_id")                                               \
    X(SECOND_FACTOR_DROP, 1,                                                                     \
      "delete from second_factor where user_id = $1::bigint")                                    \
    X(RECOVERY_CLEAR, 1,                                                                         \
      "delete from recovery_code where user_id = $1::bigint")                                    \
    X(RECOVERY_ADD, 2,                                                                           \
      "insert into recovery_code (user_id, code_hash) select $1::bigint, unnest($2::text[])")    \
    X(RECOVERY_USE, 2,                                                                           \
      "update recovery_code set used_at = now() where user_id = $1::bigint and code_hash ="      \
      " $2 and used_at is null returning code_hash")                                             \
    X(AUDIT_HEAD_LOCK, 0,                                                                        \
      "select seq, hash from audit_head for update")                                             \
    X(AUDIT_HEAD, 0,                                                                             \
      "select seq, hash from audit_head")                                                        \
    X(AUDIT_ADD, 14,                                                                             \
      "with e as (insert into audit_entry (seq, at, user_id, user_name, token_id,"               \
      " session_id, workspace_id, address, request_id, action, target, before, after, hash)"     \
      " values ($1::bigint, $2::timestamptz, $3::bigint, $4, $5, $6, $7, $8, $9, $10, $11,"      \
      " $12::json, $13::json, $14) returning seq, hash) update audit_head h set seq = e.seq,"    \
      " hash = e.hash from e")                                                                   \
    X(AUDIT_RANGE, 3,                                                                            \
      "select seq, " ZN_SQLT_TS("at") " as at, user_id, user_name, token_id, session_id,"        \
      " workspace_id, address, request_id, action, target, before, after, hash from"             \
      " audit_entry where seq > $1::bigint and seq <= $2::bigint order by seq limit"             \
      " $3::integer")                                                                            \
    X(AUDIT_PAGE_ALL, 7,                                                                         \
      "select seq, json_build_object('seq', seq, 'at', " ZN_SQLT_TS("at") ", 'user', case"       \
      " when user_name is not null then json_build_object('id', user_id, 'username',"            \
      " user_name) end, 'token_id', token_id, 'session_id', session_id, 'workspace_id',"         \
      " workspace_id, 'address', address, 'request_id', request_id, 'action', action,"           \
      " 'target', target, 'before', before, 'after', after, 'hash', hash) as doc from"           \
      " audit_entry where seq < $6::bigint and ($1::text is null or user_name = $1) and"         \
      " ($2::text is null or starts_with(action, $2)) and ($3::text is null or target = $3)"     \
      " and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at <= $5)"     \
      " order by seq desc limit $7::integer")                                                    \
    X(AUDIT_PAGE, 8,                                                                             \
      "select seq, json_build_object('seq', seq, 'at', " ZN_SQLT_TS("at") ", 'user', case"       \
      " when user_name is not null then json_build_object('id', user_id, 'username',"            \
      " user_name) end, 'token_id', token_id, 'session_id', session_id, 'workspace_id',"         \
      " workspace_id, 'address', address, 'request_id', request_id, 'action', action,"           \
      " 'target', target, 'before', before, 'after', after, 'hash', hash) as doc from"           \
      " audit_entry where seq < $6::bigint and ($1::text is null or user_name = $1) and"         \
      " ($2::text is null or starts_with(action, $2)) and ($3::text is null or target = $3)"     \
      " and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at <= $5)"     \
      " and workspace_id = $8 order by seq desc limit $7::integer")                              \
    X(SEALED_TABLES, 0,                                                                          \
      "select tab, texts, docs, blocks, keyed from sealed_tables()")                             \
    X(SEALED_TAKE, 6,                                                                            \
      "select place, doc from sealed_take($1, $2::text[], $3::text[], $4::bigint,"               \
      " $5::integer, $6)")                                                                       \
    X(SEALED_PUT, 6,                                                                             \
      "select sealed_put($1, $2::text[], $3::text[], $4, $5, $6::jsonb)")                        \
    X(SEALED_LEFT, 4,                                                                            \
      "select sealed_left($1, $2::text[], $3::text[], $4) as n")

#endif
