"""What the workflows leave behind, and what they say: build log, undo, archive, orphans."""
import json
import subprocess
from urllib.parse import quote

import histories
import pytest
from platform_db import Database
from private_engine import wait_until

PLACE = "/projects/default/production"


def labelled(box, kind, label):
    """Names of the engine's objects of a kind that carry the label."""
    found = box.engine.call("GET", f"/{kind}?filters={quote(json.dumps({'label': [label]}))}")
    found = (found["Volumes"] or []) if kind == "volumes" else found
    return {o.get("Name") or o["Spec"]["Name"] for o in found}


def build_log(box, service, hash_):
    page = box.api("GET", f"{PLACE}/service-details/{service}/deployments/{hash_}/build-logs/?order=asc", ok=(200,)).json()
    return page["results"]


def service_id(box, service):
    return box.api("GET", f"{PLACE}/service-details/{service}/", ok=(200,)).json()["id"]


@pytest.fixture(scope="module")
def orphan(platform):
    """A swarm service with our labels that no deployment stands for, made before everything else here."""
    name = "srv-orphan-blue"
    labels = {"zane.managed": "true", "zane.deployment": "dpl_dkr_orphan", "zane.service": "srv_dkr_orphan"}
    platform.engine.call("POST", "/services/create", {
        "Name": name, "Labels": labels, "Mode": {"Replicated": {"Replicas": 1}}, "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {"ContainerSpec": {"Image": platform.tags["example"]}}})
    return name


@pytest.fixture(scope="module")
def lost(platform):
    """A deployment in its health check whose workflow is terminated by hand; the version before serves."""
    spec = {"image": platform.tags["example"], "domain": "lost.zane.localhost", "health_check_path": "/health"}
    assert platform.deploy("lost", port=8080, **spec)["status"] == "HEALTHY"
    made = platform.deploy("lost", wait=False, port=9999, **spec)
    wait_until(lambda: platform.deployment("lost", made["hash"])["step"] == "health", 30, "health check")
    assert temporal(platform, "terminate", f"deploy-{made['hash']}") == 0
    Database(platform).query("update deploy_slot set acquired_at = now() - interval '1 hour' where deployment_hash = %s",
                             (made["hash"],))
    return made["hash"]


def temporal(box, *argv):
    """worker_probe on the network of Temporal's container; its exit status."""
    done = subprocess.run(["nsenter", "-t", str(box.pids_of("temporal")[0]), "-n", histories.probe(), "127.0.0.1:7233", *argv],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode


def test_build_log_tells_each_step(platform, orphan, lost):
    done = platform.deploy("told", image=platform.tags["example"], port=8080, domain="told.zane.localhost",
                           health_check_path="/health")
    assert done["status"] == "HEALTHY" and done["step"] is None, done

    def complete():
        lines = build_log(platform, "told", done["hash"])
        return lines if any(line["content_text"] == "HEALTHY." for line in lines) else None
    lines = wait_until(complete, 30, "the build log")
    said = [line["content_text"] for line in lines]
    for part in ("slot BLUE", "Getting image", "here already", "network and volumes", "Starting the new version",
                 "until GET /health on port 8080 answers 2xx", "Switching the route", "visitors reach", "HEALTHY."):
        assert sum(part in s for s in said) == 1, (part, said)
    assert {(line["source"], line["level"]) for line in lines} == {("SYSTEM", "INFO")}
    failed = platform.deploy("told", image="zane-no-such-image:1", port=8080)
    last = wait_until(lambda: [x for x in build_log(platform, "told", failed["hash"]) if x["level"] == "ERROR"], 30, "why")
    assert "FAILED: getting the image" in last[0]["content_text"], last


def test_cancelling_undoes_everything(platform):
    """A first deployment that never becomes healthy is called off: no service, no volume is left."""
    made = platform.deploy("undone", wait=False, image=platform.tags["example"], port=9999, health_check_path="/",
                           volumes=[{"name": "data", "container_path": "/data"}])
    wait_until(lambda: platform.deployment("undone", made["hash"])["step"] == "health", 30, "health check")
    mine = f"zane.service={service_id(platform, 'undone')}"
    assert len(labelled(platform, "volumes", mine)) == 1 and len(labelled(platform, "services", mine)) == 1
    platform.api("PUT", f"{PLACE}/cancel-deployment/undone/{made['hash']}/", {})
    assert platform.wait_deployment("undone", made["hash"])["status"] == "CANCELLED"
    assert labelled(platform, "volumes", mine) == labelled(platform, "services", mine) == set()


def test_cancelling_leaves_what_was_there_before(platform):
    spec = {"image": platform.tags["example"], "volumes": [{"name": "data", "container_path": "/data"}]}
    assert platform.deploy("kept", port=8080, health_check_path="/health", **spec)["status"] == "HEALTHY"
    mine = f"zane.service={service_id(platform, 'kept')}"
    before = labelled(platform, "volumes", mine)
    made = platform.deploy("kept", wait=False, port=9999, health_check_path="/", **spec)
    wait_until(lambda: platform.deployment("kept", made["hash"])["step"] == "health", 30, "health check")
    platform.api("PUT", f"{PLACE}/cancel-deployment/kept/{made['hash']}/", {})
    assert platform.wait_deployment("kept", made["hash"])["status"] == "CANCELLED"
    assert labelled(platform, "volumes", mine) == before and len(before) == 1
    first = platform.deployments("kept")[0]
    assert first["status"] == "HEALTHY" and first["is_current_production"], first  # the old version was started again


def test_archiving_places_leaves_nothing(platform):
    """A project with two environments, a service with a volume in each."""
    platform.api("POST", "/projects/", {"slug": "short"}, ok=(201,))
    platform.api("POST", "/projects/short/create-environment/", {"name": "staging"}, ok=(201,))
    ids = {e["name"]: e["id"] for e in platform.api("GET", "/projects/short/", ok=(200,)).json()["environments"]}
    for environment in ids:
        made = platform.api("PUT", f"/deploys/app-{environment}/", {
            "image": platform.tags["example"], "port": 8080, "domain": f"{environment}.short.zane.localhost",
            "project": "short", "environment": environment, "volumes": [{"name": "v", "container_path": "/data"}]}).json()
        at = f"/projects/short/{environment}/service-details/app-{environment}/deployments/{made['hash']}/"
        wait_until(lambda: platform.api("GET", at, ok=(200,)).json()["status"] == "HEALTHY", 60, environment)  # noqa: B023

    def left(environment):
        mine = f"zane.environment={ids[environment]}"
        return labelled(platform, "services", mine) | labelled(platform, "networks", mine)
    volumes = labelled(platform, "volumes", "zane.managed=true")
    assert len(left("staging")) == len(left("production")) == 2
    platform.api("DELETE", "/projects/short/environment-details/staging/", ok=(204,))
    wait_until(lambda: not left("staging"), 90, "the environment is gone")
    assert len(left("production")) == 2 and platform.open_site("production.short.zane.localhost").status == 200
    platform.api("DELETE", "/projects/short/", ok=(204,))
    wait_until(lambda: not left("production"), 90, "the project is gone")
    wait_until(lambda: len(labelled(platform, "volumes", "zane.managed=true")) == len(volumes) - 2, 30, "volumes are gone")
    assert platform.open_site("production.short.zane.localhost").status == 404


def test_archiving_in_the_middle_of_deployments(platform):
    """One has begun, others wait: each ends, and the environment goes although the proxy never was on its network."""
    platform.api("POST", "/projects/", {"slug": "hasty"}, ok=(201,))
    place = platform.api("GET", "/projects/hasty/", ok=(200,)).json()["environments"][0]["id"]
    for n in range(8):
        platform.api("PUT", f"/deploys/app{n % 7}/", {"image": platform.tags["example"], "port": 8080, "project": "hasty",
                                                      "volumes": [{"name": "v", "container_path": "/data"}]})
    platform.api("DELETE", "/projects/hasty/", ok=(204,))
    database = Database(platform)
    wait_until(lambda: not database.query("select 1 from project where slug = 'hasty'"), 120, "the project is gone")
    mine = f"zane.environment={place}"
    assert labelled(platform, "services", mine) | labelled(platform, "networks", mine) == set()
    assert database.query("select 1 from deploy_slot") == []


def test_a_lost_workflow_ends_its_deployment(platform, lost):
    done = platform.wait_deployment("lost", lost, 60)
    assert done["status"] == "FAILED" and "workflow is gone" in done["status_reason"], done
    assert platform.open_site("lost.zane.localhost").status == 200
    wait_until(lambda: len(platform.user_services(service_id(platform, "lost"))) == 1, 30, "only the old version is left")
    assert Database(platform).query("select 1 from deploy_slot where deployment_hash = %s", (lost,)) == []
    again = platform.deploy("lost", image=platform.tags["example"], port=8080, domain="lost.zane.localhost",
                            health_check_path="/health")
    assert again["status"] == "HEALTHY", again


def test_what_nothing_stands_for_goes(platform, orphan):
    wait_until(lambda: orphan not in platform.services(), 150, "the orphan is gone")
    assert "told" in {c["slug"] for c in platform.api("GET", "/projects/default/production/service-list/").json()}
    assert platform.open_site("told.zane.localhost").status == 200
