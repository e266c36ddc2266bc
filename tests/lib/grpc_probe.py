"""tests/integration/c/grpc_probe.c as a process: calls of the C gRPC client and Temporal client from Python."""
import json
import os
import pathlib
import queue
import subprocess
import threading
import time

def build(root):
    """The program, built if need be; ZANE_PROBES names a directory that has it (a sanitizer's, say)."""
    ready = os.environ.get("ZANE_PROBES")
    if ready:
        return pathlib.Path(ready) / "grpc_probe"
    subprocess.run(["make", "-s", "build/probe/temporal/grpc_probe"], cwd=root, check=True,
                   stdout=subprocess.DEVNULL)
    return root / "build/probe/temporal/grpc_probe"


class Probe:
    """Calls can overlap; result() picks the answer of one."""

    def __init__(self, binary, target, *args):
        self.process = subprocess.Popen([binary, target, *map(str, args)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.next_id, self.early, self.lines = 0, {}, queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def command(self, **fields):
        self.next_id += 1
        self.process.stdin.write(json.dumps({"id": self.next_id, **fields}) + "\n")
        self.process.stdin.flush()
        return self.next_id

    def submit(self, path, body="", deadline=10000, **more):
        return self.command(op="submit", path=path, body=body, deadline=deadline, **more)

    def result(self, call, within=30):
        end = time.monotonic() + within
        while call not in self.early:
            line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            assert line is not None, f"the probe ended: {self.process.wait(5)}"
            self.early[line["id"]] = line
        return self.early.pop(call)

    def call(self, path, body="", deadline=10000, **more):
        return self.result(self.submit(path, body, deadline, **more))

    def cancel(self, call):
        self.process.stdin.write(json.dumps({"op": "cancel", "id": call}) + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
            raise
        assert status == 0, f"exit status {status}"

    def client(self, call, workflow="", within=60, **more):
        """One call of zt_client; its answer has ok, code, message, run, status, result, ms."""
        return self.result(self.command(op="client", call=call, workflow=workflow, **more), within)
