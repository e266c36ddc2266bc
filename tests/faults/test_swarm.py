"""The swarm is a cache: what it held is made again from the database and the release."""
from matrix import Service
from private_engine import wait_until


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
