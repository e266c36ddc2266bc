"""What people do with the dashboard, in the order in which they would: the first run comes first."""
import re
import secrets
import socket

import pytest
from private_engine import wait_until


def test_first_run(stranger):
    box = stranger.box
    box.username, box.password = "admin", "Aa1!" + secrets.token_hex(8)
    token = (box.state / "secrets/setup_token").read_text().strip()
    try:
        stranger.walk("first_run", token=token, password=box.password)
    except BaseException:
        del box.password
        raise
    box.login()


def test_an_idle_page_asks_for_nothing(visitor):
    seen = visitor.walk("quiet")
    assert seen["scripts"] > 2 and seen["gzip"] <= 150_000, seen  # all that was fetched until the projects showed


def test_a_lost_connection_is_said_and_mended(visitor):
    box = visitor.box
    process = visitor.start("dropped")
    visitor.hear(process, "live")
    box.kill("zaned-api")
    visitor.hear(process, "lost")
    visitor.tell(process, "it is back, or will be")
    visitor.end(process)
    wait_until(lambda: box.request("GET", "/healthz").status == 200, 60, "the API")


def ended(box, service, deployment):
    path = f"/projects/shop/production/service-details/{service}/deployments/{deployment}/"
    return wait_until(lambda: d if (d := box.api("GET", path).json())["finished_at"] else None, 120, deployment)


@pytest.fixture(scope="module")
def shop(visitor):
    return prepare_shop(visitor.box)


def prepare_shop(box):
    """A project with a service that runs, one that failed, and a change that waits."""
    if box.api("GET", "/projects/shop/", ok=None).status == 404:
        box.api("POST", "/projects/", {"slug": "shop", "description": "What the shop runs on"}, ok=(201,))
    web = {"image": box.tags["nginx"], "port": 8080, "domain": "web.zane.localhost", "health_check_path": "/",
           "project": "shop", "env": {"MODE": "live"}}
    hash_ = box.api("PUT", "/deploys/web/", web).json()["hash"]
    failed = box.api("PUT", "/deploys/broken/", {"image": "zane/no-such-image:1", "project": "shop"}).json()["hash"]
    assert ended(box, "web", hash_)["status"] == "HEALTHY"
    assert ended(box, "broken", failed)["status"] == "FAILED"
    box.api("PUT", "/projects/shop/production/request-env-changes/web/", {"new_value": "COLOUR=blue\n"})
    return {"hash": hash_, "failed": failed}


def test_a_service_is_made_and_one_that_fails_says_why(visitor, shop):
    visitor.walk("deploy")
    assert b"nginx" in visitor.box.open_site("site.zane.localhost").body


def test_changes_wait_are_reviewed_deployed_and_brought_back(visitor, shop):
    visitor.walk("change")


def test_a_domain_is_added(visitor, shop):
    visitor.walk("domain", domain="second.zane.localhost")
    assert b"nginx" in visitor.box.open_site("second.zane.localhost").body


def test_lines_come_live_and_are_found_again(visitor, shop):
    said = "/said-" + secrets.token_hex(6)
    process = visitor.start("logs", said=said)
    visitor.hear(process, "ready")
    visitor.box.open_site("web.zane.localhost", said)
    visitor.end(process)


def test_a_deployment_is_cancelled(visitor, shop):
    box, here = visitor.box, "/projects/shop/production"
    made = box.api("PUT", "/deploys/slow/", {"image": box.tags["nginx"], "port": 8080, "project": "shop"}).json()["hash"]
    ended(box, "slow", made)
    check = {"type": "PATH", "value": "/nothing-here", "timeout_seconds": 120, "interval_seconds": 30, "associated_port": 8080}
    box.api("PUT", f"{here}/request-service-changes/slow/", {"field": "healthcheck", "type": "UPDATE", "new_value": check})
    visitor.walk("cancel")


def test_people_are_invited_and_have_tokens_and_a_second_factor(visitor):
    visitor.walk("people")


def test_health_is_live_while_a_component_is_killed(visitor):
    process = visitor.start("health")
    visitor.hear(process, "ready")
    with socket.socket(socket.AF_UNIX) as events:
        events.connect(str(visitor.box.run_dir / "view/view.sock"))
        events.settimeout(60)
        events.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        visitor.box.kill("loki")
        visitor.end(process)
        seen = b""
        while not re.search(rb'event: memory\ndata: \{"id":"loki","memory_bytes":[1-9]', seen):  # of the one that came after
            assert (part := events.recv(65536)), seen[-2000:]
            seen += part


def test_every_page_is_sound(visitor, shop):
    seen = visitor.walk("every_page", deadline=900, pictures=visitor.pictures, **shop)
    assert seen["pages"] > 30


@pytest.mark.parametrize("role", [10, 30], ids=["guest", "member"])
def test_every_page_is_sound_for_those_who_may_less(visitor, shop, role):
    box, name = visitor.box, f"with-role-{role}"
    project = box.api("GET", "/projects/shop/").json()["id"]
    made = box.api("POST", "/workspace/invite-user/", {"username": name, "role": role, "valid_for": 1,
                                                       "accessible_project_ids": [project] if role == 10 else []})
    joined = box.request("POST", f"/api/workspace/register/{made.json()['token']}/", {"password": box.password})
    assert joined.status in (200, 201), joined
    visitor.walk("every_page", deadline=600, username=name, once=True, **shop)
