"""schemathesis over the API's own document, as one caller after the other."""
import re
import subprocess
import sys

from daemon import APP_DOMAIN
from temporal_server import CACHE, ROOT  # noqa: F401: for its users

TOOL = "schemathesis==4.32.5"
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance")
# What would end the caller's own session, account or token: the rest of its run would only see 401.
ENDS = ("logout|change_password|update_profile|reset_password|workspace_(switch|delete|leave|transfer)|"
        "console_(user|workspace)_(update|delete|transfer)|member_(remove|permissions)|token_.*|session_.*|totp_.*")


def program():
    """Installed once, in the cache."""
    home = CACHE / "test-programs" / TOOL.replace("==", "-")
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-q", "--disable-pip-version-check", TOOL], check=True)
        (home / "ready").touch()
    return home / "bin/schemathesis"


def run(port, headers, examples, seed, only=None, without=None, phases="examples,coverage,fuzzing,stateful", checks=CHECKS, seconds=600):
    """(passed, output): every answer has a documented status and the documented shape, and none is a 5xx."""
    url = f"http://127.0.0.1:{port}"
    argv = [program(), "run", f"{url}/api/openapi.json", "--url", url, "--checks", ",".join(checks), "--phases", phases,
            "--max-examples", str(examples), "--seed", str(seed), "--workers", "1", "--request-timeout", "20",
            "--continue-on-failure", "--no-color", "--warnings", "off", "--suppress-health-check", "all",
            "-H", f"Host: {APP_DOMAIN}"]
    for name, value in headers.items():
        argv += ["-H", f"{name}: {value}"]
    if only:
        argv += ["--include-operation-id-regex", only]
    if without:
        argv += ["--exclude-operation-id-regex", without]
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
                          cwd="/tmp")
    return done.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
