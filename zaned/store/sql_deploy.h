/* Statements of deployments and workflows: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_DEPLOY_H
#define ZN_STORE_SQL_DEPLOY_H

#define ZN_SQL_DEPLOY(X)                                                                       \
    X(DEPLOYMENT_BY_HASH, 1,                                                                   \
      "select hash, service_id, slot, status, status_reason, is_current_production, snapshot," \
      " commit_message, trigger_method, is_redeploy_of, queued_at, started_at, finished_at,"   \
      " step, step_since from deployment where hash = $1")

#endif
