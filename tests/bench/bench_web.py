#!/usr/bin/env python3
"""Figures of the dashboard (docs/benchmarks.md): the real API with 50 projects, Chromium slowed down four times.

    make all web && /usr/bin/python3 tests/bench/bench_web.py
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/lib"))

from daemon import PASSWORD, Daemon  # noqa: E402

RUNS = 7


def main():
    daemon = Daemon()
    try:
        daemon.start(ZN_WEB=str(ROOT / "web/dist"), ZN_APP_DOMAIN="127.0.0.1")
        admin = daemon.first_admin()
        for i in range(50):
            assert admin.post("/api/projects/", {"slug": f"project-{i}", "description": f"What project {i} runs on"}).status == 201
        given = {"name": "measure", "base": f"http://127.0.0.1:{daemon.port}", "username": "admin", "password": PASSWORD,
                 "runs": RUNS}
        done = subprocess.run(["node", "tests/browser/measure.mjs"], cwd=ROOT, env={**os.environ, "JOURNEY": json.dumps(given)},
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout.strip().splitlines()[-1])
    finally:
        daemon.stop()
    print(f"JavaScript until the projects page is rendered   {seen['gzip'] / 1000:.0f} kB gzip in {seen['scripts']} files")
    print(f"largest contentful paint, 50 projects, 4x slower  median {statistics.median(r['painted'] for r in seen['runs']):.0f} ms of {RUNS}")
    print(f"longest wait of a key before its handler          {max(r['waited'] for r in seen['runs']):.0f} ms")


main()
