import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from private_engine import PrivateEngine  # noqa: E402


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
