"""One platform for the whole matrix, with the gates in its Postgres and a registry beside its engine."""
import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "tests/faults")]
# The end-to-end tests' fixtures under another name: both folders have a conftest.
_spec = importlib.util.spec_from_file_location("e2e_conftest", ROOT / "tests/e2e/conftest.py")
e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e)
images, built = e2e.images, e2e.built

from matrix import World  # noqa: E402


@pytest.fixture(scope="session")
def platform(images):  # noqa: F811
    box = e2e.boot(images, {})
    yield box
    e2e.keep_logs(box)
    box.stop()


@pytest.fixture(scope="session")
def world(platform):
    made = World(platform)
    yield made
    made.close()
