"""The daemon's route and decode tables, as the program holds them (tests/integration/c/routes_probe.c)."""
import functools
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROBE = "build/probe/api/routes_probe"


@functools.cache
def load():
    """{"routes": [...], "changes": [...]}; the probe is built if it has to be."""
    made = subprocess.run(["make", "-s", PROBE], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert made.returncode == 0, made.stdout
    return json.loads(subprocess.run([ROOT / PROBE, "tables"], stdout=subprocess.PIPE, check=True).stdout)


def routes():
    return load()["routes"]


def key_of(route):
    """How the document names it: ("get", "/api/x/")."""
    return route["method"].lower(), route["path"] + ("/" if route["path"].startswith("/api/") else "")
