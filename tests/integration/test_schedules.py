"""Schedules made by our client on a real server, seen by the official one; our worker runs what they start."""
import json
import subprocess

import pytest
from private_engine import wait_until
from temporal_server import TemporalServer
from sdk_programs import sdk_python
from worker_probe import Probe


@pytest.fixture(scope="module")
def target():
    s = TemporalServer()
    try:
        yield s.start().target
    finally:
        s.stop()


@pytest.fixture(scope="module")
def worker(target):
    p = Probe(target)
    p.serve()
    try:
        yield p
    finally:
        p.close()


def ours(root, target, *argv):
    r = subprocess.run([root / "build/probe/temporal/schedule_probe", target, *argv], stdout=subprocess.PIPE, text=True,
                       timeout=60, check=False)
    return r.returncode, r.stdout.strip()


def theirs(root, target, name):
    r = subprocess.run([sdk_python(), root / "tests/integration/python/schedule_client.py", target, name], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def test_a_schedule_starts_its_workflow_again_and_again(root, target, worker):
    assert ours(root, target, "put", "often", "five", "probe", "1000") == (0, "ok")

    def ran():
        s = theirs(root, target, "often")
        return s if s["ended"].count("COMPLETED") >= 3 else None
    s = wait_until(ran, 60, "three runs")
    assert len(set(s["runs"])) == len(s["runs"]) and all(r.startswith("often-") for r in s["runs"])
    assert (s["workflow"], s["queue"], s["every"], s["overlap"]) == ("five", "probe", [1.0], "SKIP")
    assert ours(root, target, "put", "often", "five", "probe", "3600000") == (0, "ok")  # the same id: replaced
    assert theirs(root, target, "often")["every"] == [3600.0]
    assert ours(root, target, "delete", "often") == (0, "ok")
    assert theirs(root, target, "often") is None
    assert ours(root, target, "delete", "often") == (0, "ok")


def test_a_schedule_by_cron_and_by_hand(root, target, worker):
    assert ours(root, target, "put", "nightly", "five", "probe", "30 3 * * *") == (0, "ok")
    assert theirs(root, target, "nightly")["calendars"] == 1
    assert ours(root, target, "trigger", "nightly") == (0, "ok")
    wait_until(lambda: theirs(root, target, "nightly")["ended"] == ["COMPLETED"], 60, "the run by hand")
    code, said = ours(root, target, "trigger", "absent")
    assert code == 1 and "not found" in said.lower(), said


@pytest.mark.parametrize("every, word", [("10", "every_ms"), ("not a cron", "CronString")])
def test_what_makes_no_sense_is_refused(root, target, every, word):
    code, said = ours(root, target, "put", "bad", "five", "probe", every)
    assert code == 1 and word in said, said
