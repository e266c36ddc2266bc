#!/usr/bin/python3
"""`make bench`: the platform's figures, as ratios and differences within one run on one machine.

  deploy     PUT to HEALTHY and routed, against a bare POST /services/create of the same image on the same
             engine until its task runs
  redeploys  constant load during 20 redeploys: requests and failures
  memory     idle memory of the platform's services by their cgroups
  boot       supervisor start to status page, and to the dashboard's port answering (warm: images loaded)

Names as arguments choose some of them. Each prints one line "name value unit"; build/bench.json has them all.
"""
import json
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "tests/e2e")]

import conftest  # noqa: E402
from platform_box import Load  # noqa: E402
from private_engine import wait_until  # noqa: E402

DOMAIN = "bench.zane.localhost"
ROUNDS, REDEPLOYS = 7, 20
figures = {}


def note(name, value, unit, detail=""):
    figures[name] = value
    print(f"{name:<34} {value:>10} {unit:<4} {detail}", flush=True)


def spec(box, i):
    return {"image": box.tags["example"], "port": 8080, "domain": DOMAIN, "health_check_path": "/health",
            "env": {"ROUND": str(i)}}


def bare_create(box, i):
    """Seconds from POST /services/create to its task running."""
    body = {"Name": f"bare-{i}", "TaskTemplate": {
        "ContainerSpec": {"Image": box.engine.call("GET", f"/images/{box.tags['example']}/json")["Id"], "Init": True},
        "Networks": [{"Target": box.env_network}]}, "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"}}
    start = time.monotonic()
    made = box.engine.call("POST", "/services/create", body)["ID"]
    while True:
        tasks = box.engine.call("GET", f'/tasks?filters={{"service":["{made}"]}}')
        if any(t["Status"]["State"] == "running" for t in tasks):
            break
        time.sleep(0.01)
    took = time.monotonic() - start
    box.engine.call("DELETE", f"/services/{made}")
    return took


def timed_deploy(box, i):
    start = time.monotonic()
    made = box.deploy("bench", wait=False, **spec(box, i))
    while True:
        d = box.deployment("bench", made["hash"])
        if d["finished_at"]:
            break
        time.sleep(0.02)
    took = time.monotonic() - start
    assert d["status"] == "HEALTHY", d
    return took


def at_rest(box):
    """True once the old version is gone: a deployment holds its turn until then."""
    return [d["status"] for d in box.deployments("bench") if d["status"] != "REMOVED"] == ["HEALTHY"]


def lone_deploy(box, i):
    wait_until(lambda: at_rest(box), 60, "the old version gone")
    time.sleep(1)
    return timed_deploy(box, i)


def deploy_overhead(box):
    timed_deploy(box, "first")
    box.env_network = next(n["Name"] for n in box.engine.call("GET", "/networks") if n["Name"].startswith("zn-env-"))
    bare = statistics.median(bare_create(box, i) for i in range(ROUNDS))
    ours = statistics.median(lone_deploy(box, i) for i in range(ROUNDS))
    note("deploy.bare_create", round(bare, 2), "s", f"median of {ROUNDS}")
    note("deploy.put_to_healthy", round(ours, 2), "s", f"median of {ROUNDS}")
    note("deploy.overhead", round(ours - bare, 2), "s", "at most 1.5")
    note("deploy.behind_another", round(timed_deploy(box, "next"), 2), "s", "asked for as the one before is HEALTHY")


def redeploys_under_load(box):
    with Load(box, DOMAIN, path="/health") as load:
        for i in range(REDEPLOYS):
            timed_deploy(box, f"load-{i}")
    note("redeploys.requests", load.requests, "", f"during {REDEPLOYS} redeploys")
    note("redeploys.failed", len(load.failures), "", str(load.failures[:2]))


def cgroup_bytes(box, component):
    stats = box.engine.call("GET", f"/containers/{box.container_of('zn-' + component)}/stats?stream=false&one-shot=true")
    m = stats["memory_stats"]
    inactive = m.get("stats", {}).get("inactive_file", m.get("stats", {}).get("total_inactive_file", 0))
    return m["usage"] - inactive


def idle_memory(box, settle=60):
    time.sleep(settle)
    total = 0
    for component in sorted(box.components()):
        used = cgroup_bytes(box, component)
        total += used
        note(f"memory.{component}", round(used / 2**20, 1), "MiB")
    note("memory.all", round(total / 2**20, 1), "MiB", "at most 350")


def answers(box, path, ok):
    try:
        return box.request("GET", path, timeout=2).status in ok
    except OSError:
        return False


def warm_boot(box):
    box.zane("stop")
    box.process.wait(120)
    start = time.monotonic()
    box.start_supervisor()
    wait_until(lambda: answers(box, "/", (200, 503)), 60, "status page")
    note("boot.status_page", round(time.monotonic() - start, 1), "s", "at most 4")
    wait_until(lambda: answers(box, "/api/auth/check-user-existence/", (200,)), 120, "API")
    note("boot.dashboard", round(time.monotonic() - start, 1), "s", "at most 20")
    box.wait_ready(120)
    note("boot.all_ready", round(time.monotonic() - start, 1), "s")


def main():
    images = ROOT / "build/images"
    box = conftest.boot(images, {})
    parts = {"deploy": deploy_overhead, "redeploys": redeploys_under_load, "memory": idle_memory, "boot": warm_boot}
    try:
        for name in sys.argv[1:] or parts:
            parts[name](box)
    finally:
        box.stop()
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench.json").write_text(json.dumps(figures, indent=1) + "\n")


main()
