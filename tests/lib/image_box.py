"""Containers of our images in a private engine."""
import json
import socket
import subprocess
import tarfile

CONFINED = {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]}


class Box:
    """One container, confined as the supervisor confines a component unless it is an app's."""

    def __init__(self, engine, facts, binds=(), tmpfs=(), alias=None, env=(), hosts=(), app=False, network="zn-images"):
        self.engine, self.network = engine, network
        networks = {"EndpointsConfig": {network: {"Aliases": [alias] if alias else []}}}
        self.id = engine.call("POST", "/containers/create", {
            "Image": facts["id"], "Env": list(env), "NetworkingConfig": networks, "HostConfig": {
                **({} if app else CONFINED), "Init": True, "Memory": 320 << 20, "NetworkMode": network,
                "Binds": list(binds), "ExtraHosts": list(hosts), "Tmpfs": {path: options for path, options in tmpfs}}})["Id"]
        engine.call("POST", f"/containers/{self.id}/start")

    def inspect(self):
        return self.engine.call("GET", f"/containers/{self.id}/json")

    def healthy(self):
        state = self.inspect()["State"]
        assert state["Running"], f"ended with {state['ExitCode']}: {self.logs()}"
        return state["Health"]["Status"] == "healthy"

    def logs(self):
        return self.all_logs()[-2000:]

    def all_logs(self):
        return self.engine.request("GET", f"/v1.41/containers/{self.id}/logs?stdout=1&stderr=1")[2]

    def address(self):
        return self.inspect()["NetworkSettings"]["Networks"][self.network]["IPAddress"]

    def restart(self):
        self.engine.call("POST", f"/containers/{self.id}/restart?t=20")

    def kill(self):
        self.engine.call("POST", f"/containers/{self.id}/kill")
        self.engine.call("POST", f"/containers/{self.id}/start")

    def uids(self):
        top = self.engine.call("GET", f"/containers/{self.id}/top?ps_args=-eo%20uid,pid,args")
        return {row[0] for row in top["Processes"]}

    def run(self, *argv):
        made = self.engine.call("POST", f"/containers/{self.id}/exec",
                                {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": True})["Id"]
        _, _, out = self.engine.request("POST", f"/v1.41/exec/{made}/start", {"Detach": False, "Tty": True})
        return self.engine.call("GET", f"/exec/{made}/json")["ExitCode"], out.decode(errors="replace")

    def stop(self, seconds=20):
        """Status that the program ended with after a polite stop."""
        self.engine.call("POST", f"/containers/{self.id}/stop?t={seconds}")
        return self.inspect()["State"]["ExitCode"]

    def wait(self):
        """Status that the program ends with by itself."""
        return self.engine.call("POST", f"/containers/{self.id}/wait")["StatusCode"]

    def output(self, stream):
        """stdout or stderr of the container without the frames around it."""
        data = self.engine.request("GET", f"/v1.41/containers/{self.id}/logs?{stream}=1")[2]
        text, at = b"", 0
        while at < len(data):
            size = int.from_bytes(data[at + 4:at + 8], "big")
            text += data[at + 8:at + 8 + size]
            at += 8 + size
        return text.decode(errors="replace")

    def remove(self):
        self.engine.call("DELETE", f"/containers/{self.id}?force=true&v=true", ok=(204, 404))


class Inside:
    """A Python program in the engine's namespaces for as long as the block lasts."""

    def __init__(self, engine, program, *argv):
        self.argv = ["nsenter", "-t", str(engine.process.pid), "-n", "-m", "/usr/bin/python3", "-c", program, *argv]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "ready"
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


def network(engine, name):
    """A bridge network of that name; its gateway's address, where a program of Inside is reached."""
    if engine.request("GET", f"/v1.41/networks/{name}")[0] == 404:
        engine.call("POST", "/networks/create", {"Name": name, "Driver": "bridge"})
    return engine.call("GET", f"/networks/{name}")["IPAM"]["Config"][0]["Gateway"]


def build(root, out, *argv):
    """image/build with these arguments: {name: (archive, facts)} of what is in out afterwards."""
    made = subprocess.run([root / "image/build", "--out", out, *argv], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert made.returncode == 0, made.stdout[-3000:]
    return {p.stem: (p.with_suffix(".tar"), json.loads(p.read_text())) for p in out.glob("*.json")}


def file_of(archive, name):
    """Content of a file in an image archive."""
    with tarfile.open(archive) as image:
        for layer in json.load(image.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                for member in files:
                    if member.name.removeprefix("./") == name:
                        return files.extractfile(member).read()
    raise AssertionError(f"{archive} has no file {name}")


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports
