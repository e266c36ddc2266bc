"""The gate on the whole platform: what it says when everything works, and for each kind of thing that does not."""
import contextlib
import json
import pathlib
import re
import shutil

import platform_boot
import pytest
from private_engine import unix_request, wait_until


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A copy of our own, because a test spoils one."""
    out = tmp_path_factory.mktemp("images")
    for path in pathlib.Path(platform_boot.platform_images()).iterdir():
        (out / path.name).symlink_to(path)
    return out


@pytest.fixture(scope="module")
def box(images):
    box = platform_boot.boot(images, {}, admin=True)
    yield box
    platform_boot.keep_logs(box, "gate")
    box.stop()


def gate(box):
    """Runs it; the last state, with its checks by name."""
    state = box.gate()
    state["checks"] = {c["id"]: c for c in state["checks"]}
    return state


def states(result):
    return {name: c["state"] for name, c in result["checks"].items()}


def canaries(box):
    return [s for s in box.services() if s == "zn-canary"]


def passes_again(box):
    box.wait_ready()
    wait_until(lambda: gate(box)["state"] == "passed", 120, "the gate passes again")


def test_a_healthy_platform_passes_and_nothing_is_left(box):
    done = box.zane("doctor")
    assert done.stdout.count("ok    ") == 5 and "Everything works" in done.stdout, done.stdout
    assert not canaries(box)
    lines = box.search_logs(service_id="zn-canary")
    assert lines and {line["source"] for line in lines} == {"SYSTEM"}, lines
    again = gate(box)  # at once: the app of the run before may not answer for this one
    assert again["state"] == "passed", again
    assert len({line["container_id"] for line in box.search_logs(service_id="zn-canary")}) == 2


def test_the_lines_are_nobodys(box):
    """Who asks with a token sees what is the workspace's; the gate's question needs the platform's own token."""
    token = box.api("POST", "/tokens/", {"name": "reader", "scope": "read"}).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    nonce = "0" * 32
    for path, status in (("/search/logs/?service_id=zn-canary", 404), (f"/_gate/logs/?nonce={nonce}", 403)):
        answer = box.request("GET", f"/api{path}", headers=bearer)
        assert answer.status == status, answer
    assert box.request("GET", f"/api/_gate/logs/?nonce={nonce}").status == 401


def test_all_must_be_good_in_a_row(box):
    """A component that goes for a moment begins the time anew."""
    query = "?hold_s=12"
    assert unix_request(box.run_dir / "supervisor.sock", "POST", "/v1/gate" + query)[0] == 202
    assert unix_request(box.run_dir / "supervisor.sock", "POST", "/v1/gate" + query)[0] == 409
    wait_until(lambda: box.gate_state()["percent"] > 30, 60, "a third of the time")
    box.kill("valkey")
    seen = wait_until(lambda: (s := box.gate_state())["percent"] == 0 and s["message"] and s, 20, "the break")
    assert "valkey" in seen["message"], seen
    end = box.gate_end(150)
    assert (end["state"], end["percent"]) == ("passed", 100), end


def test_wrong_times_are_refused(box):
    for query in ("?hold_s=601", "?hold_s=-1", "?hold_s=x", "?for=3"):
        status, _, body = unix_request(box.run_dir / "supervisor.sock", "POST", "/v1/gate" + query)
        assert status == 400 and b"hold_s must be a number of seconds from 0 to 600" in body, body


def test_an_app_left_by_a_killed_supervisor_goes(box):
    unix_request(box.run_dir / "supervisor.sock", "POST", "/v1/gate?hold_s=60")
    wait_until(lambda: canaries(box), 30, "the app")
    box.process.kill()
    box.process.wait()
    box.start_supervisor()
    box.wait_ready()
    wait_until(lambda: not canaries(box), 30, "the app is gone")
    passes_again(box)


# --- what can be wrong ----------------------------------------------------------------------------

@contextlib.contextmanager
def frozen(box, component):
    container = box.container_of(f"zn-{component}")
    box.engine.call("POST", f"/containers/{container}/pause")
    try:
        yield
    finally:
        box.engine.call("POST", f"/containers/{container}/unpause")


@contextlib.contextmanager
def promised(images, image):
    """The release promises another image for the app."""
    facts = images / "example.json"
    real = facts.read_text()
    facts.unlink()
    facts.write_text(json.dumps({**json.loads(real), "id": image}))
    try:
        yield
    finally:
        facts.write_text(real)


def test_loki_frozen(box):
    with frozen(box, "loki"):
        result = gate(box)
    assert result["state"] == "failed" and result["checks"]["log-line"]["state"] == "bad", result
    assert "the API answers 503: log store" in result["checks"]["log-line"]["message"], result
    assert states(result)["canary"] == states(result)["login-page"] == states(result)["api"] == "good", result
    passes_again(box)


def test_the_api_frozen(box):
    with frozen(box, "zaned-api"):
        result = gate(box)
    assert result["state"] == "failed"
    assert "status page came instead" in result["checks"]["login-page"]["message"], result
    assert result["checks"]["api"]["state"] == "bad" and result["checks"]["canary"]["state"] == "good", result
    passes_again(box)


def test_the_proxy_frozen(box):
    with frozen(box, "caddy"):
        done = box.zane("doctor", check=False)
    assert done.returncode == 1, done.stdout
    assert "FAIL  the login page: the proxy gave no answer" in done.stdout, done.stdout
    assert "-     the app's log: not looked at" in done.stdout, done.stdout
    passes_again(box)


def test_the_dashboards_program_is_empty(box):
    """The page comes, and would stay blank."""
    published = box.state / "edge/web/assets"
    hidden = box.state / "edge/web/hidden"
    published.rename(hidden)
    program = re.search(rb'src="/assets/([^"]+)"', box.request("GET", "/").body)[1].decode()
    published.mkdir()
    (published / program).write_text("")  # what is not there at all the API would have
    try:
        result = gate(box)
    finally:
        shutil.rmtree(published)
        hidden.rename(published)
    assert result["state"] == "failed"
    assert result["message"] == "the login page: the page came, but its program is empty or none", result
    assert states(result)["api"] == "good", result
    passes_again(box)


def test_an_app_that_cannot_start(box, images):
    """Another program in its image than the platform's release promises."""
    with promised(images, "sha256:" + "0" * 64):
        result = gate(box)
    assert result["state"] == "failed"
    assert result["message"] == ("an app behind the proxy: the archive of its image holds another image"), result
    assert states(result)["log-line"] == "waiting", result
    passes_again(box)


def test_an_app_whose_program_ends(box, images):
    """The engine's own words say why."""
    with promised(images, json.loads((images / "fluentd.json").read_text())["id"]):
        result = gate(box)
    assert result["state"] == "failed"
    # "stay up" where it was just between two ends
    assert re.search("an app behind the proxy: it does not (start|stay up): task: non-zero exit", result["message"]), result
    assert not canaries(box)
    passes_again(box)
