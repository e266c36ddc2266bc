"""The example app, and the programs that the scenarios deploy, as plain containers."""
import http.client
import time

import image_box
import netns
import pytest
from image_box import Box
from private_engine import wait_until

NET = "zn-apps"
EVENT = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:one\r\nDTSTAMP:20260101T000000Z\r\n"
         "DTSTART:20260102T000000Z\r\nSUMMARY:kept\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")


@pytest.fixture(scope="module")
def apps(engine, root, tmp_path_factory):
    recipes = [arg for n in ("nginx", "radicale", "logger") for arg in ("--recipe", root / "tests/e2e/images" / n)]
    made = image_box.build(root, tmp_path_factory.mktemp("apps"), "example", *recipes)
    for archive, _ in made.values():
        engine.load_image(archive)
    image_box.network(engine, NET)
    return {name: facts for name, (_, facts) in made.items()}


@pytest.fixture
def run(engine, apps, request):
    def begin(name, **kw):
        box = Box(engine, apps[name], app=True, network=NET, **kw)
        request.addfinalizer(box.remove)
        return box
    return begin


@pytest.fixture(scope="module")
def inside(engine):
    ns = netns.Namespace(engine.process.pid)
    yield ns
    ns.close()


def ask(ns, box, port, path="/", method="GET", body=None, headers=None):
    conn = http.client.HTTPConnection(box.address(), port, timeout=10)
    conn.sock = ns.connect(box.address(), port)
    conn.request(method, path, body, headers or {})
    answer = conn.getresponse()
    return answer.status, answer.read().decode()


def up(ns, box, port, path="/"):
    wait_until(lambda: ask(ns, box, port, path)[0] < 500, 20, f"port {port} answers")


def test_example_shows_its_deployment(run, inside):
    box = run("example", env=["GREETING=<b>hi", "ZANE_DEPLOYMENT_SLOT=BLUE", "ZANE_DEPLOYMENT_HASH=dpl_dkr_1"])
    up(inside, box, 8080, "/health")
    status, body = ask(inside, box, 8080)
    assert status == 200 and "&lt;b&gt;hi" in body and "BLUE" in body and "dpl_dkr_1" in body and "<b>" not in body
    assert ask(inside, box, 8080, "/health?x=1") == (200, "ok\n")
    assert ask(inside, box, 8080, "/nothing")[0] == 404
    assert ask(inside, box, 8080, "/", "POST", "x" * 20000)[0] == 405
    wait_until(lambda: "GET /nothing 404 " in box.output("stdout") and "POST / 405 " in box.output("stdout"), 10,
               "a log line of each request")
    assert ask(inside, box, 8080, "/crash")[0] == 200
    assert box.wait() == 1


def test_example_listens_where_it_is_told_and_stops_politely(run, inside):
    box = run("example", env=["PORT=9000"])
    up(inside, box, 9000)
    idle = inside.connect(box.address(), 9000)
    began = time.monotonic()
    assert box.stop() == 0 and time.monotonic() - began < 5
    assert idle.recv(1) == b""
    bad = run("example", env=["PORT=70000"])
    assert bad.wait() == 1 and "between 1 and 65535" in bad.output("stderr")


def test_example_is_not_held_up_by_slow_clients(run, inside):
    box = run("example")
    up(inside, box, 8080)
    slow = [inside.connect(box.address(), 8080) for _ in range(60)]
    for s in slow:
        s.sendall(b"GET / HT")
    began = time.monotonic()
    assert ask(inside, box, 8080, "/health")[0] == 200 and time.monotonic() - began < 2
    escape = inside.connect(box.address(), 8080)
    escape.sendall(b"GET /\x1b[31m HTTP/1.0\r\n\r\n")
    wait_until(lambda: "GET /?[31m 404" in box.output("stdout"), 5, "a harmless log line")
    wait_until(lambda: slow[0].recv(1) == b"", 15, "half a request is given up")


def test_nginx_serves_and_logs_to_stdout(run, inside):
    box = run("nginx")
    up(inside, box, 8080)
    assert "nginx" in ask(inside, box, 8080)[1]
    assert ask(inside, box, 8080, "/none")[0] == 404
    wait_until(lambda: '"GET /none HTTP/1.1" 404' in box.output("stdout"), 5, "access log")
    assert box.stop() == 0


def test_radicale_keeps_calendars_on_its_volume(run, inside):
    box = run("radicale", binds=["zn-test-radicale:/data"])
    up(inside, box, 5232, "/.web/")
    login = {"Authorization": "Basic dXNlcjp4"}
    path = "/user/calendar.ics/"
    assert ask(inside, box, 5232, path, "MKCALENDAR", headers=login)[0] == 201
    assert ask(inside, box, 5232, path + "one.ics", "PUT", EVENT, {**login, "Content-Type": "text/calendar"})[0] == 201
    box.remove()
    again = run("radicale", binds=["zn-test-radicale:/data"])
    up(inside, again, 5232, "/.web/")
    assert "SUMMARY:kept" in ask(inside, again, 5232, path + "one.ics", headers=login)[1]


def test_logger_writes_what_it_is_told(run):
    box = run("logger", env=["LINES=50000", "EXIT=3"])
    assert box.wait() == 3
    lines = box.output("stdout").splitlines()
    assert [line.split()[1] for line in lines] == [str(n) for n in range(1, 50001)]
    assert "longest write" in box.output("stderr") and "lines 50000" in box.output("stderr")


def test_logger_keeps_its_rate_and_says_last_words(run):
    box = run("logger", env=["LINES=1000000", "RATE=200"])
    wait_until(lambda: len(box.output("stdout").splitlines()) >= 50, 10, "lines")
    assert box.stop() == 0
    lines = box.output("stdout").splitlines()
    assert lines[-1] == "last words" and 50 <= len(lines) < 5000
