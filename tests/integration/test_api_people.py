"""Accounts, workspaces, members, invitations and the console over HTTP."""
import concurrent.futures
import contextlib
import itertools
import json
import re
import secrets
import types

import jsonschema
import pytest
from daemon import PASSWORD, ROOT, Client
from private_engine import wait_until

GUEST, MEMBER, ADMIN, OWNER = 10, 30, 40, 50
NEW_PASSWORD = "another-horse-8"
addresses = itertools.count(1)


class Person(Client):
    """A browser with an address of its own, so that limits of addresses do not meet."""

    def __init__(self, daemon, username=None):
        super().__init__(daemon.port)
        n = next(addresses)
        self.address, self.username = f"10.77.{n // 250}.{n % 250 + 1}", username
        self.get("/api/csrf/")

    def call(self, method, path, body=None, headers=None, raw=None):
        return super().call(method, path, body, {"X-Forwarded-For": self.address, **(headers or {})}, raw)

    def patch(self, path, body):
        return self.call("PATCH", path, body)

    def login(self, password=PASSWORD, query=""):
        return self.post(f"/api/auth/login/{query}", {"username": self.username, "password": password})

    def me(self):
        return self.get("/api/auth/me/").json()


def unique(what):
    return f"{what}-{secrets.token_hex(4)}"


@pytest.fixture
def boss(admin, daemon):
    """The superuser in a session of their own: the shared one stays in its workspace."""
    p = Person(daemon, "admin")
    assert p.login().status == 201
    return p


@pytest.fixture
def place(boss, daemon):
    """A new workspace with the project `slug`, owned by the superuser, who is in it now."""
    a = boss.post("/api/workspaces/create/", {"name": unique("place")})
    assert a.status == 201, a
    assert boss.post("/api/workspaces/switch/", {"workspace_id": a.json()["id"]}).status == 204
    project = boss.post("/api/projects/", {"slug": unique("p")}).json()

    def invite(role=MEMBER, username=None, by=boss, **more):
        body = {"username": username or unique("u"), "role": role, **more}
        if role == GUEST:
            body.setdefault("accessible_project_ids", [project["id"]])
        return by.post("/api/workspace/invite-user/", body)

    def join(role=MEMBER, **more):
        invited = invite(role, **more)
        assert invited.status == 201, invited
        p = Person(daemon, invited.json()["username"])
        a = p.post(f"/api/workspace/register/{invited.json()['token']}/", {"password": PASSWORD})
        assert a.status == 201, a
        p.member = p.me()["membership"]["id"]
        return p

    yield types.SimpleNamespace(id=a.json()["id"], name=a.json()["name"], project=project, invite=invite, join=join)
    boss.delete(f"/api/console/workspaces/{a.json()['id']}/")


def shape(answer, name):
    """The answer is what our own document says. Returns the answer."""
    parts = {k: v for f in (ROOT / "zaned/api/schemas").glob("*.json") for k, v in json.loads(f.read_text()).items()}
    wanted = {"$ref": f"#/components/schemas/{name.removesuffix('[]')}"}
    if name.endswith("[]"):
        wanted = {"type": "array", "items": wanted}
    jsonschema.Draft202012Validator({**wanted, "components": {"schemas": parts}}).validate(answer.json())
    return answer


def user_id(boss, username):
    found = boss.get(f"/api/console/users/?username={username}").json()["results"]
    return next(u["id"] for u in found if u["username"] == username)


@contextlib.contextmanager
def held(daemon, statement, params, event="transactionid", waiters=1):
    """Runs a statement in a transaction of its own. `meet(calls)` starts the calls, waits until they wait for its
    locks, runs `then`, commits, and returns their statuses."""
    c = daemon.postgres.connect()

    def meet(*calls, then=None):
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            try:
                running = [pool.submit(call) for call in calls]
                wait_until(lambda: len(daemon.postgres.waiting_for(event)) >= waiters, 10, "the calls to wait")
                if then:
                    then(c.cursor())
            finally:
                c.commit()
            return [r.result().status for r in running]

    try:
        c.cursor().execute(statement, params)
        yield meet
    finally:
        c.close()


def roles(daemon, workspace):
    return sorted(r for r, in daemon.postgres.query("select role from membership where workspace_id = %s", (workspace,)))


# --- account ---------------------------------------------------------------------------------------------------------

def test_me_is_as_the_compatible_api_shows_it(boss, place, schema):
    a = schema.check(boss.get("/api/auth/me/"))
    assert a.json()["membership"]["role_name"] == "Owner"
    assert a.json()["membership"]["workspace"] == {"id": place.id, "name": place.name}


def test_profile(place, schema):
    p, other, new = place.join(), place.join(), unique("n")
    a = schema.check(p.patch("/api/auth/update-profile/", {"username": new, "first_name": "Zoë", "last_name": ""}))
    assert a.json() == {"username": new, "first_name": "Zoë", "last_name": ""}
    assert p.me()["user"]["username"] == new
    assert p.patch("/api/auth/update-profile/", {}).json() == a.json()
    assert schema.check(p.patch("/api/auth/update-profile/", {"username": other.username})).status == 409
    bad = schema.check(p.patch("/api/auth/update-profile/", {"username": "a b", "first_name": "a\nb", "last_name": "x" * 151}))
    assert bad.errors() == [("username", "invalid"), ("first_name", "invalid"), ("last_name", "max_length")]
    assert p.me()["user"]["username"] == new


@pytest.mark.parametrize("to, status", [
    ("/projects?x=1%23y", 302), ("/", 302), ("//evil.example", 400), ("https://evil.example/", 400), ("%2F%5Cevil.example", 400),
    ("/%09/evil.example", 400), ("/a%0D%0AX-Evil:%201", 400), ("javascript:alert(1)", 400), ("", 400), ("a", 400)])
def test_login_leads_to_own_paths_only(admin, daemon, to, status):
    p = Person(daemon, "admin")
    a = p.login(query=f"?redirect_to={to}")
    assert a.status == status, a
    if status == 302:
        assert a.headers["Location"] == to.replace("%23", "#") and p.me()["user"]["username"] == "admin"
    else:
        assert a.errors()[0][0] == "redirect_to" and p.get("/api/auth/me/").status == 401


def test_password_reset(boss, place, daemon, schema):
    p, stranger = place.join(), Person(daemon)
    uid = user_id(boss, p.username)
    a = schema.check(boss.post(f"/api/console/users/{uid}/generate-password-reset-code/"))
    assert a.status == 201 and re.fullmatch("[0-9a-f]{32}", a.json()["value"]) and a.json()["user"]["id"] == uid
    again = boss.post(f"/api/console/users/{uid}/generate-password-reset-code/").json()
    assert again["value"] != a.json()["value"] and again["id"] == a.json()["id"]
    body = {"new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    assert schema.check(stranger.post(f"/api/auth/reset-password/{a.json()['value']}/", body)).status == 404
    path = f"/api/auth/reset-password/{again['value']}/"
    weak = schema.check(stranger.post(path, {"new_password": "short", "confirm_password": "other"}))
    assert weak.errors() == [("new_password", "invalid"), ("confirm_password", "invalid")]
    assert p.get("/api/auth/me/").status == 200
    done = schema.check(stranger.post(path, body))
    assert done.status == 200 and done.json() == {"success": True}
    assert p.get("/api/auth/me/").status == 401, "the sessions of the user end"
    assert schema.check(stranger.post(path, body)).status == 404, "the code works once"
    assert p.login().status == 401 and p.login(NEW_PASSWORD).status == 201
    kept = str(daemon.postgres.query("select * from password_reset")) + daemon.log()
    assert again["value"] not in kept


def test_a_session_begun_during_a_reset_ends_too(boss, place, daemon):
    p = place.join()
    code = boss.post(f"/api/console/users/{user_id(boss, p.username)}/generate-password-reset-code/").json()
    path, body = f"/api/auth/reset-password/{code['value']}/", {"new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    with held(daemon, "select 1 from password_reset where id = %s for update", (code["id"],)) as meet:
        got = meet(lambda: Person(daemon).post(path, body), then=lambda _: p.login())
    assert got == [200] and p.get("/api/auth/me/").status == 401


def test_reset_codes_end(boss, place, daemon, schema):
    p = place.join()
    uid = user_id(boss, p.username)
    code = boss.post(f"/api/console/users/{uid}/generate-password-reset-code/").json()
    path = f"/api/console/password-tokens/{code['id']}"
    assert schema.check(boss.get(path)).json() == code
    assert code in schema.check(boss.get("/api/console/password-tokens/?per_page=100")).json()["results"]
    (left,), = daemon.postgres.query("select extract(epoch from expires_at - now()) from password_reset where id = %s",
                                     (code["id"],))
    assert 1700 < left <= 1800
    daemon.postgres.query("update password_reset set expires_at = now() where id = %s", (code["id"],))
    body = {"new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    assert Person(daemon).post(f"/api/auth/reset-password/{code['value']}/", body).status == 404
    assert boss.get(path).status == 404 and schema.check(boss.delete(path)).status == 404
    code = boss.post(f"/api/console/users/{uid}/generate-password-reset-code/").json()
    assert schema.check(boss.delete(path)).status == 204
    assert Person(daemon).post(f"/api/auth/reset-password/{code['value']}/", body).status == 404
    own = user_id(boss, "admin")
    assert boss.post(f"/api/console/users/{own}/generate-password-reset-code/").status == 409
    assert boss.post("/api/console/users/999999999/generate-password-reset-code/").status == 404


# --- workspaces --------------------------------------------------------------------------------------------------------

def test_workspaces_of_a_user(boss, place, schema):
    a = schema.check(boss.get("/api/workspaces/list/"))
    assert {"id": place.id, "name": place.name} in [m["workspace"] for m in a.json()]
    assert all(m["role"] == OWNER and m["role_name"] == "Owner" for m in a.json())
    p = place.join()
    assert [m["workspace"]["id"] for m in p.get("/api/workspaces/list/").json()] == [place.id]
    assert schema.check(p.post("/api/workspaces/create/", {"name": "mine"})).status == 403
    for body, code in (({}, "required"), ({"name": ""}, "blank"), ({"name": "  "}, "invalid"), ({"name": "a\tb"}, "invalid"),
                       ({"name": "x" * 256}, "max_length")):
        assert schema.check(boss.post("/api/workspaces/create/", body)).errors() == [("name", code)]


def test_switching(boss, place, schema):
    first = next(m["workspace"]["id"] for m in boss.get("/api/workspaces/list/").json())
    assert schema.check(boss.post("/api/workspaces/switch/", {"workspace_id": first})).status == 204
    assert boss.me()["membership"]["workspace"]["id"] == first
    assert boss.get(f"/api/projects/{place.project['slug']}/").status == 404
    assert boss.post("/api/workspaces/switch/", {"workspace_id": place.id}).status == 204
    assert boss.get(f"/api/projects/{place.project['slug']}/").status == 200
    p = place.join()
    assert p.post("/api/workspaces/switch/", {"workspace_id": first}).status == 404
    assert p.me()["membership"]["workspace"]["id"] == place.id


def test_renaming(boss, place, schema):
    seen = schema.check(boss.get("/api/workspace/"))
    assert seen.json() == {"id": place.id, "name": place.name}
    a = schema.check(boss.put("/api/workspace/", {"name": "Ünïcode & co"}, headers={"If-Match": seen.headers["ETag"]}))
    assert a.json() == {"id": place.id, "name": "Ünïcode & co"} and boss.get("/api/workspace/").json() == a.json()
    stale = boss.put("/api/workspace/", {"name": "other"}, headers={"If-Match": seen.headers["ETag"]})
    assert stale.status == 412 and boss.get("/api/workspace/").json() == a.json()
    assert place.join(ADMIN).put("/api/workspace/", {"name": "mine"}).status == 403


def test_deleting_a_workspace(boss, place, daemon, schema):
    p, waiting = place.join(ADMIN), place.invite().json()
    slug = place.project["slug"]
    made = boss.put("/api/deploys/web", {"image": "app:1", "port": 80, "domain": f"{slug}.test", "project": slug})
    assert made.status == 201, made
    assert p.delete("/api/workspace/").status == 403
    assert schema.check(boss.delete("/api/workspace/")).status == 204
    assert [x[0]["workflow_type"] for x in daemon.postgres.query(
        "select payload from outbox where key = %s", (place.project["id"],))] == ["archive_project"]
    assert p.me()["membership"] is None and p.get("/api/projects/").status == 403
    assert place.id not in [m["workspace"]["id"] for m in boss.get("/api/workspaces/list/").json()]
    assert boss.me()["membership"]["workspace"]["id"] != place.id
    assert boss.get(f"/api/console/workspaces/{place.id}/").status == 404
    assert boss.delete(f"/api/console/workspaces/{place.id}/").status == 404
    assert place.id not in str(boss.get("/api/console/workspaces/?per_page=100").json())
    assert Person(daemon).get(f"/api/workspace/invitations/{waiting['token']}/").status == 404
    assert Person(daemon).post(f"/api/workspace/register/{waiting['token']}/", {"password": PASSWORD}).status == 404
    # Slug and domain are free at once.
    assert boss.post("/api/projects/", {"slug": slug}).status == 201
    assert boss.delete(f"/api/projects/{slug}/").status == 204
    # The row goes with its last project.
    rows = "select count(*) from workspace where id = %s"
    assert daemon.postgres.query(rows, (place.id,)) == [(1,)]
    daemon.postgres.query("delete from project where workspace_id = %s", (place.id,))
    assert daemon.postgres.query(rows, (place.id,)) == [(0,)]


def test_nothing_is_put_into_a_workspace_that_goes(boss, place, daemon):
    slug = unique("late")
    with held(daemon, "update workspace set deleted_at = now() where id = %s", (place.id,)) as meet:
        got = meet(lambda: boss.post("/api/projects/", {"slug": slug}))
    assert got in ([404], [409])
    assert daemon.postgres.query("select 1 from project where slug = %s", (slug,)) == []
    daemon.postgres.query("update workspace set deleted_at = null where id = %s", (place.id,))


def test_an_empty_workspace_is_gone_at_once(boss, daemon):
    wid = boss.post("/api/workspaces/create/", {"name": unique("empty")}).json()["id"]
    assert boss.delete(f"/api/console/workspaces/{wid}/").status == 204
    assert daemon.postgres.query("select 1 from workspace where id = %s", (wid,)) == []


def test_the_last_workspace_stays(admin, daemon):
    """Whoever deletes all of them at once, one is left."""
    wanted, hidden = [], daemon.postgres.query("select id from workspace where deleted_at is null")
    people = [Person(daemon, "admin") for _ in range(2)]
    for p in people:
        p.login()
        wanted.append(p.post("/api/workspaces/create/", {"name": unique("last")}).json()["id"])
    try:
        daemon.postgres.query("update workspace set deleted_at = now() where id = any(%s)", ([i for i, in hidden],))
        with held(daemon, "select pg_advisory_xact_lock(hashtext('zane.workspaces'))", (), "advisory", 2) as meet:
            got = meet(*[lambda p=p, w=w: p.delete(f"/api/console/workspaces/{w}/") for p, w in zip(people, wanted)])
    finally:
        daemon.postgres.query("update workspace set deleted_at = null where id = any(%s)", ([i for i, in hidden],))
    assert sorted(got) == [204, 409]
    for p, wid in zip(people, wanted):
        p.delete(f"/api/console/workspaces/{wid}/")


# --- members -------------------------------------------------------------------------------------------------------------

def test_members_are_shown_to_admins(boss, place, schema):
    a, m, g = place.join(ADMIN), place.join(MEMBER), place.join(GUEST)
    page = schema.check(a.get("/api/workspace/members/")).json()
    assert (page["count"], page["next"], page["previous"]) == (4, None, None)
    assert [x["role_name"] for x in page["results"]] == ["Owner", "Admin", "Member", "Guest"]
    assert page["results"][3]["accessible_projects"] == [{"id": place.project["id"], "slug": place.project["slug"]}]
    first = schema.check(a.get("/api/workspace/members/?per_page=3&page=1")).json()
    assert len(first["results"]) == 3 and "page=2" in first["next"]
    assert [x["id"] for x in a.get("/api/workspace/members/?role=10").json()["results"]] == [g.member]
    assert a.get("/api/workspace/members/?page=7").json() == {"count": 0, "next": None, "previous": None, "results": []}
    assert schema.check(a.get("/api/workspace/members/?role=11&page=x")).errors() == [("page", "invalid"), ("role", "invalid")]
    assert schema.check(a.get(f"/api/workspace/members/{m.member}/")).json()["user"]["username"] == m.username
    for path in ("999999999", "x", "0", "99999999999999999999"):
        assert a.get(f"/api/workspace/members/{path}/").status == 404
    for who in (m, g):
        assert schema.check(who.get("/api/workspace/members/")).status == 403
    assert boss.delete(f"/api/workspace/members/{m.member}/").status == 204


def test_who_may_remove_whom(boss, place, schema):
    a, b, m, g = place.join(ADMIN), place.join(ADMIN), place.join(MEMBER), place.join(GUEST)
    owner = boss.me()["membership"]["id"]
    assert m.delete(f"/api/workspace/members/{g.member}/").status == 403
    for target in (owner, b.member, a.member):
        assert schema.check(a.delete(f"/api/workspace/members/{target}/")).status == 409
    assert schema.check(a.delete(f"/api/workspace/members/{m.member}/")).status == 204
    assert m.me()["membership"] is None and m.get("/api/projects/").status == 403
    assert a.delete(f"/api/workspace/members/{m.member}/").status == 404
    assert boss.delete(f"/api/workspace/members/{b.member}/").status == 204
    assert boss.delete(f"/api/workspace/members/{owner}/").status == 409


def test_permissions_hold_at_the_next_request(boss, place, schema):
    a, m = place.join(ADMIN), place.join(MEMBER)
    hidden = boss.post("/api/projects/", {"slug": unique("p")}).json()
    path = f"/api/workspace/members/{m.member}/permissions/"
    assert {p["id"] for p in m.get("/api/projects/").json()} == {place.project["id"], hidden["id"]}
    seen = a.get(f"/api/workspace/members/{m.member}/")
    got = schema.check(a.put(path, {"role": GUEST, "accessible_project_ids": [place.project["id"]] * 2}))
    assert got.json()["role_name"] == "Guest" and [p["id"] for p in got.json()["accessible_projects"]] == [place.project["id"]]
    assert [p["id"] for p in m.get("/api/projects/").json()] == [place.project["id"]]
    assert m.get(f"/api/projects/{hidden['slug']}/").status == 404
    assert a.put(path, {"role": MEMBER}, headers={"If-Match": seen.headers["ETag"]}).status == 412
    got = a.put(path, {"role": ADMIN, "accessible_project_ids": ["nonsense"]})
    assert got.json()["role"] == ADMIN and got.json()["accessible_projects"] == []
    assert m.get("/api/workspace/members/").status == 200
    assert a.put(path, {"role": MEMBER}).status == 409, "an admin now: the owner's to change"
    assert boss.put(path, {"role": MEMBER}).status == 200


def test_a_role_that_was_lost_meanwhile_changes_nothing(place, daemon):
    a, m = place.join(ADMIN), place.join(MEMBER)
    demote = "update membership set role = 30 where id = %s"
    with held(daemon, "select 1 from workspace where id = %s for update", (place.id,)) as meet:
        got = meet(lambda: a.delete(f"/api/workspace/members/{m.member}/"), then=lambda k: k.execute(demote, (a.member,)))
    assert got == [403] and m.me()["membership"]["role"] == MEMBER


def test_permissions_that_are_refused(boss, place, schema):
    a, m = place.join(ADMIN), place.join(MEMBER)
    path = f"/api/workspace/members/{m.member}/permissions/"
    foreign = boss.get("/api/workspaces/list/").json()[0]["workspace"]["id"]
    assert foreign != place.id
    for body, errors in (({}, [("role", "required"), ("accessible_project_ids", "invalid")]),
                         ({"role": OWNER}, [("role", "invalid")]), ({"role": 20}, [("role", "invalid")]),
                         ({"role": "30"}, [("role", "invalid")]),
                         ({"role": GUEST}, [("accessible_project_ids", "invalid")]),
                         ({"role": GUEST, "accessible_project_ids": ["prj_nope"]}, [("accessible_project_ids", "does_not_exist")]),
                         ({"role": GUEST, "accessible_project_ids": "x"}, [("accessible_project_ids", "not_a_list")])):
        got = schema.check(a.put(path, body))
        assert got.status == 400 and set(got.errors()) <= set(errors) and got.errors(), (body, got)
    assert boss.post("/api/workspaces/switch/", {"workspace_id": foreign}).status == 204
    other = boss.post("/api/projects/", {"slug": unique("p")}).json()
    got = a.put(path, {"role": GUEST, "accessible_project_ids": [other["id"], place.project["id"]]})
    assert got.errors() == [("accessible_project_ids", "does_not_exist")], "a project of another workspace"
    assert boss.put(path, {"role": GUEST}).status in (400, 404)
    assert boss.put(path, {"role": MEMBER}).status == 404, "a member of another workspace"
    boss.delete(f"/api/projects/{other['slug']}/")
    assert a.put(f"/api/workspace/members/{a.member}/permissions/", {"role": MEMBER}).status == 409
    assert m.put(path, {"role": ADMIN}).status == 403
    assert m.me()["membership"]["role"] == MEMBER


def test_leaving(boss, place, schema):
    g = place.join(GUEST)
    a = schema.check(g.post("/api/workspace/leave/"))
    assert a.status == 200 and a.json() == {"success": True}
    assert g.me()["membership"] is None and g.post("/api/workspace/leave/").status == 403
    assert boss.post("/api/workspace/leave/").status == 409
    assert boss.me()["membership"]["role"] == OWNER


def test_ownership_moves(boss, place, daemon, schema):
    a, m = place.join(ADMIN), place.join(MEMBER)
    move = "/api/workspace/transfer-ownership/"
    assert a.post(move, {"new_owner_id": a.member}).status == 403
    assert boss.post(move, {"new_owner_id": m.member}).status == 409
    assert boss.post(move, {"new_owner_id": boss.me()["membership"]["id"]}).status == 409
    assert boss.post(move, {"new_owner_id": 999999999}).status == 404
    assert schema.check(boss.post(move, {"new_owner_id": 0})).errors() == [("new_owner_id", "min_value")]
    got = schema.check(boss.post(move, {"new_owner_id": a.member}))
    assert got.status == 200 and got.json() == {"success": True}
    assert a.me()["membership"]["role"] == OWNER and boss.me()["membership"]["role"] == ADMIN
    assert roles(daemon, place.id) == [MEMBER, ADMIN, OWNER]
    assert a.put("/api/workspace/", {"name": "now mine"}).status == 200


def test_one_owner_whatever_happens_at_once(boss, place, daemon):
    """Two transfers, a demotion and a removal of the heirs race: there is one owner, and no answer is a 500."""
    heirs = [place.join(ADMIN), place.join(ADMIN)]
    second = Person(daemon, "admin")
    second.login()
    second.post("/api/workspaces/switch/", {"workspace_id": place.id})
    acts = [lambda: boss.post("/api/workspace/transfer-ownership/", {"new_owner_id": heirs[0].member}),
            lambda: second.post("/api/workspace/transfer-ownership/", {"new_owner_id": heirs[1].member}),
            lambda: heirs[0].post("/api/workspace/leave/"),
            lambda: heirs[1].delete(f"/api/workspace/members/{heirs[0].member}/")]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = [f.result().status for f in [pool.submit(a) for a in acts]]
    assert roles(daemon, place.id).count(OWNER) == 1 and set(got) <= {200, 204, 403, 404, 409}, got


def test_what_api_tokens_may(boss, place, daemon):
    m = place.join()
    made = boss.post("/api/tokens/", {"name": "ci", "scope": "admin"})
    assert made.status == 201, made
    program = {"Authorization": f"Bearer {made.json()['token']}"}
    c, path = Client(daemon.port), f"/api/workspace/members/{m.member}/"
    assert c.get(path, headers=program).status == 200
    for method, at, body in (("GET", "/api/workspace/invitations/", None), ("DELETE", "/api/workspace/", None),
                             ("POST", "/api/workspace/invite-user/", {"username": unique("u"), "role": ADMIN}),
                             ("PUT", f"{path}permissions/", {"role": ADMIN}), ("GET", "/api/console/users/", None)):
        assert c.call(method, at, body, headers=program).status == 403, at
    assert c.delete(path, headers=program).status == 204


def test_changes_are_in_the_audit_log_without_secrets(boss, place, daemon):
    made = place.invite(GUEST).json()
    renewed = boss.put(f"/api/workspace/invitations/{made['id']}/regenerate/").json()
    p = Person(daemon)
    assert p.post(f"/api/workspace/register/{renewed['token']}/", {"password": PASSWORD}).status == 201
    member, uid = p.me()["membership"]["id"], user_id(boss, made["username"])
    boss.put(f"/api/workspace/members/{member}/permissions/", {"role": MEMBER})
    code = boss.post(f"/api/console/users/{uid}/generate-password-reset-code/").json()
    boss.patch(f"/api/console/users/{uid}/", {"is_active": False})
    boss.put("/api/workspace/", {"name": "renamed"})
    assert boss.put("/api/workspace/", {"name": ""}).status == 400
    boss.delete(f"/api/workspace/members/{member}/")
    rows = daemon.postgres.query("select action, target, user_name, before, after from audit_entry where workspace_id = %s"
                                 " and action !~ '^(project|session|login)' order by seq", (place.id,))
    assert [r[:3] for r in rows] == [
        ("invitation.create", made["id"], "admin"), ("invitation.renew", made["id"], "admin"),
        ("member.join", str(member), made["username"]), ("member.permissions", str(member), "admin"),
        ("user.reset_code", str(uid), "admin"), ("user.suspend", str(uid), "admin"),
        ("workspace.rename", place.id, "admin"), ("member.remove", str(member), "admin")]
    assert (rows[3][3]["role"], rows[3][4]["role"]) == (GUEST, MEMBER)
    assert (rows[6][3]["name"], rows[6][4]["name"]) == (place.name, "renamed")
    for secret in (made["token"], renewed["token"], code["value"], PASSWORD):
        assert secret not in str(rows)


# --- invitations -----------------------------------------------------------------------------------------------------------

def test_invitation_is_made_shown_and_used(boss, place, daemon, schema):
    name = unique("u")
    a = place.invite(GUEST, username=name, valid_for=7)
    assert a.status == 201, a
    made = a.json()
    a.status = 200  # what the schema says; its server answers 201
    schema.check(a)
    assert (made["role_name"], made["username"]) == ("Guest", name) and re.fullmatch("[0-9a-f]{32}", made["token"])
    assert [p["id"] for p in made["accessible_projects"]] == [place.project["id"]]
    assert boss.get("/api/workspace/invitations/").json() == [made]
    p = Person(daemon, name)
    link = schema.check(p.get(f"/api/workspace/invitations/{made['token']}/"))
    assert link.json() == {"username": name, "role": GUEST, "role_name": "Guest", "token": made["token"],
                           "has_existing_account": False, "workspace": {"name": place.name}}
    assert p.get(f"/api/workspace/invitations/{made['id']}/").status == 404
    register = f"/api/workspace/register/{made['token']}/"
    assert schema.check(p.post(register, {"password": "short"})).errors() == [("password", "invalid")]
    done = schema.check(p.post(register, {"password": PASSWORD}))
    assert done.status == 201 and done.json() == {"success": True}
    me = p.me()
    assert me["user"]["username"] == name and me["membership"]["role"] == GUEST and not me["user"]["is_superuser"]
    assert [x["id"] for x in p.get("/api/projects/").json()] == [place.project["id"]]
    assert boss.get("/api/workspace/invitations/").json() == []
    assert schema.check(Person(daemon).post(register, {"password": PASSWORD})).status == 404, "a link works once"
    kept = str(daemon.postgres.query("select * from workspace_invitation")) + daemon.log()
    assert made["token"] not in kept


def test_tokens_are_not_kept_in_clear(place, daemon):
    token = place.invite().json()["token"]
    rows = str(daemon.postgres.query("select * from workspace_invitation"))
    assert rows and token not in rows and token not in daemon.log()


def test_accepting_with_an_account(boss, place, daemon, schema):
    p = place.join(MEMBER)
    second = boss.post("/api/workspaces/create/", {"name": unique("second")}).json()
    boss.post("/api/workspaces/switch/", {"workspace_id": second["id"]})
    made = boss.post("/api/workspace/invite-user/", {"username": p.username, "role": ADMIN}).json()
    path = f"/api/workspace/invitations/{made['token']}/"
    assert p.get(path).json()["has_existing_account"] is True
    other = Person(daemon, "admin")
    other.login()
    assert other.get(path).status == 404 and other.post(f"{path}accept/").status == 404, "somebody else's link"
    assert schema.check(Person(daemon).post(f"{path}accept/")).status == 401
    got = schema.check(Person(daemon).post(f"/api/workspace/register/{made['token']}/", {"password": PASSWORD}))
    assert got.status == 400 and got.errors() == [(None, "bad_request")]
    got = schema.check(p.post(f"/api/workspace/register/{made['token']}/", {"password": PASSWORD}))
    assert got.status == 400 and "logged in" in got.json()["errors"][0]["detail"]
    assert schema.check(p.post(f"{path}accept/")).status == 201
    assert p.me()["membership"]["workspace"]["id"] == second["id"] and p.me()["membership"]["role"] == ADMIN
    assert len(p.get("/api/workspaces/list/").json()) == 2 and p.post(f"{path}accept/").status == 404
    boss.delete(f"/api/console/workspaces/{second['id']}/")
    assert p.me()["membership"]["workspace"]["id"] == place.id, "the session falls back"


def test_who_can_be_invited(boss, place, daemon, schema):
    a, m = place.join(ADMIN), place.join(MEMBER)
    for username in (a.username, m.username, "admin"):
        assert place.invite(username=username, by=a).status == 409
    name = unique("u")
    assert place.invite(username=name, by=a).status == 201 and place.invite(username=name, by=a).status == 409
    daemon.postgres.query("update workspace_invitation set expires_at = now() where username = %s", (name,))
    assert place.invite(ADMIN, username=name, by=a).status == 201, "an expired one is replaced"
    assert place.invite(by=m).status == 403
    for more, errors in ((dict(username="a b"), [("username", "invalid")]), (dict(role=OWNER), [("role", "invalid")]),
                         (dict(role=GUEST, accessible_project_ids=[]), [("accessible_project_ids", "invalid")]),
                         (dict(role=GUEST, accessible_project_ids=["prj_x"]), [("accessible_project_ids", "does_not_exist")]),
                         (dict(valid_for=0), [("valid_for", "min_value")]), (dict(valid_for=8), [("valid_for", "max_value")])):
        assert schema.check(place.invite(by=a, **more)).errors() == errors
    bad = schema.check(a.post("/api/workspace/invite-user/", {"role": 7, "valid_for": "x", "accessible_project_ids": "y"}))
    assert {p for p, _ in bad.errors()} == {"username", "role", "valid_for", "accessible_project_ids"}


def test_links_end_and_are_renewed(boss, place, daemon, schema):
    made = place.invite().json()
    path = f"/api/workspace/invitations/{made['id']}"
    link = f"/api/workspace/invitations/{made['token']}/"
    left = "select extract(epoch from expires_at - now()) / 86400 from workspace_invitation where id = %s"
    assert 2.9 < daemon.postgres.query(left, (made["id"],))[0][0] <= 3
    daemon.postgres.query("update workspace_invitation set expires_at = now() where id = %s", (made["id"],))
    assert Person(daemon).get(link).status == 404
    assert Person(daemon).post(f"/api/workspace/register/{made['token']}/", {"password": PASSWORD}).status == 404
    new = schema.check(boss.put(f"{path}/regenerate/", {"valid_for": 5}))
    assert new.status == 200 and new.json()["id"] == made["id"] and new.json()["token"] != made["token"]
    assert 4.9 < daemon.postgres.query(left, (made["id"],))[0][0] <= 5
    assert Person(daemon).get(link).status == 404
    assert Person(daemon).get(f"/api/workspace/invitations/{new.json()['token']}/").status == 200
    assert schema.check(boss.put(f"{path}/regenerate/", {"valid_for": 9})).errors() == [("valid_for", "max_value")]
    assert place.join(MEMBER).delete(f"{path}/delete/").status == 403
    assert schema.check(boss.delete(f"{path}/delete/")).status == 204
    assert schema.check(boss.delete(f"{path}/delete/")).status == 404
    assert schema.check(boss.put(f"{path}/regenerate/")).status == 404
    assert Person(daemon).get(f"/api/workspace/invitations/{new.json()['token']}/").status == 404


def test_one_of_many_registers(place, daemon):
    made = place.invite().json()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = sorted(pool.map(lambda p: p.post(f"/api/workspace/register/{made['token']}/", {"password": PASSWORD}).status,
                              [Person(daemon) for _ in range(4)]))
    assert got[0] == 201 and set(got[1:]) <= {400, 404}, got


# --- the console -----------------------------------------------------------------------------------------------------------

def test_console_is_the_superusers(place, schema):
    a = place.join(ADMIN)
    for path in ("users/", "users/1/", "password-tokens/", "password-tokens/1", "workspaces/", f"workspaces/{place.id}/"):
        assert schema.check(a.get(f"/api/console/{path}")).status == 403


def test_users_are_suspended_and_restored(boss, place, schema):
    p = place.join()
    path = f"/api/console/users/{user_id(boss, p.username)}/"
    seen = schema.check(boss.get(path))
    assert seen.json()["is_active"] is True and seen.json()["is_superuser"] is False
    assert schema.check(boss.patch(path, {"is_active": False})).json() == {**seen.json(), "is_active": False}
    assert p.get("/api/auth/me/").status == 401 and p.login().status == 401
    assert boss.post(f"{path}generate-password-reset-code/").status == 409
    assert boss.call("PATCH", path, {"is_active": True}, headers={"If-Match": seen.headers["ETag"]}).status == 412
    assert boss.patch(path, {}).json()["is_active"] is False
    assert schema.check(boss.patch(path, {"is_active": "no"})).errors() == [("is_active", "invalid")]
    assert boss.patch(path, {"is_active": True}).json() == seen.json()
    assert p.get("/api/auth/me/").status == 401, "the former session stays ended"
    assert p.login().status == 201
    own = f"/api/console/users/{user_id(boss, 'admin')}/"
    assert boss.patch(own, {"is_active": False}).status == 409 and boss.patch(own, {"is_active": True}).status == 200


def test_users_are_deleted(boss, place, schema):
    a, m = place.join(ADMIN), place.join()
    path = f"/api/console/users/{user_id(boss, m.username)}/"
    assert schema.check(boss.delete(path)).status == 204
    assert m.get("/api/auth/me/").status == 401 and m.login().status == 401
    assert schema.check(boss.get(path)).status == 404 and boss.delete(path).status == 404
    assert boss.delete(f"/api/console/users/{user_id(boss, 'admin')}/").status == 409
    boss.post("/api/workspace/transfer-ownership/", {"new_owner_id": a.member})
    owner = f"/api/console/users/{user_id(boss, a.username)}/"
    assert boss.delete(owner).status == 409 and a.me()["membership"]["role"] == OWNER
    boss.delete(f"/api/console/workspaces/{place.id}/")
    assert boss.delete(owner).status == 204


def test_lists_of_the_console(boss, place, schema):
    p = place.join()
    page = schema.check(boss.get(f"/api/console/users/?username={p.username.upper()}")).json()
    assert [u["username"] for u in page["results"]] == [p.username] and page["count"] == 1
    page = schema.check(boss.get("/api/console/users/?per_page=1&page=2")).json()
    assert len(page["results"]) == 1 and "page=1" in page["previous"] and page["count"] >= 2
    page = schema.check(boss.get(f"/api/console/workspaces/?name={place.name}")).json()
    assert page["results"] == [{"id": place.id, "name": place.name}]
    assert boss.get("/api/console/workspaces/?page=0").json()["results"] == []
    assert schema.check(boss.get("/api/console/password-tokens/")).status == 200


def test_any_workspace_is_given_away(boss, place, daemon, schema):
    m = place.join(GUEST)
    path = f"/api/console/workspaces/{place.id}/"
    seen = schema.check(boss.get(path))
    assert [x["role"] for x in seen.json()["members"]] == [OWNER, GUEST]
    uid = user_id(boss, m.username)
    got = schema.check(boss.put(f"{path}transfer-ownership/", {"owner_id": uid}))
    assert [(x["role"], x["accessible_projects"]) for x in got.json()["members"]] == [(ADMIN, []), (OWNER, [])]
    assert m.me()["membership"]["role"] == OWNER and roles(daemon, place.id) == [ADMIN, OWNER]
    assert boss.put(f"{path}transfer-ownership/", {"owner_id": uid}).status == 409
    assert boss.put(f"{path}transfer-ownership/", {"owner_id": 999999999}).status == 404
    assert boss.put("/api/console/workspaces/wrk_nope/transfer-ownership/", {"owner_id": uid}).status == 404
    assert schema.check(boss.put(f"{path}transfer-ownership/", {})).errors() == [("owner_id", "required")]
    stale = boss.put(f"{path}transfer-ownership/", {"owner_id": uid}, headers={"If-Match": seen.headers["ETag"]})
    assert stale.status == 412


def test_answers_are_what_our_document_says(boss, place, daemon):
    p, made = place.join(GUEST), place.invite(GUEST)
    uid = user_id(boss, p.username)
    shape(boss.get("/api/auth/me/"), "Me")
    shape(p.patch("/api/auth/update-profile/", {"first_name": "x"}), "Profile")
    shape(boss.get("/api/workspaces/list/"), "Membership[]")
    shape(boss.get("/api/workspace/"), "Workspace")
    shape(boss.get("/api/workspace/members/"), "MemberPage")
    shape(boss.get(f"/api/workspace/members/{p.member}/"), "Member")
    shape(made, "Invitation")
    shape(boss.get("/api/workspace/invitations/"), "Invitation[]")
    shape(Person(daemon).get(f"/api/workspace/invitations/{made.json()['token']}/"), "InvitationLink")
    shape(boss.get("/api/console/users/"), "InstanceUserPage")
    shape(boss.get(f"/api/console/users/{uid}/"), "InstanceUser")
    shape(boss.post(f"/api/console/users/{uid}/generate-password-reset-code/"), "PasswordResetCode")
    shape(boss.get("/api/console/password-tokens/"), "PasswordResetCodePage")
    shape(boss.get("/api/console/workspaces/"), "WorkspacePage")
    shape(boss.get(f"/api/console/workspaces/{place.id}/"), "WorkspaceDetail")


def examples():
    """(who, method, path, body, status, answer) of each request in the document."""
    text = (ROOT / "docs/api/people.md").read_text()
    for who, block in re.findall(r"```http (\w+)\n(.*?)```", text, re.S):
        request, body, status, answer = block.strip().split("\n")
        yield (who, *request.split(), body, int(status), json.loads(answer))


def same_shape(got, wanted):
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(same_shape(got[k], v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(same_shape, got, wanted))
    return type(got) is type(wanted)


def test_examples_of_the_document(boss, place, daemon):
    ana, invited = place.join(), place.invite().json()
    uid = user_id(boss, ana.username)
    code = boss.post(f"/api/console/users/{uid}/generate-password-reset-code/").json()["value"]
    names = {"code": code, "membership_id": ana.member, "project_id": place.project["id"], "token": invited["token"],
             "username": unique("ben"), "user_id": uid}
    people, seen = {"owner": boss, "superuser": boss, "member": ana}, 0
    for who, method, path, body, status, answer in examples():
        for name, value in names.items():
            path, body = (x.replace("{" + name + "}", str(value)) for x in (path, body))
        got = people.get(who, Person(daemon)).call(method, path, json.loads(body))
        assert got.status == status and same_shape(got.json(), answer), got
        seen += 1
        if path == "/api/workspaces/create/":
            boss.delete(f"/api/console/workspaces/{got.json()['id']}/")
    assert seen == 7
