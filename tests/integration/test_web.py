"""The dashboard as zaned-api answers for it: the document, its headers, its files, and what stays the API's."""
import http.client

import pytest

from daemon import APP_DOMAIN, Daemon

INDEX = '<!doctype html><title>Zane</title><script type="module" src="/assets/index-abc123.js"></script>'
SCRIPT = "export {};\n" * 100


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text(INDEX)
    (folder / "assets/index-abc123.js").write_text(SCRIPT)
    (folder / "assets/index-abc123.js.gz").write_bytes(b"packed")
    d = Daemon()
    try:
        yield d.start(ZN_WEB=str(folder))
    finally:
        d.stop()


def ask(site, path, method="GET", host=APP_DOMAIN, **headers):
    c = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    try:
        c.request(method, path, headers={"Host": host, **headers})
        r = c.getresponse()
        return r.status, r.headers, r.read().decode()
    finally:
        c.close()


@pytest.mark.parametrize("path", ["/", "/login", "/project/shop/production/service/web?tab=1", "/apiary", "/a.b/%20"])
def test_every_address_of_the_dashboard_is_the_document(site, path):
    status, headers, body = ask(site, path)
    assert (status, body) == (200, INDEX)
    assert headers["Content-Type"] == "text/html; charset=utf-8" and headers["Cache-Control"] == "no-cache"


def test_the_document_lets_nothing_in_but_its_own_files(site):
    headers = ask(site, "/")[1]
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "font-src")} == {"'self'"}
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "same-origin"


def test_who_has_the_document_is_told_so(site):
    tag = ask(site, "/")[1]["ETag"]
    assert ask(site, "/login", **{"If-None-Match": tag})[0] == 304
    assert ask(site, "/login", **{"If-None-Match": '"other"'})[0] == 200


def test_head_has_the_headers_alone(site):
    status, headers, body = ask(site, "/", "HEAD")
    assert (status, body) == (200, "") and int(headers["Content-Length"]) == len(INDEX)


def test_files_are_kept_for_ever(site):
    status, headers, body = ask(site, "/assets/index-abc123.js")
    assert (status, body, headers["Content-Type"]) == (200, SCRIPT, "text/javascript; charset=utf-8")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", ["index-gone.js", "index-abc123.js.gz", "", "../index.html", "%2e%2e%2findex.html", ".hidden"])
def test_a_file_that_is_not_there_is_no_document(site, name):
    status, headers, body = ask(site, f"/assets/{name}")
    assert status == 404 and "<" not in body and headers["Cache-Control"] == "no-store"


def test_the_api_stays_the_apis(site):
    for path in ("/api/nothing/", "/api", "/api/"):
        status, headers, _ = ask(site, path)
        assert status == 404 and headers["Content-Type"].startswith("application/json"), path
    assert ask(site, "/api/ping/")[2] == '{"ping":"pong"}'
    assert ask(site, "/", "POST")[0] == 404
    assert ask(site, "/healthz")[1]["Content-Type"].startswith("application/json")


def test_robots_are_asked_to_stay_away(site):
    assert ask(site, "/robots.txt")[2] == "User-agent: *\nDisallow: /\n"


def test_other_names_get_nothing(site):
    """A page of another domain that points here (DNS rebinding) is not given the dashboard."""
    assert ask(site, "/", host="evil.example")[0] == 404


def test_without_files_the_api_serves_alone(daemon):
    status, headers, _ = ask(daemon, "/")
    assert status == 404 and headers["Content-Type"].startswith("application/json")
