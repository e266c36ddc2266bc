"""One platform for the whole run: real Postgres, Valkey, Caddy, fluentd, Temporal, Loki and zaned."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import platform_boot  # noqa: E402
from platform_boot import boot, keep_logs  # noqa: E402


@pytest.fixture(scope="session")
def images():
    return platform_boot.platform_images()


@pytest.fixture(scope="session")
def user_images(tmp_path_factory):
    return platform_boot.user_images(tmp_path_factory.mktemp("user-images"))


@pytest.fixture(scope="session")
def platform(images, user_images):
    box = boot(images, user_images)
    yield box
    keep_logs(box)
    box.stop()


@pytest.fixture(scope="session", autouse=True)
def built():
    jobs = str(min(2, os.cpu_count() or 1))
    subprocess.run(["make", f"-j{jobs}", "-s", "all", "web"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
