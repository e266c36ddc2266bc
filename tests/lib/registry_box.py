"""A real registry beside a private engine, on its 127.0.0.1:5000, behind a link of limited speed."""
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from private_engine import wait_until

REGISTRY = "/usr/bin/docker-registry"
ADDRESS = "127.0.0.1:5000"
CONFIG = """version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:5001"}
"""
# What goes out to the client passes at argv[1] bytes a second; an image is megabytes, a manifest is a moment.
LINK = """
import socket, sys, threading, time

def pump(a, b, rate):
    try:
        while data := a.recv(16384):
            b.sendall(data)
            if rate:
                time.sleep(len(data) / rate)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

listener = socket.create_server(("127.0.0.1", 5000))
print("ready", flush=True)
while True:
    client = listener.accept()[0]
    server = socket.create_connection(("127.0.0.1", 5001))
    threading.Thread(target=pump, args=(client, server, 0), daemon=True).start()
    threading.Thread(target=pump, args=(server, client, int(sys.argv[1])), daemon=True).start()
"""


class Registry:
    def __init__(self, engine, bytes_per_second):
        assert pathlib.Path(REGISTRY).exists(), "no docker-registry: install the packages of ci/packages.txt"
        self.engine, self.made = engine, 0
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="zn-registry-"))
        (self.root / "config.yml").write_text(CONFIG % (self.root / "data"))
        self.processes = [self._inside(REGISTRY, "serve", self.root / "config.yml"),
                          self._inside("/usr/bin/python3", "-c", LINK, str(bytes_per_second))]
        assert self.processes[1].stdout.readline().strip() == "ready"
        wait_until(lambda: engine.inside(["curl", "-sf", "http://127.0.0.1:5001/v2/"]).returncode == 0, 15, "registry")

    def _inside(self, *argv):
        return subprocess.Popen(["nsenter", "-t", str(self.engine.process.pid), "-n", *argv], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def image(self, base, mib):
        """Reference of a new image that the engine has not: base with so many MiB that nobody has seen before."""
        self.made += 1
        tag = f"{ADDRESS}/app:{self.made}"
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, data in (("Dockerfile", f"FROM {base}\nCOPY blob /blob\n".encode()), ("blob", os.urandom(mib << 20))):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        self._stream(f"/build?t={tag}", context.getvalue(), {"Content-Type": "application/x-tar"})
        self._stream(f"/images/{ADDRESS}/app/push?tag={self.made}", None, {"X-Registry-Auth": "e30="})
        self.engine.call("DELETE", f"/images/{tag}?force=true", ok=(200,))
        return tag

    def _stream(self, target, body, headers):
        status, _, data = self.engine.request("POST", f"/v1.41{target}", body, headers, 120)
        assert status == 200 and not any("error" in json.loads(line) for line in data.splitlines() if line.strip()), data[-800:]

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)
