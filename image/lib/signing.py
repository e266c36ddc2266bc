"""Keys and signatures by the tool minisign, and the folder that holds a project's keys (docs/releases.md).

The folder (ZANE_KEYS), 0700:
  root-N.key, root-N.pub, release-N.key, release-N.pub   made together with version N of the key file
  keys/N.json, keys/N.json.minisig                       signed by a root of version N
  keys/N.json.previous.minisig                           from version 2 on: by a root of version N - 1
The secret root keys may lie elsewhere (on a medium that is not at hand every day): only a new version needs them.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

FOLDER = "~/.zane-keys"  # unless ZANE_KEYS names another
ROTATIONS = 64  # versions that a bundle carries at most
DEADLINE = 60
YEARS = 10
ASK = object()  # a password that minisign asks for on the terminal


class KeyTrouble(Exception):
    """What is wrong with the keys, for people."""


def _minisign(*argv, password=None):
    feed = {} if password is ASK else {"input": f"{password or ''}\n" * 2, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        done = subprocess.run(["minisign", *map(str, argv)], text=True, timeout=None if password is ASK else DEADLINE, check=False, **feed)
    except FileNotFoundError:
        raise KeyTrouble("minisign is not installed: apt-get install minisign") from None
    if done.returncode:
        said = [line for line in (done.stderr or "").splitlines() if line.strip()]
        raise KeyTrouble(f"minisign {argv[0]}: {said[-1] if said else f'ended with {done.returncode}'}")
    return done.stdout


def public_of(path):
    """The one line of base64 that a key file names a key by."""
    return pathlib.Path(path).read_text(encoding="utf-8").splitlines()[1]


def has_password(secret):
    raw = base64.b64decode(pathlib.Path(secret).read_text(encoding="utf-8").splitlines()[1])
    return raw[2:4] != b"\0\0"  # the algorithm that makes a key of the password


def make_pair(folder, name, password=None):
    """name.key and name.pub; without a password where that is None."""
    plain = ["-W"] if password is None else []
    if password is ASK:
        print(f"-- a password for {name}.key", flush=True)
    _minisign("-G", *plain, "-p", folder / f"{name}.pub", "-s", folder / f"{name}.key", password=password)
    os.chmod(folder / f"{name}.key", 0o600)


def sign(secret, file, signature, comment, password=None):
    """Signs file with this trusted comment. The same key, file and comment give the same signature."""
    if has_password(secret):
        if password is None:
            raise KeyTrouble(f"{secret} has a password: name a file that holds it (--password-file)")
        if password is ASK:
            print(f"-- the password of {secret.name}", flush=True)
    else:
        password = None
    _minisign("-S", "-s", secret, "-m", file, "-x", signature, "-t", comment, "-c", "signature of a zane release", password=password)


def verify(public, file, signature):
    """The trusted comment of a good signature; KeyTrouble for a bad one."""
    return _minisign("-V", "-Q", "-P", public, "-m", file, "-x", signature).strip("\n")


def comment_of_manifest(facts):
    return f"zane {facts['version']} serial {facts['serial']} {facts['channel']} {facts['arch']}"


class KeyFolder:
    def __init__(self, path, roots=None, password=None):
        self.path = pathlib.Path(path).expanduser().resolve()
        self.roots = pathlib.Path(roots).expanduser().resolve() if roots else self.path
        self.password = password

    def version(self):
        """The newest version of the key file; 0 where there is none."""
        numbers = [int(p.stem) for p in self.path.glob("keys/*.json") if p.stem.isdecimal()]
        return max(numbers, default=0)

    def key_file(self, version=None):
        return json.loads((self.path / f"keys/{version or self.version()}.json").read_text(encoding="utf-8"))

    def _secret(self, where, wanted, what):
        """The secret key in the folder `where` whose public key is one of `wanted`."""
        for public in sorted(self.path.glob("*.pub")):
            secret = where / public.with_suffix(".key").name
            if public_of(public) in wanted and secret.exists():
                return secret
        raise KeyTrouble(f"no secret {what} key of version {self.version()} in {where}")

    def release_key(self, channel):
        """(secret key, public key) that may sign this channel."""
        if not self.version():
            raise KeyTrouble(f"no keys in {self.path}: make keys")
        wanted = [r["key"] for r in self.key_file()["releases"] if channel in r["channels"]]
        if not wanted:
            raise KeyTrouble(f"no release key of version {self.version()} may sign the channel {channel}")
        secret = self._secret(self.path, wanted, "release")
        return secret, public_of(self.path / secret.with_suffix(".pub").name)

    def create(self, channels, expires=None):
        """Version 1: a root and a release key."""
        if self.version() or any(self.path.glob("*.key")):
            raise KeyTrouble(f"{self.path} holds keys already; `image/keys rotate` makes their next version")
        self._make(1, True, True, {}, channels, expires, {c: 0 for c in channels})

    def rotate(self, new_root=False, new_release=False, floors=None, channels=None, expires=None):
        """The next version, signed by a root of the version before and by one of its own."""
        if not self.version():
            raise KeyTrouble(f"no keys in {self.path}: make keys")
        if self.version() >= ROTATIONS:
            raise KeyTrouble(f"version {self.version()} is the last that a bundle can carry")
        now = self.key_file()
        known = channels or sorted({c for r in now["releases"] for c in r["channels"]})
        unknown = sorted(set(floors or {}) - set(known))
        if unknown:
            raise KeyTrouble(f"floor: there is no channel {unknown[0]}; the channels are {', '.join(known)}")
        kept = {c: n for c, n in now["floors"].items() if c in known}
        self._make(now["version"] + 1, new_root, new_release, now, known, expires, {**{c: 0 for c in known}, **kept, **(floors or {})})

    def _make(self, version, new_root, new_release, before, channels, expires, floors):
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self.roots.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=self.path) as tmp:
            work = pathlib.Path(tmp)
            old_root = self._secret(self.roots, before["roots"], "root") if before else None
            root, release = work / f"root-{version}.key", work / f"release-{version}.key"
            for made, wanted in ((root, new_root), (release, new_release)):
                if wanted:
                    make_pair(work, made.stem, self.password)
            releases = [{"key": public_of(release.with_suffix(".pub")), "channels": channels}] if new_release else \
                [{**r, "channels": channels} for r in before["releases"]]
            file = work / f"{version}.json"
            file.write_text(json.dumps({
                "format": 1, "version": version, "expires": expires or int(time.time()) + YEARS * 365 * 86400,
                "roots": [public_of(root.with_suffix(".pub"))] if new_root else before["roots"],
                "releases": releases, "floors": floors}, indent=1) + "\n", encoding="utf-8")
            sign(root if new_root else old_root, file, work / f"{version}.json.minisig", f"zane keys {version}", self.password)
            if before:
                sign(old_root, file, work / f"{version}.json.previous.minisig", f"zane keys {version}", self.password)
            self._take(work, version)

    def _take(self, work, version):
        """Moves what was made into its place, the key file last: until it is there nothing uses the rest."""
        keys = self.path / "keys"
        keys.mkdir(mode=0o755, exist_ok=True)
        made = sorted(p for p in work.iterdir() if p.name != f"{version}.json") + [work / f"{version}.json"]
        targets = [(p, (keys if ".json" in p.name else self.roots if p.name == f"root-{version}.key" else self.path) / p.name)
                   for p in made]
        for _, target in targets:
            if target.exists():
                raise KeyTrouble(f"{target} is in the way; it belongs to no version of the key file, a run before may have broken off. Look, then remove it")
        for source, target in targets:
            if source.stat().st_dev == target.parent.stat().st_dev:
                os.link(source, target)  # fails where something is
            else:
                with open(target, "xb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                    f.write(source.read_bytes())

    def bundle_files(self):
        """{name in a bundle: path} of the versions after the first, in order."""
        found = {}
        for n in range(2, self.version() + 1):
            for suffix in (".json", ".json.minisig", ".json.previous.minisig"):
                found[f"keys/{n}{suffix}"] = self.path / f"keys/{n}{suffix}"
        return found

    def publish(self, target):
        """The newest key file and its signature, as an installer carries them."""
        target.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".json.minisig"):
            shutil.copyfile(self.path / f"keys/{self.version()}{suffix}", target / f"{self.version()}{suffix}")
