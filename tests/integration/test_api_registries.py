"""Registry credentials, against Debian's registry with a password file; the server's limits; ports that images name."""
import http.server
import json
import secrets
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import pytest
from daemon import free_port
from people import member
from private_engine import wait_until

LIST = "/api/registries/credentials/"
CONFIG = """version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:%d"}
%s
"""


class Registry:
    """The real one; with a password file unless it is open to everybody."""

    def __init__(self, login=True):
        self.folder = tempfile.TemporaryDirectory(prefix="zn-registry-")
        self.port, root = free_port(), self.folder.name
        auth = ""
        if login:
            made = subprocess.run(["htpasswd", "-Bbn", "robot", "right-password"], capture_output=True, check=True)
            with open(f"{root}/htpasswd", "wb") as f:
                f.write(made.stdout)
            auth = f"auth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}"
        with open(f"{root}/config.yml", "w") as f:
            f.write(CONFIG % (f"{root}/data", self.port, auth))
        self.process = subprocess.Popen(["/usr/bin/docker-registry", "serve", f"{root}/config.yml"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 15, "the registry")
        self.url = f"http://127.0.0.1:{self.port}"

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


@pytest.fixture(scope="module")
def registry():
    r = Registry()
    yield r
    r.close()


@pytest.fixture
def body(registry, slug):
    return {"slug": slug, "registry_type": "GENERIC", "url": registry.url, "username": "robot",
            "password": "right-password"}


def test_a_login_that_the_registry_takes_is_kept(admin, daemon, schema, body):
    made = schema.check(admin.post(LIST, body))
    assert made.status == 201, made
    doc = made.json()
    assert {k: doc[k] for k in ("slug", "url", "username", "registry_type")} == {k: body[k] for k in
                                                                                ("slug", "url", "username", "registry_type")}
    one = f"{LIST}{doc['id']}/"
    assert schema.check(admin.get(one)).json() == doc
    assert doc in schema.check(admin.get(LIST)).json()
    assert schema.check(admin.get(f"{one}test/")).json() == {"success": True}
    # The password is nowhere to be read.
    row, = daemon.postgres.query("select r::text from registry_credential r where id = %s", (doc["id"],))
    audit = daemon.postgres.query("select e::text from audit_entry e where target = %s", (doc["id"],))
    assert audit and all("right-password" not in text for text, in [row, *audit])
    assert "right-password" not in json.dumps([made.json(), admin.get(one).json()])
    assert schema.check(admin.delete(one)).status == 204 and schema.check(admin.get(one)).status == 404


def test_what_the_registry_refuses_is_not_kept(admin, schema, body):
    for change, attr in (({"password": "wrong"}, "non_field_errors"), ({"username": "nobody"}, "non_field_errors"),
                         ({"url": f"http://127.0.0.1:{free_port()}"}, "url"), ({"url": "http://no-such-host.invalid"}, "url"),
                         ({"url": body["url"].replace("http:", "https:")}, "url")):
        a = schema.check(admin.post(LIST, {**body, **change}))
        assert (a.status, a.errors()[0][0]) == (400, attr), a
    assert body["slug"] not in [c["slug"] for c in admin.get(LIST).json()]


def test_a_registry_without_a_login_needs_no_credentials(admin, body):
    r = Registry(login=False)
    try:
        a = admin.post(LIST, {**body, "url": r.url})
        assert a.status == 400 and "no login" in a.json()["errors"][0]["detail"], a
    finally:
        r.close()


@pytest.mark.parametrize("field,value,code", [
    ("url", "ftp://x", "invalid"), ("url", "http://", "invalid"), ("url", "http://user:pw@host", "invalid"),
    ("url", "http://zn-postgres:5432", "invalid"), ("url", "http://h\r\nX: y", "invalid"),
    ("registry_type", "OTHER", "invalid_choice"), ("slug", "a b", "invalid"), ("slug", "x" * 51, "max_length"),
    ("username", "", "blank"), ("password", "a\x00b", "invalid"), ("username", "a\nb", "invalid")])
def test_bad_fields(admin, body, field, value, code):
    a = admin.post(LIST, {**body, field: value})
    assert a.status == 400 and (a.errors() == [(field, code)] or a.errors()[0][1] == "parse_error"), a


def test_link_local_addresses_are_not_asked(admin, body):
    """Where clouds hand out the machine's own secrets."""
    began = time.monotonic()
    a = admin.post(LIST, {**body, "url": "http://169.254.169.254"})
    assert a.status == 400 and time.monotonic() - began < 4, a


class Slow(http.server.BaseHTTPRequestHandler):
    """Asks for a token, as large registries do; /slow never answers."""
    asked = []

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path)
        Slow.asked.append((self.path, self.headers.get("Authorization")))
        if path.path.startswith("/slow"):
            time.sleep(30)
        if path.path == "/token":
            ok = self.headers.get("Authorization", "").startswith("Basic cm9ib3Q6cmlnaHQ")  # robot:right…
            self.answer(200 if ok else 401, b'{"token": "t-1"}')
        elif self.headers.get("Authorization") == "Bearer t-1":
            self.answer(200, b"{}")
        else:
            self.answer(401, b"{}", f'Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="r e g"')

    def answer(self, status, data, challenge=None):
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def token_registry():
    """A fake for what the real one does not do here: tokens of another service, and silence."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_tokens(admin, body, token_registry):
    made = admin.post(LIST, {**body, "url": f"{token_registry}/"})
    assert made.status == 201, made
    assert any("service=r%20e%20g" in path and "account=robot" in path for path, _ in Slow.asked)
    wrong = admin.call("PATCH", f"{LIST}{made.json()['id']}/", {"password": "wrong"})
    assert wrong.status == 400 and wrong.errors()[0][0] == "non_field_errors"
    assert admin.get(f"{LIST}{made.json()['id']}/test/").status == 200, "the old password is still there"


def test_a_silent_registry_costs_its_deadline_and_nothing_else(admin, daemon, body, token_registry):
    import daemon as lib
    other = lib.Client(daemon.port)
    got = []
    t = threading.Thread(target=lambda: got.append(admin.post(LIST, {**body, "url": f"{token_registry}/slow"})))
    t.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert other.get("/api/ping/").status == 200 and time.monotonic() - began < 2
    t.join(20)
    assert got and got[0].status == 400 and got[0].errors()[0][0] == "url", got


def test_changes(admin, schema, body, slug):
    doc = admin.post(LIST, body).json()
    one = f"{LIST}{doc['id']}/"
    tag = admin.get(one).headers["ETag"]
    renamed = schema.check(admin.call("PATCH", one, {"slug": f"{slug}-B"}, headers={"If-Match": tag}))
    assert renamed.status == 200 and renamed.json()["slug"] == f"{slug}-b"
    assert admin.call("PATCH", one, {"slug": "x"}, headers={"If-Match": tag}).status == 412
    assert schema.check(admin.call("PATCH", one, {"password": "wrong"})).status == 400
    assert admin.get(f"{one}test/").status == 200
    other = admin.post(LIST, {**body, "slug": f"{slug}-c"}).json()
    assert admin.call("PATCH", f"{LIST}{other['id']}/", {"slug": f"{slug}-b"}).errors() == [("slug", "unique")]
    assert admin.post(LIST, {**body, "slug": f"{slug}-b"}).errors() == [("slug", "unique")]


def test_credentials_in_use_stay(admin, schema, body, slug):
    doc = admin.post(LIST, body).json()
    one = f"{LIST}{doc['id']}/"
    made = admin.post("/api/projects/default/production/create-service/docker/",
                      {"slug": slug, "image": "app:1", "container_registry_credentials_id": doc["id"]})
    assert made.status == 201, made
    refused = schema.check(admin.delete(one))
    assert refused.status == 409 and slug in refused.json()["errors"][0]["detail"]
    assert admin.delete(f"/api/projects/default/production/archive-service/docker/{slug}/").status == 204
    assert admin.delete(one).status == 204


def test_only_owners_change_them_and_guests_see_none(admin, daemon, body):
    doc = admin.post(LIST, body).json()
    for role, reads in ((40, 200), (30, 200), (10, 403)):
        c = member(daemon, role)
        assert c.get(LIST).status == reads
        assert c.post(LIST, body).status == 403 and c.delete(f"{LIST}{doc['id']}/").status == 403


def test_what_the_server_has(admin, schema):
    have = schema.check(admin.get("/api/server/resource-limits/")).json()
    with open("/proc/meminfo") as f:
        total = int(f.readline().split()[1]) * 1024
    assert have["no_of_cpus"] >= 1 and have["max_memory_in_bytes"] == total


def test_ports_of_the_image_in_production(admin, daemon, schema, slug):
    path = f"/api/projects/default/production/service-details/{slug}/detected-ports/"
    made = admin.put(f"/api/deploys/{slug}", {"image": "app:1"}).json()
    assert schema.check(admin.get(path)).json() == []
    daemon.postgres.query("update deployment set is_current_production = true, exposed_ports = %s where hash = %s",
                          (json.dumps([{"port_number": 80, "protocol": "tcp"}]), made["hash"]))
    assert schema.check(admin.get(path)).json() == [{"port_number": 80, "protocol": "tcp"}]
    assert admin.get(path.replace(slug, f"no{secrets.token_hex(3)}")).status == 404
