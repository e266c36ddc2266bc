"""Parts for the log tests: the supervisor's end of the hand-over in small, a driver that speaks Forward as
Docker's does, an ingest that keeps what it gets, and the log part of zaned as a program of its own."""
import base64
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
    """Compiles tests/lib/logs_daemon.c with the sources of the tree."""
    msgpack_c = "msgpack-c" if subprocess.run(["pkg-config", "--exists", "msgpack-c"], check=False).returncode == 0 \
        else "msgpack"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmicrohttpd", "jansson", "libsodium", msgpack_c],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    sources = [ROOT / "tests/lib/logs_daemon.c"]
    for folder in ("base", "zaned/http", "zaned/logs"):
        sources += sorted((ROOT / folder).glob("*.c"))
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-I", str(ROOT), *map(str, sources), *flags,
                    "-lz", "-pthread", "-o", str(out)], check=True)
    return out


class HandOver:
    """fluent.sock and handoff.sock as docs/internals.md says, fluentd preferred."""

    def __init__(self, folder, listener=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.listener = listener or self._listen("fluent.sock", socket.SOCK_STREAM, 4096)
        self.server = self._listen("handoff.sock", socket.SOCK_SEQPACKET, 16)
        self.peers, self.owner, self.history, self.given_back = {}, None, [], []
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
            sel = selectors.DefaultSelector()
            sel.register(self.server, selectors.EVENT_READ)
            for conn in self.peers:
                sel.register(conn, selectors.EVENT_READ)
            for key, _ in sel.select(0.05):
                if key.fileobj is self.server:
                    self._accept()
                else:
                    self._read(key.fileobj)
            sel.close()
            self._decide()

    def _accept(self):
        conn, _ = self.server.accept()
        conn.setblocking(False)
        self.peers[conn] = {"name": None, "ready": None, "heard": time.monotonic(), "why": None}

    def _read(self, conn):
        peer = self.peers[conn]
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
        message = json.loads(data)
        peer["heard"] = time.monotonic()
        if "name" in message:
            peer["name"] = message["name"]
            self.given_back += [os.fstat(fd).st_ino for fd in fds]
            for fd in fds:
                os.close(fd)
            socket.send_fds(conn, [b'{"cmd":"fd"}'], [self.listener.fileno()])
            conn.send(b'{"cmd":"hold"}')
        elif message.get("state") == "ready":
            peer["ready"] = peer["ready"] or time.monotonic()
        else:
            peer["ready"], peer["why"] = None, message.get("why")

    def _decide(self):
        now = time.monotonic()
        fit = {p["name"]: (c, p) for c, p in self.peers.items() if p["ready"] and now - p["heard"] < SILENT_S}
        wanted = None
        for name in ("fluentd", "embedded"):
            settled = name in fit and (self.owner in (name, None) or self.owner not in fit or
                                       now - fit[name][1]["ready"] >= BACK_S)
            if settled:
                wanted = name
                break
        if wanted is None and self.owner in fit:
            wanted = self.owner
        conn = fit[wanted][0] if wanted else None
        for c, p in self.peers.items():
            command = "accept" if c is conn else "hold"
            if p["name"] and p.get("told") != command:
                p["told"] = command
                try:
                    c.send(json.dumps({"cmd": command}).encode())
                except OSError:
                    pass
        if wanted != self.owner:
            self.owner = wanted
            self.history.append((now, wanted))

    def why(self, name):
        return [p["why"] for p in self.peers.values() if p["name"] == name]

    def stop(self, keep_listener=False):
        self.stopping.set()
        self.thread.join()
        for conn in self.peers:
            conn.close()
        self.server.close()
        if not keep_listener:
            self.listener.close()


class Driver:
    """One container's log connection: a message a line, the next after the acknowledgement; sends again
    over a new connection when the old one breaks, as Docker's driver does."""

    def __init__(self, path, container="c" * 64, service="srv_dkr_Test", deployment="dpl_dkr_Test"):
        self.path, self.container, self.sock = str(path), container, None
        self.tag = json.dumps({"service_id": service, "deployment_id": deployment})
        self.longest, self.reconnects = 0.0, 0
        self.unpacker = None

    def _connect(self, end):
        while True:
            try:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.connect(self.path)
                self.sock.settimeout(max(0.1, end - time.monotonic()))
                self.unpacker = msgpack.Unpacker(raw=False)
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

    def line(self, text, ns=None, deadline=60, **more):
        ns = ns or time.time_ns()
        stamp = msgpack.ExtType(0, struct.pack(">II", ns // 10**9, ns % 10**9))
        chunk = base64.b64encode(os.urandom(12)).decode()
        record = {"container_id": self.container, "container_name": "/t", "source": "stdout", "log": text, **more}
        message = msgpack.packb([self.tag, stamp, record, {"chunk": chunk}], use_bin_type=False)
        began, end = time.monotonic(), time.monotonic() + deadline
        while True:
            try:
                if not self.sock:
                    self._connect(end)
                self.sock.sendall(message)
                if self._acknowledged() == chunk:
                    self.longest = max(self.longest, time.monotonic() - began)
                    return
            except OSError:
                if time.monotonic() > end:
                    raise
            self.reconnects += 1
            self.close()
            time.sleep(0.2)

    def _acknowledged(self):
        while True:
            data = self.sock.recv(4096)
            if not data:
                return None
            self.unpacker.feed(data)
            for answer in self.unpacker:
                return answer["ack"]


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


def collector(daemon, folder, state, api_port, spool_max=None):
    argv = [daemon, "collector", folder / "handoff.sock", state, f"http://127.0.0.1:{api_port}", TOKEN]
    return Program(argv + ([spool_max] if spool_max else []), pathlib.Path(state).with_suffix(".log"))


def stats(program):
    """The collector's counters, as it prints them on SIGUSR1."""
    program.process.send_signal(signal.SIGUSR1)
    return json.loads(program.process.stdout.readline())


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
