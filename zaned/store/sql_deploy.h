/* Statements of deployments and workflows: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_DEPLOY_H
#define ZN_STORE_SQL_DEPLOY_H

/* Everything an activity needs to know of one deployment. */
#define ZN_SQL_WORK_COLUMNS                                                              \
    "select d.hash, d.slot, d.status, d.snapshot, d.is_current_production, d.started_at,"      \
    " d.finished_at, s.id as service_id, s.slug, s.routed_hash, s.archived_at,"                \
    " e.id as environment_id, e.name as environment, e.project_id"                             \
    " from deployment d join service s on s.id = d.service_id"                                 \
    " join environment e on e.id = s.environment_id "

#define ZN_SQL_DEPLOY(X)                                                                       \
    X(WORK_BY_HASH, 1, ZN_SQL_WORK_COLUMNS "where d.hash = $1")                                \
    X(WORK_ROUTED, 0,                                                                          \
      ZN_SQL_WORK_COLUMNS "where d.hash = s.routed_hash and s.archived_at is null"             \
                          " order by s.id")                                                    \
    /* The deployments whose containers should exist: one of each service that is not being    \
     * deployed right now. */                                                                  \
    X(WORK_WANTED, 0,                                                                          \
      ZN_SQL_WORK_COLUMNS                                                                      \
      "where d.is_current_production and s.archived_at is null and d.status in ('HEALTHY',"    \
      " 'UNHEALTHY', 'STARTING', 'RESTARTING') and d.finished_at is not null"                  \
      " and not exists (select 1 from deploy_slot l where l.service_id = s.id) order by s.id") \
    X(QUEUE_LOCK, 0,                                                                           \
      "select pg_advisory_xact_lock(hashtext('zane.deploys'))")                                \
    /* Slots go to the oldest waiting deployments whose service is free. A head that somebody else\
     * has locked is passed over: who locked it dispatches next. */                            \
    X(QUEUE_DISPATCH, 0,                                                                       \
      "with free as (select n, row_number() over (order by n) as k from server s,"             \
      " generate_series(1, s.deploy_concurrency) n where s.id = 'local' and not exists (select 1"\
      " from deploy_slot l where l.server_id = s.id and l.slot_no = n)),"                      \
      " head as (select d.hash, d.service_id, d.queued_at from deployment d"                   \
      " join service s on s.id = d.service_id where d.status = 'QUEUED' and s.archived_at is null"\
      " and not exists (select 1 from deploy_slot l where l.service_id = d.service_id)"        \
      " and not exists (select 1 from deployment o where o.service_id = d.service_id"          \
      " and o.status = 'QUEUED' and (o.queued_at, o.hash) < (d.queued_at, d.hash))"            \
      " order by d.queued_at, d.hash limit 100 for update of d skip locked),"                  \
      " turn as (select hash, service_id, row_number() over (order by queued_at, hash) as k from head),"\
      " taken as (insert into deploy_slot (service_id, deployment_hash, workflow_id, slot_no)" \
      " select t.service_id, t.hash, 'deploy-' || t.hash, f.n from turn t join free f using (k)"\
      " on conflict do nothing returning deployment_hash, service_id, workflow_id)"            \
      " insert into outbox (kind, key, payload) select 'start_workflow', deployment_hash,"     \
      " jsonb_build_object('workflow_type', 'deploy_service', 'workflow_id', workflow_id, 'input',"\
      " jsonb_build_object('deployment', deployment_hash, 'service', service_id)) from taken"  \
      " returning key")                                                                        \
    /* The run that works on a deployment; no row: it is not its turn. */                      \
    X(LEASE_TAKE, 2,                                                                           \
      "update deploy_slot set run_id = $2 where deployment_hash = $1 and slot_no is not null"  \
      " returning deployment_hash")                                                            \
    /* A service for a run that is no deployment: not while a deployment holds it, even of the same\
     * version. */                                                                             \
    X(LEASE_TAKE_IDLE, 3,                                                                      \
      "insert into deploy_slot (service_id, deployment_hash, run_id, workflow_id)"             \
      " select service_id, hash, $2, $3 from deployment where hash = $1"                       \
      " on conflict (service_id) do update set run_id = excluded.run_id"                       \
      " where deploy_slot.run_id = excluded.run_id returning deployment_hash")                 \
    X(LEASE_DROP_RUN, 2,                                                                       \
      "delete from deploy_slot where deployment_hash = $1 and run_id = $2")                    \
    /* The deployment has ended; the service is held until the version before is gone. */      \
    X(LEASE_FREE_SLOT, 1,                                                                      \
      "update deploy_slot set slot_no = null where deployment_hash = $1")                      \
    X(LEASE_DROP, 1,                                                                           \
      "delete from deploy_slot where deployment_hash = $1")                                    \
    /* Leases whose holder should be found at Temporal by now. */                              \
    X(LEASES_OLD, 0,                                                                           \
      "select l.deployment_hash, l.workflow_id from deploy_slot l where l.acquired_at < now()" \
      " - interval '60 seconds' and not exists (select 1 from outbox o where o.done_at is null"\
      " and o.key = l.deployment_hash) order by l.acquired_at limit 100")                      \
    X(DEPLOYMENT_ABANDON, 2,                                                                   \
      "update deployment set status = 'FAILED', status_reason = $2, finished_at = now(), step = null,"\
      " step_since = null, step_percent = null where hash = $1 and finished_at is null")       \
    /* After a deployment that was given up: its service's route leads to what is in production. */\
    X(ROUTE_BACK, 1,                                                                           \
      "update service s set routed_hash = (select p.hash from deployment p where p.service_id = s.id"\
      " and p.is_current_production and p.status <> 'FAILED') where s.routed_hash = $1"        \
      " and not exists (select 1 from deployment d where d.hash = $1 and d.is_current_production)")\
    /* The version that stopped for a deployment which was given up. $2: why it sleeps. */     \
    X(PAUSED_WAKE, 2,                                                                          \
      "update deployment p set status = 'STARTING', status_reason = null from deployment d"    \
      " where d.hash = $1 and p.service_id = d.service_id and p.is_current_production"         \
      " and p.status = 'SLEEPING' and p.status_reason = $2 returning p.hash, p.service_id")    \
    X(ENVIRONMENTS_GONE, 1,                                                                    \
      "select h as owner from unnest($1::text[]) h where not exists (select 1 from environment e" \
      " where e.id = h)")                                                                      \
    /* An old version whose retirement never came to its end. */                               \
    X(DEPLOYMENT_ORPHANED, 1,                                                                  \
      "update deployment set status = 'REMOVED', status_reason = null where hash = $1"         \
      " and finished_at is not null and not is_current_production and status not in ('FAILED',"\
      " 'CANCELLED', 'REMOVED')")                                                              \
    /* Of these deployments' swarm services, those that nothing in the database stands for. */ \
    X(ORPHANS, 1,                                                                              \
      "select h as owner from unnest($1::text[]) h where not exists (select 1 from deployment d"\
      " where d.hash = h and ((d.is_current_production and d.status not in ('FAILED', 'REMOVED',"\
      " 'CANCELLED')) or exists (select 1 from deploy_slot l where l.service_id = d.service_id)))")\
    X(DEPLOYMENT_PREPARE, 2,                                                                   \
      "update deployment set status = 'PREPARING', started_at = coalesce(started_at, now()),"  \
      " slot = $2, step = 'prepare', step_since = now(), step_percent = null"                  \
      " where hash = $1 and status in ('QUEUED', 'PREPARING') returning hash")                 \
    X(PREVIOUS_PRODUCTION, 1,                                                                  \
      "select p.hash, p.slot, p.status from deployment d join deployment p"                    \
      " on p.service_id = d.service_id and p.is_current_production and p.hash <> d.hash"       \
      " where d.hash = $1")                                                                    \
    /* A step begins, once however often it is tried: with its line in the build log. */       \
    X(DEPLOYMENT_STEP, 3,                                                                      \
      "with moved as (update deployment set step = $2, step_since = now(), step_percent = null"\
      " where hash = $1 and finished_at is null and step is distinct from $2"                  \
      " returning hash, service_id) insert into deployment_line (service_id, deployment_hash, source,"\
      " level, text) select service_id, hash, 'SYSTEM', 'INFO', $3 from moved where $3 <> ''") \
    X(DEPLOYMENT_PERCENT, 2,                                                                   \
      "update deployment set step_percent = $2::integer where hash = $1 and finished_at is null"\
      " and step is not null")                                                                 \
    X(LINE_ADD, 4,                                                                             \
      "insert into deployment_line (service_id, deployment_hash, source, level, text)"         \
      " select service_id, hash, $2, $3, $4 from deployment where hash = $1")                  \
    X(LINES_NEXT, 0,                                                                           \
      "select id, service_id, deployment_hash, source, level, text,"                           \
      " (extract(epoch from at) * 1000000)::bigint as us from deployment_line order by id limit 500")\
    X(LINES_DROP, 1,                                                                           \
      "delete from deployment_line where id = any($1::bigint[])")                              \
    X(DEPLOYMENT_STATUS, 3,                                                                    \
      "update deployment set status = $2, status_reason = $3"                                  \
      " where hash = $1 and finished_at is null and status not in ('CANCELLING', $2)")         \
    X(DEPLOYMENT_CANCELLING, 1,                                                                \
      "update deployment set status = 'CANCELLING' where hash = $1 and finished_at is null")   \
    X(DEPLOYMENT_FINISH, 3,                                                                    \
      "update deployment set status = $2, status_reason = $3, finished_at = now(),"            \
      " step = null, step_since = null, step_percent = null where hash = $1 and finished_at is null") \
    X(PRODUCTION_CLEAR, 1,                                                                     \
      "update deployment set is_current_production = false where is_current_production and"    \
      " hash <> $1 and service_id = (select service_id from deployment where hash = $1)")      \
    X(PRODUCTION_SET, 1, "update deployment set is_current_production = true where hash = $1") \
    /* The first deployment of a service becomes its production one even if it failed. */      \
    X(PRODUCTION_SET_IF_ONLY, 1,                                                               \
      "update deployment d set is_current_production = true where d.hash = $1 and not exists ("\
      "select 1 from deployment o where o.service_id = d.service_id and o.hash <> d.hash"      \
      " and o.is_current_production)")                                                         \
    X(DEPLOYMENT_OLD_STATUS, 3,                                                                \
      "update deployment set status = $2, status_reason = $3 where hash = $1")                 \
    /* What the monitor saw; never over the head of a deployment that works on the service. */ \
    X(DEPLOYMENT_WATCHED, 3,                                                                   \
      "update deployment d set status = $2, status_reason = $3 where d.hash = $1"              \
      " and d.is_current_production and d.status in ('HEALTHY', 'UNHEALTHY', 'STARTING',"      \
      " 'RESTARTING') and (d.status, d.status_reason) is distinct from ($2, $3)"               \
      " and not exists (select 1 from deploy_slot l where l.service_id = d.service_id)")       \
    X(SERVICE_ROUTE, 2,                                                                        \
      "update service set routed_hash = $2 where id = (select service_id from deployment"      \
      " where hash = $1)")                                                                     \
    X(ENVIRONMENT_BY_SERVICE, 1,                                                               \
      "select e.id, s.archived_at from service s join environment e"                           \
      " on e.id = s.environment_id where s.id = $1")                                           \
    X(SERVICE_UNFINISHED, 1,                                                                   \
      "select hash from deployment where service_id = $1 and finished_at is null"              \
      " and status in ('QUEUED', 'PREPARING', 'BUILDING', 'STARTING', 'RESTARTING',"           \
      " 'CANCELLING') order by queued_at limit 100")                                           \
    X(SERVICE_DELETE, 1, "delete from service where id = $1 and archived_at is not null")      \
    X(SERVICES_LEFT, 1,                                                                        \
      "select id from service where environment_id = $1 order by id limit 5000")               \
    X(ENVIRONMENTS_LEFT, 1,                                                                    \
      "select id from environment where project_id = $1 order by id limit 5000")               \
    X(ENVIRONMENT_DELETE, 1,                                                                   \
      "delete from environment where id = $1 and archived_at is not null")                     \
    X(PROJECT_DELETE, 1,                                                                       \
      "delete from project where id = $1 and archived_at is not null")                         \
    /* What was delivered a week ago; a thousand at a time. */                                 \
    X(OUTBOX_TIDY, 0,                                                                          \
      "delete from outbox where id in (select id from outbox where done_at < now()"            \
      " - interval '7 days' order by id limit 1000) returning id")                             \
    /* A cancellation waits until the start before it was delivered. */                        \
    X(OUTBOX_DUE, 0,                                                                           \
      "select id, kind, key, payload, attempts from outbox o where done_at is null"            \
      " and next_at <= now() and not exists (select 1 from outbox p where p.key = o.key"       \
      " and p.id < o.id and p.done_at is null) order by id limit 20")                          \
    X(OUTBOX_WAIT_MS, 0,                                                                       \
      "select coalesce(greatest(0, extract(epoch from min(next_at) - now()) * 1000), 60000)"   \
      "::bigint as ms from outbox where done_at is null")                                      \
    X(OUTBOX_DONE, 2, "update outbox set done_at = now(), last_error = $2 where id = $1")      \
    X(OUTBOX_RETRY, 3,                                                                         \
      "update outbox set attempts = attempts + 1, last_error = $2,"                            \
      " next_at = now() + $3::bigint * interval '1 millisecond' where id = $1")

#endif
