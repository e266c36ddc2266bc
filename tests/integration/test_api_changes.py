"""The model of waiting changes: each field asked for, merged, refused, taken back, deployed, kept, brought back."""
import concurrent.futures
import json
import re
import secrets

import pytest

P = "/api/projects/default/production"


class Service:
    """One service, as a person works on it."""

    def __init__(self, admin, slug, schema=None):
        self.admin, self.slug, self.schema = admin, slug, schema
        a = admin.post(f"{P}/create-service/docker/", {"slug": slug, "image": "app:1"})
        assert a.status == 201, a
        self.id = a.json()["id"]

    def ask(self, field, kind=None, value=..., item=None, **kw):
        body = {"field": field, **({"type": kind} if kind else {}), **({} if value is ... else {"new_value": value}),
                **({"item_id": item} if item else {})}
        return self.admin.put(f"{P}/request-service-changes/{self.slug}/", body, **kw)

    def change(self, *args, **kw):
        a = self.ask(*args, **kw)
        assert a.status == 200, a
        if self.schema:
            self.schema.check(a)
        return a.json()

    def details(self):
        return self.admin.get(f"{P}/service-details/{self.slug}/").json()

    def deploy(self):
        a = self.admin.put(f"{P}/deploy-service/docker/{self.slug}/", {})
        assert a.status == 200, a
        return a.json()

    def finish(self, daemon, hash_):
        """What the worker does at the end."""
        daemon.postgres.query("update deployment set is_current_production = false where service_id = %s", (self.id,))
        daemon.postgres.query("update deployment set status = 'HEALTHY', started_at = now(), finished_at = now(),"
                              " is_current_production = true where hash = %s", (hash_,))
        daemon.postgres.query("delete from deploy_slot where service_id = %s", (self.id,))

    def redeploy(self, hash_):
        return self.admin.put(f"{P}/redeploy-service/docker/{self.slug}/{hash_}/")

    def cancel(self, change):
        return self.admin.delete(f"{P}/cancel-service-changes/{self.slug}/{change['id']}/")

    def waiting(self):
        return self.details()["unapplied_changes"]


@pytest.fixture
def service(admin, schema, slug):
    return Service(admin, slug, schema)


@pytest.fixture
def other(admin, slug):
    return Service(admin, f"{slug}-o")


@pytest.fixture
def login(admin, daemon):
    """Registry credentials of the admin's workspace."""
    return make_login(admin, daemon, daemon.postgres.query("select workspace_id from project where slug = 'default'")[0][0])


def make_login(admin, daemon, workspace):
    part = secrets.token_hex(10)
    made = admin.put("/api/deploys/sealed-values", {"image": "app:1", "env": {"A": "b"}})
    assert made.status in (200, 201), made
    daemon.postgres.query("insert into registry_credential (id, workspace_id, slug, registry_type, url, username,"
                          " password_sealed, key_id) select %s, %s, %s, 'GENERIC', 'https://r.test', 'me',"
                          " value_sealed, key_id from service_env limit 1", (f"reg_cred_{part}", workspace, f"r{part}"))
    return f"reg_cred_{part}"


def free_ports(n, start=[20000 + secrets.randbelow(20000)]):
    start[0] += n
    return list(range(start[0] - n, start[0]))


def part(value, *members):
    return {m: value[m] for m in members}


# --- each list: add, update, delete -------------------------------------------------------------------

def list_cases():
    host, moved = free_ports(2)
    return [
        ("env_variables", {"key": "A", "value": "1"}, {"key": "A", "value": "line\nline"}),
        ("volumes", {"name": "v", "container_path": "/v", "mode": "READ_WRITE", "host_path": None},
         {"name": "w", "container_path": "/w", "mode": "READ_ONLY", "host_path": None}),
        ("ports", {"host": host, "forwarded": 53}, {"host": moved, "forwarded": 54}),
        ("configs", {"name": "c", "mount_path": "/etc/c", "contents": "one", "language": "ini"},
         {"name": "c", "mount_path": "/etc/d", "contents": "two", "language": "ini"}),
        ("urls", {"base_path": "/a", "strip_prefix": True, "redirect_to": None, "associated_port": 80},
         {"base_path": "/b", "strip_prefix": False, "redirect_to": None, "associated_port": 81}),
    ]


@pytest.mark.parametrize("field,first,second", list_cases(), ids=lambda v: v if isinstance(v, str) else "")
def test_items_of_a_list(service, schema, field, first, second):
    s = service.change(field, "ADD", first)
    assert s[field] == []  # it waits
    added = s["unapplied_changes"][-1]
    assert (added["type"], added["field"], added["item_id"], added["old_value"]) == ("ADD", field, None, None)
    assert part(added["new_value"], *first) == first
    d = service.deploy()
    assert [c["field"] for c in d["changes"]] == ["source", field]
    (item,) = schema.check(service.admin.get(f"{P}/service-details/{service.slug}/")).json()[field]
    assert part(item, *first) == first and item["id"]
    assert d["service_snapshot"][field] == [item]

    updated = service.change(field, "UPDATE", second, item=item["id"])["unapplied_changes"]
    assert [(c["type"], c["old_value"]) for c in updated] == [("UPDATE", item)]
    twice = service.ask(field, "DELETE", item=item["id"])
    assert twice.status == 400 and twice.errors() == [("item_id", "invalid")]  # one change of an item at a time
    service.deploy()
    (item,) = service.details()[field]
    assert part(item, *second) == second
    assert service.change(field, "UPDATE", second, item=item["id"])["unapplied_changes"] == []  # nothing to do

    service.change(field, "DELETE", item=item["id"])
    assert service.details()[field] == [item]
    service.deploy()
    assert service.details()[field] == []
    assert service.ask(field, "UPDATE", second, item=item["id"]).errors() == [("item_id", "invalid")]
    assert service.ask(field, "DELETE", item=item["id"]).errors() == [("item_id", "invalid")]


@pytest.mark.parametrize("field,first,second", list_cases(), ids=lambda v: v if isinstance(v, str) else "")
def test_taking_back(service, field, first, second):
    source = service.waiting()[0]
    change = service.change(field, "ADD", first)["unapplied_changes"][-1]
    assert service.cancel(change).status == 204 and service.cancel(change).status == 404
    assert service.waiting() == [source]
    service.change(field, "ADD", first)
    service.deploy()
    (item,) = service.details()[field]
    for kind, value in (("UPDATE", second), ("DELETE", ...)):
        change = service.change(field, kind, value, item=item["id"])["unapplied_changes"][-1]
        assert service.cancel(change).status == 204
        assert service.waiting() == [] and service.details()[field] == [item]


# --- single fields ------------------------------------------------------------------------------------

@pytest.mark.parametrize("field,one,two,none", [
    ("command", "serve", "serve --fast", None),
    ("healthcheck", {"type": "PATH", "value": "/up", "timeout_seconds": 9, "interval_seconds": 8, "associated_port": 80},
     {"type": "COMMAND", "value": "true", "timeout_seconds": 30, "interval_seconds": 30, "associated_port": None}, None),
    ("resource_limits", {"cpus": 0.5, "memory": {"value": 64, "unit": "MEGABYTES"}},
     {"cpus": None, "memory": {"value": 8388608, "unit": "BYTES"}}, {}),
])
def test_single_fields(service, daemon, field, one, two, none):
    before = len(service.waiting())
    service.change(field, value=one)
    s = service.change(field, value=two)
    assert len(s["unapplied_changes"]) == before + 1 and s["unapplied_changes"][-1]["new_value"] == two
    d = service.deploy()
    service.finish(daemon, d["hash"])
    live = service.details()[field]
    assert (part(live, *two) if isinstance(two, dict) else live) == two
    s = service.change(field, value=none)
    assert [(c["new_value"], c["type"]) for c in s["unapplied_changes"]] == [(None, "UPDATE")]
    assert service.change(field, value=two)["unapplied_changes"] == []  # back to what it is: nothing waits
    service.change(field, value=none)
    service.deploy()
    assert service.details()[field] is None
    assert service.redeploy(d["hash"]).status == 200
    live = service.details()[field]
    assert (part(live, *two) if isinstance(two, dict) else live) == two
    assert service.ask(field, "ADD", one).errors() == [("type", "invalid_choice")]
    assert service.ask(field).errors() == [("new_value", "required")]


def test_limits_of_the_host(service):
    def refused(value):
        return service.ask("resource_limits", value=value).errors()
    assert refused({"cpus": 0.05, "memory": {"value": 5}}) == [("new_value.cpus", "min_value"),
                                                              ("new_value.memory", "min_value")]
    assert refused({"cpus": 100000}) == [("new_value.cpus", "invalid")]
    assert refused({"memory": {"value": 2 ** 60}}) == [("new_value.memory", "invalid")]
    assert refused({"memory": {"value": 2 ** 20, "unit": "GIGABYTES"}}) == [("new_value.memory", "invalid")]
    assert refused({"memory": {"value": -1}}) == [("new_value.memory.value", "min_value")]
    assert refused({"memory": {}}) == [("new_value.memory.value", "required")]
    assert service.change("resource_limits", value={"memory": {"value": 6}})


# --- source -------------------------------------------------------------------------------------------

def test_credentials_of_the_source(service, daemon, schema, login):
    source = {"image": "app:2", "container_registry_credentials_id": login}
    assert service.change("source", value=source)["unapplied_changes"][0]["new_value"] == source
    d = service.deploy()
    service.finish(daemon, d["hash"])
    shown = service.details()["container_registry_credentials"]
    assert part(shown, "id", "registry_type", "url", "username") == {
        "id": login, "registry_type": "GENERIC", "url": "https://r.test", "username": "me"} and shown["password"] == ""
    assert d["service_snapshot"]["container_registry_credentials"]["id"] == login
    with pytest.raises(Exception, match="violates"):
        daemon.postgres.query("delete from registry_credential where id = %s", (login,))
    service.change("source", value={"image": "app:2"})
    service.deploy()
    assert service.details()["container_registry_credentials"] is None
    assert service.redeploy(d["hash"]).status == 200
    assert service.details()["container_registry_credentials"]["id"] == login


def test_credentials_of_others_and_of_nobody(service, admin, daemon, slug):
    workspace = f"wrk_{secrets.token_hex(5)}x"
    daemon.postgres.query("insert into workspace (id, name) values (%s, 'foreign')", (workspace,))
    foreign = make_login(admin, daemon, workspace)
    for id_ in (foreign, "reg_cred_nothing"):
        a = service.ask("source", value={"image": "app:1", "container_registry_credentials_id": id_})
        assert a.status == 400 and a.errors() == [("new_value.container_registry_credentials_id", "invalid")]
        a = admin.post(f"{P}/create-service/docker/", {"slug": f"{slug}-x", "image": "a",
                                                       "container_registry_credentials_id": id_})
        assert a.status == 400 and a.errors() == [("container_registry_credentials_id", "invalid")]
    assert admin.get(f"{P}/service-details/{slug}-x/").status == 404  # nothing of it stayed


def test_create_with_credentials(admin, schema, slug, login):
    a = schema.check(admin.post(f"{P}/create-service/docker/", {"slug": slug, "image": "r.test/app",
                                                               "container_registry_credentials_id": login}))
    assert a.json()["unapplied_changes"][0]["new_value"] == {"image": "r.test/app",
                                                            "container_registry_credentials_id": login}


def test_credentials_that_are_gone(service, daemon, login):
    service.change("source", value={"image": "app:2", "container_registry_credentials_id": login})
    d = service.deploy()
    service.finish(daemon, d["hash"])
    service.change("source", value={"image": "app:1"})
    service.deploy()
    service.change("source", value={"image": "app:3", "container_registry_credentials_id": login})
    daemon.postgres.query("delete from registry_credential where id = %s", (login,))
    a = service.admin.put(f"{P}/deploy-service/docker/{service.slug}/", {})
    assert a.status == 409 and "credentials" in a.json()["errors"][0]["detail"]
    service.cancel(service.waiting()[0])
    assert service.redeploy(d["hash"]).status == 409
    assert service.details()["image"] == "app:1"


# --- ports --------------------------------------------------------------------------------------------

def test_ports_belong_to_one_service(service, other):
    port, = free_ports(1)
    service.change("ports", "ADD", {"host": port, "forwarded": 80})
    for who in (service, other):  # it only waits, and still is taken
        assert who.ask("ports", "ADD", {"host": port, "forwarded": 81}).errors() == [("new_value.host", "invalid")]
    service.deploy()
    assert other.ask("ports", "ADD", {"host": port, "forwarded": 80}).errors() == [("new_value.host", "invalid")]
    service.change("ports", "DELETE", item=service.details()["ports"][0]["id"])
    assert other.ask("ports", "ADD", {"host": port, "forwarded": 80}).status == 400  # until that is deployed
    service.deploy()
    other.change("ports", "ADD", {"host": port, "forwarded": 80})
    for reserved in (80, 443):
        assert service.ask("ports", "ADD", {"host": reserved, "forwarded": 1}).errors() == [("new_value.host", "invalid")]


def test_two_ask_for_one_port_at_the_same_time(admin, slug):
    ports = free_ports(6)
    services = [Service(admin, f"{slug}-{n}") for n in range(4)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: pair[0].ask("ports", "ADD", {"host": pair[1], "forwarded": 1}).status,
                                [(s, p) for p in ports for s in services]))
    for n in range(len(ports)):
        assert sorted(answers[n * 4:n * 4 + 4]) == [200, 400, 400, 400], answers


def test_archive_frees_ports(service, other):
    port, = free_ports(1)
    service.change("ports", "ADD", {"host": port, "forwarded": 80})
    service.deploy()
    assert service.admin.delete(f"{P}/archive-service/docker/{service.slug}/").status == 204
    other.change("ports", "ADD", {"host": port, "forwarded": 80})


def test_redeploy_of_a_port_that_another_has_now(service, other, daemon):
    port, moved = free_ports(2)
    service.change("ports", "ADD", {"host": port, "forwarded": 80})
    d = service.deploy()
    service.finish(daemon, d["hash"])
    service.change("ports", "UPDATE", {"host": moved, "forwarded": 80}, item=service.details()["ports"][0]["id"])
    service.deploy()
    other.change("ports", "ADD", {"host": port, "forwarded": 80})
    assert service.redeploy(d["hash"]).status == 409
    assert service.details()["ports"][0]["host"] == moved


# --- volumes, shared volumes, configs -----------------------------------------------------------------

def test_paths_are_shared_by_all_that_is_mounted(service, other):
    other.change("volumes", "ADD", {"container_path": "/x"})
    other.deploy()
    theirs = other.details()["volumes"][0]["id"]
    service.change("volumes", "ADD", {"container_path": "/data"})
    service.change("configs", "ADD", {"mount_path": "/etc/app", "contents": ""})
    service.change("shared_volumes", "ADD", {"volume_id": theirs, "container_path": "/shared"})
    for path in ("/data", "/etc//app/", "/x/../shared"):
        assert service.ask("volumes", "ADD", {"container_path": path}).errors() == [("new_value.container_path", "invalid")]
        assert service.ask("configs", "ADD", {"mount_path": path, "contents": ""}).errors() == \
            [("new_value.mount_path", "invalid")]
    service.deploy()
    assert service.ask("configs", "ADD", {"mount_path": "/data", "contents": ""}).status == 400


def test_host_path_stays_what_it_was(service):
    service.change("volumes", "ADD", {"container_path": "/a"})
    service.change("volumes", "ADD", {"container_path": "/b", "host_path": "/srv/b"})
    service.deploy()
    named, host = service.details()["volumes"]
    assert (host["mode"], host["host_path"]) == ("READ_ONLY", "/srv/b")
    for item, value in ((named, {"container_path": "/a", "host_path": "/srv/a"}), (host, {"container_path": "/b"})):
        assert service.ask("volumes", "UPDATE", value, item=item["id"]).errors() == [("new_value.host_path", "invalid")]
    service.change("volumes", "UPDATE", {"container_path": "/b", "host_path": "/srv/c"}, item=host["id"])
    a = service.ask("volumes", "ADD", {"container_path": "/c", "host_path": "/srv/d", "mode": "READ_WRITE"})
    assert a.errors() == [("new_value.mode", "invalid")]


def test_a_host_path_read_by_two_services(service, other):
    service.change("volumes", "ADD", {"container_path": "/a", "host_path": "/srv/both"})
    other.change("volumes", "ADD", {"container_path": "/a", "host_path": "/srv/both"})
    assert other.ask("volumes", "ADD", {"container_path": "/b", "host_path": "/srv/both"}).errors() == \
        [("new_value.host_path", "invalid")]


@pytest.fixture
def owner(other):
    """A service with a volume of its own and a folder of the host."""
    other.change("volumes", "ADD", {"name": "data", "container_path": "/data"})
    other.change("volumes", "ADD", {"name": "host", "container_path": "/host", "host_path": "/srv/h"})
    other.deploy()
    other.volume, other.folder = (v["id"] for v in other.details()["volumes"])
    return other


def test_shared_volumes(service, owner, daemon, schema):
    listed = schema.check(service.admin.get(f"{P}/{service.slug}/available-volumes/")).json()
    assert {"id": owner.volume, "name": "data", "container_path": "/data",
            "service": {"id": owner.id, "slug": owner.slug}} in listed
    assert owner.folder not in [v["id"] for v in listed]
    assert owner.volume not in [v["id"] for v in owner.admin.get(f"{P}/{owner.slug}/available-volumes/").json()]

    service.change("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/s/../theirs"})
    d = service.deploy()
    service.finish(daemon, d["hash"])
    (shared,) = schema.check(service.admin.get(f"{P}/service-details/{service.slug}/")).json()["shared_volumes"]
    assert (shared["volume_id"], shared["container_path"]) == (owner.volume, "/theirs")
    assert part(shared["volume"], "id", "name") == {"id": owner.volume, "name": "data"}
    assert shared["volume"]["service"] == {"id": owner.id, "slug": owner.slug}
    assert d["service_snapshot"]["shared_volumes"] == [shared]
    again = service.ask("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/twice"})
    assert again.errors() == [("new_value.volume_id", "invalid")]
    service.change("shared_volumes", "UPDATE", {"volume_id": owner.volume, "container_path": "/moved"}, item=shared["id"])
    service.deploy()
    assert [v["container_path"] for v in service.details()["shared_volumes"]] == ["/moved"]
    assert service.redeploy(d["hash"]).status == 200
    assert [v["container_path"] for v in service.details()["shared_volumes"]] == ["/theirs"]
    service.change("shared_volumes", "DELETE", item=shared["id"])
    service.deploy()
    assert service.details()["shared_volumes"] == []


def test_what_cannot_be_shared(service, owner, admin, slug):
    admin.post("/api/projects/default/create-environment/", {"name": f"e{slug}"})
    a = admin.post(f"/api/projects/default/e{slug}/create-service/docker/", {"slug": slug, "image": "app:1"})
    far = f"/api/projects/default/e{slug}"
    assert a.status == 201
    a = admin.put(f"{far}/request-service-changes/{slug}/", {
        "field": "shared_volumes", "type": "ADD", "new_value": {"volume_id": owner.volume, "container_path": "/x"}})
    assert a.errors() == [("new_value.volume_id", "invalid")]  # another environment
    for id_ in (owner.folder, "vol_nothing"):
        assert service.ask("shared_volumes", "ADD", {"volume_id": id_, "container_path": "/x"}).errors() == \
            [("new_value.volume_id", "invalid")]
    assert owner.ask("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"}).errors() == \
        [("new_value.volume_id", "invalid")]  # its own
    owner.change("volumes", "DELETE", item=owner.volume)
    assert service.ask("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"}).status == 400


def test_a_volume_that_others_read_stays(service, owner, daemon):
    archive = f"{P}/archive-service/docker/{owner.slug}/"
    service.change("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"})
    for _ in ("it waits", "it is live"):
        assert owner.ask("volumes", "DELETE", item=owner.volume).errors() == [("item_id", "invalid")]
        assert owner.admin.delete(archive).status == 409
        service.deploy()
    assert service.admin.delete(f"{P}/archive-service/docker/{service.slug}/").status == 204
    owner.change("volumes", "DELETE", item=owner.volume)
    assert owner.admin.delete(archive).status == 204


def test_redeploy_with_a_broken_shared_volume(service, owner, daemon):
    service.change("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"})
    d = service.deploy()
    service.finish(daemon, d["hash"])
    service.change("shared_volumes", "DELETE", item=service.details()["shared_volumes"][0]["id"])
    service.deploy()
    owner.change("volumes", "DELETE", item=owner.volume)
    owner.deploy()
    a = service.redeploy(d["hash"])
    assert a.status == 409 and "shared_volumes" in a.json()["errors"][0]["detail"]


def test_redeploy_does_not_take_a_volume_from_its_readers(service, other, daemon):
    d = other.deploy()
    other.finish(daemon, d["hash"])
    other.change("volumes", "ADD", {"container_path": "/later"})
    other.deploy()
    service.change("shared_volumes", "ADD", {"volume_id": other.details()["volumes"][0]["id"], "container_path": "/x"})
    service.deploy()
    assert other.redeploy(d["hash"]).status == 409
    assert other.details()["volumes"] and service.details()["shared_volumes"]


def test_versions_of_a_config(service, daemon):
    def version():
        (c,) = service.details()["configs"]
        return c["contents"], c["version"]

    def update(**kw):
        value = {"name": "c", "mount_path": "/c", "contents": service.details()["configs"][0]["contents"], **kw}
        service.change("configs", "UPDATE", value, item=service.details()["configs"][0]["id"])
        return service.deploy()
    service.change("configs", "ADD", {"mount_path": "/c", "contents": "one"})
    first = service.deploy()
    service.finish(daemon, first["hash"])
    assert version() == ("one", 1)
    update(contents="two")
    assert version() == ("two", 2)
    update(mount_path="/d")
    assert version() == ("two", 2)  # the contents are the same
    assert service.redeploy(first["hash"]).status == 200
    assert version() == ("one", 3)
    (old,) = service.details()["configs"]
    service.change("configs", "DELETE", item=old["id"])
    service.deploy()
    assert service.redeploy(first["hash"]).status == 200
    (new,) = service.details()["configs"]
    assert new["contents"] == "one" and (new["id"], new["version"]) != (old["id"], old["version"])


def test_configs_are_sealed_at_rest(service, daemon):
    secret = f"pa55-{secrets.token_hex(8)}"
    service.change("configs", "ADD", {"mount_path": "/c", "contents": secret})
    service.deploy()
    service.change("configs", "UPDATE", {"mount_path": "/c", "contents": secret + "2"},
                   item=service.details()["configs"][0]["id"])
    for table in ("service_change", "service_config", "deployment", "service", "outbox"):
        assert not [r for r in daemon.postgres.query(f"select t::text from {table} t") if secret in r[0]], table
    assert secret not in daemon.log()


def test_a_service_holds_a_bounded_amount_of_configs(service):
    for n in range(4):
        service.change("configs", "ADD", {"mount_path": f"/c{n}", "contents": "x" * 262144})
    assert service.ask("configs", "ADD", {"mount_path": "/c5", "contents": "x"}).errors() == \
        [("new_value.contents", "invalid")]
    assert service.ask("configs", "ADD", {"mount_path": "/c5", "contents": "x" * 262145}).errors() == \
        [("new_value.contents", "max_length")]


# --- the snapshot -------------------------------------------------------------------------------------

def test_a_snapshot_is_all_that_the_worker_needs(service, owner, daemon, login):
    port, = free_ports(1)
    daemon.postgres.query("insert into environment_variable (id, environment_id, key, value_sealed, key_id) select"
                          " %s, e.id, %s, (select value_sealed from service_env limit 1), (select key_id from service_env"
                          " limit 1) from environment e join project p on p.id = e.project_id where p.slug = 'default'"
                          " and e.name = 'production' and exists (select 1 from service_env)",
                          (f"env_prj_{secrets.token_hex(6)}", f"K{secrets.token_hex(4)}"))
    service.change("source", value={"image": "app:2", "container_registry_credentials_id": login})
    service.change("ports", "ADD", {"host": port, "forwarded": 53})
    service.change("configs", "ADD", {"name": "c", "mount_path": "/c", "contents": "text"})
    service.change("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"})
    service.change("env_variables", "ADD", {"key": "A", "value": "1"})
    service.change("resource_limits", value={"cpus": 0.25, "memory": {"value": 32, "unit": "MEGABYTES"}})
    d = service.deploy()
    ((snap,),) = daemon.postgres.query("select snapshot from deployment where hash = %s", (d["hash"],))
    assert part(snap["ports"][0], "host", "forwarded") == {"host": port, "forwarded": 53}
    (config,) = snap["configs"]
    assert part(config, "name", "mount_path", "language", "version") == {
        "name": "c", "mount_path": "/c", "language": "plaintext", "version": 1}
    assert set(config["contents"]) == set(snap["env_variables"][0]["value"]) == {"sealed", "key_id"}
    assert snap["shared_volumes"][0]["volume"]["id"] == owner.volume
    assert snap["shared_volumes"][0]["container_path"] == "/x"
    assert snap["resource_limits"] == {"cpus": 0.25, "memory": {"value": 32, "unit": "MEGABYTES"}}
    assert snap["container_registry_credentials"]["id"] == login
    assert all(set(v["value"]) == {"sealed", "key_id"} for v in snap["environment"]["variables"])
    assert snap["unapplied_changes"] == [] and snap["deploy_token"] is None
    assert d["service_snapshot"]["configs"][0]["contents"] == "text"


def test_redeploy_brings_every_part_back(service, owner, daemon, login):
    one, two = free_ports(2)
    service.change("source", value={"image": "app:2", "container_registry_credentials_id": login})
    service.change("ports", "ADD", {"host": one, "forwarded": 53})
    service.change("configs", "ADD", {"name": "c", "mount_path": "/c", "contents": "text"})
    service.change("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"})
    service.change("resource_limits", value={"cpus": 0.25})
    first = service.deploy()
    service.finish(daemon, first["hash"])
    before = service.details()
    service.change("source", value={"image": "app:3"})
    service.change("ports", "UPDATE", {"host": two, "forwarded": 54}, item=before["ports"][0]["id"])
    service.change("configs", "DELETE", item=before["configs"][0]["id"])
    service.change("shared_volumes", "DELETE", item=before["shared_volumes"][0]["id"])
    service.change("resource_limits", value=None)
    service.deploy()
    a = service.redeploy(first["hash"])
    assert a.status == 200, a
    assert {c["field"] for c in a.json()["changes"]} == {"source", "ports", "configs", "shared_volumes",
                                                         "resource_limits"}
    after = service.details()
    for field in ("image", "container_registry_credentials", "ports", "shared_volumes", "resource_limits"):
        assert after[field] == before[field], field
    assert [part(c, "name", "mount_path", "contents") for c in after["configs"]] == \
        [{"name": "c", "mount_path": "/c", "contents": "text"}]


# --- .env text ----------------------------------------------------------------------------------------

def env(service, text, **kw):
    return service.admin.put(f"{P}/request-env-changes/{service.slug}/", {"new_value": text}, **kw)


def variables(service):
    return {v["key"]: v["value"] for v in service.details()["env_variables"]}


def test_variables_from_a_text(service, schema):
    service.change("env_variables", "ADD", {"key": "KEPT", "value": "k"})
    service.change("env_variables", "ADD", {"key": "OLD", "value": "1"})
    service.change("env_variables", "ADD", {"key": "SAME", "value": "s"})
    service.deploy()
    text = '# mine\r\nexport OLD=2 # two\r\nSAME=s\n\nNEW="a\nb"\nREF={{env.SHARED}}\n'
    s = schema.check(env(service, text)).json()
    assert [(c["type"], c["new_value"]["key"], c["new_value"]["value"]) for c in s["unapplied_changes"]] == \
        [("UPDATE", "OLD", "2"), ("ADD", "NEW", "a\nb"), ("ADD", "REF", "{{env.SHARED}}")]
    again = env(service, text).json()["unapplied_changes"]
    assert [part(c, "type", "new_value") for c in again] == [part(c, "type", "new_value") for c in s["unapplied_changes"]]
    service.deploy()
    assert variables(service) == {"KEPT": "k", "OLD": "2", "SAME": "s", "NEW": "a\nb", "REF": "{{env.SHARED}}"}


def test_variables_from_a_text_meet_changes_that_wait(service):
    for key in "ABCD":
        service.change("env_variables", "ADD", {"key": key, "value": "1"})
    service.deploy()
    ids = {v["key"]: v["id"] for v in service.details()["env_variables"]}
    service.change("env_variables", "DELETE", item=ids["A"])
    service.change("env_variables", "UPDATE", {"key": "B2", "value": "2"}, item=ids["B"])
    service.change("env_variables", "UPDATE", {"key": "C", "value": "2"}, item=ids["C"])
    service.change("env_variables", "ADD", {"key": "E", "value": "2"})
    assert env(service, "A=1\nB=3\nB2=3\nC=1\nE=3\n").status == 200
    service.deploy()
    assert variables(service) == {"A": "1", "B": "3", "B2": "3", "C": "1", "D": "1", "E": "3"}


@pytest.mark.parametrize("text", ["A", "1A=x", 'A="x', "A='x", "A=\"x\" y", "A B=x", "=x", "A=\x07", "Ä=1",
                                  "\n".join(f"K{n}=1" for n in range(201))])
def test_a_text_that_is_no_env_file(service, schema, text):
    a = schema.check(env(service, text))
    assert a.status == 400 and a.errors()[0] == ("new_value", "invalid"), a
    assert service.waiting()[1:] == []


def test_all_bad_lines_are_named(service):
    details = [e["detail"] for e in env(service, "A=1\nB\n\n2=x\n").json()["errors"]]
    assert [d.split(":")[0] for d in details] == ["Line 2", "Line 4"]
    assert service.admin.put(f"{P}/request-env-changes/{service.slug}/", {}).errors() == [("new_value", "required")]
    assert env(service, "").status == 200


# --- settings -----------------------------------------------------------------------------------------

def patch(service, body, **kw):
    return service.admin.call("PATCH", f"{P}/service-details/{service.slug}/", body, **kw)


def test_settings(service, schema):
    s = service.details()
    assert part(s, "auto_deploy_enabled", "watch_paths", "cleanup_queue_on_auto_deploy", "pr_preview_envs_enabled") == {
        "auto_deploy_enabled": True, "watch_paths": None, "cleanup_queue_on_auto_deploy": True,
        "pr_preview_envs_enabled": True}
    a = schema.check(patch(service, {"watch_paths": "src/**", "auto_deploy_enabled": False}))
    assert (a.json()["watch_paths"], a.json()["auto_deploy_enabled"]) == ("src/**", False)
    assert patch(service, {"pr_preview_envs_enabled": False}).json()["watch_paths"] == "src/**"
    assert patch(service, {"watch_paths": None, "cleanup_queue_on_auto_deploy": False}).json()["watch_paths"] is None
    assert patch(service, {}).status == 200
    a = schema.check(patch(service, {"slug": "a b", "watch_paths": "", "auto_deploy_enabled": "x"}))
    assert set(a.errors()) == {("slug", "invalid"), ("watch_paths", "blank"), ("auto_deploy_enabled", "invalid")}


def test_rename(service, other, schema):
    before = service.details()
    a = schema.check(patch(service, {"slug": other.slug.upper()}))
    assert a.status == 409
    a = schema.check(patch(service, {"slug": f"{service.slug}-NEW"}))
    assert a.json()["slug"] == f"{service.slug}-new"
    assert part(a.json(), "id", "network_alias") == part(before, "id", "network_alias")
    assert service.admin.get(f"{P}/service-details/{service.slug}/").status == 404
    service.slug += "-new"
    assert service.details()["id"] == before["id"]
    assert {v["key"]: v["value"] for v in service.details()["system_env_variables"]}["ZANE_PRIVATE_DOMAIN"] == \
        before["network_alias"]


def test_regenerate_the_deploy_token(service, schema):
    old = service.details()["deploy_token"]
    a = schema.check(service.admin.call("PATCH", f"{P}/service-details/{service.slug}/regenerate-deploy-token/"))
    assert a.status == 200 and len(a.json()["deploy_token"]) == 32 and a.json()["deploy_token"] != old
    assert service.details()["deploy_token"] == a.json()["deploy_token"]


# --- several at once ----------------------------------------------------------------------------------

def tag(service):
    return service.admin.get(f"{P}/service-details/{service.slug}/").headers["ETag"]


def test_if_match(service):
    seen = {"If-Match": tag(service)}
    a = service.ask("command", value="one", headers=seen)
    assert a.status == 200 and a.headers["ETag"] == tag(service)
    for stale in (service.ask("command", value="two", headers=seen), env(service, "A=1", headers=seen),
                  patch(service, {"watch_paths": "x"}, headers=seen),
                  service.admin.delete(f"{P}/archive-service/docker/{service.slug}/", headers=seen),
                  service.admin.delete(f"{P}/cancel-service-changes/{service.slug}/{service.waiting()[0]['id']}/",
                                       headers=seen),
                  service.admin.put(f"/api/deploys/{service.slug}", {"image": "app:2"}, headers=seen)):
        assert stale.status == 412, stale
    assert [c["new_value"] for c in service.waiting()][1:] == ["one"]
    assert patch(service, {"watch_paths": "x"}, headers={"If-Match": a.headers["ETag"]}).status == 200


def test_clients_with_if_match_lose_nothing(service):
    """Each reads, adds its variable and writes, again where it came too late: all are there in the end."""
    def work(n):
        late = 0
        for k in range(3):
            while service.ask("env_variables", "ADD", {"key": f"V{n}_{k}", "value": "x"},
                              headers={"If-Match": tag(service)}).status == 412:
                late += 1
        return late
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        late = sum(pool.map(work, range(4)))
    keys = {c["new_value"]["key"] for c in service.waiting() if c["field"] == "env_variables"}
    assert keys == {f"V{n}_{k}" for n in range(4) for k in range(3)}, late


def test_two_edit_one_service_and_one_if_match_wins(service):
    seen = {"If-Match": tag(service)}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: service.ask("command", value=f"run {n}", headers=seen), range(6)))
    assert sorted(a.status for a in answers) == [200] + [412] * 5
    (won,) = [a.json() for a in answers if a.status == 200]
    assert service.waiting() == won["unapplied_changes"]


def test_without_if_match_both_changes_are_there(service):
    def edit(n):
        return [service.ask("env_variables", "ADD", {"key": f"K{n}", "value": str(n)}),
                service.ask("command", value=f"run {n}")]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = [a for pair in pool.map(edit, range(8)) for a in pair]
    assert {a.status for a in answers} == {200}
    waiting = service.waiting()
    assert {c["new_value"]["key"] for c in waiting if c["field"] == "env_variables"} == {f"K{n}" for n in range(8)}
    (command,) = [c["new_value"] for c in waiting if c["field"] == "command"]  # one field: the last one counts,
    assert command in [f"run {n}" for n in range(8)]  # and every answer showed what waited then
    assert all(any(c["field"] == "command" for c in a.json()["unapplied_changes"]) for a in answers[1::2])


# --- our own schemas ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def ours(root):
    """Checks a value against a component of ours."""
    import jsonschema
    found = {}
    for path in sorted((root / "zaned" / "api" / "schemas").glob("*.json")):
        found.update(json.loads(path.read_text()))

    def check(name, value):
        full = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": found}}
        errors = [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:300]}"
                  for e in jsonschema.Draft202012Validator(full).iter_errors(value)]
        assert not errors, errors[:5]
        return value
    return check


def test_what_is_shown_is_what_our_schemas_say(service, owner, ours, login):
    port, = free_ports(1)
    ours("Service", service.details())
    service.change("source", value={"image": "app:2", "container_registry_credentials_id": login})
    service.change("healthcheck", value={"type": "COMMAND", "value": "true"})
    service.change("resource_limits", value={"memory": {"value": 64}})
    service.change("ports", "ADD", {"host": port, "forwarded": 53})
    service.change("configs", "ADD", {"mount_path": "/c", "contents": "text"})
    service.change("shared_volumes", "ADD", {"volume_id": owner.volume, "container_path": "/x"})
    service.change("volumes", "ADD", {"container_path": "/v"})
    service.change("env_variables", "ADD", {"key": "A", "value": "{{env.KEY}}"})
    service.change("urls", "ADD", {"domain": f"{service.slug}.test", "redirect_to": {"url": "https://x.test"}})
    ours("Service", service.change("urls", "ADD", {"associated_port": 80}))
    ours("Deployment", service.deploy())
    s = ours("Service", service.details())
    assert s["env_variables"][0]["value"] == "{{env.KEY}}"  # shown as it is, filled in at deploy time
    for v in service.admin.get(f"{P}/{service.slug}/available-volumes/").json():
        ours("VolumeOfService", v)
    ours("Deployment", service.admin.put(f"/api/deploys/{service.slug}", {"image": "app:3"}).json())


def test_system_variables(service):
    service.change("urls", "ADD", {"domain": f"{service.slug}.test", "associated_port": 80})
    service.deploy()
    s = service.details()
    shown = {v["key"]: v["value"] for v in s["system_env_variables"]}
    assert all(v["comment"] for v in s["system_env_variables"])
    assert shown == {
        "ZANE": "true", "ZANE_DOMAINS": f"{service.slug}.test", "ZANE_ENVIRONMENT": "production",
        "ZANE_PRIVATE_DOMAIN": s["network_alias"], "ZANE_DEPLOYMENT_TYPE": "docker", "ZANE_SERVICE_ID": s["id"],
        "ZANE_SERVICE_NAME": s["slug"], "ZANE_PROJECT_ID": s["project_id"],
        "ZANE_DEPLOYMENT_SLOT": "{{deployment.slot}}", "ZANE_DEPLOYMENT_HASH": "{{deployment.hash}}"}


def test_examples_of_the_page(service, root):
    """Every request that docs/api/services.md shows is taken."""
    text = (root / "docs" / "api" / "services.md").read_text()
    shown = re.findall(r"```\n(PUT|POST|PATCH|DELETE) (\S+)\n(.*?)\n```", text, re.S)
    assert len(shown) >= 2
    for method, path, body in shown:
        a = service.admin.call(method, path.replace("/web/", f"/{service.slug}/"), json.loads(body))
        assert a.status == 200, a
