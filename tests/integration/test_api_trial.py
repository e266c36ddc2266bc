"""While an upgrade is on trial the API is read only: zaned api with the file that says so."""
import base64
import json
import pathlib

import pytest
from daemon import PASSWORD, Daemon

SENTENCE = "An upgrade is being checked; changes are accepted again in a moment."


@pytest.fixture(scope="module")
def daemon():
    d = Daemon()
    d.trial = pathlib.Path(d.root / "trial")
    d.start(ZN_TRIAL=str(d.trial))
    yield d
    d.stop()


@pytest.fixture(scope="module")
def admin(daemon):
    return daemon.first_admin()


@pytest.fixture
def trial(daemon, admin):
    daemon.trial.touch()
    yield
    daemon.trial.unlink(missing_ok=True)


def refused(answer):
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, answer
    assert answer.json() == {"type": "server_error",
                             "errors": [{"code": "upgrading", "detail": SENTENCE, "attr": None}]}, answer
    return True


def test_what_is_there_can_be_read(admin, trial):
    for path in ("/api/auth/me/", "/api/projects/", "/api/csrf/", "/healthz", "/readyz"):
        assert admin.get(path).status == 200, path


def test_nothing_is_changed(daemon, admin, trial):
    before = daemon.postgres.query("select count(*) from project")
    assert refused(admin.post("/api/projects/", {"slug": "late"}))
    assert refused(admin.delete("/api/projects/default/"))
    assert refused(admin.delete("/api/auth/logout/"))
    assert refused(daemon.client().post("/api/auth/login/", {"username": "admin", "password": PASSWORD}))
    assert refused(daemon.client().put("/api/deploy-service/docker/no-such-token/"))  # a webhook
    assert admin.get("/api/auth/me/").status == 200, "who is logged in stays so"
    assert daemon.postgres.query("select count(*) from project") == before


def test_other_methods_and_paths_say_what_they_always_say(admin, trial):
    assert admin.call("OPTIONS", "/api/projects/").status == 405
    assert admin.post("/api/nothing/", {}).status == 404
    assert admin.call("DELETE", "/api/projects/").status == 405


def test_log_lines_are_taken(daemon, trial):
    """They are in no database that would be put back. (There is no log store here: it says so.)"""
    basic = {"Authorization": "Basic " + base64.b64encode(f"zane:{daemon.secrets['ingest_token']}".encode()).decode()}
    assert daemon.client().post("/api/logs/ingest/", [], headers=basic).status == 200
    asked = daemon.client().get("/api/_gate/logs/?nonce=" + "0" * 32, headers=basic)
    assert asked.status == 503 and asked.errors() == [(None, "unavailable")], asked


def test_the_gates_question_names_what_is_wrong_with_it(daemon, admin):
    basic = {"Authorization": "Basic " + base64.b64encode(f"zane:{daemon.secrets['ingest_token']}".encode()).decode()}
    for query in ("", "?nonce=0123", "?nonce=" + "x" * 32, "?nonce=" + "0" * 65):
        a = daemon.client().get("/api/_gate/logs/" + query, headers=basic)
        assert a.status == 400 and a.errors()[0][0] == "nonce", a
    assert admin.get("/api/_gate/logs/?nonce=" + "0" * 32).status == 403


def test_afterwards_everything_is_accepted_again(daemon, admin):
    once = {"Idempotency-Key": "the-same-request"}
    daemon.trial.touch()
    assert refused(admin.post("/api/projects/", {"slug": "after"}, headers=once))
    daemon.trial.unlink()
    a = admin.post("/api/projects/", {"slug": "after"}, headers=once)
    assert a.status == 201 and a.json()["slug"] == "after", json.dumps(a.json())
