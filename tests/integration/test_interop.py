"""Our worker and client beside the official SDKs on one real server: clients of theirs drive our workflows, our
workflows call their activities, their workflows call ours."""
import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import sdk_programs  # noqa: E402
from private_engine import wait_until  # noqa: E402
from temporal_server import TemporalServer  # noqa: E402
from worker_probe import Probe, stop  # noqa: E402

FAILED = 1  # enum zt_res
CANCEL_WANTED, ACTIVITY_CANCELED, CHILD_STARTED = 15, 16, 31
VALUE = {"text": "Grüße, 世界 \u0000\"\\", "big": 2**53 - 1, "part": 0.1, "none": None, "list": [True, [], {}]}


@pytest.fixture(scope="module")
def server():
    s = TemporalServer()
    try:
        yield s.start()
    finally:
        s.stop()


@pytest.fixture(scope="module")
def probe(server):
    """Our client, with a worker of ours that must end well."""
    p = Probe(server.target)
    try:
        worker = p.serve()
        p.run("start", "five", "first", "1")
        assert p.run("wait", "first") == "completed 6\n"  # now the namespace is there too
        yield p
        stop(worker)
    finally:
        p.close()


@pytest.fixture(scope="module", params=["python", "typescript"])
def theirs(request, server, probe):
    """A worker of an official SDK."""
    w = sdk_programs.Worker(request.param, server.target)
    w.language = request.param
    try:
        yield w
    finally:
        w.close()


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_client_of_an_official_sdk(probe, language):
    """Starts our workflows, signals and cancels them, reads results and failures, and how values were encoded."""
    sdk_programs.client(language, probe.target)


def ended(probe, workflow):
    status, _, value = probe.run("wait", workflow).partition(" ")
    return status, None if value == "none\n" else json.loads(value)


# --- our workflow, their activity ----------------------------------------------------------------------------


def foreign(probe, theirs, activity, **more):
    """Starts our workflow that calls an activity of theirs; its id."""
    name = f"foreign-{theirs.language}-{activity}-{len(more)}"
    probe.run("start", "foreign", name, json.dumps({"queue": theirs.language, "activity": activity, **more}))
    return name


def test_their_activity_is_retried_as_our_policy_says(probe, theirs):
    name = foreign(probe, theirs, "unsteady", input=VALUE)
    assert ended(probe, name) == ("completed", {"value": {**VALUE, "attempt": 3}})


def test_their_failure_has_its_type_and_message(probe, theirs):
    name = foreign(probe, theirs, "refuse")
    assert ended(probe, name) == ("completed", {"res": FAILED, "type": "full", "reason": "no room for it"})


def test_type_that_our_policy_does_not_retry(probe, theirs):
    """Its attempts 1 and 2 fail; the policy ends it at the first."""
    name = foreign(probe, theirs, "unsteady", input=VALUE, no_retry="unsteady")
    assert ended(probe, name) == ("completed", {"res": FAILED, "type": "unsteady", "reason": "not yet"})


def test_their_activity_without_a_result(probe, theirs):
    assert ended(probe, foreign(probe, theirs, "nothing")) == ("completed", {"value": None})


def test_our_cancellation_reaches_their_activity(probe, theirs):
    name = foreign(probe, theirs, "hold")
    theirs.await_line("holding")
    probe.run("cancel", name)
    assert ended(probe, name) == ("canceled", None)
    assert probe.count(name, ACTIVITY_CANCELED) == 1, "it did not end by itself"


# --- their workflow, our activity ----------------------------------------------------------------------------


def drive(probe, theirs, activity, **more):
    """Starts their workflow that calls an activity of ours; its id."""
    name = f"drive-{theirs.language}-{activity}-{'-'.join(more)}"
    probe.run("start", "drive", name, json.dumps({"activity": activity, **more}), theirs.language)
    return name


@pytest.mark.parametrize("activity,want,got", [
    ("echo", {"input": VALUE}, {"value": VALUE}),
    ("echo", {"bytes": "raw"}, {"value": "raw"}),
    ("undo", {}, {"value": None}),
    ("final", {}, {"type": "final", "message": "never again", "final": True}),
    ("flaky", {"attempts": 2}, {"type": "flaky", "message": "attempt 2 fails", "final": False}),
    ("flaky", {}, {"value": 3}),  # tried again after the time that it asked for, not the policy's
    ("progress", {}, {"value": [3, 3]}),  # each attempt goes on where the details of the one before say
], ids=["value", "bytes", "nothing", "not_retried", "type", "retry_delay", "details"])
def test_their_workflow_calls_our_activity(probe, theirs, activity, want, got):
    assert ended(probe, drive(probe, theirs, activity, **want)) == ("completed", got)


def test_their_cancellation_reaches_our_activity(probe, theirs):
    name = drive(probe, theirs, "long")
    wait_until(lambda: probe.run("pending", name) == 'long 1 json/plain {"at":"work"}\n', 30, "its first heartbeat")
    probe.run("cancel", name)
    assert ended(probe, name) == ("completed", {"cancelled": True})
    assert probe.count(name, CANCEL_WANTED) == 1 and probe.count(name, ACTIVITY_CANCELED) == 1


# --- our workflow, their workflow as its child ---------------------------------------------------------------


def foster(probe, theirs, activity, **more):
    name = f"foster-{theirs.language}-{activity}"
    probe.run("start", "foster", name, json.dumps({"queue": theirs.language, "type": "drive",
                                                   "input": {"activity": activity, **more}}))
    return name


def test_their_workflow_as_a_child_of_ours(probe, theirs):
    """And back: the child calls an activity of ours."""
    assert ended(probe, foster(probe, theirs, "echo", input=VALUE)) == ("completed", {"value": {"value": VALUE}})


def test_our_cancellation_reaches_their_child(probe, theirs):
    name = foster(probe, theirs, "long")
    wait_until(lambda: probe.count(name, CHILD_STARTED) == 1, 30, "the child")
    wait_until(lambda: probe.run("pending", f"{name}-child") == 'long 1 json/plain {"at":"work"}\n', 30, "its first heartbeat")
    probe.run("cancel", name)
    assert ended(probe, name) == ("completed", {"value": {"cancelled": True}})
