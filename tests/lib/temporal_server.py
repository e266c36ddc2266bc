"""A real Temporal server for tests: one process, sqlite in a file, every port on loopback.

The database outlives kill() and restart(), so tests can take the server away in the middle of things.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import image_box

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("ZANE_CACHE", "/var/cache/zane"))

CONFIG = """log: {{ stdout: true, level: warn }}
persistence:
  defaultStore: store
  visibilityStore: visibility
  numHistoryShards: 1
  datastores:
    store:
      sql: {{ pluginName: sqlite, databaseName: "{db}/store.db", connectAddr: localhost, connectProtocol: tcp, connectAttributes: {{ mode: rwc, setup: "true", journal_mode: wal, synchronous: "1" }}, maxConns: 1, maxIdleConns: 1, maxConnLifetime: 1h }}
    visibility:
      sql: {{ pluginName: sqlite, databaseName: "{db}/visibility.db", connectAddr: localhost, connectProtocol: tcp, connectAttributes: {{ mode: rwc, setup: "true", journal_mode: wal, synchronous: "1" }}, maxConns: 1, maxIdleConns: 1, maxConnLifetime: 1h }}
global:
  membership: {{ maxJoinDuration: 30s, broadcastAddress: "127.0.0.1" }}
services:
  frontend: {{ rpc: {{ grpcPort: {p[0]}, membershipPort: {p[1]}, bindOnLocalHost: true }} }}
  history: {{ rpc: {{ grpcPort: {p[2]}, membershipPort: {p[3]}, bindOnLocalHost: true }} }}
  matching: {{ rpc: {{ grpcPort: {p[4]}, membershipPort: {p[5]}, bindOnLocalHost: true }} }}
  worker: {{ rpc: {{ grpcPort: {p[6]}, membershipPort: {p[7]}, bindOnLocalHost: true }} }}
clusterMetadata:
  enableGlobalNamespace: false
  failoverVersionIncrement: 10
  masterClusterName: active
  currentClusterName: active
  clusterInformation: {{ active: {{ enabled: true, initialFailoverVersion: 1, rpcName: frontend, rpcAddress: "127.0.0.1:{p[0]}" }} }}
dcRedirectionPolicy: {{ policy: noop }}
archival: {{ history: {{ state: disabled }}, visibility: {{ state: disabled }} }}
namespaceDefaults: {{ archival: {{ history: {{ state: disabled }}, visibility: {{ state: disabled }} }} }}
dynamicConfigClient: {{ filepath: "{db}/dynamic.yaml", pollInterval: 60s }}
"""
# Small pages (of batches of events): histories of more than a few tasks come in several.
DYNAMIC = """limit.historyMaxPageSize: [{ value: 8, constraints: {} }]
matching.numTaskqueueReadPartitions: [{ value: 1, constraints: {} }]
matching.numTaskqueueWritePartitions: [{ value: 1, constraints: {} }]
"""


def version():
    return re.search(r"^TEMPORAL_VERSION = (\S+)$", (ROOT / "image/versions.mk").read_text(), re.M)[1]


def server_binary():
    """The pinned server, taken once out of its image."""
    binary = CACHE / "test-programs" / f"temporal-server-{version()}"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as work:
            (archive, _), = image_box.build(ROOT, pathlib.Path(work), "temporal").values()
            made = pathlib.Path(work) / "server"
            made.write_bytes(image_box.file_of(archive, "temporal-server"))
            made.chmod(0o755)
            made.rename(binary)
    return binary


class TemporalServer:
    def __init__(self, dynamic=DYNAMIC):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="zn-temporal-"))
        self.ports = image_box.free_ports(8)
        self.target = f"127.0.0.1:{self.ports[0]}"
        self.process = None
        (self.dir / "server.yaml").write_text(CONFIG.format(db=self.dir, p=self.ports))
        (self.dir / "dynamic.yaml").write_text(dynamic)

    def start(self):
        with open(self.dir / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [server_binary(), "--config-file", self.dir / "server.yaml", "--allow-no-auth", "start"],
                stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "GOMEMLIMIT": "300MiB"})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log()[-3000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.ports[0]), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server does not listen: {self.log()[-3000:]}")

    def log(self):
        return (self.dir / "server.log").read_text(errors="replace")

    def kill(self):
        """As a crash: no time to put anything away."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
