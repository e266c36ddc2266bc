"""Bad input on each text field of each route, made of the tables: always refused, with the field named.

What a route takes besides is as right as the tables can say, so that the one bad field is what it looks at. The daemon
is one of its own, because a value that were taken by mistake would change what other tests see.
"""
import json
import re
from urllib.parse import quote

import pytest
import tables

BODY_MAX, TEXT_MAX = 1 << 20, 65536
EXISTING = {"project_slug": "default", "env_slug": "production", "service_slug": "corpus"}
RIGHT = {"role": 10}  # numbers that only some of are right
# Paths whose {slug} is a project.
PROJECT = re.compile(r"/api/projects/\{slug\}")


@pytest.fixture(scope="module")
def own():
    from daemon import Daemon
    d = Daemon()
    try:
        yield d.start(ZN_RATE_ACCOUNT="0")
        assert d.process.poll() is None, d.log()[-2000:]
    finally:
        status = d.stop()
    assert status == 0, f"zaned ended with {status}"


@pytest.fixture(scope="module")
def boss(own):
    c = own.first_admin()
    a = c.post("/api/projects/default/production/create-service/docker/", {"slug": "corpus", "image": "app:1"})
    assert a.status == 201, a
    return c


# --- what is right ---------------------------------------------------------------------------------------------


def sample(field):
    kind = field["type"]
    if field["name"] in RIGHT:
        return RIGHT[field["name"]]
    if kind in ("STR", "STRS"):
        text = field["choices"][0] if field["choices"] else "a" * max(field["min"], 1)
        return [text] if kind == "STRS" else text
    return {"INT": max(field["min"], 1), "NUM": max(field["min"], 1), "BOOL": False, "JSON": None,
            "OBJ": body_of(field["sub"])}[kind]


def body_of(rows):
    return {f["name"]: sample(f) for f in rows if f["required"]}


def path_of(route, query=()):
    def fill(m):
        return "default" if m[1] == "slug" and PROJECT.match(route["path"]) else EXISTING.get(m[1], "none")
    path = re.sub(r"\{(\w+)\}", fill, tables.key_of(route)[1])
    return path + ("?" + "&".join(f"{k}={v}" for k, v in query) if query else "")


def texts_in(rows, prefix=()):
    """(path to it, row) of each text among the rows, those of nested objects too."""
    for f in rows:
        if f["type"] in ("STR", "STRS"):
            yield prefix + (f["name"],), f
        elif f["type"] == "OBJ":
            yield from texts_in(f["sub"], prefix + (f["name"],))


def placed(rows, path, field, value):
    """The body with the value at the path."""
    body = body_of(rows)
    inner, among = body, rows
    for name in path[:-1]:
        row = next(f for f in among if f["name"] == name)
        inner, among = inner.setdefault(name, body_of(row["sub"])), row["sub"]
    inner[path[-1]] = [value] if field["type"] == "STRS" else value
    return body


BODIES = [(r, path, f) for r in tables.routes() for path, f in texts_in(r["body"])]
QUERIES = [(r, (f["name"],), f) for r in tables.routes() for f in r["query"] if f["type"] in ("STR", "STRS")]
CHANGES = [(c, path, f) for c in tables.load()["changes"] for path, f in texts_in(c["fields"])]
TAKING = [r for r in tables.routes() if r["body"] or r["body_schema"]]


def name_of(value):
    if isinstance(value, tuple):
        return ".".join(value) or "value"
    return str(value.get("name") if "method" in value else value.get("field", "")) if isinstance(value, dict) else ""


def label(case):
    return f"{name_of(case[0])}:{name_of(case[1])}"


# --- what is refused -------------------------------------------------------------------------------------------


class Caller:
    """Sends as the one who may; a public route gets another address each time, as strangers are few a minute."""

    def __init__(self, own, boss):
        self.own, self.boss, self.n = own, boss, 0

    def __call__(self, route, path, body=None, raw=None, headers=None):
        self.n += 1
        headers = {"X-Forwarded-For": f"10.{self.n >> 16 & 255}.{self.n >> 8 & 255}.{self.n & 255}", **(headers or {})}
        if route["scope"] == "INGEST":
            import base64
            token = base64.b64encode(f"zane:{self.own.secrets['ingest_token']}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        if raw is not None:
            headers.setdefault("Content-Type", "application/json")
        who = self.own.client() if route["scope"] in ("PUBLIC", "INGEST") else self.boss
        kept = dict(who.cookies)
        answer = who.call(route["method"], path, body, headers=headers, raw=raw)
        who.cookies = kept
        return answer


@pytest.fixture(scope="module")
def send(own, boss):
    return Caller(own, boss)


# What is refused before the fields are looked at, or for what no rule of a field can say. All others name the field.
NO_FIELDS = {
    "POST /api/auth/create-initial-user/",  # there is a user
    "POST /api/auth/login/",  # a wrong password is one of any characters
    "POST /api/auth/totp/disable/", "POST /api/auth/totp/begin/",  # as many wrong passwords as one may try
    "POST /api/auth/reset-password/none/", "POST /api/workspace/register/none/", "PUT /api/workspace/members/none/",
    "PUT /api/console/workspaces/none/",  # the workspace is looked for first
    "POST /api/workspaces/switch/",  # an id like others, of no workspace
}


def refused(answer):
    assert 400 <= answer.status < 500, answer
    return answer


def named(answer, name):
    """Refused with the field named, where the route got as far as its fields."""
    refused(answer)
    if answer.status == 400 and answer.json()["type"] == "validation_error":
        attrs = [e["attr"] for e in answer.json()["errors"]]
        assert any(a == name or a.startswith(name + ".") for a in attrs), (name, answer)
        return True
    assert answer.method + " " + re.sub("/none/.*", "/none/", answer.path) in NO_FIELDS, (name, answer)
    return False


def too_long(field):
    return "a" * ((field["max"] or TEXT_MAX) + 1)


@pytest.mark.parametrize("case", BODIES, ids=label)
def test_a_text_that_is_too_long_is_named(send, case):
    route, path, field = case
    answer = send(route, path_of(route), placed(route["body"], path, field, too_long(field)))
    if len(too_long(field)) < BODY_MAX - 4096 and "{" not in route["path"] and answer.status not in (403, 409):
        assert named(answer, ".".join(path)), answer
    else:
        named(answer, ".".join(path))


@pytest.mark.parametrize("value", [12345678901234567, True, {"a": 1}], ids=["number", "boolean", "object"])
@pytest.mark.parametrize("case", BODIES, ids=label)
def test_what_is_no_text_is_named(send, case, value):
    route, path, field = case
    named(send(route, path_of(route), placed(route["body"], path, field, value)), ".".join(path))


@pytest.mark.parametrize("case", BODIES, ids=label)
def test_control_characters_are_refused(send, case):
    route, path, field = case
    for bad in ("a\x01b", "a\x1bb", "a\x7fb"):
        if field["max"] and len(bad) > field["max"]:
            continue
        named(send(route, path_of(route), placed(route["body"], path, field, bad)), ".".join(path))


@pytest.mark.parametrize("case", BODIES, ids=label)
def test_nul_and_bytes_that_are_no_text_are_refused(send, case):
    route, path, field = case
    mark = "zqmarkqz"
    text = json.dumps(placed(route["body"], path, field, mark)).encode()
    for bad in (rb"a\u0000b", b"a\x00b", b"a\xffb", b"\xc0\xaf", b"\xed\xa0\x80", rb"\ud800"):
        answer = refused(send(route, path_of(route), raw=text.replace(mark.encode(), bad)))
        assert answer.status == 400 and answer.json()["errors"][0]["code"] == "parse_error" or \
            answer.status in (403, 404), answer


@pytest.mark.parametrize("case", QUERIES, ids=label)
def test_a_bad_text_in_the_query_is_named(send, case):
    route, path, field = case
    others = [(f["name"], quote(str(sample(f)))) for f in route["query"] if f["required"] and f["name"] != path[0]]
    long = named(send(route, path_of(route, [*others, (path[0], "a" * min(len(too_long(field)), 5000))])), path[0]) \
        if len(too_long(field)) <= 5000 else None
    assert long is not False or "{" in route["path"], (route["path"], path)
    for bad in ("%00", "%ff", "%c0%af", "a%01b", "a%0d%0ab"):
        answer = send(route, path_of(route, [*others, (path[0], bad)]))
        # Events and search ask others, which are not there.
        assert answer.status < 500 or answer.errors() == [(None, "unavailable")], answer
        if bad in ("%00", "%ff", "%c0%af"):
            refused(answer)


@pytest.mark.parametrize("case", CHANGES, ids=label)
def test_a_bad_text_in_a_change_is_named(send, case):
    change, path, field = case
    route = next(r for r in tables.routes() if r["body_schema"] == "ServiceChangeRequest")
    where = ".".join(("new_value", *(p for p in path if p)))
    for bad in (too_long(field), 17, {"a": 1}, "a\x01b"):
        value = bad if path == ("",) else placed(change["fields"], path, field, bad)
        body = {"field": change["field"], "type": "ADD" if change["list"] else "UPDATE", "new_value": value}
        if len(json.dumps(body)) < BODY_MAX:
            assert named(send(route, path_of(route), body), where), (where, bad)


@pytest.mark.parametrize("route", TAKING, ids=name_of)
def test_texts_that_are_no_request_are_refused(send, route):
    deep = b"[" * 100000
    for bad in (deep, b'{"a":' * 80 + b"1" + b"}" * 80, b'{"a":1,"a":2}', b'{"a":123456789012345678901234567890}',
                b'{"a":1e999}', b"{", b"{} {}", b"\xef\xbb\xbf{}", b'{"a":NaN}', b"nothing"):
        refused(send(route, path_of(route), raw=bad))
    refused(send(route, path_of(route), raw=b"{}", headers={"Content-Type": "text/plain"}))


@pytest.mark.parametrize("route", TAKING, ids=name_of)
def test_ten_megabytes_are_too_large(send, route):
    raw = b'{"a":"' + b"a" * (10 << 20) + b'"}'
    try:
        answer = send(route, path_of(route), raw=raw)
    except (BrokenPipeError, ConnectionResetError):
        return  # cut off while it was still sent; that the daemon lives, the fixture looks at
    assert answer.status == 413 or (route["scope"] == "INGEST" and 400 <= answer.status < 500), answer


@pytest.mark.parametrize("route", [r for r in tables.routes() if "{" in r["path"]], ids=name_of)
def test_a_bad_place_is_not_found(send, route):
    """Tricks in the path: another place is never meant by them."""
    for bad in ("..%2f..%2fetc", "%00", "%ff", "%2e%2e", "a%0d%0aSet-Cookie:x=1", "x" * 4000, "%F0%9F%92%A3",
                "';--", "9" * 30, "-1"):
        if re.fullmatch(r"[a-z0-9_-]{1,38}", bad) and route["name"] == "deploy":
            continue  # a name like others: the service is made
        path = re.sub(r"\{\w+\}", lambda _, bad=bad: bad, tables.key_of(route)[1])
        try:
            answer = send(route, path, body_of(route["body"]) if route["body"] else None)
        except (BrokenPipeError, ConnectionResetError):
            continue  # refused at the head, before the body was there
        refused(answer)
        assert "Set-Cookie" not in answer.headers or answer.headers["Set-Cookie"] != "x=1", answer


NUMBERS = [(r, kind, f) for r in tables.routes() for kind in ("body", "query") for f in r[kind]
           if f["type"] in ("INT", "NUM")]


@pytest.mark.parametrize("case", NUMBERS, ids=lambda c: f"{name_of(c[0])}:{c[2]['name']}")
def test_numbers_out_of_bounds_are_named(send, case):
    route, kind, field = case
    bad = ["x", "1 ", "0x10", "", "٣"]
    if field["min"] or field["max"]:
        around = (field["min"] - 1, field["max"] + 1, 2**63 - 1, -2**63)
        bad += [n for n in around if not field["min"] <= n <= field["max"] and -2**63 <= n < 2**63]
    beyond = [2**63, -2**63 - 1, 10**40]
    for value in bad + beyond:
        if kind == "query":
            answer = send(route, path_of(route, [(field["name"], quote(str(value)))]))
        else:
            answer = send(route, path_of(route), placed(route["body"], (field["name"],), field, value))
        if kind == "body" and value in beyond:
            assert refused(answer).status == 400 and answer.json()["errors"][0]["code"] == "parse_error", answer
        else:
            named(answer, field["name"])


DOMAINS = ("exämple.com", "\u0430pple.com", "ｅxample.com", "a\u200bb.com", "\u202emoc.com", "例え.テスト", "a。com",
           "ß.de", "İ.com", "\U0001f4a3.com", "a..com", ".com", "-a.com", "a-.com", "a b.com", "a.com/", "a.com:80",
           "a" * 64 + ".com", "{env.X}.com", "a.com\r\nb.com", "*.*.com", "a.*.com", "user@a.com", "1.2.3.4", "[::1]")


@pytest.mark.parametrize("domain", DOMAINS, ids=ascii)
def test_domains_that_are_none_are_named(send, domain):
    change = next(r for r in tables.routes() if r["body_schema"] == "ServiceChangeRequest")
    deploy = next(r for r in tables.routes() if r["name"] == "deploy")
    body = {"field": "urls", "type": "ADD", "new_value": {"domain": domain, "associated_port": 80}}
    assert named(send(change, path_of(change), body), "new_value.domain")
    body = {"image": "app:1", "project": "default", "environment": "production", "port": 80, "domain": domain}
    assert named(send(deploy, "/api/deploys/corpus/", body), "domain")


@pytest.mark.parametrize("name", ["Idempotency-Key", "If-Match", "X-CSRFToken", "Cookie", "Authorization", "Host",
                                  "Content-Type", "Content-Length", "X-Forwarded-For", "Origin"])
def test_headers_cannot_be_split_or_broken(own, boss, name):
    """By hand, as no client sends such: no header of an answer is the caller's, and the daemon lives."""
    import socket
    body = b'{"slug": "by-header"}'
    cookies = "; ".join(f"{k}={v}" for k, v in boss.cookies.items())
    good = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body)), "Cookie": cookies,
            "X-CSRFToken": boss.cookies["csrftoken"], "Connection": "close"}
    for bad in (b"a\rX-Evil: 1", b"a\n\tX-Evil: 1", b"a%0d%0aX-Evil: 1", b"a\x00b", b"a\x01b", b"\xff\xfe", b"\xc0\xaf",
                b"a" * 70000, b"-1", b"99999999999999999999999"):
        head = {**{k: v.encode() for k, v in good.items()}, name: bad}
        raw = b"POST /api/projects/ HTTP/1.1\r\n" + b"".join(
            k.encode() + b": " + v + b"\r\n" for k, v in head.items()) + b"\r\n" + body
        got = b""
        with socket.create_connection(("127.0.0.1", own.port), timeout=15) as s:
            try:
                s.sendall(raw)
                while part := s.recv(65536):
                    got += part
            except ConnectionResetError:
                pass
        head_of_answer = got.split(b"\r\n\r\n")[0]
        assert b"x-evil" not in head_of_answer.lower(), (bad, got)
        assert not got.startswith(b"HTTP/1.1 5"), (bad, got[:500])
    assert boss.get("/api/projects/").status == 200
    boss.delete("/api/projects/by-header/")
