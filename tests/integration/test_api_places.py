"""Projects and environments over HTTP: made, found, renamed, cloned, archived with all that is in them."""
import concurrent.futures
import json
import re
import secrets

import jsonschema
import people
import pytest
from private_engine import wait_until


@pytest.fixture
def project(admin, daemon, slug):
    a = admin.post("/api/projects/", {"slug": slug, "description": "for a test"})
    assert a.status == 201, a
    yield a.json()
    admin.delete(f"/api/projects/{slug}/")
    daemon.postgres.query("delete from deploy_slot")


def patch(client, path, body, **kw):
    return client.call("PATCH", path, body, **kw)


def at_once(*calls):
    """Statuses of calls that begin together, sorted."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return sorted(done.status for done in [f.result() for f in [pool.submit(call) for call in calls]])


def outbox(daemon, key):
    return daemon.postgres.query("select kind, payload from outbox where key = %s order by id", (key,))


def listed(admin):
    return [p["slug"] for p in admin.get("/api/projects/").json()]


def test_a_project_has_its_production(admin, schema, project):
    a = schema.check(admin.get(f"/api/projects/{project['slug']}/"))
    assert a.json() == project and project["description"] == "for a test"
    assert [e["name"] for e in project["environments"]] == ["production"]
    assert schema.check(admin.post("/api/projects/", {"slug": project["slug"].upper()})).status == 409
    assert admin.post("/api/projects/", {"slug": "a b"}).errors() == [("slug", "invalid")]
    assert admin.post("/api/projects/", {"slug": "x" * 256, "colour": "red"}).status == 400
    named = schema.check(admin.post("/api/projects/", {}))
    assert named.status == 201 and named.json()["description"] is None
    assert admin.delete(f"/api/projects/{named.json()['slug']}/").status == 204  # measured; the schema has 200


def test_environments(admin, schema, project):
    path = f"/api/projects/{project['slug']}"
    a = schema.check(admin.post(f"{path}/create-environment/", {"name": "Staging"}))
    assert a.status == 201 and a.json()["name"] == "staging" and a.json()["variables"] == []
    assert schema.check(admin.post(f"{path}/create-environment/", {"name": "staging"})).status == 409
    assert admin.post(f"{path}/create-environment/", {"name": "preview-x"}).errors() == [("name", "invalid")]
    assert admin.post(f"{path}/create-environment/", {}).errors() == [("name", "required")]
    assert admin.post("/api/projects/nope/create-environment/", {"name": "x"}).status == 404
    assert admin.put("/api/deploys/web", {"image": "app:1", "project": project["slug"],
                                          "environment": "staging"}).status == 201


def test_archiving_an_environment(admin, daemon, schema, project):
    path = f"/api/projects/{project['slug']}"
    environment = admin.post(f"{path}/create-environment/", {"name": "staging"}).json()["id"]
    made = [admin.put(f"/api/deploys/{name}", {"image": "app:1", "port": 80, "domain": f"{name}-{project['slug']}.test",
                                               "project": project["slug"], "environment": "staging"}).json()
            for name in ("one", "one", "two")]
    assert schema.check(admin.delete(f"{path}/environment-details/production/")).status == 403
    assert schema.check(admin.delete(f"{path}/environment-details/nope/")).status == 404
    assert schema.check(admin.delete(f"{path}/environment-details/staging/")).status == 204
    assert admin.get(f"{path}/staging/service-list/").status == 404
    assert [e["name"] for e in admin.get(f"{path}/").json()["environments"]] == ["production"]
    assert outbox(daemon, environment) == [("start_workflow", {
        "workflow_type": "archive_environment", "workflow_id": f"archive-{environment}",
        "input": {"environment": environment}})]
    states = [daemon.postgres.query("select status from deployment where hash = %s", (d["hash"],))[0][0] for d in made]
    assert states == ["CANCELLING", "CANCELLED", "CANCELLING"]
    # Names and domains are free at once.
    assert admin.post(f"{path}/create-environment/", {"name": "staging"}).status == 201
    again = admin.put("/api/deploys/one", {"image": "app:1", "port": 80, "domain": f"one-{project['slug']}.test",
                                           "project": project["slug"], "environment": "staging"})
    assert again.status == 201, again


def test_archiving_a_project(admin, daemon, schema, project):
    path = f"/api/projects/{project['slug']}"
    admin.post(f"{path}/create-environment/", {"name": "staging"})
    for environment in ("production", "staging"):
        assert admin.put("/api/deploys/web", {"image": "app:1", "project": project["slug"],
                                              "environment": environment}).status == 201
    assert admin.delete(f"{path}/").status == 204
    assert project["slug"] not in listed(admin) and admin.get(f"{path}/").status == 404
    assert admin.put("/api/deploys/web", {"image": "app:1", "project": project["slug"]}).status == 404
    assert [p["workflow_type"] for _, p in outbox(daemon, project["id"])] == ["archive_project"]
    assert daemon.postgres.query("select count(*) from service s join environment e on e.id = s.environment_id where"
                                 " e.project_id = %s and s.archived_at is null", (project["id"],)) == [(0,)]
    assert admin.post("/api/projects/", {"slug": project["slug"]}).status == 201  # archived by the fixture
    assert schema.check(admin.delete("/api/projects/nope/")).status == 404


# --- renaming ---------------------------------------------------------------------------------------

def test_a_project_is_renamed_and_described(admin, schema, project, slug):
    path = f"/api/projects/{slug}/"
    a = schema.check(admin.put(path, {"description": "another"}))
    assert a.status == 200 and a.json()["description"] == "another" and a.json()["slug"] == slug
    assert a.json()["updated_at"] > project["updated_at"] and "total_services" not in a.json()
    assert admin.put(path, {"description": ""}).json()["description"] == ""
    assert schema.check(admin.put(path, {"slug": "DEFAULT"})).status == 409
    a = schema.check(admin.put(path, {"slug": f"{slug}-B"}))
    assert a.status == 200 and a.json()["slug"] == f"{slug}-b"
    assert admin.get(path).status == 404 and admin.get(f"/api/projects/{slug}-b/").json() == a.json()
    assert admin.put(f"/api/projects/{slug}-B/", {"slug": slug}).status == 404  # measured: as it is, not in lower case
    assert admin.put(f"/api/projects/{slug}-b/", {"slug": slug}).status == 200


@pytest.mark.parametrize("body,errors", [
    ({}, {("non_field_errors", "invalid")}),
    ({"slug": ""}, {("slug", "blank")}),
    ({"slug": "a b", "description": "x" * 4097}, {("slug", "invalid"), ("description", "max_length")}),
    ({"slug": None, "description": 3}, {("slug", "null"), ("description", "invalid")}),
    ({"description": "bell\u0007"}, {("description", "invalid")}),
])
def test_a_project_is_not_changed_to_anything(admin, schema, project, slug, body, errors):
    a = schema.check(admin.put(f"/api/projects/{slug}/", body))
    assert a.status == 400 and set(a.errors()) == errors
    assert admin.get(f"/api/projects/{slug}/").json() == project


def test_an_environment_is_shown_and_renamed(admin, daemon, schema, project, slug):
    path = f"/api/projects/{slug}"
    made = admin.post(f"{path}/create-environment/", {"name": "staging"}).json()
    shown = schema.check(admin.get(f"{path.upper().replace('API/PROJECTS', 'api/projects')}/environment-details/STAGING/"))
    assert shown.json() == made and made["preview_metadata"] is None
    details = f"{path}/environment-details"
    assert schema.check(admin.get(f"{details}/nope/")).status == 404
    a = schema.check(patch(admin, f"{details}/staging/", {"name": "Stage"}))
    assert a.status == 200 and a.json() == {**made, "name": "stage"}
    assert admin.get(f"{details}/staging/").status == 404 and admin.get(f"{details}/stage/").json() == a.json()
    assert schema.check(patch(admin, f"{details}/stage/", {"name": "production"})).status == 409
    assert schema.check(patch(admin, f"{details}/production/", {"name": "live"})).status == 403
    assert patch(admin, f"{details}/stage/", {"name": "preview-1"}).errors() == [("name", "invalid")]
    assert patch(admin, f"{details}/stage/", {}).errors() == [("name", "required")]
    assert patch(admin, f"{details}/nope/", {"name": "x"}).status == 404
    daemon.postgres.query("update environment set is_preview = true where id = %s", (made["id"],))
    assert patch(admin, f"{details}/stage/", {"name": "other"}).status == 403


def test_there_are_not_endlessly_many_environments(admin, daemon, project, slug):
    daemon.postgres.query("insert into environment (id, project_id, name) select 'project_env_' || %s || n, %s, 'e' || n from"
                          " generate_series(1, 498) n", (slug, project["id"]))
    path = f"/api/projects/{slug}"
    assert at_once(*[lambda n=n: admin.post(f"{path}/create-environment/", {"name": f"x{n}"}) for n in range(3)]) == [
        201, 409, 409]
    a = admin.post(f"{path}/clone-environment/production/", {"name": "y"})
    assert a.status == 409 and "500" in a.json()["errors"][0]["detail"]


def test_who_saw_an_older_one_changes_nothing(admin, project, slug):
    path = f"/api/projects/{slug}/"
    old = admin.get(path).headers["ETag"]
    new = admin.put(path, {"description": "first"}, headers={"If-Match": old})
    assert new.status == 200 and new.headers["ETag"] == admin.get(path).headers["ETag"] != old
    late = admin.put(path, {"description": "second"}, headers={"If-Match": old})
    assert late.status == 412 and late.errors() == [(None, "precondition_failed")], late
    assert admin.get(path).json()["description"] == "first"
    assert admin.delete(path, headers={"If-Match": old}).status == 412
    admin.post(f"{path}create-environment/", {"name": "staging"})
    details = f"{path}environment-details/staging/"
    seen = admin.get(details).headers["ETag"]
    assert at_once(*[lambda n=n: patch(admin, details, {"name": f"one{n}"}, headers={"If-Match": seen})
                     for n in range(2)]) in ([200, 404], [200, 412])
    name = admin.get(path).json()["environments"][1]["name"]
    assert name in ("one0", "one1")
    assert admin.delete(f"{path}environment-details/{name}/", headers={"If-Match": seen}).status == 412


def test_of_two_that_make_the_same_one_is_told_so(admin, daemon, slug):
    query = daemon.postgres.query
    try:
        for _ in range(3):
            assert at_once(*[lambda: admin.post("/api/projects/", {"slug": slug})] * 3) == [201, 409, 409]
            path = f"/api/projects/{slug}"
            assert at_once(*[lambda: admin.post(f"{path}/create-environment/", {"name": "x"})] * 3) == [201, 409, 409]
            assert at_once(*[lambda: admin.post(f"{path}/clone-environment/x/", {"name": "y"})] * 3) == [201, 409, 409]
            assert query("select count(*) from environment e join project p on p.id = e.project_id where p.slug = %s"
                         " and p.archived_at is null", (slug,)) == [(3,)]
            assert at_once(*[lambda: admin.delete(f"{path}/")] * 2) == [204, 404]
    finally:
        admin.delete(f"/api/projects/{slug}/")


# --- cloning ----------------------------------------------------------------------------------------

def change(admin, place, service, field, kind, value):
    a = admin.put(f"{place}/request-service-changes/{service}/", {"field": field, "type": kind, "new_value": value})
    assert a.status == 200, a
    return a.json()


@pytest.fixture
def full(admin, project, slug):
    """An environment with a service that has some of everything, applied, and one change that waits."""
    place = f"/api/projects/{slug}/production"
    assert admin.post(f"{place}/create-service/docker/", {"slug": "web", "image": "app:1"}).status == 201
    for field, kind, value in (
            ("command", "UPDATE", "serve --fast"),
            ("healthcheck", "UPDATE", {"type": "PATH", "value": "/up", "associated_port": 80}),
            ("volumes", "ADD", {"name": "data", "container_path": "/data"}),
            ("env_variables", "ADD", {"key": "MODE", "value": "deep secret"}),
            ("urls", "ADD", {"domain": f"{slug}.test", "associated_port": 80}),
            ("urls", "ADD", {"domain": f"{slug}.test", "base_path": "/api", "associated_port": 81}),
            ("urls", "ADD", {"domain": f"www.{slug}.test", "redirect_to": {"url": f"https://{slug}.test"}})):
        change(admin, place, "web", field, kind, value)
    assert admin.put(f"{place}/deploy-service/docker/web/", {}).status == 200
    change(admin, place, "web", "env_variables", "ADD", {"key": "LATE", "value": "waits"})
    assert admin.post(f"{place}/variables/", {"key": "SHARED", "value": "by all"}).status == 201
    return admin.get(f"{place}/service-details/web/").json()


def without(items, *members):
    return [{k: v for k, v in item.items() if k not in members} for item in items]


def check_copy(made, full, slug):
    assert made["id"] != full["id"] and made["deploy_token"] != full["deploy_token"]
    assert made["network_alias"] == full["network_alias"]
    assert (made["image"], made["command"]) == ("app:1", "serve --fast")
    assert without([made["healthcheck"]], "id") == without([full["healthcheck"]], "id")
    assert without(made["volumes"], "id") == without(full["volumes"], "id")
    assert made["volumes"][0]["id"] != full["volumes"][0]["id"]
    assert [(v["key"], v["value"]) for v in made["env_variables"]] == [("MODE", "deep secret"), ("LATE", "waits")]
    (domain,) = {url["domain"] for url in made["urls"]}
    assert domain.startswith(f"{slug}-web-") and domain.endswith(".apps.test")
    assert [(u["base_path"], u["associated_port"]) for u in made["urls"]] == [("/", 80), ("/api", 81)]


def test_a_clone_waits_to_be_deployed(admin, daemon, schema, project, slug, full):
    path = f"/api/projects/{slug}"
    a = schema.check(admin.post(f"{path}/clone-environment/Production/", {"name": "Staging"}))
    assert a.status == 201 and a.json()["name"] == "staging"
    (shared,) = a.json()["variables"]
    original = admin.get(f"{path}/production/variables/").json()
    assert (shared["key"], shared["value"]) == ("SHARED", "by all") and shared["id"] != original[0]["id"]
    assert admin.get(f"{path}/environment-details/staging/").json() == a.json()
    made = schema.check(admin.get(f"{path}/staging/service-details/web/")).json()
    assert made["image"] is None and made["urls"] == made["volumes"] == made["env_variables"] == []
    assert {c["field"] for c in made["unapplied_changes"]} == {
        "source", "command", "healthcheck", "volumes", "env_variables", "urls"}
    assert "deep secret" not in str(daemon.postgres.query(
        "select c.* from service_change c where c.service_id = %s", (made["id"],)))
    assert [c["status"] for c in admin.get(f"{path}/staging/service-list/").json()] == ["NOT_DEPLOYED_YET"]
    assert admin.get(f"{path}/production/service-details/web/").json() == full  # nothing changed there
    assert admin.put(f"{path}/staging/deploy-service/docker/web/", {}).status == 200
    check_copy(admin.get(f"{path}/staging/service-details/web/").json(), full, slug)


def test_a_clone_is_deployed_at_once(admin, daemon, schema, project, slug, full):
    path = f"/api/projects/{slug}"
    assert admin.put("/api/deploys/db", {"image": "db:1", "project": slug}).status == 201
    a = schema.check(admin.post(f"{path}/clone-environment/production/", {"name": "copy", "deploy_after_clone": True}))
    assert a.status == 201, a
    made = admin.get(f"{path}/copy/service-details/web/").json()
    check_copy(made, full, slug)
    assert made["unapplied_changes"] == []
    for name in ("web", "db"):
        (one,) = admin.get(f"{path}/copy/service-details/{name}/deployments/").json()["results"]
        assert one["service_snapshot"]["environment"]["name"] == "copy"
    assert len(outbox(daemon, one["hash"])) == 1


def test_a_clone_has_every_part(admin, daemon, schema, project, slug):
    """Shared volumes lead to the copy's own volumes, whichever service is deployed first; what can be had once only
    stays with the original."""
    place, port = f"/api/projects/{slug}/production", 20000 + secrets.randbelow(10000)
    for name in ("a-reader", "b-owner", "c-both"):
        assert admin.post(f"{place}/create-service/docker/", {"slug": name, "image": "app:1"}).status == 201
    for name in ("b-owner", "c-both"):
        change(admin, place, name, "volumes", "ADD", {"name": f"of-{name}", "container_path": "/data"})
        assert admin.put(f"{place}/deploy-service/docker/{name}/", {}).status == 200
    volume = {name: admin.get(f"{place}/service-details/{name}/").json()["volumes"][0]["id"] for name in ("b-owner", "c-both")}
    for reader, owner in (("a-reader", "c-both"), ("c-both", "b-owner")):
        change(admin, place, reader, "shared_volumes", "ADD", {"volume_id": volume[owner], "container_path": "/theirs"})
    for field, kind, value in (("ports", "ADD", {"host": port, "forwarded": 80}),
                               ("configs", "ADD", {"name": "main", "mount_path": "/etc/app.conf", "contents": "top secret"}),
                               ("resource_limits", "UPDATE", {"cpus": 0.5, "memory": {"value": 64}})):
        change(admin, place, "a-reader", field, kind, value)
    assert admin.put(f"{place}/deploy-service/docker/a-reader/", {}).status == 200
    change(admin, place, "a-reader", "configs", "ADD", {"name": "late", "mount_path": "/etc/late", "contents": "waits"})
    assert patch(admin, f"{place}/service-details/a-reader/", {"auto_deploy_enabled": False, "watch_paths": "src/**"}).status == 200
    original = admin.get(f"{place}/service-details/a-reader/").json()

    a = schema.check(admin.post(f"/api/projects/{slug}/clone-environment/production/",
                                {"name": "copy", "deploy_after_clone": True}))
    assert a.status == 201, a
    copy = {name: schema.check(admin.get(f"/api/projects/{slug}/copy/service-details/{name}/")).json()
            for name in ("a-reader", "b-owner", "c-both")}
    made = copy["a-reader"]
    assert made["resource_limits"] == original["resource_limits"] and made["resource_limits"]["cpus"] == 0.5
    assert made["ports"] == [] and original["ports"][0]["host"] == port
    assert [(c["name"], c["mount_path"], c["contents"], c["version"]) for c in made["configs"]] == [
        ("main", "/etc/app.conf", "top secret", 1), ("late", "/etc/late", "waits", 1)]
    assert (made["auto_deploy_enabled"], made["watch_paths"]) == (False, "src/**")
    for reader, owner in (("a-reader", "c-both"), ("c-both", "b-owner")):
        (shared,) = copy[reader]["shared_volumes"]
        assert shared["volume"]["id"] == copy[owner]["volumes"][0]["id"] != volume[owner], (reader, shared)
        assert shared["container_path"] == "/theirs"
    assert all(s["unapplied_changes"] == [] for s in copy.values())
    assert "top secret" not in str(daemon.postgres.query("select c.* from service_change c where c.service_id = %s",
                                                         (made["id"],)))
    again = schema.check(admin.post(f"/api/projects/{slug}/clone-environment/copy/", {"name": "copy-2"}))
    assert again.status == 201  # of what is live as of what waits
    (change_,) = [c for c in admin.get(f"/api/projects/{slug}/copy-2/service-details/a-reader/").json()["unapplied_changes"]
                  if c["field"] == "shared_volumes"]
    waiting = [c for c in admin.get(f"/api/projects/{slug}/copy-2/service-details/c-both/").json()["unapplied_changes"]
               if c["field"] == "volumes"]
    assert change_["new_value"]["volume_id"] == waiting[0]["item_id"]
    assert admin.put(f"/api/projects/{slug}/copy-2/deploy-service/docker/a-reader/", {}).status == 409
    for name in ("b-owner", "c-both", "a-reader"):
        assert admin.put(f"/api/projects/{slug}/copy-2/deploy-service/docker/{name}/", {}).status == 200


def test_what_cannot_be_cloned(admin, daemon, schema, project, slug):
    path = f"/api/projects/{slug}/clone-environment/production/"
    assert schema.check(admin.post(path, {"name": "PRODUCTION"})).status == 409
    assert schema.check(admin.post(path, {"name": "preview-a", "deploy_after_clone": "yes"})).errors() == [
        ("deploy_after_clone", "invalid"), ("name", "invalid")]
    assert admin.post(path, {}).errors() == [("name", "required")]
    assert schema.check(admin.post(path.replace("production", "nope"), {"name": "x"})).status == 404
    assert admin.post("/api/projects/nope/clone-environment/production/", {"name": "x"}).status == 404
    assert len(admin.get(f"/api/projects/{slug}/").json()["environments"]) == 1


# --- finding ----------------------------------------------------------------------------------------

def test_search(admin, daemon, schema, project, slug):
    for environment in ("zeta-1", "zeta_2"):
        assert admin.post(f"/api/projects/{slug}/create-environment/", {"name": environment}).status == 201
    for n in range(7):
        assert admin.post(f"/api/projects/{slug}/production/create-service/docker/",
                          {"slug": f"{slug}-{n}", "image": "app:1"}).status == 201

    def found(query):
        a = schema.check(admin.get(f"/api/search-resources/?query={query}"))
        assert a.status == 200
        return [(r["type"], r.get("slug", r.get("name"))) for r in a.json()]

    assert found(slug.upper()) == [("project", slug)] + [("service", f"{slug}-{n}") for n in range(5)]
    assert found(f"{slug}-6") == [("service", f"{slug}-6")]
    assert found(slug[1:]) == []  # the beginning counts
    assert ("environment", "zeta-1") in found("zeta-") and ("environment", "zeta_2") not in found("zeta-")
    assert found("%25") == [] and found("%5C") == [] and found("'") == []
    everything = found("")
    assert {kind for kind, _ in everything} == {"project", "environment", "service"} and len(everything) <= 15
    assert admin.get("/api/search-resources/").status == 200
    assert admin.get("/api/search-resources/?query=" + "x" * 256).errors() == [("query", "max_length")]
    assert admin.get("/api/search-resources/?query=a%0Ab").errors() == [("query", "invalid")]
    admin.delete(f"/api/projects/{slug}/")
    assert found(slug) == []


def test_the_list_of_projects(admin, daemon, schema, project, slug):
    path = f"/api/projects/{slug}/production"
    made = {n: admin.put(f"/api/deploys/s{n}", {"image": "app:1", "project": slug}).json() for n in range(3)}
    for n, status in ((0, "HEALTHY"), (1, "FAILED")):
        daemon.postgres.query("update deployment set status = %s, is_current_production = true, finished_at = now()"
                              " where hash = %s", (status, made[n]["hash"]))
    (row,) = schema.check(admin.get(f"/api/projects/?slug={slug[1:].upper()}")).json()
    assert (row["total_services"], row["healthy_services"], row["total_stack_services"]) == (2, 1, 0)
    order = [p["slug"] for p in admin.get("/api/projects/?sort_by=slug").json()]
    assert order == sorted(order) and [p["slug"] for p in admin.get("/api/projects/?sort_by=-slug").json()] == order[::-1]
    newest = [p["updated_at"] for p in admin.get("/api/projects/").json()]
    assert newest == sorted(newest, reverse=True)
    cards = schema.check(admin.get(f"{path}/service-list/")).json()
    assert [(c["slug"], c["status"]) for c in cards] == [("s0", "HEALTHY"), ("s1", "FAILED"), ("s2", "DEPLOYING")]
    assert [c["slug"] for c in admin.get(f"{path}/service-list/?query=S1").json()] == ["s1"]
    assert schema.check(admin.get(f"{path}/service-list/?query={'x' * 39}")).errors() == [("query", "max_length")]


# --- who may ----------------------------------------------------------------------------------------

def test_a_guest_sees_his_projects_only(admin, daemon, schema, project, slug):
    other = admin.post("/api/projects/", {"slug": f"{slug}-other"}).json()
    for place in (slug, f"{slug}-other"):
        assert admin.put(f"/api/deploys/{slug}", {"image": "app:1", "project": place}).status == 201
        admin.post(f"/api/projects/{place}/production/variables/", {"key": "SECRET", "value": "hidden"})
    daemon.postgres.query("update deployment d set status = 'FAILED' from service s where s.id = d.service_id and s.slug = %s",
                          (slug,))
    guest = people.member(daemon, 10, [project["id"]])
    assert [p["slug"] for p in guest.get("/api/projects/").json()] == [slug]
    assert schema.check(guest.get(f"/api/projects/{slug}/")).json() == project
    assert guest.get(f"/api/projects/{slug}/environment-details/production/").json()["variables"] == []
    assert [c["slug"] for c in guest.get(f"/api/projects/{slug}/production/service-list/").json()] == [slug]
    found = guest.get(f"/api/search-resources/?query={slug}").json()
    assert [(r["type"], r.get("project_slug", r.get("slug"))) for r in found] == [("project", slug), ("service", slug)]
    assert {r["project_slug"] for r in guest.get("/api/search-resources/?query=prod").json()} == {slug}
    assert {d["service"]["project"]["slug"] for d in guest.get("/api/recent-deployments/").json()} == {slug}
    for path in ("", "environment-details/production/", "production/service-list/"):
        assert guest.get(f"/api/projects/{slug}-other/{path}").status == 404, path
    for method, path in (("GET", "production/variables/"), ("POST", "production/variables/"), ("PUT", ""), ("DELETE", ""),
                         ("POST", "create-environment/"), ("POST", "clone-environment/production/"),
                         ("PATCH", "environment-details/production/"), ("DELETE", "environment-details/production/")):
        body = {} if method != "GET" else None
        assert guest.call(method, f"/api/projects/{slug}/{path}", body).status == 403, (method, path)
    assert guest.post("/api/projects/", {}).status == 403
    admin.delete(f"/api/projects/{slug}-other/")
    assert other["slug"] == f"{slug}-other"


def test_other_workspaces_are_out_of_reach(admin, daemon, project, slug):
    made = admin.put("/api/deploys/web", {"image": "app:1", "project": slug}).json()
    daemon.postgres.query("update deployment set status = 'FAILED' where hash = %s", (made["hash"],))
    stranger = people.member(daemon, 50, workspace=people.other_workspace(daemon))
    assert stranger.get("/api/projects/").json() == [] == stranger.get("/api/search-resources/").json()
    assert stranger.get("/api/recent-deployments/").json() == []
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "production/service-list/"),
                         ("POST", "create-environment/"), ("POST", "clone-environment/production/"),
                         ("GET", "environment-details/production/"), ("GET", "production/variables/"),
                         ("POST", "production/variables/"), ("PATCH", "environment-details/production/"),
                         ("PUT", "production/bulk-deploy-services/")):
        body = {"name": "x", "slug": "x", "key": "X", "service_ids": []} if method != "GET" else None
        assert stranger.call(method, f"/api/projects/{slug}/{path}", body).status == 404, (method, path)
    assert stranger.post("/api/projects/", {"slug": slug}).status == 409  # slugs are unique over all workspaces


# --- what a page costs ------------------------------------------------------------------------------

@pytest.fixture
def statements(daemon):
    """A function that lists the statements which an answer takes: the fewest of some tries, since a check of who
    calls may come between."""
    query, log = daemon.postgres.query, daemon.postgres.root / "log"

    def once(call):
        start = log.stat().st_size
        assert call().status == 200
        with log.open() as text:
            text.seek(start)
            return [m[1] for m in re.finditer(r"(?ms)^zane LOG:  (.*?)(?=^\w* [A-Z]+:  |\Z)", text.read())]

    for setting in ("log_statement = 'all'", "log_line_prefix = '%u '"):
        query(f"alter system set {setting}")
    query("select pg_reload_conf()")
    wait_until(lambda: once(lambda: daemon.client().get("/api/auth/check-user-existence/")), 10, "a log of statements")
    yield lambda call: min((once(call) for _ in range(5)), key=len)
    for setting in ("log_statement", "log_line_prefix"):
        query(f"alter system reset {setting}")
    query("select pg_reload_conf()")


def test_a_page_takes_as_many_statements_for_100_rows_as_for_10(admin, daemon, project, slug, full, statements):
    query, path = daemon.postgres.query, f"/api/projects/{slug}"
    details = f"{path}/production/service-details/web/"
    (hash_,), = query("select hash from deployment where service_id = %s", (full["id"],))

    def grow(n):
        tag = f"{secrets.token_hex(3)}"
        query("insert into deployment (hash, service_id, slot, status, snapshot, finished_at) select 'dpl_dkr_' || %s || n,"
              " service_id, slot, 'REMOVED', snapshot, now() from deployment, generate_series(1, %s) n where hash = %s",
              (tag, n, hash_))
        query("insert into service_env (id, service_id, key, value_sealed, key_id) select 'env_dkr_' || %s || n, service_id,"
              " 'K' || %s || n, value_sealed, key_id from service_env, generate_series(1, %s) n where service_id = %s"
              " and key = 'MODE'", (tag, tag, n, full["id"]))
        query("insert into environment (id, project_id, name) select 'project_env_' || %s || n, %s, %s || n from"
              " generate_series(1, %s) n", (tag, project["id"], tag, n))

    pages = {"project": f"{path}/", "service": details, "deployments": f"{details}deployments/?per_page=100"}
    grow(10)
    few = {name: len(statements(lambda p=p: admin.get(p))) for name, p in pages.items()}
    grow(90)
    many = {name: len(statements(lambda p=p: admin.get(p))) for name, p in pages.items()}
    assert len(admin.get(pages["deployments"]).json()["results"]) == 100
    assert len(admin.get(pages["project"]).json()["environments"]) == 101
    assert few == many and all(1 <= n <= 10 for n in few.values()), (few, many)


def test_a_search_reads_no_whole_table(admin, daemon, statements):
    (text,) = [s for s in statements(lambda: admin.get("/api/search-resources/?query=none-begins-so")) if "'project_slug'" in s]
    text = text[text.index(": ") + 2:].strip()
    connection = daemon.postgres.connect()
    try:
        with connection.cursor() as c:
            c.execute("""
                insert into project (id, workspace_id, slug) select 'prj_' || n, w.id, 'p' || n from
                    generate_series(1, 30000) n, (select id from workspace limit 1) w;
                insert into environment (id, project_id, name) select 'project_env_' || n, 'prj_' || n, 'e' || n from
                    generate_series(1, 30000) n;
                insert into service (id, environment_id, slug, network_alias, deploy_token) select 'srv_dkr_' || n,
                    'project_env_' || n, 's' || n, 's' || n, 'token' || n from generate_series(1, 30000) n;
                analyze project; analyze environment; analyze service; set local plan_cache_mode = force_generic_plan""")
            c.execute("prepare search as " + text)
            c.execute("explain execute search('wrk_1', 's4', null)")
            plan = "\n".join(row for row, in c.fetchall())
    finally:
        connection.close()  # all of it was one transaction
    assert "Seq Scan" not in plan, plan
    for index in ("project_slug_prefix", "environment_name_prefix", "service_slug_prefix"):
        assert index in plan, plan


# --- the document -----------------------------------------------------------------------------------

def shape(root, answer, name):
    """The answer is what our own document says of that component ("Name[]": a list of them)."""
    parts = {k: v for f in (root / "zaned/api/schemas").glob("*.json") for k, v in json.loads(f.read_text()).items()}
    wanted = {"$ref": f"#/components/schemas/{name.removesuffix('[]')}"}
    if name.endswith("[]"):
        wanted = {"type": "array", "minItems": 1, "items": wanted}
    jsonschema.Draft202012Validator({**wanted, "components": {"schemas": parts}}).validate(answer.json())


def test_answers_are_what_our_document_says(admin, daemon, root, project, slug, full):
    path = f"/api/projects/{slug}"
    place = f"{path}/production"
    shape(root, admin.get(f"{path}/"), "Project")
    shape(root, admin.put(f"{path}/", {"description": "x"}), "Project")
    shape(root, admin.get("/api/projects/"), "ListedProject[]")
    shape(root, admin.get(f"{path}/environment-details/production/"), "Environment")
    shape(root, admin.get(f"{place}/variables/"), "EnvironmentVariable[]")
    shape(root, admin.post(f"{place}/variables/", {"key": "NEW"}), "NewEnvironmentVariable")
    shape(root, admin.get(f"{place}/service-list/"), "ServiceCard[]")
    shape(root, admin.get("/api/search-resources/"), "SearchResult[]")
    shape(root, admin.put("/api/deploys/web", {"image": "app:1", "project": slug}), "ServiceAndDeployment")
    shape(root, admin.get(f"{place}/service-details/web/deployments/"), "DeploymentPage")
    daemon.postgres.query("update deployment set status = 'FAILED' where service_id = %s", (full["id"],))
    shape(root, admin.get("/api/recent-deployments/"), "RecentDeployment[]")


def same_shape(got, wanted):
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(same_shape(got[k], v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(same_shape, got, wanted))
    return type(got) is type(wanted)


def test_examples_of_the_document(admin, daemon, root, slug):
    """```http who: request, JSON body if there is one, status, JSON answer if there is one."""
    names, people_ = {"project": slug}, {"admin": admin, "member": admin, "anybody": daemon.client(), "guest": admin}
    seen = 0
    try:
        for who, block in re.findall(r"```http (\w+)\n(.*?)```", (root / "docs/api/places.md").read_text(), re.S):
            for name, value in names.items():
                block = block.replace("{" + name + "}", value)
            request, *lines = block.strip().split("\n")
            at = next(n for n, line in enumerate(lines) if re.fullmatch(r"\d{3}", line))
            body, status, answer = lines[:at], int(lines[at]), lines[at + 1:]
            method, path = request.split()
            got = people_[who].call(method, path, json.loads(body[0]) if body else None)
            assert got.status == status, got
            assert same_shape(got.json(), json.loads(answer[0])) if answer else not got.body, got
            seen += 1
            if path == "/api/projects/":
                made = admin.post(f"/api/projects/{slug}/production/create-service/docker/", {"slug": "web", "image": "app:1"}).json()
                names.update(service_id=made["id"], deploy_token=made["deploy_token"])
        assert seen == 6
    finally:
        admin.delete(f"/api/projects/{slug}/")
