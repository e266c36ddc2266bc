"""tests/integration/c/worker_probe.c as processes: a worker of ours, and single calls of our client."""
import os
import subprocess

import histories


class Probe:
    """worker_probe on one server; serve() gives workers that can be killed."""

    def __init__(self, target):
        self.target, self.workers = target, []
        self.binary = histories.probe()

    def run(self, *argv, timeout=150, **env):
        r = subprocess.run([self.binary, self.target, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=timeout, env={**os.environ, **env})
        assert r.returncode == 0, f"{argv}: {r.stdout}{r.stderr}"
        return r.stdout

    def serve(self, *how):
        worker = subprocess.Popen([self.binary, self.target, "serve", *how], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.workers.append(worker)
        return worker

    def events(self, workflow):
        return [tuple(map(int, line.split())) for line in self.run("events", workflow).splitlines()]

    def count(self, workflow, kind, cause=None):
        return sum(1 for _, k, c in self.events(workflow) if k == kind and cause in (None, c))

    def close(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.communicate()


def stop(worker):
    """Ends a worker as an operator would; it must drain and end by itself."""
    _, log = worker.communicate(timeout=20)
    assert worker.returncode == 0, log
