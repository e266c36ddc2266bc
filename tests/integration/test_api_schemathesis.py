"""schemathesis over the document that the daemon serves, as each kind of caller: 0 server errors, 0 undocumented statuses,
0 answers of another shape. `make schemathesis` takes longer (ZANE_SCHEMATHESIS=examples per operation)."""
import os
import secrets

import pytest
import schemathesis_run
from daemon import Daemon
from people import member
from supervisor_host import Host

EXAMPLES = int(os.environ.get("ZANE_SCHEMATHESIS", "1"))
SEED = int(os.environ.get("ZANE_SEED") or secrets.randbelow(1 << 31))
# A stream has no end to wait for: test_api_events.py, test_api_feed.py and test_api_tail.py read them. The log store is not there, which is a 503 of its own.
APART = "system_events|events|log_tail|log_search|build_log"
ROOT = schemathesis_run.ROOT
CALLERS = ("anonymous", "guest", "member", "admin", "superuser", "token read", "token deploy", "token admin")


@pytest.fixture(scope="module")
def box():
    supervisor = Host(ROOT / "build").start()
    daemon = Daemon()
    daemon.start(ZN_RATE_ACCOUNT="0", ZN_SUPERVISOR=str(supervisor.run / "view/view.sock"))
    daemon.admin = daemon.first_admin()
    made = daemon.admin.put("/api/deploys/web", {"image": "app:1", "port": 80, "env": {"A": "b"}})
    assert made.status == 201, made
    # Before anything else: a run without a session uses up what its address may do without one.
    daemon.callers = {who: headers_of(daemon, who) for who in (*CALLERS, "leaving", "reader")}
    yield daemon
    status = daemon.stop()
    supervisor.close()
    assert status == 0, f"zaned ended with {status}"


def session(client):
    return {"Cookie": "; ".join(f"{k}={v}" for k, v in client.cookies.items()), "X-CSRFToken": client.cookies["csrftoken"]}


def token(client, scope):
    made = client.post("/api/tokens/", {"name": f"{scope} {secrets.token_hex(3)}", "scope": scope})
    assert made.status == 201, made
    return {"Authorization": f"Bearer {made.json()['token']}"}


def headers_of(box, who):
    project, = box.postgres.query("select id from project where slug = 'default'")[0]
    roles = {"guest": (10, [project]), "member": (30, []), "admin": (40, []), "leaving": (40, []), "reader": (30, [])}
    if who == "anonymous":
        return {}
    if who in roles:
        return session(member(box, *roles[who]))
    if who.startswith("token"):
        return token(box.admin, who.split()[1])
    return session(box.admin)


def check(box, headers, **how):
    passed, output = schemathesis_run.run(box.port, headers, EXAMPLES, SEED, **how)
    assert box.process.poll() is None, "zaned is gone"
    assert passed, f"ZANE_SEED={SEED}\n{output[-8000:]}"


@pytest.mark.parametrize("who", CALLERS)
def test_everything_that_is_answered_is_documented(box, who):
    ends = "" if who in ("anonymous", "token read") else f"|{schemathesis_run.ENDS}"
    check(box, box.callers[who], without=f"^({APART}{ends})$")


def test_what_ends_sessions_and_accounts(box):
    """After the first of them most answers are 401: that is documented as well."""
    check(box, box.callers["leaving"], only=f"^({schemathesis_run.ENDS})$", phases="examples,coverage,fuzzing")


def test_logs_without_a_log_store(box):
    check(box, box.callers["reader"], only="^(log_search|build_log)$", phases="coverage",
          checks=schemathesis_run.CHECKS[1:])
