"""Recorded histories of workflows: one folder for each version of the platform, which the unit tests replay for ever.

A version's folder is written while the tree has that version and never again: raise ZANE_VERSION in image/versions.mk
with the first change after a release.
"""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = os.environ.get("ZANE_BUILD", "build")


def version():
    return re.search(r"^ZANE_VERSION = (\S+)$", (ROOT / "image/versions.mk").read_text(), re.M)[1]


def folder(area):
    """Where this version's histories of tests/unit/<area> are; made if need be."""
    into = ROOT / "tests/unit" / area / "histories" / version()
    into.mkdir(parents=True, exist_ok=True)
    return into


def probe():
    """worker_probe, built if need be."""
    subprocess.run(["make", "-s", f"B={BUILD}", f"{BUILD}/probe/temporal/worker_probe"], cwd=ROOT, check=True)
    return ROOT / BUILD / "probe/temporal/worker_probe"


def save(target, workflow, file):
    """Writes the history of a run ("ID" or "ID/RUN") of the server at HOST:PORT: a temporal.api.history.v1.History."""
    file = pathlib.Path(file).resolve()
    if "histories" in file.parts and file.parent.name != version():
        raise ValueError(f"{file}: histories of another version than {version()} stay as they are")
    made = file.with_suffix(".new")
    try:
        subprocess.run([probe(), target, "events", workflow, made], stdout=subprocess.DEVNULL, check=True, timeout=60)
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)
