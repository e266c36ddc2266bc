"""An upgrade on trial, on the whole platform: nothing goes on that a revert would lose, and all of it afterwards."""
import time

import pytest
from private_engine import wait_until

SERVICE = "trial-app"


@pytest.fixture
def trial(platform):
    path = platform.run_dir / "view/trial"
    yield path
    path.unlink(missing_ok=True)
    platform.wait_ready()


def status(platform, hash_):
    return platform.deployment(SERVICE, hash_)["status"]


def test_a_deployment_waits_until_the_trial_is_over(platform, trial):
    platform.login()  # what other tests did to the session is no matter of this one
    first = platform.deploy(SERVICE, image=platform.tags["example"], port=8080)
    assert first["status"] == "HEALTHY", first
    domain = first["urls"][0]["domain"]

    before = platform.kill("zaned-worker")  # as an upgrade does, before it puts the file there
    made = platform.deploy(SERVICE, wait=False, image=platform.tags["example"], env={"GREETING": "second"})
    trial.touch()
    platform.next_container("zaned-worker", before)
    platform.wait_ready()
    assert platform.container_of("zn-zaned-worker") is not None

    refused = platform.api("PUT", f"/deploys/{SERVICE}/", {"image": platform.tags["example"]}, ok=None)
    assert refused.status == 503 and refused.json()["errors"][0]["code"] == "upgrading", refused
    queued = platform.deployment(SERVICE, made["hash"])
    platform.next_container("caddy", platform.kill("caddy"))  # a new one, which knows no routes
    platform.wait_ready()
    wait_until(lambda: b"It works" in platform.open_site(domain).body, 30, "the app's route in the new proxy")
    passed = platform.gate(deadline=200)
    assert passed["state"] == "passed", passed
    time.sleep(5)
    assert platform.deployment(SERVICE, made["hash"]) == queued, "nothing went on"

    trial.unlink()
    assert platform.wait_deployment(SERVICE, made["hash"])["status"] == "HEALTHY"
    wait_until(lambda: b"second" in platform.open_site(domain).body, 30, "the new version")
    assert platform.api("PUT", f"/deploys/{SERVICE}/", {"image": platform.tags["example"]}, ok=None).status in (200, 201)
