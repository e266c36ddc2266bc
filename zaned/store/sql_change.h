/* Statements of what services are made of, and their changes: X(ID, number of parameters, text). */
#ifndef ZN_STORE_SQL_CHANGE_H
#define ZN_STORE_SQL_CHANGE_H

/* The other half of ZN_SQLT_SERVICE_DOC (jsonb_build_object takes 50 members at most). Contents of configs
 * stay sealed here. */
#define ZN_SQLT_SERVICE_PARTS                                                                    \
    "jsonb_build_object('resource_limits', s.resource_limits,"                                   \
    " 'auto_deploy_enabled', s.auto_deploy_enabled, 'watch_paths', s.watch_paths,"               \
    " 'cleanup_queue_on_auto_deploy', s.cleanup_queue_on_auto_deploy,"                           \
    " 'pr_preview_envs_enabled', s.pr_preview_envs_enabled,"                                     \
    " 'container_registry_credentials', (select jsonb_build_object('id', r.id, 'slug', r.slug,"  \
    " 'registry_type', r.registry_type, 'url', r.url, 'username', r.username)"                   \
    " from registry_credential r where r.id = s.registry_credential_id),"                        \
    " 'ports', " ZN_SQLT_LIST("'id', x.id, 'host', x.host, 'forwarded', x.forwarded",            \
                             "service_port", "x.created_at, x.id") ","                           \
    " 'configs', " ZN_SQLT_LIST("'id', x.id, 'name', x.name, 'mount_path', x.mount_path,"        \
                               " 'contents', jsonb_build_object('sealed', x.contents_sealed,"    \
                               " 'key_id', x.key_id), 'language', x.language, 'version',"        \
                               " x.version", "service_config", "x.created_at, x.id") ","         \
    " 'shared_volumes', (select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'volume_id',"  \
    " x.volume_id, 'container_path', x.container_path, 'volume', jsonb_build_object('id', v.id," \
    " 'name', v.name, 'container_path', v.container_path, 'service', jsonb_build_object('id',"   \
    " o.id, 'slug', o.slug))) order by x.created_at, x.id), '[]') from service_shared_volume x"  \
    " join service_volume v on v.id = x.volume_id join service o on o.id = v.service_id"         \
    " where x.service_id = s.id))"

#define ZN_SQLT_SHARED_VARIABLES                                                                 \
    "(select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'key', x.key, 'value',"           \
    " jsonb_build_object('sealed', x.value_sealed, 'key_id', x.key_id)) order by x.created_at,"  \
    " x.id), '[]') from environment_variable x where x.environment_id = e.id)"

#define ZN_SQL_CHANGE(X)

#endif
