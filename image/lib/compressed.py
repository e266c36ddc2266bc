"""Compressed image archives, kept beside the image cache by the hash of what was compressed.

zstd's output depends on its version and level, and not on how many threads work; the version is part of the name.
"""
import os
import subprocess

import archive
from machine import CACHE

LEVEL, THREADS, KEEP, DEADLINE = 9, 2, 4, 1200


def zstd_version():
    return subprocess.run(["zstd", "-q", "-VV"], stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout.split("\n")[0].strip()


def zstd(source, target):
    subprocess.run(["zstd", "-q", "-f", f"-{LEVEL}", f"-T{THREADS}", str(source), "-o", str(target)], check=True, timeout=DEADLINE)


def compressed(name, tar, use_cache=True, sha256=None):
    """The path of tar, compressed; its sha256 is hashed anew unless the caller has just done so."""
    folder = CACHE / "compressed"
    folder.mkdir(parents=True, exist_ok=True)
    key = f"{sha256 or archive.file_sha256(tar)}-{LEVEL}-{zstd_version()}"
    kept = folder / f"{name}-{key}.tar.zst"
    if not (use_cache and kept.exists()):
        made = folder / f".{name}.{os.getpid()}"
        try:
            zstd(tar, made)
            made.replace(kept)
        finally:
            made.unlink(missing_ok=True)
    kept.touch()  # asked for now: not what is forgotten first
    for path in sorted(folder.glob(f"{name}-*.tar.zst"), key=lambda p: -p.stat().st_mtime)[KEEP:]:
        path.unlink(missing_ok=True)
    return kept
