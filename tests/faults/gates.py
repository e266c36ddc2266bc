"""Gates in the platform's own database: a row that a step writes waits, uncommitted, until the test lets it pass.

A trigger after the write waits for an advisory lock that the test holds, so a fault hits a step exactly, and the product
knows nothing of it. Its statement time-out is 10 s: a gate is held for a moment only.
"""
import secrets

from private_engine import wait_until

# Which point of a deployment (or of another workflow) a written row is.
SCHEMA = """
create schema if not exists faults;
create table if not exists faults.gate (service_id text, point text, key bigint, primary key (service_id, point));
create or replace function faults.hold() returns trigger language plpgsql as $$
declare
    o jsonb := to_jsonb(old);
    n jsonb := to_jsonb(new);
    p text := case
        when tg_table_name = 'service' then 'erase'
        when tg_op = 'DELETE' then 'release'
        -- A slot is given in the API's transaction; the workflow, or a run that is no deployment, then takes it.
        when tg_table_name = 'deploy_slot' then
            case when tg_op = 'INSERT' and n->>'slot_no' is not null then 'asked' else 'queued' end
        when n->>'step' is distinct from o->>'step' and n->>'step' is not null then n->>'step'
        when n->>'finished_at' is not null and o->>'finished_at' is null then 'finish'
        when n->>'status' = 'REMOVED' and o->>'status' <> 'REMOVED' then 'retire' end;
    k bigint;
begin
    select key into k from faults.gate g
        where g.point = p and g.service_id = coalesce(n, o)->>(case tg_table_name when 'service' then 'id' else 'service_id' end);
    if found then
        perform pg_advisory_xact_lock_shared(k);
    end if;
    return null;
end
$$;
drop trigger if exists faults_hold on deployment;
create trigger faults_hold after update on deployment for each row execute function faults.hold();
drop trigger if exists faults_hold on deploy_slot;
create trigger faults_hold after insert or update or delete on deploy_slot for each row execute function faults.hold();
drop trigger if exists faults_hold on service;
create trigger faults_hold after delete on service for each row execute function faults.hold();
"""


class Gate:
    """Closed from its making until open(); what comes later passes."""

    def __init__(self, db, service_id, point):
        self.db, self.key = db, secrets.randbits(31)
        self.holder = db.connect()
        with self.holder.cursor() as c:
            c.execute("select pg_advisory_lock(%s)", (self.key,))
            c.execute("insert into faults.gate values (%s, %s, %s) on conflict (service_id, point)"
                      " do update set key = excluded.key", (service_id, point, self.key))
        self.what = f"somebody at the gate {point} of {service_id}"

    def wait(self, deadline=60):
        wait_until(lambda: self.db.query("select 1 from pg_locks where locktype = 'advisory' and not granted"
                                         " and objid = %s", (self.key,)), deadline, self.what)

    def open(self):
        self.holder.close()
