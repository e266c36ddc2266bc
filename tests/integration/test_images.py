"""Component images in a real engine: read-only root, no capabilities, own user, and their own health check."""
import json
import pathlib
import secrets

import image_box
import pytest
from image_box import Box, Inside
from private_engine import UnixHTTP, wait_until

PG_TMPFS = [("/tmp", "mode=1777"), ("/run/postgresql", "uid=970,gid=970,mode=755"),
            ("/var/lib/postgresql/data", "uid=970,gid=970,mode=700")]
NAMES = ["caddy", "loki", "postgres", "temporal", "valkey"]


@pytest.fixture(scope="session")
def built(root, tmp_path_factory):
    """Every image from its recipe (or the cache), with the facts the build wrote down."""
    return image_box.build(root, tmp_path_factory.mktemp("images"), *NAMES)


@pytest.fixture(scope="session")
def loaded(engine, built):
    for archive, _ in built.values():
        engine.load_image(archive)
    image_box.network(engine, "zn-images")
    return {name: facts for name, (_, facts) in built.items()}


@pytest.fixture
def secret_dir(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("pg_super_password", "pg_zane_password", "pg_temporal_password", "valkey_password"):
        path = folder / name
        path.write_text(secrets.token_hex(16) + "\n")
        path.chmod(0o444)
    return folder


@pytest.fixture
def start(engine, loaded, request):
    def run(name, healthy=True, **kw):
        box = Box(engine, loaded[name], **kw)
        request.addfinalizer(box.remove)
        if healthy:
            wait_until(box.healthy, 60, f"{name} healthy")
            assert "0" not in box.uids()
        return box
    return run


@pytest.fixture
def postgres(start, secret_dir):
    """The database server as zn-postgres, on a fresh data folder."""
    return lambda **kw: start("postgres", binds=[f"{secret_dir}:/run/secrets:ro"], alias="zn-postgres", tmpfs=PG_TMPFS, **kw)


def test_archive_has_the_id_it_promises(engine, loaded):
    for facts in loaded.values():
        assert engine.call("GET", f"/images/{facts['id']}/json")["Id"] == facts["id"]


def test_same_recipe_twice_gives_the_same_image(root, built, tmp_path):
    again = tmp_path / "again"
    made = image_box.build(root, again, "--no-cache", "caddy", "valkey")
    assert {n: facts["id"] for n, (_, facts) in made.items()} == {n: built[n][1]["id"] for n in ("caddy", "valkey")}


def test_valkey_needs_its_password(start, secret_dir):
    box = start("valkey", binds=[f"{secret_dir}:/run/secrets:ro"], tmpfs=[("/tmp", "mode=1777"), ("/data", "uid=971,mode=700")])
    assert "NOAUTH" in box.run("valkey-cli", "ping")[1]
    password = (secret_dir / "valkey_password").read_text().strip()
    assert "PONG" in box.run("valkey-cli", "--no-auth-warning", "-a", password, "ping")[1]
    argv = box.engine.call("GET", f"/containers/{box.id}/top?ps_args=-eo%20pid,args")
    assert password not in json.dumps(argv)


def test_postgres_keeps_data_over_kill_and_refuses_strangers(start, secret_dir):
    box = start("postgres", binds=[f"{secret_dir}:/run/secrets:ro", "zn-test-pg:/var/lib/postgresql/data"],
                tmpfs=[("/tmp", "mode=1777"), ("/run/postgresql", "uid=970,gid=970,mode=755")])
    password = (secret_dir / "pg_zane_password").read_text().strip()

    def sql(text, url=None):
        return box.run("psql", "-qAt", url or f"postgresql://zane:{password}@{box.address()}/zane", "-c", text)

    assert sql("CREATE TABLE t (n int); INSERT INTO t VALUES (42)")[0] == 0
    box.kill()
    wait_until(box.healthy, 60, "postgres healthy after kill -9")
    assert sql("SELECT n FROM t")[1].strip() == "42"
    assert "password authentication failed" in sql("SELECT 1", f"postgresql://zane:wrong@{box.address()}/zane")[1]
    assert "pg_hba.conf rejects" in sql("SELECT 1", f"postgresql://postgres:x@{box.address()}/postgres")[1]
    assert "permission denied" in sql("SELECT 1", f"postgresql://zane:{password}@{box.address()}/temporal")[1]


def test_migrations_apply_to_a_new_database_as_its_owner(start, secret_dir, root):
    box = start("postgres", binds=[f"{secret_dir}:/run/secrets:ro", f"{root}/migrations:/migrations:ro"],
                tmpfs=PG_TMPFS)
    password = (secret_dir / "pg_zane_password").read_text().strip()
    files = sorted(p.name for p in (root / "migrations").glob("*.sql"))
    assert files
    for name in files:
        code, out = box.run("psql", "-q1", "-v", "ON_ERROR_STOP=1", "-f", f"/migrations/{name}",
                            f"postgresql://zane:{password}@{box.address()}/zane")
        assert code == 0, f"{name}: {out}"


def grpc_probe(box, service="temporal.api.workflowservice.v1.WorkflowService", port=7233):
    return box.run("/zn-probe", "grpc", f"127.0.0.1:{port}", service)


def test_temporal_sets_up_its_schema_and_survives_a_kill(start, secret_dir, engine, postgres):
    database = postgres()
    box = start("temporal", binds=[f"{secret_dir}:/run/secrets:ro"], tmpfs=[("/tmp", "mode=1777")])
    password = (secret_dir / "pg_temporal_password").read_text().strip()

    def schema_versions():
        return [database.run("psql", "-qAt", f"postgresql://temporal:{password}@127.0.0.1/{name}", "-c",
                             "SELECT curr_version, (SELECT count(*) FROM schema_update_history) FROM schema_version")
                for name in ("temporal", "temporal_visibility")]

    before = schema_versions()
    assert [(code, out.split("|")[0]) for code, out in before] == [(0, "1.19"), (0, "1.14")]
    box.kill()
    wait_until(box.healthy, 60, "temporal healthy after kill -9")
    assert schema_versions() == before  # the second start changed nothing
    assert password not in json.dumps(engine.call("GET", f"/containers/{box.id}/top?ps_args=-eo%20pid,args"))
    assert grpc_probe(box) == (0, "")
    code, out = grpc_probe(box, "nobody.knows.It")
    assert code == 1 and "knows nothing" in out, out
    code, out = grpc_probe(box, port=1)
    assert code == 1 and "refused" in out, out
    stats = engine.call("GET", f"/containers/{box.id}/stats?stream=false&one-shot=true")["memory_stats"]
    print(f"temporal idle: {stats['usage'] / 2**20:.0f} MiB")
    assert stats["usage"] < 256 << 20
    assert box.stop() == 0


def test_temporal_waits_for_its_database_and_says_why(start, secret_dir, postgres):
    box = start("temporal", healthy=False, binds=[f"{secret_dir}:/run/secrets:ro"], tmpfs=[("/tmp", "mode=1777")])
    said = wait_until(lambda: box.output("stderr") if "zn-postgres" in box.output("stderr") else "", 30, "a reason")
    assert "hostname resolving error: lookup zn-postgres" in said, said
    postgres()
    wait_until(box.healthy, 60, "temporal healthy once postgres is there")


def test_temporal_with_a_wrong_password_tells_so_once_and_stops_when_asked(start, postgres, tmp_path):
    database = postgres()
    other = tmp_path / "other"
    other.mkdir()
    (other / "pg_temporal_password").write_text("wrong\n")
    box = start("temporal", healthy=False, binds=[f"{other}:/run/secrets:ro"], tmpfs=[("/tmp", "mode=1777")])
    refused = "password authentication failed"
    wait_until(lambda: database.output("stderr").count(refused) >= 4, 30, "four tries")
    assert box.output("stderr").count(refused) == 1, box.output("stderr")
    assert box.stop() == 0


def test_loki_takes_a_line_and_finds_it(start, engine):
    box = start("loki", tmpfs=[("/tmp", "mode=1777"), ("/var/lib/loki", "uid=974,mode=700")])
    push = ('import json,time,urllib.request as u,urllib.parse as p,sys\n'
            'b="http://%s:3100/loki/api/v1/"; t=str(time.time_ns())\n'
            'd=json.dumps({"streams":[{"stream":{"app":"zane"},"values":[[t,"hello 1"]]}]}).encode()\n'
            'u.urlopen(u.Request(b+"push",d,{"Content-Type":"application/json"}),timeout=10)\n'
            'q=u.urlopen(b+"query_range?query="+p.quote(\'{app="zane"}\'),timeout=10).read()\n'
            'sys.exit(0 if b"hello 1" in q else 1)' % box.address())
    done = engine.inside(["/usr/bin/python3", "-c", push], check=False)
    assert done.returncode == 0, done.stdout


STATUS_PAGE = """
import http.server, os, socketserver, sys
class H(http.server.BaseHTTPRequestHandler):
    address_string = lambda s: ""
    log_message = lambda *a: None
    def do_GET(s):
        s.send_response(200); s.send_header("Content-Length", "6"); s.end_headers(); s.wfile.write(b"status")
s = socketserver.UnixStreamServer(sys.argv[1], H)
os.chmod(sys.argv[1], 0o666)
print("ready", flush=True)
s.serve_forever()
"""
# Where the proxy asks whether a name may have a certificate.
PERMISSION = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    log_message = lambda *a: None
    def do_GET(s):
        ok = s.path == "/api/_proxy/check-certiticates?domain=allowed.test"
        s.send_response(200 if ok else 404); s.send_header("Content-Length", "0"); s.end_headers()
s = http.server.HTTPServer((sys.argv[1], 8080), H)
print("ready", flush=True)
s.serve_forever()
"""


class Proxy:
    """Caddy with its base configuration, a status page behind it, and its data on a volume."""

    def __init__(self, engine, folder, gateway):
        self.engine, self.gateway = engine, gateway
        self.run, self.status = folder / "caddy", folder / "status"
        self.volume = f"zn-test-caddy-{secrets.token_hex(4)}"
        for made in (self.run, self.status):
            made.mkdir()
            made.chmod(0o777)

    def begin(self, start):
        self.box = start("caddy", tmpfs=[("/tmp", "mode=1777")], hosts=[f"zn-zaned-api:{self.gateway}"], binds=[
            f"{self.run}:/run/caddy", f"{self.status}:/run/zane-status:ro", f"{self.volume}:/data"])
        self.data = pathlib.Path(self.engine.call("GET", f"/volumes/{self.volume}")["Mountpoint"])
        return self

    def ask(self, sock, path="/", headers=None, method="GET", body=None):
        conn = UnixHTTP(self.run / sock, 10)
        conn.request(method, path, body, headers={"Content-Type": "application/json", **(headers or {})})
        answer = conn.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def caddy(engine, start, tmp_path):
    proxy = Proxy(engine, tmp_path, image_box.network(engine, "zn-images"))
    with Inside(engine, STATUS_PAGE, str(proxy.status / "status.sock")):
        yield proxy.begin(start)


def test_caddy_shows_the_status_page_and_probes_for_the_worker(caddy, engine):
    address = caddy.box.address()
    assert caddy.ask("edge.sock") == (200, b"status")
    # The port is open on the address that host-mode ports come in by, and on no other.
    assert engine.inside(["/usr/bin/curl", "-sf", f"http://{address}:8080/"], check=False).stdout == "status"
    assert caddy.ask("probe.sock", headers={"Zane-Dial": f"{address}:8080"}) == (200, b"status")
    assert caddy.ask("probe.sock", headers={"Zane-Dial": f"{address}:9"})[0] == 502


def test_caddy_serves_https_for_names_that_the_platform_allows(caddy, engine, tmp_path):
    address, root = caddy.box.address(), tmp_path / "root.pem"
    root.write_text(json.loads(caddy.ask("admin.sock", "/pki/ca/local")[1])["root_certificate"])

    def https(name):
        return engine.inside(["/usr/bin/curl", "-sS", "--max-time", "15", "--cacert", str(root), "--resolve",
                              f"{name}:8443:{address}", f"https://{name}:8443/"], check=False)

    with Inside(engine, PERMISSION, caddy.gateway):
        allowed, other = https("allowed.test"), https("other.test")
    assert (allowed.returncode, allowed.stdout) == (0, "status")
    assert other.returncode == 35, other.stdout  # the handshake is refused
    # A name that has its certificate goes on working while nobody answers the question.
    assert https("allowed.test").stdout == "status"


def test_caddy_keeps_a_good_configuration_and_sets_a_broken_one_aside(caddy):
    saved = caddy.data / "config/caddy/autosave.json"
    route = {"match": [{"path": ["/kept"]}], "handle": [{"handler": "static_response", "body": "kept"}]}
    where = "/config/apps/http/servers/public/routes/0"
    assert caddy.ask("admin.sock", where, method="PUT", body=json.dumps(route))[0] == 200
    caddy.box.restart()
    wait_until(caddy.box.healthy, 30, "caddy with its saved configuration")
    assert caddy.ask("edge.sock", "/kept") == (200, b"kept")
    assert "0" not in caddy.box.uids() and caddy.box.stop() == 0  # signals reach the program

    saved.write_text('{"apps": {"http": {"servers": {"public": {"listen": ["nonsense"')
    caddy.box.engine.call("POST", f"/containers/{caddy.box.id}/start")
    wait_until(caddy.box.healthy, 30, "caddy after a broken configuration")
    assert caddy.ask("edge.sock", "/kept") == (200, b"status")
    assert "nonsense" in saved.with_suffix(".json.bad").read_text()
    assert "set aside" in caddy.box.output("stderr")
    caddy.box.kill()
    wait_until(caddy.box.healthy, 30, "caddy once more")
    assert caddy.box.output("stderr").count("set aside") == 1
