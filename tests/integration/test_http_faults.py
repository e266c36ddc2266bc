"""The HTTP server and the envelope, with the real zaned: bad input, limits, outages, stopping."""
import os
import signal
import socket
import subprocess
import time

import pytest
from daemon import Client, Daemon, end, free_port
from private_engine import wait_until


def raw(port, data, deadline=20):
    """What the server answers to these bytes until it closes, or until a whole answer is there."""
    with socket.create_connection(("127.0.0.1", port), timeout=deadline) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        return got


def status(answer):
    return int(answer.split(b" ")[1]) if answer else 0


@pytest.fixture
def own():
    """A zaned of the test's own, to be stopped, stalled and robbed of its databases."""
    d = Daemon()
    try:
        yield d.start()
    finally:
        d.stop()


# --- bad input --------------------------------------------------------------------------------------

def test_unknown_route_and_method(daemon):
    a = daemon.client().get("/api/nothing/")
    assert (a.status, a.json()["type"], a.errors()) == (404, "client_error", [(None, "not_found")])
    a = daemon.client().call("PATCH", "/api/ping/")
    assert (a.status, a.errors(), a.headers["Allow"]) == (405, [(None, "method_not_allowed")], "GET")


def test_trailing_slash_is_optional(daemon):
    assert [daemon.client().get(p).status for p in ("/api/ping", "/api/ping/")] == [200, 200]


def test_every_answer_names_the_request(daemon):
    ids = {daemon.client().get("/healthz").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("body, kind, want", [
    (b"{", "application/json", (400, "parse_error")),
    (b"\xff\xfe", "application/json", (400, "parse_error")),
    (b"[" * 100000, "application/json", (400, "parse_error")),
    (b'{"username":"a","username":"b"}', "application/json", (400, "parse_error")),
    (b"username=a", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
    (b"{}", "application/jsonx", (415, "unsupported_media_type")),
])
def test_bad_bodies(daemon, body, kind, want):
    a = daemon.client().call("POST", "/api/auth/create-initial-user/", raw=body, headers={"Content-Type": kind})
    assert (a.status, a.errors()[0][1]) in (want, (403, "permission_denied")), a


def test_oversized_body(daemon):
    a = daemon.client().call("POST", "/api/auth/login/", raw=b"x" * (1 << 20) + b"yy",
                             headers={"Content-Type": "application/json"})
    assert a.status == 413 and a.json()["type"] == "client_error"


@pytest.mark.parametrize("target", [b"/api/%ff/", b"/api/%00/", b"/api/%zz/", b"/api/ping/?a=%ff", b"/" + b"a" * 9000])
def test_bad_targets(daemon, target):
    got = raw(daemon.port, b"GET " + target + b" HTTP/1.1\r\nHost: dash.test\r\nConnection: close\r\n\r\n")
    assert 400 <= status(got) < 500, got[:300]
    assert daemon.client().get("/healthz").status == 200


@pytest.mark.parametrize("junk", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                                  b"POST /api/auth/login/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nHost: dash.test\r\n" + b"A: b\r\n" * 5000 + b"\r\n"],
                         ids=["bytes", "no target", "version", "length", "headers"])
def test_junk_never_kills(daemon, junk):
    try:
        got = raw(daemon.port, junk, deadline=3)
    except OSError:
        got = b""  # cut off; or a half-closed connection may stay until the server's own deadline; it holds nobody up
    assert not got or 400 <= status(got) < 600
    assert daemon.client().get("/healthz").status == 200


def test_foreign_host_is_refused(daemon):
    for host, want in (("evil.example", 400), ("dash.test", 200), ("x.apps.test", 200), ("127.0.0.1:1", 200)):
        assert daemon.client().get("/api/ping/", headers={"Host": host}).status == want, host


# --- outages ----------------------------------------------------------------------------------------

def test_frozen_database_costs_its_deadline_only(own):
    """A server that is stopped, not gone: its connections stay open and say nothing."""
    c = own.first_admin()
    pids = [pid for (pid,) in own.postgres.query("select pid from pg_stat_activity where usename = 'zane'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        a = c.get("/api/auth/me/")
        assert a.status == 503 and time.monotonic() - start < 20, a
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_frozen_database_does_not_block_everybody(own):
    """Readiness probes while the database is silent must not use up all workers."""
    own.client().get("/readyz")
    pids = [pid for (pid,) in own.postgres.query("select pid from pg_stat_activity where usename = 'zane'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    waiting = []
    try:
        time.sleep(1.2)  # the cached look of one second is over
        for _ in range(12):
            s = socket.create_connection(("127.0.0.1", own.port))
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            waiting.append(s)
        start = time.monotonic()
        assert own.client().get("/api/ping/").status == 200
        assert time.monotonic() - start < 2
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for s in waiting:
            s.close()


def test_database_restart_is_survived(own):
    c = own.first_admin()
    end(own.postgres.process, signal.SIGINT)
    assert c.get("/api/auth/me/").status == 503
    own.postgres.start()
    wait_until(lambda: c.get("/api/auth/me/").status == 200, 15, "the database to be used again")


# --- start and stop ---------------------------------------------------------------------------------

def test_stop_is_quick_with_an_idle_keep_alive_connection(own):
    with socket.create_connection(("127.0.0.1", own.port)) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in s.recv(4096)
        start = time.monotonic()
        end(own.process)
        assert own.process.returncode == 0 and time.monotonic() - start < 2


def test_second_process_on_the_port_is_refused(own):
    p = subprocess.Popen([own.program, "api"], env=own.environment(), stderr=subprocess.PIPE)
    try:
        assert p.wait(5) == 1 and b"listening" in p.stderr.read()
    finally:
        end(p)
