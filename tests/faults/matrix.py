"""Cells of the fault matrix: one deployment, one fault at one step, and what must be true afterwards."""
import json
import os
import pathlib
import random
import re
import signal
import threading
import time

from gates import SCHEMA, Gate
from platform_box import APP_HOST, Load
from platform_db import Database
from private_engine import unix_request, wait_until
from registry_box import Registry

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STEPS = ["queued", "prepare", "pull", "resources", "pause", "create", "health", "route", "verify", "finish", "retire",
         "release"]
FAULTS = ["worker", "api", "temporal", "postgres", "engine", "cancel"]
# For `make check`: every step once, every fault twice.
DIAGONAL = {"queued": "temporal", "prepare": "api", "pull": "worker", "resources": "postgres", "pause": "cancel",
            "create": "engine", "health": "cancel", "route": "worker", "verify": "temporal", "finish": "postgres",
            "retire": "engine", "release": "api"}
WISHES = ["sleep", "wake", "archive"]
WISH_FAULTS = ["worker", "temporal", "postgres"]
WISH_DIAGONAL = {"sleep": "temporal", "wake": "postgres", "archive": "worker"}
# Longer than the 11 s after which the daemon gives a statement up: what it gave up may still take effect, which neither
# a shorter halt nor a killed server brings about (a killed one is back within 2 s, and says so on each connection).
POSTGRES_S = 12
# Where the fault falls after the gate has opened, in ms: a step that takes long gets it in its middle.
MIDDLE_MS = {"pull": 1500, "health": 400, "retire": 400, "pause": 400}
# A cancellation that the API took is either carried out or came too late; up to here it is never too late.
SURELY_CANCELLED = STEPS[:STEPS.index("route")]
NEVER_CANCELLED = STEPS[STEPS.index("finish"):]
DEADLINE_S = 150
# Taken out of the environment: the supervisor refuses variables that it does not know.
CHOICE = os.environ.pop("ZANE_FAULTS", "")
SEED = int(os.environ.pop("ZANE_SEED", random.SystemRandom().randrange(10**6)))


def selected(rows, columns, diagonal):
    """Parameters by ZANE_FAULTS: unset, the diagonal; all; or a list such as pull:worker,route:cancel."""
    every = [(r, c) for c in columns for r in rows]
    if CHOICE == "all":
        return every
    if CHOICE:
        chosen = {tuple(pair.split(":")) for pair in CHOICE.split(",")}
        return [pair for pair in every if pair in chosen]
    return list(diagonal.items())


def wait_empty(list_, deadline, what):
    """Waits until list_() is empty; fails with what is in it."""
    last = []

    def empty():
        last[:] = list_()
        return not last
    try:
        wait_until(empty, deadline, what)
    except AssertionError as e:
        raise AssertionError(f"{what} after {deadline} s: {last}") from e


def say(text):
    print(text, flush=True)


class Table:
    """Rows steps, columns faults: written to build/faults.txt after each cell."""

    def __init__(self):
        self.cells = {}

    def note(self, row, column, text):
        self.cells[row, column] = text
        say(f"faults: {row} x {column}: {text}")
        (ROOT / "build/faults.txt").write_text(self.text())

    def text(self):
        rows = [r for r in STEPS + WISHES if any(r == at[0] for at in self.cells)]
        width = max([12] + [len(t.splitlines()[0]) for t in self.cells.values()])
        line = lambda head, cells: f"{head:<10}" + "".join(f" {c[:60]:<{min(width, 60)}}" for c in cells)  # noqa: E731
        return "\n".join([f"seed {SEED}", line("", FAULTS)]
                         + [line(r, [self.cells.get((r, f), "-").splitlines()[0] for f in FAULTS]) for r in rows]) + "\n"


class Service:
    """A service of the matrix, with a healthy version of it in production. Deploying it is known to work."""

    def __init__(self, world, slug, keeps):
        self.world, self.slug, self.keeps = world, slug, keeps
        self.domain, self.round, self.volumes = f"{slug}.{APP_HOST}", 0, 1 if keeps else 0
        self.sound = False
        self.newest = self.deploy()
        self.settle(self.newest)
        self.id = world.db.one("select id from service where slug = %s and archived_at is null", (slug,))
        self.sound = True

    def deploy(self, image=None, volumes=0):
        """Asks for the next version; its deployment's hash. volumes: how many it has that the ones before had not."""
        self.round += 1
        self.volumes += volumes
        spec = {"image": image or self.world.box.tags["example"], "port": 8080, "domain": self.domain,
                "health_check_path": "/health", "env": {"ROUND": str(self.round)}}
        if self.volumes:
            spec["volumes"] = [{"name": f"data{i}", "container_path": f"/data{i}"} for i in range(self.volumes)]
        return self.world.box.deploy(self.slug, wait=False, **spec)["hash"]

    def ended(self, hash_, deadline=DEADLINE_S):
        """Waits for the end of the deployment; its final status. The version before it may still be going."""
        wait_until(lambda: self.world.db.one("select finished_at is not null from deployment where hash = %s", (hash_,)),
                   deadline, f"end of deployment {hash_}")
        return self.status(hash_)

    def settle(self, hash_, deadline=DEADLINE_S):
        """The same, and waits until nothing works on the service any more."""
        db = self.world.db
        self.ended(hash_, deadline)
        wait_until(lambda: not db.query("select 1 from deploy_slot l join deployment d on d.service_id = l.service_id"
                                        " where d.hash = %s", (hash_,)), deadline, "the lease given back")
        return self.status(hash_)

    def status(self, hash_):
        return self.world.db.one("select status from deployment where hash = %s", (hash_,))

    def production(self):
        return self.world.db.one("select hash from deployment where service_id = %s and is_current_production", (self.id,))

    def path(self, call):
        return f"/projects/default/production/{call}/{self.slug}/"


class World:
    def __init__(self, box):
        self.box, self.db = box, Database(box)
        self.temporal = Database(box, "temporal", "temporal")
        self.db.query(SCHEMA)
        self.random = random.Random(SEED)
        say(f"faults: seed {SEED}")
        self.registry = Registry(box.engine, 3 << 20)
        self.table, self.services, self.made = Table(), [], 0
        self.configs = {c["ID"] for c in box.engine.call("GET", "/configs")}

    def service(self, keeps=False):
        """One that works, at rest. Of two in turn: the old version of the one goes while the other is used."""
        if "sessionid" not in self.box.cookies:
            self.sign_in()  # a cell that failed left none
        kept = [s for s in self.services if s.keeps == keeps and s.sound]
        if len(kept) < 2:
            self.made += 1
            kept = [Service(self, f"{'keep' if keeps else 'plain'}{self.made}", keeps)]
        else:
            self.services.remove(kept[0])
        self.services.append(kept[0])
        kept[0].settle(kept[0].newest)
        kept[0].sound = False
        return kept[0]

    def close(self):
        say(self.table.text())
        self.db.close()
        self.temporal.close()
        self.registry.stop()

    # --- faults -----------------------------------------------------------------------------------
    def inject(self, fault, gate=None):
        """Does the fault and repairs what would not come back by itself. A gate is opened in the fault's middle."""
        getattr(self, f"_{fault}")(gate)

    def _kill(self, component, gate):
        self.killed = self.box.kill(component)
        if gate:
            gate.open()

    def _worker(self, gate):
        self._kill("zaned-worker", gate)

    def _api(self, gate):
        self._kill("zaned-api", gate)

    def _temporal(self, gate):
        self._kill("temporal", gate)

    def _postgres(self, gate):
        pids = self.box.pids_of("postgres")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if gate:
            gate.open()
        time.sleep(POSTGRES_S)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def _engine(self, gate):
        self.box.engine.restart(between=gate.open if gate else lambda: None)

    def recover(self, fault):
        """The platform is well again, and the supervisor does not count our kills as a crash loop."""
        if fault in ("worker", "api", "temporal"):  # the supervisor may not have seen it yet, and say "ready"
            self.box.next_container(COMPONENT[fault], self.killed)
        self.box.wait_ready(DEADLINE_S)
        for component in {"engine": self.box.components(), "cancel": []}.get(fault, [COMPONENT.get(fault)]):
            self.box.retry(component)
        if fault == "engine":
            self.sign_in()

    def sign_in(self):
        """Sessions may have gone with Valkey."""
        began = time.monotonic()
        wait_until(self.box.login, 90, "sign-in")
        if time.monotonic() - began > 5:
            say(f"faults: the dashboard's port answered {time.monotonic() - began:.0f} s after the platform was ready")

    # --- what must be true at rest --------------------------------------------------------------------
    def check(self, service, hashes):
        """Nothing is left over: the swarm, the engine, the proxy, the database and the workflow server agree."""
        wait_empty(self.open_workflows, 60, "open workflows")
        for what, text in UNFINISHED.items():
            wait_empty(lambda: self.db.rows(text), 30, what)  # noqa: B023 called at once
        for hash_ in hashes:
            wait_until(lambda: self.status_fits(hash_), 60, f"a final status of {hash_} with its reason")
        wait_empty(self.leftovers, 45, "what is left over")
        if service:
            self.serves_production(service)

    def status_fits(self, hash_):
        status, reason = self.db.query("select status, status_reason from deployment where hash = %s", (hash_,))[0]
        return {"HEALTHY": reason is None, "CANCELLED": bool(reason), "FAILED": bool(reason), "REMOVED": True}.get(status)

    def open_workflows(self):
        """Ids of runs that the workflow server has not closed (state 3 is completed)."""
        return [row[0] for row in self.temporal.query("select workflow_id from current_executions where state < 3")
                if row[0].startswith(("deploy-", "toggle-", "archive-"))]

    def leftovers(self):
        """What is there and should not be, or should and is not, over all services."""
        return (self._swarm_leftovers() + self._volume_leftovers() + self._config_leftovers() + self._edge_leftovers()
                + self._caddy_leftovers())

    def wanted(self):
        """{swarm name: hash} of what should run, by the database."""
        rows = self.db.query("select d.hash, s.id, lower(d.slot) from deployment d join service s on s.id = d.service_id"
                             " where d.is_current_production and s.archived_at is null and d.status not in"
                             " ('FAILED', 'CANCELLED', 'REMOVED')")
        return {f"srv-{part_of(id_)}-{slot}": hash_ for hash_, id_, slot in rows}

    def _swarm_leftovers(self):
        there = {s["Spec"]["Name"]: s["Spec"]["Labels"].get("zane.deployment")
                 for s in self.box.engine.call("GET", "/services") if s["Spec"]["Labels"].get("zane.managed")}
        wanted = self.wanted()
        return [f"swarm has {there}, the database {wanted}"] if there != wanted else []

    def container_leftovers(self):
        """Not asked for after each cell: what a killed engine forgets goes a minute later."""
        found = self.box.engine.call("GET", "/containers/json?all=1")
        names = {c["Labels"].get("com.docker.swarm.service.name", "") for c in found}
        return sorted(n for n in names if n.startswith("srv-") and n not in self.wanted())

    def _volume_leftovers(self):
        there = {v["Name"] for v in self.box.engine.call("GET", "/volumes")["Volumes"] or []
                 if (v["Labels"] or {}).get("zane.managed")}
        kept = self.db.query("select d.snapshot->'volumes' from deployment d join service s on s.id = d.service_id"
                             " where d.is_current_production and s.archived_at is null")
        wanted = {f"vol-{part_of(v['id'])}" for (volumes,) in kept for v in volumes or []}
        return [f"volumes {there ^ wanted}: engine {there}, database {wanted}"] if there != wanted else []

    def _config_leftovers(self):
        return [f"config {c['Spec']['Name']}" for c in self.box.engine.call("GET", "/configs") if c["ID"] not in self.configs]

    def routed(self):
        return self.db.query("select s.id, d.hash, lower(d.slot), d.snapshot->'urls' from service s join deployment d"
                             " on d.hash = s.routed_hash where s.archived_at is null")

    def _edge_leftovers(self):
        wanted = {}
        for id_, hash_, slot, urls in self.routed():
            part = part_of(id_)
            wanted |= {f"{part}.hash": hash_, f"{part}.slot": slot}
            wanted |= {f"{part}.{u['associated_port']}": f"srv-{part}-{slot}:{u['associated_port']}" for u in urls}
        there = {p.name: p.read_text() for p in (self.box.state / "edge").iterdir() if p.is_file()}
        return [f"edge file {n}: {there.get(n)!r}, by the database {wanted.get(n)!r}"
                for n in sorted(there.keys() | wanted.keys()) if there.get(n) != wanted.get(n)]

    def _caddy_leftovers(self):
        config = unix_request(self.box.run_dir / "caddy/admin.sock", "GET", "/config/")[2].decode()
        there = set(re.findall(r'"([a-z0-9-]+\.%s)"' % re.escape(APP_HOST), config))
        wanted = {u["domain"] for *_, urls in self.routed() for u in urls}
        return [f"proxy has routes of {there}, the database of {wanted}"] if there != wanted else []

    def serves_production(self, service):
        """The site is answered by what the database calls production, and that is the routed version."""
        production = service.production()
        assert self.db.one("select routed_hash from service where id = %s", (service.id,)) == production

        def answered():
            answer = self.box.open_site(service.domain)
            return answer.status == 200 and answer.headers["x-zane-dpl-hash"] == production
        wait_until(answered, 30, f"{service.domain} served by {production}")

    # --- what is written down of a cell that failed -------------------------------------------------
    def proxy(self):
        """Networks that the proxy is attached to as the engine says, and its interfaces as they are."""
        box = self.box.engine.call("GET", f"/containers/{self.box.container_of('zn-caddy')}/json")
        shown = self.box.engine.inside(["nsenter", "-t", str(box["State"]["Pid"]), "-n", "ip", "-br", "address"]).stdout
        return {n: e["IPAddress"] for n, e in box["NetworkSettings"]["Networks"].items()}, shown.splitlines()

    def report(self, row, column, why):
        parts = {"why": why, "components": self.box.components()}
        for name, make in (("deployments", lambda: self.db.rows("select hash, service_id, slot, status, status_reason, step,"
                            " is_current_production, queued_at, finished_at from deployment order by queued_at desc limit 6")),
                           ("leases", lambda: self.db.rows("select * from deploy_slot")),
                           ("outbox", lambda: self.db.rows("select * from outbox order by id desc limit 6")),
                           ("open workflows", self.open_workflows), ("leftovers", self.leftovers), ("proxy", self.proxy)):
            try:
                parts[name] = make()
            except Exception as e:  # noqa: BLE001 the platform may be in any state
                parts[name] = repr(e)
        text = json.dumps(parts, indent=1, default=str)
        for component in ("zaned-worker", "zaned-api", "temporal"):
            text += f"\n--- {component}\n{self.box.logs_of(component, 120)}"
        folder = ROOT / "build/faults"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row}-{column}.txt").write_text(text + "\n--- supervisor\n" + self.box.supervisor_log(8000))


UNFINISHED = {"outbox": "select * from outbox where done_at is null", "leases": "select * from deploy_slot",
              "unfinished deployments": "select hash, status, step from deployment where finished_at is null or step is not null"}
COMPONENT = {"worker": "zaned-worker", "api": "zaned-api", "temporal": "temporal", "postgres": "postgres"}


def part_of(id_):
    return id_.rsplit("_", 1)[-1].lower()


class Cell:
    """Runs one cell; raises AssertionError with what was wrong. The table gets a line either way."""

    def __init__(self, world, row, column):
        self.world, self.row, self.column = world, row, column

    def __enter__(self):
        self.began = time.monotonic()
        return self

    def done(self, text):
        self.world.table.note(self.row, self.column, f"{text} {time.monotonic() - self.began:.0f} s")

    def __exit__(self, kind, e, trace):
        if e is not None:
            self.world.table.note(self.row, self.column, f"WRONG: {str(e).splitlines()[0] if str(e) else kind.__name__}")
            self.world.report(self.row, self.column, str(e))


def middle(world, step, fault):
    """None: at the gate, the write not yet committed. Else ms after it, by the seed."""
    if world.random.random() < 0.4:
        return None
    most = MIDDLE_MS.get(step, 80)
    if fault == "cancel" and step != "pull":
        most = 20  # later the next steps are over as well
    return world.random.randint(0, most)


def hit(world, gate, step, fault):
    """Waits for the step and does the fault at it; where exactly, as text."""
    delay = middle(world, step, fault)
    gate.wait()
    if delay is None:
        world.inject(fault, gate)
        return "at"
    gate.open()
    time.sleep(delay / 1000)
    world.inject(fault)
    return f"+{delay} ms"


class Canceller(threading.Thread):
    """The API's cancel call. It waits for the row that the gate holds, so it runs beside the test."""

    def __init__(self, world, service, hash_):
        super().__init__()
        self.world, self.answer = world, None
        self.path = f"{service.path('cancel-deployment')}{hash_}/"

    def run(self):
        self.answer = self.world.box.api("PUT", self.path, {}, ok=())


def cancel(world, service, gate, step, hash_):
    """Cancels at the step; (where, whether the API took it)."""
    call = Canceller(world, service, hash_)
    delay = middle(world, step, "cancel")
    gate.wait()
    if delay is None:
        call.start()
        # Before the gate opens the call is in the database or, where its row is free, done.
        wait_until(lambda: not call.is_alive() or world.db.query(
            "select 1 from pg_stat_activity where application_name = 'zaned-api' and wait_event_type = 'Lock'"), 8,
            "the cancel call at the deployment's row")
        gate.open()
    else:
        gate.open()
        time.sleep(delay / 1000)
        call.start()
    call.join(30)
    assert call.answer is not None, "the cancel call does not return"
    assert call.answer.status in (200, 409), call.answer
    return "at" if delay is None else f"+{delay} ms", call.answer.status == 200


def expected(step, fault, taken):
    """Statuses that a deployment may end with."""
    if fault != "cancel":
        return {"HEALTHY"}
    if not taken:
        return {"HEALTHY"} if step not in SURELY_CANCELLED else set()
    if step in NEVER_CANCELLED:
        return {"HEALTHY"}
    return {"CANCELLED"} if step in SURELY_CANCELLED else {"CANCELLED", "HEALTHY"}


def excused(service, fault, load, since, until):
    """Failed requests that nobody could expect to succeed: while a version that must be alone is exchanged, and
    from the end of the engine until all is at rest again."""
    may = service.keeps or fault == "engine"
    return [f for f in load.failures if not (may and since <= f[0] <= until)]


def well(service, hash_):
    return service.status(hash_) not in ("STARTING", "RESTARTING", "UNHEALTHY")


def deploy_cell(world, step, fault):
    with Cell(world, step, fault) as cell:
        service = world.service(keeps=step in ("resources", "pause"))
        image = world.registry.image(world.box.tags["example"], 8) if step == "pull" else None
        gate = Gate(world.db, service.id, step)
        with Load(world.box, service.domain, "/health", clients=2, pause=0.02) as load:
            taken, since = True, time.time()
            hash_ = service.deploy(image, volumes=int(service.keeps))
            if fault == "cancel":
                where, taken = cancel(world, service, gate, step, hash_)
            else:
                where = hit(world, gate, step, fault)
            status = service.settle(hash_)
            until = time.time()
            if fault == "engine":  # what runs starts again, and the monitor says so meanwhile
                status = wait_until(lambda: service.status(hash_) if well(service, hash_) else None, 90, "healthy again")
            assert status in expected(step, fault, taken), f"ended {status}, {where}"
            world.recover(fault)
            world.check(service, [hash_])
            until = time.time() if fault == "engine" else until
            after = service.newest = service.deploy()
            assert service.ended(after) == "HEALTHY", f"the next deployment ended {service.status(after)}"
            until = time.time() if service.keeps else until
            load.last(20)
        bad = excused(service, fault, load, since, until)
        assert not bad, f"{len(bad)} of {load.requests} requests failed, {where}: " + "; ".join(
            f"{t - since:.2f} s after the call, {t - until:.2f} s after the end: {e}" for t, e in bad[:3])
        service.sound = True
        cell.done(f"{status} {where}")


# --- the other workflows ---------------------------------------------------------------------------------

def asleep(world, service):
    swarm = next(iter(world.box.user_services(service.id)))
    tasks = world.box.engine.call("GET", f'/tasks?filters={{"service":["{swarm}"],"desired-state":["running"]}}')
    return tasks == [] and b"asleep" in world.box.open_site(service.domain).body


def toggle(world, service, state):
    world.box.api("PUT", service.path("toggle-service"), {"desired_state": state}, ok=(202,))


def wish_cell(world, wish, fault):
    with Cell(world, wish, fault) as cell:
        service = Service(world, f"gone-{fault}", True) if wish == "archive" else world.service()
        if wish == "wake":
            toggle(world, service, "stop")
            wait_until(lambda: asleep(world, service), 60, "asleep before")
        gate = Gate(world.db, service.id, "erase" if wish == "archive" else "queued")
        if wish == "archive":
            world.box.api("DELETE", service.path("archive-service/docker"))
        else:
            toggle(world, service, "start" if wish == "wake" else "stop")
        where = hit(world, gate, wish, fault)
        world.recover(fault)
        if wish == "archive":
            wait_until(lambda: not world.db.query("select 1 from service where id = %s", (service.id,)), DEADLINE_S,
                       "the row of the archived service gone")
            world.check(None, [])
            assert world.box.open_site(service.domain).status == 404
            return cell.done(f"gone {where}")
        if wish == "sleep":
            wait_until(lambda: asleep(world, service), DEADLINE_S, "asleep")
            world.check(None, [])
            assert service.status(service.production()) == "SLEEPING"
        else:
            wait_until(lambda: service.status(service.production()) == "HEALTHY", DEADLINE_S, "awake")
            world.check(service, [service.production()])
        service.newest = service.deploy()
        assert service.ended(service.newest) == "HEALTHY"
        service.sound = True
        return cell.done(f"{'SLEEPING' if wish == 'sleep' else 'HEALTHY'} {where}")
