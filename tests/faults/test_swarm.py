"""The swarm is a cache: what it held is made again from the database and the release."""
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
        wait_until(lambda: box.container_of("zn-caddy") not in (caddy, None), 60, "another proxy")
        world.serves_production(service)
        assert proxy_address(world, network) not in (usual, "", None)
    finally:
        box.engine.call("DELETE", f"/containers/{holder}?force=true")
    world.check(service, [])


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
