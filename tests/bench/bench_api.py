#!/usr/bin/python3
"""The API's figures: the real daemon with a real Postgres and Valkey on loopback, wrk with 64 connections.

  me        GET /api/auth/me/
  projects  GET /api/projects/ with 200 projects; beside it with 2,000
  services  the service list of an environment with 50 services; beside it with 500
  memory    resident memory after 1,000,000 requests against that after 10,000
  held      5,000 idle connections and 500 event streams held at once
  abuse     the longest wait of a calm client while another sends slow heads, slow bodies, 10,000
            connections, pipelined requests

Names as arguments choose some of them. Each figure is one line; the exit status is 1 if one misses its target.
"""
import http.client
import multiprocessing
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/lib"))

from daemon import APP_DOMAIN, Daemon  # noqa: E402
from supervisor_host import Host  # noqa: E402

CONNECTIONS, SECONDS = 64, 5
missed = []


def figure(name, target, value, unit, detail="", most=True):
    bad = target is not None and (value > target if most else value < target)
    if bad:
        missed.append(name)
    print(f"{name:<22} target {'-' if target is None else target:>7} measured {value:>9.6g} {unit:<5} "
          f"{'MISSED ' if bad else ''}{detail}", flush=True)


class Box:
    def __init__(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.daemon = Daemon()
        self.supervisor = Host(ROOT / "build").start()
        self.daemon.start(ZN_RATE_ACCOUNT="0", ZN_SUPERVISOR=str(self.supervisor.run / "view/view.sock"))
        self.admin = self.daemon.first_admin()
        self.cookie = f"sessionid={self.admin.cookies['sessionid']}"

    def sql(self, text):
        return self.daemon.postgres.query(text)

    def projects(self, n):
        """As many projects, each with an environment, as POST would make them."""
        self.sql("insert into project (id, workspace_id, slug) select 'prj_' || lpad(i::text, 11, 'x'), w.id, 'p' || i"
                 f" from workspace w, generate_series((select count(*) from project), {n - 1}) i")
        self.sql("insert into environment (id, project_id, name) select 'project_env_' || lpad(substr(p.id, 5), 15, 'x'),"
                 " p.id, 'production' from project p where not exists (select 1 from environment e where e.project_id ="
                 " p.id)")
        self.sql("analyze")  # as the database does by itself within a minute
        assert len(self.admin.get("/api/projects/").json()) == min(n, 1000), "the list shows a thousand at most"

    def services(self, n):
        have = self.sql("select count(*) from service")[0][0]
        self.sql("insert into service (id, environment_id, slug, network_alias, deploy_token, image) select 'srv_dkr_' ||"
                 " lpad(i::text, 11, 'x'), e.id, 's' || i, 'zn-s' || i, md5(i::text), 'app:1' from environment e join"
                 f" project p on p.id = e.project_id, generate_series({have}, {n - 1}) i where p.slug = 'default'")
        self.sql("insert into service_url (id, service_id, domain, associated_port) select 'url_' || substr(s.id, 9),"
                 " s.id, s.slug || '.apps.test', 80 from service s where not exists (select 1 from service_url u where"
                 " u.service_id = s.id)")
        self.sql("analyze")
        assert len(self.admin.get("/api/projects/default/production/service-list/").json()) == n

    def wrk(self, path, seconds=SECONDS):
        """Requests a second, and the 99th percentile in ms."""
        out = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-H",
                              f"Host: {APP_DOMAIN}", "-H", f"Cookie: {self.cookie}",
                              f"http://127.0.0.1:{self.daemon.port}{path}"], capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in out and not re.search("Socket errors: (?!connect 0, read 0, write 0)", out), out
        p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    def resident_mib(self):
        text = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024

    def done(self):
        self.supervisor.close()
        assert self.daemon.stop() == 0


def speed(box, name, path, target, p99_ms, detail=""):
    rate, p99 = box.wrk(path)
    figure(f"{name}.rate", target, rate, "1/s", detail, most=False)
    figure(f"{name}.p99", p99_ms, p99, "ms")


def uncached(box, name, path):
    """The same while something changes a hundred times a second, so that nothing is kept for long."""
    end, changes = threading.Event(), [0]

    def change():
        c = box.daemon.postgres.connect()
        c.autocommit = True
        with c.cursor() as k:
            while not end.wait(0.01):
                k.execute("update project set updated_at = updated_at where slug = 'default'")
                changes[0] += 1
        c.close()
    t = threading.Thread(target=change)
    t.start()
    rate, p99 = box.wrk(path)
    end.set()
    t.join()
    figure(f"{name}.changing", None, rate, "1/s", f"p99 {p99:.1f} ms, {changes[0] / SECONDS:.0f} changes/s")


def worked_out(box, name, path):
    """One answer that is not kept: each request has an address of its own."""
    times = []
    for i in range(30):
        began = time.monotonic()
        assert box.admin.get(f"{path}?nothing={name}{i}").status == 200
        times.append((time.monotonic() - began) * 1000)
    figure(f"{name}.worked_out", None, statistics.median(times), "ms", "median of 30")


def me(box):
    speed(box, "me", "/api/auth/me/", 15000, 15)


def projects(box):
    box.projects(200)
    speed(box, "projects", "/api/projects/", 2000, 50, "200 projects")
    uncached(box, "projects", "/api/projects/")
    worked_out(box, "projects", "/api/projects/")
    box.projects(2000)
    speed(box, "projects.2000", "/api/projects/?sort_by=slug", None, None, "2,000 projects, a thousand of them shown")
    uncached(box, "projects.2000", "/api/projects/")
    worked_out(box, "projects.2000", "/api/projects/")


def services(box):
    path = "/api/projects/default/production/service-list/"
    box.services(50)
    speed(box, "services", path, 1500, 50, "50 services")
    uncached(box, "services", path)
    worked_out(box, "services", path)
    box.services(500)
    speed(box, "services.500", path, None, None, "500 services")
    uncached(box, "services.500", path)
    worked_out(box, "services.500", path)


def memory(box):
    run_requests(box, 10_000)
    first = box.resident_mib()
    run_requests(box, 1_000_000)
    last = box.resident_mib()
    figure("memory.growth", 1.10, last / first, "x", f"{first:.1f} MiB after 10,000 requests, {last:.1f} after 1,000,000")


def run_requests(box, n):
    """A mix: what is kept, what is not, and what is refused."""
    script = ROOT / "build/bench/mix.lua"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("""
local paths = { "/api/auth/me/", "/api/projects/", "/api/projects/default/", "/api/settings/", "/api/nothing/",
                "/api/projects/?sort_by=bad", "/api/auth/me/", "/api/projects/default/production/service-list/" }
local i = 0
request = function() i = i + 1; return wrk.format("GET", paths[i % #paths + 1]) end
""")
    done = 0
    while done < n:
        seconds = min(20, max(1, (n - done) // 8000))
        out = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, "-H", f"Host: {APP_DOMAIN}", "-H",
                              f"Cookie: {box.cookie}", f"http://127.0.0.1:{box.daemon.port}"], capture_output=True, text=True,
                             check=True).stdout
        done += int(re.search(r"(\d+) requests in", out)[1])


def connect(port, source=None):
    s = socket.create_connection(("127.0.0.1", port), 10, (source, 0) if source else None)
    s.settimeout(10)
    return s


def held(box):
    idle = []
    for i in range(5000):
        s = connect(box.daemon.port, f"127.0.1.{i % 200 + 1}")
        s.sendall(f"GET /healthz HTTP/1.1\r\nHost: {APP_DOMAIN}\r\n\r\n".encode())
        idle.append(s)
    for s in idle:
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
    streams = []
    for i in range(500):
        s = connect(box.daemon.port, f"127.0.2.{i % 200 + 1}")
        s.sendall(f"GET /api/system/events/ HTTP/1.1\r\nHost: {APP_DOMAIN}\r\nCookie: {box.cookie}\r\n\r\n".encode())
        streams.append(s)
    for s in streams:
        assert s.recv(4096).startswith(b"HTTP/1.1 200"), "no stream"
    rate, _ = box.wrk("/api/auth/me/", 2)
    figure("held.memory", 96, box.resident_mib(), "MiB", f"5,000 idle connections, 500 streams; me beside them {rate:.0f}/s")
    for s in idle + streams:
        s.close()


def slow_heads(box, stop, mine):
    for _ in range(500):
        s = connect(box.daemon.port)
        s.sendall(b"GET /api/auth/me/ HTTP/1.1\r\nHost: x\r\n")
        mine.append(s)
    while not stop.wait(1):
        for s in mine:
            try:
                s.sendall(b"X: y\r\n")
            except OSError:
                pass


def slow_bodies(box, stop, mine):
    for _ in range(500):
        s = connect(box.daemon.port)
        s.sendall(f"POST /api/auth/login/ HTTP/1.1\r\nHost: {APP_DOMAIN}\r\nContent-Type: application/json\r\n"
                  "Content-Length: 100000\r\n\r\n{".encode())
        mine.append(s)
    while not stop.wait(1):
        for s in mine:
            try:
                s.sendall(b" ")
            except OSError:
                pass


def many_connections(box, stop, mine):
    for i in range(10_000):
        if stop.is_set():
            return
        try:
            mine.append(connect(box.daemon.port))
        except OSError:
            pass


def pipelining(box, stop, mine):
    one = (f"GET /api/projects/default/ HTTP/1.1\r\nHost: {APP_DOMAIN}\r\nCookie: {box.cookie}\r\n\r\n").encode()
    s = []
    for _ in range(50):
        c = connect(box.daemon.port)
        c.setblocking(False)
        s.append(c)
    mine += s
    while not stop.is_set():
        for c in s:
            try:
                c.send(one * 50)
            except OSError:
                pass
            try:
                c.recv(1 << 20)
            except OSError:
                pass


def abuse(box):
    for attack in (slow_heads, slow_bodies, many_connections, pipelining):
        # A process of its own: in one with the calm client they would wait for each other.
        stop = multiprocessing.Event()
        p = multiprocessing.Process(target=hold, args=(attack, box, stop))
        p.start()
        time.sleep(1)
        worst, asked = 0, 0
        end = time.monotonic() + 8
        while time.monotonic() < end:
            began = time.monotonic()
            c = http.client.HTTPConnection("127.0.0.1", box.daemon.port, timeout=10, source_address=("127.0.3.1", 0))
            c.request("GET", "/api/projects/default/", headers={"Host": APP_DOMAIN, "Cookie": box.cookie})
            answer = c.getresponse()
            assert answer.read() and answer.status == 200, answer.status
            c.close()
            worst, asked = max(worst, time.monotonic() - began), asked + 1
        stop.set()
        p.join()
        figure(f"abuse.{attack.__name__}", 1000, worst * 1000, "ms", f"the longest of {asked} answers to a calm client")


def hold(attack, box, stop):
    mine = []
    attack(box, stop, mine)
    stop.wait()


def main():
    parts = {"me": me, "projects": projects, "services": services, "memory": memory, "held": held, "abuse": abuse}
    box = Box()
    try:
        for name in sys.argv[1:] or parts:
            parts[name](box)
    finally:
        box.done()
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


main()
