"""Scenarios deploy, redeploy and access, with Debian's nginx and radicale and our example app."""
import time

import pytest
from platform_box import Load
from private_engine import wait_until

NGINX = "web.zane.localhost"
RADICALE = "cal.zane.localhost"
EVENT = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n"
         "DTSTAMP:20260101T000000Z\r\nDTSTART:20260102T000000Z\r\nSUMMARY:kept\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")


@pytest.fixture(scope="module")
def web(platform):
    """nginx, deployed once."""
    done = platform.deploy("web", image=platform.tags["nginx"], port=8080, domain=NGINX, health_check_path="/")
    assert done["status"] == "HEALTHY", done
    return platform


def serves(platform, domain, path="/"):
    answer = platform.open_site(domain, path)
    return answer if answer.status == 200 else None


def fails(platform, service, because, timeout=30, **body):
    """Deploys what cannot work; the old version serves throughout, and the reason is told."""
    check = {"type": "PATH", "value": "/", "timeout_seconds": timeout, "interval_seconds": 30,
             "associated_port": 8080}
    platform.api("PUT", f"/projects/default/production/request-service-changes/{service}/",
                 {"field": "healthcheck", "type": "UPDATE", "new_value": check})
    with Load(platform, NGINX) as load:
        done = platform.deploy(service, deadline=120, **body)
        load.last(20)
    assert done["status"] == "FAILED", done
    assert because.lower() in (done["status_reason"] or "").lower(), done["status_reason"]
    assert load.failures == [], load.failures[:3]
    return done


def test_nginx_is_deployed_and_reached(web):
    assert b"nginx" in serves(web, NGINX).body
    newest = web.deployments("web")[0]
    assert newest["is_current_production"] and newest["status"] == "HEALTHY"


def test_a_double_click_deploys_once_more_at_most(web):
    same = {"image": web.tags["nginx"], "port": 8080, "domain": NGINX, "health_check_path": "/"}
    hashes = [web.deploy("web", wait=False, **same)["hash"] for _ in range(2)]
    for h in hashes:
        assert web.wait_deployment("web", h)["status"] in ("HEALTHY", "REMOVED")
    wait_until(lambda: len(web.user_services()) == 1, 30, "one running version")
    assert serves(web, NGINX)


def test_redeploys_under_load_lose_no_request(web):
    slots = set()
    with Load(web, NGINX) as load:
        for i in range(5):
            done = web.deploy("web", image=web.tags["nginx"], port=8080, domain=NGINX, health_check_path="/",
                              env={"ROUND": str(i)})
            assert done["status"] == "HEALTHY", done
            slots.add(done["slot"])
        load.last(100)
    assert slots == {"BLUE", "GREEN"}
    assert load.failures == [], (load.requests, load.failures[:3])


def test_radicale_keeps_its_data_over_a_redeploy(platform):
    spec = {"image": platform.tags["radicale"], "port": 5232, "domain": RADICALE, "health_check_path": "/.web/",
            "volumes": [{"name": "data", "container_path": "/data"}]}
    assert platform.deploy("calendar", **spec)["status"] == "HEALTHY"
    path = "/user/calendar.ics/"
    assert platform.open_site(RADICALE, "/user/", "MKCOL").status == 201
    made = platform.open_site(RADICALE, path, "MKCALENDAR")
    assert made.status == 201, made
    put = platform.request("PUT", path + "one.ics", EVENT.encode(), host=RADICALE,
                           headers={"Content-Type": "text/calendar"})
    assert put.status == 201, put
    done = platform.deploy("calendar", env={"ROUND": "2"}, **spec)
    assert done["status"] == "HEALTHY", done
    assert b"SUMMARY:kept" in serves(platform, RADICALE, path + "one.ics").body


def test_failing_health_check_leaves_the_old_version(web):
    fails(web, "web", "answered 404", image=web.tags["nginx"], port=8080, domain=NGINX,
          health_check_path="/no-such-page", timeout=8)


def test_absent_image_leaves_the_old_version(web):
    fails(web, "web", "pulling", image="zane-no-such-image:1", port=8080, domain=NGINX, health_check_path="/")


def test_crash_loop_leaves_the_old_version(web):
    fails(web, "web", "crashed", image=web.tags["logger"], port=8080, domain=NGINX, health_check_path="/",
          env={"LINES": "1", "EXIT": "3"})


def test_wrong_port_leaves_the_old_version(web):
    fails(web, "web", "port 9999", image=web.tags["nginx"], port=9999, domain=NGINX, health_check_path="/", timeout=8)


def test_cancel_leaves_the_old_version(web):
    with Load(web, NGINX) as load:
        made = web.deploy("web", wait=False, image=web.tags["nginx"], port=9998, domain=NGINX, health_check_path="/")
        wait_until(lambda: web.deployment("web", made["hash"])["status"] in ("STARTING", "RESTARTING"), 30, "start")
        web.api("PUT", f"/projects/default/production/cancel-deployment/web/{made['hash']}/", {})
        done = web.wait_deployment("web", made["hash"])
    assert done["status"] == "CANCELLED", done
    assert load.failures == [], load.failures[:3]
    # The pending state is put right again by a good deployment.
    assert web.deploy("web", image=web.tags["nginx"], port=8080, domain=NGINX,
                      health_check_path="/")["status"] == "HEALTHY"


def scale(platform, swarm, replicas):
    """Behind the platform's back."""
    found = platform.engine.call("GET", f"/services/{swarm}")
    platform.engine.call("POST", f"/services/{found['ID']}/update?version={found['Version']['Index']}",
                         {**found["Spec"], "Mode": {"Replicated": {"Replicas": replicas}}})


def test_what_runs_is_watched(web):
    """A crashed program shows on its deployment, and so does its return."""
    now = web.deployments("web")[0]
    assert now["status"] == "HEALTHY", now
    wait_until(lambda: len(web.user_services(done_service(web))) == 1, 60, "at rest")
    swarm = next(iter(web.user_services(done_service(web))))
    scale(web, swarm, 0)
    ill = wait_until(lambda: status_is(web, now, "UNHEALTHY"), 75, "seen as gone")
    assert "the container is gone" in ill["status_reason"], ill
    scale(web, swarm, 1)
    well = wait_until(lambda: status_is(web, now, "HEALTHY"), 30, "seen as back")
    assert well["status_reason"] is None, well


def toggle(platform, state, **kw):
    return platform.api("PUT", "/projects/default/production/toggle-service/web/", {"desired_state": state}, **kw)


def test_sleep_and_wake(web):
    now = wait_until(lambda: status_is(web, web.deployments("web")[0], "HEALTHY"), 30, "at rest")
    toggle(web, "stop", ok=(202,))
    asleep = web.deployment("web", now["hash"])
    assert asleep["status"] == "SLEEPING" and "by a user" in asleep["status_reason"], asleep
    wait_until(lambda: web.open_site(NGINX).status == 502, 30, "asleep")
    assert b"asleep" in web.open_site(NGINX).body
    time.sleep(6)  # three rounds of the monitor
    assert status_is(web, now, "SLEEPING")
    toggle(web, "start", ok=(202,))
    wait_until(lambda: serves(web, NGINX), 30, "awake")
    wait_until(lambda: status_is(web, now, "HEALTHY"), 30, "seen as healthy")


def test_the_last_wish_counts(web):
    now = web.deployments("web")[0]
    for state in ("stop", "start", "stop", "start", "stop"):
        toggle(web, state, ok=(202,))
    wait_until(lambda: web.open_site(NGINX).status == 502, 30, "asleep")
    assert status_is(web, now, "SLEEPING")
    # A deployment that fails leaves the sleeper asleep; one that succeeds replaces it.
    done = web.deploy("web", image="zane-no-such-image:1", port=8080, domain=NGINX, health_check_path="/")
    assert done["status"] == "FAILED" and status_is(web, now, "SLEEPING"), done
    done = web.deploy("web", image=web.tags["nginx"], port=8080, domain=NGINX, health_check_path="/")
    assert done["status"] == "HEALTHY" and serves(web, NGINX), done
    toggle(web, "stop", ok=(202,))  # while the old version retires: carried out after that
    wait_until(lambda: web.open_site(NGINX).status == 502, 60, "asleep")
    toggle(web, "start", ok=(202,))
    wait_until(lambda: serves(web, NGINX), 30, "awake")


def status_is(platform, deployment, status):
    d = platform.deployment("web", deployment["hash"])
    return d if d["status"] == status else None


def test_unknown_domain_gets_a_plain_404(platform):
    answer = platform.open_site("nobody.example.org")
    assert answer.status == 404 and b"No app answers" in answer.body


@pytest.mark.parametrize("victim", ["zaned-worker", "zaned-api", "temporal"])
def test_kill_in_the_middle_of_a_deploy(web, victim):
    with Load(web, NGINX) as load:
        made = web.deploy("web", wait=False, image=web.tags["nginx"], port=8080, domain=NGINX,
                          health_check_path="/", env={"KILLED": victim, "AT": str(time.time())})
        if victim != "zaned-api":
            wait_until(lambda: web.deployment("web", made["hash"])["status"] != "QUEUED", 30, "deploy begun")
        web.kill(victim)

        def ended():
            d = web.deployment("web", made["hash"])
            return d if d["finished_at"] else None
        done = wait_until(lambda: answering(ended), 150, f"deploy ends without {victim}")
    assert done["status"] == "HEALTHY", done
    assert load.failures == [], load.failures[:3]
    wait_until(lambda: len(web.user_services(done_service(web))) == 1, 60, "only the new version is left")
    web.wait_ready(120)


def answering(fn):
    """The API itself may be away for a moment."""
    try:
        return fn()
    except (AssertionError, ValueError):
        return None


def done_service(platform):
    return platform.api("GET", "/projects/default/production/service-details/web/", ok=(200,)).json()["id"]
