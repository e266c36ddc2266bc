"""What the API keeps in memory, limits and repeated requests: never older than the database, never twice."""
import http.client
import os
import secrets
import signal
import socket
import threading
import time

import pytest
from daemon import PASSWORD, Daemon
from private_engine import wait_until


@pytest.fixture(scope="module")
def own():
    """A daemon of this file's own: it is killed, starved and limited here."""
    d = Daemon()
    d.start()
    d.first_admin()
    yield d
    assert d.stop() == 0


def log_in(daemon):
    c = daemon.client()
    c.get("/api/csrf/")
    assert c.post("/api/auth/login/", {"username": "admin", "password": PASSWORD}).status == 201
    return c


@pytest.fixture(scope="module")
def user(own):
    return log_in(own)


def beside(user, daemon):
    """The same session on a connection of its own."""
    c = daemon.client()
    c.cookies.update(user.cookies)
    return c


def slugs(client):
    return {p["slug"] for p in client.get("/api/projects/").json()}


# --- what is kept --------------------------------------------------------------------------------------------

def test_own_changes_show_at_once(user):
    for _ in range(20):
        slug = f"p{secrets.token_hex(4)}"
        before = slugs(user)
        assert user.post("/api/projects/", {"slug": slug}).status == 201
        assert slugs(user) == before | {slug}
        assert user.delete(f"/api/projects/{slug}/").status == 204
        assert slugs(user) == before


def test_own_changes_show_before_their_notice_comes(own, user):
    """The database's process that sends the notices is stopped."""
    (pid,), = own.postgres.query("select pid from pg_stat_activity where query ilike 'listen events%'")
    os.kill(pid, signal.SIGSTOP)
    try:
        slug = f"p{secrets.token_hex(4)}"
        before = slugs(user)
        assert user.post("/api/projects/", {"slug": slug}).status == 201
        assert slugs(user) == before | {slug}
        assert user.delete(f"/api/projects/{slug}/").status == 204
        assert slugs(user) == before
    finally:
        os.kill(pid, signal.SIGCONT)


def test_changes_of_others_show_within_a_notice(own, user):
    """Not by this process, but in the database: as the worker does."""
    slug = f"p{secrets.token_hex(4)}"
    user.post("/api/projects/", {"slug": slug})
    with own.postgres.connect() as c, c.cursor() as k:
        for i in range(50):
            slugs(user)
            k.execute("update project set description = %s where slug = %s", (f"no {i}", slug))
            c.commit()
            wait_until(lambda: next(p for p in user.get("/api/projects/").json() if p["slug"] == slug)["description"] ==
                       f"no {i}", 5, "the new description")
    user.delete(f"/api/projects/{slug}/")


def test_who_was_suspended_or_lost_a_role_is_out(own, user):
    me = user.get("/api/auth/me/").json()
    assert me["membership"]["role"] == 50
    own.postgres.query("update membership set role = 40")
    assert user.get("/api/auth/me/").json()["membership"]["role"] == 40
    own.postgres.query("update membership set role = 50")
    own.postgres.query("update app_user set is_active = false")
    assert user.get("/api/auth/me/").status == 401
    own.postgres.query("update app_user set is_active = true")
    assert user.get("/api/auth/me/").status == 200
    other = log_in(own)
    assert other.get("/api/auth/me/").status == 200
    assert other.delete("/api/auth/logout/").status == 204
    other.cookies.update(user.cookies)
    assert other.get("/api/auth/me/").status == 200


def test_nothing_is_kept_while_changes_cannot_be_heard(own, user):
    """The listener's connection is cut: until it is back, each answer comes from the database."""
    slug = f"p{secrets.token_hex(4)}"
    user.post("/api/projects/", {"slug": slug})
    slugs(user)
    for i in range(5):
        own.postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen events%'")
        time.sleep(0.05)  # it hears of its end as it hears of changes
        own.postgres.query("update project set description = %s where slug = %s", (f"cut {i}", slug))
        assert next(p for p in user.get("/api/projects/").json() if p["slug"] == slug)["description"] == f"cut {i}"
    wait_until(lambda: own.postgres.query("select 1 from pg_stat_activity where query ilike 'listen events%'"), 10,
               "a new listener")


def test_a_cached_list_is_one_per_workspace_and_query(user):
    assert {p["slug"] for p in user.get("/api/projects/?slug=defaul").json()} == {"default"}
    assert user.get("/api/projects/?slug=nothing-like-it").json() == []
    assert "default" in slugs(user)
    assert user.get("/api/projects/?sort_by=bad").status == 400 and user.get("/api/projects/?sort_by=bad").status == 400


def test_many_ask_while_much_changes(own, user):
    """Each reader sees counters go up, never down: no answer is older than one that was given before."""
    slug = f"p{secrets.token_hex(4)}"
    user.post("/api/projects/", {"slug": slug})
    end, bad = threading.Event(), []

    def read():
        mine, last = beside(user, own), -1
        while not end.is_set():
            text = next(p for p in mine.get("/api/projects/").json() if p["slug"] == slug)["description"]
            now = int(text or 0)
            if now < last:
                bad.append((last, now))
            last = now
    readers = [threading.Thread(target=read) for _ in range(6)]
    for r in readers:
        r.start()
    with own.postgres.connect() as c, c.cursor() as k:
        for i in range(300):
            k.execute("update project set description = %s where slug = %s", (str(i + 1), slug))
            c.commit()
    end.set()
    for r in readers:
        r.join()
    assert not bad
    wait_until(lambda: next(p for p in user.get("/api/projects/").json() if p["slug"] == slug)["description"] == "300",
               5, "the last description")


# --- tags ----------------------------------------------------------------------------------------------------

def test_a_client_that_has_the_answer_is_told_so(user):
    first = user.get("/api/projects/")
    tag = first.headers["ETag"]
    again = user.get("/api/projects/", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"") and again.headers["ETag"] == tag
    slug = f"p{secrets.token_hex(4)}"
    user.post("/api/projects/", {"slug": slug})
    assert user.get("/api/projects/", headers={"If-None-Match": tag}).status == 200
    user.delete(f"/api/projects/{slug}/")


# --- limits --------------------------------------------------------------------------------------------------

@pytest.fixture
def limited():
    d = Daemon()
    d.start(ZN_RATE_ACCOUNT="50")
    yield d
    d.stop()


def test_an_account_is_limited(limited):
    a = limited.first_admin()
    left = 60 - time.time() % 60
    if left < 10:
        time.sleep(left + 0.1)  # all of it within one minute of the clock
    statuses = [a.get("/api/auth/me/").status for _ in range(80)]
    assert statuses.count(200) <= 50 and statuses[-1] == 429
    refused = a.get("/api/projects/")
    assert refused.status == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["errors"][0]["code"] == "throttled"
    # The count is the account's, not the session's; others are not held up.
    assert log_in(limited).get("/api/auth/me/").status == 429
    assert limited.client().get("/api/ping/").status == 200
    # Another process hears of it through Valkey.
    time.sleep(0.6)
    limited.kill()
    limited.start(ZN_RATE_ACCOUNT="50")
    assert [a.get("/api/auth/me/").status for _ in range(3)][0] == 200, "a new process starts counting"
    wait_until(lambda: a.get("/api/auth/me/").status == 429, 5, "what the process before counted")


# --- repeated requests -------------------------------------------------------------------------------------------

def key():
    return {"Idempotency-Key": f"k-{secrets.token_hex(8)}"}


def test_a_repeat_gets_the_first_answer(own, user):
    k, slug = key(), f"p{secrets.token_hex(4)}"
    first = user.post("/api/projects/", {"slug": slug}, headers=k)
    again = user.post("/api/projects/", {"slug": slug}, headers=k)
    assert first.status == again.status == 201 and first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    other = user.post("/api/projects/", {"slug": f"{slug}-x"}, headers=k)
    assert other.status == 409 and other.json()["errors"][0]["attr"] == "Idempotency-Key"
    assert f"{slug}-x" not in slugs(user)
    stored, = own.postgres.query("select answer_sealed from idempotency_key where key = %s", (k["Idempotency-Key"],))
    assert slug not in stored[0]
    own.postgres.query("update idempotency_key set created_at = now() - interval '25 hours' where key = %s",
                       (k["Idempotency-Key"],))
    assert user.post("/api/projects/", {"slug": slug}, headers=k).status == 409, "after a day it is a new request"
    assert user.post("/api/projects/", {"slug": f"{slug}-y"}, headers=k).status == 201


def test_a_failure_leaves_the_key_free(user):
    k, slug = key(), f"p{secrets.token_hex(4)}"
    assert user.post("/api/projects/", {"slug": "default"}, headers=k).status == 409
    assert user.post("/api/projects/", {"slug": slug}, headers=k).status == 201


@pytest.mark.parametrize("value", ["", "x" * 256, "a\x7fb", "naïve"])
def test_bad_keys_are_refused(user, value):
    a = user.post("/api/projects/", {}, headers={"Idempotency-Key": value.encode("utf-8").decode("latin-1")})
    assert a.status == 400 and a.json()["errors"][0]["attr"] == "Idempotency-Key"


def test_twenty_at_once_are_one(own, user):
    """One is carried out, the others get its answer or are told to wait."""
    k, slug, got = key(), f"p{secrets.token_hex(4)}", []
    clients = [beside(user, own) for _ in range(20)]
    threads = [threading.Thread(target=lambda c=c: got.append(c.post("/api/projects/", {"slug": slug}, headers=k)))
               for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {a.status for a in got} <= {201, 409} and sum(a.status == 201 for a in got) >= 1
    assert len({a.json()["id"] for a in got if a.status == 201}) == 1
    assert own.postgres.query("select count(*) from project where slug = %s", (slug,)) == [(1,)]


def test_a_process_that_dies_between_commit_and_answer(own, user):
    """The change is there, its answer is not: a repeat is told so and changes nothing."""
    k, slug = key(), f"p{secrets.token_hex(4)}"
    c = beside(user, own)
    held = own.postgres.connect()
    with held.cursor() as cursor:
        # The answer is kept after the commit, by an update of the row: a lock that lets inserts through stops it.
        cursor.execute("create function hold_answer() returns trigger language plpgsql as $$ begin perform"
                       " pg_advisory_xact_lock(4711); return new; end $$")
        cursor.execute("create trigger hold_answer before update on idempotency_key for each row execute function"
                       " hold_answer()")
        held.commit()
        cursor.execute("select pg_advisory_lock(4711)")
    t = threading.Thread(target=lambda: pytest.raises((OSError, http.client.HTTPException), c.post, "/api/projects/",
                                                      {"slug": slug}, headers=k))
    t.start()
    wait_until(lambda: own.postgres.query("select 1 from project where slug = %s", (slug,)), 10, "the project")
    own.kill()
    t.join()
    # A statement whose client is gone would still be carried out once the lock is free.
    own.postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'advisory'")
    held.close()
    own.postgres.query("drop trigger hold_answer on idempotency_key")
    own.postgres.query("drop function hold_answer()")
    own.start()
    c = beside(user, own)
    again = c.post("/api/projects/", {"slug": slug}, headers=k)
    assert again.status == 409 and again.json()["errors"][0]["attr"] == "Idempotency-Key", again
    assert own.postgres.query("select count(*) from project where slug = %s", (slug,)) == [(1,)]


# --- connections -------------------------------------------------------------------------------------------------

def test_whoever_holds_connections_locks_nobody_out():
    d = Daemon()
    d.start(ZN_CONNECTIONS="64")
    try:
        held = []
        for _ in range(300):
            s = socket.create_connection(("127.0.0.1", d.port), 5)
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")  # a head that never ends
            held.append(s)
            if len(held) % 50 == 0:
                assert d.client().get("/healthz").status == 200
        gone = 0
        for s in held:
            s.settimeout(0.01)
            try:
                gone += s.recv(100) == b""
            except TimeoutError:
                pass
            s.close()
        assert gone >= 200, "the oldest made room"
        assert d.client().get("/healthz").status == 200
    finally:
        assert d.stop() == 0
