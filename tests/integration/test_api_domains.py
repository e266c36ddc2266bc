"""What is said of a service's domains: the DNS is one of our own, which can be silent; the certificate a real one."""
import datetime
import os
import secrets
import socket
import ssl
import subprocess
import threading
import time

import pytest
from daemon import APP_DOMAIN, Daemon

DNS = f"127.{10 + secrets.randbelow(200)}.{secrets.randbelow(250)}.53"  # two runs at once have one each
HERE, ELSEWHERE = "192.0.2.10", "192.0.2.99"
NAMES = {APP_DOMAIN: HERE, "here.test": HERE, "elsewhere.test": ELSEWHERE, "zane-dns-check.stars.test": HERE}


class Dns:
    """Knows NAMES (A), says NXDOMAIN to other names, nothing at all to those that begin with `silent`."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((DNS, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(512)
            except OSError:
                return
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            name, kind, question = ".".join(labels).lower(), query[at + 1:at + 3], query[12:at + 5]
            address = NAMES.get(name)
            if name.startswith("silent"):
                continue
            known = address and kind == b"\0\x01"
            head = query[:2] + (b"\x81\x80" if address else b"\x81\x83") + b"\0\1" + (b"\0\1" if known else b"\0\0") + b"\0\0\0\0"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4" + socket.inet_aton(address) if known else b""
            self.socket.sendto(head + question + answer, peer)

    def close(self):
        self.socket.close()


class Proxy:
    """Ends TLS with a certificate of its own making; names() it was asked for."""

    def __init__(self, root):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "30", "-subj", "/O=Zane/CN=An Authority", "-keyout", root / "key", "-out", root / "cert"],
                       check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(root / "cert", root / "key")
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.names = []
        self.address = str(root / "tls.sock")
        self.up()

    def up(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address)
        self.listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def down(self):
        os.unlink(self.address)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.context.wrap_socket(conn, server_side=True).close()
            except OSError:
                conn.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    root = tmp_path_factory.mktemp("dns")
    (root / "resolv.conf").write_text(f"nameserver {DNS}\noptions timeout:20 attempts:1\n")
    (root / "nsswitch.conf").write_text("hosts: dns\n")
    (root / "hosts").write_text("")
    binds = "".join(f"touch /etc/{n}; mount --bind {root}/{n} $(readlink -f /etc/{n}) && " for n in ("resolv.conf", "nsswitch.conf", "hosts"))
    dns, d = Dns(), Daemon()
    d.proxy, d.before = Proxy(root), ["unshare", "-m", "sh", "-c", f'{binds}exec "$@"', "-"]
    d.start(ZN_CADDY_TLS=d.proxy.address)
    d.admin = d.first_admin()
    yield d
    assert d.stop() == 0
    dns.close()
    d.proxy.down()


HOME = "/api/projects/default/production"


@pytest.fixture
def ask(own):
    """The states by domain, of a service that has these domains waiting."""
    count = 0

    def states(*domains):
        nonlocal count
        count += 1
        slug = f"web-{count}-{time.monotonic_ns()}"
        assert own.admin.post(f"{HOME}/create-service/docker/", {"slug": slug, "image": "nginx"}).status == 201
        for name in domains:
            a = own.admin.put(f"{HOME}/request-service-changes/{slug}/", {
                "field": "urls", "type": "ADD", "new_value": {"domain": name, "base_path": f"/{slug}", "associated_port": 80}})
            assert a.status == 200, a
        a = own.admin.get(f"{HOME}/service-details/{slug}/domain-states/")
        assert a.status == 200, a
        assert a.json()["server"] == {"domain": APP_DOMAIN, "addresses": [HERE]}
        return {s["domain"]: s for s in a.json()["domains"]}

    yield states


def test_where_names_lead(ask):
    seen = ask("here.test", "elsewhere.test", "missing.test", "*.stars.test", "app.localhost")
    assert {n: (s["dns"]["state"], s["dns"]["addresses"]) for n, s in seen.items()} == {
        "here.test": ("here", [HERE]), "elsewhere.test": ("elsewhere", [ELSEWHERE]), "missing.test": ("missing", []),
        "*.stars.test": ("here", [HERE]), "app.localhost": ("local", [])}


def test_which_certificate_is_served(own, ask):
    own.proxy.names.clear()
    seen = ask("here.test", "elsewhere.test", "*.stars.test", "app.localhost")
    tls = seen["here.test"]["tls"]
    assert tls["state"] == "untrusted" and tls["issuer"] == "An Authority" and tls["reason"], tls
    until = datetime.datetime.fromisoformat(tls["expires_at"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert 28 < until.days < 31
    assert seen["app.localhost"]["tls"]["state"] == "untrusted"
    # No name makes the proxy ask for a certificate that nobody would give.
    assert seen["elsewhere.test"]["tls"]["state"] == seen["*.stars.test"]["tls"]["state"] == "unchecked"
    assert set(own.proxy.names) == {"here.test", "app.localhost"}


def test_a_dns_that_says_nothing_holds_up_nobody_for_long(ask):
    began = time.monotonic()
    seen = ask("silent.test", "silent-too.test", "here.test")
    assert time.monotonic() - began < 15  # its own patience is 20 s for each
    assert {n: s["dns"]["state"] for n, s in seen.items()} == {"silent.test": "unknown", "silent-too.test": "unknown", "here.test": "here"}


def test_a_proxy_that_does_not_answer(own, ask):
    own.proxy.down()
    try:
        tls = ask("here.test")["here.test"]["tls"]
    finally:
        own.proxy.up()
    assert tls["state"] == "none" and "connect" in tls["reason"].lower(), tls


def test_only_who_sees_the_service(own):
    assert own.client().get(f"{HOME}/service-details/web/domain-states/").status == 401
    assert own.admin.get(f"{HOME}/service-details/nothing/domain-states/").status == 404
