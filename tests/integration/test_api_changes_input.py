"""Bad input of the routes of services: always a 4xx that names the field, and nothing changes."""
import json

import pytest

P = "/api/projects/default/production"
TEXTS = {"control": "a\x01b", "c1": "a\u0085b", "del": "a\x7fb", "tab": "/a\tb", "crlf": "a\r\nX: y", "lf": "/a\nb",
         "long": "/" + "x" * 300000, "dots": "../../etc/passwd", "unicode": "bücher.test", "rtl": "a\u202eb.test",
         "emoji": "😀.test", "blank": "", "space": " ", "quote": "'", "brace": "{http.request.host}", "number": 7,
         "huge": 2 ** 70, "real": 1e308, "list": [], "object": {}, "bool": True}
URL = {"domain": "ok.test", "associated_port": 80}
STRINGS = [  # field, value, member, what is good for it of the above
    ("source", {"image": "a"}, "image", set()),
    ("source", {"image": "a"}, "container_registry_credentials_id", set()),
    ("healthcheck", {"type": "PATH", "value": "/", "associated_port": 80}, "type", set()),
    ("healthcheck", {"type": "PATH", "value": "/", "associated_port": 80}, "value", set()),
    ("volumes", {"container_path": "/a"}, "name", {"dots", "unicode", "rtl", "emoji", "space", "quote", "brace"}),
    ("volumes", {"container_path": "/a"}, "container_path", set()),
    ("volumes", {"container_path": "/a"}, "host_path", set()),
    ("volumes", {"container_path": "/a"}, "mode", set()),
    ("shared_volumes", {"volume_id": "vol_1", "container_path": "/a"}, "volume_id", set()),
    ("env_variables", {"key": "A", "value": ""}, "key", set()),
    ("env_variables", {"key": "A", "value": ""}, "value", {"tab", "crlf", "lf", "dots", "unicode", "rtl", "emoji", "blank",
                                                          "space", "quote", "brace"}),
    ("urls", URL, "domain", set()),
    ("urls", URL, "base_path", set()),
    ("configs", {"mount_path": "/a", "contents": ""}, "mount_path", set()),
    ("configs", {"mount_path": "/a", "contents": ""}, "contents", {"tab", "crlf", "lf", "dots", "unicode", "rtl", "emoji",
                                                                  "blank", "space", "quote", "brace"}),
    ("configs", {"mount_path": "/a", "contents": ""}, "language", {"dots", "unicode", "rtl", "emoji", "space", "quote",
                                                                  "brace"}),
    ("configs", {"mount_path": "/a", "contents": ""}, "name", {"dots", "unicode", "rtl", "emoji", "space", "quote",
                                                              "brace"}),
]
SINGLE = {"source", "healthcheck", "command", "resource_limits"}


def names(answer, prefix):
    return all(attr and attr.startswith(prefix) for attr, _ in answer.errors())


@pytest.mark.parametrize("field,value,member,good", STRINGS, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_texts_name_their_field(admin, shared, field, value, member, good):
    kind = {} if field in SINGLE else {"type": "ADD"}
    before = admin.get(f"{P}/service-details/{shared}/").json()
    for label, text in TEXTS.items():
        if label in good:
            continue
        body = {"field": field, **kind, "new_value": {**value, member: text}}
        raw = json.dumps(body).encode()
        a = admin.put(f"{P}/request-service-changes/{shared}/", raw=raw, headers={"Content-Type": "application/json"})
        if label == "huge":  # no JSON number of ours is that big
            assert a.status == 400, (label, a)
        else:
            assert a.status == 400 and names(a, f"new_value.{member}"), (label, a)
    assert admin.get(f"{P}/service-details/{shared}/").json() == before


@pytest.mark.parametrize("field,value,member", [
    ("ports", {"host": 3000, "forwarded": 3000}, "host"), ("ports", {"host": 3000, "forwarded": 3000}, "forwarded"),
    ("urls", URL, "associated_port"), ("healthcheck", {"type": "PATH", "value": "/", "associated_port": 80},
                                       "associated_port"),
    ("healthcheck", {"type": "PATH", "value": "/", "associated_port": 80}, "timeout_seconds"),
    ("healthcheck", {"type": "PATH", "value": "/", "associated_port": 80}, "interval_seconds"),
    ("resource_limits", {}, "cpus"), ("resource_limits", {}, "memory")])
def test_bad_numbers_name_their_field(admin, shared, field, value, member):
    kind = {} if field in SINGLE else {"type": "ADD"}
    for number in (-1, 0, 2 ** 31, 2 ** 63 - 1, "80", [], True, 0.001 if member == "cpus" else 1.5):
        a = admin.put(f"{P}/request-service-changes/{shared}/", {"field": field, **kind,
                                                                "new_value": {**value, member: number}})
        assert a.status == 400 and names(a, f"new_value.{member}"), (number, a)
    for number in ("18446744073709551616", "1e999", "-9223372036854775809"):
        raw = json.dumps({"field": field, **kind, "new_value": {**value, member: 77001177}}).replace("77001177", number)
        a = admin.put(f"{P}/request-service-changes/{shared}/", raw=raw.encode(),
                      headers={"Content-Type": "application/json"})
        assert a.status == 400, (number, a)


@pytest.mark.parametrize("member", ["field", "type", "item_id"])
def test_bad_heads_name_their_field(admin, shared, member):
    for label, text in TEXTS.items():
        if label == "huge" or (member == "item_id" and label == "object" and not text):
            continue
        a = admin.put(f"{P}/request-service-changes/{shared}/", {
            "field": "urls", "type": "DELETE", "item_id": "url_1", member: text})
        assert a.status == 400 and names(a, member), (label, a)


@pytest.mark.parametrize("method,path,body,member,good", [
    ("POST", f"{P}/create-service/docker/", {"image": "a"}, "slug", set()),
    ("POST", f"{P}/create-service/docker/", {"image": "a"}, "image", set()),
    ("POST", f"{P}/create-service/docker/", {"image": "a"}, "container_registry_credentials_id", set()),
    ("PATCH", f"{P}/service-details/shared/", {}, "slug", set()),
    ("PATCH", f"{P}/service-details/shared/", {}, "watch_paths", {"dots", "unicode", "rtl", "emoji", "space", "quote",
                                                                 "brace"}),
    ("PUT", f"{P}/request-env-changes/shared/", {}, "new_value", {"blank", "space"}),
    ("PUT", f"{P}/request-service-changes/shared/", {"field": "command"}, "new_value",
     {"tab", "lf", "dots", "unicode", "rtl", "emoji", "space", "brace"}),
])
def test_bad_texts_of_other_bodies(admin, shared, method, path, body, member, good):
    for label, text in TEXTS.items():
        if label in good or label == "huge":
            continue
        a = admin.call(method, path, {**body, member: text})
        assert a.status == 400 and names(a, member), (label, a)


def test_ten_megabytes(admin, shared):
    for path in ("request-service-changes", "request-env-changes"):
        a = admin.put(f"{P}/{path}/{shared}/", {"field": "command", "new_value": "x" * (10 << 20)})
        assert a.status == 413, a
    assert admin.post(f"{P}/create-service/docker/", {"image": "x" * (10 << 20)}).status == 413


def test_nul_in_a_text(admin, shared):
    for path in ("request-service-changes", "request-env-changes"):
        a = admin.put(f"{P}/{path}/{shared}/", raw=b'{"field":"command","new_value":"a\\u0000b"}',
                      headers={"Content-Type": "application/json"})
        assert a.status == 400 and a.errors()[0][1] == "parse_error", a
