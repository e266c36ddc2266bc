"""Writes this version's histories of the product's workflows, which tests/unit/workflows/test_histories.c replays for ever:
`/usr/bin/python3 tests/e2e/record_histories.py`, with a whole platform in a private engine (some minutes)."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "tests/e2e")]

import histories  # noqa: E402
import image_box  # noqa: E402
from conftest import boot  # noqa: E402
from platform_db import Database  # noqa: E402
from private_engine import wait_until  # noqa: E402
from test_workflows import PLACE, temporal  # noqa: E402


class Recorder:
    def __init__(self, box):
        self.box, self.database = box, Database(box)
        self.app = {"image": box.tags["example"], "health_check_path": "/health"}

    def save(self, workflow, name):
        """Waits for the end of the workflow first."""
        wait_until(lambda: temporal(self.box, "wait", workflow) == 0, 120, workflow)
        file = histories.folder("workflows") / f"{name}.pb"
        assert temporal(self.box, "events", workflow, file) == 0, workflow
        print(f"{name}: {workflow}", flush=True)

    def deploy(self, service, name, status="HEALTHY", **body):
        done = self.box.deploy(service, **{**self.app, **body})
        assert done["status"] == status, done
        self.save(f"deploy-{done['hash']}", name)

    def cancel(self, service, name, step, **body):
        made = self.box.deploy(service, wait=False, **{**self.app, **body})
        wait_until(lambda: self.box.deployment(service, made["hash"])["step"] == step, 60, step)
        self.box.api("PUT", f"{PLACE}/cancel-deployment/{service}/{made['hash']}/", {})
        assert self.box.wait_deployment(service, made["hash"])["status"] == "CANCELLED"
        self.save(f"deploy-{made['hash']}", name)

    def started(self, kind):
        """Id of the newest workflow of a kind, as the outbox has it, once that was delivered."""
        sql = ("select payload->>'workflow_id', done_at is not null from outbox where payload->>'workflow_type' ="
               f" '{kind}' order by id desc limit 1")

        def delivered():
            rows = self.database.query(sql)
            return rows[0][0] if rows and rows[0][1] else None
        return wait_until(delivered, 30, kind)

    def toggle(self, service, state):
        self.box.api("PUT", f"{PLACE}/toggle-service/{service}/", {"desired_state": state}, ok=(202,))

    def all(self):
        self.deploy("web", "deploy-first", port=8080, domain="web.zane.localhost")
        self.deploy("web", "deploy-second", port=8080, domain="web.zane.localhost")
        self.deploy("web", "deploy-absent-image", "FAILED", image="zane-no-such-image:1")
        self.cancel("web", "deploy-cancelled-in-health", "health", port=9999)
        self.deploy("quiet", "deploy-without-url", image=self.box.tags["logger"], health_check_path=None,
                    env={"LINES": "1000000", "RATE": "1"})
        volume = {"volumes": [{"name": "data", "container_path": "/data"}]}
        self.deploy("store", "deploy-with-volume", port=8080, **volume)
        self.deploy("store", "deploy-stop-first", port=8080, **volume)
        self.deploy("store", "deploy-stop-first-fails", "FAILED", port=8080,
                    env={"PORT": "70000"}, **volume)  # it crashes; the version before runs again
        for state in ("stop", "start"):
            self.toggle("web", state)
            self.save(self.started("toggle_service"), f"toggle-{state}")
        self.box.api("DELETE", f"{PLACE}/archive-service/docker/quiet/", ok=(204,))
        self.save(self.started("archive_service"), "archive-service")
        self.box.api("POST", "/projects/", {"slug": "short"}, ok=(201,))
        self.box.api("POST", "/projects/short/create-environment/", {"name": "staging"}, ok=(201,))
        for n in range(3):
            self.box.api("PUT", f"/deploys/app{n}/", {**self.app, "port": 8080, "project": "short", "environment": "staging"})
        self.box.api("DELETE", "/projects/short/environment-details/staging/", ok=(204,))
        self.save(self.started("archive_environment"), "archive-environment")
        self.box.api("DELETE", "/projects/short/", ok=(204,))
        self.save(self.started("archive_project"), "archive-project")


def main():
    image_box.build(ROOT, ROOT / "build/images", "--all")
    recipes = [arg for n in ("nginx", "radicale", "logger") for arg in ("--recipe", ROOT / "tests/e2e/images" / n)]
    made = image_box.build(ROOT, ROOT / "build/user-images", *recipes)
    box = boot(ROOT / "build/images", made)
    try:
        Recorder(box).all()
    finally:
        box.stop()


if __name__ == "__main__":
    main()
