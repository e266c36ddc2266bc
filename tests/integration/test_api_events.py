"""System health and the stream of events: a supervisor of the test's own, so that it can fall silent, flood or go."""
import json
import os
import pathlib
import re
import signal
import socket
import threading
import time

import pytest
from daemon import Daemon
from event_reader import Reader
from private_engine import wait_until
from supervisor_host import Host

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STATE = {"version": "1", "ready": True, "stage": "RUNNING", "summary": "all is well", "components": [], "issues": []}


class Supervisor:
    """Answers GET /v1/health and /v1/events on a unix socket; say() is an event for whoever listens."""

    def __init__(self, path):
        self.path, self.seq, self.streams, self.asked = str(path), 0, [], []
        self.lock, self.listener, self.status, self.answer = threading.Lock(), None, 200, {}

    def up(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()
        return self

    def down(self):
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for s in self.streams:
                s.close()
            self.streams = []

    def _serve(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            method, target = conn.recv(4096).decode().split(" ")[:2]
            self.asked.append(target)
            if target == "/v1/events":
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1000\n\n")
                with self.lock:
                    self._send([conn], "snapshot", STATE)
                    self.streams.append(conn)
            else:
                body = json.dumps(STATE if method == "GET" else self.answer).encode()
                conn.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                conn.close()

    def _send(self, conns, name, data):
        for c in conns:
            c.sendall(f"id: {self.seq}.life\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def say(self, name, data):
        with self.lock:
            self.seq += 1
            self._send(self.streams, name, data)
        return f"{self.seq}.life"


@pytest.fixture(scope="module")
def own():
    d = Daemon()
    d.supervisor = Supervisor(d.root / "own.sock").up()
    d.start(ZN_SUPERVISOR=d.supervisor.path)
    d.admin = d.first_admin()
    d.cookie = f"sessionid={d.admin.cookies['sessionid']}"
    wait_until(lambda: d.supervisor.streams, 10, "the daemon to listen")
    yield d
    assert d.stop() == 0


def test_health_is_the_supervisors(own):
    a = own.admin.get("/api/system/health/")
    assert a.status == 200 and a.json() == STATE


def same_shape(got, wanted):
    if isinstance(wanted, dict):
        return isinstance(got, dict) and got.keys() == wanted.keys() and all(same_shape(got[k], v) for k, v in wanted.items())
    return type(got) is type(wanted)


def test_examples_of_the_document(own):
    """```http who: request, status, JSON answer."""
    who = {"superuser": own.admin, "anybody": own.client()}
    blocks = re.findall(r"```http (\w+)\nGET (\S+)\n(\d+)\n(.*?)\n```", (ROOT / "docs/api/system.md").read_text(), re.S)
    assert len(blocks) == 3
    for name, path, status, answer in blocks:
        got = who[name].get(path)
        assert got.status == int(status) and same_shape(got.json(), json.loads(answer)), got


def test_only_superusers_and_no_tokens(own):
    assert own.client().get("/api/system/health/").status == 401
    assert Reader(own, "sessionid=nobody").status() == 401
    own.postgres.query("update app_user set is_superuser = false")
    try:
        assert own.admin.get("/api/system/health/").status == 403
        assert Reader(own, own.cookie).status() == 403
    finally:
        own.postgres.query("update app_user set is_superuser = true")


def test_a_component_is_retried_by_superusers_only(own):
    own.postgres.query("update app_user set is_superuser = false")
    try:
        assert own.admin.post("/api/system/components/loki/retry/").status == 403
    finally:
        own.postgres.query("update app_user set is_superuser = true")
    asked = len(own.supervisor.asked)
    for name in ("Loki", "a.b", "x" * 32, "..%2fstop"):
        assert own.admin.post(f"/api/system/components/{name}/retry/").status == 404, name
    assert len(own.supervisor.asked) == asked
    own.supervisor.status, own.supervisor.answer = 409, {"error": {"code": "conflict", "message": "the platform is being stopped"}}
    try:
        a = own.admin.post("/api/system/components/loki/retry/")
    finally:
        own.supervisor.status = 200
    assert a.status == 409 and "being stopped" in str(a.json()) and own.supervisor.asked[-1] == "/v1/components/loki/retry"


def test_a_reader_begins_with_the_state_and_hears_what_comes(own):
    r = Reader(own, own.cookie)
    assert json.loads(r.wait("snapshot")[2]) == STATE
    assert b"Content-Type: text/event-stream" in r.head and b"Cache-Control: no-store" in r.head
    told = own.supervisor.say("component", {"seq": 1, "component": {"id": "caddy", "state": "READY"}})
    assert r.wait("component")[0] == told
    r.close()


def test_resuming_repeats_nothing_and_misses_nothing(own):
    r = Reader(own, own.cookie)
    r.wait("snapshot")
    first = own.supervisor.say("component", {"n": "first"})
    r.wait("component", where=lambda d: d == {"n": "first"})
    r.close()
    missed = [own.supervisor.say("component", {"n": i}) for i in range(5)]
    time.sleep(0.2)
    for again in (Reader(own, own.cookie, first),
                  Reader(own, own.cookie, target=f"/api/system/events/?since={first}"),
                  Reader(own, own.cookie, first, target="/api/system/events/?since=0.other")):
        again.wait("component", where=lambda d: d == {"n": 4})
        assert [e[0] for e in again.events()] == missed
        again.close()
    unknown = Reader(own, own.cookie, "77.otherlife")
    assert unknown.wait("snapshot") and unknown.events()[0][1] == "snapshot"
    unknown.close()


def test_many_readers_are_one_connection_upstream(own):
    before = own.supervisor.asked.count("/v1/events")
    readers = [Reader(own, own.cookie) for _ in range(60)]
    for r in readers:
        r.wait("snapshot")
    told = own.supervisor.say("component", {"n": "all"})
    for r in readers:
        assert r.wait("component", where=lambda d: d == {"n": "all"})[0] == told
        r.close()
    assert own.supervisor.asked.count("/v1/events") == before and len(own.supervisor.streams) == 1
    threads = len(list(pathlib.Path(f"/proc/{own.process.pid}/task").iterdir()))
    assert threads < 20, "no thread for a stream"


def resident_mib(daemon):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text())[1]) / 1024


def test_a_slow_reader_is_cut_off_and_costs_nothing(own):
    """20 clients read nothing while 100 MiB pass by: nothing is buffered for them; a quick one misses nothing."""
    slow = [Reader(own, own.cookie, receive=4096) for _ in range(20)]
    quick = Reader(own, own.cookie)
    quick.wait("snapshot")
    time.sleep(0.3)
    before, big = resident_mib(own), "x" * 50_000
    for i in range(1000):
        own.supervisor.say("component", {"n": i, "fill": big})
        if i % 20 == 0:
            quick.wait("component", where=lambda d, i=i: d.get("n") == i)
            quick.seen = []
    assert resident_mib(own) - before < 40
    for r in slow:
        wait_until(lambda r=r: r.pump() or not r.open, 20, "the slow reader's end")
    assert quick.open
    quick.close()


def test_while_the_supervisor_is_away(own):
    r = Reader(own, own.cookie)
    r.wait("snapshot")
    own.supervisor.down()
    assert "reason" in json.loads(r.wait("away")[2])
    a = own.admin.get("/api/system/health/")
    assert a.status == 503 and a.json()["errors"][0]["code"] == "unavailable", a
    assert Reader(own, own.cookie).status() == 503
    own.supervisor.up()
    r.wait("snapshot", where=lambda d: len([e for e in r.events() if e[1] == "snapshot"]) > 1)
    assert own.admin.get("/api/system/health/").status == 200
    own.supervisor.status = 500
    assert own.admin.get("/api/system/health/").status == 503
    own.supervisor.status = 200
    r.close()


def test_a_supervisor_that_falls_silent_is_away(own):
    """It neither speaks nor goes: no comment for 35 s, where one is due every 15."""
    r = Reader(own, own.cookie)
    r.wait("snapshot")
    assert not [e for e in r.events() if e[1] == "away"]
    r.wait("away", 45)
    r.close()


def test_a_stop_of_the_daemon_ends_streams(own):
    d = Daemon()
    d.start(ZN_SUPERVISOR=own.supervisor.path)
    try:
        r = Reader(d, f"sessionid={d.first_admin().cookies['sessionid']}")
        r.wait("snapshot")
        began = time.monotonic()
        d.process.send_signal(signal.SIGTERM)
        d.process.wait(10)
        assert d.process.returncode == 0 and time.monotonic() - began < 3
        wait_until(lambda: r.pump() or not r.open, 5, "the stream's end")
    finally:
        d.stop()


def test_with_the_real_supervisor(schema):
    host, d = Host(ROOT / "build").start(), Daemon()
    d.start(ZN_SUPERVISOR=str(host.run / "view/view.sock"))
    try:
        admin = d.first_admin()
        health = admin.get("/api/system/health/").json()
        assert {c["id"] for c in health["components"]} and health["summary"]
        r = Reader(d, f"sessionid={admin.cookies['sessionid']}")
        assert json.loads(r.wait("snapshot")[2])["components"]
        host.engine.up()  # it answers 500: the state of the platform changes
        r.wait("platform", 20)
        r.close()
        assert admin.post("/api/system/components/caddy/retry/").json()["id"] == "caddy"
        a = admin.post("/api/system/components/nix/retry/")
        assert a.status == 404 and "no such component" in str(a.json())
        done = [(e["action"], e["target"]) for e in admin.get("/api/audit/").json()["results"]]
        assert ("system.retry", "caddy") in done, done
    finally:
        d.stop()
        host.close()
