"""zane-supervisor on a real engine with real component images (a subset, by ZANE_COMPONENTS)."""
import json
import os
import re
import signal
import stat
import subprocess
import time
from urllib.parse import quote

import image_box
import pytest
from private_engine import PrivateEngine, unix_request, wait_until

# In boot order: four that need nobody, temporal that needs postgres, zaned-api that needs three and the migrations.
COMPONENTS = ["caddy", "postgres", "valkey", "loki", "temporal", "zaned-api"]
IMAGES = ["caddy", "postgres", "valkey", "loki", "temporal", "zaned"]


class Supervised:
    """zane-supervisor in the namespaces of a private engine."""

    def __init__(self, binary, images):
        self.engine = PrivateEngine()
        self.binary, self.images, self.process = binary, images, None
        self.state, self.run_dir = self.engine.root / "state", self.engine.root / "run"
        self.log = self.engine.root / "supervisor.log"

    def environment(self):
        keep = {k: v for k, v in os.environ.items() if not k.startswith("ZANE_")}
        return {**keep, "ZANE_STATE": str(self.state), "ZANE_RUN": str(self.run_dir),
                "ZANE_ENGINE": str(self.engine.socket), "ZANE_IMAGES": str(self.images),
                "ZANE_COMPONENTS": ",".join(COMPONENTS), "ZANE_ROOT_DOMAIN": "zane.localhost"}

    def argv(self):
        return ["nsenter", "-t", str(self.engine.process.pid), "-n", "-m", str(self.binary)]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv(), env=self.environment(), stdout=log, stderr=log,
                                            start_new_session=True)
        return self

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def health(self):
        status, _, body = unix_request(self.run_dir / "supervisor.sock", "GET", "/v1/health", timeout=5)
        assert status == 200, body
        return json.loads(body)

    def component(self, name):
        return next(c for c in self.health()["components"] if c["id"] == name)

    def wait_ready(self, deadline=180):
        def ready():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.text()[-3000:]}"
            return self.health()["ready"]
        try:
            wait_until(ready, deadline, "platform ready")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.text()[-6000:]}") from e

    def container(self, name):
        filters = quote(json.dumps({"label": [f"zane.component={name}"], "status": ["running"]}))
        found = self.engine.call("GET", f"/containers/json?filters={filters}")
        return found[0]["Id"] if found else None

    def services(self):
        return {s["Spec"]["Name"] for s in self.engine.call("GET", "/services")}

    def terminate(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def close(self):
        try:
            self.terminate()
        finally:
            self.engine.stop()


@pytest.fixture(scope="module")
def images(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("platform-images")
    image_box.build(root, out, *IMAGES)
    return out


@pytest.fixture(scope="module")
def binary(root):
    build = os.environ.get("ZN_TEST_BUILD", str(root / "build"))
    subprocess.run(["make", "-s", f"B={build}", f"{build}/zane-supervisor"], cwd=root, check=True)
    return f"{build}/zane-supervisor"


@pytest.fixture(scope="module")
def box(binary, images):
    b = Supervised(binary, images)
    try:
        b.engine.start()
        b.start().wait_ready()
        yield b
    finally:
        b.close()


def test_caddy_is_ready_first_and_images_load_in_boot_order(box):
    lines = box.text().splitlines()
    loads = [m[1] for line in lines if (m := re.search(r"loading image=\S+ from=\S+/(\w+)\.tar", line))]
    assert loads == IMAGES
    ready = [m[1] for line in lines if (m := re.search(r"component=(\S+) starting -> ready", line))]
    assert ready[0] == "caddy"
    assert set(ready) == set(COMPONENTS)


def test_dependents_are_created_only_after_what_they_need_is_ready(box):
    text = box.text()

    def at(words):
        assert words in text, words
        return text.index(words)
    assert at("component=postgres starting -> ready") < at("creating service=zn-temporal")
    assert at("component=postgres starting -> ready") < at("running the migrations")
    for needed in ("component=valkey starting -> ready", "component=temporal starting -> ready", "migrations are done"):
        assert at(needed) < at("creating service=zn-zaned-api"), needed
    assert "zn-migrate" not in box.services(), "the one-shot job is removed"


def test_components_are_confined(box):
    for name in COMPONENTS:
        host = box.engine.call("GET", f"/containers/{box.container(name)}/json")
        assert host["HostConfig"]["ReadonlyRootfs"], name
        assert host["HostConfig"]["CapDrop"] == ["ALL"] and not host["HostConfig"]["CapAdd"], name
        assert host["HostConfig"]["Memory"] > 0 and host["HostConfig"]["Init"], name
        assert host["Config"]["User"] not in ("", "0", "root"), name
        # What the kernel says, not what was asked for.
        text = open(f"/proc/{host['State']['Pid']}/status", encoding="ascii").read()
        for field in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(re.search(rf"^{field}:\s*(\w+)$", text, re.M)[1], 16) == 0, (name, field)


def test_secrets_are_for_root_alone(box):
    folder = box.state / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {p.name for p in folder.iterdir()}
    assert {"pg_super_password", "valkey_password", "encryption_key", "setup_token"} <= names
    for path in folder.iterdir():
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600), path
        assert path.read_text().strip() not in box.text()
    # The engine gets no component more than its own.
    spec = box.engine.call("GET", "/services/zn-valkey")["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert [s["File"]["Name"] for s in spec["Secrets"]] == ["valkey_password"]


def test_second_start_is_refused(box):
    done = subprocess.run(box.argv(), env=box.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20, check=False)
    assert done.returncode == 3
    assert f"already running with pid {box.process.pid} " in done.stdout  # nsenter became the supervisor
    assert box.health()["ready"]


def test_killed_component_returns_after_its_backoff(box):
    old, before = box.container("valkey"), box.component("valkey")["restarts"]
    mark = len(box.text())
    box.engine.call("POST", f"/containers/{old}/kill?signal=KILL")
    wait_until(lambda: box.container("valkey") not in (None, old), 60, "a new container")
    box.wait_ready(60)
    assert box.component("valkey")["restarts"] == before + 1
    stamps = {m[2]: m[1] for m in re.finditer(r"T\d\d:(\d\d:[\d.]+)Z info supervisor component=valkey "
                                               r"(\w+ -> \w+)", box.text()[mark:])}
    minutes = {k: int(v[:2]) * 60 + float(v[3:]) for k, v in stamps.items()}
    waited = (minutes["backoff -> starting"] - minutes["ready -> backoff"]) % 3600
    assert 0.8 <= waited < 2.0, f"first backoff is 1 s with 20 % jitter, seen {waited}"


def test_loss_of_a_dependency_restarts_no_other(box):
    others = {n: box.container(n) for n in COMPONENTS if n != "postgres"}
    box.engine.call("POST", f"/containers/{box.container('postgres')}/kill?signal=KILL")
    wait_until(lambda: not box.health()["ready"], 30, "the loss is seen")
    box.wait_ready(90)
    assert {n: box.container(n) for n in others} == others


def test_restart_of_the_supervisor_adopts_what_runs(box):
    before = {n: box.container(n) for n in COMPONENTS}
    box.terminate()
    assert box.process.returncode == 0
    assert {n: box.container(n) for n in COMPONENTS} == before, "SIGTERM leaves the components running"
    begun = time.monotonic()
    box.start().wait_ready(20)
    assert time.monotonic() - begun < 20
    assert {n: box.container(n) for n in COMPONENTS} == before


def test_changed_spec_updates_that_service_only(box):
    before = {n: box.container(n) for n in COMPONENTS}
    box.terminate()
    # A spec that the supervisor did not write: its label names another hash.
    service = box.engine.call("GET", "/services/zn-valkey")
    service["Spec"]["Labels"]["zane.spec"] = "000000000000"
    box.engine.call("POST", f"/services/{service['ID']}/update?version={service['Version']['Index']}", service["Spec"])
    box.start().wait_ready(60)
    after = {n: box.container(n) for n in COMPONENTS}
    assert {n for n in COMPONENTS if after[n] != before[n]} == {"valkey"}


def test_proxy_is_attached_to_environment_networks_after_its_restart(box):
    image = box.component("valkey")["image"]
    network = {"Driver": "overlay", "Attachable": True, "Labels": {"zane.edge": "true"}}
    for name in ("zn-env-used", "zn-env-idle"):
        box.engine.call("POST", "/networks/create", {"Name": name, **network})
    box.engine.call("POST", "/services/create", {
        "Name": "srv-x-blue", "Labels": {"zane.managed": "true"}, "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {"ContainerSpec": {"Image": image, "Command": ["/bin/sleep", "3600"], "Init": True},
                         "Networks": [{"Target": "zn-env-used"}]}})
    try:
        old = box.container("caddy")
        box.engine.call("POST", f"/containers/{old}/kill?signal=KILL")
        wait_until(lambda: box.container("caddy") not in (None, old), 60, "a new proxy")

        def attached():
            seen = box.engine.call("GET", f"/containers/{box.container('caddy')}/json")
            return "zn-env-used" in seen["NetworkSettings"]["Networks"] and seen
        networks = wait_until(attached, 60, "attached")["NetworkSettings"]["Networks"]
        assert "zn-env-idle" not in networks, "no task uses it: that is no error"
        box.wait_ready(60)
    finally:
        box.engine.call("DELETE", "/services/srv-x-blue")


def test_swarm_left_and_made_again_rebuilds_everything(box):
    assert (box.state / "own-swarm").exists()
    box.engine.request("POST", "/v1.41/swarm/leave?force=true")
    wait_until(lambda: not box.health()["ready"], 30, "the loss is seen")
    box.wait_ready(120)
    assert box.services() == {f"zn-{n}" for n in COMPONENTS}
    secret = (box.state / "secrets/valkey_password").read_text().strip()
    made = box.engine.call("POST", f"/containers/{box.container('valkey')}/exec", {
        "Cmd": ["valkey-cli", "--no-auth-warning", "-a", secret, "ping"], "AttachStdout": True, "Tty": True})["Id"]
    assert b"PONG" in box.engine.request("POST", f"/v1.41/exec/{made}/start", {"Detach": False, "Tty": True})[2]


def test_crash_loop_is_held_with_the_last_lines_until_retry(box):
    """Five ends within ten minutes; the component's own words come with them."""
    for _ in range(5):
        target = wait_until(lambda: box.container("loki") or box.component("loki")["state"] == "held", 90, "loki runs")
        if target is True:
            break
        box.engine.call("POST", f"/containers/{target}/kill?signal=KILL", ok=(200, 204, 404, 409))
        wait_until(lambda target=target: box.container("loki") != target, 30, "it ended")
    wait_until(lambda: box.component("loki")["state"] == "held", 60, "held")
    assert not box.health()["ready"]
    issues = [i for i in box.health()["issues"] if i["component"] == "loki"]
    assert issues, box.health()["issues"]
    status, _, _ = unix_request(box.run_dir / "supervisor.sock", "POST", "/v1/components/loki/retry", timeout=5)
    assert status in (200, 202, 204)
    box.wait_ready(120)


def test_stop_ends_in_reverse_order_and_leaves_no_service(box):
    mark = len(box.text())
    unix_request(box.run_dir / "supervisor.sock", "POST", "/v1/stop", timeout=5)
    assert box.process.wait(150) == 100
    order = re.findall(r"stopping component=([\w-]+)", box.text()[mark:])
    assert [n for n in order if n != "migrate"] == COMPONENTS[::-1]
    assert not [s for s in box.services() if s.startswith("zn-")]
    label = quote(json.dumps({"label": ["zane.component"]}))
    assert box.engine.call("GET", f"/containers/json?all=true&filters={label}") == []
    volumes = {v["Name"] for v in box.engine.call("GET", "/volumes")["Volumes"]}
    assert {"zn-postgres", "zn-valkey", "zn-loki", "zn-caddy"} <= volumes, "data is kept"
