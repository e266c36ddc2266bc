"""Tokens, second factors, sessions, the audit log and the change of keys over HTTP."""
import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import re
import secrets
import shlex
import struct
import subprocess
import threading
import time

import jsonschema
import pytest
from daemon import PASSWORD, Client

DEFAULT = "/api/projects/default/production"


def address():
    """A client address that no other test uses, so that tests do not share throttles."""
    return ".".join(str(secrets.randbelow(250) + 1) for _ in range(4))


class From(Client):
    """A client behind the proxy at an address of its own."""

    def __init__(self, port, bearer=None):
        super().__init__(port)
        self.fixed = {"X-Forwarded-For": address(), "User-Agent": "tests/1 (of zaned)"}
        if bearer:
            self.fixed["Authorization"] = f"Bearer {bearer}"

    def call(self, method, path, body=None, headers=None, raw=None):
        return super().call(method, path, body, {**self.fixed, **(headers or {})}, raw)

    def login(self, username, password=PASSWORD, **more):
        return self.post("/api/auth/login/", {"username": username, "password": password, **more})


class User:
    """A user with a role in the default workspace."""

    def __init__(self, daemon, role=40, superuser=False, workspace=None):
        self.daemon, self.name = daemon, f"u{secrets.token_hex(4)}"
        query = daemon.postgres.query
        self.id = query("insert into app_user (username, password_hash, is_superuser) select %s, password_hash, %s"
                        " from app_user where username = 'admin' returning id", (self.name, superuser))[0][0]
        self.workspace = workspace or query("select id from workspace order by created_at limit 1")[0][0]
        self.role(role)

    def role(self, role):
        query = self.daemon.postgres.query
        query("delete from membership where user_id = %s and workspace_id = %s", (self.id, self.workspace))
        if role:
            query("insert into membership (user_id, workspace_id, role) values (%s, %s, %s)",
                  (self.id, self.workspace, role))

    def log_in(self, **more):
        client = From(self.daemon.port)
        a = client.login(self.name, **more)
        assert a.status == 201, a
        return client

    def entries(self, action=""):
        """[(action, after)] of the log, oldest first."""
        return self.daemon.postgres.query(
            "select action, after from audit_entry where user_name = %s and starts_with(action, %s) order by seq",
            (self.name, action))


@pytest.fixture
def user(admin, daemon):
    return User(daemon, 40)


@pytest.fixture
def shapes(root):
    """Checks an answer against a component of ours."""
    components = {}
    for path in (root / "zaned/api/schemas").glob("*.json"):
        components.update(json.loads(path.read_text()))

    def check(answer, name):
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": components}}
        if name.endswith("[]"):
            schema = {"type": "array", "items": {"$ref": f"#/components/schemas/{name[:-2]}"},
                      "components": {"schemas": components}}
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        return answer
    return check


def make_token(client, scope="read", **more):
    a = client.post("/api/tokens/", {"name": f"a {scope} one", "scope": scope, **more})
    assert a.status == 201, a
    return a.json()


# --- tokens -------------------------------------------------------------------------------------------------

def test_a_token_is_shown_once_and_kept_as_a_hash(daemon, user, shapes):
    client = user.log_in()
    a = shapes(client.post("/api/tokens/", {"name": "ci", "scope": "read"}), "NewToken")
    assert a.status == 201 and a.headers["Cache-Control"] == "no-store"
    token = a.json()["token"]
    listed = shapes(client.get("/api/tokens/"), "Token[]").json()
    assert [t["id"] for t in listed] == [a.json()["id"]] and listed[0]["last_used_at"] is None
    row = daemon.postgres.query("select token_hash from api_token where id = %s", (a.json()["id"],))
    assert row == [(hashlib.blake2b(token.encode(), digest_size=32).hexdigest(),)]
    assert token not in daemon.log()
    assert user.entries("token.") == [("token.create", {k: v for k, v in a.json().items() if k != "token"})]


def test_scopes(daemon, user, slug):
    client = user.log_in()
    assert client.post(f"{DEFAULT}/create-service/docker/", {"slug": slug, "image": "app:1"}).status == 201
    program = {s: From(daemon.port, make_token(client, s)["token"]) for s in ("read", "deploy", "admin")}
    for scope, deploys, edits in (("read", 403, 403), ("deploy", 200, 403), ("admin", 200, 409)):
        c = program[scope]
        assert c.get("/api/projects/").status == 200, scope
        assert c.put(f"{DEFAULT}/deploy-service/docker/{slug}/", {}).status == deploys, scope
        assert c.post("/api/projects/", {"slug": "default"}).status == edits, scope
        # Accounts, tokens and the instance are no matter of tokens.
        assert c.get("/api/auth/me/").status == 403
        assert c.get("/api/tokens/").status == 403
        assert c.post("/api/tokens/", {"name": "more", "scope": "admin"}).status == 403
        assert c.get("/api/audit/verify/").status == 403
        assert c.delete("/api/auth/sessions/").status == 403
    assert "scope deploy" in program["read"].put(f"{DEFAULT}/deploy-service/docker/{slug}/", {}).json()["errors"][0]["detail"]


def test_a_token_never_does_more_than_its_owner(daemon, user):
    program = From(daemon.port, make_token(user.log_in(), "admin")["token"])
    assert program.get("/api/audit/").status == 200
    user.role(30)
    assert program.get("/api/audit/").status == 403 and program.get("/api/projects/").status == 200
    user.role(None)
    assert program.get("/api/projects/").status == 403
    daemon.postgres.query("update app_user set is_active = false where id = %s", (user.id,))
    assert program.get("/api/projects/").status == 401


def test_a_token_stays_in_its_workspace(daemon, user):
    other = f"wrk_{secrets.token_hex(5)}x"
    daemon.postgres.query("insert into workspace (id, name) values (%s, 'other')", (other,))
    daemon.postgres.query("insert into membership (user_id, workspace_id, role) values (%s, %s, 50)", (user.id, other))
    program = From(daemon.port, make_token(user.log_in(), "read")["token"])
    assert [p["slug"] for p in program.get("/api/projects/?slug=default").json()] == ["default"]
    user.role(None)  # what is left is the role in the other workspace: the token has no part in it
    assert program.get("/api/projects/").status == 403


def test_a_guests_token_sees_the_guests_projects(daemon, admin, user, slug):
    assert admin.post("/api/projects/", {"slug": slug}).status == 201
    user.role(10)
    daemon.postgres.query("insert into membership_project select m.id, p.id from membership m, project p where m.user_id"
                          " = %s and p.slug = %s", (user.id, slug))
    program = From(daemon.port, make_token(user.log_in(), "admin")["token"])
    assert [p["slug"] for p in program.get("/api/projects/").json()] == [slug]
    assert program.get("/api/projects/default/").status == 404
    assert program.delete(f"/api/projects/{slug}/").status == 403
    admin.delete(f"/api/projects/{slug}/")


def test_a_superusers_token_is_none_of_the_instance(daemon, admin):
    program = From(daemon.port, make_token(User(daemon, 40, superuser=True).log_in(), "admin")["token"])
    assert program.get("/api/audit/?scope=instance").status == 403


def test_bearer_counts_before_the_cookie_and_needs_no_csrf(daemon, user, slug):
    client = user.log_in()
    token = make_token(client, "read")["token"]
    assert client.post("/api/projects/", {"slug": slug}, headers={"Authorization": f"Bearer {token}"}).status == 403
    assert client.get("/api/projects/", headers={"Authorization": "Bearer zane_wrong"}).status == 401
    program = From(daemon.port, make_token(client, "admin")["token"])
    assert program.post("/api/projects/", {"slug": slug}, headers={"Origin": "https://evil.test"}).status == 201
    assert program.delete(f"/api/projects/{slug}/").status == 204


def test_revoked_and_expired_tokens_are_refused(daemon, user):
    client = user.log_in()
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).isoformat()
    short, gone = make_token(client, expires_at=soon), make_token(client)
    assert From(daemon.port, short["token"]).get("/api/projects/").status == 200
    assert client.delete(f"/api/tokens/{gone['id']}/").status == 204
    a = From(daemon.port, gone["token"]).get("/api/projects/")
    assert a.status == 401 and a.errors() == [(None, "not_authenticated")]
    assert client.delete(f"/api/tokens/{gone['id']}/").status == 404
    time.sleep(2.1)
    assert From(daemon.port, short["token"]).get("/api/projects/").status == 401
    assert [t["expired"] for t in client.get("/api/tokens/").json()] == [True]
    # Nobody revokes another's.
    assert User(daemon, 40).log_in().delete(f"/api/tokens/{short['id']}/").status == 404


def test_last_use_is_noted_once_a_minute(daemon, user):
    token = make_token(user.log_in())
    program = From(daemon.port, token["token"])

    def used():
        return daemon.postgres.query("select last_used_at from api_token where id = %s", (token["id"],))[0][0]
    program.get("/api/projects/")
    first = used()
    program.get("/api/projects/")
    assert first is not None and used() == first
    daemon.postgres.query("update api_token set last_used_at = now() - interval '61 seconds',"
                              " expires_at = expires_at where id = %s",
                          (token["id"],))
    program.get("/api/projects/")
    assert used() > first


def test_bad_tokens_are_named_field_by_field(user):
    client = user.log_in()
    a = client.post("/api/tokens/", {"name": "a\nb", "scope": "root", "expires_at": "tomorrow"})
    assert a.errors() == [("name", "invalid"), ("scope", "invalid_choice"), ("expires_at", "invalid")]
    assert client.post("/api/tokens/", {}).errors() == [("name", "required"), ("scope", "required")]
    a = client.post("/api/tokens/", {"name": "x" * 101, "scope": "read"})
    assert a.errors() == [("name", "max_length")]
    a = client.post("/api/tokens/", {"name": "late", "scope": "read", "expires_at": "2020-01-01"})
    assert a.status == 400 and a.errors() == [("expires_at", "invalid")]


# --- second factor ------------------------------------------------------------------------------------------

def code_at(secret, when):
    counter = struct.pack(">Q", int(when) // 30)
    mac = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = mac[19] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


class Authenticator:
    """Gives codes of steps that were not used: now, the next, the one before."""

    def __init__(self, secret):
        self.secret, self.used = secret, set()

    def code(self):
        while True:
            now = time.time()
            # Not the step that is about to fall out of the window.
            for when in (now - 30, now, now + 30) if now % 30 < 25 else (now, now + 30):
                step = int(when) // 30
                if not self.used or step > max(self.used):
                    self.used.add(step)
                    return code_at(self.secret, when)
            time.sleep(1)


def enable(client):
    begun = client.post("/api/auth/totp/begin/", {"password": PASSWORD})
    assert begun.status == 200, begun
    device = Authenticator(begun.json()["secret"])
    done = client.post("/api/auth/totp/confirm/", {"code": device.code()})
    assert done.status == 200, done
    return device, done.json()["recovery_codes"]


def test_a_second_factor_from_beginning_to_end(daemon, user, shapes):
    client = user.log_in()
    assert shapes(client.get("/api/auth/totp/"), "SecondFactor").json() == {"enabled": False, "recovery_codes_left": 0}
    assert client.post("/api/auth/totp/confirm/", {"code": "123456"}).status == 409
    assert client.post("/api/auth/totp/begin/", {"password": "wrong"}).errors() == [("password", "invalid")]
    begun = shapes(client.post("/api/auth/totp/begin/", {"password": PASSWORD}), "SecondFactorSecret")
    secret = begun.json()["secret"]
    assert begun.json()["uri"] == (f"otpauth://totp/Zane:{user.name}?secret={secret}&issuer=Zane&algorithm=SHA1"
                                   "&digits=6&period=30")
    assert From(daemon.port).login(user.name).status == 201, "what is only begun is not asked for"
    wrong = f"{(int(code_at(secret, time.time())) + 1) % 1000000:06d}"
    assert client.post("/api/auth/totp/confirm/", {"code": wrong}).errors() == [("code", "invalid")]
    device = Authenticator(secret)
    done = shapes(client.post("/api/auth/totp/confirm/", {"code": device.code()}), "RecoveryCodes")
    assert done.status == 200 and len(set(done.json()["recovery_codes"])) == 10
    assert client.post("/api/auth/totp/begin/", {"password": PASSWORD}).status == 409
    assert client.get("/api/auth/totp/").json() == {"enabled": True, "recovery_codes_left": 10}

    a = From(daemon.port).login(user.name)
    assert a.status == 401 and a.errors() == [(None, "totp_required")] and "Set-Cookie" not in a.headers
    code = device.code()
    a = From(daemon.port).login(user.name, totp_code=code)
    assert a.status == 201, a
    a = From(daemon.port).login(user.name, totp_code=code)
    assert a.status == 401 and a.errors() == [(None, "authentication_failed")], "a step is taken once"
    assert From(daemon.port).login(user.name, "wrong-password-1", totp_code="000000").status == 401

    row = daemon.postgres.query("select seed_sealed, key_id from second_factor where user_id = %s", (user.id,))[0]
    assert secret not in row[0] and re.fullmatch("[0-9a-f]{16}", row[1])
    a = client.post("/api/auth/totp/disable/", {"password": PASSWORD})
    assert a.errors() == [("code", "required")]
    a = client.post("/api/auth/totp/disable/", {"password": PASSWORD, "recovery_code": done.json()["recovery_codes"][0]})
    assert a.status == 204, a
    assert From(daemon.port).login(user.name).status == 201
    assert [a for a, _ in user.entries("totp.")] == ["totp.begin", "totp.enable", "totp.disable"]


def test_recovery_codes_are_used_once(daemon, user):
    client = user.log_in()
    device, codes = enable(client)
    assert From(daemon.port).login(user.name, recovery_code=codes[3].replace("-", " ")).status == 201
    assert From(daemon.port).login(user.name, recovery_code=codes[3]).status == 401
    assert client.get("/api/auth/totp/").json()["recovery_codes_left"] == 9
    a = client.post("/api/auth/totp/recovery-codes/", {"code": device.code()})
    assert a.status == 200 and not set(a.json()["recovery_codes"]) & set(codes)
    assert From(daemon.port).login(user.name, recovery_code=codes[4]).status == 401
    assert From(daemon.port).login(user.name, recovery_code=a.json()["recovery_codes"][4]).status == 201
    rows = daemon.postgres.query("select code_hash from recovery_code where user_id = %s", (user.id,))
    assert len(rows) == 10 and all(re.fullmatch("[0-9a-f]{64}", h) for h, in rows)
    assert [x["second_factor"] for x in (after for _, after in user.entries("login.success"))] == [
        "none", "recovery", "recovery"]


def test_one_code_lets_one_of_many_in(daemon, user):
    device, _ = enable(user.log_in())
    code = device.code()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: From(daemon.port).login(user.name, totp_code=code).status, range(4)))
    assert sorted(got) == [201, 401, 401, 401]


def test_codes_cannot_be_tried_through(daemon, user):
    enable(user.log_in())
    got = [From(daemon.port).login(user.name, totp_code="000000").status for _ in range(12)]
    assert got[0] == 401 and got[-1] == 429, got


# --- login and sessions -------------------------------------------------------------------------------------

def test_logins_are_throttled_and_written_down(daemon, user):
    client = From(daemon.port)
    got = [client.login(user.name, "wrong-password-1") for _ in range(22)]
    assert [a.status for a in got] == [401] * 20 + [429] * 2 and int(got[-1].headers["Retry-After"]) > 0
    assert From(daemon.port).login(user.name).status == 201, "others are not locked out"
    refused = [after["reason"] for _, after in user.entries("login.refused")]
    assert refused == ["password"] * 20 + ["throttled"], "one entry for all that is too much"
    entry = daemon.postgres.query("select address, user_id from audit_entry where user_name = %s", (user.name,))[0]
    assert entry == (client.fixed["X-Forwarded-For"], user.id)


def test_login_goes_on_to_own_paths_only(daemon, user):
    def go(to):
        return From(daemon.port).post(f"/api/auth/login/?redirect_to={to}", {"username": user.name, "password": PASSWORD})
    a = go("/project/default%3Fx=1")
    assert a.status == 302 and a.headers["Location"] == "/project/default?x=1" and "sessionid" in str(a.headers)
    for bad in ("//evil.test", "https://evil.test", "/%5Cevil.test", "evil", "/%0d%0aX:%201", "%09//evil.test"):
        assert go(bad).errors() == [("redirect_to", "invalid")], bad


def test_names_and_codes_are_checked(daemon):
    a = From(daemon.port).login("a\nb", "x" * 256, recovery_code="y" * 41, totp_code="")
    assert a.errors() == [("username", "invalid"), ("password", "max_length"), ("totp_code", "blank"),
                          ("recovery_code", "max_length")]


def test_cookies(daemon, user):
    def cookies(**headers):
        a = From(daemon.port).call("POST", "/api/auth/login/", {"username": user.name, "password": PASSWORD}, headers)
        assert a.status == 201, a
        return {c.split("=")[0]: c for c in a.headers.get_all("Set-Cookie")}
    plain, secure = cookies(), cookies(**{"X-Forwarded-Proto": "https"})
    assert "HttpOnly" in plain["sessionid"] and "HttpOnly" not in plain["csrftoken"]
    assert all("SameSite=Lax" in c and "Path=/" in c and "Secure" not in c for c in plain.values())
    assert all("; Secure" in c for c in secure.values())


def test_sessions_are_listed_and_ended(daemon, user, shapes):
    here, there, third = user.log_in(), user.log_in(), user.log_in()
    listed = shapes(here.get("/api/auth/sessions/"), "Session[]").json()
    assert len(listed) == 3 and [s["current"] for s in listed].count(True) == 1
    mine = next(s for s in listed if s["current"])
    assert mine["address"] == here.fixed["X-Forwarded-For"] and mine["user_agent"] == "tests/1 (of zaned)"
    text = json.dumps(listed)
    assert all(c.cookies["sessionid"] not in text for c in (here, there, third))
    other = next(s for s in listed if s["address"] == there.fixed["X-Forwarded-For"])
    assert here.delete(f"/api/auth/sessions/{other['id']}/").status == 204
    assert there.get("/api/auth/me/").status == 401 and third.get("/api/auth/me/").status == 200
    assert here.delete(f"/api/auth/sessions/{other['id']}/").status == 404
    assert here.delete("/api/auth/sessions/").status == 204
    assert third.get("/api/auth/me/").status == 401 and here.get("/api/auth/me/").status == 200
    assert [s["id"] for s in here.get("/api/auth/sessions/").json()] == [mine["id"]]
    # Nobody ends another's.
    stranger = User(daemon, 40).log_in()
    assert stranger.delete(f"/api/auth/sessions/{mine['id']}/").status == 404
    assert here.delete("/api/auth/logout/").status == 204 and here.get("/api/auth/me/").status == 401
    assert [a for a, _ in user.entries()][3:] == ["session.revoke", "session.revoke_others", "logout"]


def test_a_dump_of_valkey_logs_nobody_in(daemon, user):
    cookie = user.log_in().cookies["sessionid"]

    def redis(*args):
        return subprocess.run(["redis-cli", "-p", str(daemon.valkey.port), "-a", daemon.valkey.password,
                               "--no-auth-warning", *args], capture_output=True, text=True, check=True).stdout
    keys = redis("keys", "*").split()
    assert any(k.startswith("session:") for k in keys)
    for key in keys:
        shown = key + (redis("get", key) if not key.startswith("sessions-of:") else redis("smembers", key))
        assert cookie not in shown
        thief = From(daemon.port)
        thief.cookies = {"sessionid": key.split(":")[-1]}
        if key.startswith("session:"):
            assert thief.get("/api/auth/me/").status == 401


def test_a_password_change_ends_other_sessions_and_is_written_down(daemon, user):
    here, there = user.log_in(), user.log_in()
    body = {"current_password": PASSWORD, "new_password": "another-horse-8", "confirm_password": "another-horse-8"}
    assert here.post("/api/auth/change-password/", body).status == 200
    assert there.get("/api/auth/me/").status == 401 and here.get("/api/auth/me/").status == 200
    assert user.entries("password.") == [("password.change", None)]


def test_no_cross_origin_headers(daemon, user):
    client = user.log_in()
    for origin in ("https://evil.test", "null"):
        a = client.get("/api/auth/me/", headers={"Origin": origin})
        assert not [h for h in a.headers if h.lower().startswith("access-control")]
    a = client.call("OPTIONS", "/api/projects/", headers={"Origin": "https://evil.test",
                                                          "Access-Control-Request-Method": "POST"})
    assert a.status == 405 and not [h for h in a.headers if h.lower().startswith("access-control")]
    a = client.post("/api/projects/", {"slug": "x"}, headers={"Origin": "https://evil.test"})
    assert a.status == 403
    ids = {client.get("/api/ping/").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


# --- audit log ----------------------------------------------------------------------------------------------

@pytest.fixture
def owner(admin, daemon):
    return User(daemon, 40, superuser=True)


def test_the_log_tells_who_did_what(daemon, owner, user, shapes):
    here, client = owner.log_in(), user.log_in()
    made = client.post("/api/tokens/", {"name": "a read one", "scope": "read"})
    token = made.json()
    page = shapes(here.get(f"/api/audit/?target={token['id']}"), "AuditPage").json()
    assert page["next"] is None and len(page["results"]) == 1
    entry = page["results"][0]
    assert entry["action"] == "token.create" and entry["user"] == {"id": user.id, "username": user.name}
    assert entry["address"] == client.fixed["X-Forwarded-For"] and entry["token_id"] is None
    assert entry["session_id"] in [s["id"] for s in client.get("/api/auth/sessions/").json()]
    assert token["token"] not in json.dumps(entry) and entry["after"]["name"] == "a read one"
    assert entry["request_id"] == made.headers["X-Request-Id"]
    # A token is named as well.
    program = From(daemon.port, make_token(client, "admin")["token"])
    by = daemon.postgres.query("select id from api_token where user_id = %s and scope = 'admin'", (user.id,))[0][0]
    slug = program.post("/api/projects/", {}).json()["slug"]
    program.delete(f"/api/projects/{slug}/")
    others = [e for e in here.get(f"/api/audit/?user={user.name}").json()["results"]
              if not e["action"].startswith(("login.", "token."))]  # none where projects write no entries yet
    assert all(e["token_id"] == by and e["session_id"] is None for e in others)


def test_filters_and_pages(daemon, owner, user):
    here, client = owner.log_in(), user.log_in()
    made = [make_token(client)["id"] for _ in range(5)]
    client.delete(f"/api/tokens/{made[0]}/")
    path = f"/api/audit/?user={user.name}"
    seen, cursor = [], ""
    while cursor is not None:
        a = here.get(f"{path}&action=token.&per_page=2{cursor and '&cursor=' + cursor}").json()
        seen += a["results"]
        cursor = a["next"]
    assert [(e["action"], e["target"]) for e in seen] == [("token.revoke", made[0])] + [
        ("token.create", i) for i in reversed(made)]
    assert [e["seq"] for e in seen] == sorted((e["seq"] for e in seen), reverse=True)
    last = seen[0]["at"]
    assert [e["target"] for e in here.get(f"{path}&after={last}").json()["results"]] == [made[0]]
    assert len(here.get(f"{path}&before={last}&action=token.create").json()["results"]) == 5
    assert here.get("/api/audit/?per_page=101&cursor=x&after=y").errors() == [
        ("after", "invalid"), ("cursor", "invalid"), ("per_page", "max_value")]
    assert here.get("/api/audit/?action=token%25").json()["results"] == [], "a prefix, no pattern"


def test_who_sees_which_entries(daemon, owner, user):
    other = f"wrk_{secrets.token_hex(5)}x"
    daemon.postgres.query("insert into workspace (id, name) values (%s, 'other')", (other,))
    foreign = User(daemon, 40, workspace=other)
    make_token(foreign.log_in())
    here = owner.log_in()
    assert here.get(f"/api/audit/?user={foreign.name}").json()["results"] == []
    found = here.get(f"/api/audit/?user={foreign.name}&scope=instance").json()["results"]
    assert [(e["action"], e["workspace_id"]) for e in found] == [("token.create", other), ("login.success", None)]
    admin_of_workspace = user.log_in()
    assert admin_of_workspace.get("/api/audit/").status == 200
    assert admin_of_workspace.get("/api/audit/?scope=instance").status == 403
    assert admin_of_workspace.get("/api/audit/verify/").status == 403
    user.role(30)
    assert admin_of_workspace.get("/api/audit/").status == 403


def test_the_log_is_only_added_to(daemon, user):
    user.log_in()
    for text in ("update audit_entry set action = 'x'", "delete from audit_entry", "truncate audit_entry"):
        with pytest.raises(Exception, match="only added to"):
            daemon.postgres.query(text)


@pytest.fixture
def behind_the_trigger(daemon):
    """Runs a statement that the trigger does not see, and undoes it afterwards by the reverse one."""
    undo = []

    def run(text, *params, back):
        daemon.postgres.query(f"set session_replication_role = replica; {text}", params)
        undo.append(back)
    yield run
    for text, params in reversed(undo):
        daemon.postgres.query(f"set session_replication_role = replica; {text}", params)


def test_verify_finds_what_was_changed(daemon, owner, behind_the_trigger, shapes):
    here = owner.log_in()
    good = shapes(here.get("/api/audit/verify/"), "AuditVerdict").json()
    assert good["intact"] and good["entries"] > 0 and good["broken_at"] is None
    seq, address_ = daemon.postgres.query("select seq, address from audit_entry where user_name = %s", (owner.name,))[0]
    behind_the_trigger("update audit_entry set address = '9.9.9.9' where seq = %s", seq,
                       back=("update audit_entry set address = %s where seq = %s", (address_, seq)))
    bad = shapes(here.get("/api/audit/verify/"), "AuditVerdict").json()
    assert not bad["intact"] and bad["broken_at"] == seq and "changed" in bad["reason"]


@pytest.mark.parametrize("from_the_end, why", [(1, "an entry is missing"), (0, "missing at the end")])
def test_verify_finds_what_is_missing(daemon, owner, user, behind_the_trigger, from_the_end, why):
    here = owner.log_in()
    for _ in range(3):
        user.log_in()
    seq = daemon.postgres.query("select max(seq) from audit_entry")[0][0] - from_the_end
    # Moved below zero, where the walk does not look.
    behind_the_trigger("update audit_entry set seq = -seq where seq = %s", seq,
                       back=("update audit_entry set seq = -seq where seq = -%s", (seq,)))
    bad = here.get("/api/audit/verify/").json()
    assert not bad["intact"] and bad["broken_at"] == seq and why in bad["reason"]


def test_many_at_once_make_one_chain(daemon, owner, user):
    client = user.log_in()
    before = daemon.postgres.query("select max(seq) from audit_entry")[0][0]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda _: make_token(client)["id"], range(40)))
    assert len(set(made)) == 40
    rows = daemon.postgres.query("select seq from audit_entry where seq > %s order by seq", (before,))
    assert [r[0] for r in rows] == list(range(before + 1, before + 41))
    assert owner.log_in().get("/api/audit/verify/").json()["intact"]


def test_what_fails_leaves_no_entry(daemon, user):
    client = user.log_in()
    before = user.entries("token.")
    assert client.post("/api/tokens/", {"name": "late", "scope": "read", "expires_at": "2020-01-01"}).status == 400
    assert client.delete("/api/tokens/tok_nothing/").status == 404
    assert user.entries("token.") == before


# --- keys ---------------------------------------------------------------------------------------------------

def set_keys(daemon, *keys):
    (daemon.root / "encryption_key").write_text("\n".join(keys) + "\n")


def rotate(daemon):
    done = daemon.run("rotate-keys")
    return done.returncode, json.loads(done.stdout.decode().splitlines()[-1]) if done.stdout else done.stderr


def key_id(key):
    inner = hashlib.blake2b(key.encode(), digest_size=32).digest()
    return hashlib.blake2b(b"zane key id", key=inner, digest_size=16).hexdigest()[:16]


def restart(daemon):
    daemon.kill()
    daemon.start()


@pytest.fixture
def keys(daemon):
    """(old, new); afterwards everything is under the old key again, as other tests expect."""
    old, new = daemon.secrets["encryption_key"], secrets.token_hex(32)
    yield old, new
    set_keys(daemon, old, new)
    code, said = rotate(daemon)
    assert code == 0, said
    set_keys(daemon, old)
    restart(daemon)


def fill(daemon, user, client, slug, n=3, factor=True):
    """Sealed values in every place that has them."""
    a = client.put(f"/api/deploys/{slug}", {"image": "app:1", "env": {f"K{i}": f"secret-{i}" for i in range(n)}})
    assert a.status == 201, a
    for i in range(n):
        a = client.put(f"{DEFAULT}/request-service-changes/{slug}/",
                       {"field": "env_variables", "type": "ADD", "new_value": {"key": f"P{i}", "value": f"wait-{i}"}})
        assert a.status == 200, a
    return enable(client) if factor else None


def test_keys_change_while_the_api_runs(daemon, user, keys, slug):
    old, new = keys
    client = user.log_in()
    device, _ = fill(daemon, user, client, slug)
    details = f"{DEFAULT}/service-details/{slug}/"
    before = client.get(details).json()
    set_keys(daemon, new, old)
    restart(daemon)
    assert client.get(details).json() == before
    code, said = rotate(daemon)
    assert code == 0 and said["key"] == key_id(new) and said["values"] >= 3 and said["left"] == said["lost"] == 0
    assert rotate(daemon)[1]["values"] == 0, "the second time there is nothing to do"
    assert client.get(details).json() == before
    # Nothing in any table speaks of the old key.
    for table, in daemon.postgres.query("select relname from pg_class where relkind = 'r' and relnamespace ="
                                        " 'public'::regnamespace"):
        assert daemon.postgres.query(f"select count(*) from {table} x where x::text like %s",
                                     (f"%{key_id(old)}%",)) == [(0,)], table
    set_keys(daemon, new)
    restart(daemon)
    assert client.get(details).json() == before
    assert From(daemon.port).login(user.name, totp_code=device.code()).status == 201


def test_nobody_notices_a_change_of_keys(daemon, user, keys, slug):
    """Writers and readers of sealed values go on while every row is sealed anew."""
    old, new = keys
    clients = [user.log_in() for _ in range(3)]
    names = [f"{slug}-{i}" for i in range(3)]
    for client, name in zip(clients, names):
        fill(daemon, user, client, name, factor=False)
    set_keys(daemon, new, old)
    restart(daemon)
    stop = threading.Event()

    def work(client, name):
        seen = []
        while not stop.is_set():
            value = secrets.token_hex(8)
            a = client.put(f"/api/deploys/{name}", {"image": "app:1", "env": {f"K{i}": value for i in range(20)}})
            b = client.get(f"{DEFAULT}/service-details/{name}/")
            shown = {v["key"]: v["value"] for v in b.json().get("env_variables", [])}
            seen.append((a.status, b.status, shown.get("K7") == value))
        return seen
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(work, c, n) for c, n in zip(clients, names)]
        try:
            time.sleep(0.3)
            done = rotate(daemon)
            time.sleep(0.3)
        finally:
            stop.set()
        seen = [one for job in jobs for one in job.result()]
    assert done[0] == 0 and done[1]["left"] == 0, done
    assert len(seen) > 10 and set(seen) == {(200, 200, True)}, seen


def test_a_change_of_keys_ends_although_somebody_seals_with_another(daemon, user, keys, slug):
    old, new = keys
    client = user.log_in()
    fill(daemon, user, client, slug, factor=False)
    set_keys(daemon, new, old)  # the api is not started anew: it seals with the old key only
    stop = threading.Event()

    def work():
        while not stop.is_set():
            client.put(f"/api/deploys/{slug}", {"image": "app:1", "env": {f"K{i}": secrets.token_hex(8) for i in range(9)}})
    writer = threading.Thread(target=work)
    writer.start()
    try:
        process = subprocess.run([daemon.program, "rotate-keys"], env=daemon.environment(), capture_output=True,
                                 timeout=90, check=False)
    finally:
        stop.set()
        writer.join()
    assert process.returncode in (0, 1), process
    said = json.loads(process.stdout)
    assert (said["left"] == 0) == (process.returncode == 0)
    assert process.returncode == 0 or b"seals with another key" in process.stderr


def test_a_change_of_keys_that_was_killed_goes_on(daemon, user, keys, slug):
    old, new = keys
    client = user.log_in()
    fill(daemon, user, client, slug)
    # Enough rows for many transactions.
    daemon.postgres.query("insert into service_env (id, service_id, key, value_sealed, key_id) select 'env_dkr_' ||"
                          " md5(i::text || s.id), s.id, 'MANY_' || i, e.value_sealed, e.key_id from service s,"
                          " generate_series(1, 3000) i, (select new_value->'value'->>'sealed' as value_sealed,"
                          " new_value->'value'->>'key_id' as key_id from service_change where not applied and"
                          " new_value->'value' ? 'sealed' limit 1) e where s.slug = %s", (slug,))
    set_keys(daemon, new, old)
    restart(daemon)

    def left():
        return daemon.postgres.query("select count(*) from service_env where key_id = %s", (key_id(old),))[0][0]
    total = left()
    assert total >= 3000
    process = subprocess.Popen([daemon.program, "rotate-keys"], env=daemon.environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    end = time.time() + 20
    while left() == total and time.time() < end:
        time.sleep(0.01)
    process.kill()
    process.wait()
    middle = left()
    assert 0 < middle < total, "killed in the middle"
    code, said = rotate(daemon)
    assert code == 0 and left() == 0 and said["rows"] >= middle
    daemon.postgres.query("delete from service_env where key like 'MANY_%'")


def test_rows_held_by_others_come_later(daemon, user, keys, slug):
    old, new = keys
    fill(daemon, user, user.log_in(), slug)
    set_keys(daemon, new, old)
    held = daemon.postgres.connect()
    with held.cursor() as cursor:
        cursor.execute("select 1 from second_factor where user_id = %s for update", (user.id,))
        process = subprocess.Popen([daemon.program, "rotate-keys"], env=daemon.environment(), stdout=subprocess.PIPE)
        time.sleep(1.5)
        assert process.poll() is None
        held.rollback()
    held.close()
    out = process.communicate(timeout=30)[0]
    assert process.returncode == 0 and json.loads(out)["left"] == 0


def test_a_value_under_an_unknown_key_is_said(daemon, user, keys, slug):
    old, new = keys
    fill(daemon, user, user.log_in(), slug)
    where = ("second_factor", "user_id = %s" % user.id)
    was = daemon.postgres.query("select key_id from %s where %s" % where)[0][0]
    daemon.postgres.query("update %s set key_id = 'feedfeedfeedfeed' where %s" % where)
    set_keys(daemon, new, old)
    code, said = rotate(daemon)
    assert code == 1 and said["lost"] == 1 and said["left"] == 1
    daemon.postgres.query("update %s set key_id = '%s' where %s" % (where[0], was, where[1]))
    assert rotate(daemon)[0] == 0


# --- documents ----------------------------------------------------------------------------------------------

def test_the_requests_of_the_document_work_as_written(daemon, owner, root, tmp_path):
    client = owner.log_in()
    (tmp_path / "jar").write_text("".join(f"127.0.0.1\tFALSE\t/\tFALSE\t0\t{k}\t{v}\n" for k, v in client.cookies.items()))
    known = {"$ZANE_TOKEN": make_token(client)["token"], "$CSRF": client.cookies["csrftoken"], "…": PASSWORD,
             "https://dash.example.com": f"http://127.0.0.1:{daemon.port}"}
    lines = re.findall(r"^curl .*", (root / "docs/api/security.md").read_text(), re.M)
    assert len(lines) == 3
    for line in lines:
        for name, value in known.items():
            line = line.replace(name, value)
        done = subprocess.run([*shlex.split(line), "-f"], cwd=tmp_path, capture_output=True, text=True, timeout=30,
                              check=False)
        assert done.returncode == 0 and json.loads(done.stdout), (line, done)
