"""GET /api/logs/tail/ on the real log store: lines as they come, none missing, none twice."""
import json
import time
from urllib.parse import urlencode

import pytest
from loki_box import LogDaemon
from people import member, other_workspace
from private_engine import wait_until

GAP = 5000


@pytest.fixture(scope="module")
def box(root, tmp_path_factory):
    b = LogDaemon(root, tmp_path_factory.mktemp("loki"))
    try:
        yield b.start()
    finally:
        status = b.stop()
    assert status == 0


@pytest.fixture
def app(box):
    service, deployment = box.service()
    return {"service_id": service, "deployment_id": deployment}


def lines(reader):
    """What came so far; an event is decoded once."""
    known, done = reader.__dict__.setdefault("decoded", ([], [0]))
    for _, name, data in reader.events()[done[0]:]:
        known += json.loads(data) if name == "lines" else []
    done[0] = len(reader.events())
    return known


def texts(reader):
    return [line["content_text"] for line in lines(reader)]


def wait_texts(reader, want, deadline=60):
    wait_until(lambda: reader.pump() or len(texts(reader)) >= len(want), deadline, f"{want[-1]}, there is {texts(reader)[-3:]}")
    assert texts(reader) == want


def last_id(reader):
    return next(i for i, _, _ in reversed(reader.events()) if i)


def test_lines_come_as_they_are_taken(box, app):
    r = box.listen(service_id=app["service_id"])
    assert r.wait("hello")[2] == "{}" and last_id(r)
    began = time.monotonic()
    for i in range(5):
        box.push(app, [f"line {i}"])
        wait_texts(r, [f"line {k}" for k in range(i + 1)])
    assert time.monotonic() - began < 2.5, "found by looking around, not by being told"
    found = box.admin.get(f"/api/search/logs/?{urlencode({'service_id': app['service_id'], 'order': 'asc'})}").json()
    assert lines(r) == found["results"]
    assert all(i for i, name, _ in r.events() if name == "lines")
    r.close()


def test_filters(box, app):
    other = {**app, "deployment_id": "dpl_dkr_another"}
    ways = {"all": {}, "query": {"query": "NEEDLE"}, "level": {"level": ["ERROR", "WARN"]}, "stream": {"stream": "stderr"},
            "container": {"container_id": "d" * 12}, "deployment": {"deployment_id": app["deployment_id"]},
            "build": {"source": ["BUILD", "SYSTEM"]}}
    readers = {name: box.listen(service_id=app["service_id"], **q) for name, q in ways.items()}
    for r in readers.values():
        r.wait("hello")
    box.push(app, ["a needle", "level=warn mind"])
    box.push(app, ["on stderr"], source="stderr")
    box.push(app, ["of d"], container="d" * 12)
    box.push(other, ["of another"])
    box.push({**app, "source": "BUILD", "level": "INFO"}, ["step 1"])
    box.push({"service_id": "srv_dkr_foreign"}, ["foreign"])
    want = {"all": ["a needle", "level=warn mind", "on stderr", "of d", "of another", "step 1"], "query": ["a needle"],
            "level": ["level=warn mind", "on stderr"], "stream": ["on stderr"], "container": ["of d"],
            "deployment": ["a needle", "level=warn mind", "on stderr", "of d", "step 1"], "build": ["step 1"]}
    for name, r in readers.items():
        wait_texts(r, want[name])
        r.close()


def test_a_line_that_comes_after_younger_ones(box, app):
    r = box.listen(service_id=app["service_id"])
    r.wait("hello")
    base = time.time_ns()
    box.push(app, ["young"], ns=base + 3 * 10**9)
    wait_texts(r, ["young"])
    place = last_id(r)
    box.push(app, ["old"], ns=base + 10**9, container="d" * 12)
    wait_texts(r, ["young", "old"])
    assert last_id(r) == place
    box.push(app, ["younger"], ns=base + 4 * 10**9)
    wait_texts(r, ["young", "old", "younger"])
    r.close()


@pytest.mark.parametrize("how", ["header", "query"])
def test_goes_on_without_gap_or_repeat(box, app, how):
    def again(place):
        return box.listen(last=place, since=first, service_id=app["service_id"]) if how == "header" \
            else box.listen(since=place, service_id=app["service_id"])
    r = box.listen(service_id=app["service_id"])
    r.wait("hello")
    first = last_id(r)
    got, n = [], 0
    for step in (3, 700, 1, 40):
        ns = time.time_ns()
        box.push(app, [f"n {n + i}" for i in range(step)], ns=ns)
        wait_until(lambda r=r, step=step: r.pump() or len(lines(r)) >= step, 5, "the lines")
        n += step
        got += texts(r)
        place = last_id(r)
        r.close()
        box.push(app, [f"n {n}", f"n {n + 1}"])
        n += 2
        r = again(place)
        wait_until(lambda r=r: r.pump() or len(lines(r)) >= 2, 5, "what was missed")
        got += texts(r)
        place = last_id(r)
        r.close()
        r = again(place)
        r.wait("hello")
    assert got == [f"n {i}" for i in range(n)]
    r.close()


def test_a_cursor_of_search_is_one_of_the_stream(box, app):
    box.push(app, ["one", "two", "three"])
    q = urlencode({"service_id": app["service_id"], "order": "asc", "per_page": 1})
    r = box.listen(since=box.admin.get(f"/api/search/logs/?{q}").json()["next"], service_id=app["service_id"])
    wait_texts(r, ["two", "three"])
    r.close()


def test_who_is_far_behind_is_told(box, app):
    r = box.listen(service_id=app["service_id"])
    r.wait("hello")
    place = last_id(r)
    r.close()
    many = [f"n {i}" for i in range(3 * GAP)]
    for at in range(0, len(many), 3000):
        box.push(app, many[at:at + 3000])
    r = box.listen(since=place, service_id=app["service_id"])
    gap = r.wait("gap", 90)
    got = texts(r)
    assert GAP <= len(got) < 2 * GAP and got == many[:len(got)]
    q = urlencode({"service_id": app["service_id"], "order": "asc", "cursor": json.loads(gap[2])["cursor"]})
    assert box.admin.get(f"/api/search/logs/?{q}").json()["results"][0]["content_text"] == many[len(got)]
    box.push(app, ["live again"])
    wait_texts(r, [*got, "live again"])
    r.close()


def test_a_reader_that_does_not_read_misses_nothing_and_holds_nobody_up(box, app):
    slow = box.listen(receive=65536, service_id=app["service_id"])
    quick = box.listen(service_id=app["service_id"])
    slow.wait("hello")
    quick.wait("hello")
    want = []
    for i in range(20):
        want += (batch := [f"n {i}.{k} {'x' * 2000}" for k in range(200)])
        box.push(app, batch)
        wait_until(lambda: quick.pump() or len(lines(quick)) >= len(want), 60, "the quick reader's lines")
    assert texts(quick) == want
    wait_texts(slow, want, 120)
    slow.close()
    quick.close()


def test_the_log_store_comes_back(box, app):
    r = box.listen(service_id=app["service_id"])
    r.wait("hello")
    box.push(app, ["before"])
    wait_texts(r, ["before"])
    box.loki.kill()
    wait_until(lambda: "live log lines wait" in box.daemon.log(), 10, "a word in the log")
    box.loki.start()
    box.push(app, ["after"])
    wait_texts(r, ["before", "after"], 90)
    r.close()


def test_lines_of_another_process_come_as_well(box, app):
    """Nobody tells of them: the store is looked at all the same."""
    r = box.listen(service_id=app["service_id"])
    r.wait("hello")
    ns = time.time_ns()
    stream = {"app": "zane", "service_id": app["service_id"], "source": "SERVICE", "slice": "test"}
    body = {"streams": [{"stream": stream, "values": [[str(ns), "told by nobody", {"level": "INFO", "stream": "stdout",
            "container_id": "c", "deployment_id": app["deployment_id"]}]]}]}
    box.loki.push(body)
    wait_texts(r, ["told by nobody"])
    r.close()


def test_who_may_not(box, app):
    project, = box.daemon.postgres.query("select id from project where slug = 'default'")[0]
    for client, status in ((member(box.daemon, 30), 200), (member(box.daemon, 10, [project]), 403),
                           (member(box.daemon, 40, workspace=other_workspace(box.daemon)), 404)):
        for query in ({"service_id": app["service_id"]}, {"deployment_id": app["deployment_id"]}):
            r = box.listen(client=client, **query)
            assert r.status() == status
            r.close()
    for query, status in (({}, 400), ({"service_id": "srv_dkr_none"}, 404), ({"service_id": app["service_id"], "since": "x"}, 400),
                          ({"service_id": app["service_id"], "deployment_id": box.service()[1]}, 404)):
        assert box.admin.get(f"/api/logs/tail/?{urlencode(query)}").status == status, query
    assert box.daemon.client().get(f"/api/logs/tail/?{urlencode(app)}").status == 401


def test_search_is_confined_to_the_workspace(box):
    service, deployment = box.service()
    stranger = member(box.daemon, 40, workspace=other_workspace(box.daemon))
    insider = member(box.daemon, 30)
    for query in ({"service_id": service}, {"deployment_id": deployment}):
        assert stranger.get(f"/api/search/logs/?{urlencode(query)}").status == 404
        assert insider.get(f"/api/search/logs/?{urlencode(query)}").status == 200
    for query in ({}, {"container_id": "abc"}, {"query": "not yours"}):
        answer = stranger.get(f"/api/search/logs/?{urlencode(query)}")
        assert answer.status == 400 and answer.json()["errors"][0]["attr"] == "service_id", query
        assert box.admin.get(f"/api/search/logs/?{urlencode(query)}").status == 200
    mixed = {"service_id": service, "deployment_id": box.service()[1]}
    assert insider.get(f"/api/search/logs/?{urlencode(mixed)}").status == 404
