"""Deployments over HTTP: what is queued, kept and said; the worker's part is played by SQL."""
import concurrent.futures
import re

import pytest
from private_engine import wait_until

P = "/api/projects/default/production"


def put_deploy(admin, slug, **body):
    a = admin.put(f"/api/deploys/{slug}", {"image": "app:1", **body})
    assert a.status in (200, 201), a
    return a.json()


def deploy(admin, slug, **body):
    a = admin.put(f"{P}/deploy-service/docker/{slug}/", body)
    assert a.status == 200, a
    return a.json()


def finish(daemon, hash_, status="HEALTHY"):
    """What the workflow does at the end of a deployment."""
    daemon.postgres.query("update deployment set is_current_production = false where service_id ="
                          " (select service_id from deployment where hash = %s) and %s = 'HEALTHY'", (hash_, status))
    daemon.postgres.query("update deployment set status = %s, started_at = now(), finished_at = now(),"
                          " is_current_production = (%s = 'HEALTHY') where hash = %s", (status, status, hash_))
    daemon.postgres.query("delete from deploy_slot where deployment_hash = %s", (hash_,))


@pytest.fixture(autouse=True)
def slots(daemon):
    """Each test finds free slots."""
    daemon.postgres.query("delete from deploy_slot")
    daemon.postgres.query("update deployment set status = 'CANCELLED', finished_at = now() where status = 'QUEUED'")
    yield
    daemon.postgres.query("update server set deploy_concurrency = 5")


def details(admin, slug):
    return admin.get(f"{P}/service-details/{slug}/").json()


def outbox(daemon, key):
    return daemon.postgres.query("select kind, payload from outbox where key = %s order by id", (key,))


def deployment(admin, slug, hash_):
    return admin.get(f"{P}/service-details/{slug}/deployments/{hash_}/")


# --- deploy-service ---------------------------------------------------------------------------------

def test_deploy_queues_a_workflow(admin, daemon, schema, slug):
    admin.post(f"{P}/create-service/docker/", {"slug": slug, "image": "app:1"})
    a = schema.check(admin.put(f"{P}/deploy-service/docker/{slug}/", {"commit_message": "first"}))
    d = a.json()
    assert re.fullmatch("dpl_dkr_.{11}", d["hash"]) and d["unprefixed_hash"] == d["hash"][8:]
    assert (d["status"], d["slot"], d["commit_message"], d["trigger_method"]) == ("QUEUED", "BLUE", "first", "MANUAL")
    assert not d["is_current_production"] and d["started_at"] is None
    assert [c["field"] for c in d["changes"]] == ["source"]
    assert d["service_snapshot"]["image"] == "app:1" and d["service_snapshot"]["unapplied_changes"] == []
    service = details(admin, slug)["id"]
    assert outbox(daemon, d["hash"]) == [("start_workflow", {
        "workflow_type": "deploy_service", "workflow_id": f"deploy-{d['hash']}",
        "input": {"deployment": d["hash"], "service": service}})]
    (snapshot,) = daemon.postgres.query("select snapshot from deployment where hash = %s", (d["hash"],))[0]
    assert snapshot["id"] == service and snapshot["environment"]["name"] == "production"
    assert snapshot["project_id"] and snapshot["network_alias"] and snapshot["deploy_token"] is None
    assert schema.check(deployment(admin, slug, d["hash"])).json() == d
    assert deploy(admin, slug)["commit_message"] == "update service"


def test_no_body_and_blank_message(admin, slug):
    put_deploy(admin, slug)
    assert admin.put(f"{P}/deploy-service/docker/{slug}/").json()["commit_message"] == "update service"
    assert deploy(admin, slug, commit_message="")["commit_message"] == "update service"
    a = admin.put(f"{P}/deploy-service/docker/{slug}/", {"commit_message": "x" * 2001, "cleanup_queue": 1})
    assert set(a.errors()) == {("commit_message", "max_length"), ("cleanup_queue", "invalid")}


def test_slots(admin, daemon, slug):
    first = put_deploy(admin, slug)
    assert put_deploy(admin, slug)["slot"] == "BLUE"  # nothing is in production yet
    finish(daemon, first["hash"])
    second = put_deploy(admin, slug)
    assert second["slot"] == "GREEN"
    finish(daemon, second["hash"])
    assert put_deploy(admin, slug)["slot"] == "BLUE"


def test_snapshot_keeps_its_time(admin, slug):
    first = put_deploy(admin, slug, port=80, env={"A": "1"})
    put_deploy(admin, slug, port=81, env={"A": "2"})
    kept = deployment(admin, slug, first["hash"]).json()["service_snapshot"]
    assert kept["env_variables"][0]["value"] == "1" and kept["urls"][0]["associated_port"] == 80


def test_cleanup_queue_cancels_what_is_unfinished(admin, daemon, slug):
    first, second = put_deploy(admin, slug)["hash"], put_deploy(admin, slug)["hash"]
    third = deploy(admin, slug, cleanup_queue=True)["hash"]
    running, waiting = (deployment(admin, slug, h).json() for h in (first, second))
    assert running["status"] == "CANCELLING" and "superseding" in running["status_reason"]
    assert [k for k, _ in outbox(daemon, first)] == ["start_workflow", "cancel_workflow"]
    assert waiting["status"] == "CANCELLED" and "superseding" in waiting["status_reason"] and waiting["finished_at"]
    assert outbox(daemon, second) == outbox(daemon, third) == []


# --- the queue --------------------------------------------------------------------------------------

def started(daemon, *hashes):
    return [h for h in hashes if outbox(daemon, h)]


def test_one_deployment_of_a_service_at_a_time(admin, daemon, slug):
    one, two, three = (put_deploy(admin, slug)["hash"] for _ in range(3))
    assert started(daemon, one, two, three) == [one]
    finish(daemon, one)
    put_deploy(admin, f"{slug}-x")  # any deploy gives turns
    assert started(daemon, one, two, three) == [one, two]
    assert admin.put(f"{P}/cancel-deployment/{slug}/{three}/").json()["status"] == "CANCELLED"
    finish(daemon, two)
    put_deploy(admin, f"{slug}-x")
    assert started(daemon, one, two, three) == [one, two]


def test_slots_of_the_server_go_to_the_oldest(admin, daemon, slug):
    daemon.postgres.query("update server set deploy_concurrency = 2")
    hashes = [put_deploy(admin, f"{slug}-{n}")["hash"] for n in range(4)]
    later = put_deploy(admin, f"{slug}-0")["hash"]
    assert started(daemon, *hashes, later) == hashes[:2]
    assert daemon.postgres.query("select slot_no from deploy_slot order by 1") == [(1,), (2,)]
    finish(daemon, hashes[0])
    assert admin.put(f"{P}/cancel-deployment/{slug}-3/{hashes[3]}/").status == 200  # a cancellation as well
    assert started(daemon, *hashes, later) == hashes[:3]
    finish(daemon, hashes[1])
    put_deploy(admin, f"{slug}-1")
    assert started(daemon, later) == [later]


def test_turns_are_given_once_however_many_ask(admin, daemon, slug):
    daemon.postgres.query("update server set deploy_concurrency = 3")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda n: put_deploy(admin, f"{slug}-{n % 6}")["hash"], range(24)))
    assert len(set(made)) == 24
    leases = daemon.postgres.query("select service_id, slot_no, deployment_hash from deploy_slot")
    assert sorted(n for _, n, _ in leases) == [1, 2, 3] and len({s for s, _, _ in leases}) == 3
    assert sorted(h for _, _, h in leases) == sorted(started(daemon, *made))


def test_a_deploy_of_an_archived_service_never_gets_a_turn(admin, daemon, slug):
    first, second = put_deploy(admin, slug)["hash"], put_deploy(admin, slug)["hash"]
    service = details(admin, slug)["id"]
    assert admin.delete(f"{P}/archive-service/docker/{slug}/").status == 204
    assert daemon.postgres.query("select status from deployment where hash in (%s, %s) order by queued_at",
                                 (first, second)) == [("CANCELLING",), ("CANCELLED",)]
    assert [k for k, _ in outbox(daemon, first)] == ["start_workflow", "cancel_workflow"]
    assert [p["workflow_type"] for _, p in outbox(daemon, service)] == ["archive_service"]


# --- cancel and redeploy ----------------------------------------------------------------------------

def test_cancel(admin, daemon, schema, slug):
    d = put_deploy(admin, slug)
    path = f"{P}/cancel-deployment/{slug}/{d['hash']}/"
    a = admin.put(path)
    assert a.status == 200 and a.json()["status"] == "CANCELLING"
    assert outbox(daemon, d["hash"])[1] == ("cancel_workflow", {"workflow_id": f"deploy-{d['hash']}",
                                                                "reason": "Deployment cancelled."})
    assert schema.check(admin.put(path)).status == 409
    finish(daemon, d["hash"], "CANCELLED")
    assert schema.check(admin.put(path)).status == 409
    assert schema.check(admin.put(f"{P}/cancel-deployment/{slug}/dpl_dkr_nothing/")).status == 404


def test_redeploy_brings_the_old_service_back(admin, daemon, schema, slug):
    first = put_deploy(admin, slug, port=80, env={"A": "1", "B": "x"}, command="one", health_check_path="/h",
                       volumes=[{"name": "v", "container_path": "/v"}])
    path = f"{P}/redeploy-service/docker/{slug}/{first['hash']}/"
    assert schema.check(admin.put(path)).status == 409  # nothing in production
    finish(daemon, first["hash"])
    before = details(admin, slug)
    second = put_deploy(admin, slug, image="app:2", port=81, env={"A": "2", "C": "y"}, command=None,
                        health_check_path=None)
    finish(daemon, second["hash"])
    a = schema.check(admin.put(path))
    third = a.json()
    assert third["redeploy_hash"] == first["hash"] and third["slot"] == "BLUE"
    after = details(admin, slug)
    for part in ("image", "command", "urls", "volumes"):
        assert after[part] == before[part], part
    assert sorted((e["key"], e["value"]) for e in after["env_variables"]) == [("A", "1"), ("B", "x")]
    assert after["healthcheck"]["value"] == "/h"
    assert {c["field"] for c in third["changes"]} >= {"source", "command", "healthcheck", "env_variables", "urls"}
    assert schema.check(admin.put(f"{P}/redeploy-service/docker/{slug}/dpl_dkr_nothing/")).status == 404


def test_redeploy_after_domains_were_swapped(admin, daemon, slug):
    first = put_deploy(admin, slug, port=80, domain=f"a-{slug}.test")
    put_deploy(admin, slug, port=80, domain=f"b-{slug}.test")
    finish(daemon, first["hash"])
    a, b = details(admin, slug)["urls"]
    both = deploy(admin, slug)["hash"]

    def move(url, domain):
        r = admin.put(f"{P}/request-service-changes/{slug}/", {
            "field": "urls", "type": "UPDATE", "item_id": url["id"],
            "new_value": {"domain": domain, "associated_port": 80}})
        assert r.status == 200, r
        deploy(admin, slug)

    move(a, f"c-{slug}.test")
    move(b, a["domain"])
    move(a, b["domain"])
    assert admin.put(f"{P}/redeploy-service/docker/{slug}/{both}/").status == 200
    assert [u["domain"] for u in details(admin, slug)["urls"]] == [a["domain"], b["domain"]]


def test_redeploy_leaves_waiting_changes_alone(admin, daemon, slug):
    first = put_deploy(admin, slug, env={"A": "1"})
    finish(daemon, first["hash"])
    put_deploy(admin, slug, env={"B": "1"})
    (b,) = details(admin, slug)["env_variables"]
    change = {"field": "env_variables", "type": "UPDATE", "item_id": b["id"], "new_value": {"key": "B", "value": "2"}}
    assert admin.put(f"{P}/request-service-changes/{slug}/", change).status == 200
    path = f"{P}/redeploy-service/docker/{slug}/{first['hash']}/"
    assert admin.put(path).status == 409  # B would be gone
    waiting = details(admin, slug)["unapplied_changes"]
    admin.delete(f"{P}/cancel-service-changes/{slug}/{waiting[0]['id']}/")
    admin.put(f"{P}/request-service-changes/{slug}/", {"field": "command", "new_value": "later"})
    assert admin.put(path).status == 200
    s = details(admin, slug)
    assert s["command"] is None and [c["field"] for c in s["unapplied_changes"]] == ["command"]


# --- lists ------------------------------------------------------------------------------------------

def test_list_pages_and_filters(admin, daemon, schema, slug):
    hashes = [put_deploy(admin, slug)["hash"] for _ in range(5)]
    finish(daemon, hashes[1])
    base = f"{P}/service-details/{slug}/deployments/"
    page = schema.check(admin.get(f"{base}?per_page=2")).json()
    assert page["count"] == 5 and page["previous"] is None and "page=2" in page["next"]
    assert [d["hash"] for d in page["results"]] == [hashes[1], hashes[4]]  # HEALTHY first, then newest
    second = schema.check(admin.get(f"{base}?per_page=2&page=2")).json()
    assert "page=3" in second["next"] and "page=1" in second["previous"]
    last = admin.get(f"{base}?per_page=2&page=3").json()
    assert last["next"] is None and [d["hash"] for d in last["results"]] == [hashes[0]]
    for bad in ("4", "0", "-1", "x", "99999999999999999999"):
        a = schema.check(admin.get(f"{base}?per_page=2&page={bad}"))
        assert a.status == 200 and a.json() == {"count": 0, "next": None, "previous": None, "results": []}
    assert len(admin.get(f"{base}?per_page=zero").json()["results"]) == 5
    assert admin.get(f"{base}?status=HEALTHY").json()["count"] == 1
    assert admin.get(f"{base}?status=HEALTHY&status=QUEUED").json()["count"] == 5
    assert schema.check(admin.get(f"{base}?status=GREAT")).errors() == [("status", "invalid_choice")]
    assert admin.get(f"{base}?queued_at_after=2100-01-01T00:00:00Z").json()["count"] == 0
    assert admin.get(f"{base}?queued_at_before=2100-01-01").json()["count"] == 5
    for bad in ("yesterday", "2026-13-45", "2026-01-01T99:99"):
        a = admin.get(f"{base}?queued_at_after={bad}")
        assert a.status == 400 and a.errors() == [("queued_at_after", "invalid")], a


def test_recent_deployments(admin, daemon, schema, slug):
    d = put_deploy(admin, slug)
    finish(daemon, d["hash"])
    rows = schema.check(admin.get("/api/recent-deployments/")).json()
    assert len(rows) <= 6 and d["hash"] in [r["hash"] for r in rows]
    row = next(r for r in rows if r["hash"] == d["hash"])
    assert row["service"]["slug"] == slug and row["service"]["project"]["slug"] == "default"


def test_cards_follow_the_deployment(admin, daemon, schema, slug):
    def card():
        return schema.check(admin.get(f"{P}/service-list/?query={slug}")).json()[0]
    d = put_deploy(admin, slug, port=80, image="registry.test:5000/team/app:2", domain=f"{slug}.test")
    assert card()["status"] == "DEPLOYING"
    finish(daemon, d["hash"])
    c = card()
    assert (c["status"], c["url"], c["image"], c["tag"]) == ("HEALTHY", f"{slug}.test", "registry.test:5000/team/app", "2")
    project = admin.get("/api/projects/").json()[0]
    assert project["healthy_services"] >= 1 and project["total_services"] >= project["healthy_services"]


# --- the one call -----------------------------------------------------------------------------------

def test_put_deploy_creates_then_updates(admin, slug):
    body = {"image": "app:1", "port": 8080, "env": {"A": "x", "N": 1}, "health_check_path": "/up",
            "commit_message": "by script"}
    a = admin.put(f"/api/deploys/{slug}", body)
    d = a.json()
    assert a.status == 201 and d["status"] == "QUEUED" and d["trigger_method"] == "API"
    assert d["service"]["slug"] == slug and d["commit_message"] == "by script"
    (url,) = d["urls"]
    assert url["port"] == 8080 and re.fullmatch(rf"default-{slug}-[a-z0-9]{{10}}\.apps\.test", url["domain"])
    again = admin.put(f"/api/deploys/{slug}", body)
    assert again.status == 200 and again.json()["hash"] != d["hash"]
    assert again.json()["changes"] == [] and again.json()["urls"] == d["urls"]
    other = put_deploy(admin, slug, image="app:2")
    assert [c["field"] for c in other["changes"]] == ["source"]


def test_put_deploy_takes_waiting_changes_along(admin, slug):
    put_deploy(admin, slug, env={"A": "1"})
    (a,) = details(admin, slug)["env_variables"]
    for change in ({"field": "command", "new_value": "run"},
                   {"field": "env_variables", "type": "UPDATE", "item_id": a["id"],
                    "new_value": {"key": "A", "value": "2"}}):
        assert admin.put(f"{P}/request-service-changes/{slug}/", change).status == 200
    put_deploy(admin, slug, env={"A": "3"})
    s = details(admin, slug)
    assert s["command"] == "run" and s["unapplied_changes"] == []
    assert [(e["id"], e["value"]) for e in s["env_variables"]] == [(a["id"], "3")]


def test_put_deploy_says_all_errors_at_once(admin, daemon, slug):
    before = daemon.postgres.query("select count(*) from service")
    a = admin.put(f"/api/deploys/{slug}", {"image": "A", "port": 0, "env": {"1": "x"}, "volumes": [{}],
                                           "domain": "x y", "health_check_path": "h", "command": ""})
    assert a.status == 400 and a.json()["type"] == "validation_error"
    assert set(a.errors()) == {("image", "invalid"), ("port", "min_value"), ("env.1", "invalid"),
                               ("volumes.0.container_path", "required"), ("domain", "invalid"),
                               ("health_check_path", "invalid"), ("command", "blank")}
    assert daemon.postgres.query("select count(*) from service") == before


def test_toggle_needs_a_deployed_service_at_rest(admin, daemon, slug):
    path = f"{P}/toggle-service/{slug}/"
    assert admin.put(path, {"desired_state": "stop"}).status == 404
    first = put_deploy(admin, slug)
    assert admin.put(path, {}).errors() == [("desired_state", "required")]
    assert admin.put(path, {"desired_state": "off"}).errors() == [("desired_state", "invalid_choice")]
    assert admin.put(path, {"desired_state": "stop"}).status == 409
    daemon.postgres.query("update deployment set status = 'HEALTHY', finished_at = now(), is_current_production"
                          " = true where hash = '" + first["hash"] + "' returning hash")
    for state, status in (("stop", "SLEEPING"), ("stop", "SLEEPING"), ("start", "STARTING"), ("start", "STARTING")):
        assert admin.put(path, {"desired_state": state}).status == 202
        (row,) = daemon.postgres.query(f"select status from deployment where hash = '{first['hash']}'")
        assert row == (status,)
    sent = daemon.postgres.query(f"select payload::jsonb->>'workflow_id' from outbox where key = '{first['hash']}'"
                                 " and payload::jsonb->>'workflow_type' = 'toggle_service'")
    assert len(sent) == len(set(sent)) == 4
    put_deploy(admin, slug, image="app:2")
    again = admin.put(path, {"desired_state": "start"})
    assert again.status == 409 and "under way" in again.json()["errors"][0]["detail"]


def test_put_deploy_refuses_places_and_names(admin, daemon):
    assert admin.put("/api/deploys/x", {"image": "a", "project": "nope"}).status == 404
    assert admin.put("/api/deploys/x", {"image": "a", "environment": "nope"}).status == 404
    assert ("service", "invalid") in admin.put("/api/deploys/Not%20ok", {"image": "a"}).errors()
    assert ("service", "max_length") in admin.put("/api/deploys/" + "x" * 39, {"image": "a"}).errors()
    assert admin.put("/api/deploys/x", {"image": "a", "port": 80, "domain": "dash.test"}).errors() == \
        [("domain", "invalid")]
    assert daemon.postgres.query("select count(*) from service where slug = 'x'") == [(0,)]  # undone as a whole


def test_put_deploy_at_the_same_time_makes_one_service(admin, daemon, slug):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: admin.put(f"/api/deploys/{slug}", {"image": "app:1", "port": 80}), range(8)))
    assert sorted(a.status for a in got) == [200] * 7 + [201], got
    assert daemon.postgres.query("select count(*) from service where slug = %s", (slug,)) == [(1,)]
    assert daemon.postgres.query("select count(*) from deployment d join service s on s.id = d.service_id"
                                 " where s.slug = %s", (slug,)) == [(8,)]
    assert len(details(admin, slug)["urls"]) == 1


def test_change_and_deploy_at_the_same_time(admin, daemon, slug):
    """A change whose transaction is about to end when a deploy begins is deployed, not lost."""
    put_deploy(admin, slug)
    service = details(admin, slug)["id"]
    c = daemon.postgres.connect()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, c.cursor() as k:
        k.execute("select 1 from service where id = %s for update", (service,))
        k.execute("insert into service_change (id, service_id, type, field, old_value, new_value) values"
                  " (%s, %s, 'UPDATE', 'command', 'null', %s)", (f"chg_dkr_{slug}", service, '"raced"'))
        answer = pool.submit(deploy, admin, slug)
        wait_until(lambda: daemon.postgres.waiting_for("transactionid"), 10, "the deploy waits")
        c.commit()
        d = answer.result(10)
    c.close()
    assert [x["field"] for x in d["changes"]] == ["command"] and d["service_snapshot"]["command"] == "raced"
    assert details(admin, slug)["command"] == "raced"


def test_nothing_is_queued_when_the_transaction_fails(admin, daemon, slug):
    finish(daemon, put_deploy(admin, slug)["hash"])
    before = daemon.postgres.query("select count(*) from outbox")
    daemon.postgres.query("alter table outbox add constraint closed check (false) not valid")
    try:
        a = admin.put(f"/api/deploys/{slug}", {"image": "app:9"})
    finally:
        daemon.postgres.query("alter table outbox drop constraint closed")
    assert a.status == 500 and a.json()["type"] == "server_error" and "closed" not in a.body.decode()
    assert daemon.postgres.query("select count(*) from outbox") == before
    assert details(admin, slug)["image"] == "app:1" and details(admin, slug)["unapplied_changes"] == []


def test_survives_kill(admin, daemon, slug):
    """What was answered is there after kill -9, and the session too."""
    d = put_deploy(admin, slug, env={"A": "1"})
    daemon.kill()
    daemon.start()
    assert deployment(admin, slug, d["hash"]).json() == {k: v for k, v in d.items() if k != "service"}
