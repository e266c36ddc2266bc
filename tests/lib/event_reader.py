"""A client of the API's server-sent events."""
import json
import re
import socket

from daemon import APP_DOMAIN
from private_engine import wait_until


class Reader:
    """One stream, /api/system/events/ where nothing else is said."""

    def __init__(self, daemon, cookie, last=None, target="/api/system/events/", receive=None):
        self.s = socket.socket()
        if receive:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.s.connect(("127.0.0.1", daemon.port))
        self.s.settimeout(0.01)
        more = f"Last-Event-ID: {last}\r\n" if last else ""
        self.s.sendall(f"GET {target} HTTP/1.1\r\nHost: {APP_DOMAIN}\r\nCookie: {cookie}\r\n{more}\r\n".encode())
        self.head, self.chunks, self.body, self.open = b"", b"", b"", True
        self.seen = []  # (id, name, data)

    def pump(self):
        """Takes in all that has come; the stream may be over, or the connection."""
        got, wait = b"", 0
        try:
            while part := self.s.recv(1 << 20, wait):
                got, wait = got + part, socket.MSG_DONTWAIT
            self.open = False
        except (TimeoutError, BlockingIOError):
            pass
        except OSError:
            self.open = False
        if got and b"\r\n\r\n" not in self.head:
            self.head, end, got = (self.head + got).partition(b"\r\n\r\n")
            self.head += end
        self.chunks += got
        while (at := self.chunks.find(b"\r\n")) > 0 and len(self.chunks) >= at + 4 + (n := int(self.chunks[:at], 16)):
            self.body += self.chunks[at + 2:at + 2 + n]
            self.chunks = self.chunks[at + 4 + n:]
            self.open = self.open and n > 0
        whole, end, self.body = self.body.rpartition(b"\n\n")
        self.seen += re.findall(r"(?:id: (\S+)\n)?event: (\w+)\ndata: (.*)\n\n", (whole + end).decode())

    def status(self):
        wait_until(lambda: self.pump() or self.head, 10, "an answer")
        return int(self.head.split(b" ")[1])

    def events(self):
        return self.seen

    def wait(self, name, deadline=10, where=lambda data: True):
        """The first event of that name (and content)."""
        def look():
            self.pump()
            return next((e for e in self.seen if e[1] == name and where(json.loads(e[2]))), None)
        return wait_until(look, deadline, f"event {name}, there are only {str(self.seen[-3:])[:300]}")

    def close(self):
        self.s.close()
