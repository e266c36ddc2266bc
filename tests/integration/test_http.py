"""The daemon's HTTP: refusals in the envelope, limits, sessions, CSRF, and every route's door."""
import contextlib
import http.client
import json
import re
import socket
import subprocess

import pytest


def envelope(answer, status, code, kind="client_error"):
    assert answer.status == status, answer
    doc = answer.json()
    assert doc["type"] == kind and doc["errors"][0]["code"] == code and doc["errors"][0]["detail"], doc
    assert answer.headers["X-Request-Id"]
    return doc


@pytest.fixture
def anonymous(daemon):
    return daemon.client()


def test_unknown_route_and_method(anonymous):
    envelope(anonymous.get("/api/nothing/here/"), 404, "not_found")
    envelope(anonymous.get("/"), 404, "not_found")
    answer = anonymous.delete("/api/csrf/")
    envelope(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"


def test_trailing_slash_is_optional(anonymous):
    assert anonymous.get("/api/ping").json() == anonymous.get("/api/ping/").json() == {"ping": "pong"}


@pytest.mark.parametrize("raw, kind, status, code", [
    (b"{", "application/json", 400, "parse_error"),
    (b'{"a":1,"a":2}', "application/json", 400, "parse_error"),
    (b"[1,2]", "application/json", 400, "invalid"),
    (b'{"username":"\xff"}', "application/json", 400, "parse_error"),
    (b"[" * 3000, "application/json", 400, "parse_error"),
    (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    (b"{}", "text/plain", 415, "unsupported_media_type"),
])
def test_bad_bodies(anonymous, raw, kind, status, code):
    answer = anonymous.call("POST", "/api/auth/login/", raw=raw, headers={"Content-Type": kind})
    assert answer.status == status and answer.json()["errors"][0]["code"] == code, answer


def test_all_field_errors_at_once(anonymous):
    answer = anonymous.post("/api/auth/login/", {"username": 5})
    assert answer.errors() == [("username", "invalid"), ("password", "required")]
    assert answer.json()["type"] == "validation_error"


def test_body_of_more_than_1_mib(anonymous):
    answer = anonymous.call("POST", "/api/auth/login/", raw=b" " * ((1 << 20) + 1),
                            headers={"Content-Type": "application/json"})
    envelope(answer, 413, "payload_too_large")


@pytest.mark.parametrize("target", ["/api/%zz/", "/api/%00/", "/api/ping/?a=%", "/api/%ff%fe/"])
def test_broken_escapes(daemon, target):
    c = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
    c.putrequest("GET", target)
    c.endheaders()
    answer = c.getresponse()
    assert answer.status == 400 and json.loads(answer.read())["errors"][0]["code"] == "bad_request"


def test_nonsense_on_the_wire_does_not_end_it(daemon, anonymous):
    for junk in (b"\x00" * 5000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /api/csrf/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                 b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=5) as s:
            # The daemon may answer and close before all of it is sent.
            with contextlib.suppress(OSError):
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
    assert anonymous.get("/api/ping/").status == 200


def test_wrong_password_and_wrong_name_say_the_same(admin, anonymous):
    a = anonymous.post("/api/auth/login/", {"username": "admin", "password": "wrong-password-1"})
    b = anonymous.post("/api/auth/login/", {"username": "nobody", "password": "wrong-password-1"})
    assert a.status == b.status == 401 and a.body == b.body
    envelope(a, 401, "authentication_failed")


def test_session_csrf_and_logout(admin, daemon):
    from daemon import PASSWORD
    c = daemon.client()
    answer = c.post("/api/auth/login/", {"username": "admin", "password": PASSWORD})
    assert answer.status == 201, answer
    cookies = answer.headers.get_all("Set-Cookie")
    assert any(x.startswith("sessionid=") and "HttpOnly" in x and "SameSite=Lax" in x for x in cookies)
    me = c.get("/api/auth/me/").json()
    assert me["user"]["username"] == "admin" and me["membership"]["role"] == 50
    no_token = c.call("DELETE", "/api/auth/logout/", headers={"X-CSRFToken": "x" * 32})
    envelope(no_token, 403, "permission_denied")
    foreign = c.call("DELETE", "/api/auth/logout/", headers={"Origin": "http://evil.example"})
    envelope(foreign, 403, "permission_denied")
    assert c.delete("/api/auth/logout/").status == 204
    envelope(c.get("/api/auth/me/"), 401, "not_authenticated")


def test_second_first_admin_is_refused(admin, daemon, anonymous):
    answer = anonymous.post("/api/auth/create-initial-user/", {
        "username": "other", "password": "Quite-long-1", "setup_token": daemon.secrets["setup_token"]})
    envelope(answer, 403, "permission_denied")
    assert anonymous.get("/api/auth/check-user-existence/").json() == {"exists": True}


def test_certificates_are_made_only_for_known_domains(admin, anonymous):
    ask = "/api/_proxy/check-certiticates/?domain="
    assert anonymous.get(ask + "dash.test").json() == {"validated": True}
    envelope(anonymous.get(ask + "stranger.example"), 403, "permission_denied")
    assert anonymous.get(ask).errors() == [("domain", "invalid")]


def test_no_route_lets_a_stranger_in(root, daemon):
    """Every route of every table: without a session it answers 401, unless its scope says public."""
    made = subprocess.run(["make", "-s", "build/probe/api/routes_probe"], cwd=root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert made.returncode == 0, made.stdout
    rows = subprocess.run([root / "build/probe/api/routes_probe"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.splitlines()
    assert len(rows) > 25
    for method, pattern, scope in (row.split() for row in rows):
        answer = daemon.client().call(method, re.sub(r"\{\w+\}", "x", pattern),
                                      headers={"X-Forwarded-For": f"10.9.{len(pattern)}.{len(method)}"})
        if scope == "PUBLIC":
            assert answer.status not in (401, 405, 500), answer
            assert answer.status != 404 or "{" in pattern, answer  # there is no thing of the name x
        else:
            assert answer.status == 401, answer
