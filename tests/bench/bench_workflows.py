#!/usr/bin/python3
"""`make bench`: the workflow engine's figures, as ratios within one run on one machine.

  overhead  five activities in turn, one workflow at a time and 50 at once: our worker against the official
            Python SDK's, same server, same client; and how long the server sits on a task
  memory    resident memory of a worker while 200 running workflows of some 60 events are signalled at once
  replay    CPU time and instructions for one task of a history of 2,000 events
  queue     200 deployments over 20 services at once, against the engine alone doing the same

Names as arguments choose some of them. Each figure is a line "name target measured ratio"; the run fails if
a target is missed.
"""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / part) for part in ("lib", "e2e", "bench")]

import deploy_queue  # noqa: E402
from deploy_queue import resident_mib  # noqa: E402
from private_engine import wait_until  # noqa: E402
from sdk_programs import sdk_python  # noqa: E402
from temporal_server import TemporalServer  # noqa: E402
from worker_probe import Probe  # noqa: E402

LONE, BURSTS, BURST = 40, 9, 50
ROLLOUTS, ROLLOUT_STEPS = 200, 9
MANY_STEPS = 333  # of six events each
ACTIVITY_THREADS = 8  # as the platform's worker has
TICKS = os.sysconf("SC_CLK_TCK")
missed = []


def figure(name, target, measured, unit="", detail=""):
    """One line; target is the most that it may be, None where there is none."""
    ratio = f"{measured / target:.2f}" if target else "-"
    most = "-" if target is None else target
    print(f"{name:<22} target {most:>5}  measured {round(measured, 3):>9} {unit:<4} ratio {ratio:<5} {detail}", flush=True)
    if target is not None and measured > target:
        missed.append(name)


def program(name):
    subprocess.run(["make", "-s", f"build/bench/temporal/{name}"], cwd=ROOT, check=True)
    return ROOT / "build/bench/temporal" / name


def cpu_s(pid):
    """Processor time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Bench:
    """A server with the product's settings, workers on it and one client, which the official SDK is."""

    def __init__(self):
        self.server = TemporalServer((ROOT / "image/temporal/dynamic.yaml").read_text())
        self.programs = []
        self.client = None

    def __enter__(self):
        self.server.start()
        self.probe = Probe(self.server.target)
        return self

    def __exit__(self, *_):
        for p in self.programs:
            p.stdin.close()
            p.wait(30)
        self.probe.close()
        self.server.stop()

    def begin(self, *argv):
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.programs.append(p)
        return p

    def our_worker(self, queue):
        p = self.begin(program("worker"), self.server.target, queue, str(ACTIVITY_THREADS))
        assert p.stdout.readline() == "ready\n", self.server.log()[-2000:]
        return p

    def sdk_worker(self, queue):
        return self.begin(sdk_python(), ROOT / "tests/bench/sdk.py", self.server.target, "worker", queue)

    def call(self, name, /, **args):
        if not self.client:
            self.client = self.begin(sdk_python(), ROOT / "tests/bench/sdk.py", self.server.target, "client")
        self.client.stdin.write(json.dumps([name, args]) + "\n")
        self.client.stdin.flush()
        line = self.client.stdout.readline()
        assert line, f"the client ended: {self.server.log()[-2000:]}"
        return json.loads(line)

    def start(self, type, queue, ids, input):
        return self.call("start", type=type, queue=queue, ids=ids, input=input)

    def run_five(self, queue, ids):
        done = self.call("run", type="five", queue=queue, ids=ids, input=1)
        assert done["results"] == [6] * len(ids), done
        return done["took"]


# --- overhead ----------------------------------------------------------------------------------------

def overhead():
    with Bench() as b:
        workers = {"ours": b.our_worker("ours"), "sdk": b.sdk_worker("sdk")}
        for queue in workers:  # both warm before anything is timed
            b.run_five(queue, [f"warm-{queue}-{i}" for i in range(10)])
        lone = {queue: [] for queue in workers}
        for i in range(LONE):
            for queue in workers if i % 2 else reversed(workers):
                lone[queue].append(b.run_five(queue, [f"lone-{queue}-{i}"]))
        compare("overhead.lone", 1.0, lone, f"{LONE} alone")
        _, p = (where(b, queue, [f"lone-{queue}-{i}" for i in range(LONE)]) for queue in ("sdk", "ours"))
        figure("overhead.dispatch", 3, (p["workflow_started"] + p["activity_started"]) /
               (p["workflow_completed"] + p["activity_completed"]), "x", "until a worker has the tasks, to their work")
        together(b, workers)


def where(b, queue, ids):
    """What the median run's time went into: waiting for a worker (started), and for its answer (completed)."""
    rows = b.call("waits", ids=ids)
    parts = {part: statistics.median(r[part] for r in rows) for part in rows[0]}
    print(f"  {queue}: " + ", ".join(f"{k} {v:.0f} ms" for k, v in parts.items()), flush=True)
    return parts


def compare(name, target, took, what):
    """Neighbours in time are compared: what else the machine does comes and goes."""
    ratio = statistics.median(a / b for a, b in zip(took["ours"], took["sdk"]))
    ours, sdk = (statistics.median(took[q]) * 1e3 for q in ("ours", "sdk"))
    figure(name, target, ratio, "x", f"median of {what}: {ours:.0f} ms, SDK {sdk:.0f} ms")


def together(b, workers):
    """Many at once. The processor time says who was at work."""
    took = {queue: [] for queue in workers}
    spent = {queue: [] for queue in workers}
    watched = {"server": b.server.process.pid, "client": b.client.pid}
    for i in range(BURSTS):
        for queue in workers if i % 2 else reversed(workers):
            pids = {**watched, "worker": workers[queue].pid}
            before = {k: cpu_s(p) for k, p in pids.items()}
            took[queue].append(b.run_five(queue, [f"burst-{queue}-{i}-{k}" for k in range(BURST)]))
            spent[queue].append({k: cpu_s(p) - before[k] for k, p in pids.items()})
    compare("overhead.burst", 0.8, took, f"{BURSTS} times {BURST} at once")
    for queue in workers:
        parts = {k: statistics.median(s[k] for s in spent[queue]) for k in ("server", "worker", "client")}
        print(f"  {queue}: processor time " + ", ".join(f"{k} {v:.2f} s" for k, v in parts.items()), flush=True)
        where(b, queue, [f"burst-{queue}-{i}-{k}" for i in range(BURSTS) for k in range(BURST)])


# --- memory ------------------------------------------------------------------------------------------

def memory():
    ids = [f"rollout-{i}" for i in range(ROLLOUTS)]
    with Bench() as b:
        pid = b.our_worker("rollouts").pid
        b.start("rollout", "rollouts", ids, ROLLOUT_STEPS)
        # Each step is six events; a task and its timer are the rest.
        waiting = 1 + 6 * ROLLOUT_STEPS + 4
        wait_until(lambda: min(b.call("events", ids=ids)) >= waiting, 600, "all of them wait")
        figure("memory.waiting", 48, resident_mib(pid, "VmRSS"), "MiB", f"{ROLLOUTS} runs of {waiting} events wait")
        before = resident_mib(pid, "VmHWM")
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest counts from here
        b.call("signal", name="go", ids=ids)
        # The signal, its task, the step that it asks for and the task after that.
        wait_until(lambda: min(b.call("events", ids=ids)) >= waiting + 10, 300, "all have done their step")
        figure("memory.at_work", 48, resident_mib(pid, "VmHWM"), "MiB", "highest while all are signalled at once")
        figure("memory.after", 48, resident_mib(pid, "VmRSS"), "MiB", f"highest while they were built up {before:.1f} MiB")


# --- replay ------------------------------------------------------------------------------------------

def instructions(binary, file, times):
    """Of the whole program, by callgrind."""
    r = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, file, str(times)],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", r.stderr)[1])


def replay():
    file, binary = ROOT / "build/bench/many.pb", program("replay")
    with Bench() as b:
        b.our_worker("many")
        b.call("run", type="many", queue="many", ids=["many"], input=MANY_STEPS)
        b.probe.run("events", "many", str(file))
    one = json.loads(subprocess.run([binary, file, "200"], stdout=subprocess.PIPE, check=True).stdout)
    figure("replay.cpu", 10, one["all_ms"], "ms", f"{one['events']} events, median of 200: decode {one['decode_ms']} ms, "
           f"run {one['run_ms']} ms, answer {one['answer_ms']} ms")
    if not shutil.which("valgrind"):
        print("  no valgrind here (apt-get install valgrind): instructions are not counted", flush=True)
        return
    figure("replay.instructions", None, (instructions(binary, file, 3) - instructions(binary, file, 2)) / 1e6, "M")


def queue():
    deploy_queue.measure(figure)


def main():
    parts = {"overhead": overhead, "memory": memory, "replay": replay, "queue": queue}
    for name in sys.argv[1:] or parts:
        parts[name]()
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


main()
