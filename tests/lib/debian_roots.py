"""Roots of Debian releases to run programs in, kept in the cache; and one with nothing in it at all."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from temporal_server import CACHE, ROOT

sys.path.insert(0, str(ROOT / "image/lib"))
from machine import mirror  # noqa: E402

CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin")


def archive(suite):
    kept = CACHE / "test-programs" / f"root-{suite}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_name(f".{kept.name}.{os.getpid()}.tar")
        subprocess.run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", suite, made, mirror()], check=True, timeout=900,
                       env={**os.environ, "SOURCE_DATE_EPOCH": "0", "DEBIAN_FRONTEND": "noninteractive"})
        made.rename(kept)
    return kept


@contextlib.contextmanager
def root(suite):
    """A folder with that release, or with suite None an empty one; /proc is mounted in it."""
    with tempfile.TemporaryDirectory(prefix="zn-root-") as folder:
        inside = pathlib.Path(folder)
        inside.chmod(0o755)
        if suite:
            subprocess.run(["tar", "-C", inside, "--exclude=./dev/*", "-xf", archive(suite)], check=True, timeout=300)
        (inside / "proc").mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "proc", "proc", inside / "proc"], check=True, timeout=30)
        try:
            yield inside
        finally:
            subprocess.run(["umount", inside / "proc"], check=True, timeout=30)


def run(inside, *argv):
    return subprocess.run([CHROOT, inside, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
                          env={"PATH": "/usr/bin:/bin"})
