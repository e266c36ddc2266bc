"""Component images in a real engine: read-only root, no capabilities, own user, and their own health check."""
import json
import secrets
import subprocess

import pytest
from private_engine import UnixHTTP, wait_until

NAMES = ["caddy", "loki", "postgres", "temporal", "valkey"]


@pytest.fixture(scope="session")
def built(root, tmp_path_factory):
    """Every image from its recipe (or the cache), with the facts the build wrote down."""
    out = tmp_path_factory.mktemp("images")
    made = subprocess.run([root / "image/build", "--out", out, *NAMES], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert made.returncode == 0, made.stdout[-3000:]
    return {name: (out / f"{name}.tar", json.loads((out / f"{name}.json").read_text())) for name in NAMES}


@pytest.fixture(scope="session")
def loaded(engine, built):
    for archive, _ in built.values():
        engine.load_image(archive)
    engine.call("POST", "/networks/create", {"Name": "zn-images", "Driver": "bridge"})
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


class Box:
    def __init__(self, engine, facts, binds=(), tmpfs=(), alias=None, env=()):
        self.engine = engine
        networks = {"EndpointsConfig": {"zn-images": {"Aliases": [alias] if alias else []}}}
        self.id = engine.call("POST", "/containers/create", {
            "Image": facts["id"], "Env": list(env), "NetworkingConfig": networks, "HostConfig": {
                "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "Init": True,
                "Memory": 320 << 20, "NetworkMode": "zn-images", "Binds": list(binds),
                "Tmpfs": {path: options for path, options in tmpfs}}})["Id"]
        engine.call("POST", f"/containers/{self.id}/start")

    def inspect(self):
        return self.engine.call("GET", f"/containers/{self.id}/json")

    def healthy(self):
        state = self.inspect()["State"]
        assert state["Running"], f"ended with {state['ExitCode']}: {self.logs()}"
        return state["Health"]["Status"] == "healthy"

    def logs(self):
        return self.all_logs()[-2000:]

    def all_logs(self):
        return self.engine.request("GET", f"/v1.41/containers/{self.id}/logs?stdout=1&stderr=1")[2]

    def address(self):
        return self.inspect()["NetworkSettings"]["Networks"]["zn-images"]["IPAddress"]

    def restart(self):
        self.engine.call("POST", f"/containers/{self.id}/restart?t=20")

    def kill(self):
        self.engine.call("POST", f"/containers/{self.id}/kill")
        self.engine.call("POST", f"/containers/{self.id}/start")

    def uids(self):
        top = self.engine.call("GET", f"/containers/{self.id}/top?ps_args=-eo%20uid,pid,args")
        return {row[0] for row in top["Processes"]}

    def run(self, *argv):
        made = self.engine.call("POST", f"/containers/{self.id}/exec",
                                {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": True})["Id"]
        _, _, out = self.engine.request("POST", f"/v1.41/exec/{made}/start", {"Detach": False, "Tty": True})
        return self.engine.call("GET", f"/exec/{made}/json")["ExitCode"], out.decode(errors="replace")


@pytest.fixture
def start(engine, loaded, request):
    def run(name, **kw):
        box = Box(engine, loaded[name], **kw)
        request.addfinalizer(lambda: engine.call("DELETE", f"/containers/{box.id}?force=true&v=true"))
        wait_until(box.healthy, 60, f"{name} healthy")
        assert "0" not in box.uids()
        return box
    return run


def test_archive_has_the_id_it_promises(engine, loaded):
    for facts in loaded.values():
        assert engine.call("GET", f"/images/{facts['id']}/json")["Id"] == facts["id"]


def test_same_recipe_twice_gives_the_same_image(root, built, tmp_path):
    again = tmp_path / "again"
    for name in ("caddy", "valkey"):
        subprocess.run([root / "image/build", "--no-cache", "--out", again, name], check=True, stdout=subprocess.DEVNULL)
        assert json.loads((again / f"{name}.json").read_text())["id"] == built[name][1]["id"], name


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
                tmpfs=[("/tmp", "mode=1777"), ("/run/postgresql", "uid=970,gid=970,mode=755"),
                       ("/var/lib/postgresql/data", "uid=970,gid=970,mode=700")])
    password = (secret_dir / "pg_zane_password").read_text().strip()
    files = sorted(p.name for p in (root / "migrations").glob("*.sql"))
    assert files
    for name in files:
        code, out = box.run("psql", "-q1", "-v", "ON_ERROR_STOP=1", "-f", f"/migrations/{name}",
                            f"postgresql://zane:{password}@{box.address()}/zane")
        assert code == 0, f"{name}: {out}"


def test_temporal_sets_up_its_schema_once_and_survives_a_kill(start, secret_dir, engine):
    start("postgres", binds=[f"{secret_dir}:/run/secrets:ro"], alias="zn-postgres",
          tmpfs=[("/tmp", "mode=1777"), ("/run/postgresql", "uid=970,gid=970,mode=755"),
                 ("/var/lib/postgresql/data", "uid=970,gid=970,mode=700")])
    box = start("temporal", binds=[f"{secret_dir}:/run/secrets:ro"], tmpfs=[("/tmp", "mode=1777")])
    logs = box.all_logs()
    assert b"setting it up" in logs
    box.kill()
    wait_until(box.healthy, 60, "temporal healthy after kill -9")
    again = box.all_logs()[len(logs):]
    assert b"setting it up" not in again, again
    argv = json.dumps(engine.call("GET", f"/containers/{box.id}/top?ps_args=-eo%20pid,args"))
    assert (secret_dir / "pg_temporal_password").read_text().strip() not in argv
    code, out = box.run("/zn-probe", "grpc", "127.0.0.1:7233", "nobody.knows.It")
    assert code == 1 and "knows nothing" in out, out
    code, out = box.run("/zn-probe", "grpc", "127.0.0.1:1", "x")
    assert code == 1 and "refused" in out, out
    stats = engine.call("GET", f"/containers/{box.id}/stats?stream=false&one-shot=true")["memory_stats"]
    print(f"temporal idle: {stats['usage'] / 2**20:.0f} MiB")


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


def test_caddy_shows_the_status_page_and_probes_for_the_worker(start, tmp_path, engine):
    run, status = tmp_path / "caddy", tmp_path / "status"
    for folder in (run, status):
        folder.mkdir()
        folder.chmod(0o777)
    page = subprocess.Popen(["/usr/bin/python3", "-c", (
        "import http.server,socketserver,sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  address_string=lambda s:''\n"
        "  def do_GET(s): s.send_response(200); s.send_header('Content-Length','6'); s.end_headers(); s.wfile.write(b'status')\n"
        "s=socketserver.UnixStreamServer(sys.argv[1],H)\n"
        "import os; os.chmod(sys.argv[1],0o666); s.serve_forever()"), str(status / "status.sock")])
    try:
        box = start("caddy", binds=[f"{run}:/run/caddy", f"{status}:/run/zane-status:ro"],
                    tmpfs=[("/tmp", "mode=1777"), ("/data", "uid=972,mode=700")])

        def get(sock, headers=None):
            conn = UnixHTTP(run / sock, 10)
            conn.request("GET", "/", headers=headers or {})
            answer = conn.getresponse()
            return answer.status, answer.read()

        assert get("edge.sock") == (200, b"status")
        # The port is open on the address that host-mode ports come in by, and on no other.
        assert engine.inside(["/usr/bin/curl", "-sf", f"http://{box.address()}:8080/"], check=False).stdout == "status"
        assert get("probe.sock", {"Zane-Dial": f"{box.address()}:8080"}) == (200, b"status")
        assert get("probe.sock", {"Zane-Dial": f"{box.address()}:9"})[0] == 502
    finally:
        page.terminate()
        page.wait()
