"""The API's description says what the tables of the program say: no route, field, bound or status more or less."""
import json
import subprocess

import jsonschema
import pytest
import tables

TEXT_MAX, ITEMS_MAX, PARAM_MAX = 65536, 100, 255
UNSEEN = {"name", "description", "title"}  # words for people: compared one by one below


@pytest.fixture(scope="module")
def printed(daemon):
    done = daemon.run("openapi")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def doc(printed):
    return json.loads(printed)


def operations(doc):
    return {(method, path): op for path, item in doc["paths"].items() for method, op in item.items()}


def plain(schema):
    """Without the words, which have no effect."""
    return {k: v for k, v in schema.items() if k not in UNSEEN}


# --- what the tables mean --------------------------------------------------------------------------------------


def text_of(field):
    want = {"type": "string"}
    if field["choices"]:
        want["enum"] = list(field["choices"])
    else:
        want["maxLength"] = field["max"] or TEXT_MAX
        if field["min"] > 0 and not field["blank"]:
            want["minLength"] = field["min"]
    if field["format"]:
        want["format"] = field["format"]
    return want


def number_of(field, kind):
    bounds = {"minimum": field["min"], "maximum": field["max"]} if field["min"] or field["max"] else {}
    return {"type": kind, **bounds}


def expected(field):
    """The schema of a row; that of an object without its members."""
    want = {"STR": lambda: text_of(field), "INT": lambda: number_of(field, "integer"),
            "NUM": lambda: number_of(field, "number"), "BOOL": lambda: {"type": "boolean"},
            "STRS": lambda: {"type": "array", "items": text_of(field), "maxItems": field["items"] or ITEMS_MAX},
            "OBJ": lambda: {"type": "object"}, "JSON": dict}[field["type"]]()
    if field["nullable"] and "type" in want:
        want["type"] = [want["type"], "null"]
        if "enum" in want:
            want["enum"].append(None)
    return want


def compare_field(field, given, where):
    assert given.get("description") == field["help"], where
    given = plain(given)
    if field["type"] == "OBJ":
        compare_object(field["sub"], given, where)
        given = {"type": given["type"]}
    assert given == expected(field), where


def compare_object(rows, given, where):
    assert set(given["properties"]) == {f["name"] for f in rows}, where
    assert sorted(given.get("required", [])) == sorted(f["name"] for f in rows if f["required"]), where
    for field in rows:
        compare_field(field, given["properties"][field["name"]], f"{where}.{field['name']}")


def statuses(route):
    """Which can come of a route: what it says itself, and what its method, scope and path allow."""
    changes, public = route["method"] != "GET", route["scope"] == "PUBLIC"
    rules = {304: not changes, 400: True, 401: not route["loop"], 403: changes or not public,
             404: "{" in route["path"],
             409: route["conflicts"] or (route["method"] == "POST" and route["scope"] not in ("PUBLIC", "INGEST")),
             412: route["method"] in ("PUT", "PATCH", "DELETE") and not public, 413: changes, 414: True,
             415: changes, 431: True, 429: not route["loop"], 503: True}
    return {str(s) for s, yes in rules.items() if yes} | {str(s) for s, _ in route["answers"]}


# --- the comparison --------------------------------------------------------------------------------------------


def test_the_same_routes_are_in_the_tables_and_in_the_document(doc):
    assert {tables.key_of(r) for r in tables.routes()} == set(operations(doc))


def test_every_route_describes_itself():
    dumb = [f"{r['method']} {r['path']}" for r in tables.routes()
            if not r["name"] or not r["summary"] or not r["answers"] or r["summary"].endswith(".")]
    assert not dumb
    names = [r["name"] for r in tables.routes()]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)


@pytest.mark.parametrize("route", tables.routes(), ids=lambda r: str(r["name"]))
def test_an_operation_says_what_its_route_says(doc, route):
    op = operations(doc)[tables.key_of(route)]
    assert (op["operationId"], op["summary"], op["tags"]) == (route["name"], route["summary"], [route["area"]])
    assert op["x-zane-role"] == route["scope"].lower()
    assert op["x-zane-token"] == route["token"].lower()
    compare_parameters(op, route)
    compare_body(op, route)
    assert set(op["responses"]) == statuses(route)
    compare_answers(op, route)
    compare_security(op, route)


def compare_parameters(op, route):
    given = {(p["in"], p["name"]): p for p in op.get("parameters", [])}
    path = [s[1:-1] for s in route["path"].split("/") if s.startswith("{")]
    closed = route["scope"] not in ("PUBLIC", "INGEST")
    headers = {"POST": ["Idempotency-Key"], "GET": []}.get(route["method"], ["If-Match"]) if closed else []
    assert set(given) == {("path", n) for n in path} | {("header", n) for n in headers} | \
        {("query", f["name"]) for f in route["query"]}
    for name in path:
        assert given["path", name]["required"] is True
        assert given["path", name]["schema"] == {"type": "string", "minLength": 1, "maxLength": PARAM_MAX}
    for field in route["query"]:
        assert given["query", field["name"]]["required"] is field["required"]
        compare_field(field, given["query", field["name"]]["schema"], field["name"])


def compare_body(op, route):
    if not route["body"] and not route["body_schema"]:
        assert "requestBody" not in op
        return
    body = op["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is (bool(route["body_schema"]) or any(f["required"] for f in route["body"]))
    if route["body_schema"]:
        assert schema == {"$ref": f"#/components/schemas/{route['body_schema']}"}
    else:
        compare_object(route["body"], schema, route["name"])


def compare_answers(op, route):
    own = {str(s): name for s, name in route["answers"]}
    for status, answer in op["responses"].items():
        name = own.get(status, None if status in ("304", "414", "431") else "ErrorEnvelope")
        if name is None:
            assert "content" not in answer, status
            continue
        (media, content), = answer["content"].items()
        ref = {"$ref": f"#/components/schemas/{name.removesuffix('[]')}"}
        assert content["schema"] == ({"type": "array", "items": ref} if name.endswith("[]") else ref), status
        assert media == {"EventStream": "text/event-stream", "HtmlPage": "text/html"}.get(name, "application/json")


def compare_security(op, route):
    session = [{"session": []}] if route["method"] == "GET" else [{"session": [], "csrf": []}]
    want = {"PUBLIC": [], "INGEST": [{"ingest": []}]}.get(route["scope"], session)
    assert op["security"] == want + ([{"token": []}] if route["token"] != "NONE" else [])


@pytest.mark.parametrize("change", tables.load()["changes"], ids=lambda c: c["field"])
def test_a_change_of_a_service_is_one_of_the_fields(doc, change):
    variants = {v["title"]: v for v in doc["components"]["schemas"]["ServiceChangeRequest"]["oneOf"]}
    assert set(variants) == {c["field"] for c in tables.load()["changes"]}
    v = variants[change["field"]]
    value = dict(v["properties"]["new_value"])
    assert v["properties"]["field"] == {"const": change["field"]}
    assert v["properties"]["type"]["enum"] == (["ADD", "UPDATE", "DELETE"] if change["list"] else ["UPDATE"])
    assert ("item_id" in v["properties"]) is change["list"]
    assert ("null" in value["type"]) is change["nullable"]
    if [f["name"] for f in change["fields"]] == [""]:
        row = {**change["fields"][0], "nullable": change["nullable"] or change["fields"][0]["nullable"]}
        compare_field(row, value, change["field"])
    else:
        compare_object(change["fields"], value, change["field"])


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix("#/components/schemas/")
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_shape_that_is_named_exists_and_every_shape_is_used(doc):
    shapes = doc["components"]["schemas"]
    seen, todo = set(), set(references(doc["paths"]))
    while todo:
        name = todo.pop()
        assert name in shapes, name
        seen.add(name)
        todo |= set(references(shapes[name])) - seen
    assert seen == set(shapes), sorted(set(shapes) - seen)


def test_every_shape_is_a_schema(doc):
    for name, shape in doc["components"]["schemas"].items():
        try:
            jsonschema.Draft202012Validator.check_schema(shape)
        except jsonschema.SchemaError as e:
            pytest.fail(f"{name}: {e.message}")


def test_the_committed_document_is_what_the_program_prints(root, printed):
    """After a change of the tables: build/bin/zaned openapi > docs/openapi.json"""
    assert (root / "docs/openapi.json").read_bytes() == printed, "docs/openapi.json is not up to date"


# --- as the daemon shows it ------------------------------------------------------------------------------------


def test_the_daemon_shows_the_same_document_with_a_tag(daemon, doc):
    answer = daemon.client().get("/api/openapi.json")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("application/json"), answer
    assert answer.json() == doc
    again = daemon.client().get("/api/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_page_shows_every_operation_without_scripts(daemon, doc):
    answer = daemon.client().get("/api/docs/")
    text = answer.body.decode()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8", answer
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in text.lower() and "http-equiv" not in text.lower()
    missing = [op["operationId"] for (_, path), op in operations(doc).items() if path not in text]
    assert not missing


def test_a_caller_is_not_needed_to_read_it_and_no_secret_is_in_it(daemon, printed):
    for secret in daemon.secrets.values():
        assert secret.encode() not in printed


def test_the_program_says_why_where_it_cannot_be_run(daemon):
    done = subprocess.run([daemon.program, "openapi", "extra"], capture_output=True, check=False, timeout=30)
    assert done.returncode == 2 and b"usage" in done.stderr
