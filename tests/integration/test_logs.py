"""The log path with the real parts: Docker's fluentd driver, the relay and fluentd, the embedded collector as
its standby, ingest, Loki, search. Numbered lines: none lost, none twice, nobody waits long."""
import base64
import http.client
import json
import os
import re
import signal
import time
from urllib.parse import urlencode

import image_box
import netns
import pytest
from log_box import TOKEN, HandOver, Program, build_daemon, collector
from private_engine import wait_until

GRACE = 10
SERVICE, DEPLOYMENT = "srv_dkr_LogTest", "dpl_dkr_LogTest"
PORT = 18080
CAP = 192 << 20


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    return image_box.build(root, tmp_path_factory.mktemp("images"), "loki", "fluentd", "--recipe",
                           root / "tests/e2e/images/logger")


class Writer:
    """A container that logs as an app of the service does."""

    def __init__(self, box, image=None, cmd=None, service=SERVICE, **env):
        self.box, self.lines = box, int(env.get("LINES", 0))
        options = {"fluentd-address": f"unix://{box.run}/fluent.sock", "fluentd-request-ack": "false",
                   "fluentd-sub-second-precision": "true", "fluentd-retry-wait": "200ms",
                   "tag": json.dumps({"service_id": service, "deployment_id": DEPLOYMENT})}
        body = {"Image": image or box.ids["logger"], "Env": [f"{k}={v}" for k, v in env.items()],
                "HostConfig": {"Init": True, "LogConfig": {"Type": "fluentd", "Config": options}}}
        if cmd:
            body["Entrypoint"] = cmd
        self.id = box.engine.call("POST", "/containers/create", body)["Id"]
        began = time.monotonic()
        box.engine.call("POST", f"/containers/{self.id}/start")
        self.start_took = time.monotonic() - began

    def wait_end(self, deadline):
        def ended():
            return not self.box.engine.call("GET", f"/containers/{self.id}/json")["State"]["Running"]
        wait_until(ended, deadline, "the writer's end")

    def stop(self):
        began = time.monotonic()
        self.box.engine.request("POST", f"/v1.41/containers/{self.id}/stop?t={GRACE}", timeout=60)
        return time.monotonic() - began

    def found(self, **query):
        return self.box.search(container_id=self.id, **query)

    def numbers(self):
        shown = [re.match(r"line (\d+) of", r["content_text"]) for r in self.found(query="line ")]
        return [int(m[1]) for m in shown if m]

    def last(self):
        """Number of the newest line that search knows."""
        page = self.box.request("GET", "/api/search/logs?" + urlencode(
            {"container_id": self.id, "query": "line ", "per_page": 1}))
        return int(page["results"][0]["content_text"].split()[1]) if page["results"] else 0

    def check_all_there_once(self, deadline=60):
        wait_until(lambda: self.found(query="longest write"), deadline, "the writer's last word in search")
        wait_until(lambda: self.last() == self.lines, deadline, f"line {self.lines} in search")
        # Batches of two collectors may arrive in any order.
        numbers = wait_until(lambda: len(set(n := self.numbers())) >= self.lines and n, deadline, f"{self.lines} lines")
        assert len(numbers) == self.lines, f"{len(numbers) - self.lines} lines twice"
        assert numbers == list(range(1, self.lines + 1)), "out of order"

    def longest_write_ms(self):
        return int(re.search(r"longest write (\d+) ms", self.found(query="longest write")[0]["content_text"])[1])


class Box:
    """Loki and fluentd as containers; hand-over, ingest, search and standby collector beside the engine."""

    def __init__(self, engine, root, built, folder):
        self.engine, self.folder, self.run = engine, folder, folder / "run"
        self.run.mkdir()
        folder.chmod(0o755)
        for parent in folder.parents[:2]:
            parent.chmod(0o755)
        self.ids = {}
        for name, (archive, facts) in built.items():
            engine.load_image(archive)
            self.ids[name] = facts["id"]
        network = engine.call("POST", "/networks/create", {"Name": "zn-logs", "Driver": "bridge"})["Id"]
        self.gateway = engine.call("GET", f"/networks/{network}")["IPAM"]["Config"][0]["Gateway"]
        secrets = folder / "secrets"
        secrets.mkdir()
        (secrets / "ingest_token").write_text(TOKEN + "\n")
        (secrets / "ingest_token").chmod(0o444)
        self.daemon = build_daemon(folder / "logs_daemon")
        self.hand = HandOver(self.run)
        self.loki = self.container("loki", memory=256 << 20, tmpfs={"/tmp": "", "/var/lib/loki": "uid=974,mode=700"})
        loki_ip = self.engine.call("GET", f"/containers/{self.loki}/json")["NetworkSettings"]["Networks"]["zn-logs"]["IPAddress"]
        self.prefix = ["nsenter", "-t", str(engine.process.pid), "-n", "-m"]
        self.api = Program([self.daemon, "api", PORT, f"http://{loki_ip}:3100", TOKEN], folder / "api.log", self.prefix)
        self.api.start()
        self.ns, self.http = netns.Namespace(engine.process.pid), None
        self.fluentd = self.standby = None
        self.secrets = secrets

    def container(self, name, memory, tmpfs, binds=(), env=()):
        made = self.engine.call("POST", f"/containers/create?name=zn-{name}", {
            "Image": self.ids[name], "Env": list(env), "HostConfig": {
                "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "Init": True,
                "Memory": memory, "NetworkMode": "zn-logs", "Tmpfs": tmpfs, "Binds": list(binds)}})["Id"]
        self.engine.call("POST", f"/containers/{made}/start")
        return made

    def start_fluentd(self):
        self.fluentd = self.container("fluentd", CAP, {"/tmp": ""}, [
            f"{self.run}:/run/zane-logs", f"{self.secrets}:/run/secrets:ro", "zn-fluentd:/var/lib/fluentd"],
            [f"ZN_API_URL=http://{self.gateway}:{PORT}"])

    def start_standby(self, spool_max=None):
        c = collector(self.daemon, self.run, self.folder / "state", PORT, spool_max)
        c.argv = [*self.prefix, *c.argv]
        self.standby = c.start()

    def state(self, container):
        return self.engine.call("GET", f"/containers/{container}/json")["State"]

    def healthy(self, container):
        s = self.state(container)
        assert s["Running"], f"ended with {s['ExitCode']}: {self.logs(container)}"
        return s["Health"]["Status"] == "healthy"

    def logs(self, container):
        return self.engine.request("GET", f"/v1.41/containers/{container}/logs?stdout=1&stderr=1&tail=40")[2][-3000:]

    def pids(self, container, pattern):
        top = self.engine.call("GET", f"/containers/{container}/top?ps_args=-eo%20pid,args")
        return [int(row[0]) for row in top["Processes"] if re.search(pattern, row[1])]

    def fluentd_back(self):
        """Restarts the container as the supervisor would, and waits until it has the log socket again."""
        def accepting():
            if not self.state(self.fluentd)["Running"]:
                self.engine.request("POST", f"/v1.41/containers/{self.fluentd}/start")
            return self.hand.owner == "fluentd"
        wait_until(accepting, 60, "fluentd accepting")

    def fluentd_away(self):
        self.engine.call("POST", f"/containers/{self.fluentd}/kill")
        wait_until(lambda: self.hand.owner == "embedded", 5, "the standby accepting")

    def search(self, **query):
        """All lines over all pages, oldest first."""
        lines, cursor = [], None
        while True:
            params = {"order": "asc", "per_page": 100, **query, **({"cursor": cursor} if cursor else {})}
            page = self.request("GET", "/api/search/logs?" + urlencode(params))
            if "results" not in page:
                raise OSError(page)
            lines += page["results"]
            cursor = page["next"]
            if not cursor:
                return lines

    def request(self, method, path, body=None):
        if not self.http:
            self.http = netns.Connection(self.ns, PORT)
        try:
            self.http.request(method, path, json.dumps(body) if body else None,
                              {"Content-Type": "application/json", "Authorization": "Basic " +
                               base64.b64encode(f"zane:{TOKEN}".encode()).decode()})
            return json.loads(self.http.getresponse().read())
        except (OSError, http.client.HTTPException):
            self.http.close()
            self.http = None
            raise

    def push(self, items):
        """A batch straight to ingest."""
        return self.request("POST", "/api/logs/ingest", items)

    def memory_mib(self, container):
        stats_ = self.engine.call("GET", f"/containers/{container}/stats?stream=false")["memory_stats"]
        return (stats_["usage"] - stats_["stats"].get("inactive_file", 0)) / 2**20

    def stop(self):
        for program in (self.api, self.standby):
            if program:
                program.stop()
        self.hand.stop()
        self.ns.close()
        for c in self.engine.call("GET", "/containers/json?all=1"):
            self.engine.request("DELETE", f"/v1.41/containers/{c['Id']}?force=true&v=true")


@pytest.fixture(scope="module")
def box(engine, root, built, tmp_path_factory):
    b = Box(engine, root, built, tmp_path_factory.mktemp("logs"))
    try:
        b.start_fluentd()
        b.start_standby()
        wait_until(lambda: b.hand.owner, 30, "somebody accepting")
        wait_until(lambda: b.healthy(b.loki), 60, "loki healthy")
        wait_until(lambda: b.healthy(b.fluentd), 60, "fluentd healthy")
        wait_until(lambda: b.hand.owner == "fluentd", 30, f"fluentd accepting; {b.hand.history}")
        yield b
    finally:
        print(b.logs(b.fluentd).decode(errors="replace") if b.fluentd else "", b.api.text()[-2000:],
              b.standby.text()[-2000:] if b.standby else "", b.hand.history)
        b.stop()


def test_fluentd_is_small_and_unprivileged(box):
    mib = box.memory_mib(box.fluentd)
    print(f"fluentd idle: {mib:.0f} MiB")
    assert mib < 120
    top = box.engine.call("GET", f"/containers/{box.fluentd}/top?ps_args=-eo%20uid,pid,args")
    ours = [row for row in top["Processes"] if "init" not in row[2]]
    assert len(ours) == 2 and {row[0] for row in ours} == {"975"}, ours


def test_50000_lines_and_exit_at_once(box):
    began = time.monotonic()
    w = Writer(box, LINES=50000, PAD=70, EXIT=0)
    w.wait_end(120)
    print(f"50,000 lines through fluentd: {50000 / (time.monotonic() - began):.0f} lines/s")
    w.check_all_there_once(90)


def test_fluentd_killed_in_the_middle(box):
    w = Writer(box, LINES=24000, RATE=2000, EXIT=0)
    wait_until(lambda: w.found(query="line 1 of"), 30, "first line")
    for pid in box.pids(box.fluentd, "ruby"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: box.hand.owner == "embedded", 3, "the standby accepting")
    box.fluentd_back()
    w.wait_end(60)
    w.check_all_there_once(90)
    assert w.longest_write_ms() <= 3000, w.longest_write_ms()
    print(f"longest write with fluentd killed: {w.longest_write_ms()} ms")


def test_fluentd_hangs(box):
    w = Writer(box, LINES=16000, RATE=2000, EXIT=0)
    wait_until(lambda: w.found(query="line 1 of"), 30, "first line")
    pids = box.pids(box.fluentd, "ruby")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: box.hand.owner == "embedded", 4, "the standby accepting")
        w.wait_end(60)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    box.fluentd_back()
    w.check_all_there_once(90)
    assert w.longest_write_ms() <= 3000, w.longest_write_ms()
    print(f"longest write with fluentd stopped: {w.longest_write_ms()} ms")


def test_fluentd_down_while_a_container_comes_and_goes(box):
    box.engine.call("POST", f"/containers/{box.fluentd}/kill")
    w = Writer(box, LINES=3000, RATE=1000)
    assert w.start_took < 1 + box.engine.bare_start(box.ids["logger"]), w.start_took
    wait_until(lambda: w.found(query="longest write"), 30, "all lines written")
    took = w.stop()
    assert took < GRACE + 2, took
    w.check_all_there_once()
    assert w.longest_write_ms() <= 3000
    assert w.found(query="last words")
    print(f"without fluentd: start {w.start_took:.2f} s, stop {took:.2f} s, longest write {w.longest_write_ms()} ms")
    box.fluentd_back()


def test_standby_killed_while_it_serves(box):
    box.fluentd_away()
    w = Writer(box, LINES=8000, RATE=2000, EXIT=0)
    wait_until(lambda: w.found(query="line 1 of"), 30, "first line")
    box.standby.kill()
    box.standby.start()
    w.wait_end(60)
    w.check_all_there_once(90)
    box.fluentd_back()


def test_ingest_and_store_down_meanwhile(box):
    w = Writer(box, LINES=8000, RATE=2000, EXIT=0)
    bare = box.engine.bare_start(box.ids["logger"])
    wait_until(lambda: w.found(query="line 1 of"), 30, "first line")
    box.api.kill()
    w.wait_end(60)
    box.api.start()
    w.check_all_there_once(90)
    assert w.start_took < 1 + bare, (w.start_took, bare)


def test_both_streams_of_several_containers(box):
    """With acknowledgements this stalls, loses lines and in the end kills engine 20.10 (decisions/0004)."""
    code = '1500.times { |i| STDOUT.syswrite("line #{i} out\n"); STDERR.syswrite("line #{i} err\n") }'
    writers = [Writer(box, image=box.ids["fluentd"], cmd=["/usr/bin/ruby", "-e", code]) for _ in range(3)]
    for w in writers:
        w.wait_end(30)
        for stream in ("stdout", "stderr"):
            lines = wait_until(lambda s=stream: len(f := w.found(stream=s)) >= 1500 and f, 60, f"1500 lines on {stream}")
            assert [r["content"] for r in lines] == [f"line {i} {stream[3:]}" for i in range(1500)]


def test_a_long_line_of_one_character_is_whole(box):
    w = Writer(box, LINES=1, PAD=100_000, EXIT=0)
    w.wait_end(30)
    wait_until(lambda: w.found(query="longest write"), 30, "the writer's last word")
    text = f"line 1 of 1 {'x' * 100_000}"
    wait_until(lambda: len(w.found(stream="stdout")) == 7, 30, "seven pieces")
    pieces = w.found(stream="stdout")
    assert [p["partial"]["ordinal"] for p in pieces] == [1, 2, 3, 4, 5, 6, 7]
    assert [p["partial"]["last"] for p in pieces] == [False] * 6 + [True]
    assert "".join(p["content"] for p in pieces) == text
    assert len({p["time"] for p in pieces}) == 1 and len({p["id"] for p in pieces}) == 7


def item(n, ns, **more):
    tag = {"service_id": "srv_dkr_Push", "deployment_id": DEPLOYMENT}
    return {"log": f"pushed {n}", "container_id": "p" * 12, "container_name": "/p", "tag": json.dumps(tag),
            "time": f"{ns // 10**9}.{ns % 10**9:09d}", "source": "stdout", **more}


def test_lines_that_come_hours_late_are_stored_and_found(box):
    now = time.time_ns()
    hours = [0, 5, 30, 100, 200, 330, 1, 11]
    for n, h in enumerate(hours):
        made = box.push([item(n, now - h * 3600 * 10**9)])
        assert made["simple_logs_inserted"] == 1 and not made["refused"], made
    late = box.push([item(99, now - 340 * 3600 * 10**9), item(98, now)])
    assert late["simple_logs_inserted"] == 1 and late["refused"] == 1 and "334 hours" in late["reason"]
    found = wait_until(lambda: len(f := box.search(service_id="srv_dkr_Push")) == len(hours) + 1 and f, 20, "late lines")
    assert [r["timestamp"] for r in found] == sorted(r["timestamp"] for r in found)


def test_repetitions_and_equal_times_in_the_store(box):
    ns = time.time_ns()
    batch = [item(n, ns - n // 5, container_id="q" * 12) for n in range(200)]
    for _ in range(3):
        box.push(batch)
    box.push(list(reversed(batch)))  # through the other collector, in another order
    box.push(batch[1::2])
    found = wait_until(lambda: len(f := box.search(container_id="q" * 12)) >= 200 and f, 20, "200 lines")
    assert len(found) == 200 == len({r["id"] for r in found})
    assert len({r["content"] for r in found}) == 200


def test_text_with_control_characters_and_levels(box):
    ns = time.time_ns()
    texts = ["\x1b[31mERROR\x1b[0m red \u20ac \U0001f600", 'quote " back \\ slash `tick` {{.x}} | json', "level=warn slow",
             "{\"level\":\"debug\",\"msg\":\"d\"}", "", "tab\there"]
    box.push([item(0, ns + i, log=t, container_id="r" * 12) for i, t in enumerate(texts)])
    found = wait_until(lambda: len(f := box.search(container_id="r" * 12)) == len(texts) and f, 20, "lines")
    assert [r["content"] for r in found] == texts
    assert found[0]["content_text"] == "ERROR red \u20ac \U0001f600"
    assert [r["level"] for r in found] == ["ERROR", "INFO", "WARN", "DEBUG", "INFO", "INFO"]
    for text, n in (("error red", 1), ('" back \\ SLASH `tick` {{.x}} | json', 1), ("\u20ac", 1), (".*", 0), ("b\ther", 1)):
        assert len(box.search(container_id="r" * 12, query=text)) == n, text
    assert [r["content"] for r in box.search(container_id="r" * 12, errors=1)] == texts[:1]


def test_both_collectors_clean_text_alike(box):
    """A line that went through both must be one line: Ruby's scrub and ours agree on any bytes."""
    spoiled = "a\\xff\\xf0\\x9f\\x98b\\xed\\xa0\\x80c\\x00d\\xe2\\x82"
    w = Writer(box, image=box.ids["fluentd"], cmd=["/usr/bin/ruby", "-e", f'STDOUT.write("{spoiled}\\n"); STDOUT.flush; sleep 1'])
    w.wait_end(30)
    first = wait_until(lambda: w.found(), 30, "line through fluentd")[0]
    box.fluentd_away()
    v = Writer(box, image=box.ids["fluentd"], cmd=["/usr/bin/ruby", "-e", f'STDOUT.write("{spoiled}\\n"); STDOUT.flush; sleep 1'])
    v.wait_end(30)
    second = wait_until(lambda: v.found(), 30, "line through the standby")[0]
    assert first["content"] == second["content"] == "a\ufffd\ufffdb\ufffd\ufffd\ufffdc\u2400d\ufffd"
    box.fluentd_back()


def test_fluentd_stops_quickly_and_keeps_its_buffer(box):
    w = Writer(box, LINES=2000, EXIT=0)
    box.api.kill()
    w.wait_end(30)
    began = time.monotonic()
    box.engine.call("POST", f"/containers/{box.fluentd}/stop?t=20", ok=(204, 304))
    assert time.monotonic() - began < 10
    box.api.start()
    box.fluentd_back()
    w.check_all_there_once(60)
