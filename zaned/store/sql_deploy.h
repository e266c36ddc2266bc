/* Statements of deployments and workflows: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_DEPLOY_H
#define ZN_STORE_SQL_DEPLOY_H

/* Everything an activity needs to know of one deployment. */
#define ZN_SQL_WORK_COLUMNS                                                              \
    "select d.hash, d.slot, d.status, d.snapshot, d.is_current_production, d.started_at,"  \
    " d.finished_at, s.id as service_id, s.slug, s.routed_hash, s.archived_at,"            \
    " e.id as environment_id, e.name as environment, e.project_id"                         \
    " from deployment d join service s on s.id = d.service_id"                             \
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
    /* Taken by the oldest queued deployment of a service, or kept by the holder. */           \
    X(LEASE_TAKE, 2,                                                                           \
      "insert into deploy_slot (service_id, deployment_hash, run_id)"                          \
      " select d.service_id, d.hash, $2 from deployment d where d.hash = $1 and not exists ("  \
      "select 1 from deployment o where o.service_id = d.service_id and o.status = 'QUEUED'"   \
      " and (o.queued_at, o.hash) < (d.queued_at, d.hash))"                                    \
      " on conflict (service_id) do update set run_id = excluded.run_id"                       \
      " where deploy_slot.deployment_hash = excluded.deployment_hash"                          \
      " returning deployment_hash")                                                            \
    /* The same for a run that is no deployment: not while one holds it, even of the same version. */ \
    X(LEASE_TAKE_IDLE, 2,                                                                      \
      "insert into deploy_slot (service_id, deployment_hash, run_id)"                          \
      " select service_id, hash, $2 from deployment where hash = $1"                           \
      " on conflict (service_id) do update set run_id = excluded.run_id"                       \
      " where deploy_slot.run_id = excluded.run_id returning deployment_hash")                 \
    X(LEASE_DROP_RUN, 2, "delete from deploy_slot where deployment_hash = $1 and run_id = $2") \
    X(LEASE_HOLDER, 1,                                                                         \
      "select l.deployment_hash from deploy_slot l join deployment d"                          \
      " on d.service_id = l.service_id where d.hash = $1")                                     \
    X(LEASE_DROP, 1, "delete from deploy_slot where deployment_hash = $1")                     \
    X(DEPLOYMENT_PREPARE, 2,                                                                   \
      "update deployment set status = 'PREPARING', started_at = coalesce(started_at, now()),"  \
      " slot = $2, step = 'prepare', step_since = now()"                                       \
      " where hash = $1 and status in ('QUEUED', 'PREPARING') returning hash")                 \
    X(PREVIOUS_PRODUCTION, 1,                                                                  \
      "select p.hash, p.slot, p.status from deployment d join deployment p"                    \
      " on p.service_id = d.service_id and p.is_current_production and p.hash <> d.hash"       \
      " where d.hash = $1")                                                                    \
    X(DEPLOYMENT_STEP, 2,                                                                      \
      "update deployment set step = $2, step_since = now()"                                    \
      " where hash = $1 and finished_at is null and step is distinct from $2")                 \
    X(DEPLOYMENT_STATUS, 3,                                                                    \
      "update deployment set status = $2, status_reason = $3"                                  \
      " where hash = $1 and finished_at is null and status not in ('CANCELLING', $2)")         \
    X(DEPLOYMENT_CANCELLING, 1,                                                                \
      "update deployment set status = 'CANCELLING' where hash = $1 and finished_at is null")   \
    X(DEPLOYMENT_FINISH, 3,                                                                    \
      "update deployment set status = $2, status_reason = $3, finished_at = now(),"            \
      " step = null, step_since = null where hash = $1 and finished_at is null")               \
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
    /* What the monitor saw; never over the head of a deployment that works on the service. */   \
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
