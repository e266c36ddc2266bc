"""A service with all that a service can have, and answers of its own that prove each part: a file, a port of the host,
limits, another service's volume, an image from a registry that asks for a login, variables that name others."""
import base64
import io
import json
import socket
import subprocess
import tarfile
import urllib.parse

import netns
import pytest
from private_engine import wait_until

HERE = "/projects/default/production"
HOST_PORT = 9321
ADDRESS = "198.18.0.1"  # of the engine's machine, for its containers too; the engine speaks plain HTTP to it
REGISTRY = f"{ADDRESS}:5000"
USER, PASSWORD = "robot", "right-password"
LIMITS = {"cpus": 0.5, "memory": {"value": 96, "unit": "MEGABYTES"}}
TEMPLATE = 'Dear {{ name }}, {{.Node.ID}} {{{raw}}} {{"{{"}} {{- x -}} }}{{'
PROGRAM = """
import http.server, json, os, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def path_of(self):
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)).get("path")

    def do_GET(self):
        if self.path == "/env":
            return self.answer(200, json.dumps(dict(os.environ)))
        try:
            self.answer(200, open(self.path_of()).read() if self.path_of() else "ok")
        except OSError as e:
            self.answer(404, str(e))

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            with open(self.path_of(), "wb") as f:
                f.write(data)
            self.answer(200, "written")
        except OSError as e:
            self.answer(403, str(e))

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
DOCKERFILE = """FROM %s
COPY program.py /program.py
EXPOSE 8080/tcp 9999/udp
ENTRYPOINT ["/usr/bin/python3", "-u", "/program.py"]
"""


class Registry:
    """Debian's registry with a password file, beside the engine."""

    def __init__(self, engine, root):
        self.engine, self.root = engine, root
        engine.inside(["ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True)
        made = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], capture_output=True, check=True)
        (root / "htpasswd").write_bytes(made.stdout)
        (root / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {root}/data}}}}\n"
            f"http: {{addr: '{REGISTRY}'}}\nauth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}\n")
        self.process = subprocess.Popen(
            ["nsenter", "-t", str(engine.process.pid), "-n", "/usr/bin/docker-registry", "serve", root / "config.yml"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: engine.inside(["curl", "-s", f"http://{REGISTRY}/v2/"]).returncode == 0, 15, "registry")

    def push(self, base, tag):
        """An image of PROGRAM that only the registry has."""
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, text in (("Dockerfile", DOCKERFILE % base), ("program.py", PROGRAM)):
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(text), 0o644
                tar.addfile(info, io.BytesIO(text.encode()))
        image = f"{REGISTRY}/app:{tag}"
        self.stream(f"/build?t={image}", context.getvalue(), {"Content-Type": "application/x-tar"})
        login = json.dumps({"username": USER, "password": PASSWORD}).encode()
        self.stream(f"/images/{REGISTRY}/app/push?tag={tag}", None,
                    {"X-Registry-Auth": base64.urlsafe_b64encode(login).decode()})
        self.engine.call("DELETE", f"/images/{image}?force=true", ok=(200,))
        return image

    def stream(self, target, body, headers):
        status, _, data = self.engine.request("POST", f"/v1.41{target}", body, headers, 120)
        assert status == 200 and not any("error" in json.loads(x) for x in data.splitlines() if x.strip()), data[-800:]

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def registry(platform, tmp_path_factory):
    r = Registry(platform.engine, tmp_path_factory.mktemp("registry"))
    yield r
    r.stop()


@pytest.fixture(scope="module")
def login(platform, registry):
    """Registry credentials, taken by the API only after the registry took them."""
    body = {"slug": "robot", "registry_type": "GENERIC", "url": f"http://{REGISTRY}", "username": USER}
    refused = platform.api("POST", "/registries/credentials/", {**body, "password": "wrong"}, ok=(400,))
    assert b"refuses this username and password" in refused.body
    return platform.api("POST", "/registries/credentials/", {**body, "password": PASSWORD}, ok=(201,)).json()["id"]


def create(platform, slug, image, login, domain, port=8080):
    platform.api("POST", f"{HERE}/create-service/docker/",
                 {"slug": slug, "image": image, "container_registry_credentials_id": login}, ok=(201,))
    change(platform, slug, "urls", {"domain": domain, "associated_port": port})
    change(platform, slug, "healthcheck", {"type": "PATH", "value": "/", "timeout_seconds": 30, "interval_seconds": 30,
                                           "associated_port": port}, "UPDATE")


def change(platform, slug, field, value, kind="ADD", **more):
    return platform.api("PUT", f"{HERE}/request-service-changes/{slug}/",
                        {"field": field, "type": kind, "new_value": value, **more}, ok=(200,)).json()


def deploy(platform, slug):
    made = platform.api("PUT", f"{HERE}/deploy-service/docker/{slug}/", {}, ok=(200,)).json()
    return platform.wait_deployment(slug, made["hash"])


def details(platform, slug):
    return platform.api("GET", f"{HERE}/service-details/{slug}/", ok=(200,)).json()


def read(platform, domain, path):
    return platform.open_site(domain, "/?path=" + urllib.parse.quote(path))


def write(platform, domain, path, text):
    return platform.request("PUT", "/?path=" + urllib.parse.quote(path), text.encode(), host=domain)


def swarm_configs(platform, service_id):
    """Names of the configs that the swarm has of a service."""
    return {c["Spec"]["Name"] for c in platform.engine.call("GET", "/configs")
            if c["Spec"]["Labels"].get("zane.service") == service_id}


KEEPER, FULL = "keeper.zane.localhost", "full.zane.localhost"


@pytest.fixture(scope="module")
def full(platform, registry, login):
    """The service, deployed once, and the one that owns the volume it reads."""
    image = registry.push(platform.tags["radicale"], "1")
    create(platform, "keeper", image, login, KEEPER)
    change(platform, "keeper", "volumes", {"name": "data", "container_path": "/data", "mode": "READ_WRITE"})
    done = deploy(platform, "keeper")
    assert done["status"] == "HEALTHY", done["status_reason"]
    assert write(platform, KEEPER, "/data/note", "from the keeper").status == 200

    platform.api("POST", f"{HERE}/variables/", {"key": "REGION", "value": "north"}, ok=(201,))
    platform.api("POST", f"{HERE}/variables/", {"key": "BOTH", "value": "shared"}, ok=(201,))
    create(platform, "full", image, login, FULL)
    volume, = (v for v in platform.api("GET", f"{HERE}/full/available-volumes/", ok=(200,)).json()
               if v["service"]["slug"] == "keeper")
    change(platform, "full", "shared_volumes", {"volume_id": volume["id"], "container_path": "/shared"})
    change(platform, "full", "configs", {"name": "app", "mount_path": "/etc/app.ini", "contents": "debug = no\n"})
    change(platform, "full", "ports", {"host": HOST_PORT, "forwarded": 8080})
    change(platform, "full", "resource_limits", LIMITS, "UPDATE")
    change(platform, "full", "env_variables", {"key": "PLACE", "value": "app-{{env.REGION}}-{{env.NONE}}"})
    change(platform, "full", "env_variables", {"key": "BOTH", "value": "own"})
    change(platform, "full", "env_variables", {"key": "TEMPLATE", "value": TEMPLATE})
    done = deploy(platform, "full")
    assert done["status"] == "HEALTHY", done["status_reason"]
    return platform


def test_a_file(full):
    assert read(full, FULL, "/etc/app.ini").body == b"debug = no\n"
    assert write(full, FULL, "/etc/app.ini", "x").status == 403


def test_the_volume_of_another_service_is_read_only(full):
    assert read(full, FULL, "/shared/note").body == b"from the keeper"
    assert write(full, KEEPER, "/data/note", "news").status == 200
    assert read(full, FULL, "/shared/note").body == b"news"
    refused = write(full, FULL, "/shared/note", "x")
    assert refused.status == 403 and b"Read-only" in refused.body


def test_a_port_of_the_host(full):
    assert on_host_port(full) == 200


def on_host_port(platform):
    conn = netns.Connection(platform.ns, HOST_PORT, 5)
    try:
        conn.request("GET", "/")
        return conn.getresponse().status
    finally:
        conn.close()


def first_of(platform, *paths):
    for path in paths:
        answer = read(platform, FULL, path)
        if answer.status == 200:
            return answer.body.decode().split()
    raise AssertionError(f"none of {paths}")


def test_limits(full):
    memory = first_of(full, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max")
    assert int(memory[0]) == 96 << 20
    quota = first_of(full, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us",
                     "/sys/fs/cgroup/cpu.max")
    assert int(quota[0]) == 50000


def test_variables(full):
    env = full.open_site(FULL, "/env").json()
    assert env["REGION"] == "north", "shared ones come along"
    assert env["PLACE"] == "app-north-{{env.NONE}}"
    assert env["TEMPLATE"] == TEMPLATE, "the swarm runs nothing of it"
    assert env["BOTH"] == "own", "the service's own wins"
    now = full.deployments("full")[0]
    assert (env["ZANE_DEPLOYMENT_SLOT"], env["ZANE_DEPLOYMENT_HASH"]) == (now["slot"], now["hash"])


def test_ports_that_the_image_names(full):
    found = full.api("GET", f"{HERE}/service-details/full/detected-ports/", ok=(200,)).json()
    assert {"port_number": 8080, "protocol": "tcp"} in found and {"port_number": 9999, "protocol": "udp"} in found


def test_the_password_is_nowhere_to_be_read(full):
    for component in ("zaned-worker", "zaned-api"):
        assert PASSWORD not in full.logs_of(component, 2000)
    for service in full.engine.call("GET", "/services"):
        assert PASSWORD not in json.dumps(service)


def test_a_changed_file_comes_with_the_next_deploy(full):
    doc = details(full, "full")
    item = doc["configs"][0]
    change(full, "full", "configs", {"name": "app", "mount_path": "/etc/app.ini", "contents": "debug = yes\n"}, "UPDATE",
           item_id=item["id"])
    assert read(full, FULL, "/etc/app.ini").body == b"debug = no\n"
    done = deploy(full, "full")
    assert done["status"] == "HEALTHY", done["status_reason"]
    assert read(full, FULL, "/etc/app.ini").body == b"debug = yes\n"
    assert on_host_port(full) == 200
    # The old contents go with the old version.
    wait_until(lambda: len(swarm_configs(full, doc["id"])) == 1, 60, "the old config is gone")


def test_a_login_is_not_sent_to_another_registry(full, login):
    """Else whoever names an image gets the password."""
    listener = full.ns.call(lambda: socket.create_server((ADDRESS, 5001)))
    listener.settimeout(0.2)
    change(full, "full", "source", {"image": f"{ADDRESS}:5001/app:1", "container_registry_credentials_id": login}, "UPDATE")
    try:
        done = deploy(full, "full")
        assert done["status"] == "FAILED" and f"credentials are for http://{REGISTRY}" in done["status_reason"], done
        with pytest.raises(TimeoutError):
            listener.accept()
    finally:
        listener.close()
    assert read(full, FULL, "/etc/app.ini").body == b"debug = yes\n", "the old version serves"
    change(full, "full", "source", {"image": f"{REGISTRY}/app:1", "container_registry_credentials_id": login}, "UPDATE")


def test_no_part_of_the_platform_is_taken_for_a_registry(full, login):
    """By number, as the API's container could reach it."""
    part = full.engine.call("GET", "/containers/json?filters=" + urllib.parse.quote(json.dumps(
        {"label": ["com.docker.swarm.service.name=zn-loki"]})))[0]
    address = part["NetworkSettings"]["Networks"]["zn-control"]["IPAddress"]
    body = {"slug": "loki", "registry_type": "GENERIC", "url": f"http://{address}:3100", "username": USER, "password": PASSWORD}
    refused = full.api("POST", "/registries/credentials/", body, ok=(400,))
    assert b"the platform's own" in refused.body, refused.body


def test_a_port_that_another_process_has(full, login):
    taken = HOST_PORT + 1
    listener = full.ns.call(lambda: socket.create_server(("0.0.0.0", taken)))
    port, = details(full, "full")["ports"]
    change(full, "full", "ports", {"host": taken, "forwarded": 8080}, "UPDATE", item_id=port["id"])
    try:
        done = deploy(full, "full")
        assert done["status"] == "FAILED", done
        assert f"port {taken} of the host is in use" in done["status_reason"], done["status_reason"]
    finally:
        listener.close()
    wait_until(lambda: read(full, FULL, "/etc/app.ini").status == 200, 30, "the old version serves again")
    assert on_host_port(full) == 200, "and has its port"
    full.api("PUT", f"{HERE}/request-service-changes/full/",
             {"field": "ports", "type": "UPDATE", "item_id": port["id"], "new_value": {"host": HOST_PORT, "forwarded": 8080}},
             ok=(200,))
    assert deploy(full, "full")["status"] == "HEALTHY"


def test_nothing_is_left_of_an_archived_service(full):
    service = details(full, "full")["id"]
    full.api("DELETE", f"{HERE}/archive-service/docker/full/", ok=(204,))
    wait_until(lambda: not full.user_services(service), 60, "its containers are gone")
    wait_until(lambda: not swarm_configs(full, service), 60, "its files are gone")
    listener = wait_until(lambda: bind(full), 30, "its port is free")
    listener.close()


def bind(platform):
    try:
        return platform.ns.call(lambda: socket.create_server(("0.0.0.0", HOST_PORT)))
    except OSError:
        return None
