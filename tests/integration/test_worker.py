"""The worker against a real Temporal server: scenarios, crashes on both sides, and a foreign client.

`python3 tests/integration/test_worker.py record` writes the histories that the unit tests replay.
"""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from private_engine import wait_until  # noqa: E402
from temporal_server import CACHE, TemporalServer  # noqa: E402

BUILD = os.environ.get("ZANE_BUILD", "build")
SCENARIOS = ["five", "timer", "flaky", "final", "cancel", "signals", "parent", "again", "twice", "fails", "race",
             "progress", "huge", "pages", "guardian", "late"]
SDK = "temporalio==1.35.0"
COMPLETED, TASK_FAILED, ACTIVITY_COMPLETED, SIGNALED = 7, 9, 12, 26
UNHANDLED_COMMAND, NON_DETERMINISTIC = 1, 24


class Probe:
    """worker_probe on one server; serve() gives workers that can be killed."""

    def __init__(self, target):
        self.target, self.workers = target, []
        subprocess.run(["make", "-s", f"B={BUILD}", f"{BUILD}/probe/temporal/worker_probe"], cwd=ROOT, check=True)
        self.binary = ROOT / BUILD / "probe/temporal/worker_probe"

    def run(self, *argv, timeout=150, **env):
        r = subprocess.run([self.binary, self.target, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=timeout, env={**os.environ, **env})
        assert r.returncode == 0, f"{argv}: {r.stdout}{r.stderr}"
        return r.stdout

    def serve(self, *how):
        worker = subprocess.Popen([self.binary, self.target, "serve", *how], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.workers.append(worker)
        return worker

    def events(self, workflow):
        return [tuple(map(int, line.split())) for line in self.run("events", workflow).splitlines()]

    def count(self, workflow, kind, cause=None):
        return sum(1 for _, k, c in self.events(workflow) if k == kind and cause in (None, c))

    def close(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.communicate()


@pytest.fixture(scope="module")
def server():
    s = TemporalServer()
    try:
        yield s.start()
    finally:
        s.stop()


@pytest.fixture
def probe(server):
    p = Probe(server.target)
    try:
        yield p
    finally:
        p.close()


def stop(worker):
    """Ends a worker as an operator would; it must drain and end by itself."""
    _, log = worker.communicate(timeout=20)
    assert worker.returncode == 0, log


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(probe, name):
    assert probe.run("walk", name).startswith(f"ok {name}")


def test_signal_during_the_last_task_is_seen(probe):
    probe.run("walk", "late", PROBE_SUFFIX="unhandled")
    assert probe.count("late-unhandled", TASK_FAILED, UNHANDLED_COMMAND) == 1
    assert probe.count("late-unhandled", SIGNALED) == 1


def test_worker_killed_in_the_middle(probe):
    first = probe.serve()
    probe.run("start", "chain", "chain-kill", "0")
    wait_until(lambda: probe.count("chain-kill", ACTIVITY_COMPLETED) >= 3, 20, "three activities")
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = probe.serve()
    assert probe.run("wait", "chain-kill") == "completed 10\n"
    assert probe.count("chain-kill", ACTIVITY_COMPLETED) == 10
    stop(second)


def test_worker_stopped_in_the_middle_hands_over(probe):
    """An activity that ends within the drain is not run twice; the next worker goes on at once."""
    first = probe.serve()
    probe.run("start", "chain", "chain-stop", "0")
    wait_until(lambda: probe.count("chain-stop", ACTIVITY_COMPLETED) >= 3, 20, "three activities")
    stop(first)
    done = probe.count("chain-stop", ACTIVITY_COMPLETED)
    assert 3 <= done < 10
    second = probe.serve()
    assert probe.run("wait", "chain-stop") == "completed 10\n"
    stop(second)


def test_stopping_cuts_a_long_activity_short(probe):
    first = probe.serve()
    probe.run("start", "cancel", "long-stop")
    wait_until(lambda: probe.count("long-stop", COMPLETED) >= 1, 20, "first task")
    begun = time.monotonic()
    stop(first)
    assert time.monotonic() - begun < 6, "the activity of 60 s held the worker"
    second = probe.serve()
    probe.run("cancel", "long-stop")
    assert probe.run("wait", "long-stop") == "canceled none\n"
    stop(second)


def test_server_killed_in_the_middle(probe, server):
    worker = probe.serve()
    probe.run("start", "chain", "chain-server", "0")
    wait_until(lambda: probe.count("chain-server", ACTIVITY_COMPLETED) >= 3, 20, "three activities")
    server.kill()
    server.start()
    assert probe.run("wait", "chain-server") == "completed 10\n"
    stop(worker)


def test_end_of_an_activity_is_reported_once_the_server_is_back(probe, server):
    """Its first attempt counts, though it ended while nobody listened for longer than one call waits."""
    worker = probe.serve()
    probe.run("start", "held", "held-1")
    assert worker.stdout.readline() == b"held\n"
    server.kill()
    assert worker.stdout.readline() == b"done\n"
    ended = time.monotonic()
    wait_until(lambda: time.monotonic() > ended + 11, 15, "a call of 10 s is given up")
    server.start()
    assert probe.run("wait", "held-1") == "completed 1\n"
    stop(worker)


def test_changed_code_waits_for_the_right_code(probe):
    first = probe.serve()
    probe.run("start", "changing", "changing-1")
    wait_until(lambda: probe.count("changing-1", ACTIVITY_COMPLETED) >= 1, 20, "first activity")
    stop(first)
    wrong = probe.serve("changed")
    probe.run("signal", "changing-1", "go")
    wait_until(lambda: probe.count("changing-1", TASK_FAILED, NON_DETERMINISTIC) == 1, 20, "refusal")
    stop(wrong)
    right = probe.serve()
    assert probe.run("wait", "changing-1") == "completed 3\n"
    stop(right)


def sdk_python():
    """An interpreter with the official SDK, kept in the cache; the package is looked up once."""
    home = CACHE / "test-programs" / SDK.replace("==", "-")
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-q", "--disable-pip-version-check", SDK], check=True)
        (home / "ready").touch()
    return home / "bin/python"


def test_official_python_client(probe):
    """Starts our workflows, signals, queries and cancels them, and reads results and failures."""
    worker = probe.serve()
    r = subprocess.run([sdk_python(), ROOT / "tests/integration/worker_client.py", probe.target],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert r.returncode == 0, r.stdout
    stop(worker)


def record():
    """One history of each kind, written where the unit tests read them."""
    into = ROOT / "tests/unit/temporal/histories"
    into.mkdir(exist_ok=True)
    s = TemporalServer()
    p = Probe(s.start().target)
    try:
        for name in SCENARIOS:
            if name not in ("twice", "again"):
                p.run("walk", name, PROBE_SUFFIX="rec")
                p.run("events", f"{name}-rec", str(into / f"{name}.pb"))
        worker = p.serve()
        run = p.run("start", "again", "again-rec", "1").strip()
        p.run("wait", "again-rec")
        p.run("events", f"again-rec/{run}", str(into / "again.pb"))
        p.run("start", "chain", "chain-rec", "0")
        wait_until(lambda: p.count("chain-rec", ACTIVITY_COMPLETED) >= 3, 20, "three activities")
        worker.kill()
        worker.wait()
        s.kill()
        s.start()
        p.serve()
        p.run("wait", "chain-rec")
        p.run("events", "chain-rec", str(into / "chain.pb"))
        p.run("start", "changing", "changing-rec")
        p.run("signal", "changing-rec", "go")
        p.run("wait", "changing-rec")
        p.run("events", "changing-rec", str(into / "changing.pb"))
    finally:
        p.close()
        s.stop()


if __name__ == "__main__" and sys.argv[1:] == ["record"]:
    record()
