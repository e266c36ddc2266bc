"""The thread sanitizer watches the SDK under a crowd of workflows on a real server, and the API under many clients.

Each report (data race, lock order, use after free) fails the test.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from daemon import PASSWORD, Daemon  # noqa: E402
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
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, env=watched)
    finally:
        server.stop()
    assert (r.returncode, r.stdout) == (0, f"{CROWD * 2 // 3} completed, {CROWD // 3} canceled, 0 failed\n"), r.stderr[-3000:]


def visitor(daemon, slug):
    """Logs in, makes a service, changes, deploys and reads it; what it was answered."""
    c, at = daemon.client(), "/api/projects/default/production"
    c.get("/api/csrf/")
    answers = [c.post("/api/auth/login/", {"username": "admin", "password": PASSWORD}),
               c.post(f"{at}/create-service/docker/", {"slug": slug, "image": "app:1"}),
               c.put(f"{at}/deploy-service/docker/{slug}/", {})]
    for path in ("/api/projects/", f"{at}/service-list/", f"{at}/service-details/{slug}/", "/api/ping/", "/readyz") * 5:
        answers.append(c.get(path))
    return [a.status for a in answers]


def test_many_clients_of_the_api_at_once(built):
    daemon = Daemon()
    daemon.program = built / "bin/zaned"
    try:
        daemon.start().first_admin()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = set(sum(pool.map(lambda i: visitor(daemon, f"race-{i}"), range(16)), []))
        log = daemon.log()
    finally:
        status = daemon.stop()
    assert "ThreadSanitizer" not in log, log
    assert status == 0, "reported while it ended" if status == 66 else status
    assert statuses <= {200, 201}, statuses
