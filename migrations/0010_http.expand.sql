-- POST requests with an Idempotency-Key: what was answered, so that a repeat gets the same answer. A row
-- without an answer: carried out, but the process died before it could be kept.
create table idempotency_key (
    user_id bigint not null references app_user on delete cascade,
    key text not null check (length(key) between 1 and 255),
    request_hash text not null,
    created_at timestamptz not null default now(),
    status integer,
    answer_sealed text,
    key_id text,
    primary key (user_id, key)
);
comment on column idempotency_key.answer_sealed is 'base64(nonce || secretbox) under the key key_id';
create index idempotency_key_age on idempotency_key (created_at);

-- Tells api processes that what they keep in memory may be out of date. Equal notices of one transaction
-- are one notice.
create function notify_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('changed', tg_argv[0]);
    return null;
end
$$;

create trigger notify_changed after insert or update or delete on app_user
    for each row execute function notify_changed('callers');
create trigger notify_changed after insert or update or delete on workspace
    for each row execute function notify_changed('callers');
create trigger notify_changed after insert or update or delete on membership
    for each row execute function notify_changed('callers');
create trigger notify_changed after insert or update or delete on membership_project
    for each row execute function notify_changed('callers');
create trigger notify_changed after insert or update or delete on project
    for each row execute function notify_changed('answers');
create trigger notify_changed after insert or update or delete on environment
    for each row execute function notify_changed('answers');
create trigger notify_changed after insert or update or delete on service
    for each row execute function notify_changed('answers');
create trigger notify_changed after insert or update or delete on service_url
    for each row execute function notify_changed('answers');
create trigger notify_changed after insert or update or delete on service_volume
    for each row execute function notify_changed('answers');
create trigger notify_changed after insert or update or delete on service_change
    for each row execute function notify_changed('answers');
create trigger notify_changed after insert or update or delete on deployment
    for each row execute function notify_changed('answers');
create trigger notify_changed after delete or update of expires_at, scope on api_token
    for each row execute function notify_changed('callers');
