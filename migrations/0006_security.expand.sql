-- Tokens for programs. Each acts in the one workspace that it was made in, as its owner, never as more.
create table api_token (
    id text primary key check (id ~ '^tok_'),
    user_id bigint not null references app_user on delete cascade,
    workspace_id text not null references workspace on delete cascade,
    name text not null check (length(name) between 1 and 100),
    scope text not null check (scope in ('read', 'deploy', 'admin')),
    token_hash text not null unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz
);
create index api_token_owner on api_token (user_id, workspace_id, created_at);
create index api_token_workspace on api_token (workspace_id);
comment on column api_token.token_hash is 'BLAKE2b-256 of the token in hexadecimal; the token itself is not kept';

-- One-time codes by time (RFC 6238) as a second factor at login.
create table second_factor (
    user_id bigint primary key references app_user on delete cascade,
    seed_sealed text not null,
    key_id text not null,
    confirmed_at timestamptz, -- null: begun, not asked for at login yet
    last_step bigint not null default 0,
    created_at timestamptz not null default now()
);
comment on column second_factor.seed_sealed is 'base64(nonce || secretbox) under the key key_id';
comment on column second_factor.last_step is 'of the newest code that was accepted: it and older ones are not taken again';

create table recovery_code (
    user_id bigint not null references second_factor on delete cascade,
    code_hash text not null,
    used_at timestamptz,
    primary key (user_id, code_hash)
);
comment on column recovery_code.code_hash is 'BLAKE2b-256 of the code in hexadecimal';

-- Who did what. Entries are a chain: each hash covers the one before and the entry's own text. before and
-- after are json, not jsonb, because that keeps their text as it was hashed. No foreign keys: what an
-- entry speaks of may be gone.
create table audit_entry (
    seq bigint primary key,
    at timestamptz not null,
    user_id bigint,
    user_name text,
    token_id text,
    session_id text,
    workspace_id text,
    address text not null,
    request_id text not null,
    action text not null,
    target text,
    before json,
    after json,
    hash text not null
);
create index audit_entry_workspace on audit_entry (workspace_id, seq);

-- Its end. Whoever adds an entry locks this row, so that there is one chain; entries that were cut off its
-- end are missed by it.
create table audit_head (
    only_row boolean primary key default true check (only_row),
    seq bigint not null,
    hash text not null
);
insert into audit_head (seq, hash) values (0, repeat('0', 64));

create function audit_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to';
end
$$;
create trigger audit_entry_stays before update or delete or truncate on audit_entry
    for each statement execute function audit_refuse();

-- Change of the encryption key. Sealed values stand in text columns named *_sealed beside a column key_id,
-- and in jsonb columns as objects {"sealed", "key_id"}, so new tables are found without being listed.
create function sealed_tables() returns table (tab text, texts text[], docs text[], blocks bigint, keyed boolean)
language sql stable as $$
    select c.relname::text,
           coalesce(array_agg(a.attname::text order by a.attnum)
                    filter (where a.attname ~ '_sealed$' and a.atttypid = 'text'::regtype), '{}'),
           coalesce(array_agg(a.attname::text order by a.attnum)
                    filter (where a.atttypid = 'jsonb'::regtype), '{}'),
           pg_relation_size(c.oid) / current_setting('block_size')::bigint,
           bool_or(a.attname = 'key_id')
             or count(*) filter (where a.attname ~ '_sealed$' and a.atttypid = 'text'::regtype) = 0
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
    group by c.oid, c.relname
    having bool_or(a.attname ~ '_sealed$' or a.atttypid = 'jsonb'::regtype)
    order by c.relname
$$;

-- Condition for rows that hold a value under another key than $1.
create function sealed_condition(texts text[], docs text[]) returns text language plpgsql immutable as $$
declare
    ret text := 'false';
    col text;
begin
    foreach col in array texts loop
        ret := ret || format(' or (%I is not null and key_id <> $1)', col);
    end loop;
    foreach col in array docs loop
        ret := ret || format(' or jsonb_path_exists(%I, %L, jsonb_build_object(''key'', $1))', col,
                             '$.** ? (exists(@.sealed) && exists(@.key_id) && @.key_id != $key)');
    end loop;
    return ret;
end
$$;

create function sealed_document(texts text[], docs text[]) returns text language plpgsql immutable as $$
declare
    ret text := '';
    col text;
begin
    foreach col in array texts loop
        ret := ret || format(', %L, jsonb_build_object(''sealed'', %I, ''key_id'', key_id)', col, col);
    end loop;
    foreach col in array docs loop
        ret := ret || format(', %L, %I', col, col);
    end loop;
    return 'jsonb_build_object(' || substr(ret, 3) || ')';
end
$$;

-- Locks such rows in some blocks of a table and shows their columns as one document. Rows that others hold are
-- passed over: so nobody waits for anybody here, and the next pass finds them.
create function sealed_take(tab text, texts text[], docs text[], first bigint, blocks integer, key text)
returns table (place text, doc text) language plpgsql as $$
begin
    return query execute
        format('select ctid::text, %s::text from %I where ctid >= $2 and ctid < $3 and (%s) for update skip locked',
               sealed_document(texts, docs), tab, sealed_condition(texts, docs))
        using key, format('(%s,0)', first)::tid, format('(%s,0)', first + blocks)::tid;
end
$$;

-- Replaces values of a row that sealed_take locked: patches = [{"path": [column, …], "value": …}].
create function sealed_put(tab text, texts text[], docs text[], place text, key text, patches jsonb)
returns void language plpgsql as $$
declare
    doc jsonb;
    patch jsonb;
    col text;
    sets text := '';
    has_text boolean := false;
begin
    execute format('select %s from %I where ctid = $1', sealed_document(texts, docs), tab)
        into strict doc using place::tid;
    for patch in select * from jsonb_array_elements(patches) loop
        doc := jsonb_set(doc, array(select jsonb_array_elements_text(patch -> 'path')), patch -> 'value', false);
    end loop;
    for col in select distinct p -> 'path' ->> 0 from jsonb_array_elements(patches) p loop
        if col = any(texts) then
            sets := sets || format(', %I = $1 -> %L ->> ''sealed''', col, col);
            has_text := true;
        else
            sets := sets || format(', %I = $1 -> %L', col, col);
        end if;
    end loop;
    if has_text then
        sets := sets || ', key_id = $2';
    end if;
    execute format('update %I set %s where ctid = $3', tab, substr(sets, 3)) using doc, key, place::tid;
end
$$;

create function sealed_left(tab text, texts text[], docs text[], key text) returns bigint language plpgsql as $$
declare
    n bigint;
begin
    execute format('select count(*) from %I where %s', tab, sealed_condition(texts, docs)) into n using key;
    return n;
end
$$;
