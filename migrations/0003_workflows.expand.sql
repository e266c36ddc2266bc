-- Deployments of all services of a server share its slots. A slot is taken when the deployment's
-- workflow is asked for and given back at its end; what has none waits as QUEUED.
create table server (
    id text primary key,
    deploy_concurrency integer not null default 5 check (deploy_concurrency between 1 and 100)
);
comment on column server.deploy_concurrency is 'most deployments that run at once';
insert into server (id) values ('local');

-- A lease without slot_no is a service held by something other than a deployment, for seconds.
alter table deploy_slot alter column run_id drop not null;
alter table deploy_slot add column workflow_id text not null default '';
alter table deploy_slot add column server_id text not null default 'local' references server;
alter table deploy_slot add column slot_no integer;
create unique index deploy_slot_no on deploy_slot (server_id, slot_no);

-- How far the current step is, where that is known (image pulls).
alter table deployment add column step_percent integer check (step_percent between 0 and 100);

-- Lines of the build log on their way to the log store.
create table deployment_line (
    id bigint generated always as identity primary key,
    service_id text not null,
    deployment_hash text not null,
    source text not null check (source in ('SYSTEM', 'BUILD')),
    level text not null check (level in ('INFO', 'WARN', 'ERROR')),
    text text not null,
    at timestamptz not null default clock_timestamp()
);

-- Signals for workflows go out as starts and cancellations do.
alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check
    check (kind in ('start_workflow', 'cancel_workflow', 'signal_workflow'));
create index outbox_key on outbox (key, id) where done_at is null;

-- Archived places free their names at once; their rows go when all that was in them is gone.
alter table project add column archived_at timestamptz;
alter table project drop constraint project_slug_key;
create unique index project_live_slug on project (slug) where archived_at is null;
alter table environment add column archived_at timestamptz;
alter table environment drop constraint environment_project_id_name_key;
create unique index environment_live_name on environment (project_id, name) where archived_at is null;
