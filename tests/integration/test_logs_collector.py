"""The embedded collector over real sockets: hand-over of listener and connections, kills and freezes at every
step of a batch, outages, clients that speak nonsense. Numbered lines: none lost."""
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import msgpack
import pytest
from log_box import Driver, HandOver, Ingest, build_daemon, collector, stats
from private_engine import wait_until

MANY = 400  # more than the 278 datagrams that fit the queue to a supervisor which does not read it
STEPS = ("lock", "peek", "peeked", "store", "stored", "away", "read")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    return build_daemon(tmp_path_factory.mktemp("logs") / "logs_daemon")


class Box:
    def __init__(self, daemon, folder):
        self.daemon, self.folder = daemon, folder
        self.run = folder / "run"
        self.hand = HandOver(self.run)
        self.ingest = Ingest()
        self.collector = self.other = None

    def start(self, **kw):
        self.collector = collector(self.daemon, self.run, self.folder / "state", self.ingest.port, **kw).start()
        return self

    def start_other(self):
        """A second collector, which is preferred as fluentd is."""
        self.other = collector(self.daemon, self.run, self.folder / "other", self.ingest.port, name="fluentd").start()

    def accepting(self, name="embedded"):
        program = self.collector if name == "embedded" else self.other
        wait_until(lambda: self.hand.owner == name and stats(program)["accepting"], 5, f"{name} accepting")
        return self

    def driver(self, **kw):
        return Driver(self.run / "fluent.sock", **kw)

    def writing(self):
        """A driver whose first line has come through the collector."""
        self.start().accepting()
        d = self.driver()
        d.line("line 1")
        self.await_lines(1)
        return d

    def fault(self, step, n, state="state"):
        """Arms it; see logs_daemon.c."""
        armed = self.folder / f"{state}.fault"
        armed.with_suffix(".new").write_text(f"{step} {n}\n")
        armed.with_suffix(".new").rename(armed)
        return armed

    def await_fault(self, armed):
        wait_until(lambda: not armed.exists(), 10, f"the fault {armed}")

    def await_lines(self, n, deadline=20):
        wait_until(lambda: len(self.ingest.numbers()) >= n, deadline, f"{n} lines")
        assert self.ingest.numbers() == list(range(1, n + 1))

    def refused(self, junk, deadline=5):
        """True once the far end of a new connection closed it."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(deadline)
            s.connect(str(self.run / "fluent.sock"))
            s.sendall(junk)
            try:
                return s.recv(10) == b""
            except ConnectionResetError:  # it was closed with bytes unread
                return True


@pytest.fixture
def box(daemon, tmp_path):
    b = Box(daemon, tmp_path)
    yield b
    for c in filter(None, (b.collector, b.other)):
        c.thaw()
        assert c.stop() in (0, -9), c.text()
    b.hand.stop()
    b.ingest.stop()


def unread(driver):
    """Bytes of the kernel's that wait in the queue of its connection."""
    return struct.unpack("@i", fcntl.ioctl(driver.sock, termios.TIOCOUTQ, bytes(4)))[0]


class Writing:
    """Numbered lines from a thread of their own, over one connection."""

    def __init__(self, driver, first, last, pause=0.0, **more):
        self.driver, self.done = driver, first - 1

        def run():
            for n in range(first, last + 1):
                driver.line(f"line {n} " + "x" * 200, **more)
                self.done = n
                time.sleep(pause)
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def past(self, n):
        wait_until(lambda: self.done >= n, 30, f"line {n} written")

    def join(self, deadline=60):
        self.thread.join(deadline)
        assert not self.thread.is_alive(), f"stuck after line {self.done}"


def test_lines_arrive_with_every_nanosecond(box):
    box.start().accepting()
    d = box.driver()
    d.line("line 1", ns=1764085000123456789)
    d.line("line 2 \udcff\0".encode("utf-8", "surrogateescape").decode("latin-1"), ns=1764085000000000001)
    box.await_lines(2)
    first = next(r for r in box.ingest.lines if r["log"] == "line 1")
    assert first["time"] == "1764085000.123456789" and first["source"] == "stdout" and first["tag"] == d.tag
    assert box.ingest.seen_auth == {"Basic emFuZTp0ZXN0LWluZ2VzdC10b2tlbg=="}


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_at_any_step_loses_nothing(box, step):
    box.start().accepting()
    box.ingest.answers = [503] * 10000  # everything stays in the buffer
    writer = Writing(box.driver(), 1, 3000)
    for at in (300, 1200):
        writer.past(at)
        box.await_fault(box.fault(step, signal.SIGKILL))
        assert box.collector.process.wait(5) == -signal.SIGKILL
        box.start()
    writer.join()
    box.ingest.answers = []
    box.await_lines(3000, 60)
    assert writer.driver.reconnects == 0


def test_kill_9_at_any_time_loses_nothing(box):
    box.start().accepting()
    writers = [Writing(box.driver(container=f"{i:064x}"), i * 2000 + 1, (i + 1) * 2000, pause=0.0005) for i in range(5)]
    for _ in range(5):
        time.sleep(0.2)
        box.collector.kill()
        box.start()
    for writer in writers:
        writer.join()
    box.await_lines(10000, 60)


def test_kill_9_with_a_burst_unread_whose_writer_is_gone(box):
    d = box.writing()
    box.collector.freeze()
    for n in range(2, 102):
        d.line(f"line {n}")
    d.close()
    for n in range(102, 152):  # and connections that nobody has accepted yet
        late = box.driver()
        late.line(f"line {n}")
        late.close()
    box.collector.kill()
    box.start()
    box.await_lines(151)
    wait_until(lambda: not box.hand.conns, 5, "the supervisor's descriptors closed")


def test_kill_9_while_connections_come_loses_none(box):
    box.start().accepting()
    armed = box.fault("lock", signal.SIGKILL)
    for n in range(1, 201):
        d = box.driver(container=f"{n:064x}")
        d.line(f"line {n}")
        d.close()
    box.await_fault(armed)
    assert box.collector.process.wait(5) == -signal.SIGKILL
    box.start()
    box.await_lines(200)


def test_connections_stay_in_the_backlog_until_the_supervisor_takes_them(box):
    """What is accepted and not given dies with the collector: that may be one, never all that wait."""
    box.start().accepting()
    box.hand.sleep()
    for n in range(1, MANY + 1):
        d = box.driver(container=f"{n:064x}")
        d.line(f"line {n}")
        d.close()
    time.sleep(0.3)
    box.collector.kill()
    box.hand.wake()
    box.start()
    wait_until(lambda: len(box.ingest.numbers()) >= MANY - 1, 20, "all lines but one")


def test_hand_over_there_and_back_under_load(box):
    box.start().start_other()
    box.hand.wanted = "embedded"
    box.accepting()
    writers = [Writing(box.driver(container=f"{i:064x}"), i * 4000 + 1, (i + 1) * 4000, pause=0.0005) for i in range(3)]
    while any(w.thread.is_alive() for w in writers):
        box.hand.wanted = "fluentd" if box.hand.wanted == "embedded" else "embedded"
        time.sleep(0.1)
    box.await_lines(12000, 60)
    assert len(box.hand.history) > 10
    assert all(w.driver.reconnects == 0 for w in writers)
    assert all(s["refused"] == 0 for s in (stats(box.collector), stats(box.other)))
    assert "was closed" not in box.collector.text() + box.other.text()


@pytest.mark.parametrize("step", STEPS)
def test_frozen_at_any_step_while_another_takes_over(box, step):
    """What `reader` is for: the one that wakes up must not take bytes away that the other has not stored."""
    box.start().start_other()
    box.hand.wanted = "fluentd"
    box.accepting("fluentd")
    writer = Writing(box.driver(), 1, 3000, pause=0.0003)
    writer.past(200)
    box.await_fault(box.fault(step, signal.SIGSTOP, "other"))
    box.hand.wanted = "embedded"
    if step == "lock":  # it holds no lock, so the other one reads: everything, and the lock is free when it wakes
        box.accepting()
        writer.join()
        wait_until(lambda: unread(writer.driver) == 0, 5, "all lines read")
    else:
        time.sleep(0.2)
        box.collector.freeze()  # the queue fills
        time.sleep(0.1)
    box.other.thaw()
    wait_until(lambda: stats(box.other)["connections"] == 0, 5, "the superseded one letting go")
    box.collector.thaw()
    box.accepting()
    writer.join()
    box.await_lines(3000, 60)
    assert writer.driver.reconnects == 0
    if step == "lock":
        assert "another collector reads the log connections" in box.other.text()


def test_frozen_for_seconds_at_any_time(box):
    """As in life: the supervisor notices the silence, gives the socket to the other and later back."""
    box.start().start_other()
    box.accepting("fluentd")
    writers = [Writing(box.driver(container=f"{i:064x}"), i * 5000 + 1, (i + 1) * 5000, pause=0.001) for i in range(2)]
    time.sleep(0.3)
    box.other.freeze()
    wait_until(lambda: box.hand.owner == "embedded", 4, "the standby accepting")
    time.sleep(0.5)
    box.other.thaw()
    wait_until(lambda: box.hand.owner == "fluentd", 6, "the preferred one accepting again")
    for writer in writers:
        writer.join()
    box.await_lines(10000, 60)


def test_a_busy_lock_delays_and_loses_nothing(box):
    d = box.writing()
    with open(box.run / "reader", "rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        d.line("line 2")
        box.driver(container="d" * 64).line("line 3")
        time.sleep(0.3)
        assert stats(box.collector)["records"] == 1
    began = time.monotonic()
    wait_until(lambda: stats(box.collector)["records"] == 3, 5, "lines read")
    assert time.monotonic() - began < 0.5
    box.await_lines(3)


def test_two_streams_on_one_connection(box):
    box.start().accepting()
    d, lock = box.driver(), threading.Lock()

    class OneAtATime:
        def line(self, text, **more):
            with lock:
                d.line(text, **more)
    writers = [Writing(OneAtATime(), 1, 3000, source="stdout"), Writing(OneAtATime(), 3001, 6000, source="stderr")]
    for writer in writers:
        writer.join()
    box.await_lines(6000)
    assert d.reconnects == 0 and stats(box.collector)["connections"] == 1


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
    writer = Writing(box.driver(), 1, 4000, deadline=120)
    wait_until(lambda: box.hand.why("embedded") == ["the log buffer is full"], 30, "down because full")
    time.sleep(0.5)
    at = writer.done
    time.sleep(0.5)
    assert 200 < at == writer.done < 2000
    box.ingest.answers = []
    writer.join(120)
    box.await_lines(4000, 60)
    assert writer.driver.reconnects == 0


def test_a_disk_that_fails_leaves_the_lines_with_the_container(box):
    d = box.writing()
    armed = box.fault("store", -28)
    d.line("line 2")
    box.await_fault(armed)
    wait_until(lambda: box.hand.why("embedded") != [None], 5, "down because of the disk")
    d.line("line 3")
    box.await_lines(3)
    assert d.reconnects == 0 and "No space left" in box.collector.text()


def test_hold_leaves_lines_in_their_queue_for_the_next(box):
    d = box.writing()
    box.hand.wanted = "nobody"
    wait_until(lambda: stats(box.collector)["connections"] == 0, 5, "no connection")
    for n in range(2, 50):
        d.line(f"line {n}")
    d.close()
    box.driver().line("line 50")
    time.sleep(0.3)
    assert box.ingest.numbers() == [1]
    box.hand.wanted = "embedded"
    box.await_lines(50)


def test_accepting_that_fails_stops_no_reading(box):
    """Listener and connections shut for reading: nothing more can be written, what was written is read."""
    d = box.writing()
    box.collector.freeze()
    for n in range(2, 101):
        d.line(f"line {n}")
    late = box.driver(container="d" * 64)
    late.line("line 101")  # in the backlog
    late.close()
    box.hand.listener.shutdown(socket.SHUT_RD)
    for conn in box.hand.conns.values():
        conn.shutdown(socket.SHUT_RD)
    with pytest.raises(OSError):
        d.line("line 102", deadline=0.1)
    box.collector.thaw()
    box.await_lines(101)
    wait_until(lambda: stats(box.collector)["connections"] == 0 and not box.hand.conns, 5, "no connection")


def test_supervisor_restart_gets_listener_and_connections_back(box):
    box.start().accepting()
    old = [box.driver(container=f"{i:064x}") for i in range(40)]
    for n, d in enumerate(old, 1):
        d.line(f"line {n}")
    box.await_lines(40)
    listener = box.hand.listener
    box.hand.stop(keep_listener=True)
    old[0].line("line 41")  # goes on without the supervisor
    fresh = box.driver()
    fresh.line("line 42")  # and so do new connections
    box.await_lines(42)
    box.hand = HandOver(box.run, listener=listener)
    box.accepting()
    assert box.hand.given_back == [os.fstat(listener.fileno()).st_ino]
    wait_until(lambda: len(box.hand.conns) == 41, 5, "all connections")
    assert stats(box.collector)["connections"] == 41  # none of those that came back with "accept" twice
    box.collector.freeze()
    for n, d in enumerate([*old, fresh], 43):
        d.line(f"line {n}")
        d.close()
    box.collector.kill()
    box.start()
    box.await_lines(83)


def test_hold_closes_nothing_that_the_supervisor_has_not_got(box):
    box.start().accepting()
    drivers = [box.driver(container=f"{i:064x}") for i in range(MANY)]
    for n, d in enumerate(drivers, 1):
        d.line(f"line {n}")
    box.await_lines(MANY)
    with open(box.run / "reader", "rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        for n, d in enumerate(drivers, MANY + 1):
            d.line(f"line {n}")  # stays in the queue
            d.close()
        listener = box.hand.listener
        box.hand.stop(keep_listener=True)
        box.hand = HandOver(box.run, listener=listener, wanted="nobody", asleep=True)
        wait_until(lambda: box.collector.text().count("connected to the log") == 2, 5, "connected again")
        box.hand.wake()  # when its queue is full
        wait_until(lambda: stats(box.collector)["connections"] == 0, 5, "no connection")
        assert len(box.ingest.numbers()) == MANY
    wait_until(lambda: len(box.hand.conns) == MANY, 5, "all connections with the supervisor")
    box.hand.wanted = "embedded"
    box.await_lines(2 * MANY)


def test_a_connection_that_does_not_arrive_is_asked_for_again(box):
    """Without a free descriptor the message comes alone; the supervisor takes the connection for delivered."""
    d = box.writing()
    box.hand.sleep()
    next(iter(box.hand.peers)).send(b'{"cmd":"conn"}')
    wait_until(lambda: "did not arrive" in box.collector.text(), 5, "the loss noticed")
    box.hand.wake()
    wait_until(lambda: box.collector.text().count("connected to the log") == 2, 5, "connected again")
    d.line("line 2")
    box.await_lines(2)
    assert d.reconnects == 0


def test_a_supervisor_that_sleeps_stops_no_line(box):
    first = box.writing()
    box.hand.sleep()
    drivers = [box.driver(container=f"{i:064x}") for i in range(MANY)]
    for n, d in enumerate(drivers, 2):
        d.line(f"line {n}")
    box.await_lines(MANY + 1, 10)
    for d in drivers[:300]:
        d.close()  # their ends do not fit the queue either
    wait_until(lambda: stats(box.collector)["connections"] == MANY - 299, 5, "ends read")
    box.hand.wake()
    wait_until(lambda: len(box.hand.conns) == MANY - 299, 5, "every connection given, every end said")
    first.close()


def test_nonsense_closes_one_connection_only(box):
    box.start().accepting()
    good = box.driver()
    good.line("line 1")
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xdd\xff\xff\xff\xff", b"\xc1", msgpack.packb(["t", 1])):
        assert box.refused(junk), junk
    assert box.refused(good.message("line 2") + good.message("line 3") + b"\xc1" + good.message("lost"))
    good.line("line 4")
    assert good.reconnects == 0
    box.await_lines(4)
    assert "a log connection was closed" in box.collector.text()
    wait_until(lambda: len(box.hand.conns) == 1, 5, "one connection left")


def test_who_asks_for_acknowledgements_is_refused(box):
    box.start().accepting()
    d = box.driver()
    d.line("line 1")
    assert box.refused(d.message("line 2") + d.message("never kept", option={"chunk": "abc"}))
    box.await_lines(2)
    assert "fluentd-request-ack must be false" in box.collector.text()
    assert not any(r["log"] == "never kept" for r in box.ingest.lines)


def test_message_over_the_limit_is_refused(box):
    box.start().accepting()
    d = box.driver()
    d.line("line 1 " + "x" * 120_000)
    assert box.refused(d.message("x" * 131_072))
    d.line("line 2")
    box.await_lines(2)
    assert d.reconnects == 0 and "at most 131072 bytes" in box.collector.text()


def test_half_a_message_waits_and_is_dropped_when_its_driver_dies(box):
    box.start().accepting()
    d = box.driver()
    whole = d.message("line 2")
    d.write(d.message("line 1") + whole[:20])
    box.await_lines(1)
    d.write(whole[20:])
    box.await_lines(2)
    d.write(d.message("line 3") + whole[:20])
    d.close()
    box.await_lines(3)
    wait_until(lambda: stats(box.collector)["connections"] == 0 and not box.hand.conns, 5, "no connection")
    assert "was closed" not in box.collector.text()


def test_records_without_text_are_counted_and_said(box):
    box.start().accepting()
    d = box.driver()
    d.line(None)
    d.line("line 1")
    box.await_lines(1)
    assert stats(box.collector)["refused"] == 1
    assert "record without log" in box.collector.text()


def test_200_connections_at_once(box):
    box.start().accepting()
    drivers = [box.driver(container=f"{i:064x}") for i in range(200)]
    for i, d in enumerate(drivers):
        d.line(f"line {i + 1}")
    box.await_lines(200)
    assert stats(box.collector)["connections"] == 200 == len(box.hand.conns)
    for d in drivers:
        d.close()
    wait_until(lambda: stats(box.collector)["connections"] == 0 and not box.hand.conns, 5, "no connection")


def seconds_to_write(write, messages):
    began = time.monotonic()
    for message in messages:
        write(message)
    return time.monotonic() - began


def test_throughput_of_a_burst(box):
    """Against a reader on the other end of a pair of sockets that throws everything away."""
    box.start().accepting()
    d, n = box.driver(), 50_000
    messages = [d.message(f"line {i} " + "x" * 70, ns=1764085000 * 10**9 + i) for i in range(1, n + 1)]
    here, there = socket.socketpair()
    with subprocess.Popen(["cat"], stdin=there, stdout=subprocess.DEVNULL), here:
        there.close()
        bare = seconds_to_write(here.sendall, messages)
    took = seconds_to_write(d.write, messages)
    print(f"one connection, a write a line: {n / took:.0f} lines/s, {took / bare:.1f} times a bare reader's time")
    assert took < 20 * bare  # 4 to 6 on an idle machine
    box.await_lines(n, 30)


def test_stop_is_quick_and_leaves_the_buffer(box):
    box.start().accepting()
    box.ingest.answers = [None] * 1000
    d = box.driver()
    d.line("line 1")
    began = time.monotonic()
    assert box.collector.stop() == 0
    assert time.monotonic() - began < 2
    d.line("line 2")  # waits in the queue
    box.ingest.answers = []
    box.start()
    box.await_lines(2)
    assert d.reconnects == 0
