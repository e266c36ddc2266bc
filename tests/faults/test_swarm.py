"""The swarm is a cache: what it held is made again from the database and the release."""
import http.client
import json
import os
import subprocess

from matrix import Service
from private_engine import wait_until


def proxy_address(world, network):
    box = world.box.engine.call("GET", f"/containers/{world.box.container_of('zn-caddy')}/json")
    return box["NetworkSettings"]["Networks"].get(network, {}).get("IPAddress")


def test_a_taken_address_does_not_keep_the_proxy_out(world):
    """As after a crash of the engine, when the swarm still counts the address of the proxy before: the connect fails,
    and leaves an entry behind by which the engine calls the proxy connected."""
    service, box = Service(world, "taken", False), world.box
    world.check(service, [])
    caddy = box.container_of("zn-caddy")
    networks = box.engine.call("GET", f"/containers/{caddy}/json")["NetworkSettings"]["Networks"]
    network, = [n for n in networks if n.startswith("zn-env-")]
    usual = networks[network]["IPAddress"]
    holder = box.engine.call("POST", "/containers/create", {
        "Image": box.tags["example"], "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": usual}}}}})["Id"]
    try:
        box.engine.call("POST", f"/networks/{network}/disconnect", {"Container": caddy, "Force": True})
        box.engine.call("POST", f"/containers/{holder}/start")
        box.kill("caddy")
        box.next_container("caddy", caddy)
        world.serves_production(service)
        assert proxy_address(world, network) not in (usual, "", None)
    finally:
        box.engine.call("DELETE", f"/containers/{holder}?force=true")
    world.check(service, [])


def shadow(world, address, mac):
    """A process in a network namespace that has somebody else's address on the bridge by which ports are published."""
    engine = world.box.engine

    def run(*argv):
        done = engine.inside(list(argv))
        assert done.returncode == 0, done.stdout

    holder = subprocess.Popen(["nsenter", "-t", str(engine.process.pid), "-n", "-m", "unshare", "-n", "sleep", "600"])
    inside = ["nsenter", "-t", str(holder.pid), "-n"]
    wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") not in (
        os.readlink("/proc/self/ns/net"), os.readlink(f"/proc/{engine.process.pid}/ns/net")), 10, "the namespace")
    run("ip", "link", "add", "zshadow", "type", "veth", "peer", "name", "zs1", "netns", str(holder.pid))
    run("ip", "link", "set", "zshadow", "master", "docker_gwbridge", "up")
    run(*inside, "ip", "link", "set", "zs1", "address", mac, "up")
    run(*inside, "ip", "address", "add", f"{address}/16", "dev", "zs1")
    return holder


def goes_astray(world, holder):
    """The bridge leads the address to where it was heard of last: the holder speaks, and a request is asked there."""
    speak = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'here', ('172.18.0.1', 9))"
    world.box.engine.inside(["nsenter", "-t", str(holder.pid), "-n", "python3", "-c", speak])
    try:
        world.box.request("GET", "/healthz", timeout=3)
    except (OSError, http.client.HTTPException):
        return True
    return False


def test_an_address_that_another_has_too_leads_to_the_proxy(world):
    """As after a crash of the engine that left the namespace of an ended container on its bridge."""
    box = world.box
    caddy = box.container_of("zn-caddy")
    pid = box.engine.call("GET", f"/containers/{caddy}/json")["State"]["Pid"]
    links = json.loads(box.engine.inside(["nsenter", "-t", str(pid), "-n", "ip", "-j", "address"]).stdout)
    address, mac = next((a["local"], link["address"]) for link in links for a in link["addr_info"] if a["local"].startswith("172.18."))
    holder = shadow(world, address, mac)
    try:
        box.kill("caddy")  # the next one has the address again, and has said nothing yet
        box.next_container("caddy", caddy)
        box.wait_ready(120)
        wait_until(lambda: goes_astray(world, holder), 30, "a request to go astray")
        world.sign_in()
        world.box.api("GET", "/auth/me/")
    finally:
        holder.kill()
        holder.wait()


def test_an_emptied_swarm_is_built_anew(world):
    services = [Service(world, "anew", False), Service(world, "anew-keep", True)]
    world.check(services[0], [])
    volumes = {v["Name"] for v in world.box.engine.call("GET", "/volumes")["Volumes"]}
    production = [s.production() for s in services]
    world.box.engine.call("POST", "/swarm/leave?force=true")
    wait_until(lambda: world.box.engine.call("GET", "/info")["Swarm"]["LocalNodeState"] == "active", 120, "a new swarm")
    world.box.wait_ready(240)
    for service, hash_ in zip(services, production):
        world.check(service, [hash_])
        assert service.production() == hash_
    assert {v["Name"] for v in world.box.engine.call("GET", "/volumes")["Volumes"]} >= volumes
    world.box.login()
    for service in services:
        assert service.settle(service.deploy()) == "HEALTHY"
        world.check(service, [])
