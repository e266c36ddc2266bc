/* Statements of projects, services, changes and deployments as the API sees them: X(ID, number of
 * parameters, text). Objects that go out as they are read are built by the database (`doc`). */
#ifndef ZN_STORE_SQL_API_H
#define ZN_STORE_SQL_API_H

/* ZN_SQLT_…: pieces of text that several statements share.
 *
 * RFC 3339 in UTC with microseconds. */
#define ZN_SQLT_TS(col) "to_char(" col " at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

#define ZN_SQLT_PROJECT_DOC                                                                      \
    "'id', p.id, 'slug', p.slug, 'description', p.description,"                                  \
    " 'created_at', " ZN_SQLT_TS("p.created_at") ", 'updated_at', " ZN_SQLT_TS("p.updated_at") "," \
    " 'environments', (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name," \
    " 'is_preview', e.is_preview, 'created_at', " ZN_SQLT_TS("e.created_at") ")"                 \
    " order by e.created_at, e.id), '[]') from environment e where e.project_id = p.id"           \
    " and e.archived_at is null)"

/* Services of a project by the status of their production deployment. */
#define ZN_SQLT_COUNT_SERVICES(statuses)                                                         \
    "(select count(*) from environment e join service s on s.environment_id = e.id"              \
    " join deployment d on d.service_id = s.id and d.is_current_production"                      \
    " where e.project_id = p.id and s.archived_at is null and d.status in (" statuses "))"

#define ZN_SQLT_CHANGE_DOC                                                                       \
    "jsonb_build_object('id', c.id, 'type', c.type, 'field', c.field, 'item_id', c.item_id,"     \
    " 'old_value', c.old_value, 'new_value', c.new_value) order by c.position"

#define ZN_SQLT_LIST(object, from, order)                                                        \
    "(select coalesce(jsonb_agg(jsonb_build_object(" object ") order by " order "), '[]')"       \
    " from " from " x where x.service_id = s.id)"

/* Values of variables stay sealed here. */
#define ZN_SQLT_SERVICE_DOC                                                                      \
    "jsonb_build_object('id', s.id, 'slug', s.slug, 'type', s.type, 'image', s.image,"           \
    " 'command', s.command, 'network_alias', s.network_alias, 'deploy_token', s.deploy_token,"   \
    " 'created_at', " ZN_SQLT_TS("s.created_at") ", 'updated_at', " ZN_SQLT_TS("s.updated_at") "," \
    " 'project_id', e.project_id, 'environment', jsonb_build_object('id', e.id, 'name', e.name," \
    " 'is_preview', e.is_preview, 'variables', " ZN_SQLT_SHARED_VARIABLES "),"                   \
    " 'healthcheck', (select jsonb_build_object('id', h.id, 'type', h.type, 'value', h.value,"   \
    " 'timeout_seconds', h.timeout_seconds, 'interval_seconds', h.interval_seconds,"             \
    " 'associated_port', h.associated_port) from service_healthcheck h"                          \
    " where h.service_id = s.id),"                                                               \
    " 'urls', " ZN_SQLT_LIST("'id', x.id, 'domain', x.domain, 'base_path', x.base_path,"         \
                            " 'strip_prefix', x.strip_prefix, 'redirect_to', x.redirect_to,"     \
                            " 'associated_port', x.associated_port", "service_url",              \
                            "x.created_at, x.id") ","                                            \
    " 'volumes', " ZN_SQLT_LIST("'id', x.id, 'name', x.name, 'container_path', x.container_path," \
                               " 'host_path', x.host_path, 'mode', x.mode", "service_volume",    \
                               "x.created_at, x.id") ","                                         \
    " 'env_variables', " ZN_SQLT_LIST("'id', x.id, 'key', x.key, 'value', jsonb_build_object("   \
                                     "'sealed', x.value_sealed, 'key_id', x.key_id)",            \
                                     "service_env", "x.created_at, x.id") ","                    \
    " 'unapplied_changes', (select coalesce(jsonb_agg(" ZN_SQLT_CHANGE_DOC "), '[]')"            \
    " from service_change c where c.service_id = s.id and not c.applied)) || "                   \
    ZN_SQLT_SERVICE_PARTS /* sql_change.h */

/* Without the snapshot, which is a column of its own: the caller unseals it. */
#define ZN_SQLT_DEPLOYMENT_DOC                                                                   \
    "jsonb_build_object('hash', d.hash, 'slot', d.slot, 'status', d.status,"                     \
    " 'status_reason', d.status_reason, 'is_current_production', d.is_current_production,"       \
    " 'trigger_method', d.trigger_method, 'commit_message', d.commit_message,"                   \
    " 'queued_at', " ZN_SQLT_TS("d.queued_at") ", 'started_at', " ZN_SQLT_TS("d.started_at") "," \
    " 'finished_at', " ZN_SQLT_TS("d.finished_at") ", 'redeploy_hash', d.is_redeploy_of,"        \
    " 'step', d.step, 'step_since', " ZN_SQLT_TS("d.step_since") ","                             \
    " 'step_percent', d.step_percent,"                                                           \
    " 'changes', (select coalesce(jsonb_agg(" ZN_SQLT_CHANGE_DOC "), '[]')"                      \
    " from service_change c where c.deployment_hash = d.hash))"

#define ZN_SQLT_UNFINISHED                                                                       \
    "('QUEUED', 'PREPARING', 'BUILDING', 'STARTING', 'RESTARTING')"

#define ZN_SQLT_DEPLOYMENT_FILTER                                                                \
    " from deployment d where d.service_id = $1 and ($2::text[] is null or d.status = any($2))"  \
    " and ($3::timestamptz is null or d.queued_at >= $3)"                                        \
    " and ($4::timestamptz is null or d.queued_at <= $4)"

/* $n: NULL, or the membership of a guest, who sees some projects only. */
#define ZN_SQLT_GUEST_SEES(n)                                                                    \
    " and ($" #n "::bigint is null or exists (select 1 from membership_project g"                \
    " where g.membership_id = $" #n "::bigint and g.project_id = p.id))"

#define ZN_SQL_API(X)                                                                            \
    X(PROJECT_LIST, 4,                                                                           \
      "select jsonb_build_object(" ZN_SQLT_PROJECT_DOC ", 'total_services', "                    \
      ZN_SQLT_COUNT_SERVICES("'HEALTHY', 'UNHEALTHY', 'FAILED'") ", 'healthy_services', "        \
      ZN_SQLT_COUNT_SERVICES("'HEALTHY'") ", 'total_stack_services', 0,"                         \
      " 'healthy_stack_services', 0) as doc from project p where p.workspace_id = $1"            \
      " and p.archived_at is null"                                                               \
      ZN_SQLT_GUEST_SEES(4)                                                                      \
      " and ($2::text is null or position(lower($2) in lower(p.slug)) > 0)"                      \
      " order by case $3::text when 'slug' then p.slug end, case $3 when '-slug' then p.slug end" \
      " desc, case $3 when 'updated_at' then p.updated_at end, p.updated_at desc, p.id"          \
      " limit 1000")                                                                             \
    X(PROJECT_DOC, 3,                                                                            \
      "select jsonb_build_object(" ZN_SQLT_PROJECT_DOC ") as doc from project p"                 \
      " where p.workspace_id = $1 and p.slug = $2 and p.archived_at is null"                     \
      ZN_SQLT_GUEST_SEES(3))                                                                     \
    X(PLACE_FIND, 4,                                                                             \
      "select p.id as project_id, p.slug as project, e.id as environment_id, e.name as"          \
      " environment from project p join environment e on e.project_id = p.id"                    \
      " where p.workspace_id = $1 and p.slug = $2 and e.name = $3 and p.archived_at is null"     \
      " and e.archived_at is null" ZN_SQLT_GUEST_SEES(4))                                        \
    X(PROJECT_NEW, 4,                                                                            \
      "insert into project (id, workspace_id, slug, description) select $1, w.id, $3, $4"        \
      " from workspace w where w.id = $2 and w.deleted_at is null for share"                     \
      " on conflict do nothing returning id")                                                    \
    X(ENVIRONMENT_NEW, 3,                                                                        \
      "insert into environment (id, project_id, name) select $1, p.id, $3 from project p"        \
      " where p.id = $2 and p.archived_at is null for share on conflict do nothing returning id")\
    /* Taken first by what archives a place, so that nothing is put into it meanwhile. */        \
    X(PROJECT_LOCK, 2,                                                                           \
      "select id from project where workspace_id = $1 and slug = $2 and archived_at is null for update")\
    X(ENVIRONMENTS_LOCK, 1,                                                                      \
      "select id from environment where project_id = $1 and archived_at is null order by id for update")\
    X(ENVIRONMENT_LOCK, 2,                                                                       \
      "select id from environment where project_id = $1 and name = $2 and archived_at is null"   \
      " for update")                                                                             \
    X(SERVICES_LOCK, 1,                                                                          \
      "select id from service where environment_id = $1 and archived_at is null order by id for update")\
    X(PROJECT_ARCHIVE, 1,                                                                        \
      "update project set archived_at = now() where id = $1")                                    \
    X(ENVIRONMENT_ARCHIVE, 1,                                                                    \
      "update environment set archived_at = now() where id = $1")                                \
    X(SERVICE_CARDS, 2,                                                                          \
      "select s.id, s.slug, " ZN_SQLT_TS("s.updated_at") " as updated_at, coalesce(s.image,"     \
      " (select c.new_value->>'image' from service_change c where c.service_id = s.id"           \
      " and not c.applied and c.field = 'source'), '') as image,"                                \
      " (select count(*) from service_volume v where v.service_id = s.id) as volumes,"           \
      " (select u.domain || case u.base_path when '/' then '' else u.base_path end"              \
      " from service_url u where u.service_id = s.id order by u.created_at, u.id limit 1) as url," \
      " (select d.status from deployment d where d.service_id = s.id and d.is_current_production)" \
      " as production,"                                                                          \
      " exists (select 1 from deployment d where d.service_id = s.id and d.finished_at is null"  \
      " and d.status in " ZN_SQLT_UNFINISHED ") as unfinished"                                   \
      " from service s where s.environment_id = $1 and s.archived_at is null"                    \
      " and ($2::text is null or position(lower($2) in s.slug) > 0) order by s.slug limit 1000") \
    X(SERVICE_FIND, 2,                                                                           \
      "select id from service where environment_id = $1 and slug = $2 and archived_at is null")  \
    /* Taken first by whatever changes a service or deploys it. */                               \
    X(SERVICE_LOCK, 2,                                                                           \
      "select id from service where environment_id = $1 and slug = $2 and archived_at is null"   \
      " for update")                                                                             \
    X(SERVICE_DOC, 1,                                                                            \
      "select " ZN_SQLT_SERVICE_DOC " as doc from service s join environment e"                  \
      " on e.id = s.environment_id where s.id = $1")                                             \
    X(SERVICE_INSERT, 5,                                                                         \
      "insert into service (id, environment_id, slug, network_alias, deploy_token)"              \
      " select $1, e.id, $3, $4, $5 from environment e where e.id = $2 and e.archived_at is null" \
      " for share on conflict do nothing returning id")                                          \
    X(SERVICE_TOUCH, 1, "update service set updated_at = now() where id = $1")                   \
    X(SERVICE_ARCHIVE, 1,                                                                        \
      "update service set archived_at = now(), routed_hash = null where id = $1")                \
    X(SERVICE_DOMAINS, 1,                                                                        \
      "select domain from service_url where service_id = $1 union select new_value->>'domain'"   \
      " from service_change where service_id = $1 and field = 'urls' and not applied"            \
      " and new_value->>'domain' <> '' order by domain limit 50")                                \
    /* What is unique over services, or keeps another's part, is free once a service is archived. */ \
    X(SERVICE_URLS_DROP, 1, "delete from service_url where service_id = $1")                     \
    X(SERVICE_PORTS_DROP, 1, "delete from service_port where service_id = $1")                   \
    X(SERVICE_SHARED_DROP, 1, "delete from service_shared_volume where service_id = $1")         \
    X(CHANGES_DROP, 1, "delete from service_change where service_id = $1 and not applied")       \
    X(CHANGE_DELETE, 2,                                                                          \
      "delete from service_change where service_id = $1 and id = $2 and not applied returning id") \
    X(CHANGE_INSERT, 9,                                                                          \
      "insert into service_change (id, service_id, type, field, item_id, old_value, new_value,"  \
      " applied, deployment_hash) values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8::boolean," \
      " $9)")                                                                                    \
    X(CHANGES_ATTACH, 2,                                                                         \
      "update service_change set applied = true, deployment_hash = $2 where service_id = $1"     \
      " and not applied")                                                                        \
    /* Applying a change: $1 service, $2 id of the item, $3 its value. */                        \
    X(SOURCE_SET, 2,                                                                             \
      "update service s set image = v->>'image',"                                                \
      " registry_credential_id = v->>'container_registry_credentials_id'"                        \
      " from (select $2::jsonb as v) i where s.id = $1 and"                                      \
      " (v->>'container_registry_credentials_id' is null or exists (select 1 from"               \
      " registry_credential r where r.id = v->>'container_registry_credentials_id'))"            \
      " returning s.id")                                                                         \
    X(COMMAND_SET, 2,                                                                            \
      "update service set command = $2::jsonb #>> '{}' where id = $1 returning id")              \
    X(HEALTH_SET, 3,                                                                             \
      "insert into service_healthcheck (service_id, id, type, value, timeout_seconds,"           \
      " interval_seconds, associated_port) select $1, $2, v->>'type', v->>'value',"              \
      " (v->>'timeout_seconds')::integer, (v->>'interval_seconds')::integer,"                    \
      " (v->>'associated_port')::integer from (select $3::jsonb as v) i"                         \
      " on conflict (service_id) do update set type = excluded.type, value = excluded.value,"    \
      " timeout_seconds = excluded.timeout_seconds,"                                             \
      " interval_seconds = excluded.interval_seconds,"                                           \
      " associated_port = excluded.associated_port returning id")                                \
    X(HEALTH_DROP, 1, "delete from service_healthcheck where service_id = $1")                   \
    X(URL_ADD, 3,                                                                                \
      "insert into service_url (service_id, id, domain, base_path, strip_prefix, redirect_to,"   \
      " associated_port) select $1, $2, v->>'domain', v->>'base_path',"                          \
      " (v->>'strip_prefix')::boolean, nullif(v->'redirect_to', 'null'),"                        \
      " (v->>'associated_port')::integer from (select $3::jsonb as v) i returning id")           \
    X(URL_UPDATE, 3,                                                                             \
      "update service_url u set domain = v->>'domain', base_path = v->>'base_path',"             \
      " strip_prefix = (v->>'strip_prefix')::boolean,"                                           \
      " redirect_to = nullif(v->'redirect_to', 'null'),"                                         \
      " associated_port = (v->>'associated_port')::integer from (select $3::jsonb as v) i"       \
      " where u.service_id = $1 and u.id = $2 returning u.id")                                   \
    X(URL_DELETE, 2, "delete from service_url where service_id = $1 and id = $2 returning id")   \
    X(VOLUME_ADD, 3,                                                                             \
      "insert into service_volume (service_id, id, name, container_path, host_path, mode)"       \
      " select $1, $2, v->>'name', v->>'container_path', v->>'host_path', v->>'mode'"            \
      " from (select $3::jsonb as v) i returning id")                                            \
    X(VOLUME_UPDATE, 3,                                                                          \
      "update service_volume u set name = v->>'name', container_path = v->>'container_path',"    \
      " host_path = v->>'host_path', mode = v->>'mode' from (select $3::jsonb as v) i"           \
      " where u.service_id = $1 and u.id = $2 returning u.id")                                   \
    X(VOLUME_DELETE, 2,                                                                          \
      "delete from service_volume where service_id = $1 and id = $2 returning id")               \
    X(ENV_ADD, 3,                                                                                \
      "insert into service_env (service_id, id, key, value_sealed, key_id) select $1, $2,"       \
      " v->>'key', v->'value'->>'sealed', v->'value'->>'key_id'"                                 \
      " from (select $3::jsonb as v) i returning id")                                            \
    X(ENV_UPDATE, 3,                                                                             \
      "update service_env u set key = v->>'key', value_sealed = v->'value'->>'sealed',"          \
      " key_id = v->'value'->>'key_id' from (select $3::jsonb as v) i"                           \
      " where u.service_id = $1 and u.id = $2 returning u.id")                                   \
    X(ENV_DELETE, 2, "delete from service_env where service_id = $1 and id = $2 returning id")   \
    /* Changes may swap unique values: checked at the end of applying them. */                   \
    X(CONSTRAINTS_DEFER, 0, "set constraints all deferred")                                      \
    X(CONSTRAINTS_CHECK, 0, "set constraints all immediate")                                     \
    /* URLs are unique over all services, waiting changes included: one at a time asks. */       \
    X(URLS_LOCK, 0, "select pg_advisory_xact_lock(hashtext('zane.urls'))")                       \
    X(URL_TAKEN, 4,                                                                              \
      "select 1 from service_url u where u.service_id <> $1 and u.base_path = $2"                \
      " and u.domain in ($3, $4) union all select 1 from service_change c where not c.applied"   \
      " and c.field = 'urls' and c.service_id <> $1 and c.new_value->>'base_path' = $2"          \
      " and c.new_value->>'domain' in ($3, $4) limit 1")                                         \
    X(PRODUCTION_OF, 1,                                                                          \
      "select hash, slot, status from deployment where service_id = $1 and is_current_production") \
    X(DEPLOYMENT_INSERT, 7,                                                                      \
      "insert into deployment (hash, service_id, slot, snapshot, commit_message, trigger_method," \
      " is_redeploy_of) values ($1, $2, $3, $4::jsonb, coalesce($5, 'update service'), $6, $7)") \
    X(DEPLOYMENT_ONE, 2,                                                                         \
      "select " ZN_SQLT_DEPLOYMENT_DOC " as doc, d.snapshot from deployment d"                   \
      " where d.service_id = $1 and d.hash = $2")                                                \
    /* The service of a workspace whose logs are meant, archived ones too: by its id, a deployment's hash or both. */ \
    X(LOG_SERVICE, 3,                                                                            \
      "select s.id from service s join environment e on e.id = s.environment_id join project p"  \
      " on p.id = e.project_id where p.workspace_id = $1 and ($2::text is null or s.id = $2) and" \
      " ($3::text is null or exists (select 1 from deployment d where d.hash = $3 and d.service_id = s.id))" \
      " and coalesce($2, $3) is not null limit 1")                                               \
    X(DEPLOYMENT_COUNT, 4, "select count(*) as n" ZN_SQLT_DEPLOYMENT_FILTER)                     \
    X(DEPLOYMENT_PAGE, 6,                                                                        \
      "select " ZN_SQLT_DEPLOYMENT_DOC " as doc, d.snapshot" ZN_SQLT_DEPLOYMENT_FILTER           \
      " order by (d.status = 'HEALTHY') desc, d.queued_at desc, d.hash"                          \
      " limit $5::integer offset $6::bigint")                                                    \
    X(DEPLOYMENT_OPEN, 1,                                                                        \
      "select hash from deployment where service_id = $1 and finished_at is null"                \
      " and status in " ZN_SQLT_UNFINISHED " order by queued_at, hash limit 1000 for update")    \
    X(DEPLOYMENT_SLEEP, 1,                                                                       \
      "update deployment set status = 'SLEEPING', status_reason = 'Put to sleep by a user.'"     \
      " where hash = $1")                                                                        \
    X(DEPLOYMENT_WAKE, 1,                                                                        \
      "update deployment set status = 'STARTING', status_reason = null"                          \
      " where hash = $1 and status = 'SLEEPING'")                                                \
    X(DEPLOYMENT_STATE, 2,                                                                       \
      "select status, finished_at is not null as finished from deployment"                       \
      " where service_id = $1 and hash = $2 for update")                                         \
    X(DEPLOYMENT_CANCEL, 2,                                                                      \
      "update deployment set status = 'CANCELLING', status_reason = $2 where hash = $1"          \
      " and finished_at is null")                                                                \
    /* One that waits for its turn has no workflow that could end it. The row is locked before. */  \
    X(DEPLOYMENT_CANCEL_WAITING, 2,                                                              \
      "update deployment d set status = 'CANCELLED', status_reason = $2, finished_at = now()"    \
      " where hash = $1 and status = 'QUEUED' and not exists (select 1 from deploy_slot l"       \
      " where l.deployment_hash = d.hash) returning hash")                                       \
    X(OUTBOX_ADD, 3, "insert into outbox (kind, key, payload) values ($1, $2, $3::jsonb)")       \
    X(RECENT_DEPLOYMENTS, 2,                                                                     \
      "select jsonb_build_object('hash', d.hash, 'status', d.status, 'commit_message',"          \
      " d.commit_message, 'is_current_production', d.is_current_production,"                     \
      " 'queued_at', " ZN_SQLT_TS("d.queued_at") ", 'started_at', " ZN_SQLT_TS("d.started_at") "," \
      " 'finished_at', " ZN_SQLT_TS("d.finished_at") ", 'service', jsonb_build_object('id', s.id," \
      " 'slug', s.slug, 'project', jsonb_build_object('id', p.id, 'slug', p.slug),"              \
      " 'environment', jsonb_build_object('id', e.id, 'name', e.name, 'is_preview',"             \
      " e.is_preview, 'created_at', " ZN_SQLT_TS("e.created_at") "))) as doc"                    \
      " from project p join environment e on e.project_id = p.id"                                \
      " join service s on s.environment_id = e.id and s.archived_at is null"                     \
      " cross join lateral (select * from deployment l where l.service_id = s.id and"            \
      " (l.is_current_production or l.status in ('FAILED', 'PREPARING', 'BUILDING', 'STARTING'))" \
      " order by l.queued_at desc limit 1) d where p.workspace_id = $1" ZN_SQLT_GUEST_SEES(2)    \
      " order by d.queued_at desc limit 6")

#endif
