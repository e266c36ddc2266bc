"""Who may call what: each route of the C table as each kind of caller, allowed or refused as the table says.

The callers belong to a workspace of their own. Objects are named that do not exist, so that an allowed call is a 404 or a
400 and changes nothing, while a refused one is a 401 or a 403: who may not call learns nothing about what there is.

The second half is about things that do exist: in another workspace, in another project, under another service.
"""
import re
import secrets

import pytest
from daemon import PASSWORD, Daemon
from tables import routes

ROLES = {"GUEST": 10, "MEMBER": 30, "ADMIN": 40, "OWNER": 50}
PEOPLE = {"guest": 10, "member": 30, "admin": 40, "owner": 50}
TOKENS = {"token read": 1, "token deploy": 2, "token admin": 3}
CALLERS = ["anonymous", *PEOPLE, *TOKENS, "superuser"]
# They end the caller's own session or membership: each gets a caller of its own, last.
ENDS = {"logout", "workspace_leave", "session_revoke_others", "change_password"}
# An allowed call of these is a 401 or 403 of its own, about what was sent.
OWN_REFUSALS = {"login": 401, "create_initial_user": 403, "check_certificates": 403, "console_workspace_delete": 403}


class World:
    def __init__(self):
        self.daemon, self.logins = Daemon(), 0
        self.daemon.start(ZN_RATE_ACCOUNT="0")
        self.superuser = self.daemon.first_admin()
        query = self.daemon.postgres.query
        self.workspace = f"wrk_{secrets.token_hex(5)}x"
        query("insert into workspace (id, name) values (%s, 'roles')", (self.workspace,))
        self.clients = {"superuser": self.superuser}
        for who, role in PEOPLE.items():
            self.clients[who] = self.person(who, role, self.workspace)
        other = f"wrk_{secrets.token_hex(5)}y"
        query("insert into workspace (id, name) values (%s, 'others')", (other,))
        self.clients["outsider"] = self.person("outsider", 50, other)
        owner = self.clients["owner"]
        for slug in ("seen", "unseen"):
            assert owner.post("/api/projects/", {"slug": slug}).status == 201
        assert owner.put("/api/deploys/web", {"image": "app:1", "project": "seen"}).status == 201
        query("insert into membership_project select m.id, p.id from membership m, project p where m.workspace_id = %s and"
              " m.role = 10 and p.slug = 'seen'", (self.workspace,))
        self.tokens = {who: owner.post("/api/tokens/", {"name": who, "scope": who.split()[1]}).json()["token"]
                       for who in TOKENS}

    def person(self, name, role, workspace):
        query = self.daemon.postgres.query
        name = f"{name}-{secrets.token_hex(3)}"
        (user,), = query("insert into app_user (username, password_hash) select %s, password_hash from app_user"
                         " where username = 'admin' returning id", (name,))
        query("insert into membership (user_id, workspace_id, role) values (%s, %s, %s)", (user, workspace, role))
        return self.log_in(name)

    def log_in(self, name):
        c = self.daemon.client()
        c.get("/api/csrf/")
        self.logins += 1  # each from another address, as strangers are few a minute
        assert c.post("/api/auth/login/", {"username": name, "password": PASSWORD},
                      headers={"X-Forwarded-For": f"10.7.0.{self.logins}"}).status == 201
        c.name = name
        return c

    def call(self, who, method, path, body=None, client=None, stale=True):
        headers = {"If-Match": '"nobody has seen this"'} if stale and method in ("PUT", "PATCH", "DELETE") else {}
        if who in TOKENS:
            client = self.daemon.client()
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        elif who == "anonymous":
            client = self.daemon.client()
        else:
            client = client or self.clients[who]
        return client.call(method, path, body, headers=headers)


@pytest.fixture(scope="module")
def world():
    w = World()
    yield w
    assert w.daemon.stop() == 0


def may(route, who):
    scope, token = route["scope"], route["token"]
    if scope == "PUBLIC":
        return True
    if scope == "INGEST" or who == "anonymous":
        return False
    if who in TOKENS:
        need = {"none": 9, "read": 1, "deploy": 2, "admin": 3}[token.lower()]
        return TOKENS[who] >= need and scope in ROLES
    if scope == "SESSION":
        return True
    if scope == "SUPERUSER":
        return who == "superuser"
    have = 50 if who == "superuser" else PEOPLE[who]  # the superuser owns a workspace, though not this one
    return have >= ROLES[scope]


def concrete(path):
    return re.sub(r"\{[^}]*\}", "no-such-thing", path) + "/"


def check(world, route, who, client=None):
    path = concrete(route["path"])
    body = {} if route["method"] in ("POST", "PUT", "PATCH") else None
    a = world.call(who, route["method"], path, body, client)
    if may(route, who):
        if a.status == OWN_REFUSALS.get(route["name"]):
            return
        assert a.status not in (401, 403), (who, route["name"], a)
    else:
        want = (401,) if who == "anonymous" else (401, 403) if route["scope"] == "INGEST" else (403,)
        assert a.status in want, (who, route["name"], a)
    assert a.status < 500 or a.status == 503, (who, route["name"], a)


@pytest.mark.parametrize("who", CALLERS)
def test_each_route_lets_in_whom_it_says(world, who):
    seen = 0
    for route in routes():
        if route["name"] in ENDS or route["name"] in ("healthz", "readyz"):
            continue
        if route["name"] in ("system_events", "events") and may(route, who):
            continue  # has no end
        if who == "anonymous" and route["scope"] == "PUBLIC":
            continue  # test_what_is_open
        check(world, route, who)
        seen += 1
    assert seen > 80


@pytest.mark.parametrize("who", ["anonymous", *PEOPLE, *TOKENS])
def test_what_ends_the_callers_own_session_comes_last(world, who):
    for route in routes():
        if route["name"] in ENDS:
            client = world.log_in(world.clients[who].name) if who in PEOPLE else None
            if route["name"] == "workspace_leave" and who in PEOPLE:
                client = world.person(f"{who}-leaves", PEOPLE[who] if who != "owner" else 40, world.workspace)
            check(world, route, who, client)
    if who in PEOPLE:
        world.clients[who] = world.log_in(world.clients[who].name)  # the other sessions were ended


def test_what_is_open(world):
    """Named here as well, so that nothing becomes public by a slip in the table."""
    public = {r["name"] for r in routes() if r["scope"] == "PUBLIC"}
    assert public == {"csrf_token", "ping", "login", "check_user_existence", "create_initial_user", "reset_password",
                      "invitation_show", "invitation_register", "webhook_deploy", "check_certificates", "healthz", "readyz",
                      "openapi", "docs"}


def test_other_workspaces_do_not_exist(world):
    """Their owner, and the superuser, who is not in this one, are told what a stranger is told."""
    for who in ("outsider", "superuser"):
        for path in ("/api/projects/seen/", "/api/projects/seen/production/service-list/",
                     "/api/projects/seen/production/service-details/web/", "/api/projects/seen/production/variables/",
                     "/api/projects/seen/production/service-details/web/deployments/"):
            assert world.call(who, "GET", path).status == 404, (who, path)
        assert world.call(who, "DELETE", "/api/projects/seen/").status == 404
        assert world.call(who, "PUT", "/api/deploys/web", {"image": "app:2", "project": "seen"}).status == 404
        assert "seen" not in [p["slug"] for p in world.call(who, "GET", "/api/projects/").json()]


def test_guests_see_their_projects_only(world):
    assert world.call("guest", "GET", "/api/projects/seen/").status == 200
    assert world.call("guest", "GET", "/api/projects/seen/production/service-list/").status == 200
    assert [p["slug"] for p in world.call("guest", "GET", "/api/projects/").json()] == ["seen"]
    for route in routes():
        if route["scope"] == "GUEST" and route["method"] == "GET" and "slug}" in route["path"]:
            path = concrete(route["path"].replace("{slug}", "unseen").replace("{project_slug}", "unseen")
                            .replace("{env_slug}", "production"))
            assert world.call("guest", "GET", path).status == 404, path
            assert world.call("owner", "GET", path).status in (200, 404), path
    found = world.call("guest", "GET", "/api/search-resources/?query=").json()
    assert "unseen" not in str(found)


def test_a_token_is_never_more_than_its_owner(world):
    """The owner's token of the widest scope, once the owner is a guest."""
    query = world.daemon.postgres.query
    query("update membership set role = 10 where role = 50 and workspace_id = %s", (world.workspace,))
    try:
        for route in routes():
            if route["scope"] in ("MEMBER", "ADMIN", "OWNER") and route["method"] != "GET":
                a = world.call("token admin", route["method"], concrete(route["path"]), {})
                assert a.status == 403, (route["name"], a)
    finally:
        query("update membership set role = 50 where user_id = (select id from app_user where username = %s)",
              (world.clients["owner"].name,))


# --- things that exist -------------------------------------------------------------------------------------------

PLACE = "/api/projects/{project_slug}/{env_slug}/"
# Tables that tell of calls, whatever comes of them.
TELLING = ("audit_entry", "audit_head", "idempotency_key", "api_token", "schema_migration")


def furnish(world, who, slug):
    """A project with one of everything, made by who: what stands in paths, by its name there, and ids for bodies."""
    c, place = world.clients[who], f"/api/projects/{slug}/staging/"

    def made(answer):
        assert answer.status in (200, 201), answer
        return answer.json()
    project = made(c.post("/api/projects/", {"slug": slug}))
    made(c.post(f"/api/projects/{slug}/create-environment/", {"name": "staging"}))
    deployment = made(c.put("/api/deploys/app", {"image": "app:1", "project": slug, "environment": "staging",
                                                 "volumes": [{"container_path": "/data"}]}))
    service = made(c.put(f"{place}request-service-changes/app/", {"field": "command", "new_value": "run"}))
    made(c.post(f"{place}variables/", {"key": "A", "value": "b"}))
    workspace = c.get("/api/workspace/").json()["id"]
    credential = f"reg_cred_{secrets.token_hex(5)}a"
    world.daemon.postgres.query(
        "insert into registry_credential (id, workspace_id, slug, registry_type, url, password_sealed, key_id)"
        " select %s, %s, %s, 'GENERIC', 'https://127.0.0.1:1', value_sealed, key_id from environment_variable limit 1",
        (credential, workspace, slug))
    world.daemon.postgres.query("update deployment set status = 'HEALTHY', is_current_production = true,"
                                " finished_at = now() where hash = %s", (deployment["hash"],))
    guest = world.person(f"{slug}-guest", 10, workspace)
    members = c.get("/api/workspace/members/?per_page=100").json()["results"]
    sessions = world.log_in(c.name).get("/api/auth/sessions/").json()
    invitation = made(c.post("/api/workspace/invite-user/", {"username": f"{slug}-invited", "role": 30}))
    ids = {"variables": c.get(f"{place}variables/").json()[0]["id"],
           "credentials": credential,
           "invitations": invitation["id"],
           "tokens": made(c.post("/api/tokens/", {"name": slug, "scope": "read"}))["id"],
           "sessions": next(s for s in sessions if s["current"])["id"]}
    return {"slug": slug, "project_slug": slug, "env_slug": "staging", "service_slug": "app", "service": "app",
            "deployment_hash": deployment["hash"], "change_id": service["unapplied_changes"][0]["id"],
            "membership_id": next(m["id"] for m in members if m["user"]["username"] == guest.name),
            "token": invitation["token"], "ids": ids, "service_id": service["id"], "project_id": project["id"],
            "volume_id": service["volumes"][0]["id"], "workspace_id": workspace}


@pytest.fixture(scope="module")
def theirs(world):
    return furnish(world, "owner", "theirs")


@pytest.fixture(scope="module")
def mine(world, theirs):
    return furnish(world, "outsider", "mine")


@pytest.fixture(scope="module")
def beside(world, theirs):
    """Another project of the same workspace."""
    return furnish(world, "owner", "beside")


def address(route, things, inner=None):
    """The route's path to these things; inner: whose are those that lie in a service or an environment."""
    def fill(m):
        name, whose = m[1], inner or things
        if name == "id":
            return str(whose["ids"][route["path"][:m.start()].rstrip("/").split("/")[-1]])
        return str((whose if name in INNER else things)[name])
    return re.sub(r"\{(\w+)\}", fill, route["path"]) + "/"


INNER = ("deployment_hash", "change_id")
HELD = [r for r in routes() if "{" in r["path"] and r["scope"] in (*ROLES, "SESSION")]
NESTED = [r for r in HELD if re.search(r"\{(deployment_hash|change_id)\}|variables/\{id\}", r["path"])]


def right_body(route, things):
    """As right as it can be said by the names of fields, so that a refusal is about the place."""
    if route["method"] not in ("POST", "PUT", "PATCH"):
        return None
    known = {"field": "command", "new_value": "", "image": "app:2", "key": "B", "value": "c", "name": "later",
             "desired_state": "stop", "service_ids": [things["service_id"]], "role": 30, "project": things["slug"],
             "environment": "staging", "username": "u", "password": "p", "url": "https://r.example", "slug": "renamed"}
    wanted = {f["name"] for f in route["body"] if f["required"]} | \
        ({"project", "environment"} if route["name"] == "deploy" else set())
    body = {name: known[name] for name in wanted}
    body.update({"project_update": {"description": "changed"}, "service_request_change": {"new_value": "walk"},
                 "service_request_variables": {"new_value": "C=d"}}.get(route["name"], {}))
    return body


def contents(world):
    """What every table holds, as a sum."""
    query = world.daemon.postgres.query
    tables = [t for t, in query("select tablename from pg_tables where schemaname = 'public'") if t not in TELLING]
    return {t: query(f"select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {t} t")[0][0]
            for t in tables}


def test_things_of_another_workspace_do_not_exist(world, theirs, mine):
    """The owner of another workspace, on each route that names a thing: as if it were not there, and it stays as it is."""
    before = contents(world)
    answers = [world.call("outsider", r["method"], address(r, theirs), right_body(r, theirs), stale=False)
               for r in HELD]
    assert [a for a in answers if a.status != 404] == []
    assert contents(world) == before


@pytest.mark.parametrize("who", ["outsider", "owner"])
def test_a_thing_is_only_where_it_lies(world, theirs, mine, beside, who):
    """One's own service, with a deployment, a change or a variable of another workspace or of another project in it."""
    here = mine if who == "outsider" else beside
    before = contents(world)
    assert len(NESTED) >= 8
    answers = [world.call(who, r["method"], address(r, here, theirs), right_body(r, here), stale=False)
               for r in NESTED]
    assert [a for a in answers if a.status != 404] == []
    assert contents(world) == before


def test_ids_of_another_workspace_in_a_body_are_refused(world, theirs, mine):
    place = "/api/projects/mine/staging/"
    before = contents(world)
    asked = (
        ("PUT", f"{place}bulk-toggle-services/", {"desired_state": "stop", "service_ids": [theirs["service_id"]]}),
        ("PUT", f"{place}bulk-deploy-services/", {"service_ids": [theirs["service_id"]]}),
        ("POST", f"{place}create-service/docker/",
         {"slug": "b", "image": "app:1", "container_registry_credentials_id": theirs["ids"]["credentials"]}),
        ("PUT", f"{place}request-service-changes/app/",
         {"field": "source", "new_value": {"image": "app:3",
                                           "container_registry_credentials_id": theirs["ids"]["credentials"]}}),
        ("PUT", f"{place}request-service-changes/app/",
         {"field": "shared_volumes", "type": "ADD",
          "new_value": {"volume_id": theirs["volume_id"], "container_path": "/theirs"}}),
        ("PUT", f"/api/workspace/members/{mine['membership_id']}/permissions/",
         {"role": 10, "accessible_project_ids": [theirs["project_id"]]}),
        ("POST", "/api/workspace/invite-user/",
         {"username": "cat", "role": 10, "accessible_project_ids": [theirs["project_id"]]}),
        ("POST", "/api/workspace/transfer-ownership/", {"new_owner_id": theirs["membership_id"]}),
        ("POST", "/api/workspaces/switch/", {"workspace_id": theirs["workspace_id"]}))
    answers = [world.clients["outsider"].call(*a) for a in asked]
    assert [a for a in answers if a.status not in (400, 404, 409)] == []
    assert contents(world) == before


def test_a_guest_reads_nothing_of_the_other_projects(world, theirs):
    """Every route that a guest may call, in a project that exists and is not the guest's."""
    before, asked = contents(world), 0
    for route in HELD:
        if route["scope"] == "GUEST" and "slug}" in route["path"]:
            a = world.call("guest", route["method"], address(route, theirs))
            assert a.status == 404, (route["name"], a)
            assert world.call("owner", route["method"], address(route, theirs)).status == 200, route["name"]
            asked += 1
    assert asked >= 3 and contents(world) == before
    for path in ("/api/projects/", "/api/recent-deployments/", "/api/search-resources/?query=theirs"):
        assert b"theirs" in world.call("owner", "GET", path).body, path
        assert b"theirs" not in world.call("guest", "GET", path).body, path


def test_the_owner_reaches_all_of_these(world):
    """The paths of the tests above lead somewhere: they would be 404 for nothing otherwise."""
    things, wrong = furnish(world, "owner", "reached"), []
    for route in sorted(HELD, key=lambda r: r["method"] == "DELETE"):
        if route["name"] in ("invitation_accept", "build_log"):
            continue  # somebody else's; asks Loki, which is not there
        a = world.call("owner", route["method"], address(route, things), right_body(route, things))
        if a.status == 404 or a.status >= 500:
            wrong.append(a)
    assert wrong == []
