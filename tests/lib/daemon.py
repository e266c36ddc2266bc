"""The real `zaned api` process with a real Postgres and a server of the Valkey protocol, all on loopback.

The program is $ZANED, else build/bin/zaned. Postgres and redis-server are Debian's; a missing one fails the run.
"""
import glob
import http.client
import http.cookies
import json
import os
import pathlib
import pwd
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from private_engine import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROOT_DOMAIN, APP_DOMAIN = "apps.test", "dash.test"
PASSWORD = "correct-horse-7"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def end(process, sig=signal.SIGTERM, deadline=15):
    if process and process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Postgres:
    """A cluster of its own in a temporary folder, with the role and the database `zane`."""

    def __init__(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        assert found, "no Postgres server: install the packages of ci/packages.txt"
        self.bin = pathlib.Path(found[-1]).parent
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="zane-pg-"))
        self.port, self.password, self.process = free_port(), secrets.token_hex(12), None
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None

    def _as(self):
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}

    def start(self):
        if self.user:
            os.chown(self.root, self.user.pw_uid, self.user.pw_gid)
        data = self.root / "data"
        if not data.exists():
            subprocess.run([self.bin / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"],
                           check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as())
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", data, "-k", self.root, "-h", "127.0.0.1", "-p", str(self.port),
             "-c", "fsync=off"], stdout=subprocess.DEVNULL, stderr=open(self.root / "log", "ab"), cwd="/",
            **self._as())
        wait_until(self._answers, 30, "postgres")
        if not self.query("select 1 from pg_roles where rolname = 'zane'", db="postgres"):
            self.query(f"create role zane login password '{self.password}'", db="postgres")
            self.query("create database zane owner zane", db="postgres")
        return self

    def _answers(self):
        import psycopg2
        try:
            return self.query("select 1", db="postgres")
        except psycopg2.OperationalError:
            assert self.process.poll() is None, (self.root / "log").read_text()[-2000:]
            return None

    def connect(self, db="zane"):
        """A session of one's own: a transaction begins with the first statement."""
        import psycopg2
        return psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=db)

    def waiting_for(self, event):
        """Sessions of zaned that wait for a lock of this kind (advisory, tuple, transactionid)."""
        return self.query("select pid from pg_stat_activity where usename = 'zane' and wait_event_type = 'Lock'"
                          " and wait_event = %s", (event,))

    def query(self, text, params=None, db="zane"):
        changes = re.match(r"\s*(insert|update|delete)", text) is not None
        c = self.connect(db)
        try:
            c.autocommit = True
            with c.cursor() as k:
                if changes:
                    k.execute("listen changed")
                k.execute(text, params)
                rows = k.fetchall() if k.description else []
            if changes:
                self._let_daemons_hear(c)
            return rows
        finally:
            c.close()

    @staticmethod
    def _let_daemons_hear(c):
        """Daemons hear of a change by a notice of the database's, about when we do."""
        c.poll()
        if not c.notifies:
            select.select([c], [], [], 0.05)
        time.sleep(0.05)

    def stop(self):
        end(self.process, signal.SIGINT)
        shutil.rmtree(self.root, ignore_errors=True)


class Valkey:
    """Anything that speaks Valkey's protocol: Debian 12 has redis-server."""

    def __init__(self):
        self.program = shutil.which("valkey-server") or shutil.which("redis-server")
        assert self.program, "no valkey-server or redis-server: install the packages of ci/packages.txt"
        self.port, self.password, self.process = free_port(), secrets.token_hex(12), None
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="zane-valkey-"))

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", self.password,
             "--save", "", "--appendonly", "no", "--dir", str(self.root)], stdout=subprocess.DEVNULL)
        wait_until(self._answers, 15, "valkey")
        return self

    def _answers(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            return True

    def stop(self):
        end(self.process)
        shutil.rmtree(self.root, ignore_errors=True)


class Answer:
    def __init__(self, response, method, path):
        self.status, self.headers = response.status, response.headers
        endless = (response.headers["Content-Type"] or "").startswith("text/event-stream")
        self.body = response.read1(65536) if endless else response.read()  # streams end after minutes
        self.method, self.path = method, path

    def json(self):
        return json.loads(self.body)

    def errors(self):
        """[(attr, code)] of an error envelope."""
        return [(e["attr"], e["code"]) for e in self.json()["errors"]]

    def __repr__(self):
        return f"<{self.method} {self.path}: {self.status} {self.body[:1500]!r}>"


class Client:
    """A browser: keeps cookies and sends the CSRF token back."""

    observer = None  # called with each answer of every client, where a run wants that

    def __init__(self, port):
        self.port, self.cookies = port, {}

    def call(self, method, path, body=None, headers=None, raw=None):
        h = {"Accept": "application/json", **(headers or {})}
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            h.setdefault("Content-Type", "application/json")
        if self.cookies:
            h["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if "csrftoken" in self.cookies:
            h.setdefault("X-CSRFToken", self.cookies["csrftoken"])
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            c.request(method, path, body=data, headers=h)
            answer = Answer(c.getresponse(), method, path)
        finally:
            c.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        if Client.observer:
            Client.observer(answer)
        return answer

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.call("POST", path, body, **kw)

    def put(self, path, body=None, **kw):
        return self.call("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.call("DELETE", path, **kw)


class Daemon:
    """zaned in the role api. Its databases outlive kill() and start()."""

    def __init__(self):
        self.program = pathlib.Path(os.environ.get("ZANED", ROOT / "build" / "bin" / "zaned"))
        assert self.program.exists(), f"{self.program} is not built: make zaned"
        self.postgres, self.valkey = Postgres(), Valkey()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="zane-api-"))
        self.port, self.process = free_port(), None
        self.before = []  # a command that becomes the daemon's
        self.secrets = {"pg_zane_password": self.postgres.password, "valkey_password": self.valkey.password}
        for name in ("encryption_key", "signing_key", "ingest_token", "setup_token"):
            self.secrets[name] = secrets.token_hex(24)
        for name, value in self.secrets.items():
            (self.root / name).write_text(value)

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "ZN_PG_HOST": "127.0.0.1", "ZN_PG_PORT": str(self.postgres.port),
                "ZN_VALKEY_HOST": "127.0.0.1", "ZN_VALKEY_PORT": str(self.valkey.port),
                "ZN_ROOT_DOMAIN": ROOT_DOMAIN, "ZN_APP_DOMAIN": APP_DOMAIN, "ZN_SECRETS": str(self.root),
                "ZN_MIGRATIONS": str(ROOT / "migrations"), "ZN_LISTEN": "127.0.0.1",
                "ZN_SUPERVISOR": str(self.root / "view.sock"), "ZN_WEB": str(self.root / "web"),
                "ZN_PORT": str(self.port), **more}

    def log(self):
        return (self.root / "log").read_text()

    def run(self, role):
        return subprocess.run([self.program, role], env=self.environment(), capture_output=True, timeout=60)

    def start(self, **settings):
        if self.postgres.process is None:
            self.postgres.start()
            self.valkey.start()
            done = self.run("migrate")
            assert done.returncode == 0, done.stderr
        self.process = subprocess.Popen([*self.before, self.program, "api"], env=self.environment(**settings),
                                        stderr=open(self.root / "log", "ab"))
        wait_until(self._ready, 20, "zaned api")
        return self

    def _ready(self):
        assert self.process.poll() is None, f"zaned ended: {self.log()[-2000:]}"
        return Client(self.port).get("/readyz").status == 200

    def kill(self):
        end(self.process, signal.SIGKILL)

    def client(self):
        return Client(self.port)

    def stop(self):
        end(self.process)
        status = self.process.returncode if self.process else None
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.root, ignore_errors=True)
        return status

    def first_admin(self):
        """A client that created the first admin and is logged in."""
        c = self.client()
        c.get("/api/csrf/")
        a = c.post("/api/auth/create-initial-user/", {"username": "admin", "password": PASSWORD},
                   headers={"X-Setup-Token": self.secrets["setup_token"]})
        assert a.status == 201, a
        return c
