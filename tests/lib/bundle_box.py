"""Bundles for tests: valid ones in a moment, wrong ones on purpose, and whole ones with the real images.

    made = make_bundle(tmp_path, serial=2, version="0.2.0")      # tiny images, tiny host files, keys in tmp_path/keys
    made.path, made.manifest, made.manifest_sha256               # the tar; what was signed
    made.keys                                                    # signing.KeyFolder: made.keys.rotate(new_root=True), …

Bundles of one folder are signed by the same keys; `keys=test_keys(elsewhere)` gives others. What may be asked for:

    channel, requires_from, min_rollback_to, schema, notes, commit, created, postgres_major, temporal
    changes   what else the manifest says: {"arch": "arm64", "components.caddy.image": "sha256:…"}, None removes a
              member; or a function that gets the manifest and changes it. Applied before signing.
    add       more artifacts: {"legal/x.txt": b"…"}, or a pathlib.Path; None leaves one out (also out of the manifest)
    without   components to leave out, e.g. ("fluentd",)
    entries   a function that gets the tar's members [(name, bytes or path, mode)] after signing and returns others:
              one missing, one too many, another order, a changed byte (see `with_byte_changed`)
    comment   another trusted comment of manifest.json.minisig
    signer    another secret key (a path) for it
    images    "tiny", or "real": those of build/images (`make images`), compressed once and kept in ZANE_CACHE
    host      "tiny": shell scripts; "checkout": the launcher with the programs, loader and libraries of this machine
              (`make all` first); "release": the tree that a release has (image/build host)

    channel_file(made, folder)             <channel>.json and .minisig beside a copy (hard link) of the bundle
    lay_out(state, made, current=True)     $ZANE_STATE as after installing it: releases/<serial>, current, keys/. Real
                                           images are hard links to what is kept in the cache.
    key_state(state, keys, version=1)      only $ZANE_STATE/keys with that version trusted
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "image/lib"))
import archive  # noqa: E402
import bundles  # noqa: E402
import compressed  # noqa: E402
import libraries  # noqa: E402
import signing  # noqa: E402

PROGRAMS = ("zane", "zane-supervisor", "zane-job")
CREATED = 1764201600


class Made(typing.NamedTuple):
    path: pathlib.Path
    manifest: dict
    manifest_sha256: str
    keys: signing.KeyFolder
    entries: list

    @property
    def artifacts(self):
        """{path: (bytes or path of its content, mode)}"""
        listed = {a["path"] for a in self.manifest["artifacts"]}
        return {name: (source, mode) for name, source, mode in self.entries if name in listed}


def test_keys(folder, channels=("stable",), **kw):
    """Keys without a password; the ones that are there already if there are."""
    keys = signing.KeyFolder(folder)
    if not keys.version():
        keys.create(list(channels), **kw)
    return keys


def tiny_image(name, text="", version="1"):
    """(archive, facts) of a loadable image that holds one file."""
    with tempfile.TemporaryDirectory(prefix="zn-tiny-") as tmp:
        work = pathlib.Path(tmp)
        (work / "root").mkdir()
        (work / "root/about").write_text(f"{name} {text}\n")
        diff = archive.write_layer(work / "root", work / "layer.tar")
        ids = archive.write_archive(work / "image.tar", work / "layer.tar", diff, {"Cmd": ["/about"]}, f"zane-{name}:{version}")
        data = (work / "image.tar").read_bytes()
    return data, {"name": name, "tag": f"zane-{name}:{version}", **ids, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(),
                  "recipe_hash": hashlib.sha256(f"{name} {text}".encode()).hexdigest(), "version": version}


def squeeze(data):
    return subprocess.run(["zstd", "-q", "-c", "-1"], input=data, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def tiny_images(names, version):
    components, artifacts = {}, []
    for name in names:
        data, facts = tiny_image(name, version, version)
        components[name] = bundles.component(name, facts)
        artifacts += [bundles.Artifact(f"images/{name}.tar.zst", squeeze(data)),
                      bundles.Artifact(f"images/{name}.json", json.dumps(facts, sort_keys=True, indent=1).encode() + b"\n")]
    return components, artifacts


def real_images(names, folder=ROOT / "build/images"):
    components, artifacts = {}, []
    for name in names:
        facts = json.loads((folder / f"{name}.json").read_text())
        components[name] = bundles.component(name, facts)
        kept = compressed.compressed(name, folder / f"{name}.tar", sha256=facts["sha256"])
        artifacts += [bundles.Artifact(f"images/{name}.tar.zst", kept), bundles.Artifact(f"images/{name}.json", folder / f"{name}.json")]
    return components, artifacts


def tiny_host(version):
    script = f"#!/bin/sh\necho \"${{0##*/}} {version}\"\n".encode()
    return [bundles.Artifact(f"host/bin/{name}", script, True) for name in PROGRAMS]


def checkout_host(folder=ROOT / "build"):
    """The programs of this checkout as a release has them, with this machine's loader and libraries."""
    there = [name for name in PROGRAMS if (folder / name).exists()]
    found = libraries.needed("/", [str(folder / name) for name in there])
    return [*(bundles.Artifact(f"host/bin/{name}", folder / "zane-launch", True) for name in there),
            *(bundles.Artifact(f"host/libexec/{name}", folder / name, True) for name in there),
            *(bundles.Artifact(f"host/lib/{name}", path, True) for name, path in found.items())]


def release_host(work):
    """The tree that image/build makes for a release."""
    subprocess.run([ROOT / "image/build", "--out", work, "host"], check=True, stdout=subprocess.DEVNULL, timeout=1800)
    subprocess.run(["tar", "-C", work, "-xf", work / "host.tar"], check=True, timeout=60)
    return [bundles.Artifact(f"host/{p.relative_to(work / 'host')}", p, os.access(p, os.X_OK))
            for p in (work / "host").rglob("*") if p.is_file()]


def checkout_migrations():
    return [bundles.Artifact(f"migrations/{p.name}", p) for p in (ROOT / "migrations").glob("*.sql")]


def apply_changes(manifest, changes):
    if callable(changes):
        changes(manifest)
        return
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        at = manifest
        for name in parents:
            at = at[name]
        if value is None:
            del at[last]
        else:
            at[last] = value


def with_byte_changed(name, at=-1):
    """For `entries`: one byte of that member is another one."""
    def change(entries):
        def altered(source):
            data = bytearray(source if isinstance(source, bytes) else source.read_bytes())
            data[at] ^= 1
            return bytes(data)
        return [(n, altered(s) if n == name else s, m) for n, s, m in entries]
    return change


def facts_of(serial, version, channel, **kw):
    newest = max(int(p.name[:4]) for p in (ROOT / "migrations").glob("*.sql"))
    return {"channel": channel, "version": version, "serial": serial, "commit": "%040x" % serial, "created": CREATED + serial,
            "requires_from": 1, "min_rollback_to": 1, "schema": {"min": newest, "max": newest}, "postgres_major": 17,
            "temporal": "1.31", "notes": f"What is new in {version}.", **kw}


def make_bundle(folder, serial=2, version=None, channel="stable", changes=None, keys=None, add=None, without=(), entries=None,
                comment=None, signer=None, images="tiny", host="tiny", **kw):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    version = version or f"0.{serial}.0"
    keys = keys or test_keys(folder / "keys", (channel,))
    names = [n for n in bundles.COMPONENTS if n not in without]
    components, artifacts = real_images(names) if images == "real" else tiny_images(names, version)
    if host == "release":
        artifacts += release_host(folder / f".host-{serial}")
    else:
        artifacts += checkout_host() if host == "checkout" else tiny_host(version)
    artifacts += checkout_migrations() + [bundles.Artifact("legal/licences.txt", b"none\n")]
    artifacts = [a for a in artifacts if a.path not in (add or {})]
    artifacts += [bundles.Artifact(path, source) for path, source in (add or {}).items() if source is not None]
    manifest = bundles.manifest_of(facts_of(serial, version, channel, **kw), components, artifacts)
    apply_changes(manifest, changes)
    text = bundles.manifest_bytes(manifest)
    secret = signer or keys.release_key(channel)[0]
    signature = bundles.sign_bytes(text, comment or signing.comment_of_manifest(manifest), secret)
    members = bundles.entries_of(text, signature, keys.bundle_files(), artifacts)
    target = folder / bundles.file_name(version)
    bundles.write_tar(target, entries(members) if entries else members)
    return Made(target, manifest, hashlib.sha256(text).hexdigest(), keys, members)


def channel_file(made, folder, published=None, expires=None, changes=None):
    """What a channel's address serves; returns the folder."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    link_or_copy(made.path, folder / made.path.name)
    published = published or made.manifest["created"]
    text = bundles.channel_file(made.manifest, made.manifest_sha256, made.path.stat().st_size, made.path.name, published,
                                expires or published + 10 * 365 * 86400)
    apply_changes(text, changes)
    bundles.write_channel(folder, made.manifest["channel"], text, made.keys)
    return folder


def link_or_copy(source, target):
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def key_state(state, keys, version=1):
    folder = pathlib.Path(state) / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".json.minisig"):
        shutil.copyfile(keys.path / f"keys/{version}{suffix}", folder / f"{version}{suffix}")
    (folder / "current").unlink(missing_ok=True)
    (folder / "current").symlink_to(f"{version}.json")


def lay_out(state, made, current=True, key_version=1):
    """releases/<serial> as `zane-job stage` leaves it, and with `current` what a commit adds; returns its path."""
    release = pathlib.Path(state) / "releases" / str(made.manifest["serial"])
    members = {"manifest.json": (made.entries[0][1], 0o644), "manifest.json.minisig": (made.entries[1][1], 0o644), **made.artifacts}
    for name, (source, mode) in members.items():
        target = release / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(source, bytes) and name.startswith("images/") and source.stat().st_mode & 0o777 == mode:
            link_or_copy(source, target)
            continue
        target.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        target.chmod(mode)
    if current:
        for link, to in (("current", f"releases/{made.manifest['serial']}"), ("bin/zane", "../current/host/bin/zane")):
            at = pathlib.Path(state) / link
            at.parent.mkdir(parents=True, exist_ok=True)
            at.unlink(missing_ok=True)
            at.symlink_to(to)
        key_state(state, made.keys, key_version)
        lifecycle = pathlib.Path(state) / "lifecycle"
        lifecycle.mkdir(exist_ok=True)
        (lifecycle / "serial").write_text(json.dumps({made.manifest["channel"]: made.manifest["serial"]}) + "\n")
    return release
