/* Statements of idempotency keys: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_HTTP_H
#define ZN_STORE_SQL_HTTP_H

#define ZN_SQL_HTTP(X)                                                                         \
    X(IDEMPOTENCY_FIND, 2,                                                                     \
      "select request_hash, status, answer_sealed, key_id from idempotency_key"                \
      " where user_id = $1::bigint and key = $2 and created_at > now() - interval '24 hours'") \
    /* No row: somebody else has it. */                                                        \
    X(IDEMPOTENCY_TAKE, 3,                                                                     \
      "insert into idempotency_key as k (user_id, key, request_hash) values ($1::bigint, $2, $3)" \
      " on conflict (user_id, key) do update set request_hash = excluded.request_hash,"        \
      " created_at = now(), status = null, answer_sealed = null, key_id = null"                \
      " where k.created_at <= now() - interval '24 hours' returning key")                      \
    X(IDEMPOTENCY_ANSWER, 5,                                                                   \
      "update idempotency_key set status = $3::integer, answer_sealed = $4, key_id = $5"       \
      " where user_id = $1::bigint and key = $2")                                              \
    X(IDEMPOTENCY_TIDY, 0,                                                                     \
      "delete from idempotency_key where (user_id, key) in (select user_id, key"               \
      " from idempotency_key where created_at < now() - interval '24 hours'"                   \
      " order by created_at limit 100 for update skip locked)")

#endif
