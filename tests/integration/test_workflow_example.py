"""The example of docs/workflows.md is this program, and does what the page says."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "tests/integration/c/workflow_example.c"
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from temporal_server import TemporalServer  # noqa: E402

SAID = """\
order-1: status 2, {"receipt": "receipt of tea, attempt 3", "sent": true}
order-2: status 2, {"sent": false, "why": "changed my mind"}
order-3: status 3, no result
"""


def test_the_page_shows_the_program_and_its_output():
    page = (ROOT / "docs/workflows.md").read_text()
    assert SOURCE.read_text() in page and SAID in page


def test_it_says_what_the_page_shows():
    subprocess.run(["make", "-s", "build/probe/temporal/workflow_example"], cwd=ROOT, check=True)
    server = TemporalServer()
    try:
        server.start()
        r = subprocess.run([ROOT / "build/probe/temporal/workflow_example", server.target], timeout=150,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        server.stop()
    assert (r.returncode, r.stdout) == (0, SAID), r.stdout + r.stderr
