"""Projects and environments over HTTP: made, archived with all that is in them."""
import pytest


@pytest.fixture
def project(admin, daemon, slug):
    a = admin.post("/api/projects/", {"slug": slug, "description": "for a test"})
    assert a.status == 201, a
    yield a.json()
    admin.delete(f"/api/projects/{slug}/")
    daemon.postgres.query("delete from deploy_slot")


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
