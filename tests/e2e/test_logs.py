"""Scenario logs: nothing lost and nothing twice, whatever happens to the collector."""
import json
import re
import time

import pytest
from private_engine import wait_until

GRACE = 10


@pytest.fixture(scope="module")
def service(platform):
    """A service to whose name the lines are written, and that stays quiet itself."""
    done = platform.deploy("writer", image=platform.tags["logger"], env={"LINES": "1"})
    assert done["status"] == "HEALTHY", done
    return platform.api("GET", "/projects/default/production/service-details/writer/", ok=(200,)).json()["id"]


class Writer:
    """A container that logs as an app of that service does."""

    def __init__(self, platform, service, **env):
        self.platform = platform
        self.lines = int(env["LINES"])
        options = {"fluentd-address": f"unix://{platform.run_dir}/logs/fluent.sock", "fluentd-request-ack": "false",
                   "fluentd-sub-second-precision": "true", "fluentd-retry-wait": "200ms",
                   "tag": json.dumps({"service_id": service, "deployment_id": "dpl_dkr_22222222222"})}
        self.id = platform.engine.call("POST", "/containers/create", {
            "Image": platform.tags["logger"], "Env": [f"{k}={v}" for k, v in env.items()],
            "HostConfig": {"Init": True, "LogConfig": {"Type": "fluentd", "Config": options}}})["Id"]
        begin = time.monotonic()
        platform.engine.call("POST", f"/containers/{self.id}/start")
        self.start_took = time.monotonic() - begin

    def wait_end(self, deadline):
        def ended():
            state = self.platform.engine.call("GET", f"/containers/{self.id}/json")["State"]
            return state if not state["Running"] else None
        return wait_until(ended, deadline, "the writer's end")

    def stop(self):
        begin = time.monotonic()
        self.platform.engine.request("POST", f"/v1.41/containers/{self.id}/stop?t={GRACE}", timeout=60)
        return time.monotonic() - begin

    def found(self, **query):
        return self.platform.search_logs(container_id=self.id, **query)

    def check_all_there_once(self, deadline=90):
        """Waits for the end of the lines, then compares every number."""
        wait_until(lambda: self.found(query="longest write"), deadline, "the last line in search")
        wait_until(lambda: self.found(query=f"line {self.lines} of"), deadline, "the last numbered line")
        # The lines before the last one may still be on their way in another batch.
        numbers = []

        def complete():
            numbers[:] = self.numbers()
            return len(numbers) >= self.lines
        try:
            wait_until(complete, deadline, f"{self.lines} lines")
        except AssertionError:
            pass  # the next lines say what is lost
        lost = sorted(set(range(1, self.lines + 1)) - set(numbers))
        assert not lost, f"{len(lost)} lost, the first is {lost[0]}"
        assert len(numbers) == self.lines, f"{len(numbers) - self.lines} lines twice"
        assert numbers == sorted(numbers), "lines out of order"

    def numbers(self):
        shown = [re.match(r"line (\d+) of", line["content_text"]) for line in self.found(query="line ")]
        return [int(m[1]) for m in shown if m]

    def longest_write_ms(self):
        return int(re.search(r"longest write (\d+) ms", self.found(query="longest write")[0]["content_text"])[1])


def test_50000_lines_and_exit_at_once(platform, service):
    writer = Writer(platform, service, LINES=50000, EXIT=0)
    writer.wait_end(120)
    writer.check_all_there_once(120)


def test_collector_killed_in_the_middle(platform, service):
    writer = Writer(platform, service, LINES=20000, RATE=2000, EXIT=0)
    wait_until(lambda: writer.found(query="line 1 of"), 30, "first line")
    platform.kill("fluentd")
    writer.wait_end(120)
    writer.check_all_there_once(120)
    assert writer.longest_write_ms() <= 3000
    platform.wait_ready(120)


def test_collector_down_while_a_container_comes_and_goes(platform, service):
    frozen = platform.container_of("zn-fluentd")
    platform.engine.call("POST", f"/containers/{frozen}/pause")
    try:
        writer = Writer(platform, service, LINES=3000, RATE=600)
        bare = platform.engine.bare_start(platform.tags["logger"])
        assert writer.start_took < 1 + bare, f"start took {writer.start_took:.1f} s, without logs {bare:.1f} s"
        time.sleep(6)  # the writer's own pace: 3,000 lines at 600 a second
        took = writer.stop()
        assert took < GRACE + 2, f"stop took {took:.1f} s"
    finally:
        platform.engine.request("POST", f"/v1.41/containers/{frozen}/unpause")
    writer.check_all_there_once(120)
    assert writer.longest_write_ms() <= 3000
    assert writer.found(query="last words")
    platform.wait_ready(120)


def test_platform_stops_and_starts_meanwhile(platform, service):
    # It must outlast the stop: of one that ends meanwhile the engine keeps what does not fit the queue for 10 s only.
    writer = Writer(platform, service, LINES=7000, RATE=100, EXIT=0)
    wait_until(lambda: writer.found(query="line 1 of"), 30, "first line")
    platform.zane("stop")
    platform.process.wait(180)
    platform.start_supervisor().wait_ready(240)
    writer.wait_end(180)
    writer.check_all_there_once(120)


def test_search_by_text_level_time_and_cursor(platform, service):
    writer = Writer(platform, service, LINES=250, EXIT=0)
    writer.wait_end(30)
    writer.check_all_there_once()
    assert [line["content_text"] for line in writer.found(query="line 77 of")] == ["line 77 of 250 "] or \
        writer.found(query="line 77 of")[0]["content_text"].startswith("line 77 of 250")
    errors = writer.found(level="ERROR")
    assert errors and all(line["level"] == "ERROR" for line in errors)
    everything = writer.found()
    middle = everything[100]["time"]
    late = writer.found(time_after=middle if middle.endswith("Z") else middle + "Z")
    assert 0 < len(late) < len(everything)
    page = platform.api("GET", f"/search/logs/?container_id={writer.id}&per_page=100").json()
    assert len(page["results"]) == 100 and page["next"]


def test_search_refuses_bad_input_by_field(platform):
    answer = platform.api("GET", "/search/logs/?per_page=1000&time_after=yesterday&level=LOUD", ok=(400,)).json()
    fields = {e["attr"] for e in answer["errors"]}
    assert {"per_page", "time_after", "level"} <= fields, answer
