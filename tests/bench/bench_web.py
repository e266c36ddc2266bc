#!/usr/bin/env python3
"""Figures of the dashboard (docs/benchmarks.md): the real API with 50 projects, Chromium slowed down four times; then a
page of live lines, 1,000 a second for a minute.

    make all web && /usr/bin/python3 tests/bench/bench_web.py
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/lib"))

from daemon import PASSWORD, Daemon  # noqa: E402
from loki_box import LogDaemon  # noqa: E402

RUNS = 7
LINES_S, SECONDS, BATCHES_S = 1000, 60, 5
OURS = {"ZN_WEB": str(ROOT / "web/dist"), "ZN_APP_DOMAIN": "127.0.0.1"}


def browser(script, daemon, **given):
    given |= {"name": script, "base": f"http://127.0.0.1:{daemon.port}", "username": "admin", "password": PASSWORD}
    return subprocess.Popen(["node", f"tests/browser/{script}.mjs"], cwd=ROOT, env={**os.environ, "JOURNEY": json.dumps(given)},
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process, said=None, timeout=300):
    out, err = process.communicate(said, timeout=timeout)
    assert process.returncode == 0, err
    return json.loads(out.strip().splitlines()[-1])


def projects_page():
    daemon = Daemon()
    try:
        daemon.start(**OURS)
        admin = daemon.first_admin()
        for i in range(50):
            assert admin.post("/api/projects/", {"slug": f"project-{i}", "description": f"What project {i} runs on"}).status == 201
        seen = answer(browser("measure", daemon, runs=RUNS))
    finally:
        daemon.stop()
    print(f"JavaScript until the projects page is rendered    {seen['gzip'] / 1000:.0f} kB gzip in {seen['scripts']} files")
    print(f"largest contentful paint, 50 projects, 4x slower  median {statistics.median(r['painted'] for r in seen['runs']):.0f} ms of {RUNS}")
    print(f"longest wait of a key before its handler          {max(r['waited'] for r in seen['runs']):.0f} ms")


def send_lines(box, app):
    """Keeps to the pace; the seconds that all of it took."""
    began, n = time.monotonic(), LINES_S // BATCHES_S
    for i in range(SECONDS * BATCHES_S):
        time.sleep(max(0, began + i / BATCHES_S - time.monotonic()))
        box.push(app, [f"{i * n + k:06d} GET /cart/items?page={k} 200 {k % 97} ms from 203.0.113.{k % 250} request {i}-{k}" for k in range(n)])
    return time.monotonic() - began


def live_lines():
    with tempfile.TemporaryDirectory() as folder:
        box = LogDaemon(ROOT, pathlib.Path(folder))
        try:
            box.start(**OURS)
            service, deployment = box.service()
            (slug,), = box.daemon.postgres.query("select slug from service where id = %s" % repr(service))
            page = browser("measure_tail", box.daemon, path=f"/project/default/production/service/{slug}/logs")
            assert page.stdout.readline() == "ready\n", page.communicate()[1]
            took = send_lines(box, {"service_id": service, "deployment_id": deployment})
            seen = answer(page, f"{LINES_S * SECONDS - 1:06d} GET\n")
        finally:
            box.stop()
    print(f"live lines                                        {LINES_S * SECONDS} in {took:.0f} s")
    print(f"  longest task of the page                        {seen['longest']:.0f} ms ({seen['long']} over 50 ms)")
    print(f"  most memory of its process                      {seen['most'] / 1e6:.0f} MB ({seen['before'] / 1e6:.0f} MB before), heap at the end {seen['heap'] / 1e6:.0f} MB")


def main():
    projects_page()
    live_lines()


main()
