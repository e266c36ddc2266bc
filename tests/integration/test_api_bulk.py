"""Several services at once, a service's queue, and deploying by token."""
import concurrent.futures
import secrets

import pytest


@pytest.fixture
def place(admin, daemon, slug):
    """An environment of one's own, in which nothing waits for slots of others."""
    daemon.postgres.query("delete from deploy_slot")
    assert admin.post("/api/projects/", {"slug": slug}).status == 201
    yield f"/api/projects/{slug}/production"
    admin.delete(f"/api/projects/{slug}/")
    daemon.postgres.query("delete from deploy_slot")


def create(admin, place, *slugs):
    made = []
    for slug in slugs:
        a = admin.post(f"{place}/create-service/docker/", {"slug": slug, "image": "app:1"})
        assert a.status == 201, a
        made.append(a.json())
    return made


def deploy(admin, place, slug):
    a = admin.put(f"{place}/deploy-service/docker/{slug}/", {})
    assert a.status == 200, a
    return a.json()["hash"]


def finish(daemon, hash_, status="HEALTHY"):
    """What the workflow does at the end of a deployment."""
    daemon.postgres.query("update deployment set is_current_production = (hash = %s) where service_id ="
                          " (select service_id from deployment where hash = %s)", (hash_, hash_))
    daemon.postgres.query("update deployment set status = %s, finished_at = now() where hash = %s", (status, hash_))
    daemon.postgres.query("delete from deploy_slot where deployment_hash = %s", (hash_,))


def deployments(admin, place, slug):
    return admin.get(f"{place}/service-details/{slug}/deployments/").json()["results"]


def state(daemon, hash_):
    return daemon.postgres.query("select status, status_reason from deployment where hash = %s", (hash_,))[0]


def outbox(daemon, key):
    return [p["workflow_type"] for _, p in daemon.postgres.query(
        "select kind, payload from outbox where key = %s and kind = 'start_workflow' order by id", (key,))]


# --- bulk -------------------------------------------------------------------------------------------

def test_bulk_toggle(admin, daemon, schema, place):
    one, two, never = create(admin, place, "one", "two", "never")
    hashes = [deploy(admin, place, s) for s in ("one", "two")]
    for h in hashes:
        finish(daemon, h)
    ids = [never["id"], two["id"], one["id"], two["id"]]
    a = schema.check(admin.put(f"{place}/bulk-toggle-services/", {"desired_state": "stop", "service_ids": ids}))
    assert a.status == 202 and a.body == b""
    assert [state(daemon, h)[0] for h in hashes] == ["SLEEPING"] * 2
    assert [outbox(daemon, h) for h in hashes] == [["deploy_service", "toggle_service"]] * 2
    assert admin.put(f"{place}/bulk-toggle-services/", {"desired_state": "start", "service_ids": ids[:2]}).status == 202
    assert [state(daemon, h)[0] for h in hashes] == ["SLEEPING", "STARTING"]


def test_bulk_toggle_is_for_all_or_none(admin, daemon, schema, place):
    one, two = create(admin, place, "one", "two")
    first = deploy(admin, place, "one")
    finish(daemon, first)
    finish(daemon, deploy(admin, place, "two"))
    deploy(admin, place, "two")
    a = schema.check(admin.put(f"{place}/bulk-toggle-services/",
                               {"desired_state": "stop", "service_ids": [one["id"], two["id"]]}))
    assert a.status == 409 and "`two`" in a.json()["errors"][0]["detail"]
    assert state(daemon, first)[0] == "HEALTHY"


def test_bulk_deploy(admin, daemon, schema, place):
    one, two = create(admin, place, "one", "two")
    a = schema.check(admin.put(f"{place}/bulk-deploy-services/", {"service_ids": [two["id"], one["id"]]}))
    assert a.status == 202 and a.body == b""
    for slug in ("one", "two"):
        (d,) = deployments(admin, place, slug)
        assert d["status"] == "QUEUED" and d["service_snapshot"]["image"] == "app:1"
        assert outbox(daemon, d["hash"]) == ["deploy_service"]
    daemon.postgres.query("delete from service_change where service_id = %s", (two["id"],))
    daemon.postgres.query("update service set image = null where id = %s", (two["id"],))
    a = schema.check(admin.put(f"{place}/bulk-deploy-services/", {"service_ids": [one["id"], two["id"]]}))
    assert a.status == 409 and "`two`" in a.json()["errors"][0]["detail"]
    assert len(deployments(admin, place, "one")) == 1


def test_bulk_in_any_order_at_once(admin, daemon, place):
    ids = [s["id"] for s in create(admin, place, "a", "b", "c", "d")]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = [f.result() for f in [pool.submit(admin.put, f"{place}/bulk-deploy-services/",
                                                 {"service_ids": ids if n % 2 else ids[::-1]}) for n in range(6)]]
    assert [a.status for a in done] == [202] * 6
    assert daemon.postgres.query("select count(*) from deployment where service_id = any(%s)", (ids,)) == [(24,)]


@pytest.mark.parametrize("route", ["bulk-toggle-services", "bulk-deploy-services"])
def test_bulk_refuses(admin, daemon, schema, place, route):
    (one,) = create(admin, place, "one")
    other = admin.post("/api/projects/default/production/create-service/docker/", {"image": "app:1"}).json()

    def errors(ids, **more):
        a = schema.check(admin.put(f"{place}/{route}/", {"desired_state": "stop", "service_ids": ids, **more}))
        assert a.status == 400, a
        return a.errors()

    assert errors([one["id"], other["id"]]) == [("service_ids.1", "invalid")]
    assert errors(["srv_dkr_x", one["id"]]) == [("service_ids.0", "invalid")]
    assert errors(["a,b", '{"}', 3, ""]) == [(f"service_ids.{n}", c) for n, c in enumerate(
        ("invalid", "invalid", "invalid", "blank"))]
    assert errors("x") == [("service_ids", "not_a_list")]
    assert errors(None) == [("service_ids", "null")]
    assert errors(["x"] * 101) == [("service_ids", "max_length")]
    if route == "bulk-toggle-services":
        assert errors([], desired_state="up") == [("desired_state", "invalid_choice")]
    assert admin.put(f"{place}/{route}/", {"desired_state": "stop", "service_ids": []}).status == 202
    assert admin.put(f"{place.replace('production', 'nope')}/{route}/",
                     {"desired_state": "stop", "service_ids": [one["id"]]}).status == 404
    assert deployments(admin, place, "one") == []


# --- the queue --------------------------------------------------------------------------------------

def test_queue_cleanup(admin, daemon, schema, place):
    create(admin, place, "web")
    path = f"{place}/service-details/web/cleanup-deployment-queue/"
    assert schema.check(admin.put(path, {})).status == 202  # nothing to do
    hashes = [deploy(admin, place, "web") for _ in range(3)]
    a = schema.check(admin.put(path))
    assert a.status == 202 and a.body == b""
    assert [state(daemon, h)[0] for h in hashes] == ["QUEUED", "CANCELLED", "CANCELLED"]  # measured: the oldest stays
    assert "cleaned up" in state(daemon, hashes[1])[1]
    hashes.append(deploy(admin, place, "web"))
    assert schema.check(admin.put(path, {"cancel_running_deployments": True})).status == 202
    assert [state(daemon, h)[0] for h in hashes] == ["CANCELLING", "CANCELLED", "CANCELLED", "CANCELLED"]
    assert schema.check(admin.put(path, {"cancel_running_deployments": "x"})).errors() == [
        ("cancel_running_deployments", "invalid")]
    assert schema.check(admin.put(path.replace("/web/", "/nope/"), {})).status == 404


# --- by token ---------------------------------------------------------------------------------------

@pytest.fixture
def robot(daemon):
    """PUT by a client without a login, from an address of its own: calls are counted by address."""
    client, address = daemon.client(), ".".join(["10", *(str(secrets.randbelow(256)) for _ in range(3))])

    def put(path, body=None, headers=None):
        return client.put(path, body, headers={"X-Forwarded-For": address, **(headers or {})})
    return put


def test_deploy_by_token(admin, daemon, schema, place, robot):
    (web,) = create(admin, place, "web")
    path = f"/api/deploy-service/docker/{web['deploy_token']}/"
    a = schema.check(robot(path))
    assert a.status == 202 and a.body == b"" and not a.headers.get("Set-Cookie")
    (d,) = deployments(admin, place, "web")
    assert (d["trigger_method"], d["commit_message"], d["service_snapshot"]["image"]) == ("API", "update service", "app:1")
    assert outbox(daemon, d["hash"]) == ["deploy_service"]
    assert robot(path, {"new_image": "app:2", "commit_message": "two", "cleanup_queue": True}).status == 202
    assert state(daemon, d["hash"])[0] == "CANCELLING"
    new = [r for r in deployments(admin, place, "web") if r["hash"] != d["hash"]][0]
    assert (new["commit_message"], new["service_snapshot"]["image"]) == ("two", "app:2")
    assert [(c["field"], c["old_value"], c["new_value"]) for c in new["changes"]] == [
        ("source", {"image": "app:1"}, {"image": "app:2"})]


def test_a_new_image_goes_with_what_waits(admin, place, robot):
    (web,) = create(admin, place, "web")
    for field, value in (("source", {"image": "app:wrong"}), ("command", "serve")):
        assert admin.put(f"{place}/request-service-changes/web/", {"field": field, "new_value": value}).status == 200
    assert admin.put(f"{place}/request-service-changes/web/", {
        "field": "env_variables", "type": "ADD", "new_value": {"key": "A", "value": "1"}}).status == 200
    assert robot(f"/api/deploy-service/docker/{web['deploy_token']}", {"new_image": "registry.test:5000/app:v3"}).status == 202
    shown = admin.get(f"{place}/service-details/web/").json()
    assert (shown["image"], shown["command"]) == ("registry.test:5000/app:v3", "serve")
    assert [(v["key"], v["value"]) for v in shown["env_variables"]] == [("A", "1")] and shown["unapplied_changes"] == []


def test_tokens_that_deploy_nothing(admin, daemon, schema, place, robot):
    (web,) = create(admin, place, "web")
    token = web["deploy_token"]
    for bad in ("0" * 32, token[:-1], token.upper(), token + "0", "x", "%00", "'"):
        a = robot(f"/api/deploy-service/docker/{bad}/")
        assert a.status in (400, 404), a
    assert schema.check(robot(f"/api/deploy-service/docker/{'0' * 32}/")).errors() == [(None, "not_found")]
    for body, errors in (({"new_image": "A B"}, [("new_image", "invalid")]),
                         ({"new_image": ""}, [("new_image", "blank")]),
                         ({"new_image": "a" * 511}, [("new_image", "max_length")]),
                         ({"commit_message": "x" * 2001, "cleanup_queue": 1},
                          [("commit_message", "max_length"), ("cleanup_queue", "invalid")])):
        a = schema.check(robot(f"/api/deploy-service/docker/{token}/", body))
        assert a.status == 400 and a.errors() == errors
    assert deployments(admin, place, "web") == []
    foreign = robot(f"/api/deploy-service/docker/{token}/", headers={"Origin": "https://elsewhere.test"})
    assert foreign.status == 403
    assert admin.delete(f"{place}/archive-service/docker/web/").status == 204
    assert robot(f"/api/deploy-service/docker/{token}/").status == 404


def test_a_token_is_in_no_log(admin, daemon, place, robot):
    (web,) = create(admin, place, "web")
    daemon.postgres.query("alter table deployment rename to deployment_away")
    try:
        a = robot(f"/api/deploy-service/docker/{web['deploy_token']}/")
    finally:
        daemon.postgres.query("alter table deployment_away rename to deployment")
    assert a.status == 500, a
    log = daemon.log()
    assert "/api/deploy-service/docker/{deploy_token}" in log and web["deploy_token"] not in log
    assert web["deploy_token"] not in a.body.decode()
    assert robot(f"/api/deploy-service/docker/{web['deploy_token']}/").status == 202
    rows = daemon.postgres.query("select action, user_id, x::text from audit_entry x where target = %s order by seq", (web["id"],))
    assert [(action, user) for action, user, _ in rows][-1] == ("service.deploy", None)
    assert not any(web["deploy_token"] in text for _, _, text in rows)


def test_tokens_cannot_be_guessed_at_speed(daemon, robot):
    answers = [robot(f"/api/deploy-service/docker/{n:032x}/") for n in range(70)]
    refused = [a for a in answers if a.status == 429]
    assert refused and {a.status for a in answers} == {404, 429}
    assert 0 < int(refused[0].headers["Retry-After"]) <= 60
