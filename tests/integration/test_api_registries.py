"""Registry credentials, against Debian's registry with a password file; the server's limits; ports that images name."""
import base64
import http.server
import json
import re
import secrets
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import jsonschema
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


def clone(daemon, admin):
    """The same session on a connection of its own."""
    c = daemon.client()
    c.cookies = dict(admin.cookies)
    return c


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
    ("url", "http://%7An-postgres", "invalid"), ("url", "https://host?x", "invalid"), ("url", "http://host/a b\x7f", "invalid"),
    ("url", "http://h\r\nX: y", "invalid"),
    ("registry_type", "OTHER", "invalid_choice"), ("slug", "a b", "invalid"), ("slug", "x" * 51, "max_length"),
    ("username", "", "blank"), ("password", "a\x00b", "invalid"), ("password", "a\x1bb", "invalid"), ("username", "a\nb", "invalid")])
def test_bad_fields(admin, body, field, value, code):
    a = admin.post(LIST, {**body, field: value})
    assert a.status == 400 and (a.errors() == [(field, code)] or a.errors()[0][1] == "parse_error"), a


@pytest.mark.parametrize("host", ["zn-postgres:5432", "ZN-postgres", "tasks.zn-postgres:5432", "tasks.ZN-postgres.",
                                  "0123456789ab.zn-control:3100"])
def test_parts_of_the_platform_are_no_registries(admin, body, host):
    a = admin.post(LIST, {**body, "url": f"http://{host}"})
    assert (a.status, a.errors()) == (400, [("url", "invalid")]) and "are no registries" in detail(a), a


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[fe80::1]",
                                  "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "100.100.100.200", "0.0.0.0"])
def test_metadata_addresses_are_not_asked(admin, body, host):
    """Where clouds hand out the machine's own secrets, however the address is written."""
    began = time.monotonic()
    a = admin.post(LIST, {**body, "url": f"http://{host}"})
    assert a.status == 400 and time.monotonic() - began < 4 and "no registry can be" in detail(a), a


def own_address():
    """Of this machine, on a network that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))  # sends nothing
        return s.getsockname()[0]


def test_networks_that_the_api_is_on_are_not_asked(admin, body, fake):
    """In the appliance these are the platform's: Loki, say, does things for whoever sends it a GET."""
    there = own_address()
    for url in (f"http://{there}:9", f"http://[::ffff:{there}]:9"):
        a = admin.post(LIST, {**body, "url": url})
        assert a.status == 400 and "the platform's own" in detail(a), a
    a = admin.post(LIST, {**body, "url": fake(realm=f"http://{there}:9/shutdown").url})
    assert a.status == 400 and "the platform's own" in detail(a), a


class Fake(http.server.ThreadingHTTPServer):
    """Does what the real one does not do here: tokens of another service, redirects, silence. The paths that were
    asked for are in .asked, with their Authorization."""
    daemon_threads = True

    def __init__(self, realm=None, redirect=None, silent=False, drip=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.realm, self.redirect, self.silent, self.drip = realm or f"{self.url}/token", redirect, silent, drip
        self.asked, self.released, self.password = [], threading.Event(), "right-password"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        fake, path = self.server, self.path.split("?")[0]
        given = self.headers.get("Authorization", "")
        fake.asked.append((self.path, given))
        if fake.silent:
            fake.released.wait(60)
        fake.released.wait(fake.drip)
        if fake.redirect and path == "/v2/":
            self.answer(302, b"", ("Location", fake.redirect))
        elif path == "/token":
            ok = given.startswith("Basic ") and base64.b64decode(given[6:]).decode().split(":", 1)[1] == fake.password
            self.answer(200 if ok else 401, json.dumps({"token": TOKEN}).encode())
        elif given == f"Bearer {TOKEN}":
            self.answer(200, b"{}")
        else:
            self.answer(401, b"{}", ("WWW-Authenticate", f'Bearer realm="{fake.realm}",service="r e g"'))

    def answer(self, status, data, *headers):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


TOKEN = "t-" + "x" * 12000  # those of some clouds are this long


@pytest.fixture
def fake():
    """Makes a registry that behaves as asked."""
    made = []

    def make(**how):
        made.append(Fake(**how))
        return made[-1]
    yield make
    for f in made:
        f.close()


def detail(answer):
    return answer.json()["errors"][0]["detail"]


def test_tokens(admin, body, fake):
    f = fake()
    made = admin.post(LIST, {**body, "url": f"{f.url}/some/path/"})
    assert made.status == 201, made
    assert any("service=r%20e%20g" in path and "account=robot" in path for path, _ in f.asked)
    one = f"{LIST}{made.json()['id']}/"
    wrong = admin.call("PATCH", one, {"password": "wrong"})
    assert wrong.status == 400 and wrong.errors()[0][0] == "non_field_errors"
    assert admin.get(f"{one}test/").status == 200, "the old password is still there"


def test_the_login_goes_nowhere_but_to_its_registry(admin, body, fake):
    other = fake()
    for how, says in (({"redirect": other.url.replace("127.0.0.1", "localhost") + "/v2/"}, "redirects"),
                      ({"redirect": "http://zn-valkey:6379/v2/"}, "redirects"), ({"redirect": "file:///etc/passwd"}, ""),
                      ({"realm": "http://zn-caddy:2019/stop"}, "login service"),
                      ({"realm": "HTTP://ZN-caddy:2019/stop"}, "login service"),
                      ({"realm": "http://%7an-caddy:2019/stop"}, "login service"),
                      ({"realm": "http://x@zn-caddy:2019/stop"}, "login service"),
                      ({"realm": "http://tasks.zn-loki:3100/ingester/shutdown"}, "login service"),
                      ({"realm": "file:///etc/passwd"}, "login service"),
                      ({"realm": "http://169.254.169.254/latest"}, "no registry can be")):
        f = fake(**how)
        a = admin.post(LIST, {**body, "url": f.url})
        assert a.status == 400 and says in detail(a), (how, a)
        assert all(not given for _, given in f.asked), (how, f.asked)
    assert other.asked == []


def test_a_password_of_several_lines(admin, body, fake):
    """Google's registries take the file of a key."""
    f, key = fake(), json.dumps({"type": "service_account", "private_key": "-----\nA\n-----\n"}, indent=2) + "\n"
    f.password = key
    made = admin.post(LIST, {**body, "registry_type": "GOOGLE_ARTIFACT", "url": f.url, "username": "_json_key", "password": key})
    assert made.status == 201, made
    assert admin.get(f"{LIST}{made.json()['id']}/test/").status == 200
    assert base64.b64decode(f.asked[1][1].removeprefix("Basic ")).decode() == f"_json_key:{key}"


def test_a_certificate_that_nobody_vouches_for(admin, body, fake, tmp_path):
    f, key, cert = fake(), tmp_path / "key", tmp_path / "cert"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    f.socket = context.wrap_socket(f.socket, server_side=True)
    a = admin.post(LIST, {**body, "url": f.url.replace("http:", "https:")})
    assert (a.status, a.errors()[0][0]) == (400, "url") and "certificate" in detail(a), a
    assert f.asked == []


def test_redirects_within_the_host_are_followed(admin, body, fake):
    f = fake()
    assert admin.post(LIST, {**body, "url": fake(redirect=f"{f.url}/v2/").url}).status == 201
    f.redirect = f"{f.url}/v2/"
    a = admin.post(LIST, {**body, "url": f.url, "slug": body["slug"] + "x"})
    assert a.status == 400 and "more than 3" in detail(a)


def test_another_registry_is_not_sent_the_password_that_is_kept(admin, body, fake):
    """Else whoever may change credentials could read them."""
    home, elsewhere = fake(), fake()
    doc = admin.post(LIST, {**body, "url": home.url}).json()
    one = f"{LIST}{doc['id']}/"
    a = admin.call("PATCH", one, {"url": elsewhere.url})
    assert (a.status, a.errors()) == (400, [("password", "required")]) and elsewhere.asked == []
    assert admin.call("PATCH", one, {"url": f"{home.url}/team"}).status == 200
    moved = admin.call("PATCH", one, {"url": elsewhere.url, "password": "right-password"})
    assert moved.status == 200 and moved.json()["url"] == elsewhere.url


def test_a_silent_registry_costs_its_deadline_and_nothing_else(admin, daemon, body, fake):
    """However the time is spent: in silence, or a little in each of many steps. Some of them leave workers for others."""
    silent, slow, got = fake(silent=True), fake(drip=4), []

    def ask(url, slug):
        got.append(clone(daemon, admin).post(LIST, {**body, "url": url, "slug": slug}))
    began = time.monotonic()
    threads = [threading.Thread(target=ask, args=(f.url, body["slug"] + str(i))) for i, f in enumerate((silent, slow))]
    for t in threads:
        t.start()
    wait_until(lambda: silent.asked and slow.asked, 5, "both are being asked")
    more = admin.post(LIST, body)
    assert (more.status, more.errors()) == (429, [(None, "throttled")]), more
    quick = time.monotonic()
    assert daemon.client().get("/readyz").status == 200 and time.monotonic() - quick < 2
    for t in threads:
        t.join(20)
    assert 9 < time.monotonic() - began < 13
    assert [a.errors()[0][0] for a in got] == ["url", "url"], got
    assert admin.post(LIST, body).status == 201, "and then others have their turn"


def test_what_was_tried_is_what_is_kept(admin, daemon, body, fake):
    """A change that overtakes another one, while the registry thinks about that."""
    f = fake()
    one = f"{LIST}{admin.post(LIST, {**body, 'url': f.url}).json()['id']}/"
    f.drip, got = 1, []
    t = threading.Thread(target=lambda: got.append(clone(daemon, admin).call("PATCH", one, {"username": "robot"})))
    asked = len(f.asked)
    t.start()
    wait_until(lambda: len(f.asked) > asked, 5, "the registry is being asked")
    assert admin.call("PATCH", one, {"slug": body["slug"] + "-first"}).status == 200
    t.join(20)
    assert got[0].status == 409, got
    assert admin.get(one).json()["slug"] == body["slug"] + "-first"


def test_types_without_a_home_need_an_address(admin, body):
    without = {k: v for k, v in body.items() if k != "url"}
    for kind in ("GOOGLE_ARTIFACT", "AWS_ECR", "GENERIC"):
        a = admin.post(LIST, {**without, "registry_type": kind})
        assert (a.status, a.errors()) == (400, [("url", "required")])


def test_changes(admin, daemon, schema, body, slug):
    doc = admin.post(LIST, body).json()
    one = f"{LIST}{doc['id']}/"
    tag = admin.get(one).headers["ETag"]
    renamed = schema.check(admin.call("PATCH", one, {"slug": f"{slug}-B"}, headers={"If-Match": tag}))
    assert renamed.status == 200 and renamed.json()["slug"] == f"{slug}-b"
    assert admin.call("PATCH", one, {"slug": "x"}, headers={"If-Match": tag}).status == 412
    assert schema.check(admin.call("PATCH", one, {"password": "right-password"})).status == 200
    audit, = daemon.postgres.query("select e::text from audit_entry e where target = %s order by seq desc limit 1", (doc["id"],))
    assert "(secret)" in audit[0] and "right-password" not in audit[0], audit
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


def test_examples_of_the_document(admin, daemon, root, registry, slug):
    """```http who: request, JSON body if there is one, status, JSON answer; which is what our own document says too."""
    blocks = re.findall(r"```http (\w+)\n(.*?)```", (root / "docs/api/registries.md").read_text(), re.S)
    shapes = {k: v for f in (root / "zaned/api/schemas").glob("*.json") for k, v in json.loads(f.read_text()).items()}
    for (who, block), name in zip(blocks, ("RegistryCredential", "ServerLimits"), strict=True):
        request, *body, status, answer = block.replace("{slug}", slug).replace("{registry}", registry.url).strip().split("\n")
        client = {"owner": admin, "member": member(daemon, 30)}[who]
        got = client.call(*request.split(), json.loads(body[0]) if body else None)
        assert got.status == int(status), got
        wanted = json.loads(answer)
        assert {k: type(v) for k, v in got.json().items()} == {k: type(v) for k, v in wanted.items()}
        jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": shapes}}).validate(got.json())
