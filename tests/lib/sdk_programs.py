"""Programs that use the official SDKs: a client that runs to its end, a worker that serves its own queue."""
import queue
import subprocess
import sys
import threading

import node_programs
from temporal_server import CACHE, ROOT

SDK = "temporalio==1.35.0"


def sdk_python():
    """An interpreter with the official SDK, kept in the cache; the package is looked up once."""
    home = CACHE / "test-programs" / SDK.replace("==", "-")
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-q", "--disable-pip-version-check", SDK], check=True)
        (home / "ready").touch()
    return home / "bin/python"


def argv(language, name):
    if language == "python":
        return [sdk_python(), ROOT / f"tests/integration/python/{name}.py"]
    node_programs.install(node_programs.HERE / "sdk")
    return ["node", node_programs.HERE / f"sdk/{name}.js"]


def client(language, target):
    """Runs it; it looks by itself whether all is as it should be."""
    r = subprocess.run([*argv(language, "client"), target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       timeout=120)
    assert r.returncode == 0, r.stdout


class Worker:
    """Serves the queue that is named like its language, until close()."""

    def __init__(self, language, target):
        self.process = subprocess.Popen([*argv(language, "worker"), target], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.await_line("ready", 90)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def await_line(self, want, within=30):
        while (line := self.lines.get(timeout=within)) != want:
            assert line is not None, f"it ended before {want!r}: {self.process.wait(5)}"

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait(20)
