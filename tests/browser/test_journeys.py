"""What people do with the dashboard, in the order in which they would: the first run comes first."""
import secrets

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
    visitor.walk("quiet")


def test_a_lost_connection_is_said_and_mended(visitor):
    box = visitor.box
    process = visitor.start("dropped")
    visitor.hear(process, "live")
    box.kill("zaned-api")
    visitor.hear(process, "lost")
    visitor.tell(process, "it is back, or will be")
    visitor.end(process)
    wait_until(lambda: box.request("GET", "/healthz").status == 200, 60, "the API")


def prepare_shop(box):
    """A project with a service that runs, one that failed, and a change that waits."""
    if box.api("GET", "/projects/shop/", ok=None).status == 404:
        box.api("POST", "/projects/", {"slug": "shop", "description": "What the shop runs on"}, ok=(201,))
    web = {"image": box.tags["nginx"], "port": 8080, "domain": "web.zane.localhost", "health_check_path": "/",
           "project": "shop", "env": {"MODE": "live"}}
    hash_ = box.api("PUT", "/deploys/web/", web).json()["hash"]
    failed = box.api("PUT", "/deploys/broken/", {"image": "zane/no-such-image:1", "project": "shop"}).json()["hash"]
    here = "/projects/shop/production"

    def ended(service, deployment):
        path = f"{here}/service-details/{service}/deployments/{deployment}/"
        return wait_until(lambda: d if (d := box.api("GET", path).json())["finished_at"] else None, 120, deployment)
    assert ended("web", hash_)["status"] == "HEALTHY"
    assert ended("broken", failed)["status"] == "FAILED"
    box.api("PUT", f"{here}/request-env-changes/web/", {"new_value": "COLOUR=blue\n"})
    return {"hash": hash_, "failed": failed}


def test_every_page_is_sound(visitor):
    seen = visitor.walk("every_page", deadline=900, pictures=visitor.pictures, **prepare_shop(visitor.box))
    assert seen["pages"] > 30
