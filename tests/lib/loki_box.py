"""The log store of the platform as a process of its own, out of the image that is built."""
import base64
import json
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

import image_box
from daemon import Daemon, end
from event_reader import Reader
from private_engine import wait_until


class Loki:
    def __init__(self, root, folder):
        archive, _ = image_box.build(root, folder / "image", "loki")["loki"]
        self.folder, self.process = folder, None
        self.port, grpc = image_box.free_ports(2)
        config = image_box.file_of(archive, "etc/zane/loki.yaml").decode()
        for old, new in (("0.0.0.0", "127.0.0.1"), ("3100", str(self.port)), ("9096", str(grpc)),
                         ("/var/lib/loki", str(folder / "data"))):
            assert old in config, old
            config = config.replace(old, new)
        (folder / "loki.yaml").write_text(config)
        (folder / "loki").write_bytes(image_box.file_of(archive, "loki"))
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


class LogDaemon:
    """The API on a log store of its own, and lines for it."""

    def __init__(self, root, folder):
        self.loki, self.daemon = Loki(root, folder), Daemon()

    def start(self, **settings):
        self.loki.start()
        self.daemon.start(ZN_LOKI_URL=self.loki.url, ZN_RATE_ACCOUNT="0", **settings)
        self.admin = self.daemon.first_admin()
        token = self.daemon.secrets["ingest_token"]
        self.sender = {"Authorization": "Basic " + base64.b64encode(f"zane:{token}".encode()).decode()}
        return self

    def service(self):
        made = self.admin.put(f"/api/deploys/t{secrets.token_hex(4)}", {"image": "app:1"})
        assert made.status == 201, made
        (service,), = self.daemon.postgres.query("select service_id from deployment where hash = %s", (made.json()["hash"],))
        return service, made.json()["hash"]

    def push(self, tag, texts, ns=None, container="c" * 12, source="stdout"):
        """One batch; lines a microsecond apart up to now, or from ns on."""
        ns = ns or time.time_ns() - 1000 * len(texts)
        stamps = [ns + 1000 * i for i in range(len(texts))]
        batch = [{"log": t, "container_id": container, "time": f"{n // 10**9}.{n % 10**9:09d}", "tag": json.dumps(tag),
                  "source": source} for t, n in zip(texts, stamps)]
        a = self.daemon.client().call("POST", "/api/logs/ingest", batch, headers=self.sender)
        assert a.status == 200 and a.json()["simple_logs_inserted"] == len(texts), a
        return stamps[-1]

    def listen(self, last=None, client=None, receive=None, **query):
        cookie = f"sessionid={(client or self.admin).cookies['sessionid']}"
        return Reader(self.daemon, cookie, last, f"/api/logs/tail/?{urlencode(query, doseq=True)}", receive)

    def stop(self):
        status = self.daemon.stop()
        self.loki.stop()
        return status
