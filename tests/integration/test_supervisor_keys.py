"""zane rotate-keys on a real engine: the keys of the host, the secrets of the engine, the values in the database."""
import json
import subprocess
import sys

import image_box
import pytest
from private_engine import wait_until
from test_supervisor import COMPONENTS, IMAGES, Supervised, binary  # noqa: F401 - a fixture

# Runs in the network namespace of zaned-api's container; prints one line of JSON.
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from daemon import PASSWORD, Client
c, token = Client(8080), sys.argv[2]
c.get("/api/csrf/")
if not c.get("/api/auth/check-user-existence/").json()["exists"]:
    a = c.post("/api/auth/create-initial-user/", {"username": "admin", "password": PASSWORD, "setup_token": token})
    assert a.status == 201, a
    a = c.put("/api/deploys/web", {"image": "app:1", "env": {"KEY": "sealed"}})
    assert a.status == 201, a
else:
    a = c.post("/api/auth/login/", {"username": "admin", "password": PASSWORD})
    assert a.status == 201, a
print(json.dumps(c.get("/api/projects/default/production/service-details/web/").json()))
"""


class WithWorker(Supervised):
    """Both that open sealed values."""

    def environment(self):
        return {**super().environment(), "ZANE_COMPONENTS": ",".join([*COMPONENTS, "zaned-worker"])}


@pytest.fixture(scope="module")
def box(binary, root, tmp_path_factory):  # noqa: F811
    images = tmp_path_factory.mktemp("platform-images")
    image_box.build(root, images, *IMAGES)
    subprocess.run(["make", "-s", "build/zane"], cwd=root, check=True)
    b = WithWorker(binary, images)
    try:
        b.engine.start()
        b.start().wait_ready()
        yield b
    finally:
        b.close()


def service(box, root):
    """The service as the API shows it, its sealed values in clear text."""
    pid = box.engine.call("GET", f"/containers/{box.container('zaned-api')}/json")["State"]["Pid"]
    token = (box.state / "secrets/setup_token").read_text().strip()
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", SCRIPT, str(root / "tests/lib"), token],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def keys(box):
    return (box.state / "secrets/encryption_key").read_text().split()


def engine_keys(box):
    return [s["Spec"]["Name"] for s in box.engine.call("GET", "/secrets") if s["Spec"]["Name"].startswith("encryption_key-")]


def zane(box, root, *argv, **more):
    return subprocess.run([root / "build/zane", *argv], env=box.environment(), capture_output=True, text=True,
                          timeout=300, check=False, **more)


def test_the_key_changes_and_the_old_one_goes(box, root):
    before, (old,) = service(box, root), keys(box)
    others = {n: box.container(n) for n in COMPONENTS if n != "zaned-api"}
    worker = box.container("zaned-worker")
    done = zane(box, root, "rotate-keys")
    assert done.returncode == 0, (done.stdout, done.stderr, box.text()[-3000:])
    assert "values were sealed anew" in done.stdout and "0 values" not in done.stdout
    new, kept = keys(box)
    assert kept == old and new != old
    assert service(box, root) == before
    assert {n: box.container(n) for n in others} == others, "nothing but zaned was started anew"
    assert box.container("zaned-worker") not in (None, worker)
    done = zane(box, root, "rotate-keys", "--drop-old")
    assert done.returncode == 0, (done.stdout, done.stderr, box.text()[-3000:])
    assert keys(box) == [new] and service(box, root) == before
    assert len(engine_keys(box)) == 1


def test_a_change_that_was_killed_goes_on(box, root):
    before, (old,) = service(box, root), keys(box)
    with subprocess.Popen([root / "build/zane", "rotate-keys"], env=box.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as first:
        assert "learns" in first.stdout.readline()
        box.process.kill()
        box.process.wait(10)
        assert len(keys(box)) == 2 and keys(box)[0] == old, "learned, not turned"
        box.start()
        assert first.wait(60) != 0
    box.wait_ready(60)
    assert service(box, root) == before
    done = zane(box, root, "rotate-keys")
    assert done.returncode == 0, (done.stdout, done.stderr, box.text()[-3000:])
    assert keys(box)[1:] == [old] and service(box, root) == before
    assert zane(box, root, "rotate-keys", "--drop-old").returncode == 0
    assert len(keys(box)) == 1 and service(box, root) == before


def test_one_change_at_a_time_and_only_while_zaned_runs(box, root):
    with subprocess.Popen([root / "build/zane", "rotate-keys"], env=box.environment(), stdout=subprocess.PIPE,
                          text=True) as first:
        first.stdout.readline()
        second = zane(box, root, "rotate-keys")
        assert second.returncode == 1 and "under way" in second.stderr
        assert first.wait(120) == 0
    box.engine.call("POST", f"/containers/{box.container('zaned-api')}/kill")
    wait_until(lambda: box.component("zaned-api")["state"] != "ready", 20, "zaned-api down")
    refused = zane(box, root, "rotate-keys")
    assert refused.returncode == 1 and "zaned is not ready" in refused.stderr
    box.wait_ready(60)
    assert zane(box, root, "rotate-keys", "--dropold").returncode == 64
