"""Node programs of tests/integration/node: their packages are installed from the lock file when it changed."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

CACHE = pathlib.Path(os.environ.get("ZANE_CACHE", "/var/cache/zane"))
HERE = pathlib.Path(__file__).resolve().parent.parent / "integration" / "node"


def install(home=HERE):
    """The packages of home's lock file, kept in the cache; home/node_modules is a link to them."""
    lock = (home / "package-lock.json").read_bytes() + (home / "package.json").read_bytes()
    kept = CACHE / "test-programs" / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    link = home / "node_modules"
    assert shutil.which("npm"), "npm is not installed"
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as work:
            made = pathlib.Path(work) / kept.name
            made.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(home / name, made)
            r = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=made, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
            assert r.returncode == 0, r.stdout
            with contextlib.suppress(OSError):  # not empty: another run was faster
                made.rename(kept)
    wanted = kept / "node_modules"  # modules look for each other in a folder of that name
    if link.is_symlink() and os.readlink(link) == str(wanted):
        return
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    mine = home / f".node_modules-{os.getpid()}"
    mine.symlink_to(wanted)
    mine.replace(link)


def major():
    """First number of Node's version."""
    return int(subprocess.run(["node", "-p", "process.versions.node"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.split(".")[0])


def run(script, *args):
    install()
    return subprocess.run(["node", HERE / script, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120)


class Program:
    """A server that prints "port N"; ends when its stdin closes or it is killed."""

    def __init__(self, script, port=0, options="{}"):
        install()
        self.process = subprocess.Popen(["node", HERE / script, str(port), options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env={**os.environ, "NODE_NO_WARNINGS": "1"})
        line = self.process.stdout.readline().decode().split()
        assert line[:1] == ["port"], f"{script} did not start: {line}"
        self.port = int(line[1])

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()
