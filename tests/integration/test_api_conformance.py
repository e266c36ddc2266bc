"""The compatible API: what it takes is taken, what it answers is answered; the rest is in a list that docs/api.md shows.

Answers of the whole run are compared at its end (tests/lib/openapi.py); here are requests, the list, the comparison itself,
and the routes that no other test of the API asks.
"""
import copy
import http.server
import json
import re
import threading
import time
import types

import known_differences
import openapi
import pytest
import tables

P = "/api/projects/default/production"
WITH_SCHEMA = openapi.RECORDER.schema is not None
DETAILS = f"{P}/service-details/shared/"

# What requests may say there and not here: (operation, member).
NOT_TAKEN = {
    ("POST /api/workspace/leave/", "success"): "a mistake of the schema: it is what the answer says",
    ("GET /api/workspace/invitations/", "page"): "answers all, as their server does",
    ("PATCH /api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/regenerate-deploy-token/", "*"):
        "has no body; the schema shows that of the route above",
}
# What has to be said here and not there.
REQUIRED = {("PATCH /api/projects/{slug}/environment-details/{env_slug}/", "name"): "there is nothing else to change"}
FIELDS_NOT_TAKEN = {"git_source", "builder"}  # builds


def needs_schema(test):
    """Without the schema there is no such test: the end of the run says so, and a skipped one would count as failed."""
    return test if WITH_SCHEMA else None


# --- requests --------------------------------------------------------------------------------------------------------


def shape_of(path):
    return re.sub(r"{[^}]*}", "{}", path.rstrip("/"))


def pairs():
    """[(operation of theirs, route of ours)] of what both have."""
    if not WITH_SCHEMA:
        return []
    ours = {(r["method"], shape_of(r["path"])): r for r in tables.routes()}
    return [((m, t), ours[m, shape_of(t)]) for m, t in openapi.RECORDER.schema.operations() if (m, shape_of(t)) in ours]


def members(schema, node):
    """({name: schema}, names that are required) of an object."""
    node = schema.resolve(node)
    while "anyOf" in node or "allOf" in node:
        node = schema.resolve((node.get("allOf") or node["anyOf"])[-1])
    return node.get("properties", {}), set(node.get("required", ()))


def compare_members(where, theirs, required, rows, taken=lambda member: True):
    rows = {f["name"]: f for f in rows}
    found = [f"{where}: {m} is not taken" for m in theirs if m not in rows and taken(m)]
    found += [f"{where}: null is not taken for {m}" for m, s in theirs.items()
              if m in rows and "anyOf" in s and not rows[m]["nullable"]]
    found += [f"{where}: {m} is required" for m, f in rows.items()
              if f["required"] and m not in required and (where, m) not in REQUIRED]
    return found


@needs_schema
def test_whatever_a_compatible_client_sends_is_taken():
    schema, found = openapi.RECORDER.schema, []
    for (method, template), route in pairs():
        name, operation = f"{method} {template}", schema.operation(method, template)

        def taken(member):
            return not {(name, member), (name, "*")} & NOT_TAKEN.keys()
        query = {p["name"]: p["schema"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        found += compare_members(name, query, (), route["query"], taken)
        body = operation.get("requestBody")
        if body and not route["body_schema"]:
            found += compare_members(name, *members(schema, body["content"]["application/json"]["schema"]), route["body"],
                                     taken)
    assert not found, "\n".join(found)
    assert len(pairs()) > 70


@needs_schema
def test_whatever_change_of_a_service_a_compatible_client_asks_for_is_taken():
    schema = openapi.RECORDER.schema
    body = schema.operation("PUT", "/api/projects/{project_slug}/{env_slug}/request-service-changes/{service_slug}/")
    ours, found, seen = {c["field"]: c for c in tables.load()["changes"]}, [], set()
    for branch in schema.resolve(body["requestBody"]["content"]["application/json"]["schema"])["oneOf"]:
        branch = schema.resolve(branch)["properties"]
        for field in schema.resolve(branch["field"])["enum"]:
            seen.add(field)
            if field in ours:
                found += compare_members(field, *members(schema, branch["new_value"]),
                                         [f for f in ours[field]["fields"] if f["name"]])
    assert not found, "\n".join(found)
    assert seen - ours.keys() == FIELDS_NOT_TAKEN


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_list(root):
    page = (root / "docs/api.md").read_text()
    wanted = "\n".join(known_differences.tables())
    assert wanted in page, f"docs/api.md should have:\n{wanted}"


def test_entries_have_reasons_and_are_not_there_twice():
    entries = known_differences.KNOWN
    assert all(len(e.why) > 10 for e in (*entries, *known_differences.CORRECTED))
    assert len({e[:3] for e in entries}) == len(entries)
    assert not any(e.what == "*" or e.status == "*" for e in entries), "an entry that lets everything through"


# --- the comparison finds what it is for -------------------------------------------------------------------------------


def told(method, path, status, body, kind="application/json"):
    return types.SimpleNamespace(method=method, path=path, status=status, headers={"Content-Type": kind},
                                 body=body if isinstance(body, bytes) else json.dumps(body).encode(),
                                 json=lambda: body)


def differences(answer):
    recorder = openapi.Recorder()
    recorder.seen(answer)
    return [d.what for d in recorder.unknown()]


def broken(change):
    def made(good):
        bad = copy.deepcopy(good)
        change(bad)
        return bad
    return made


@needs_schema
@pytest.mark.parametrize(("change", "what"), [
    (lambda s: None, []),
    (lambda s: s.pop("slug"), ["slug missing"]),
    (lambda s: s.update(color="red"), ["color extra"]),
    (lambda s: s.update(slug=None), ["slug null"]),
    (lambda s: s.update(slug=7), ["slug type"]),
    (lambda s: s.update(command=7), ["command type"]),
    (lambda s: s.update(type="GIT"), ["type enum"]),
    (lambda s: s.update(created_at="yesterday"), ["created_at format"]),
    (lambda s: s["environment"].pop("name"), ["environment.name missing"]),
    (lambda s: s["unapplied_changes"][0].pop("field"), ["unapplied_changes.N.field missing"]),
], ids=lambda x: " ".join(x) or "as it is" if isinstance(x, list) else "")
def test_a_wrong_answer_is_found(admin, shared, change, what):
    good = admin.get(DETAILS).json()
    bad = broken(change)(good)
    assert differences(told("GET", DETAILS, 200, bad)) == what


@needs_schema
@pytest.mark.parametrize(("answer", "what"), [
    (told("GET", DETAILS, 201, {}), ["status"]),
    (told("POST", DETAILS, 200, {}), ["method"]),
    (told("POST", DETAILS, 405, {}), []),
    (told("GET", DETAILS, 500, {}), ["status"]),
    (told("GET", DETAILS, 200, {}, "text/html"), ["content type"]),
    (told("DELETE", "/api/auth/logout/", 204, b"{}"), ["body"]),
    (told("DELETE", "/api/auth/logout/", 204, b""), []),
    (told("GET", "/api/projects", 404, {}), ["status"]),
    (told("POST", "/api/projects/", 400, {"errors": []}), ["envelope"]),
    (told("POST", "/api/projects/", 400, {"type": "validation_error", "errors": [
        {"attr": "slug", "code": "taken", "detail": ""}, {"attr": "name", "code": "required", "detail": ""},
        {"attr": "slug", "code": "max_length", "detail": ""}]}), ["name required", "slug taken"]),
    (told("POST", "/api/projects/", 400, {"type": "client_error", "errors": [
        {"attr": None, "code": "parse_error", "detail": ""}]}), []),
    (told("POST", "/api/projects/", 400, {"type": "validation_error", "errors": [
        {"attr": None, "code": "invalid", "detail": ""}]}), ["envelope"]),
    (told("GET", "/api/projects/", 401, {"type": "client_error", "errors": [
        {"attr": None, "code": "no", "detail": ""}]}), ["errors.N.code enum"]),
    (told("GET", "/api/audit/", 418, {}), []),
    (told("GET", "/api/connectors/list/", 404, {}), []),
], ids=lambda x: " ".join(x) or "well" if isinstance(x, list) else f"{x.method} {x.path} {x.status}")
def test_a_wrong_status_or_error_is_found(answer, what):
    assert differences(answer) == what


@needs_schema
def test_the_end_of_a_run_names_what_was_never_asked():
    recorder = openapi.Recorder()
    recorder.seen(told("GET", "/api/projects/", 500, {}))
    lines, good = recorder.report(complete=False)
    assert not good and not any("never succeeded" in line for line in lines)
    lines, good = recorder.report(complete=True)
    assert not good and "  never succeeded: GET /api/projects/" in lines
    assert not any("/connectors/" in line for line in lines)
    assert any(line.startswith("  listed as a difference, but nobody met it") for line in lines)


def test_without_the_schema_the_end_of_a_run_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(openapi, "FILE", tmp_path / "none.yml")
    recorder = openapi.Recorder()
    recorder.seen(told("GET", "/api/projects/", 500, {}))
    (line,), good = recorder.report(complete=True)
    assert "1 answers were NOT compared" in line and good


# --- what no other test of the API asks --------------------------------------------------------------------------------


def test_settings(admin, schema):
    answer = schema.check(admin.get("/api/settings/")).json()
    assert (answer["root_domain"], answer["app_domain"]) == ("apps.test", "dash.test")


@pytest.fixture(scope="module")
def with_logs():
    """A daemon whose log store says of every question that there is one line."""
    from daemon import Daemon

    class Store(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            group = {"stream": {"service_id": "s", "source": "SYSTEM", "level": "INFO", "container_id": "c"},
                     "values": [[str(time.time_ns() - 10**9), "Pulled the image"]]}
            body = json.dumps({"status": "success", "data": {"resultType": "streams", "result": [group]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass
    store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    own = Daemon()
    try:
        yield own.start(ZN_LOKI_URL=f"http://127.0.0.1:{store.server_port}")
    finally:
        status = own.stop()
        store.shutdown()
    assert status == 0


def test_the_log_of_a_deployment(with_logs, schema):
    admin = with_logs.first_admin()
    made = admin.put("/api/deploys/web", {"image": "app:1"}).json()
    page = schema.check(admin.get(f"{P}/service-details/web/deployments/{made['hash']}/build-logs/?per_page=1")).json()
    assert [line["content"] for line in page["results"]] == ["Pulled the image"]
