"""Container image archives without an engine: one layer, both the docker and the OCI layout in one tar.

Everything that could differ between two builds of the same tree is fixed: order, times, key order. The
image id is the sha256 of the config, known before any engine sees the archive.
"""
import hashlib
import io
import json
import os
import pathlib
import stat
import tarfile


def _info(path, name):
    st = path.lstat()
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, 0
    if stat.S_ISDIR(st.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(st.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISREG(st.st_mode):
        info.size = st.st_size
    else:
        return None  # sockets and device nodes have no place in an image
    return info


def write_layer(root, target):
    """Packs the tree under root, sorted; hard links stay links. Returns 'sha256:…' of the tar."""
    root, seen = pathlib.Path(root), {}
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*"))
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            path = root / name
            info = _info(path, name)
            if info is None:
                continue
            st = path.lstat()
            if info.isreg() and st.st_nlink > 1:
                first = seen.setdefault(st.st_ino, name)
                if first != name:
                    info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
            if info.isreg() and info.size:
                with open(path, "rb") as f:
                    tar.addfile(info, f)
            else:
                tar.addfile(info)
    return "sha256:" + file_sha256(target)


def file_sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _slow(f)


def _slow(f):
    h = hashlib.sha256()
    while chunk := f.read(1 << 20):
        h.update(chunk)
    return h.hexdigest()


def _canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _blob(data):
    return "blobs/sha256/" + hashlib.sha256(data).hexdigest()


def write_archive(target, layer, diff_id, config, tag):
    """Writes the loadable archive and returns {'id', 'manifest'}: the ids that graph-driver and
    containerd-store engines give the image."""
    image = _canonical({"architecture": "amd64", "os": "linux", "config": config, "created": "1970-01-01T00:00:00Z",
                        "rootfs": {"type": "layers", "diff_ids": [diff_id]}})
    layer_path = "blobs/sha256/" + diff_id.removeprefix("sha256:")
    manifest = _canonical({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(image),
                   "digest": "sha256:" + hashlib.sha256(image).hexdigest()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": diff_id,
                    "size": os.path.getsize(layer)}]})
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    index = _canonical({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(manifest),
         "annotations": {"io.containerd.image.name": "docker.io/library/" + tag,
                         "org.opencontainers.image.ref.name": tag.split(":")[1]}}]})
    docker = _canonical([{"Config": _blob(image), "RepoTags": [tag], "Layers": [layer_path]}])
    small = {"oci-layout": _canonical({"imageLayoutVersion": "1.0.0"}), "index.json": index, "manifest.json": docker,
             _blob(image): image, _blob(manifest): manifest}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("blobs", "blobs/sha256"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name in sorted([*small, layer_path]):
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            if name == layer_path:
                info.size = os.path.getsize(layer)
                with open(layer, "rb") as f:
                    tar.addfile(info, f)
            else:
                info.size = len(small[name])
                tar.addfile(info, io.BytesIO(small[name]))
    return {"id": "sha256:" + hashlib.sha256(image).hexdigest(), "manifest": digest}
