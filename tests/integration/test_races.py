"""The thread sanitizer watches: the SDK under a crowd of workflows on a real server, and the API under many clients.

One report of a data race, a lock order or a use after free fails the test.
"""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from temporal_server import TemporalServer  # noqa: E402

CROWD = 120


@pytest.fixture(scope="module")
def built():
    """The folder of `make tsan`."""
    r = subprocess.run(["make", "-s", "-j2", "tsan"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=600)
    assert r.returncode == 0, r.stdout
    return ROOT / "build/tsan"


@pytest.fixture
def watched(tmp_path):
    """An environment in which reports become files; none may be there in the end."""
    yield {**os.environ, "TSAN_OPTIONS": f"log_path={tmp_path}/report second_deadlock_stack=1"}
    assert "\n".join(p.read_text() for p in sorted(tmp_path.glob("report.*"))) == ""


def test_a_crowd_of_workflows_and_a_change_of_workers(built, watched):
    """Activities, timers, signals and cancellations all at once; the worker stops in the middle and the next goes on."""
    server = TemporalServer()
    try:
        r = subprocess.run([built / "probe/temporal/worker_probe", server.start().target, "crowd", str(CROWD), "crowd"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, env=watched)
    finally:
        server.stop()
    assert (r.returncode, r.stdout) == (0, f"{CROWD * 2 // 3} completed, {CROWD // 3} canceled, 0 failed\n"), r.stderr[-3000:]
