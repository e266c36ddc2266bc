"""GET /api/events/: what changes in a workspace, told to whoever looks at it."""
import json
import secrets

import pytest
from event_reader import Reader
from people import member, other_workspace
from private_engine import wait_until

ADMIN, GUEST = 40, 10


def name(prefix):
    return f"{prefix}-{secrets.token_hex(4)}"


@pytest.fixture
def listen(daemon):
    readers = []

    def start(client, last=None, since=None):
        target = f"/api/events/?since={since}" if since else "/api/events/"
        r = Reader(daemon, f"sessionid={client.cookies['sessionid']}", last, target)
        readers.append(r)
        return r
    yield start
    for r in readers:
        r.close()


@pytest.fixture(scope="module")
def project(admin):
    made = admin.post("/api/projects/", {"slug": name("feed")})
    assert made.status == 201
    return made.json()


def change(kind, **where):
    return lambda d: d["kind"] == kind and all(d.get(k) == v for k, v in where.items())


def test_each_kind_of_change_is_told_with_its_place(daemon, admin, project, listen):
    r = listen(admin)
    assert r.wait("hello")[2] == "{}"
    slug = project["slug"]
    here = f"/api/projects/{slug}/production"
    new = name("p")
    assert admin.post("/api/projects/", {"slug": new}).status == 201
    r.wait("change", where=change("project", project=new))
    r.wait("change", where=change("environment", project=new, environment="production"))
    assert admin.post(f"{here}/create-service/docker/", {"slug": "web", "image": "nginx:1"}).status == 201
    r.wait("change", where=change("service", project=slug, environment="production", service="web"))
    assert admin.put(f"{here}/request-service-changes/web/",
                     {"field": "command", "type": "UPDATE", "new_value": "sleep 1"}).status == 200
    seen = len(r.events())
    deployed = admin.put(f"{here}/deploy-service/docker/web/")
    assert deployed.status == 200
    r.wait("change", where=change("deployment", project=slug, service="web", deployment=deployed.json()["hash"]))
    assert len(r.events()) > seen
    daemon.postgres.query(f"update deployment set step = 'pull', step_percent = 7 where hash = '{deployed.json()['hash']}'")
    n = len([e for e in r.events() if '"deployment"' in e[2]])
    wait_until(lambda: r.pump() or len([e for e in r.events() if '"deployment"' in e[2]]) > n, 10, "the step")
    assert admin.post(f"{here}/variables/", {"key": "A", "value": "do-not-tell"}).status == 201
    r.wait("change", where=change("variable", project=slug, environment="production"))
    assert admin.post("/api/workspace/invite-user/", {"username": name("u"), "role": 30}).status == 201
    r.wait("change", where=change("invitation"))
    assert "do-not-tell" not in str(r.events()) and "nginx" not in str(r.events()) and "wrk_" not in str(r.events())


def test_a_reader_goes_on_where_it_was(daemon, admin, project, listen):
    first = listen(admin)
    at = first.wait("hello")[0]
    slugs = [name("resume") for _ in range(3)]
    for s in slugs:
        assert admin.post("/api/projects/", {"slug": s}).status == 201
    at = first.wait("change", where=change("project", project=slugs[0]))[0]
    for s in slugs:
        first.wait("change", where=change("project", project=s))
    for again in (listen(admin, last=at), listen(admin, since=at)):
        assert again.wait("hello")[0] == at
        for s in slugs[1:]:
            again.wait("change", where=change("project", project=s))
        assert not [e for e in again.events() if slugs[0] in e[2] and '"project"' == json.loads(e[2])["kind"]]


def test_an_unknown_place_means_everything_anew(admin, listen):
    assert listen(admin, last="feedface.12").wait("reset")[2] == "{}"


def test_other_workspaces_hear_nothing(daemon, admin, project, listen):
    other = member(daemon, ADMIN, workspace=other_workspace(daemon))
    theirs, ours = listen(other), listen(admin)
    theirs.wait("hello"), ours.wait("hello")
    slug, own = name("secret"), name("own")
    assert admin.post("/api/projects/", {"slug": slug}).status == 201
    ours.wait("change", where=change("project", project=slug))
    assert other.post("/api/projects/", {"slug": own}).status == 201
    theirs.wait("change", where=change("project", project=own))
    assert slug not in str(theirs.events())


def test_guests_hear_of_their_projects_alone(daemon, admin, project, listen):
    guest = member(daemon, GUEST, [project["id"]])
    r = listen(guest)
    r.wait("hello")
    hidden = name("hidden")
    assert admin.post("/api/projects/", {"slug": hidden}).status == 201
    assert admin.put(f"/api/projects/{project['slug']}/", {"description": "seen"}).status == 200
    r.wait("change", where=change("project", project=project["slug"]))
    assert hidden not in str(r.events())


def test_a_change_of_members_has_everybody_asked_anew(daemon, admin, listen):
    other = member(daemon, ADMIN)
    r = listen(other)
    r.wait("hello")
    found = next(m for m in admin.get("/api/workspace/members/?per_page=100").json()["results"]
                 if m["user"]["username"] == other.get("/api/auth/me/").json()["user"]["username"])
    assert admin.delete(f"/api/workspace/members/{found['id']}/").status == 204
    wait_until(lambda: r.pump() or not r.open, 10, "the stream's end")
    assert other.get("/api/events/").status == 403


def test_nobody_hears_without_a_login(daemon):
    assert daemon.client().get("/api/events/").status == 401


def test_a_statement_over_many_places_tells_the_kind_alone(daemon, admin, project, listen):
    r = listen(admin)
    r.wait("hello")
    daemon.postgres.query(
        "insert into project (id, workspace_id, slug) select 'prj_feed' || i, workspace_id, 'many' || i from"
        f" generate_series(1, 60) i, project where id = '{project['id']}'")
    r.wait("change", where=lambda d: d == {"kind": "project"})
    assert "many7" not in str(r.events())
    daemon.postgres.query("delete from project where id like 'prj_feed%'")


def test_when_notices_stop_the_stream_ends_and_then_all_is_fetched_anew(daemon, admin, listen):
    r = listen(admin)
    at = r.wait("hello")[0]
    daemon.postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'")
    wait_until(lambda: r.pump() or not r.open, 10, "the stream's end")

    def again():
        reader = listen(admin, since=at)
        return reader if reader.status() == 200 else None
    wait_until(again, 10, "a stream").wait("reset")
