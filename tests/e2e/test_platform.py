"""The platform as a whole: eight services, isolation, survival."""
import json
import re

from private_engine import wait_until

COMPONENTS = {"caddy", "postgres", "valkey", "loki", "fluentd", "temporal", "zaned-api", "zaned-worker"}
PORTS = {"caddy": [8080, 8443, 2019], "postgres": [5432], "valkey": [6379], "loki": [3100, 9096],
         "fluentd": [24224, 24220], "temporal": [7233, 7234, 7235, 7239], "zaned-api": [8080], "zaned-worker": [8081]}


def test_eight_services_run(platform):
    assert {s for s in platform.services() if s.startswith("zn-")} == {f"zn-{c}" for c in COMPONENTS}
    assert set(platform.components()) == COMPONENTS


def test_components_are_confined(platform):
    for component in COMPONENTS:
        box = platform.engine.call("GET", f"/containers/{platform.container_of(f'zn-{component}')}/json")
        assert box["HostConfig"]["ReadonlyRootfs"], component
        assert box["HostConfig"]["CapDrop"] == ["ALL"] or not box["HostConfig"]["CapAdd"], component
        assert box["HostConfig"]["Memory"] > 0, component
        assert box["Config"]["User"] not in ("", "0", "root"), component


def every_address(platform, app):
    """Names and addresses of every component, the app's own left out."""
    hosts = set()
    for component in COMPONENTS:
        container = platform.container_of(f"zn-{component}")
        hosts |= {f"zn-{component}", f"tasks.zn-{component}"}
        box = platform.engine.call("GET", f"/containers/{container}/json")
        hosts |= {n["IPAddress"] for n in box["NetworkSettings"]["Networks"].values() if n.get("IPAddress")}
    # The address on docker_gwbridge is in no network of a container's own list.
    gateway = platform.engine.call("GET", "/networks/docker_gwbridge")["Containers"]
    hosts |= {c["IPv4Address"].split("/")[0] for key, c in gateway.items() if key != app}
    return sorted(hosts)


def run_inside(platform, container, script):
    made = platform.engine.call("POST", f"/containers/{container}/exec", {
        "Cmd": ["/bin/bash", "-c", script], "AttachStdout": True, "AttachStderr": True, "Tty": True})["Id"]
    return platform.engine.request("POST", f"/v1.41/exec/{made}/start", {"Detach": False, "Tty": True},
                                   timeout=180)[2].decode(errors="replace")


def test_no_app_reaches_a_component(platform):
    """From inside an app's container: every name and address of every component, every port."""
    platform.deploy("probe", image=platform.tags["nginx"], port=8080, domain="probe.zane.localhost",
                    health_check_path="/")
    service = platform.api("GET", "/projects/default/production/service-details/probe/").json()["id"]
    container = platform.container_of(next(iter(platform.user_services(service))))
    ports = sorted({port for list_ in PORTS.values() for port in list_})
    targets = [f"{host}/{port}" for host in every_address(platform, container) for port in ports]
    tries = "\n".join(f"(timeout 2 bash -c '</dev/tcp/{t}' 2>/dev/null && echo OPEN {t}) &\n"
                      + ("wait" if i % 120 == 119 else "") for i, t in enumerate(targets))
    out = run_inside(platform, container, tries + "\nwait\n</dev/tcp/127.0.0.1/8080 && echo OWN\necho DONE")
    assert len(targets) > 100 and "DONE" in out and "OWN" in out, out[-500:]  # the way of trying works
    assert "OPEN" not in out, out
    platform.api("DELETE", "/projects/default/production/archive-service/docker/probe/")
    wait_until(lambda: not platform.user_services(service), 60, "archived service is gone")


def test_zane_status_shows_a_table(platform):
    shown = platform.zane("status").stdout
    for component in COMPONENTS:
        assert component in shown
    assert json.loads(platform.zane("status", "--json").stdout)["ready"] is True


def test_a_second_supervisor_is_refused(platform):
    import subprocess

    from platform_box import ROOT
    done = subprocess.run(["nsenter", "-t", str(platform.engine.process.pid), "-n", "-m",
                           str(ROOT / "build/zane-supervisor")], env=platform.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    assert done.returncode != 0 and "already" in done.stdout, done.stdout


def test_a_killed_component_comes_back(platform):
    platform.kill("valkey")
    wait_until(lambda: not platform.health()["ready"] or platform.container_of("zn-valkey"), 30, "seen")
    platform.wait_ready(90)


def script_of(document):
    """The dashboard's first script, by the name that the document has for it."""
    return re.search(r'<script type="module"[^>]* src="(/assets/[^"]+\.js)"', document.body.decode())[1]


def test_the_dashboard_is_served(platform):
    document = platform.request("GET", "/")
    assert document.status == 200 and "Zane-Status" not in document.headers, document
    assert "script-src 'self'" in document.headers["Content-Security-Policy"]
    assert platform.request("GET", "/project/of/nobody").body == document.body
    script = platform.request("GET", script_of(document), headers={"Accept-Encoding": "gzip, br"})
    assert (script.status, script.headers["Content-Encoding"]) == (200, "br"), script.headers  # packed: by the proxy
    assert "immutable" in script.headers["Cache-Control"]
    gone = platform.request("GET", "/assets/of-another-version.js")
    assert (gone.status, gone.headers["Cache-Control"]) == (404, "no-store"), gone


def test_the_status_page_shows_while_the_api_is_away(platform):
    document = platform.request("GET", "/")
    platform.kill("zaned-api")
    away = wait_until(lambda: (a := platform.request("GET", "/login")).headers["Zane-Status"] and a, 30, "status page")
    assert away.status == 503 and b"zaned-api" in away.body, away
    script = platform.request("GET", script_of(document), headers={"Accept-Encoding": "br"})
    assert (script.status, script.headers["Content-Encoding"]) == (200, "br"), script  # what is open goes on
    wait_until(lambda: platform.request("GET", "/login").body == document.body, 60, "the dashboard again")
    platform.wait_ready(90)
