"""The whole platform in a private engine, and a client of its public API. Helper names are what a
user does: deploy, open_site, search_logs."""
import http.cookies
import json
import os
import pathlib
import secrets
import subprocess
import time

import netns
from private_engine import PrivateEngine, unix_request, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
APP_HOST = "zane.localhost"
HTTP_PORT, HTTPS_PORT = 80, 443
FINAL = {"HEALTHY", "FAILED", "CANCELLED", "REMOVED", "SLEEPING", "UNHEALTHY"}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


class Platform:
    """Boots zane-supervisor inside a private engine's namespaces."""

    def __init__(self, images, env=None):
        self.engine = PrivateEngine()
        self.images = pathlib.Path(images)
        self.state = self.engine.root / "state"
        self.run_dir = self.engine.root / "run"
        self.extra = env or {}
        self.process = None
        self.ns = None
        self.cookies = {}

    # --- life -------------------------------------------------------------------------------
    def environment(self):
        return {**os.environ, "ZANE_STATE": str(self.state), "ZANE_RUN": str(self.run_dir),
                "ZANE_ENGINE": str(self.engine.socket), "ZANE_IMAGES": str(self.images),
                "ZANE_ROOT_DOMAIN": APP_HOST, "ZANE_HTTP_PORT": str(HTTP_PORT),
                "ZANE_HTTPS_PORT": str(HTTPS_PORT), **self.extra}

    def start_engine(self):
        self.engine.start()
        self.ns = netns.Namespace(self.engine.process.pid)
        return self

    def start_supervisor(self):
        log = open(self.engine.root / "supervisor.log", "ab")
        self.process = subprocess.Popen(
            ["nsenter", "-t", str(self.engine.process.pid), "-n", "-m", str(ROOT / "build/zane-supervisor")],
            env=self.environment(), stdout=log, stderr=log, start_new_session=True)
        return self

    def supervisor_log(self, n=4000):
        path = self.engine.root / "supervisor.log"
        return path.read_text(errors="replace")[-n:] if path.exists() else ""

    def health(self):
        status, _, body = unix_request(self.run_dir / "supervisor.sock", "GET", "/v1/health", timeout=5)
        assert status == 200, body
        return json.loads(body)

    def wait_ready(self, deadline=240):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"supervisor ended with {self.process.returncode}: {self.supervisor_log()}")
            state = self.health()
            return state if state["ready"] else None
        try:
            return wait_until(ready, deadline, "platform ready")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{json.dumps(self.components(), indent=1)}\n{self.supervisor_log()}") from e

    def gate_state(self):
        """Of the latest run of the supervisor's gate."""
        return json.loads(unix_request(self.run_dir / "supervisor.sock", "GET", "/v1/gate")[2])

    def gate_end(self, deadline=240):
        return wait_until(lambda: (s := self.gate_state())["state"] != "running" and s, deadline, "end of the gate")

    def gate(self, query="", deadline=240):
        """Runs it; the last state."""
        status, _, body = unix_request(self.run_dir / "supervisor.sock", "POST", "/v1/gate" + query)
        assert status == 202, body
        return self.gate_end(deadline)

    def components(self):
        try:
            return {c["id"]: (c["state"], c["health"]) for c in self.health()["components"]}
        except (OSError, AssertionError, KeyError) as e:
            return repr(e)

    def zane(self, *argv, check=True):
        done = subprocess.run(["nsenter", "-t", str(self.engine.process.pid), "-n", "-m", str(ROOT / "build/zane"),
                               *argv], env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120)
        if check:
            assert done.returncode == 0, done.stdout
        return done

    def stop(self):
        if self.ns:
            self.ns.close()
        self.engine.stop()  # takes the supervisor with it
        if self.process:
            self.process.wait(30)

    # --- HTTP -------------------------------------------------------------------------------
    def request(self, method, path, body=None, host=APP_HOST, headers=None, timeout=30, port=HTTP_PORT):
        conn = netns.Connection(self.ns, port, timeout)
        headers = {"Host": host, **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            conn.request(method, path, body=body, headers=headers)
            return Answer(conn.getresponse())
        finally:
            conn.close()

    def api(self, method, path, body=None, ok=(200, 201, 202, 204), headers=None):
        """A call as the browser makes it: session cookie, CSRF cookie and header."""
        head = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **(headers or {})}
        if "csrftoken" in self.cookies:
            head["X-CSRFToken"] = self.cookies["csrftoken"]
        head.setdefault("Origin", f"http://{APP_HOST}")
        answer = self.request(method, f"/api{path}", body, headers=head)
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        if ok:
            assert answer.status in ok, f"{method} {path}: {answer}"
        return answer

    # --- what a user does ---------------------------------------------------------------------
    def first_admin(self):
        self.username, self.password = "admin", "Aa1!" + secrets.token_hex(8)
        token = (self.state / "secrets/setup_token").read_text().strip()
        self.api("GET", "/csrf/")
        self.api("POST", "/auth/create-initial-user/",
                 {"username": self.username, "password": self.password, "setup_token": token}, ok=(201,))
        return self.login()

    def login(self):
        self.cookies.clear()
        self.api("GET", "/csrf/")
        self.api("POST", "/auth/login/", {"username": self.username, "password": self.password}, ok=(201,))
        return self

    def deploy(self, service, wait=True, deadline=90, ok=(200, 201), **body):
        made = self.api("PUT", f"/deploys/{service}/", body, ok=ok).json()
        return self.wait_deployment(service, made["hash"], deadline) if wait else made

    def deployment(self, service, hash_):
        return self.api("GET", f"/projects/default/production/service-details/{service}/deployments/{hash_}/",
                        ok=(200,)).json()

    def deployments(self, service):
        return self.api("GET", f"/projects/default/production/service-details/{service}/deployments/",
                        ok=(200,)).json()["results"]

    def wait_deployment(self, service, hash_, deadline=90):
        def ended():
            d = self.deployment(service, hash_)
            return d if d["finished_at"] else None
        try:
            return wait_until(ended, deadline, f"end of deployment {hash_} of {service}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.deployment(service, hash_)}\n{self.logs_of('zaned-worker')}") from e

    def open_site(self, domain, path="/", method="GET", **kw):
        return self.request(method, path, host=domain, **kw)

    def search_logs(self, **query):
        """All lines that match, over all pages, in order of time."""
        from urllib.parse import urlencode
        lines, cursor = [], None
        while True:
            params = {**query, "order": "asc", "per_page": 100, **({"cursor": cursor} if cursor else {})}
            page = self.api("GET", "/search/logs/?" + urlencode(params, doseq=True), ok=(200,)).json()
            lines += page["results"]
            cursor = page["next"]
            if not cursor:
                return lines

    # --- the engine underneath ----------------------------------------------------------------
    def container_of(self, swarm_service):
        filters = json.dumps({"label": [f"com.docker.swarm.service.name={swarm_service}"], "status": ["running"]})
        from urllib.parse import quote
        found = self.engine.call("GET", f"/containers/json?filters={quote(filters)}")
        return found[0]["Id"] if found else None

    def next_container(self, component, before, deadline=60):
        """Waits for a component's container that is another one than `before`."""
        return wait_until(lambda: (now := self.container_of(f"zn-{component}")) != before and now, deadline, f"the next {component}")

    def pids_of(self, component):
        """Ids of a component's processes as the machine sees them; the container's first one comes first."""
        container = self.container_of(f"zn-{component}")
        if not container:
            raise ConnectionError(f"{component} does not run")
        top = self.engine.call("GET", f"/containers/{container}/top?ps_args=-eo%20pid,args")
        first = self.engine.call("GET", f"/containers/{container}/json")["State"]["Pid"]
        return sorted({int(row[0]) for row in top["Processes"]}, key=lambda pid: (pid != first, pid))

    def retry(self, component):
        """What an operator does: start it now, and forget how often it has ended."""
        status, _, body = unix_request(self.run_dir / "supervisor.sock", "POST", f"/v1/components/{component}/retry")
        assert status in (200, 202, 204), body

    def kill(self, component):
        """kill -9 of a component's process."""
        container = self.container_of(f"zn-{component}")
        assert container, f"{component} does not run"
        self.engine.call("POST", f"/containers/{container}/kill?signal=KILL")
        return container

    def logs_of(self, component, tail=40):
        container = self.container_of(f"zn-{component}")
        if not container:
            return f"{component} does not run"
        data = self.engine.request("GET", f"/v1.41/containers/{container}/logs?stdout=1&stderr=1&tail={tail}")[2]
        return data.decode(errors="replace")[-4000:]

    def services(self):
        return {s["Spec"]["Name"] for s in self.engine.call("GET", "/services")}

    def user_services(self, service_id=None):
        part = service_id.rsplit("_", 1)[-1].lower() if service_id else ""
        return {n for n in self.services() if n.startswith(f"srv-{part}")}


class Load:
    """Constant load on one site over kept connections, from `clients` threads; notes every failure with the time
    at which its request was sent."""

    def __init__(self, platform, domain, path="/", clients=4, pause=0.005):
        import threading
        self.platform, self.domain, self.path, self.pause = platform, domain, path, pause
        self.stop_flag = threading.Event()
        self.requests, self.failures, self.bodies = 0, [], set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        conn = netns.Connection(self.platform.ns, HTTP_PORT, 15)
        while not self.stop_flag.is_set():
            sent = time.time()
            try:
                conn.request("GET", self.path, headers={"Host": self.domain})
                answer = conn.getresponse()
                answer.read()
                bad = None if answer.status == 200 else answer.status
                if answer.getheader("Connection") == "close":
                    conn.close()
            except OSError as e:
                bad = repr(e)
                conn.close()
            except Exception as e:  # noqa: BLE001 every kind of failure counts
                bad = repr(e)
                conn.close()
            with self.lock:
                self.requests += 1
                if bad:
                    self.failures.append((sent, bad))
            time.sleep(self.pause)
        conn.close()

    def last(self, requests):
        """Goes on until there were so many: on a busy machine few fit into what the load is about."""
        wait_until(lambda: self.requests >= requests, 60, f"{requests} requests")

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop_flag.set()
        for t in self.threads:
            t.join(30)
