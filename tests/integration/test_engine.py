"""The facts about the engine that the platform is built on, checked against a real one."""
import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from private_engine import wait_until

SERVER_C = r"""
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void stop(int n) { (void)n; _exit(0); }
int main(void) {
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(8080) };
    struct sigaction act = { .sa_handler = stop };
    int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
    sigaction(SIGTERM, &act, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (void *)&sa, sizeof sa) || listen(s, 16)) return 1;
    for (;;) { int c = accept(s, 0, 0); char b[512];
        const char *r = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if (read(c, b, sizeof b) > 0 && write(c, r, strlen(r)) < 0) return 2;
        close(c); } }
"""


def add(tar, name, data, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="module")
def image(engine, tmp_path_factory):
    """A one-file image, made without an engine; its id is known before loading."""
    work = tmp_path_factory.mktemp("image")
    (work / "s.c").write_text(SERVER_C)
    subprocess.run(["gcc", "-static", "-O2", "-o", work / "s", work / "s.c"], check=True)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        add(tar, "server", (work / "s").read_bytes(), 0o755)
    diff = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/server"], "User": "1000"},
                         "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]}}).encode()
    image_id = hashlib.sha256(config).hexdigest()
    with tarfile.open(work / "image.tar", "w") as tar:
        add(tar, f"{image_id}.json", config)
        add(tar, "layer.tar", layer.getvalue())
        add(tar, "manifest.json", json.dumps([{"Config": f"{image_id}.json", "RepoTags": ["zn-test:1"],
                                               "Layers": ["layer.tar"]}]).encode())
    engine.load_image(work / "image.tar")
    return f"sha256:{image_id}"


def create_service(engine, name, image, network, **container):
    return engine.call("POST", "/services/create", {
        "Name": name, "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {"ContainerSpec": {"Image": image, "CapabilityDrop": ["ALL"], "ReadOnly": True, **container},
                         "Networks": [{"Target": network}], "RestartPolicy": {"Condition": "none"}}})["ID"]


def running_task(engine, service):
    tasks = engine.call("GET", '/tasks?filters={"service":["%s"]}' % service)
    return next((t for t in tasks if t["Status"]["State"] == "running"), None)


def remove(engine, *services):
    for service in services:
        engine.call("DELETE", f"/services/{service}")


def test_loaded_image_has_the_id_computed_beforehand(engine, image):
    assert engine.call("GET", f"/images/{image}/json")["Id"] == image


def test_service_runs_by_image_id_without_capabilities_or_writable_root(engine, image):
    net = engine.call("POST", "/networks/create", {"Name": "zn-t1", "Driver": "overlay", "Attachable": True})["Id"]
    service = create_service(engine, "t1", image, net)
    try:
        task = wait_until(lambda: running_task(engine, service), 30, "task of t1")
        box = engine.call("GET", "/containers/%s/json" % task["Status"]["ContainerStatus"]["ContainerID"])
        assert box["Image"] == image
        assert box["HostConfig"]["ReadonlyRootfs"] and box["HostConfig"]["CapDrop"] == ["ALL"]
    finally:
        remove(engine, service)


def test_running_task_can_be_attached_to_a_network_in_use_and_only_then(engine, image):
    a = engine.call("POST", "/networks/create", {"Name": "zn-t2a", "Driver": "overlay", "Attachable": True})["Id"]
    b = engine.call("POST", "/networks/create", {"Name": "zn-t2b", "Driver": "overlay", "Attachable": True})["Id"]
    proxy = create_service(engine, "t2-proxy", image, a)
    app = None
    try:
        task = wait_until(lambda: running_task(engine, proxy), 30, "proxy task")
        box = task["Status"]["ContainerStatus"]["ContainerID"]
        status, _, body = engine.request("POST", f"/v1.41/networks/{b}/connect", {"Container": box})
        assert status == 404, body
        app = create_service(engine, "t2-app", image, b)
        wait_until(lambda: running_task(engine, app), 30, "app task")
        engine.call("POST", f"/networks/{b}/connect", {"Container": box})
        nets = engine.call("GET", f"/containers/{box}/json")["NetworkSettings"]["Networks"]
        assert {"zn-t2a", "zn-t2b"} <= set(nets)
        assert running_task(engine, proxy)["ID"] == task["ID"], "attaching must not restart the task"
    finally:
        remove(engine, proxy, *([app] if app else []))


def test_absent_image_is_accepted_and_its_task_says_why(engine, image):
    net = engine.call("POST", "/networks/create", {"Name": "zn-t3", "Driver": "overlay", "Attachable": True})["Id"]
    service = create_service(engine, "t3", "sha256:" + "0" * 64, net)
    try:
        def reason():
            tasks = engine.call("GET", '/tasks?filters={"service":["%s"]}' % service)
            return next((t["Status"].get("Err") for t in tasks if t["Status"]["State"] == "rejected"), None)
        assert "No such image" in wait_until(reason, 30, "rejected task")
    finally:
        remove(engine, service)
