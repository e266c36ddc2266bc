"""Bundles: the manifest, its signature, and the tar that carries them and the artifacts (docs/releases.md).

Everything that could differ between two bundles of the same content is fixed here: order, owners, times, key order.
"""
import hashlib
import io
import json
import pathlib
import tarfile
import tempfile
import typing

import archive
import signing

PRODUCT, ARCH, FORMAT = "zane", "amd64", 1
COMPONENTS = ("caddy", "postgres", "valkey", "loki", "fluentd", "temporal", "zaned", "example")
NAME_MAX, MANIFEST_MAX, SIGNATURE_MAX, KEYS_MAX = 99, 1 << 20, 16 << 10, 64 << 10
MEMBER_MAX = (1 << 33) - 1  # what the size field of a ustar header holds


class BundleTrouble(Exception):
    """What cannot be made into a bundle, for people."""


class Artifact(typing.NamedTuple):
    path: str
    source: typing.Union[pathlib.Path, bytes]
    executable: bool = False

    @property
    def mode(self):
        return 0o755 if self.executable else 0o644

    def entry(self):
        """What the manifest says of it."""
        data = self.source
        size, digest = (len(data), hashlib.sha256(data).hexdigest()) if isinstance(data, bytes) else \
            (data.stat().st_size, archive.file_sha256(data))
        return {"path": self.path, "size": size, "sha256": digest, "mode": self.mode}


def file_name(version):
    return f"{PRODUCT}-{version}-{ARCH}.tar"


def component(name, facts):
    """What the manifest says of an image; facts as image/build writes them."""
    return {"image": facts["id"], "version": facts["version"], "archive": f"images/{name}.tar.zst", "tar_size": facts["size"]}


def check(name, size, limit=MEMBER_MAX):
    if len(name.encode()) > NAME_MAX:
        raise BundleTrouble(f"{name}: the name has more than {NAME_MAX} bytes")
    if size > limit:
        raise BundleTrouble(f"{name}: {size} bytes, at most {limit}")


def manifest_of(facts, components, artifacts):
    """The manifest as an object. The artifacts stand in the order of their names."""
    listed = [a.entry() for a in sorted(artifacts, key=lambda a: a.path)]
    for before, entry in zip([None, *listed], listed):
        check(entry["path"], entry["size"])
        if before and before["path"] == entry["path"]:
            raise BundleTrouble(f"{entry['path']}: twice in the bundle")
    return {"format": FORMAT, "product": PRODUCT, "arch": ARCH, **facts, "components": components, "artifacts": listed}


def manifest_bytes(manifest):
    return json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def entries_of(manifest, signature, key_files, artifacts):
    """The members of the tar in their order: (name, path or bytes, mode)."""
    found = [("manifest.json", manifest, 0o644), ("manifest.json.minisig", signature, 0o644)]
    found += [(name, pathlib.Path(path).read_bytes(), 0o644) for name, path in key_files.items()]
    check("manifest.json", len(manifest), MANIFEST_MAX)
    check("manifest.json.minisig", len(signature), SIGNATURE_MAX)
    for name, data, _ in found[2:]:
        check(name, len(data), KEYS_MAX)
    return found + [(a.path, a.source, a.mode) for a in sorted(artifacts, key=lambda a: a.path)]


def write_tar(target, entries):
    made = target.with_name(target.name + ".new")
    with tarfile.open(made, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, source, mode in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(source, bytes):
                info.size = len(source)
                tar.addfile(info, io.BytesIO(source))
            else:
                info.size = source.stat().st_size
                with open(source, "rb") as f:
                    tar.addfile(info, f)
    made.replace(target)


def sign_bytes(data, comment, secret, password=None):
    with tempfile.TemporaryDirectory(prefix="zn-sign-") as tmp:
        file, signature = pathlib.Path(tmp, "file"), pathlib.Path(tmp, "signature")
        file.write_bytes(data)
        signing.sign(secret, file, signature, comment, password)
        return signature.read_bytes()


def channel_file(manifest, manifest_sha256, size, url, published, expires):
    return {"format": FORMAT, "product": PRODUCT, "arch": manifest["arch"], "channel": manifest["channel"], "serial": manifest["serial"],
            "version": manifest["version"], "url": url, "manifest_sha256": manifest_sha256, "size": size, "notes": manifest["notes"],
            "published": published, "expires": expires}


def write(target, facts, components, artifacts, keys):
    """Writes a signed bundle; the manifest and its sha256."""
    secret, _ = keys.release_key(facts["channel"])
    manifest = manifest_of(facts, components, artifacts)
    text = manifest_bytes(manifest)
    signature = sign_bytes(text, signing.comment_of_manifest(manifest), secret, keys.password)
    write_tar(target, entries_of(text, signature, keys.bundle_files(), artifacts))
    return manifest, hashlib.sha256(text).hexdigest()


def write_channel(folder, channel, text, keys):
    """<channel>.json and its signature."""
    secret, _ = keys.release_key(channel)
    data = json.dumps(text, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"
    signature = sign_bytes(data, f"zane channel {channel}", secret, keys.password)
    for name, content in ((f"{channel}.json", data), (f"{channel}.json.minisig", signature)):
        made = folder / f".{name}.new"
        made.write_bytes(content)
        made.replace(folder / name)
