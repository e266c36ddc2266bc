"""The dashboard in a real browser on a real platform: one boot and one Chromium a journey, all in the engine's own
network."""
import json
import os
import pathlib
import select
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import platform_boot  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built():
    jobs = str(min(2, os.cpu_count() or 1))
    subprocess.run(["make", f"-j{jobs}", "-s", "all", "web"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ci/web", "modules"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


class Visitor:
    """Walks a journey of tests/browser/journeys in the platform's network."""

    pictures = str(ROOT / "build/screenshots") if os.environ.get("ZANE_PICTURES") else None

    def __init__(self, box):
        self.box = box

    def start(self, name, **given):
        given = {"name": name, "base": "http://zane.localhost", "tags": self.box.tags, "username": "admin",
                 "password": getattr(self.box, "password", None), **given}
        env = {**os.environ, "JOURNEY": json.dumps(given), "HOME": str(self.box.engine.root)}
        return subprocess.Popen(
            ["nsenter", "-t", str(self.box.engine.process.pid), "-n", "node", f"tests/browser/journeys/{name}.mjs"],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process, deadline=240):
        out, err = process.communicate(timeout=deadline)
        assert process.returncode == 0, f"{err[-6000:]}"
        return json.loads(out.strip().splitlines()[-1])

    def hear(self, process, word, deadline=90):
        """The journey's next line; it is over if that is another one."""
        ready, _, _ = select.select([process.stdout], [], [], deadline)
        line = process.stdout.readline().strip() if ready else "nothing"
        if line != word:
            process.kill()
            raise AssertionError(f"{line!r} where {word!r} was due: {process.communicate()[1][-6000:]}")

    def tell(self, process, text):
        process.stdin.write(text + "\n")
        process.stdin.flush()

    def walk(self, name, deadline=240, **given):
        return self.end(self.start(name, **given), deadline)


@pytest.fixture(scope="session")
def platform(tmp_path_factory):
    """Booted, and nobody has an account yet."""
    images = platform_boot.platform_images()
    box = platform_boot.boot(images, platform_boot.user_images(tmp_path_factory.mktemp("user-images")), admin=False)
    yield box
    platform_boot.keep_logs(box, "browser")
    box.stop()


@pytest.fixture(scope="session")
def stranger(platform):
    """Somebody before the first administrator; the tests of first_run use it first."""
    return Visitor(platform)


@pytest.fixture(scope="session")
def visitor(stranger):
    """Somebody on a platform that has its administrator, who is logged in by API as well."""
    box = stranger.box
    if not hasattr(box, "password"):
        box.first_admin()
    return stranger
