"""The loader and the shared libraries that programs need, found in the root that they were built in."""
import os
import pathlib
import re
import subprocess

LOADER = "ld-linux-x86-64.so.2"
EXTRA = ("libgcc_s.so.1",)  # opened by the C library itself when a thread is cancelled


def needed(root, programs):
    """{file name: path on this machine} of all that the programs (paths inside root) load."""
    root = pathlib.Path(root)
    found = {}
    for program in programs:
        argv = ["ldd", program] if root == pathlib.Path("/") else ["chroot", str(root), "ldd", program]
        said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
        missing = re.findall(r"(\S+) => not found", said)
        if missing:
            raise RuntimeError(f"{program}: {', '.join(missing)} not found")
        for name, path in re.findall(r"^\s*(\S+) => (/\S+) \(", said, re.M):
            found[name] = path
        for path in re.findall(r"^\s*(/\S+) \(", said, re.M):
            found[pathlib.PurePath(path).name] = path
    if LOADER not in found:
        raise RuntimeError(f"{', '.join(map(str, programs))}: not loaded by {LOADER}")
    for name in EXTRA:
        for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"):
            if (root / folder / name).exists():
                found.setdefault(name, f"/{folder}/{name}")
    return {name: resolve(root, path) for name, path in sorted(found.items())}


def resolve(root, path):
    """A path inside root with its links followed inside root."""
    at = root
    for part in pathlib.PurePath(path).parts[1:]:
        at = at / part
        if at.is_symlink():
            target = os.path.normpath(pathlib.PurePath("/", at.parent.relative_to(root), at.readlink()))
            at = resolve(root, target)
    return at
