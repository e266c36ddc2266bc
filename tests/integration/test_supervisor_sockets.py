"""The sockets of the real zane-supervisor and the real zane command, without an engine: an engine that is not there,
or answers nonsense, is what makes its state change here."""
import json
import os
import pathlib
import pty
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest
from private_engine import unix_request, wait_until

COMPONENTS = ["caddy", "postgres", "valkey", "loki", "fluentd", "temporal", "zaned-api", "zaned-worker"]
from supervisor_host import Host



@pytest.fixture(scope="module")
def build(root):
    out = os.environ.get("ZN_TEST_BUILD", str(root / "build"))
    subprocess.run(["make", "-s", f"B={out}", f"{out}/zane-supervisor", f"{out}/zane"], cwd=root, check=True)
    return out


@pytest.fixture
def host(build):
    h = Host(build)
    try:
        yield h.start()
    finally:
        h.close()


class Stream:
    """Server-sent events from a unix socket."""

    def __init__(self, path, target, last=None):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        extra = f"Last-Event-ID: {last}\r\n" if last else ""
        self.sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n{extra}\r\n".encode())
        self.buffer = b""
        self.head = self._until(b"\r\n\r\n").decode()

    def _until(self, mark, deadline=30):
        end = time.monotonic() + deadline
        while mark not in self.buffer:
            assert time.monotonic() < end, f"no event within {deadline} s, only {self.buffer!r}"
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def next(self):
        """(id, name, data) of the next event; comments and retry lines are passed over."""
        end = time.monotonic() + 30
        while True:
            assert time.monotonic() < end, "nothing but comments for 30 s"
            fields = dict(line.split(": ", 1) for line in self._until(b"\n\n").decode().split("\n")
                          if line and not line.startswith(":"))
            if "data" in fields:
                return fields["id"], fields["event"], json.loads(fields["data"])

    def close(self):
        self.sock.close()


def test_files_and_modes(host):
    modes = {name: oct(os.stat(host.run / name).st_mode & 0o777) for name in
             ("supervisor.sock", "status/status.sock", "logs/fluent.sock", "logs/handoff.sock", "logs/reader")}
    assert modes == {"supervisor.sock": "0o600", "status/status.sock": "0o666", "logs/fluent.sock": "0o666",
                     "logs/handoff.sock": "0o660", "logs/reader": "0o660"}
    assert os.stat(host.run / "logs/handoff.sock").st_gid == 975
    assert os.stat(host.run / "logs/reader").st_gid == 975 and os.stat(host.run / "logs/reader").st_size == 16


def test_health_lists_everything(host):
    health = host.health()
    assert [c["id"] for c in health["components"]] == COMPONENTS
    assert health["ready"] is False and health["stage"] == "engine" and health["seq"] >= 1
    assert {"state", "since", "message"} == set(health["components"][0]["health"])


def test_routes_methods_and_bad_requests(host):
    assert host.api("GET", "/v1/components/postgres")[0] == 200
    status, _, body = host.api("GET", "/v1/components/postgers")
    assert status == 404 and b"zaned-worker" in body
    assert host.api("POST", "/v1/components/..%2fstop/retry")[0] == 404
    assert host.api("POST", "/v1/components/" + "a" * 500 + "/retry")[0] == 404
    assert host.api("DELETE", "/v1/health")[0] == 405
    assert host.api("GET", "/v1/stop")[0] == 405
    assert host.api("GET", "/v2")[0] == 404
    for bad in (b"\0\0\0\0\r\n\r\n", b"GET / HTTP/1.1\n\n", b"GET " + b"a" * 9000, b"\x16\x03\x01\x02\x00\x01\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(15)
            s.connect(str(host.run / "supervisor.sock"))
            s.sendall(bad)
            assert s.recv(100).startswith(b"HTTP/1.1 4"), bad[:20]
    assert host.health()["components"]


def test_events_begin_with_a_snapshot_and_resume(host):
    path = host.run / "supervisor.sock"
    first = Stream(path, "/v1/events")
    last, name, data = first.next()
    assert name == "snapshot" and [c["id"] for c in data["components"]] == COMPONENTS
    host.engine.up()
    last, name, data = first.next()
    assert name == "platform" and data["platform"]["message"]
    first.close()
    host.engine.down()
    wait_until(lambda: host.health()["seq"] > data["seq"], 20, "another change")
    again = Stream(path, "/v1/events", last)
    id_, name, missed = again.next()
    assert name != "snapshot" and missed["seq"] == data["seq"] + 1, (id_, name)
    again.close()
    unknown = Stream(path, "/v1/events", "1.5eed")
    assert unknown.next()[1] == "snapshot"
    unknown.close()


def test_a_restart_is_noticed_by_the_id(host):
    path = host.run / "supervisor.sock"
    first = Stream(path, "/v1/events")
    last = first.next()[0]
    host.end()
    with pytest.raises(EOFError):
        while True:
            first.next()
    host.start()
    again = Stream(path, "/v1/events", last)
    assert again.next()[1] == "snapshot"
    again.close()


def test_status_page_without_and_with_the_engine(host):
    status, headers, body = host.page("GET", "/")
    assert status == 200 and b"<title>Zane is waiting for the container engine</title>" in body
    headers = {k.lower(): v for k, v in dict(headers).items()}
    assert "default-src 'none'" in headers["content-security-policy"] and headers["zane-status"] == "page"
    for component in COMPONENTS:
        assert f'id="part-{component}"'.encode() in body
    for method, path in (("GET", "/api/projects/"), ("PUT", "/api/deploys/web/"), ("POST", "/"), ("GET", "/x?y")):
        status, headers, body = host.page(method, path)
        assert status == 503 and {k.lower() for k in dict(headers)} >= {"retry-after"}, (method, path)
        assert body.startswith(b"<!doctype html>")
    shown = json.loads(host.page("GET", "/status.json")[2])
    assert [c["id"] for c in shown["components"]] == COMPONENTS and "version" not in shown
    stream = Stream(host.run / "status/status.sock", "/status/events")
    assert stream.next()[2]["note"].startswith("Now: ")
    host.engine.up()
    assert stream.next()[1] == "status"
    stream.close()


def test_two_hundred_visitors_at_once(host):
    path = str(host.run / "status/status.sock")
    socks = []
    for _ in range(300):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(path)
        s.sendall(b"GET /status.json HTTP/1.1\r\nHost: x\r\n\r\n")
        socks.append(s)
    for s in socks:
        assert s.recv(12) == b"HTTP/1.1 200"
    for s in socks:
        s.close()
    streams = [Stream(path, "/status/events") for _ in range(193)]
    assert [" 200 " in s.head for s in streams].count(True) == 192
    assert host.page("GET", "/")[0] == 200, "full streams leave the page alone"
    for s in streams:
        s.close()


def test_slow_readers_stall_nobody(host):
    slow = []
    for _ in range(10):
        s = socket.socket(socket.AF_UNIX)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect(str(host.run / "status/status.sock"))
        s.sendall(b"GET /status/events HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.append(s)
    quick = Stream(host.run / "status/status.sock", "/status/events")
    seen = quick.next()[2]["seq"]
    for change in (host.engine.up, host.engine.down, host.engine.up):
        change()
        before = seen
        while seen <= before:
            seen = quick.next()[2]["seq"]
        start = time.monotonic()
        host.health()
        assert time.monotonic() - start < 1
    for s in slow:
        s.close()
    quick.close()


# --- log hand-over ---------------------------------------------------------------------------------

class Collector:
    def __init__(self, host, name, fd=None):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)
        self.sock.connect(str(host.run / "logs/handoff.sock"))
        self.fd = fd
        hello = {"name": name, **({"fd": True} if fd is not None else {})}
        ancillary = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))]
        self.sock.sendmsg([json.dumps(hello).encode()], ancillary)

    def hear(self):
        data, ancillary, _, _ = self.sock.recvmsg(1024, socket.CMSG_SPACE(4))
        for _, kind, payload in ancillary:
            if kind == socket.SCM_RIGHTS:
                self.fd = struct.unpack("i", payload[:4])[0]
        return json.loads(data)["cmd"] if data else "closed"

    def ready(self):
        self.sock.send(b'{"state":"ready"}')
        return self

    def accept(self):
        """The next log connection; the supervisor has it before anything is read from it."""
        with socket.socket(fileno=os.dup(self.fd)) as listener:
            listener.settimeout(10)
            conn, _ = listener.accept()
        self.bring(conn)
        return conn

    def bring(self, conn):
        self.sock.sendmsg([b'{"conn":true}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", conn.fileno()))])

    def end(self, conn):
        self.sock.send(json.dumps({"end": cookie(conn)}).encode())

    def hear_conn(self):
        listening = self.fd
        assert self.hear() == "conn"
        conn, self.fd = socket.socket(fileno=self.fd), listening
        conn.settimeout(10)
        return conn


def cookie(conn):
    return struct.unpack("=Q", conn.getsockopt(socket.SOL_SOCKET, 57, 8))[0]  # SO_COOKIE


def test_killed_supervisor_gets_the_log_socket_back(host):
    fluentd = Collector(host, "fluentd")
    assert fluentd.hear() == "fd"
    assert fluentd.ready().hear() == "accept"
    wait_until(lambda: host.health()["log_collector"] == "fluentd", 10, "owner")
    inode = os.stat(host.run / "logs/fluent.sock").st_ino
    host.end(signal.SIGKILL)
    with socket.socket(socket.AF_UNIX) as engine:
        engine.connect(str(host.run / "logs/fluent.sock"))  # nobody supervises: it waits in the backlog
        host.start()
        back = Collector(host, "fluentd", fluentd.fd)
        assert back.ready().hear() == "accept"
        assert os.stat(host.run / "logs/fluent.sock").st_ino == inode
        standby = Collector(host, "embedded")
        assert standby.hear() == "fd"
        assert standby.ready().hear() == "hold"
        with socket.socket(fileno=os.dup(standby.fd)) as listener:
            # The supervisor itself connects once at its start, to see whether somebody listens.
            listener.settimeout(10)
            got = []
            while b"line" not in got:
                conn, _ = listener.accept()
                conn.settimeout(10)
                if not got:
                    engine.sendall(b"line")
                got.append(conn.recv(10))
                conn.close()
    back.sock.close()
    assert standby.hear() == "accept"
    os.close(fluentd.fd)
    os.close(standby.fd)


def test_log_connection_outlives_collectors_and_supervisor(host):
    """First the supervisor is killed under it, then the collector: what the driver wrote is all there."""
    fluentd = Collector(host, "fluentd")
    assert fluentd.hear() == "fd"
    assert fluentd.ready().hear() == "accept"
    with socket.socket(socket.AF_UNIX) as driver:
        driver.settimeout(10)
        driver.connect(str(host.run / "logs/fluent.sock"))
        conn = fluentd.accept()
        name = cookie(conn)
        fluentd.hear_conn().close()  # its own, known by the cookie
        driver.sendall(b"one ")
        claim = (host.run / "logs/reader").read_bytes()
        host.end(signal.SIGKILL)
        driver.sendall(b"two ")
        host.start()
        assert (host.run / "logs/reader").read_bytes() == claim
        back = Collector(host, "fluentd", fluentd.fd)
        back.bring(conn)
        assert back.ready().hear() == "accept"
        back.hear_conn().close()
        standby = Collector(host, "embedded")
        assert standby.hear() == "fd"
        assert standby.ready().hear() == "hold"
        conn.close()
        back.sock.close()
        assert standby.hear() == "accept"
        with standby.hear_conn() as conn:
            assert cookie(conn) == name
            driver.sendall(b"three")
            wait_until(lambda: conn.recv(100, socket.MSG_PEEK) == b"one two three", 10, "all three")
            conn.recv(100)
            standby.end(conn)
        assert driver.recv(1) == b"", "nobody holds it any more"
    os.close(fluentd.fd)
    os.close(standby.fd)


# --- zane ------------------------------------------------------------------------------------------

def test_status_command(host):
    done = host.zane("status")
    assert done.returncode == 1, done
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Zane is waiting for the container engine")
    head = next(line for line in lines if line.startswith("COMPONENT"))
    assert head.split() == ["COMPONENT", "STATE", "HEALTH", "SINCE", "RESTARTS", "MEMORY", "VERSION"]
    assert "\033" not in done.stdout
    assert json.loads(host.zane("status", "--json").stdout)["ready"] is False
    one = host.zane("status", "loki")
    assert one.returncode == 1 and one.stdout.splitlines()[1].split()[0] == "loki"
    assert host.zane("status", "lokii").returncode == 1


def test_watch_shows_changes_as_they_come(host):
    with subprocess.Popen([f"{host.build}/zane", "status", "--watch", "--json"], env=host.environment(),
                          stdout=subprocess.PIPE, bufsize=0) as watch:
        try:
            before = json.loads(watch.stdout.readline())
            host.engine.up()
            start = time.monotonic()
            after = before
            while after["message"] == before["message"]:
                assert select.select([watch.stdout], [], [], 20)[0], "no line for the change"
                after = json.loads(watch.stdout.readline())
            assert time.monotonic() - start < 10
        finally:
            watch.terminate()


def test_watch_on_a_terminal_has_colour_and_its_width(host):
    master, slave = pty.openpty()
    import fcntl
    import termios
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with subprocess.Popen([f"{host.build}/zane", "status", "--watch"], env=host.environment(), stdout=slave) as watch:
        try:
            seen = b""
            end = time.monotonic() + 10
            while b"zaned-worker" not in seen and time.monotonic() < end:
                seen += os.read(master, 4096)
            assert b"\033[2mCOMPONENT" in seen and b"VERSION" not in seen
        finally:
            watch.terminate()
    os.close(master)
    os.close(slave)


def test_usage_and_absent_supervisor(host):
    assert host.zane("--help").returncode == 0
    assert host.zane().returncode == 64
    wrong = host.zane("stats")
    assert wrong.returncode == 64 and 'did you mean "zane status"' in wrong.stderr
    assert host.zane("status", "--wath").returncode == 64
    assert host.zane("retry").returncode == 64
    assert host.zane("status", ZANE_RUN="relative").returncode == 64
    absent = host.zane("status", ZANE_RUN="/nonexistent")
    assert absent.returncode == 2 and "zane-supervisor is not running" in absent.stderr
    assert host.zane("retry", "nix").returncode == 1
    assert "there are: caddy" in host.zane("retry", "nix").stderr


def test_setup_token(host):
    token = (host.state / "secrets/setup_token").read_text().strip()
    done = host.zane("setup-token")
    assert done.returncode == 0 and done.stdout == token + "\n" and len(token) >= 20
    assert host.zane("setup-token", ZANE_STATE="/nonexistent").returncode == 1


def test_keys_change_only_while_zaned_runs(host):
    key = (host.state / "secrets/encryption_key").read_text()
    for more in ((), ("--drop-old",)):
        done = host.zane("rotate-keys", *more)
        assert done.returncode == 1 and "zaned is not ready" in done.stderr, done
    assert host.zane("rotate-keys", "--force").returncode == 64
    assert (host.state / "secrets/encryption_key").read_text() == key
    assert json.loads(host.api("GET", "/v1/keys")[2]) == {"state": "none", "message": "", "result": None}


def test_the_view_reads_and_retries_and_no_more(host):
    """Whoever broke into the API can stop nothing by it, and turn no key."""
    def view(method, path):
        return unix_request(host.run / "view/view.sock", method, path)[0]

    assert [view("GET", f"/v1/{p}") for p in ("health", "components/loki", "keys", "stop")] == [200, 200, 404, 404]
    assert [view("POST", f"/v1/{p}") for p in ("stop", "keys/rotate", "keys/drop-old")] == [404, 404, 404]
    assert view("POST", "/v1/components/loki/retry") == 200 and view("POST", "/v1/health") == 405
    assert json.loads(host.api("GET", "/v1/keys")[2])["state"] == "none" and host.process.poll() is None


def test_retry_and_stop(host):
    assert host.zane("retry", "caddy").returncode == 0
    done = host.zane("stop")
    assert host.process.wait(30) == 100, host.log()
    assert done.returncode in (0, 1) and (done.stdout or done.stderr)
    assert not (host.run / "supervisor.sock").exists()
    assert host.zane("status").returncode == 2
