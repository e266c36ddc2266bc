-- First schema. Ids are texts in the shapes the API shows (docs/api.md); times are timestamptz.
-- schema_migration is created by the runner itself (zaned/store/migrate.c), which must read it first.

create table meta (
    key text primary key,
    value text not null
);

create table app_user (
    id bigint generated always as identity primary key,
    username text not null unique check (length(username) between 1 and 150),
    first_name text not null default '',
    last_name text not null default '',
    password_hash text not null,
    is_active boolean not null default true,
    is_superuser boolean not null default false,
    created_at timestamptz not null default now()
);

create table workspace (
    id text primary key check (id ~ '^wrk_'),
    name text not null,
    created_at timestamptz not null default now()
);

create table membership (
    id bigint generated always as identity primary key,
    user_id bigint not null references app_user on delete cascade,
    workspace_id text not null references workspace on delete cascade,
    role integer not null check (role in (10, 30, 40, 50)),
    unique (user_id, workspace_id)
);
create unique index membership_one_owner on membership (workspace_id) where role = 50;

create table project (
    id text primary key check (id ~ '^prj_'),
    workspace_id text not null references workspace on delete cascade,
    slug text not null unique check (length(slug) between 1 and 255),
    description text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index project_workspace on project (workspace_id, slug);

create table environment (
    id text primary key check (id ~ '^project_env_'),
    project_id text not null references project on delete cascade,
    name text not null check (length(name) between 1 and 255),
    is_preview boolean not null default false,
    created_at timestamptz not null default now(),
    unique (project_id, name)
);

create table service (
    id text primary key check (id ~ '^srv_dkr_'),
    environment_id text not null references environment on delete cascade,
    slug text not null check (slug ~ '^[a-z0-9_-]{1,38}$'),
    type text not null default 'DOCKER_REGISTRY' check (type = 'DOCKER_REGISTRY'),
    image text,
    command text,
    network_alias text not null,
    deploy_token text not null unique,
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
-- An archived service frees its name at once; its row goes when its containers are gone.
create unique index service_live_slug on service (environment_id, slug) where archived_at is null;
create unique index service_live_alias on service (environment_id, network_alias)
    where archived_at is null;
create index service_slug on service (slug) where archived_at is null;

-- What applying changes may swap is checked when all of them are applied (deferrable).
create table service_url (
    id text primary key check (id ~ '^url_'),
    service_id text not null references service on delete cascade,
    domain text not null check (length(domain) between 1 and 1000),
    base_path text not null default '/',
    strip_prefix boolean not null default true,
    redirect_to jsonb,
    associated_port integer check (associated_port between 1 and 65535),
    created_at timestamptz not null default clock_timestamp(),
    unique (domain, base_path) deferrable
);
create index service_url_service on service_url (service_id);

create table service_env (
    id text primary key check (id ~ '^env_dkr_'),
    service_id text not null references service on delete cascade,
    key text not null check (key ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    value_sealed text not null,
    key_id text not null,
    created_at timestamptz not null default clock_timestamp(),
    unique (service_id, key) deferrable
);
comment on column service_env.value_sealed is 'base64(nonce || secretbox) under the key key_id';

create table service_volume (
    id text primary key check (id ~ '^vol_'),
    service_id text not null references service on delete cascade,
    name text not null,
    container_path text not null,
    host_path text,
    mode text not null default 'READ_WRITE' check (mode in ('READ_ONLY', 'READ_WRITE')),
    created_at timestamptz not null default clock_timestamp(),
    unique (service_id, container_path) deferrable
);

create table service_healthcheck (
    service_id text primary key references service on delete cascade,
    id text not null unique check (id ~ '^htc_'),
    type text not null check (type in ('PATH', 'COMMAND')),
    value text not null,
    timeout_seconds integer not null default 30 check (timeout_seconds >= 5),
    interval_seconds integer not null default 30 check (interval_seconds >= 5),
    associated_port integer check (associated_port between 1 and 65535)
);

create table deployment (
    hash text primary key check (hash ~ '^dpl_dkr_'),
    service_id text not null references service on delete cascade,
    slot text not null check (slot in ('BLUE', 'GREEN')),
    status text not null default 'QUEUED' check (status in (
        'QUEUED', 'CANCELLED', 'CANCELLING', 'FAILED', 'PREPARING', 'BUILDING', 'STARTING',
        'RESTARTING', 'HEALTHY', 'UNHEALTHY', 'REMOVED', 'SLEEPING')),
    status_reason text,
    is_current_production boolean not null default false,
    snapshot jsonb not null,
    commit_message text not null default 'update service',
    trigger_method text not null default 'MANUAL' check (trigger_method in ('MANUAL', 'AUTO', 'API')),
    is_redeploy_of text references deployment on delete set null,
    step text,
    step_since timestamptz,
    queued_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index deployment_service on deployment (service_id, queued_at desc);
create unique index deployment_one_production on deployment (service_id)
    where is_current_production;
create index deployment_unfinished on deployment (service_id, queued_at)
    where status in ('QUEUED', 'PREPARING', 'BUILDING', 'STARTING', 'RESTARTING', 'CANCELLING');

create table service_change (
    id text primary key check (id ~ '^chg_dkr_'),
    service_id text not null references service on delete cascade,
    type text not null check (type in ('ADD', 'UPDATE', 'DELETE')),
    position bigint generated always as identity, -- order in which changes are applied
    field text not null check (field in (
        'source', 'command', 'healthcheck', 'volumes', 'env_variables', 'urls')),
    item_id text,
    old_value jsonb,
    new_value jsonb,
    applied boolean not null default false,
    deployment_hash text references deployment on delete set null,
    created_at timestamptz not null default clock_timestamp()
);
create index service_change_pending on service_change (service_id, position) where not applied;
create index service_change_url on service_change ((new_value->>'domain'))
    where not applied and field = 'urls';
create index service_change_deployment on service_change (deployment_hash);
create unique index service_change_one_single on service_change (service_id, field)
    where not applied and field in ('source', 'command', 'healthcheck');
create unique index service_change_one_item on service_change (service_id, item_id)
    where not applied and item_id is not null;

-- Lease: at most one deployment of a service runs at a time.
create table deploy_slot (
    service_id text primary key references service on delete cascade,
    deployment_hash text not null references deployment on delete cascade,
    run_id text not null,
    acquired_at timestamptz not null default now()
);

-- What must happen outside the database after a commit. A worker takes rows that are due.
create table outbox (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('start_workflow', 'cancel_workflow')),
    key text not null,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    next_at timestamptz not null default now(),
    attempts integer not null default 0,
    done_at timestamptz,
    last_error text
);
create index outbox_due on outbox (next_at, id) where done_at is null;

create function outbox_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('outbox', '');
    return null;
end
$$;
create trigger outbox_notify after insert on outbox
    for each statement execute function outbox_notify();
