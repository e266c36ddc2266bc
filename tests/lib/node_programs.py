"""Node programs of tests/integration/node: their packages are installed from the lock file when it changed."""
import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent.parent / "integration" / "node"


def install():
    lock = (HERE / "package-lock.json").read_bytes() + (HERE / "package.json").read_bytes()
    mark = HERE / "node_modules" / ".installed"
    want = hashlib.sha256(lock).hexdigest()
    assert shutil.which("npm"), "npm is not installed"
    if mark.is_file() and mark.read_text() == want:
        return
    r = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert r.returncode == 0, r.stdout
    mark.write_text(want)


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
