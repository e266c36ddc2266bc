"""kill -9 of the api process between any two writes of a request leaves nothing of it behind.

A trigger counts the writes of a transaction of zaned and lets the n-th wait for a lock that the test holds; the process
dies while it waits. Afterwards every row of the database is as it was before, and the same request is carried out.
ZANE_KILL=all: in each write; else in each of the first ten and in every fourth after them."""
import concurrent.futures
import http.client
import os
import secrets
import signal

import pytest
from daemon import Daemon, end
from private_engine import wait_until

GATE = """
create schema kill;
grant usage on schema kill to zane;
create table kill.gate (n integer, key bigint);
grant select on kill.gate to zane;
create function kill.hold() returns trigger language plpgsql as $$
declare
    g record;
    n integer := coalesce(nullif(current_setting('kill.n', true), ''), '0')::integer + 1;
begin
    if session_user <> 'zane' then
        return null;
    end if;
    perform set_config('kill.n', n::text, true);
    select * into g from kill.gate;
    if found and g.n = n then
        perform pg_advisory_xact_lock_shared(g.key);
    end if;
    return null;
end
$$;
do $$
declare t text;
begin
    for t in select tablename from pg_tables where schemaname = 'public' loop
        execute format('create trigger kill_hold after insert or update or delete on %I for each statement'
                       ' execute function kill.hold()', t);
    end loop;
end
$$;
"""


class Platform:
    """A daemon of this file's own, since it dies often."""

    def __init__(self):
        self.daemon = Daemon().start()
        self.admin = self.daemon.first_admin()
        self.query = self.daemon.postgres.query
        self.query(GATE)

    def rows(self):
        """A checksum of each table; what is only a matter of the connection or of time is not in tables."""
        tables = [t for t, in self.query("select tablename from pg_tables where schemaname = 'public' order by 1")]
        return {t: self.query(f"select count(*), md5(string_agg(x::text, ',' order by x::text)) from {t} x")[0]
                for t in tables}

    def kill_at(self, n, request):
        """Whether the request came to its n-th write; there its process was killed. Else its answer."""
        key, postgres = secrets.randbits(31), self.daemon.postgres
        holder = postgres.connect()
        try:
            with holder.cursor() as c:
                c.execute("select pg_advisory_lock(%s)", (key,))
            self.query("insert into kill.gate values (%s, %s)", (n, key))
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                asked = pool.submit(request)
                wait_until(lambda: asked.done() or postgres.waiting_for("advisory"), 30, f"write {n}")
                if asked.done():
                    return False, asked.result()
                self.daemon.kill()
                with pytest.raises((http.client.HTTPException, OSError)):
                    asked.result()
        finally:
            holder.close()
            self.query("delete from kill.gate")
        wait_until(lambda: not self.query("select 1 from pg_stat_activity where usename = 'zane'"), 15, "the end of its sessions")
        return True, None

    def stop(self):
        self.daemon.stop()


@pytest.fixture(scope="module")
def platform():
    p = Platform()
    try:
        yield p
    finally:
        p.stop()


@pytest.fixture
def project(platform, slug):
    """A project with a service that is deployed, has a waiting change and a deployment in the queue."""
    admin, place = platform.admin, f"/api/projects/{slug}/production"
    assert admin.post("/api/projects/", {"slug": slug}).status == 201
    for name in ("web", "db"):
        assert admin.put(f"/api/deploys/{name}", {
            "image": "app:1", "project": slug, "port": 80, "env": {"A": "1"},
            "volumes": [{"container_path": "/data"}]}).status == 201
    assert admin.post(f"{place}/variables/", {"key": "SHARED", "value": "x"}).status == 201
    assert admin.put(f"{place}/deploy-service/docker/web/", {}).status == 200
    assert admin.put(f"{place}/request-service-changes/web/", {"field": "command", "new_value": "serve"}).status == 200
    return f"/api/projects/{slug}"


REQUESTS = {
    "create project": ("POST", "/api/projects/", {"slug": "fresh"}, 201),
    "create service": ("POST", "{project}/production/create-service/docker/", {"slug": "new", "image": "app:1"}, 201),
    "deploy": ("PUT", "{project}/production/deploy-service/docker/web/", {"cleanup_queue": True}, 200),
    "one-call deploy": ("PUT", "/api/deploys/fresh",
                        {"image": "app:2", "port": 80, "project": "{slug}", "volumes": [{"container_path": "/d"}]}, 201),
    "clone environment": ("POST", "{project}/clone-environment/production/", {"name": "copy", "deploy_after_clone": True}, 201),
    "archive service": ("DELETE", "{project}/production/archive-service/docker/web/", None, 204),
    "archive project": ("DELETE", "{project}/", None, 204),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_all_or_nothing(platform, project, slug, what):
    method, path, body, status = REQUESTS[what]
    body = body and {k: slug if v == "{slug}" else v for k, v in body.items()}
    before = platform.rows()
    writes, killed_in = 1, []

    def request():
        return platform.admin.call(method, path.format(project=project), body)

    while True:
        killed, answer = platform.kill_at(writes, request)
        if not killed:
            break
        assert platform.rows() == before, f"killed in write {writes}"
        platform.daemon.start()
        killed_in.append(writes)
        writes += 1 if writes < 10 or os.environ.get("ZANE_KILL") == "all" else 4
    assert answer.status == status, answer
    assert len(killed_in) >= 2 and platform.rows() != before
    print(f"{what}: killed in write {killed_in}")


def test_what_was_committed_is_there_after_a_kill(platform, project):
    """The other side of the same coin: what was answered outlives the process."""
    place = f"{project}/production"
    answer = platform.admin.put(f"{place}/deploy-service/docker/web/", {})
    end(platform.daemon.process, signal.SIGKILL)
    platform.daemon.start()
    assert answer.status == 200
    assert platform.admin.get(f"{place}/service-details/web/deployments/{answer.json()['hash']}/").status == 200
    assert platform.query("select count(*) from outbox where key = %s", (answer.json()["hash"],))[0][0] <= 1
