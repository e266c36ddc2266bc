"""One platform for the whole run: real Postgres, Valkey, Caddy, fluentd, Temporal, Loki and zaned."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import image_box  # noqa: E402
from platform_box import Platform  # noqa: E402

USER_IMAGES = ["nginx", "radicale", "logger"]


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Archives of the platform's images; prepared once by `make images` (or here, from the cache)."""
    out = ROOT / "build/images"
    image_box.build(ROOT, out, "--all")
    return out


@pytest.fixture(scope="session")
def user_images(tmp_path_factory):
    """Programs that nobody here wrote, as images: {name: (archive, facts)}."""
    recipes = [arg for n in USER_IMAGES for arg in ("--recipe", ROOT / "tests/e2e/images" / n)]
    return image_box.build(ROOT, tmp_path_factory.mktemp("user-images"), *recipes)


def boot(images, user_images, **env):
    box = Platform(images, env)
    try:
        box.start_engine().start_supervisor().wait_ready(300)
        for archive, _ in user_images.values():
            box.engine.load_image(archive)
        box.tags = {n: facts["tag"] for n, (_, facts) in user_images.items()}
        example = images / "example.tar"
        box.engine.load_image(example)
        box.tags["example"] = json.loads((images / "example.json").read_text())["tag"]
        box.first_admin()
    except BaseException:
        keep_logs(box)
        box.stop()
        raise
    return box


def keep_logs(box):
    """What a failed boot leaves for the reader: the supervisor's log in build/."""
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/e2e-supervisor.log").write_text(box.supervisor_log(200000))


@pytest.fixture(scope="session")
def platform(images, user_images):
    box = boot(images, user_images)
    yield box
    keep_logs(box)
    box.stop()


@pytest.fixture(scope="session", autouse=True)
def built():
    jobs = str(min(2, os.cpu_count() or 1))
    subprocess.run(["make", f"-j{jobs}", "all"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
