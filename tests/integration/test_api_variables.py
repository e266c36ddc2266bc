"""Variables that an environment shares with its services, over HTTP."""
import concurrent.futures
import re

import pytest


@pytest.fixture
def path(admin, slug):
    assert admin.post("/api/projects/", {"slug": slug}).status == 201
    yield f"/api/projects/{slug}/production/variables/"
    admin.delete(f"/api/projects/{slug}/")


@pytest.fixture
def one(admin, path):
    """Path of a variable MODE=fast."""
    a = admin.post(path, {"key": "MODE", "value": "fast"})
    assert a.status == 201, a
    return a.headers["Location"]


def patch(client, path, body, **kw):
    return client.call("PATCH", path, body, **kw)


def test_life_of_a_variable(admin, daemon, schema, path):
    a = admin.post(path, {"key": "TOKEN", "value": "very secret\nin two lines"})
    assert a.status == 201 and a.json() == {"key": "TOKEN", "value": "very secret\nin two lines"}  # measured: no id
    (listed,) = schema.check(admin.get(path)).json()
    assert re.fullmatch("env_prj_.{11}", listed["id"]) and listed["value"] == "very secret\nin two lines"
    assert a.headers["Location"] == f"{path}{listed['id']}/"
    assert schema.check(admin.get(a.headers["Location"])).json() == listed
    assert daemon.postgres.query("select key from environment_variable where value_sealed like '%%secret%%'") == []
    b = schema.check(admin.put(a.headers["Location"], {"key": "OTHER"}))
    assert b.status == 200 and b.json() == {**listed, "key": "OTHER"}
    c = schema.check(patch(admin, a.headers["Location"], {"value": ""}))
    assert c.status == 200 and c.json() == {**listed, "key": "OTHER", "value": ""}
    assert schema.check(patch(admin, a.headers["Location"], {})).json() == c.json()
    assert admin.get(path.replace("variables", "").replace("production/", "environment-details/production").rstrip("/") + "/"
                     ).json()["variables"] == [c.json()]
    assert schema.check(admin.delete(a.headers["Location"])).status == 204
    assert schema.check(admin.get(a.headers["Location"])).status == 404
    assert admin.get(path).json() == []
    assert admin.post(path, {"key": "EMPTY"}).json() == {"key": "EMPTY", "value": ""}


@pytest.mark.parametrize("body,errors", [
    ({}, {("key", "required")}),
    ({"key": "", "value": 3}, {("key", "blank"), ("value", "invalid")}),
    ({"key": "1A"}, {("key", "invalid")}),
    ({"key": "A-B"}, {("key", "invalid")}),
    ({"key": "A\r\nB"}, {("key", "invalid")}),
    ({"key": "\u00c4"}, {("key", "invalid")}),
    ({"key": None, "value": None}, {("key", "null"), ("value", "null")}),
    ({"key": "K" * 256, "value": "x" * 65537}, {("key", "max_length"), ("value", "max_length")}),
])
def test_bad_variables(admin, schema, path, one, body, errors):
    for a in (admin.post(path, body), admin.put(one, body)):
        assert schema.check(a).status == 400 and set(a.errors()) == errors
    assert [v["key"] for v in admin.get(path).json()] == ["MODE"]


def test_a_key_is_there_once(admin, schema, path, one):
    assert schema.check(admin.post(path, {"key": "MODE", "value": "x"})).status == 409
    assert admin.post(path, {"key": "mode"}).status == 201  # names of variables have case
    a = schema.check(patch(admin, one, {"key": "mode"}))
    assert a.status == 409 and "mode" in a.json()["errors"][0]["detail"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = [f.result().status for f in [pool.submit(admin.post, path, {"key": "NEW"}) for _ in range(4)]]
    assert sorted(made) == [201, 409, 409, 409]


def test_of_two_that_edit_one_the_later_is_told(admin, one):
    seen = admin.get(one).headers["ETag"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = [f.result() for f in [pool.submit(patch, admin, one, {"value": f"{n}"}, headers={"If-Match": seen})
                                     for n in range(4)]]
    assert sorted(a.status for a in done) == [200, 412, 412, 412]
    (won,) = [a for a in done if a.status == 200]
    assert admin.get(one).json() == won.json() and admin.get(one).headers["ETag"] == won.headers["ETag"]
    assert admin.delete(one, headers={"If-Match": seen}).status == 412
    assert admin.put(one, {"key": "MODE", "value": "x"}, headers={"If-Match": f'"no", {won.headers["ETag"]}'}).status == 200
    assert admin.delete(one, headers={"If-Match": "*"}).status == 204


def test_there_are_not_endlessly_many(admin, daemon, slug, path):
    daemon.postgres.query("insert into environment_variable (id, environment_id, key, value_sealed, key_id) select"
                          " 'env_prj_' || %s || n, e.id, 'K' || n, 'x', 'x' from environment e join project p on"
                          " p.id = e.project_id, generate_series(1, 199) n where p.slug = %s", (slug, slug))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = [f.result() for f in [pool.submit(admin.post, path, {"key": f"NEW{n}"}) for n in range(4)]]
    assert sorted(a.status for a in made) == [201, 409, 409, 409]
    assert "200" in [a for a in made if a.status == 409][0].json()["errors"][0]["detail"]


def test_unknown_places(admin, schema, slug, path, one):
    id_ = one.rstrip("/").rsplit("/", 1)[1]
    for p in (f"/api/projects/{slug.upper()}/production/variables/", f"/api/projects/{slug}/Production/variables/",
              f"/api/projects/{slug}/nope/variables/", f"/api/projects/default/production/variables/{id_}/",
              f"{path}env_prj_x/"):  # measured: slugs are taken as they are
        assert schema.check(admin.get(p)).status == 404, p
    assert admin.post(f"/api/projects/{slug.upper()}/production/variables/", {"key": "A"}).status == 404
    for method in ("PUT", "PATCH", "DELETE"):
        body = None if method == "DELETE" else {"key": "A"}
        assert admin.call(method, f"/api/projects/default/production/variables/{id_}/", body).status == 404
    assert admin.get(one).status == 200


def test_the_audit_log_knows_keys_only(admin, daemon, path, one):
    id_ = one.rstrip("/").rsplit("/", 1)[1]
    assert patch(admin, one, {"key": "OTHER", "value": "never-in-a-log"}).status == 200
    assert admin.delete(one).status == 204
    rows = daemon.postgres.query("select action, x::text from audit_entry x where target = %s order by seq", (id_,))
    assert [action for action, _ in rows] == ["variable.create", "variable.update", "variable.delete"]
    assert all("OTHER" in text or "MODE" in text for _, text in rows)
    assert not any("never-in-a-log" in text or "fast" in text for _, text in rows)
