"""The log store of the platform as a process of its own, out of the image that is built."""
import io
import json
import signal
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request

import image_box
from daemon import end
from private_engine import wait_until


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def take_out(archive, folder, *paths):
    """Files of an image's layers."""
    with tarfile.open(archive) as image:
        manifest, = json.load(image.extractfile("manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(image.extractfile(layer).read())) as files:
                for name in set(files.getnames()) & set(paths):
                    (folder / name.rsplit("/", 1)[-1]).write_bytes(files.extractfile(name).read())


class Loki:
    def __init__(self, root, folder):
        archive, _ = image_box.build(root, folder / "image", "loki")["loki"]
        take_out(archive, folder, "loki", "etc/zane/loki.yaml")
        self.folder, self.process = folder, None
        self.port, grpc = free_ports(2)
        config = (folder / "loki.yaml").read_text()
        for old, new in (("0.0.0.0", "127.0.0.1"), ("3100", str(self.port)), ("9096", str(grpc)),
                         ("/var/lib/loki", str(folder / "data"))):
            assert old in config, old
            config = config.replace(old, new)
        (folder / "loki.yaml").write_text(config)
        (folder / "loki").chmod(0o755)
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([self.folder / "loki", f"-config.file={self.folder / 'loki.yaml'}"],
                                            stderr=log, env={"HOME": str(self.folder), "GOMEMLIMIT": "200MiB"})
        wait_until(self._ready, 60, "Loki")
        return self

    def _ready(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return urllib.request.urlopen(f"{self.url}/ready", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def push(self, body):
        """Past ingest."""
        request = urllib.request.Request(f"{self.url}/loki/api/v1/push", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        assert urllib.request.urlopen(request, timeout=10).status == 204

    def kill(self):
        end(self.process, signal.SIGKILL)

    def stop(self):
        end(self.process)
