"""Projects, services and their changes over HTTP, with the real zaned, Postgres and Valkey."""
import concurrent.futures
import json
import re

import pytest
from private_engine import wait_until

P = "/api/projects/default/production"


def create(admin, image="app:1", slug=None):
    a = admin.post(f"{P}/create-service/docker/", {"image": image, **({"slug": slug} if slug else {})})
    assert a.status == 201, a
    return a.json()


def request(admin, slug, field, kind=None, value=..., item=None):
    body = {"field": field}
    body.update({"type": kind} if kind else {})
    body.update({} if value is ... else {"new_value": value})
    body.update({"item_id": item} if item else {})
    return admin.put(f"{P}/request-service-changes/{slug}/", body)


def changed(admin, *args, **kw):
    a = request(admin, *args, **kw)
    assert a.status == 200, a
    return a.json()


def deploy(admin, slug, **body):
    a = admin.put(f"{P}/deploy-service/docker/{slug}/", body)
    assert a.status == 200, a
    return a.json()


def details(admin, slug):
    return admin.get(f"{P}/service-details/{slug}/").json()


# --- projects ---------------------------------------------------------------------------------------

def test_projects(admin, schema):
    a = schema.check(admin.get("/api/projects/"))
    (project,) = [p for p in a.json() if p["slug"] == "default"]
    assert re.fullmatch("prj_.{11}", project["id"])
    assert project["environments"][0]["name"] == "production"
    assert project["id"] in [p["id"] for p in schema.check(admin.get("/api/projects/?slug=EFAU")).json()]
    assert admin.get("/api/projects/?slug=nothing-has-this").json() == []
    assert admin.get("/api/projects/?sort_by=-updated_at").status == 200
    assert admin.get("/api/projects/?sort_by=name").errors() == [("sort_by", "invalid_choice")]
    one = schema.check(admin.get("/api/projects/default")).json()
    assert "healthy_services" not in one and one["environments"] == project["environments"]


def test_unknown_places(admin, schema):
    for path in ("/api/projects/DEFAULT/", "/api/projects/nope/", "/api/projects/nope/production/service-list/",
                 "/api/projects/default/staging/service-list/", f"{P}/service-details/nope/",
                 f"{P}/service-details/nope/deployments/", f"{P}/service-details/nope/deployments/dpl_dkr_x/"):
        a = schema.check(admin.get(path))
        assert a.status == 404, a
        assert a.errors() == [(None, "not_found")]
    assert admin.put(f"{P}/deploy-service/docker/nope/", {}).status == 404
    assert admin.get("/api/projects/DEFAULT/Production/service-list/").status == 200


def test_without_session(daemon):
    c = daemon.client()
    for method, path in (("GET", "/api/projects/"), ("PUT", "/api/deploys/x"),
                         ("POST", f"{P}/create-service/docker/"), ("GET", f"{P}/service-details/x/")):
        assert c.call(method, path, {} if method != "GET" else None).status in (401, 403), path


# --- services ---------------------------------------------------------------------------------------

def test_create_and_show(admin, schema, slug):
    a = schema.check(admin.post(f"{P}/create-service/docker/", {"slug": slug.upper(), "image": "nginx:1.27"}))
    s = a.json()
    assert a.status == 201 and s["slug"] == slug and s["image"] is None
    assert re.fullmatch("srv_dkr_.{11}", s["id"]) and re.fullmatch("[0-9a-f]{32}", s["deploy_token"])
    assert s["network_alias"] == f"zn-{slug}-{s['id'][8:]}"
    (change,) = s["unapplied_changes"]
    assert (change["type"], change["field"], change["new_value"]) == ("UPDATE", "source", {"image": "nginx:1.27"})
    assert schema.check(admin.get(f"{P}/service-details/{slug}/")).json() == s
    cards = schema.check(admin.get(f"{P}/service-list/?query={slug}")).json()
    assert [(c["slug"], c["image"], c["tag"], c["status"], c["url"]) for c in cards] == \
        [(slug, "nginx", "1.27", "NOT_DEPLOYED_YET", None)]
    again = schema.check(admin.post(f"{P}/create-service/docker/", {"slug": slug, "image": "nginx"}))
    assert again.status == 409 and again.errors() == [(None, "resource_conflict")]


def test_create_makes_a_slug(admin):
    assert re.fullmatch("[a-z]+-[a-z]+-[a-z0-9]{4}", create(admin)["slug"])


@pytest.mark.parametrize("body,errors", [
    ({}, {("image", "required")}),
    ({"image": "A B", "slug": "x y"}, {("image", "invalid"), ("slug", "invalid")}),
    ({"image": "a", "slug": "x" * 39}, {("slug", "max_length")}),
    ({"image": "a" * 511}, {("image", "max_length")}),
    ({"image": None, "slug": 3}, {("image", "null"), ("slug", "invalid")}),
    ({"image": "a", "container_registry_credentials_id": "x"}, {("container_registry_credentials_id", "invalid")}),
])
def test_create_refuses(admin, schema, body, errors):
    a = schema.check(admin.post(f"{P}/create-service/docker/", body))
    assert a.status == 400 and a.json()["type"] == "validation_error"
    assert set(a.errors()) == errors


def test_archive_frees_slug_and_domain(admin, daemon, schema, slug):
    old = create(admin, slug=slug)
    changed(admin, slug, "urls", "ADD", {"domain": f"{slug}.test", "associated_port": 80})
    deploy(admin, slug)
    a = schema.check(admin.delete(f"{P}/archive-service/docker/{slug}/"))
    assert a.status == 204 and a.body == b""
    assert admin.get(f"{P}/service-details/{slug}/").status == 404
    assert admin.delete(f"{P}/archive-service/docker/{slug}/").status == 404
    (row,) = daemon.postgres.query("select kind, payload from outbox where key = %s", (old["id"],))
    assert row == ("start_workflow", {"workflow_type": "archive_service", "workflow_id": f"archive-{old['id']}",
                                      "input": {"service": old["id"]}})
    new = create(admin, slug=slug)
    assert new["id"] != old["id"]
    changed(admin, slug, "urls", "ADD", {"domain": f"{slug}.test", "associated_port": 80})


# --- changes ----------------------------------------------------------------------------------------

def test_every_field_becomes_part_of_the_service(admin, schema, slug):
    create(admin, slug=slug)
    a = request(admin, slug, "command", value="serve --port 80")
    assert schema.check(a).status == 200
    changed(admin, slug, "healthcheck", value={"type": "PATH", "value": "/up", "associated_port": 80})
    changed(admin, slug, "volumes", "ADD", {"container_path": "/a/../data", "name": "data"})
    changed(admin, slug, "env_variables", "ADD", {"key": "SECRET", "value": "s3cret"})
    changed(admin, slug, "urls", "ADD", {"domain": f"{slug}.test", "associated_port": 80, "base_path": "/api/"})
    changed(admin, slug, "urls", "ADD", {"domain": f"{slug}.old", "redirect_to": {"url": f"https://{slug}.test"}})
    s = changed(admin, slug, "urls", "ADD", {"associated_port": 80})
    assert len(s["unapplied_changes"]) == 8 and s["urls"] == []
    deploy(admin, slug)
    s = schema.check(admin.get(f"{P}/service-details/{slug}/")).json()
    assert s["unapplied_changes"] == [] and s["image"] == "app:1" and s["command"] == "serve --port 80"
    assert {k: s["healthcheck"][k] for k in ("type", "value", "timeout_seconds", "associated_port")} == \
        {"type": "PATH", "value": "/up", "timeout_seconds": 30, "associated_port": 80}
    assert [(v["container_path"], v["name"], v["mode"], v["host_path"]) for v in s["volumes"]] == \
        [("/data", "data", "READ_WRITE", None)]
    assert [(e["key"], e["value"]) for e in s["env_variables"]] == [("SECRET", "s3cret")]
    first, second, third = s["urls"]
    assert (first["domain"], first["base_path"], first["associated_port"]) == (f"{slug}.test", "/api", 80)
    assert second["redirect_to"] == {"url": f"https://{slug}.test", "permanent": False}
    assert re.fullmatch(rf"default-{slug}-[a-z0-9]{{10}}\.apps\.test", third["domain"])


def test_variables_are_sealed_at_rest(admin, daemon, slug):
    create(admin, slug=slug)
    changed(admin, slug, "env_variables", "ADD", {"key": "SECRET", "value": "open-sesame"})
    deploy(admin, slug)
    for table in ("service_change", "service_env", "deployment", "service"):
        rows = daemon.postgres.query(f"select t::text from {table} t")
        assert rows and not any("open-sesame" in r[0] for r in rows), table


def test_update_and_delete_items(admin, slug):
    create(admin, slug=slug)
    changed(admin, slug, "env_variables", "ADD", {"key": "A", "value": "1"})
    changed(admin, slug, "env_variables", "ADD", {"key": "B", "value": ""})
    deploy(admin, slug)
    a, b = details(admin, slug)["env_variables"]
    s = changed(admin, slug, "env_variables", "UPDATE", {"key": "A2", "value": "2"}, item=a["id"])
    (change,) = s["unapplied_changes"]
    assert change["old_value"] == a and change["item_id"] == a["id"]
    assert request(admin, slug, "env_variables", "DELETE", item=a["id"]).errors() == [("item_id", "invalid")]
    changed(admin, slug, "env_variables", "DELETE", item=b["id"])
    changed(admin, slug, "env_variables", "ADD", {"key": "B", "value": "new"})  # the place is free
    deploy(admin, slug)
    assert [(e["key"], e["value"]) for e in details(admin, slug)["env_variables"]] == [("A2", "2"), ("B", "new")]
    same = changed(admin, slug, "env_variables", "UPDATE", {"key": "A2", "value": "2"}, item=a["id"])
    assert same["unapplied_changes"] == []


def test_single_fields_merge(admin, slug):
    create(admin, slug=slug)
    changed(admin, slug, "source", value={"image": "app:2"})
    s = changed(admin, slug, "source", value={"image": "app:3"})
    assert [c["new_value"] for c in s["unapplied_changes"]] == [{"image": "app:3"}]
    deploy(admin, slug)
    changed(admin, slug, "command", value="x")
    assert changed(admin, slug, "command", value=None)["unapplied_changes"] == []


@pytest.mark.parametrize("body,errors", [
    ({}, {("field", "required")}),
    ({"field": "git_source", "new_value": {"repository_url": "x"}}, {("field", "invalid_choice")}),
    ({"field": "builder", "new_value": {"builder": "DOCKERFILE"}}, {("field", "invalid_choice")}),
    ({"field": "urls", "type": "ADD", "new_value": {"domain": "dash.test", "associated_port": 80}},
     {("new_value.domain", "invalid")}),
    ({"field": "urls", "type": "ADD", "new_value": {"domain": "*.apps.test", "associated_port": 80}},
     {("new_value.domain", "invalid")}),
    ({"field": "urls", "type": "ADD", "new_value": {"domain": "x", "base_path": "/*", "associated_port": 0}},
     {("new_value.domain", "invalid"), ("new_value.base_path", "invalid"), ("new_value.associated_port", "min_value")}),
    ({"field": "urls", "type": "ADD", "new_value": {"domain": "a.test", "redirect_to": {"url": "https://{env.A}"}}},
     {("new_value.redirect_to.url", "invalid")}),
    ({"field": "volumes", "type": "ADD", "new_value": {"container_path": "/x", "host_path": "/run/docker.sock"}},
     {("new_value.host_path", "invalid")}),
    ({"field": "env_variables", "type": "ADD", "new_value": {"key": "A", "value": "x" * 65537}},
     {("new_value.value", "max_length")}),
    ({"field": "env_variables", "type": "UPDATE", "item_id": "env_dkr_none", "new_value": {"key": "A", "value": ""}},
     {("item_id", "invalid")}),
])
def test_changes_refused(admin, schema, shared, body, errors):
    a = schema.check(admin.put(f"{P}/request-service-changes/{shared}/", body))
    assert a.status == 400 and a.json()["type"] == "validation_error"
    assert set(a.errors()) == errors


@pytest.mark.parametrize("raw,status,code", [
    (b"{", 400, "parse_error"), (b'{"a":1,"a":2}', 400, "parse_error"), (b'{"field":"\xff"}', 400, "parse_error"),
    (b"[]", 400, "invalid"), (b'{"field":"\\u0000"}', 400, "parse_error")])
def test_broken_bodies(admin, shared, raw, status, code):
    a = admin.put(f"{P}/request-service-changes/{shared}/", raw=raw, headers={"Content-Type": "application/json"})
    assert a.status == status and a.errors()[0][1] == code, a


def test_urls_are_unique_over_services(admin, slug):
    one, two = create(admin, slug=slug)["slug"], create(admin, slug=slug + "b")["slug"]
    changed(admin, one, "urls", "ADD", {"domain": f"{slug}.test", "associated_port": 80})
    refused = request(admin, two, "urls", "ADD", value={"domain": f"{slug}.test", "associated_port": 80})
    assert refused.errors() == [("new_value.domain", "invalid")]  # it only waits there, and still is taken
    changed(admin, two, "urls", "ADD", {"domain": f"{slug}.test", "associated_port": 80, "base_path": "/two"})
    changed(admin, one, "urls", "ADD", {"domain": f"*.{slug}.test", "associated_port": 80})
    for who in (one, two):
        a = request(admin, who, "urls", "ADD", value={"domain": f"x.{slug}.test", "associated_port": 80})
        assert a.errors() == [("new_value.domain", "invalid")], who


def test_two_ask_for_one_domain_at_the_same_time(admin, daemon, slug):
    """One is in the middle of its transaction, the other must wait for it and then see what it took."""
    one, two = create(admin, slug=slug), create(admin, slug=slug + "b")
    url = {"domain": f"{slug}.test", "base_path": "/", "associated_port": 80}
    c = daemon.postgres.connect()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, c.cursor() as k:
        k.execute("select pg_advisory_xact_lock(hashtext('zane.urls'))")
        k.execute("insert into service_change (id, service_id, type, field, new_value) values"
                  " (%s, %s, 'ADD', 'urls', %s)", (f"chg_dkr_{slug}", one["id"], json.dumps(url)))
        answer = pool.submit(request, admin, two["slug"], "urls", "ADD", url)
        wait_until(lambda: daemon.postgres.waiting_for("advisory"), 10, "the second waits")
        c.commit()
        assert answer.result(10).errors() == [("new_value.domain", "invalid")]
    c.close()


# --- cancelling -------------------------------------------------------------------------------------

def test_cancel_change(admin, schema, slug):
    create(admin, slug=slug)
    s = changed(admin, slug, "env_variables", "ADD", {"key": "A", "value": "1"})
    source, env = s["unapplied_changes"]
    assert schema.check(admin.delete(f"{P}/cancel-service-changes/{slug}/{env['id']}/")).status == 204
    assert schema.check(admin.delete(f"{P}/cancel-service-changes/{slug}/{env['id']}/")).status == 404
    a = schema.check(admin.delete(f"{P}/cancel-service-changes/{slug}/{source['id']}/"))
    assert a.status == 409 and a.errors() == [(None, "resource_conflict")]
    deploy(admin, slug)
    assert admin.delete(f"{P}/cancel-service-changes/{slug}/{source['id']}/").status == 404


def test_cancel_change_that_others_build_on(admin, slug):
    create(admin, slug=slug)
    changed(admin, slug, "volumes", "ADD", {"container_path": "/data"})
    deploy(admin, slug)
    volume = details(admin, slug)["volumes"][0]
    s = changed(admin, slug, "volumes", "DELETE", item=volume["id"])
    changed(admin, slug, "volumes", "ADD", {"container_path": "/data"})
    a = admin.delete(f"{P}/cancel-service-changes/{slug}/{s['unapplied_changes'][0]['id']}/")
    assert a.status == 409, a
