-- The parts of a service from an image that were missing: host ports, files, volumes of other services, limits;
-- and how it takes deploys of its source.
alter table service add column resource_limits jsonb check (jsonb_typeof(resource_limits) = 'object');
alter table service add column auto_deploy_enabled boolean not null default true;
alter table service add column watch_paths text check (length(watch_paths) between 1 and 2048);
alter table service add column cleanup_queue_on_auto_deploy boolean not null default true;
alter table service add column pr_preview_envs_enabled boolean not null default true;

-- A port of the host belongs to one service of the machine.
create table service_port (
    id text primary key check (id ~ '^prt_'),
    service_id text not null references service on delete cascade,
    host integer not null check (host between 1 and 65535),
    forwarded integer not null check (forwarded between 1 and 65535),
    created_at timestamptz not null default clock_timestamp(),
    unique (host) deferrable
);
create index service_port_service on service_port (service_id);

create table service_config (
    id text primary key check (id ~ '^cf_'),
    service_id text not null references service on delete cascade,
    name text not null,
    mount_path text not null,
    contents_sealed text not null,
    key_id text not null,
    language text not null default 'plaintext',
    version integer not null default 1 check (version >= 1),
    created_at timestamptz not null default clock_timestamp(),
    unique (service_id, mount_path) deferrable
);
comment on column service_config.contents_sealed is 'base64(nonce || secretbox) under the key key_id';
comment on column service_config.version is 'one more with each change of the contents';

-- service_id reads a volume of another service of its environment.
create table service_shared_volume (
    id text primary key check (id ~ '^shared_vol_'),
    service_id text not null references service on delete cascade,
    volume_id text not null references service_volume on delete cascade,
    container_path text not null,
    created_at timestamptz not null default clock_timestamp(),
    unique (service_id, volume_id) deferrable
);
create index service_shared_volume_volume on service_shared_volume (volume_id);

alter table service_change drop constraint service_change_field_check;
alter table service_change add constraint service_change_field_check check (field in (
    'source', 'command', 'healthcheck', 'resource_limits', 'volumes', 'shared_volumes', 'env_variables',
    'urls', 'ports', 'configs'));
drop index service_change_one_single;
create unique index service_change_one_single on service_change (service_id, field)
    where not applied and field in ('source', 'command', 'healthcheck', 'resource_limits');
create index service_change_port on service_change ((new_value->>'host'))
    where not applied and field = 'ports';
create index service_change_shared on service_change ((new_value->>'volume_id'))
    where not applied and field = 'shared_volumes';
create index service_change_credential on service_change ((new_value->>'container_registry_credentials_id'))
    where not applied and field = 'source';
