/* Statements of registry credentials and of what images say of themselves: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_REGISTRY_H
#define ZN_STORE_SQL_REGISTRY_H

#include "zaned/store/sql_api.h" /* ZN_SQLT_TS */

/* Never with the password. */
#define ZN_SQLT_REGISTRY_DOC                                                                   \
    "jsonb_build_object('id', r.id, 'slug', r.slug, 'registry_type', r.registry_type,"         \
    " 'url', r.url, 'username', r.username, 'created_at', " ZN_SQLT_TS("r.created_at") ","     \
    " 'updated_at', " ZN_SQLT_TS("r.updated_at") ")"

#define ZN_SQL_REGISTRY(X)                                                                     \
    X(REGISTRY_LIST, 1,                                                                        \
      "select " ZN_SQLT_REGISTRY_DOC " as doc from registry_credential r"                      \
      " where r.workspace_id = $1 order by r.slug limit 1000")                                 \
    X(REGISTRY_COUNT, 1, "select count(*) as n from registry_credential where workspace_id = $1") \
    X(REGISTRY_ONE, 2,                                                                         \
      "select " ZN_SQLT_REGISTRY_DOC " as doc, r.password_sealed, r.key_id"                    \
      " from registry_credential r where r.workspace_id = $1 and r.id = $2")                   \
    X(REGISTRY_LOCK, 2,                                                                        \
      "select " ZN_SQLT_REGISTRY_DOC " as doc, r.password_sealed, r.key_id"                    \
      " from registry_credential r where r.workspace_id = $1 and r.id = $2 for update")        \
    X(REGISTRY_ADD, 8,                                                                         \
      "insert into registry_credential (id, workspace_id, slug, registry_type, url, username," \
      " password_sealed, key_id) values ($1, $2, $3, $4, $5, $6, $7, $8)"                      \
      " on conflict do nothing returning id")                                                  \
    X(REGISTRY_UPDATE, 7,                                                                      \
      "update registry_credential r set slug = $3, url = $4, username = $5,"                   \
      " password_sealed = $6, key_id = $7, updated_at = now() where r.workspace_id = $1"       \
      " and r.id = $2 and not exists (select 1 from registry_credential o"                     \
      " where o.workspace_id = $1 and o.slug = $3 and o.id <> $2) returning r.id")             \
    X(REGISTRY_USED, 1,                                                                        \
      "select s.slug from service s where s.registry_credential_id = $1 and s.archived_at is null" \
      " union all select s.slug from service_change c join service s on s.id = c.service_id"   \
      " where not c.applied and c.field = 'source' and s.archived_at is null"                  \
      " and c.new_value->>'container_registry_credentials_id' = $1 limit 1")                   \
    /* Archived services keep nothing back. */                                                 \
    X(REGISTRY_FORGET, 1,                                                                      \
      "update service set registry_credential_id = null where registry_credential_id = $1"     \
      " and archived_at is not null")                                                          \
    X(REGISTRY_DELETE, 2,                                                                      \
      "delete from registry_credential where workspace_id = $1 and id = $2")                   \
    /* For the worker: what a pull logs in with. */                                            \
    X(REGISTRY_LOGIN, 1,                                                                       \
      "select url, username, password_sealed, key_id from registry_credential where id = $1")  \
    X(DEPLOYMENT_PORTS, 2,                                                                     \
      "update deployment set exposed_ports = $2::jsonb where hash = $1"                        \
      " and exposed_ports is distinct from $2::jsonb")                                         \
    X(PRODUCTION_PORTS, 1,                                                                     \
      "select coalesce(exposed_ports, '[]') as ports from deployment where service_id = $1"    \
      " and is_current_production")                                                            \
    X(SERVICES_GONE, 1,                                                                        \
      "select h as owner from unnest($1::text[]) h where not exists (select 1 from service s"  \
      " where s.id = h)")

#endif
