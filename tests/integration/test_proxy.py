"""The rendered configuration in the real Caddy: routes, upstream files, pages, probes."""
import contextlib
import functools
import http.client
import http.server
import io
import json
import os
import socket
import socketserver
import subprocess
import tarfile
import threading
import time

import image_box
import pytest
from private_engine import unix_request, wait_until

SERVICE = "srv_dkr_AbC"


@pytest.fixture(scope="module")
def caddy_binary(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("caddy-image")
    image_box.build(root, out, "caddy")
    with tarfile.open(out / "caddy.tar") as archive:
        for member in archive.getmembers():
            if member.isfile() and member.size > 10_000_000:
                layer = tarfile.open(fileobj=io.BytesIO(archive.extractfile(member).read()))
                target = out / "caddy"
                target.write_bytes(layer.extractfile(layer.getmember(next(
                    m.name for m in layer.getmembers() if m.name.strip("./") == "caddy"))).read())
                target.chmod(0o755)
                return target
    raise AssertionError("no caddy in its image")


def serve(name, where):
    """A server that answers with its name: where is a port's number or a socket's path."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"{name} {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

        def address_string(self):
            return ""
    if isinstance(where, int):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", where), Handler)
    else:
        server = socketserver.ThreadingUnixStreamServer(str(where), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Proxy:
    def __init__(self, root, folder, caddy):
        self.folder = folder
        self.edge = folder / "edge"
        self.edge.mkdir()
        self.blue, self.green = serve("blue", 0), serve("green", 0)
        self.api, self.status = serve("api", 0), serve("status", folder / "status.sock")
        subprocess.run(["make", "-s", "build/probe/proxy/proxy_render"], cwd=root, check=True,
                       stdout=subprocess.DEVNULL)
        self.render_program = root / "build/probe/proxy/proxy_render"
        config = folder / "caddy.json"
        config.write_text(self.render([]))
        self.log = open(folder / "caddy.log", "wb")
        env = {**os.environ, "ZN_LISTEN": "127.0.0.1", "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"),
               "XDG_CONFIG_HOME": str(folder / "config")}
        self.process = subprocess.Popen([caddy, "run", "--config", config], env=env, stdout=self.log,
                                        stderr=self.log)
        wait_until(lambda: unix_request(self.folder / "admin.sock", "GET", "/config/")[0] == 200, 20, "caddy")

    def render(self, services):
        given = {"app_domain": "app.zane.localhost", "root_domain": "zane.localhost", "edge_dir": str(self.edge),
                 "api": f"127.0.0.1:{self.api.server_address[1]}", "services": services}
        text = subprocess.run([self.render_program], input=json.dumps(given), stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        return (text.replace("/run/caddy/", f"{self.folder}/").replace("/run/zane-status/", f"{self.folder}/")
                .replace("}:8080", "}:18080").replace("}:8443", "}:18443"))

    def load(self, services):
        status, _, body = unix_request(self.folder / "admin.sock", "POST", "/load", self.render(services).encode(),
                                       {"Content-Type": "application/json"})
        assert status == 200, body
        wait_until(lambda: self.get("app.zane.localhost", "/api/ping/")[0], 20, "the loaded configuration")

    def point(self, server):
        new = self.edge / "abc.80.new"
        new.write_text(f"127.0.0.1:{server.server_address[1]}")
        new.rename(self.edge / "abc.80")

    def get(self, host, path="/", socket="edge.sock", **headers):
        ask = functools.partial(unix_request, self.folder / socket, "GET", path, headers={"Host": host, **headers})
        try:
            status, head, body = ask()
        except http.client.RemoteDisconnected:  # taken by the servers from before a load: browsers ask again, too
            status, head, body = ask()
        return status, {k.lower(): v for k, v in head.items()}, body.decode(errors="replace")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        for server in (self.blue, self.green, self.api, self.status):
            server.shutdown()


@pytest.fixture(scope="module")
def proxy(root, tmp_path_factory, caddy_binary):
    p = Proxy(root, tmp_path_factory.mktemp("proxy"), caddy_binary)
    yield p
    p.stop()


def service(*urls):
    return {"service_id": SERVICE, "hash": "dpl_dkr_X", "slot": "BLUE", "host": "h", "urls": list(urls)}


def url(domain, path="/", **more):
    return {"domain": domain, "base_path": path, "strip_prefix": True, "associated_port": 80, **more}


def test_switch_is_a_rename_and_needs_no_load(proxy):
    (proxy.edge / "abc.hash").write_text("dpl_dkr_X")
    (proxy.edge / "abc.slot").write_text("blue")
    proxy.point(proxy.blue)
    proxy.load([service(url("a.example"), url("*.wild.example"), url("p.example", "/api/"))])
    assert proxy.get("a.example")[2] == "blue /"
    assert proxy.get("a.example")[1]["x-zane-dpl-hash"] == "dpl_dkr_X"
    proxy.point(proxy.green)
    assert proxy.get("a.example")[2] == "green /"
    assert proxy.get("x.wild.example")[2] == "green /"


def test_base_path_is_stripped_and_bounded(proxy):
    assert proxy.get("p.example", "/api/users?x=1")[2] == "green /users?x=1"
    assert proxy.get("p.example", "/apiary")[0] == 404


def test_own_addresses(proxy):
    for host in ("app.zane.localhost", "127.0.0.1", "127.0.0.1:18080", "localhost"):
        assert proxy.get(host)[2] == "api /"
        assert proxy.get(host, "/project/shop")[2] == "api /project/shop"
        assert proxy.get(host, "/api/ping/")[2] == "api /api/ping/"
        assert proxy.get(host, "/status/events")[2] == "status /status/events"
        assert proxy.get(host, "/status.json")[2] == "status /status.json"
        assert proxy.get(host, "/readyz")[2] == "status /readyz"
    status, head, body = proxy.get("nobody.example")
    assert status == 404 and "No app answers" in body and head["x-zane-error"] == "no-route"


def test_files_of_the_dashboard(proxy):
    own = "app.zane.localhost"
    folder = proxy.edge / "web/assets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index-1.js").write_text("export {};")
    (folder / "index-1.js.br").write_bytes(b"small")
    status, head, body = proxy.get(own, "/assets/index-1.js")
    assert (status, body) == (200, "export {};") and "immutable" in head["cache-control"]
    assert head["content-type"].startswith("text/javascript") and head["x-content-type-options"] == "nosniff"
    _, head, body = proxy.get(own, "/assets/index-1.js", **{"Accept-Encoding": "gzip, br"})
    assert (head["content-encoding"], body) == ("br", "small")
    assert proxy.get(own, "/assets/index-2.js")[2] == "api /assets/index-2.js"  # not there (yet): the API's
    assert proxy.get(own, "/assets/")[2] == "api /assets/"
    assert proxy.get(own, "/assets/../../abc.80")[2] != (proxy.edge / "abc.80").read_text()
    assert "immutable" not in proxy.get(own, "/assets/index-2.js")[1].get("cache-control", "")


def test_without_the_api_the_status_page_shows(proxy):
    proxy.api.shutdown()
    proxy.api.server_close()
    try:
        assert proxy.get("app.zane.localhost", "/login")[2] == "status /login"
    finally:
        proxy.api = serve("api", proxy.api.server_address[1])
    assert proxy.get("app.zane.localhost", "/login")[2] == "api /login"


@pytest.mark.parametrize("backlog, within", [(0, 15), (16, 25)], ids=["connects-to-nobody", "frozen"])
def test_nobody_waits_for_an_api_that_says_nothing(proxy, backlog, within):
    """A listener whose queue is full lets nobody in, as a name that does not resolve; another one lets in and is silent."""
    port = proxy.api.server_address[1]
    proxy.api.shutdown()
    proxy.api.server_close()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", port))
        silent.listen(backlog)
        with contextlib.ExitStack() as queue:
            for _ in range(2 if backlog == 0 else 0):
                caller = queue.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(("127.0.0.1", port))
            start = time.monotonic()
            shown = proxy.get("app.zane.localhost", "/login")[2]
            took = time.monotonic() - start
    proxy.api = serve("api", port)  # the other tests'
    assert shown == "status /login" and took < within, (shown, took)


def test_dead_upstream_gets_a_page(proxy):
    (proxy.edge / "abc.80").write_text("127.0.0.1:1")
    status, head, body = proxy.get("a.example")
    assert status == 502 and "not answering" in body and head["x-zane-error"] == "upstream"
    (proxy.edge / "abc.80").unlink()
    assert proxy.get("a.example")[0] >= 500
    proxy.point(proxy.blue)


def test_probe_says_what_the_dialling_said(proxy):
    good = f"127.0.0.1:{proxy.blue.server_address[1]}"
    assert proxy.get("x", "/health", "probe.sock", **{"Zane-Dial": good})[2] == "blue /health"
    status, head, _ = proxy.get("x", "/", "probe.sock", **{"Zane-Dial": "127.0.0.1:1"})
    assert status == 502 and "refused" in head["zane-probe-error"]


def test_redirect(proxy):
    proxy.load([service(url("r.example", redirect_to={"url": "https://to.example", "permanent": True}))])
    status, head, _ = proxy.get("r.example", "/deep?q=1")
    assert status == 308 and head["location"] == "https://to.example/deep?q=1"
