"""The Temporal client against a real server."""
import grpc_probe
import pytest
from grpc_probe import Probe
from private_engine import wait_until
from temporal_server import TemporalServer

RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, CONTINUED, TIMED_OUT = range(1, 8)
ALLOW, FAILED_ONLY, REJECT = 1, 2, 3


@pytest.fixture(scope="module")
def server():
    s = TemporalServer()
    try:
        yield s.start()
    finally:
        s.stop()


@pytest.fixture(scope="module")
def probe(root, server):
    p = Probe(grpc_probe.build(root), server.target)
    p.client("ensure_namespace")
    yield p
    p.close()


def ok(answer):
    assert answer["ok"], answer
    return answer


def fails(answer, code, *words):
    assert not answer["ok"] and answer["code"] == code, answer
    assert all(w in answer["message"] for w in words), answer


def test_ping_without_a_server_ends_at_its_deadline(root):
    p = Probe(grpc_probe.build(root), "127.0.0.1:1")
    answer = p.client("ping", deadline=500)
    p.close()
    fails(answer, "unavailable", "no connection", "refused")
    assert answer["ms"] < 1500


def test_new_namespace_is_usable_when_ensure_returns(root, server):
    p = Probe(grpc_probe.build(root), server.target)
    try:
        wait_until(lambda: p.client("ping", deadline=1000)["ok"], 60, "the server is there")
        ok(p.client("ensure_namespace"))
        ok(p.client("start", "first"))
        assert ok(p.client("ensure_namespace"))["ms"] < 1000
    finally:
        p.close()


def test_start_twice(probe):
    run = ok(probe.client("start", "twice", request_id="same", input={"a": [1, "é"]}))["run"]
    assert len(run) == 36
    assert ok(probe.client("start", "twice", request_id="same"))["run"] == run
    fails(probe.client("start", "twice", request_id="other"), "resource_conflict")


def test_life_of_a_workflow(probe):
    ok(probe.client("start", "life"))
    assert ok(probe.client("describe", "life"))["status"] == RUNNING
    ok(probe.client("signal", "life", input={"n": 1}))
    ok(probe.client("cancel", "life"))
    ok(probe.client("cancel", "life"))
    ok(probe.client("terminate", "life"))
    assert ok(probe.client("describe", "life"))["status"] == TERMINATED
    assert ok(probe.client("result", "life"))["status"] == TERMINATED
    for call in ("signal", "terminate"):
        fails(probe.client(call, "life"), "not_found")


def test_cancel_of_a_closed_workflow_is_fine(probe):
    ok(probe.client("start", "closed"))
    ok(probe.client("terminate", "closed"))
    ok(probe.client("cancel", "closed"))


def test_what_is_not_there(probe):
    for call in ("describe", "signal", "cancel", "terminate", "result"):
        fails(probe.client(call, "nowhere"), "not_found")


def test_reuse_of_a_closed_id(probe):
    first = ok(probe.client("start", "reuse"))["run"]
    ok(probe.client("terminate", "reuse"))
    fails(probe.client("start", "reuse", reuse=REJECT), "resource_conflict")
    second = ok(probe.client("start", "reuse", reuse=FAILED_ONLY))["run"]
    assert second != first
    ok(probe.client("terminate", "reuse"))
    assert ok(probe.client("start", "reuse"))["run"] != second


def test_execution_time_out_is_a_result(probe):
    ok(probe.client("start", "timed", timeout=1000))
    assert ok(probe.client("result", "timed", deadline=30000))["status"] == TIMED_OUT


def test_result_of_what_does_not_end(probe):
    ok(probe.client("start", "endless"))
    answer = probe.client("result", "endless", deadline=1500)
    fails(answer, "throttled", "endless")
    assert 1400 <= answer["ms"] < 3500, answer


@pytest.mark.parametrize("fields,words", [
    ({"workflow": ""}, ["workflow id", "0 bytes", "255"]), ({"workflow": "x" * 256}, ["workflow id", "256 bytes", "255"]),
    ({"workflow": "w", "type": "t" * 300}, ["workflow type", "255"]),
    ({"workflow": "w", "input": "x" * (2 << 20)}, ["input", "2097152"]),
])
def test_bad_input_names_the_field_and_the_limit(probe, fields, words):
    fails(probe.client("start", **fields), "invalid", *words)


def test_largest_input_is_taken(probe):
    ok(probe.client("start", "large", input="x" * 400_000))


def test_result_is_awaited_across_a_crash_of_the_server(root, server, probe):
    ok(probe.client("start", "crash"))
    waiter = Probe(grpc_probe.build(root), server.target)
    try:
        call = waiter.command(op="client", call="result", workflow="crash", deadline=120000)
        ok(probe.client("signal", "crash"))
        server.kill()
        fails(probe.client("ping", deadline=300), "unavailable")
        server.start()
        wait_until(lambda: probe.client("ping", deadline=1000)["ok"], 60, "the server is back")
        assert ok(probe.client("describe", "crash"))["status"] == RUNNING
        ok(probe.client("terminate", "crash"))
        assert ok(waiter.result(call, 120))["status"] == TERMINATED
    finally:
        waiter.close()
