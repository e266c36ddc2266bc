"""A Docker engine of the tests' own: own network and mount namespace, data root, socket and pid file.

Never the machine's engine. Unix sockets on the file system are reached from outside; TCP only from
inside, through `inside()`.
"""
import glob
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def wait_until(predicate, deadline, what):
    """Polls until predicate() is truthy and returns it; fails with what it last saw."""
    end = time.monotonic() + deadline
    pause, last = 0.02, None
    while time.monotonic() < end:
        try:
            last = predicate()
            if last:
                return last
        except (OSError, http.client.HTTPException) as e:
            last = e
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    raise AssertionError(f"{what}: not within {deadline} s; last seen: {last!r}")


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def unix_request(path, method, target, body=None, headers=None, timeout=30):
    """One request on a unix socket: (status, headers, bytes)."""
    conn = UnixHTTP(path, timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        conn.request(method, target, body=body, headers=headers or {})
        answer = conn.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        conn.close()


def _processes(text_of, part):
    """Ids of the processes of which text_of(their folder in /proc) holds `part`."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if part in text_of(folder):
                found.append(int(folder.name))
        except OSError:
            pass  # it ended meanwhile, or is a zombie
    return found


def _kill(pids):
    """Sends SIGKILL to each; returns how many there were."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(pids)


class PrivateEngine:
    def __init__(self, root=None):
        self.root = pathlib.Path(root or tempfile.mkdtemp(prefix="zn-engine-"))
        self.socket = self.root / "docker.sock"
        self.process = None

    def _argv(self):
        return ["dockerd", "--data-root", str(self.root / "data"), "--exec-root", str(self.root / "exec"),
                "--pidfile", str(self.root / "docker.pid"), "--host", f"unix://{self.socket}",
                "--userland-proxy=true", "--log-level=warn",
                "--insecure-registry=198.18.0.1/32"]  # a registry of a test's, for the engine and its containers

    def _spawn(self, *argv):
        log = open(self.root / "dockerd.log", "ab")
        self.process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, 60, f"engine in {self.root}")

    def start(self):
        self.root.mkdir(parents=True, exist_ok=True)
        # The namespaces' first process brings loopback up, then becomes the engine. The private
        # /run keeps the engine's network state (/run/docker/netns) out of the machine's.
        script = ('mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && '
                  'echo 1 >/proc/sys/net/ipv4/ip_forward && exec "$@"')
        self._spawn("unshare", "--net", "--mount", "sh", "-c", script, "sh", *self._argv())
        return self

    def restart(self, between=lambda: None):
        """kill -9 of the engine, and another one on the same data, swarm and namespaces. What runs in containers
        outlives the engine; the next one ends it, because live-restore and swarm exclude each other."""
        held = [os.open(f"/proc/{self.process.pid}/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
        try:
            self.process.kill()
            self.process.wait()
            # Its containerd dies with it, a moment later: the next engine must not find the old one's.
            config = str(self.root / "exec/containerd/containerd.toml")
            wait_until(lambda: not _processes(lambda p: (p / "cmdline").read_text(), config), 15, "containerd ended")
            # Where nobody reaps it, it still counts as alive, and the next engine would wait for it.
            (self.root / "exec/containerd/containerd.pid").unlink(missing_ok=True)
            between()
            net, mount = (f"/proc/{os.getpid()}/fd/{fd}" for fd in held)
            self._spawn("nsenter", f"--net={net}", f"--mount={mount}", *self._argv())
        finally:
            for fd in held:
                os.close(fd)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"dockerd ended: {(self.root / 'dockerd.log').read_text()[-2000:]}")
        return self.request("GET", "/_ping")[0] == 200

    def request(self, method, target, body=None, headers=None, timeout=60):
        return unix_request(self.socket, method, target, body, headers, timeout)

    def call(self, method, target, body=None, ok=(200, 201, 204)):
        """Decoded answer of a call that must succeed."""
        status, _, data = self.request(method, "/v1.41" + target, body)
        assert status in ok, f"{method} {target}: {status} {data[:500]!r}"
        return json.loads(data) if data.strip().startswith((b"{", b"[", b'"')) else data

    def load_image(self, archive):
        """Loads an archive and returns what the engine says (a 200 alone proves nothing)."""
        with open(archive, "rb") as f:
            status, _, data = self.request("POST", "/v1.41/images/load", f.read(),
                                           {"Content-Type": "application/x-tar"}, 300)
        assert status == 200 and b'"error"' not in data, data[-500:]
        return data.decode()

    def bare_start(self, image):
        """Seconds that a container without any logs takes to start on this machine just now."""
        made = self.call("POST", "/containers/create", {
            "Image": image, "HostConfig": {"Init": True, "LogConfig": {"Type": "none"}}})["Id"]
        began = time.monotonic()
        self.call("POST", f"/containers/{made}/start")
        took = time.monotonic() - began
        self.call("DELETE", f"/containers/{made}?force=true")
        return took

    def init_swarm(self):
        return self.call("POST", "/swarm/init", {"ListenAddr": "127.0.0.1", "AdvertiseAddr": "127.0.0.1",
                                                 "DataPathAddr": "127.0.0.1"})

    def inside(self, argv, **kw):
        """Runs a program in the engine's network and mount namespaces."""
        return subprocess.run(["nsenter", "-t", str(self.process.pid), "-n", "-m", *argv],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)

    def stop(self):
        """As a power cut: nothing in it is worth an orderly end, which takes a minute."""
        if self.process and self.process.poll() is None:
            # Whoever could start something comes first, then what is left in the containers.
            _kill(self._in_namespace())
            self.process.wait(30)
        wait_until(lambda: not _kill(self._in_containers()), 30, f"end of the containers in {self.root}")
        for mount in sorted(self._mounts(), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        for container in self._containers():
            for folder in glob.glob(f"/sys/fs/cgroup/**/docker/{container}", recursive=True):
                pathlib.Path(folder).rmdir()
        shutil.rmtree(self.root, ignore_errors=True)

    def _containers(self):
        folder = self.root / "data/containers"
        return os.listdir(folder) if folder.is_dir() else []

    def _in_namespace(self):
        """The engine, its containerd and shims, and what tests started beside them."""
        return _processes(lambda p: os.readlink(p / "ns/mnt"), os.readlink(f"/proc/{self.process.pid}/ns/mnt"))

    def _in_containers(self):
        for state in glob.glob("/sys/fs/cgroup/freezer/docker/*/freezer.state"):
            if pathlib.Path(state).parent.name in self._containers():
                pathlib.Path(state).write_text("THAWED")  # a paused one takes no signal
        return [pid for c in self._containers() for pid in _processes(lambda p: (p / "cgroup").read_text(), c)]

    def _mounts(self):
        lines = pathlib.Path("/proc/mounts").read_text().splitlines()
        return [m for m in (line.split()[1] for line in lines) if m.startswith(str(self.root) + "/")]
