-- A workspace that was deleted is nobody's at once; its row stays until the workflows that remove its
-- projects have ended, because what they remove hangs on it.
alter table workspace add column deleted_at timestamptz;
alter table workspace add constraint workspace_name_length check (length(name) between 1 and 255);
create index membership_workspace on membership (workspace_id, id);

create function workspace_forget() returns trigger language plpgsql as $$
begin
    -- One at a time, so that of two last projects the second sees the first one gone.
    perform 1 from workspace w where w.id = old.workspace_id and w.deleted_at is not null for update;
    if found then
        delete from workspace w where w.id = old.workspace_id
            and not exists (select 1 from project p where p.workspace_id = w.id);
    end if;
    return null;
end
$$;
create trigger workspace_forget after delete on project
    for each row execute function workspace_forget();

-- Links that let a person in. The token is found by its hash and shown from its sealed form.
create table workspace_invitation (
    id text primary key check (id ~ '^wrk_ivt_'),
    workspace_id text not null references workspace on delete cascade,
    username text not null check (length(username) between 1 and 150),
    role integer not null check (role in (10, 30, 40)),
    token_hash text not null unique,
    token_sealed text not null,
    key_id text not null,
    expires_at timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    unique (workspace_id, username)
);
comment on column workspace_invitation.token_hash is 'BLAKE2b of the token, 64 hexadecimal digits';
comment on column workspace_invitation.token_sealed is 'base64(nonce || secretbox) under the key key_id';

create table invitation_project (
    invitation_id text not null references workspace_invitation on delete cascade,
    project_id text not null references project on delete cascade,
    primary key (invitation_id, project_id)
);
create index invitation_project_project on invitation_project (project_id);

-- Codes by which a user sets a new password once; a new one replaces the former.
create table password_reset (
    id bigint generated always as identity primary key,
    user_id bigint not null unique references app_user on delete cascade,
    token_hash text not null unique,
    token_sealed text not null,
    key_id text not null,
    expires_at timestamptz not null
);
comment on column password_reset.token_hash is 'BLAKE2b of the code, 64 hexadecimal digits';
comment on column password_reset.token_sealed is 'base64(nonce || secretbox) under the key key_id';
