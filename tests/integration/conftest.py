import pathlib
import secrets
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import daemon as daemons  # noqa: E402
import openapi  # noqa: E402
from private_engine import PrivateEngine  # noqa: E402


def pytest_configure(config):
    daemons.Client.observer = openapi.RECORDER.seen


def all_of_the_api(config):
    """Whether this run has every test of the API, so that what nobody met is missing."""
    chosen = config.option.keyword or config.option.markexpr or any("::" in a for a in config.args)
    named = [pathlib.Path(a).resolve() for a in config.args]
    files = (ROOT / "tests/integration").glob("test_api_*.py")
    return not chosen and all(any(n == f or n in f.parents for n in named) for f in files)


def pytest_sessionfinish(session):
    """A difference that is not in the list fails the run, as a test would."""
    complete = all_of_the_api(session.config) and session.testsfailed == 0
    session.config.conformance, good = openapi.RECORDER.report(complete)
    if not good and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if getattr(config, "conformance", None):
        terminalreporter.section("compatible schema")
        for line in config.conformance:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def engine():
    """One private engine with a swarm for the whole run."""
    e = PrivateEngine()
    try:
        e.start()
        e.init_swarm()
        yield e
    finally:
        e.stop()


@pytest.fixture(scope="session")
def daemon():
    """One zaned api with Postgres and Valkey for the whole run."""
    from daemon import Daemon
    d = Daemon()
    try:
        yield d.start()
    finally:
        status = d.stop()
    assert status == 0, f"zaned ended with {status}"


@pytest.fixture(autouse=True, scope="module")
def earlier_deployments_are_over(request):
    """No worker runs beside the daemon, so deployments of other files would wait, and hold slots, for ever."""
    if any("daemon" in item.fixturenames for item in request.session.items if item.module is request.module):
        query = request.getfixturevalue("daemon").postgres.query
        query("update deployment set status = 'CANCELLED', finished_at = now() where finished_at is null")
        query("delete from deploy_slot")


@pytest.fixture(scope="session")
def admin(daemon):
    """A client logged in as the first admin."""
    return daemon.first_admin()


@pytest.fixture(scope="session")
def schema():
    """check(answer) says at once what the end of the run would say of it."""
    return openapi.RECORDER


@pytest.fixture
def slug():
    """A service name that no other test uses."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def shared(admin):
    """A service for tests that leave it as it is."""
    path = "/api/projects/default/production/create-service/docker/"
    assert admin.post(path, {"slug": "shared", "image": "app:1"}).status in (201, 409)
    return "shared"
