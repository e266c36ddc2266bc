"""Who may call what: each route of the C table as each kind of caller, allowed or refused as the table says.

The callers belong to a workspace of their own. Objects are named that do not exist, so that an allowed call is a 404 or a
400 and changes nothing, while a refused one is a 401 or a 403: who may not call learns nothing about what there is."""
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
        self.daemon = Daemon()
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
        assert c.post("/api/auth/login/", {"username": name, "password": PASSWORD}).status == 201
        c.name = name
        return c

    def call(self, who, method, path, body=None, client=None):
        headers = {"If-Match": '"nobody has seen this"'} if method in ("PUT", "PATCH", "DELETE") else {}
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
    import re
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
        if route["name"] in ENDS or route["name"] in ("system_events", "healthz", "readyz"):
            continue
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
