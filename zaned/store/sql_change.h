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

#define ZN_SQL_CHANGE(X)                                                                         \
    /* Applying a change: $1 service, $2 id of the item, $3 its value. */                        \
    X(LIMITS_SET, 2,                                                                             \
      "update service set resource_limits = nullif($2::jsonb, 'null') where id = $1 returning id") \
    X(PORT_ADD, 3,                                                                               \
      "insert into service_port (service_id, id, host, forwarded) select $1, $2,"                \
      " (v->>'host')::integer, (v->>'forwarded')::integer from (select $3::jsonb as v) i"        \
      " returning id")                                                                           \
    X(PORT_UPDATE, 3,                                                                            \
      "update service_port u set host = (v->>'host')::integer,"                                  \
      " forwarded = (v->>'forwarded')::integer from (select $3::jsonb as v) i"                   \
      " where u.service_id = $1 and u.id = $2 returning u.id")                                   \
    X(PORT_DELETE, 2, "delete from service_port where service_id = $1 and id = $2 returning id") \
    X(CONFIG_ADD, 3,                                                                             \
      "insert into service_config (service_id, id, name, mount_path, contents_sealed, key_id,"   \
      " language) select $1, $2, v->>'name', v->>'mount_path', v->'contents'->>'sealed',"        \
      " v->'contents'->>'key_id', v->>'language' from (select $3::jsonb as v) i returning id")   \
    /* $4: whether the contents differ. */                                                       \
    X(CONFIG_UPDATE, 4,                                                                          \
      "update service_config u set name = v->>'name', mount_path = v->>'mount_path',"            \
      " contents_sealed = v->'contents'->>'sealed', key_id = v->'contents'->>'key_id',"          \
      " language = v->>'language', version = version + case when $4::boolean then 1 else 0 end"  \
      " from (select $3::jsonb as v) i where u.service_id = $1 and u.id = $2 returning u.id")    \
    X(CONFIG_DELETE, 2,                                                                          \
      "delete from service_config where service_id = $1 and id = $2 returning id")               \
    X(CONFIG_CONTENTS, 2,                                                                        \
      "select jsonb_build_object('contents', jsonb_build_object('sealed', contents_sealed,"      \
      " 'key_id', key_id)) as doc from service_config where service_id = $1 and id = $2")        \
    X(SHARED_ADD, 3,                                                                             \
      "insert into service_shared_volume (service_id, id, volume_id, container_path) select $1,"  \
      " $2, w.id, v->>'container_path' from (select $3::jsonb as v) i join service_volume w"      \
      " on w.id = v->>'volume_id' returning id")                                                 \
    X(SHARED_UPDATE, 3,                                                                          \
      "update service_shared_volume u set volume_id = w.id, container_path = v->>'container_path'" \
      " from (select $3::jsonb as v) i join service_volume w on w.id = v->>'volume_id'"          \
      " where u.service_id = $1 and u.id = $2 returning u.id")                                   \
    X(SHARED_DELETE, 2,                                                                          \
      "delete from service_shared_volume where service_id = $1 and id = $2 returning id")        \
    /* What services may not do to each other: $1 the one that asks (URLS_LOCK first). */        \
    X(PORT_TAKEN, 2,                                                                             \
      "select 1 from service_port where host = ($2::text)::integer and service_id <> $1 union all"\
      " select 1 from service_change c where not c.applied and c.field = 'ports'"                \
      " and c.service_id <> $1 and c.new_value->>'host' = $2::text limit 1")                    \
    X(VOLUME_READ, 2,                                                                            \
      "select 1 from service_shared_volume where volume_id = $2 and service_id <> $1 union all"  \
      " select 1 from service_change c where not c.applied and c.field = 'shared_volumes'"       \
      " and c.service_id <> $1 and c.new_value->>'volume_id' = $2 limit 1")                      \
    X(VOLUME_READABLE, 2,                                                                        \
      "select 1 from service me join service o on o.environment_id = me.environment_id"          \
      " join service_volume v on v.service_id = o.id where me.id = $1 and v.id = $2"             \
      " and o.id <> me.id and o.archived_at is null and v.host_path is null"                     \
      " and not exists (select 1 from service_change c where c.service_id = o.id"                \
      " and c.item_id = v.id and c.type = 'DELETE' and not c.applied)")                          \
    X(LOGIN_KNOWN, 2,                                                                            \
      "select 1 from service s join environment e on e.id = s.environment_id"                    \
      " join project p on p.id = e.project_id join registry_credential r"                        \
      " on r.workspace_id = p.workspace_id where s.id = $1 and r.id = $2")                       \
    X(SERVICE_READERS, 1,                                                                        \
      "select o.slug from service_volume v join service_shared_volume x on x.volume_id = v.id"   \
      " join service o on o.id = x.service_id where v.service_id = $1 and o.archived_at is null" \
      " union select o.slug from service_volume v join service_change c on not c.applied"        \
      " and c.field = 'shared_volumes' and c.new_value->>'volume_id' = v.id"                     \
      " join service o on o.id = c.service_id where v.service_id = $1 and o.archived_at is null" \
      " order by 1 limit 5")                                                                     \
    X(VOLUMES_READABLE, 2,                                                                       \
      "select jsonb_build_object('id', v.id, 'name', v.name, 'container_path', v.container_path," \
      " 'service', jsonb_build_object('id', o.id, 'slug', o.slug)) as doc from service o"        \
      " join service_volume v on v.service_id = o.id where o.environment_id = $1 and o.id <> $2" \
      " and o.archived_at is null and v.host_path is null and not exists (select 1"              \
      " from service_change c where c.service_id = o.id and c.item_id = v.id"                    \
      " and c.type = 'DELETE' and not c.applied) order by o.slug, v.created_at, v.id limit 1000") \
    /* No row: the slug is taken. */                                                             \
    X(SERVICE_SETTINGS_SET, 6,                                                                   \
      "update service s set slug = $2, auto_deploy_enabled = $3::boolean, watch_paths = $4,"     \
      " cleanup_queue_on_auto_deploy = $5::boolean, pr_preview_envs_enabled = $6::boolean,"      \
      " updated_at = now() where s.id = $1 and not exists (select 1 from service o"              \
      " where o.environment_id = s.environment_id and o.slug = $2 and o.id <> s.id"              \
      " and o.archived_at is null) returning s.id")                                              \
    X(DEPLOY_TOKEN_SET, 2,                                                                       \
      "update service set deploy_token = $2, updated_at = now() where id = $1")

#endif
