"""The real zane-supervisor without an engine: an engine that is not there, or answers nonsense, is what makes its
state change."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

from private_engine import unix_request, wait_until


class FlakyEngine:
    """Listens where the engine should be and answers 500 to whatever comes: the supervisor says so."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = None

    def up(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def _serve(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
                conn.recv(4096)
                conn.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
                conn.close()
            except OSError:
                return

    def down(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            os.unlink(self.path)
            self.listener = None


class Host:
    def __init__(self, build):
        self.build = build
        self.dir = tempfile.TemporaryDirectory(prefix="zn-sup-")
        self.root = pathlib.Path(self.dir.name)
        self.run, self.state = self.root / "run", self.root / "state"
        self.engine = FlakyEngine(self.root / "engine.sock")
        self.process = None

    def environment(self, **more):
        keep = {k: v for k, v in os.environ.items() if not k.startswith("ZANE_")}
        return {**keep, "ZANE_RUN": str(self.run), "ZANE_STATE": str(self.state), "ZANE_IMAGES": str(self.root),
                "ZANE_ENGINE": self.engine.path, "ZANE_ROOT_DOMAIN": "zane.localhost", **more}

    def start(self, **more):
        with open(self.root / "log", "ab") as log:
            self.process = subprocess.Popen([f"{self.build}/zane-supervisor"], env=self.environment(**more),
                                            stdout=log, stderr=log)
        wait_until(lambda: self.run.joinpath("supervisor.sock").exists() and self.health(), 20, "health")
        return self

    def log(self):
        return (self.root / "log").read_text()

    def end(self, signum=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signum)
            self.process.wait(20)

    def close(self):
        self.end()
        self.engine.down()
        self.dir.cleanup()

    def api(self, method, path, headers=None):
        return unix_request(self.run / "supervisor.sock", method, path, None, headers or {}, 10)

    def page(self, method, path):
        return unix_request(self.run / "status/status.sock", method, path, None, {}, 10)

    def health(self):
        return json.loads(self.api("GET", "/v1/health")[2])

    def zane(self, *argv, **more):
        return subprocess.run([f"{self.build}/zane", *argv], env=self.environment(**more), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
