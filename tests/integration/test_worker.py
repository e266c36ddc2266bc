"""The worker against a real Temporal server: scenarios, and crashes on both sides.

`python3 tests/integration/test_worker.py record` writes this version's histories, which the unit tests replay for ever.
"""
import pathlib
import signal
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import histories  # noqa: E402
from private_engine import wait_until  # noqa: E402
from temporal_server import TemporalServer  # noqa: E402
from worker_probe import Probe, stop  # noqa: E402

SCENARIOS = ["five", "timer", "flaky", "final", "cancel", "signals", "parent", "again", "twice", "fails", "race",
             "progress", "huge", "pages", "guardian", "late"]
COMPLETED, TASK_FAILED, ACTIVITY_COMPLETED, SIGNALED = 7, 9, 12, 26
UNHANDLED_COMMAND, NON_DETERMINISTIC = 1, 24


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


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(probe, name):
    assert probe.run("walk", name).startswith(f"ok {name}")


def test_signal_during_the_last_task_is_seen(probe):
    probe.run("walk", "late", PROBE_SUFFIX="unhandled")
    assert probe.count("late-unhandled", TASK_FAILED, UNHANDLED_COMMAND) == 1
    assert probe.count("late-unhandled", SIGNALED) == 1


def test_a_signal_sent_twice_arrives_once(probe):
    """As the outbox sends it: the second delivery of a row must change nothing."""
    worker = probe.serve()
    probe.run("start", "signals", "once")
    for n in (1, 1, 2):
        probe.run("signal-once", "once", "n", str(n), f"row-{n}")
    assert probe.count("once", SIGNALED) == 2
    probe.run("terminate", "once")
    stop(worker)


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


def record():
    """One history of each kind, into this version's folder."""
    s = TemporalServer()
    p = Probe(s.start().target)

    def save(name, run=""):
        histories.save(s.target, f"{name}-rec{run}", histories.folder("temporal") / f"{name}.pb")

    try:
        for name in SCENARIOS:
            if name not in ("twice", "again"):
                p.run("walk", name, PROBE_SUFFIX="rec")
                save(name)
        worker = p.serve()
        run = p.run("start", "again", "again-rec", "1").strip()
        p.run("wait", "again-rec")
        save("again", f"/{run}")
        p.run("start", "chain", "chain-rec", "0")
        wait_until(lambda: p.count("chain-rec", ACTIVITY_COMPLETED) >= 3, 20, "three activities")
        worker.kill()
        worker.wait()
        s.kill()
        s.start()
        p.serve()
        p.run("wait", "chain-rec")
        save("chain")
        p.run("start", "changing", "changing-rec")
        p.run("signal", "changing-rec", "go")
        p.run("wait", "changing-rec")
        save("changing")
    finally:
        p.close()
        s.stop()


if __name__ == "__main__" and sys.argv[1:] == ["record"]:
    record()
