"""What a build takes from the machine: the cache, and the Debian site that its apt uses, whatever that is."""
import os
import pathlib
import subprocess

CACHE = pathlib.Path(os.environ.get("ZANE_CACHE", "/var/cache/zane"))


def mirror():
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)|$(ORIGIN)", "Created-By: Packages"], stdout=subprocess.PIPE,
                         text=True, check=True, timeout=60).stdout
    sites = [line.split("|")[0] for line in out.splitlines() if line.endswith("|Debian")]
    plain = [s for s in sites if "security" not in s]
    if not plain:
        raise SystemExit("no Debian archive in apt's configuration; run apt-get update first")
    return plain[0]
