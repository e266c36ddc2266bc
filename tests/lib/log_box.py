"""Parts for the log tests: the supervisor's end of the hand-over in small, a driver that speaks Forward as
Docker's does, an ingest that keeps what it gets, and the log part of zaned as a program of its own."""
import collections
import http.server
import json
import os
import pathlib
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import msgpack

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOKEN = "test-ingest-token"
SILENT_S, BACK_S = 1.5, 3.0


def build_daemon(out):
    """Compiles tests/lib/logs_daemon.c with the sources of the tree; --wrap for its faults."""
    msgpack_c = "msgpack-c" if subprocess.run(["pkg-config", "--exists", "msgpack-c"], check=False).returncode == 0 \
        else "msgpack"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmicrohttpd", "jansson", "libsodium", msgpack_c],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    sources = [ROOT / "tests/lib/logs_daemon.c"]
    for folder in ("base", "zaned/http", "zaned/logs"):
        sources += sorted((ROOT / folder).glob("*.c"))
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-I", str(ROOT), *map(str, sources), *flags,
                    "-Wl,--wrap=recv,--wrap=flock,--wrap=pwrite", "-lz", "-pthread", "-o", str(out)], check=True)
    return out


def cookie_of(sock):
    """The number of a connection, the same for every holder of it."""
    return struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, 57, 8))[0]  # SO_COOKIE


class HandOver:
    """fluent.sock and handoff.sock as docs/internals.md says, fluentd preferred. `wanted` overrules that."""

    def __init__(self, folder, listener=None, wanted=None, asleep=False):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.listener = listener or self._listen("fluent.sock", socket.SOCK_STREAM, 4096)
        self.server = self._listen("handoff.sock", socket.SOCK_SEQPACKET, 16)
        reader = self.folder / "reader"
        reader.touch()
        reader.chmod(0o666)
        self.peers, self.owner, self.history, self.given_back = {}, None, [], []
        self.conns = {}  # log connections by cookie
        self.wanted, self.awake, self.sleeping = wanted, threading.Event(), threading.Event()
        if not asleep:
            self.awake.set()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _listen(self, name, kind, backlog):
        path = self.folder / name
        path.unlink(missing_ok=True)
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(str(path))
        os.chmod(path, 0o666)
        s.listen(backlog)
        s.setblocking(False)
        return s

    def _run(self):
        while not self.stopping.is_set():
            if not self.awake.is_set():
                self.sleeping.set()
                self.awake.wait(0.1)
                continue
            self.sleeping.clear()
            sel = selectors.DefaultSelector()
            sel.register(self.server, selectors.EVENT_READ)
            for conn in self.peers:
                sel.register(conn, selectors.EVENT_READ)
            behind = any(p["out"] for p in self.peers.values())
            for key, _ in sel.select(0.005 if behind else 0.05):
                if key.fileobj is self.server:
                    self._accept()
                else:
                    self._read(key.fileobj)
            sel.close()
            self._decide()
            for conn in self.peers:
                self._send(conn)

    def _accept(self):
        conn, _ = self.server.accept()
        conn.setblocking(False)
        self.peers[conn] = {"name": None, "ready": None, "heard": time.monotonic(), "why": None, "state": None,
                            "out": collections.deque()}

    def _send(self, conn):
        """What is due to a collector, as far as its queue takes it."""
        out = self.peers[conn]["out"]
        while out:
            text, sock = out[0]
            try:
                if sock is None:
                    conn.send(text)
                elif sock.fileno() >= 0:  # else it ended meanwhile
                    socket.send_fds(conn, [text], [sock.fileno()])
            except BlockingIOError:
                return
            except OSError:
                out.clear()  # its end is read soon
                return
            out.popleft()

    def _read(self, conn):
        peer = self.peers[conn]
        for _ in range(64):
            try:
                data, fds, _, _ = socket.recv_fds(conn, 2048, 4)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                del self.peers[conn]
                conn.close()
                return
            self._message(conn, peer, json.loads(data), fds)

    def _message(self, conn, peer, message, fds):
        now, silent = time.monotonic(), time.monotonic() - peer["heard"] >= SILENT_S
        peer["heard"] = now
        if "name" in message:
            peer["name"] = message["name"]
            self.given_back += [os.fstat(fd).st_ino for fd in fds]
            if not fds:
                peer["out"].append((b'{"cmd":"fd"}', self.listener))
        elif "conn" in message:
            self._keep(conn, socket.socket(fileno=fds.pop()))
        elif "end" in message:
            if peer.get("told") == "accept" and message["end"] in self.conns:
                self.conns.pop(message["end"]).close()
        else:
            peer["state"] = message["state"]
            since = now if silent or not peer["ready"] else peer["ready"]
            peer["ready"] = since if message["state"] == "ready" else None
            peer["why"] = message.get("why")
        for fd in fds:
            os.close(fd)

    def _keep(self, conn, sock):
        cookie = cookie_of(sock)
        if cookie in self.conns:
            sock.close()
            return
        self.conns[cookie] = sock
        for other, peer in self.peers.items():  # from one that holds already
            if other is not conn and peer.get("told") == "accept":
                peer["out"].append((b'{"cmd":"conn"}', sock))

    def _choose(self, now):
        fit = {p["name"]: (c, p) for c, p in self.peers.items() if p["ready"] and now - p["heard"] < SILENT_S}
        if self.wanted:
            return (self.wanted, fit[self.wanted][0]) if self.wanted in fit else (None, None)
        for name in ("fluentd", "embedded"):
            if name in fit and (self.owner in (name, None) or self.owner not in fit or
                                now - fit[name][1]["ready"] >= BACK_S):
                return name, fit[name][0]
        return (self.owner, fit[self.owner][0]) if self.owner in fit else (None, None)

    def _decide(self):
        now = time.monotonic()
        name, conn = self._choose(now)
        for c, p in sorted(self.peers.items(), key=lambda item: item[0] is conn):  # hold before accept
            command = "accept" if c is conn else "hold"
            if not p["state"] or p.get("told") == command:
                continue
            p["told"] = command
            p["out"].append((json.dumps({"cmd": command}).encode(), None))
            if command == "accept":
                p["out"] += [(b'{"cmd":"conn"}', sock) for sock in self.conns.values()]
        if name != self.owner:
            self.owner = name
            self.history.append((now, name))

    def sleep(self):
        """Does nothing until wake(), as a process that hangs."""
        self.awake.clear()
        assert self.sleeping.wait(5)

    def wake(self):
        self.awake.set()

    def why(self, name):
        return [p["why"] for p in self.peers.values() if p["name"] == name]

    def stop(self, keep_listener=False):
        self.stopping.set()
        self.thread.join()
        for conn in [*self.peers, *self.conns.values(), self.server]:
            conn.close()
        if not keep_listener:
            self.listener.close()


class Driver:
    """One container's log connection: a message a line, no acknowledgement; when writing fails it connects
    anew and sends the same message again, as Docker's driver does."""

    def __init__(self, path, container="c" * 64, service="srv_dkr_Test", deployment="dpl_dkr_Test"):
        self.path, self.container, self.sock = str(path), container, None
        self.tag = json.dumps({"service_id": service, "deployment_id": deployment})
        self.longest, self.reconnects = 0.0, 0

    def _until(self, end):
        """A deadline of the kernel's: with one of Python's a write waits until three quarters of the queue are free."""
        left = max(0.1, end - time.monotonic())
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(left), int(left % 1 * 10**6)))

    def _connect(self, end):
        while True:
            try:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._until(end)
                self.sock.connect(self.path)
                return
            except OSError:
                self.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def message(self, text, ns=None, option=None, **more):
        ns = ns or time.time_ns()
        stamp = msgpack.ExtType(0, struct.pack(">II", ns // 10**9, ns % 10**9))
        record = {"container_id": self.container, "container_name": "/t", "source": "stdout", "log": text, **more}
        return msgpack.packb([self.tag, stamp, record, option or {}], use_bin_type=False)

    def line(self, text, ns=None, deadline=60, **more):
        self.write(self.message(text, ns, **more), deadline)

    def write(self, message, deadline=60):
        began, end = time.monotonic(), time.monotonic() + deadline
        while True:
            try:
                if not self.sock:
                    self._connect(end)
                self._until(end)
                self.sock.sendall(message)
                self.longest = max(self.longest, time.monotonic() - began)
                return
            except OSError:
                if time.monotonic() > end:
                    raise
            self.reconnects += 1
            self.close()
            time.sleep(0.2)


class Ingest:
    """Keeps every line; can be told to answer otherwise: status, or None to hang up."""

    def __init__(self, port=0):
        self.lines, self.batches, self.answers, self.seen_auth = [], 0, [], set()
        self.sizes = []
        box = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                box.seen_auth.add(self.headers["Authorization"])
                status = box.answers.pop(0) if box.answers else 200
                if status is None:
                    self.close_connection = True
                    return
                if status in (200, "take and die"):
                    box.sizes.append(len(body))
                    box.lines += json.loads(body)
                    box.batches += 1
                if status == "take and die":
                    self.close_connection = True
                    return
                answer = b'{"simple_logs_inserted":0,"http_logs_inserted":0}'
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def numbers(self, prefix="line "):
        """Numbers of the distinct lines; identity decides what is distinct."""
        distinct = {(r["container_id"], r["source"], r["time"], r.get("partial_ordinal"), r["log"]) for r in self.lines}
        return sorted(int(log.split()[1]) for *_, log in distinct if log.startswith(prefix))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Program:
    """A process of ours with its log in a file."""

    def __init__(self, argv, log, prefix=()):
        self.argv, self.log = [*prefix, *map(str, argv)], pathlib.Path(log)
        self.process = None

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=out, start_new_session=True)
        return self

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        """Back only when it really stands still."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        while any("\nState:\tT" not in (t / "status").read_text() for t in tasks.iterdir()):
            time.sleep(0.001)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self, timeout=20):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode if self.process else None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def collector(daemon, folder, state, api_port, spool_max=None, name="embedded"):
    """Its next fault is what the file STATE.fault says, see logs_daemon.c."""
    argv = ["env", f"ZN_FAULT={state}.fault", daemon, "collector", folder / "handoff.sock", state,
            f"http://127.0.0.1:{api_port}", TOKEN, spool_max or 0, name]
    return Program(argv, pathlib.Path(state).with_suffix(".log"))


def stats(program):
    """The collector's counters, as it prints them on SIGUSR1 once its threads run; earlier it would die of it."""
    while len(os.listdir(f"/proc/{program.process.pid}/task")) < 4:
        assert program.process.poll() is None, program.text()
        time.sleep(0.001)
    program.process.send_signal(signal.SIGUSR1)
    return json.loads(program.process.stdout.readline())


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
