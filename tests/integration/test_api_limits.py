"""Nobody's requests keep another's from an answer: deadlines, turns at the workers, what strangers cannot empty."""
import contextlib
import socket
import threading
import time

import pytest
from daemon import APP_DOMAIN, Client, Daemon
from private_engine import wait_until


@pytest.fixture(scope="module")
def own():
    d = Daemon()
    d.start(ZN_CONNECTIONS="64", ZN_IDLE_S="2", ZN_ARRIVE_S="1")
    d.admin = d.first_admin()
    yield d
    assert d.stop() == 0


def closed(s, more, deadline):
    """What was answered until the server closed, while the client goes on sending `more`."""
    got, end = b"", time.monotonic() + deadline
    s.settimeout(0.1)
    while time.monotonic() < end:
        try:
            part = s.recv(65536)
            if not part:
                return got
            got += part
        except TimeoutError:
            with contextlib.suppress(OSError):
                s.sendall(more)
        except OSError:
            return got
    raise AssertionError(f"still open after {deadline} s, answered {got!r}")


@contextlib.contextmanager
def busy(daemon):
    """Somebody else's connections come and go."""
    end = threading.Event()

    def ask():
        while not end.wait(0.2):
            assert Client(daemon.port).get("/healthz").status == 200
    t = threading.Thread(target=ask)
    t.start()
    try:
        yield
    finally:
        end.set()
        t.join()


@pytest.mark.parametrize("sent, more, limit_s", [
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n", 4),
    (b"", b"", 4),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"", 4),
], ids=["a head in drops", "nothing", "half a head"])
def test_slow_heads_are_cut(own, sent, more, limit_s):
    with busy(own), socket.create_connection(("127.0.0.1", own.port)) as s:
        s.sendall(sent)
        began = time.monotonic()
        closed(s, more, limit_s)
        assert time.monotonic() - began > 1.5, "not before its time"


def slow_body(s, size):
    s.sendall(f"POST /api/auth/login/ HTTP/1.1\r\nHost: {APP_DOMAIN}\r\nContent-Type: application/json\r\n"
              f"Content-Length: {size}\r\n\r\n{{".encode())


@pytest.mark.parametrize("more", [b" ", b""], ids=["in drops", "silent"])
def test_slow_bodies_are_cut(own, more):
    with busy(own), socket.create_connection(("127.0.0.1", own.port)) as s:
        slow_body(s, 1000)
        began = time.monotonic()
        closed(s, more, 5)
        assert time.monotonic() - began > 0.9


def test_a_late_body_is_told_so(own):
    with socket.create_connection(("127.0.0.1", own.port)) as s:
        slow_body(s, 10)
        time.sleep(1.3)
        s.sendall(b"123456789")
        s.settimeout(5)
        assert s.recv(4096).startswith(b"HTTP/1.1 408")


def test_a_slow_but_decent_request_is_served(own):
    with busy(own), socket.create_connection(("127.0.0.1", own.port)) as s:
        for part in (b"GET /heal", b"thz HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n", b"\r\n"):
            time.sleep(0.3)
            s.sendall(part)
        s.settimeout(5)
        assert s.recv(100).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_makes_room():
    """Three times as many as may connect ask for more than fits into the buffers between, and read nothing."""
    d, held = Daemon(), []
    d.start(ZN_CONNECTIONS="64")
    try:
        admin = d.first_admin()
        d.postgres.query("insert into project (id, workspace_id, slug, description) select 'prj_' || lpad(i::text, 11, 'x'),"
                         " w.id, 'big' || i, repeat('x', 1000) from workspace w, generate_series(1, 900) i")
        assert len(admin.get("/api/projects/").body) > 900_000
        cookie = f"sessionid={admin.cookies['sessionid']}"
        for i in range(200):
            if i == 64:
                time.sleep(0.5)  # all that may connect wait for their client to read
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", d.port))
            s.sendall(f"GET /api/projects/ HTTP/1.1\r\nHost: {APP_DOMAIN}\r\nCookie: {cookie}\r\n\r\n".encode() * 20)
            held.append(s)
        began = time.monotonic()
        for _ in range(10):
            assert d.client().get("/healthz").status == 200
        assert time.monotonic() - began < 10, "long before they are closed for doing nothing"
    finally:
        for s in held:
            s.close()
        assert d.stop() == 0


class Locked:
    """Whoever reads projects waits, for as long as this is entered."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.c = self.daemon.postgres.connect()
        with self.c.cursor() as k:
            k.execute("lock table project in access exclusive mode")
        return self

    def __exit__(self, *_):
        self.c.rollback()
        self.c.close()


def ask(daemon, path, address, **headers):
    return daemon.client().call("GET", path, headers={"X-Forwarded-For": address, **headers})


def test_one_address_cannot_have_all_workers(own):
    cookie = {"Cookie": f"sessionid={own.admin.cookies['sessionid']}"}
    got = []
    threads = [threading.Thread(target=lambda: got.append(ask(own, "/api/projects/default/", "10.1.1.1", **cookie)))
               for _ in range(30)]
    with Locked(own):
        for t in threads:
            t.start()
        wait_until(lambda: len(own.postgres.waiting_for("relation")) >= 6, 5, "six workers to wait")
        time.sleep(0.3)
        assert len(own.postgres.waiting_for("relation")) == 6, "not more than its share"
        for i in range(5):
            began = time.monotonic()
            assert ask(own, "/api/auth/check-user-existence/", f"10.1.2.{i}").status == 200
            assert time.monotonic() - began < 1
    for t in threads:
        t.join()
    assert [a.status for a in got] == [200] * 30, "and all were served in the end"


def test_a_kept_answer_needs_no_database_and_strangers_cannot_empty_it(own):
    assert own.admin.get("/api/projects/").status == 200
    with Locked(own):
        assert own.admin.get("/api/projects/").status == 200
        stranger = own.client()
        assert stranger.post("/api/auth/login/", {"username": 5}).status == 400
        assert stranger.call("POST", "/api/auth/login/", raw=b"{", headers={"Content-Type": "application/json"}).status == 400
        assert stranger.delete("/api/projects/default/").status == 401
        began = time.monotonic()
        assert own.admin.get("/api/projects/").status == 200
        assert time.monotonic() - began < 0.5


def test_a_request_that_wants_to_be_asked_to_go_on(own):
    for _ in range(3):
        a = own.admin.call("GET", "/api/projects/", headers={"Expect": "100-continue"})
        assert a.status == 200 and a.json()


def test_refused_addresses_cost_valkey_nothing(own):
    def commands():
        with socket.create_connection(("127.0.0.1", own.valkey.port), 5) as v:
            v.sendall(f"AUTH {own.valkey.password}\r\nINFO stats\r\nQUIT\r\n".encode())
            text = b"".join(iter(lambda: v.recv(65536), b""))
        return int(text.split(b"total_commands_processed:")[1].split()[0])
    statuses = [ask(own, "/api/auth/check-user-existence/", "10.4.4.4").status for _ in range(65)]
    assert statuses.count(200) <= 60 and statuses[-1] == 429
    waits = {ask(own, "/api/auth/check-user-existence/", "10.4.4.4").headers["Retry-After"] for _ in range(20)}
    assert all(1 <= int(w) <= 60 for w in waits)
    before = commands()
    for _ in range(200):
        assert ask(own, "/api/auth/check-user-existence/", "10.4.4.4").status == 429
    assert commands() - before < 60
    assert ask(own, "/api/auth/check-user-existence/", "10.4.4.5").status == 200
