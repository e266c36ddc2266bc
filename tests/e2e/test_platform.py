"""The platform as a whole: eight services, isolation, survival."""
import json

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


def addresses(platform, component):
    box = platform.engine.call("GET", f"/containers/{platform.container_of(f'zn-{component}')}/json")
    nets = box["NetworkSettings"]["Networks"].values()
    found = [n["IPAddress"] for n in nets if n.get("IPAddress")]
    # The address on docker_gwbridge is in no network of the container's own list.
    gw = platform.engine.call("GET", "/networks/docker_gwbridge")
    return found + [c["IPv4Address"].split("/")[0] for c in gw["Containers"].values()]


def test_no_app_reaches_a_component(platform):
    """From inside an app's container: every name and address of every component, every port."""
    platform.deploy("probe", image=platform.tags["nginx"], port=8080, domain="probe.zane.localhost",
                    health_check_path="/")
    service = platform.api("GET", "/projects/default/production/service-details/probe/").json()["id"]
    container = platform.container_of(next(iter(platform.user_services(service))))
    tried = 0
    for component in COMPONENTS:
        for host in [f"zn-{component}", f"tasks.zn-{component}", *addresses(platform, component)]:
            for port in PORTS[component]:
                tried += 1
                made = platform.engine.call("POST", f"/containers/{container}/exec", {
                    "Cmd": ["/bin/bash", "-c", f"timeout 1 bash -c '</dev/tcp/{host}/{port}' 2>/dev/null"],
                    "AttachStdout": True, "AttachStderr": True})["Id"]
                platform.engine.request("POST", f"/v1.41/exec/{made}/start", {"Detach": False, "Tty": False})
                code = platform.engine.call("GET", f"/exec/{made}/json")["ExitCode"]
                assert code != 0, f"an app can open {host}:{port} ({component})"
    assert tried > 50
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
