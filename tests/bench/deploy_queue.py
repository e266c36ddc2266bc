"""200 deployments over 20 services asked for at once, and the same churn of containers by the engine alone.

Both replace one container by the next ten times for each of 20 services, at most five at a time: the new one
runs, then the old one is removed until it is gone. Same engine, same specification, one after the other.
"""
import collections
import concurrent.futures
import json
import pathlib
import re
import threading
import time
import urllib.parse

import conftest
from private_engine import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SERVICES, ROUNDS, CONCURRENCY = 20, 10, 5
PAUSE = 0.05  # between looks at the engine
AT_WORK = {"PREPARING", "BUILDING", "STARTING", "RESTARTING", "CANCELLING"}


def resident_mib(pid, field):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) / 1024


# --- the engine alone ----------------------------------------------------------------------------------

def specification(box):
    """Of a deployed service, without the labels by which the platform knows its own."""
    name, = box.user_services()
    spec = box.engine.call("GET", f"/services/{name}")["Spec"]
    spec["Labels"] = {}
    spec["TaskTemplate"]["ContainerSpec"].pop("Labels", None)
    return spec


def containers_of(box, service):
    filters = json.dumps({"label": [f"com.docker.swarm.service.name={service}"]})
    return box.engine.call("GET", f"/containers/json?all=1&filters={urllib.parse.quote(filters)}")


def runs(box, service):
    tasks = box.engine.call("GET", "/tasks?filters=" + urllib.parse.quote(json.dumps({"service": [service]})))
    return any(t["Status"]["State"] == "running" for t in tasks)


def poll(predicate, deadline=300):
    end = time.monotonic() + deadline
    while not predicate():
        assert time.monotonic() < end, "the engine does not get there"
        time.sleep(PAUSE)


def replace(box, spec, turn, name, i):
    with turn:  # one at a time for each service, as the platform does it
        box.engine.call("POST", "/services/create", {**spec, "Name": f"{name}-{i}"})
        poll(lambda: runs(box, f"{name}-{i}"))
        if i:
            box.engine.call("DELETE", f"/services/{name}-{i - 1}")
            poll(lambda: not containers_of(box, f"{name}-{i - 1}"))


def bare(box, spec):
    """Seconds for all of it."""
    turns = {f"bare-{k}": threading.Lock() for k in range(SERVICES)}
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CONCURRENCY) as pool:
        for done in [pool.submit(replace, box, spec, turn, name, i) for i in range(ROUNDS) for name, turn in turns.items()]:
            done.result()
    took = time.monotonic() - began
    for name in turns:
        box.engine.call("DELETE", f"/services/{name}-{ROUNDS - 1}")
    poll(lambda: not any(containers_of(box, f"{name}-{ROUNDS - 1}") for name in turns))
    return took


# --- the platform --------------------------------------------------------------------------------------

def listed(box, service):
    path = f"/projects/default/production/service-details/{service}/deployments/?per_page=100"
    return box.api("GET", path, ok=(200,)).json()["results"]


def ours(box, spec):
    """(seconds, deployments of each service, most at work in one look)."""
    names = [f"queued-{k}" for k in range(SERVICES)]
    began = time.monotonic()
    for i in range(ROUNDS):
        for name in names:
            box.deploy(name, wait=False, **spec, env={"ROUND": str(i)})
    seen, most = {}, 0

    def look():
        nonlocal most
        seen.update({name: listed(box, name) for name in names})
        count = collections.Counter(d["status"] for ds in seen.values() for d in ds)
        most = max(most, sum(count[s] for s in AT_WORK))
        return set(count) <= {"HEALTHY", "REMOVED", "FAILED", "CANCELLED"} and count["HEALTHY"] <= SERVICES
    wait_until(look, 3600, "end of the queue")
    return time.monotonic() - began, seen, most


def overlap(deployments):
    """Most of them between their start and their end at one time."""
    edges = sorted([(d["started_at"], 1) for d in deployments] + [(d["finished_at"], -1) for d in deployments])
    now = most = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def unexpected(seen):
    """What did not end as it should: in order, the newest healthy, the others replaced."""
    wrong = []
    for name, deployments in seen.items():
        by_queue = sorted(deployments, key=lambda d: d["queued_at"])
        wrong += [f"{name}: {d['hash']} {d['status']} {d['status_reason']}" for d in by_queue[:-1] if d["status"] != "REMOVED"]
        wrong += [f"{name}: the newest is {d['status']} {d['status_reason']}" for d in by_queue[-1:] if d["status"] != "HEALTHY"]
        if len(by_queue) != ROUNDS or by_queue != sorted(deployments, key=lambda d: d["finished_at"]):
            wrong.append(f"{name}: {len(by_queue)} deployments, or not in order")
    return wrong


def worker_mib(box):
    """Highest resident memory of the platform's worker so far."""
    container = box.container_of("zn-zaned-worker")
    rows = box.engine.call("GET", f"/containers/{container}/top?ps_args=-eo%20pid,args")["Processes"]
    return max(resident_mib(row[0], "VmHWM") for row in rows)


def measure(figure):
    box = conftest.boot(ROOT / "build/images", {})
    try:
        spec = {"image": box.tags["example"]}
        assert box.deploy("pattern", **spec)["status"] == "HEALTHY"
        alone = bare(box, specification(box))
        took, seen, most = ours(box, spec)
        memory = worker_mib(box)
    finally:
        conftest.keep_logs(box)
        box.stop()
    n = SERVICES * ROUNDS
    every = [d for ds in seen.values() for d in ds]
    wrong = unexpected(seen)
    for line in wrong[:20]:
        print(f"  {line}", flush=True)
    figure("queue.unexpected", 0, len(wrong), "", f"of {n} deployments over {SERVICES} services")
    figure("queue.at_once", CONCURRENCY, max(most, overlap(every)), "", "between start and end, by their times and by looking")
    figure("queue.per_deploy", 1.5, took / alone, "x", f"{took / n:.2f} s, the engine alone {alone / n:.2f} s")
    figure("queue.worker_memory", 48, memory, "MiB", "highest of zaned-worker, the logs' collector included")
