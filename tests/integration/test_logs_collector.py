"""The embedded collector over real sockets: hand-over, acknowledgement after the disk, kills, outages."""
import socket
import threading
import time

import msgpack
import pytest
from log_box import Driver, HandOver, Ingest, build_daemon, collector, stats
from private_engine import wait_until


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    return build_daemon(tmp_path_factory.mktemp("logs") / "logs_daemon")


class Box:
    def __init__(self, daemon, folder):
        self.daemon, self.folder = daemon, folder
        self.run = folder / "run"
        self.hand = HandOver(self.run)
        self.ingest = Ingest()
        self.collector = None

    def start(self, **kw):
        self.collector = collector(self.daemon, self.run, self.folder / "state", self.ingest.port, **kw).start()
        return self

    def accepting(self):
        wait_until(lambda: self.hand.owner == "embedded" and stats(self.collector)["accepting"], 5, "collector accepting")
        return self

    def driver(self, **kw):
        return Driver(self.run / "fluent.sock", **kw)

    def await_lines(self, n, deadline=20):
        wait_until(lambda: len(self.ingest.numbers()) >= n, deadline, f"{n} lines")
        assert self.ingest.numbers() == list(range(1, n + 1))


@pytest.fixture
def box(daemon, tmp_path):
    b = Box(daemon, tmp_path)
    yield b
    if b.collector:
        assert b.collector.stop() in (0, -9), b.collector.text()
    b.hand.stop()
    b.ingest.stop()


def test_lines_arrive_with_every_nanosecond(box):
    box.start().accepting()
    d = box.driver()
    d.line("line 1", ns=1764085000123456789)
    d.line("line 2 \udcff\0".encode("utf-8", "surrogateescape").decode("latin-1"), ns=1764085000000000001)
    box.await_lines(2)
    first = next(r for r in box.ingest.lines if r["log"] == "line 1")
    assert first["time"] == "1764085000.123456789" and first["source"] == "stdout" and first["tag"] == d.tag
    assert box.ingest.seen_auth == {"Basic emFuZTp0ZXN0LWluZ2VzdC10b2tlbg=="}


def test_kill_9_loses_nothing_acknowledged(box):
    box.start().accepting()
    box.ingest.answers = [503] * 10000  # everything stays in the buffer
    d = box.driver()
    sent = []

    def write():
        for n in range(1, 4001):
            d.line(f"line {n}")
            sent.append(n)
    writer = threading.Thread(target=write)
    writer.start()
    for at in (300, 1200, 2500):
        wait_until(lambda at=at: len(sent) > at, 30, f"{at} lines sent")
        box.collector.kill()
        box.start()
    writer.join()
    box.ingest.answers = []
    box.await_lines(4000, 60)
    assert d.reconnects >= 3


def test_batch_taken_but_not_confirmed_comes_again_and_stays_one_line(box):
    box.start().accepting()
    box.ingest.answers = ["take and die", None, 500, 429, 401]
    box.driver().line("line 1")
    wait_until(lambda: box.ingest.batches >= 2, 30, "the batch once more")
    assert box.ingest.numbers() == [1] and len(box.ingest.lines) == 2
    wait_until(lambda: stats(box.collector)["bytes"] == 0, 5, "empty buffer")


def test_malformed_batch_is_set_aside_and_said(box):
    box.start().accepting()
    box.ingest.answers = [400]
    d = box.driver()
    d.line("line 1")
    wait_until(lambda: stats(box.collector)["refused_segments"] == 1, 10, "segment set aside")
    assert "set aside" in box.collector.text() and list((box.folder / "state").glob("*.refused"))
    d.line("line 2")
    wait_until(lambda: box.ingest.numbers() == [2], 10, "the next line")


def test_full_buffer_holds_the_writer_back_and_loses_nothing(box):
    box.start(spool_max=200_000).accepting()
    box.ingest.answers = [503] * 100000
    d = box.driver()
    done = []

    def write():
        for n in range(1, 2001):
            d.line(f"line {n} " + "x" * 400, deadline=120)
            done.append(n)
    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: box.hand.why("embedded") == ["the log buffer is full"], 30, "down because full")
    at = len(done)
    assert 200 < at < 600
    box.ingest.answers = []
    writer.join(120)
    box.await_lines(2000, 60)


def test_hold_closes_connections_and_accept_brings_them_back(box):
    box.start().accepting()
    d = box.driver()
    d.line("line 1")
    peer = next(p for p in box.hand.peers.values() if p["name"] == "embedded")
    conn = next(c for c, p in box.hand.peers.items() if p is peer)
    conn.send(b'{"cmd":"hold"}')
    wait_until(lambda: stats(box.collector)["connections"] == 0, 5, "no connection")
    late = threading.Thread(target=d.line, args=("line 2",))
    late.start()
    conn.send(b'{"cmd":"accept"}')
    late.join(10)
    assert not late.is_alive()
    box.await_lines(2)


def test_supervisor_restart_gets_the_same_socket_back(box):
    box.start().accepting()
    d = box.driver()
    d.line("line 1")
    listener = box.hand.listener
    box.hand.stop(keep_listener=True)
    d.line("line 2")  # goes on without the supervisor
    fresh = box.driver()
    fresh.line("line 3")  # and so do new connections
    box.hand = HandOver(box.run, listener=listener)
    box.accepting()
    import os
    assert box.hand.given_back == [os.fstat(listener.fileno()).st_ino]
    d.line("line 4")
    box.await_lines(4)


def test_nonsense_closes_one_connection_only(box):
    box.start().accepting()
    good = box.driver()
    good.line("line 1")
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xdd\xff\xff\xff\xff", b"\xc1", msgpack.packb(["t", 1])):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(str(box.run / "fluent.sock"))
        s.sendall(junk)
        assert s.recv(10) == b"", junk
        s.close()
    good.line("line 2")
    assert good.reconnects == 0
    box.await_lines(2)
    assert "closed" in box.collector.text()


def acks_one_by_one(path, messages):
    """What a container that writes to both streams does: messages back to back on one connection, a reader
    for each. One read must never bring two acknowledgements."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(str(path))
    s.sendall(b"".join(messages))
    got = []
    while len(got) < len(messages):
        unpacker = msgpack.Unpacker(raw=False)
        unpacker.feed(s.recv(65536))
        got.append([answer["ack"] for answer in unpacker])
    s.close()
    return got


def test_one_read_brings_one_acknowledgement(box):
    box.start().accepting()
    messages = [msgpack.packb(["{}", 1764085000 + n, {"log": f"line {n}", "container_id": "c", "source": "stdout"},
                               {"chunk": f"chunk{n}"}]) for n in range(1, 301)]
    assert acks_one_by_one(box.run / "fluent.sock", messages) == [[f"chunk{n}"] for n in range(1, 301)]
    box.await_lines(300)


def test_records_without_text_are_counted_and_said(box):
    box.start().accepting()
    d = box.driver()
    d.line(None)
    d.line("line 1")
    box.await_lines(1)
    assert stats(box.collector)["refused"] == 1
    assert "record without log" in box.collector.text()


def test_200_connections_at_once_and_throughput(box):
    box.start().accepting()
    drivers = [box.driver(container=f"{i:064x}") for i in range(200)]
    for i, d in enumerate(drivers):
        d.line(f"line {i + 1}")
    assert stats(box.collector)["connections"] == 200
    began, n = time.monotonic(), 4000
    for i in range(n):
        drivers[0].line(f"line {201 + i}")
    rate = n / (time.monotonic() - began)
    print(f"one connection, a line a round trip: {rate:.0f} lines/s (driver written in Python)")
    assert rate > 1000
    box.await_lines(200 + n)


def test_stop_is_quick_and_leaves_the_buffer(box):
    box.start().accepting()
    box.ingest.answers = [None] * 1000
    box.driver().line("line 1")
    began = time.monotonic()
    assert box.collector.stop() == 0
    assert time.monotonic() - began < 2
    box.ingest.answers = []
    box.start()
    box.await_lines(1)
