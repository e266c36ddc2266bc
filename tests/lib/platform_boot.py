"""Boots the whole platform for a test run: images from the cache, a private engine, the supervisor, the programs that
tests deploy."""
import json
import pathlib

import image_box
from platform_box import Platform

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
USER_IMAGES = ["nginx", "radicale", "logger"]


def platform_images():
    """Folder with the archives of the platform's images; prepared once by `make images` (or here, from the cache)."""
    out = ROOT / "build/images"
    image_box.build(ROOT, out, "--all")
    return out


def user_images(out):
    """Programs that nobody here wrote, as images: {name: (archive, facts)}."""
    recipes = [arg for n in USER_IMAGES for arg in ("--recipe", ROOT / "tests/e2e/images" / n)]
    return image_box.build(ROOT, out, *recipes)


def keep_logs(box, name="e2e"):
    """What a failed run leaves for the reader: the supervisor's log in build/."""
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / f"build/{name}-supervisor.log").write_text(box.supervisor_log(200000))


def boot(images, programs, admin=True, **env):
    """admin: with its first administrator, logged in."""
    box = Platform(images, env)
    try:
        box.start_engine().start_supervisor().wait_ready(300)
        for archive, _ in programs.values():
            box.engine.load_image(archive)
        box.tags = {n: facts["tag"] for n, (_, facts) in programs.items()}
        box.engine.load_image(images / "example.tar")
        box.tags["example"] = json.loads((images / "example.json").read_text())["tag"]
        if admin:
            box.first_admin()
    except BaseException:
        keep_logs(box)
        box.stop()
        raise
    return box
