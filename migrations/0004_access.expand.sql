-- Projects that a guest may see; other roles see all of their workspace.
create table membership_project (
    membership_id bigint not null references membership on delete cascade,
    project_id text not null references project on delete cascade,
    primary key (membership_id, project_id)
);
create index membership_project_project on membership_project (project_id);

-- Logins for image registries, of a workspace. A service that uses one keeps it from being deleted.
create table registry_credential (
    id text primary key check (id ~ '^reg_cred_'),
    workspace_id text not null references workspace on delete cascade,
    slug text not null check (slug ~ '^[a-z0-9_-]{1,255}$'),
    registry_type text not null check (registry_type in (
        'DOCKER_HUB', 'GITHUB', 'GITLAB', 'GOOGLE_ARTIFACT', 'AWS_ECR', 'GENERIC')),
    url text not null,
    username text not null default '',
    password_sealed text not null,
    key_id text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (workspace_id, slug)
);
comment on column registry_credential.password_sealed is 'base64(nonce || secretbox) under the key key_id';
alter table service add column registry_credential_id text references registry_credential on delete restrict;
create index service_registry_credential on service (registry_credential_id)
    where registry_credential_id is not null;

-- Variables that all services of an environment get, and that {{env.KEY}} means in theirs.
create table environment_variable (
    id text primary key check (id ~ '^env_prj_'),
    environment_id text not null references environment on delete cascade,
    key text not null check (key ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    value_sealed text not null,
    key_id text not null,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    unique (environment_id, key)
);
comment on column environment_variable.value_sealed is 'base64(nonce || secretbox) under the key key_id';
