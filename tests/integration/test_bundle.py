"""Releases as files: what `make bundle` and `make keys` write, and that the host programs run anywhere."""
import hashlib
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile
import zipfile

import bundle_box
import debian_roots
import pytest
from private_engine import wait_until
from temporal_server import CACHE, ROOT

SIZE_MAX = 300_000_000
SCHEMAS = "cyclonedx-python-lib==11.12.0"  # only the JSON schemas in it are used


def program(name, *argv, check=True, env=None, home=None):
    environ = {k: v for k, v in os.environ.items() if k not in ("ZANE_KEYS", "SOURCE_DATE_EPOCH")}
    done = subprocess.run([ROOT / "image" / name, *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=3000, stdin=subprocess.DEVNULL, env={**environ, **(env or {}), **({"HOME": str(home)} if home else {})})
    assert not check or done.returncode == 0, done.stdout
    return done


def make_keys(folder, *argv, **kw):
    return program("keys", *argv, *(["--no-password"] if "--password-file" not in argv else []), env={"ZANE_KEYS": str(folder)}, **kw)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("release")
    yield made
    for path in made.rglob("*.tar"):
        path.unlink()


@pytest.fixture(scope="module")
def keys(folder):
    make_keys(folder / "keys")
    return folder / "keys"


@pytest.fixture(scope="module")
def bundle(folder, keys):
    out = folder / "one/zane.tar"
    program("bundle", "--keys", keys, "--out", out, "--channel-file")
    return out


@pytest.fixture(scope="module")
def unpacked(bundle, folder):
    subprocess.run(["tar", "-C", bundle.parent, "-xf", bundle], check=True, timeout=120)
    return bundle.parent


@pytest.fixture(scope="module")
def manifest(unpacked):
    return json.loads((unpacked / "manifest.json").read_text())


@pytest.fixture(scope="module")
def sbom(unpacked):
    return json.loads((unpacked / "legal/sbom.cdx.json").read_text())


def sha256(path):
    return subprocess.run(["sha256sum", path], stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout.split()[0]


def verified(public, file, signature):
    """The trusted comment, as minisign's own tool finds it."""
    done = subprocess.run(["minisign", "-V", "-p", public, "-m", file, "-x", signature], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("Trusted comment: ")[1].rstrip("\n")


def refused(public, file, signature):
    argv = ["minisign", "-V", "-q", "-p", public, "-m", file, "-x", signature]
    return subprocess.run(argv, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode != 0


# --- the file -------------------------------------------------------------------------------------------------------------------------

def test_a_second_build_without_the_cache_is_the_same_file(bundle, folder, keys):
    again = folder / "two/zane.tar"
    program("bundle", "--keys", keys, "--out", again, "--no-cache")
    assert sha256(again) == sha256(bundle)


def test_entries_stand_in_the_order_of_the_manifest(bundle, manifest):
    with tarfile.open(bundle) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == ["manifest.json", "manifest.json.minisig", *(a["path"] for a in manifest["artifacts"])]
    paths = [a["path"] for a in manifest["artifacts"]]
    assert paths == sorted(paths), "an order that does not depend on the file system"
    assert {m.type for m in members} == {tarfile.REGTYPE}
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}
    assert {m.mode for m in members} == {0o644, 0o755}
    assert [(m.mode, m.size) for m in members[2:]] == [(a["mode"], a["size"]) for a in manifest["artifacts"]]
    assert max(len(m.name) for m in members) < 100
    raw = bundle.read_bytes()[:512]
    assert raw[257:265] == b"ustar\00000"


def test_every_artifact_is_what_the_manifest_says(unpacked, manifest):
    for a in manifest["artifacts"]:
        assert sha256(unpacked / a["path"]) == a["sha256"], a["path"]


def test_every_image_is_the_one_of_the_manifest(unpacked, manifest):
    assert sorted(manifest["components"]) == sorted(bundle_box.bundles.COMPONENTS)
    for name, component in manifest["components"].items():
        with tempfile.NamedTemporaryFile(suffix=".tar") as plain:
            subprocess.run(["zstd", "-q", "-d", "-f", unpacked / component["archive"], "-o", plain.name], check=True, timeout=120)
            assert os.path.getsize(plain.name) == component["tar_size"], name
            with tarfile.open(plain.name) as tar:
                config = json.load(tar.extractfile("manifest.json"))[0]["Config"]
                digest = hashlib.sha256(tar.extractfile(config).read()).hexdigest()
        facts = json.loads((unpacked / f"images/{name}.json").read_text())
        assert component["image"] == f"sha256:{digest}" == facts["id"], name


def test_the_manifest_says_what_this_checkout_is(manifest):
    def git(*argv):
        return subprocess.run(["git", "-C", ROOT, *argv], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout.strip()
    newest = max(int(p.name[:4]) for p in (ROOT / "migrations").glob("*.sql"))
    assert (manifest["format"], manifest["product"], manifest["arch"]) == (1, "zane", "amd64")
    assert (manifest["commit"], manifest["created"]) == (git("rev-parse", "HEAD"), int(git("log", "-1", "--format=%ct")))
    assert manifest["schema"]["min"] <= manifest["schema"]["max"] == newest
    assert {a["path"] for a in manifest["artifacts"]} >= {"host/bin/zane", "host/bin/zane-supervisor", "host/libexec/zane",
                                                          "host/lib/ld-linux-x86-64.so.2", "host/rootfs/s6/zane-supervisor/run"}


def test_minisign_accepts_manifest_and_channel_file(unpacked, keys, manifest):
    public, version = keys / "release-1.pub", manifest["version"]
    comment = verified(public, unpacked / "manifest.json", unpacked / "manifest.json.minisig")
    assert comment == f"zane {version} serial {manifest['serial']} stable amd64"
    assert verified(public, unpacked / "stable.json", unpacked / "stable.json.minisig") == "zane channel stable"
    channel = json.loads((unpacked / "stable.json").read_text())
    assert channel["manifest_sha256"] == sha256(unpacked / "manifest.json")
    assert channel["size"] == (unpacked / channel["url"]).stat().st_size
    assert channel["expires"] > channel["published"]


def test_it_is_no_larger_than_a_small_machine_can_take(bundle, manifest):
    print(f"\nbundle: {bundle.stat().st_size / 1e6:.1f} MB")
    for a in sorted(manifest["artifacts"], key=lambda a: -a["size"])[:10]:
        print(f"  {a['size'] / 1e6:6.1f} MB {a['path']}")
    assert bundle.stat().st_size <= SIZE_MAX


@pytest.mark.parametrize("argv, says", [
    (["--set", "colour=red"], "--set colour=red: is KEY=VALUE"),
    (["--set", "created=soon"], "created is a number"),
    (["--serial", "0"], "serial: 0, at least 1"),
    (["--set", "requires_from=7"], "requires_from: 7, at most the serial (1)"),
    (["--set", "schema.min=999"], "schema: min 999 is above max"),
    (["--channel", "nightly"], "no release key of version 1 may sign the channel nightly"),
])
def test_a_wrong_wish_is_named(keys, tmp_path, argv, says):
    done = program("bundle", "--keys", keys, "--out", tmp_path / "x.tar", *argv, check=False)
    assert done.returncode == 1 and says in done.stdout, done.stdout
    assert not list(tmp_path.iterdir())


def test_keys_for_development_are_made_and_keys_that_were_named_are_not(tmp_path):
    done = program("bundle", "--channel", "none", check=False, home=tmp_path)
    assert "making a root and a release key without a password, for development" in done.stdout
    assert (tmp_path / ".zane-keys/keys/1.json").exists()
    done = program("bundle", "--keys", tmp_path / "empty", check=False)
    assert done.returncode == 1 and "no keys in" in done.stdout and not (tmp_path / "empty").exists()


# --- keys -----------------------------------------------------------------------------------------------------------------------------

def test_the_first_version_is_signed_by_its_root(keys):
    assert verified(keys / "root-1.pub", keys / "keys/1.json", keys / "keys/1.json.minisig") == "zane keys 1"
    assert keys.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in keys.glob("*.key")} == {0o600}
    text = json.loads((keys / "keys/1.json").read_text())
    assert text["roots"] == [(keys / "root-1.pub").read_text().splitlines()[1]]
    assert text["releases"] == [{"key": (keys / "release-1.pub").read_text().splitlines()[1], "channels": ["stable"]}]
    assert (text["format"], text["version"], text["floors"]) == (1, 1, {"stable": 0})


def test_keys_are_not_overwritten(keys):
    before = {p: p.read_bytes() for p in keys.rglob("*") if p.is_file()}
    done = make_keys(keys, check=False)
    assert done.returncode == 1 and "holds keys already" in done.stdout
    assert {p: p.read_bytes() for p in keys.rglob("*") if p.is_file()} == before


def test_a_rotation_is_signed_by_the_old_root_and_the_new_one(tmp_path):
    make_keys(tmp_path)
    make_keys(tmp_path, "rotate", "--root", "--release", "--floor", "stable=7")
    file = tmp_path / "keys/2.json"
    assert verified(tmp_path / "root-2.pub", file, tmp_path / "keys/2.json.minisig") == "zane keys 2"
    assert verified(tmp_path / "root-1.pub", file, tmp_path / "keys/2.json.previous.minisig") == "zane keys 2"
    assert refused(tmp_path / "root-1.pub", file, tmp_path / "keys/2.json.minisig")
    text = json.loads(file.read_text())
    assert (text["version"], text["floors"]) == (2, {"stable": 7})
    assert text["roots"] == [(tmp_path / "root-2.pub").read_text().splitlines()[1]]
    make_keys(tmp_path, "rotate", "--release")
    third = tmp_path / "keys/3.json"
    assert verified(tmp_path / "root-2.pub", third, tmp_path / "keys/3.json.minisig") == "zane keys 3"
    assert verified(tmp_path / "root-2.pub", third, tmp_path / "keys/3.json.previous.minisig") == "zane keys 3"
    assert json.loads(third.read_text())["floors"] == {"stable": 7}


def test_a_bundle_carries_the_rotations_and_is_signed_by_the_newest_key(tmp_path):
    keys = bundle_box.test_keys(tmp_path / "keys")
    keys.rotate(new_root=True, new_release=True)
    made = bundle_box.make_bundle(tmp_path, keys=keys)
    with tarfile.open(made.path) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path / "out")
    assert names[:5] == ["manifest.json", "manifest.json.minisig", "keys/2.json", "keys/2.json.minisig", "keys/2.json.previous.minisig"]
    manifest, signature = tmp_path / "out/manifest.json", tmp_path / "out/manifest.json.minisig"
    assert verified(tmp_path / "keys/release-2.pub", manifest, signature) == "zane 0.2.0 serial 2 stable amd64"
    assert refused(tmp_path / "keys/release-1.pub", manifest, signature)


def test_the_root_may_be_elsewhere(tmp_path):
    keys, offline = tmp_path / "keys", tmp_path / "offline"
    make_keys(keys, "--roots", offline)
    assert (offline / "root-1.key").exists() and not (keys / "root-1.key").exists()
    done = make_keys(keys, "rotate", "--release", check=False)
    assert done.returncode == 1 and f"no secret root key of version 1 in {keys}" in done.stdout
    assert not (keys / "release-2.key").exists()
    make_keys(keys, "rotate", "--release", "--roots", offline)
    assert (keys / "release-2.key").exists()


def test_keys_with_a_password(tmp_path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("open\n")
    wrong.write_text("shut\n")
    keys = tmp_path / "keys"
    make_keys(keys, "--password-file", right)
    done = make_keys(keys, "rotate", "--floor", "stable=3", "--password-file", wrong, check=False)
    assert done.returncode == 1 and "Wrong password" in done.stdout
    done = make_keys(keys, "rotate", "--floor", "stable=3", check=False)
    assert done.returncode == 1 and "has a password" in done.stdout
    assert not (keys / "keys/2.json").exists()
    make_keys(keys, "rotate", "--floor", "stable=3", "--password-file", right)
    assert verified(keys / "root-1.pub", keys / "keys/2.json", keys / "keys/2.json.minisig") == "zane keys 2"


def test_keys_do_not_lie_in_the_checkout():
    done = make_keys(ROOT / "build/keys", check=False)
    assert done.returncode == 1 and "inside the checkout" in done.stdout and not (ROOT / "build/keys").exists()


def test_a_password_is_asked_for_where_there_is_a_terminal_only(tmp_path):
    done = program("keys", env={"ZANE_KEYS": str(tmp_path / "k")}, check=False)
    assert done.returncode == 1 and "no terminal to ask for a password on" in done.stdout


# --- the host programs ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie", None])
def test_host_programs_run_whatever_the_machine_has(unpacked, suite):
    """None is a root without any libc."""
    with debian_roots.root(suite) as inside:
        release = inside / "var/lib/zane/releases/1"
        release.mkdir(parents=True)
        subprocess.run(["cp", "-a", unpacked / "host", release], check=True, timeout=60)
        (inside / "var/lib/zane/current").symlink_to("releases/1")
        at = "/var/lib/zane/current/host/bin"
        for name in sorted(p.name for p in (release / "host/bin").iterdir()):
            done = debian_roots.run(inside, f"{at}/{name}", "--help")
            assert done.returncode == 0 and f"usage: {name}" in done.stdout, (name, done)
        done = debian_roots.run(inside, f"{at}/zane", "status")
        assert done.returncode == 2 and "zane-supervisor is not running" in done.stderr, done
        done = debian_roots.run(inside, f"{at}/zane-supervisor", "--config")
        assert done.returncode == 0 and "/var/lib/zane" in done.stdout, done
        done = debian_roots.run(inside, f"{at}/zane", "no-such-command", "with space", "")
        assert done.returncode == 64, done


def test_a_launcher_outside_of_a_release_says_so(unpacked, tmp_path):
    (tmp_path / "zane").write_bytes((unpacked / "host/bin/zane").read_bytes())
    (tmp_path / "zane").chmod(0o755)
    done = subprocess.run([tmp_path / "zane"], stderr=subprocess.PIPE, text=True, check=False, timeout=20)
    assert done.returncode == 127 and "belongs into the folder host/bin of a release" in done.stderr


def test_the_supervisor_is_seen_by_its_name(unpacked):
    argv = [unpacked / "host/bin/zane-supervisor"]
    with tempfile.TemporaryDirectory(prefix="zn-run-") as short:  # paths of sockets are short
        box = pathlib.Path(short)
        environ = {**os.environ, "ZANE_STATE": str(box / "state"), "ZANE_RUN": str(box / "run"), "ZANE_ENGINE": str(box / "none"),
                   "ZANE_COMPONENTS": "valkey"}
        with open(box / "log", "wb") as log, subprocess.Popen(argv, stdout=log, stderr=log, env=environ) as p:
            proc = pathlib.Path("/proc", str(p.pid))
            try:
                wait_until((box / "run/supervisor.sock").exists, 20, "the supervisor's socket")  # past launcher and loader
                assert (proc / "comm").read_text() == "zane-supervisor\n"
                assert (proc / "cmdline").read_bytes().split(b"\0")[0] == str(argv[0]).encode()
                assert f"ZN_HOST_DIR={unpacked}/host".encode() in (proc / "environ").read_bytes().split(b"\0")
            finally:
                p.terminate()
        assert p.returncode == 0, (box / "log").read_text()


# --- what the law asks for ------------------------------------------------------------------------------------------------------------

def schemas():
    """The published JSON schemas of the SBOM's format, by file name."""
    home = CACHE / "test-programs" / SCHEMAS.replace("==", "-")
    if not list(home.glob("*.whl")):
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", home / "venv"], check=True, timeout=120)
        subprocess.run([home / "venv/bin/pip", "download", "-q", "--no-deps", "-d", home, SCHEMAS], check=True, timeout=300)
    with zipfile.ZipFile(next(home.glob("*.whl"))) as wheel:
        return {pathlib.PurePath(n).name: json.loads(wheel.read(n)) for n in wheel.namelist()
                if n.endswith(".schema.json")}


def test_the_sbom_is_valid(sbom):
    import jsonschema
    known = schemas()
    base = "http://cyclonedx.org/schema/"
    schema = known["bom-1.5.SNAPSHOT.schema.json"]
    resolver = jsonschema.RefResolver(schema["$id"], schema, store={base + name: text for name, text in known.items()})
    jsonschema.Draft7Validator(schema, resolver=resolver).validate(sbom)


def test_the_sbom_names_everything(sbom, manifest):
    parts = {c["bom-ref"]: c for c in sbom["components"]}
    depends = {d["ref"]: d["dependsOn"] for d in sbom["dependencies"]}
    assert sorted(depends["zane"]) == sorted(["host", *(f"image/{n}" for n in manifest["components"])])
    for name, component in manifest["components"].items():
        assert parts[f"image/{name}"]["hashes"][0]["content"] == component["image"].removeprefix("sha256:")
    for owner, purl in (("image/caddy", "pkg:golang/github.com/caddyserver/caddy/v2@"), ("image/loki", "pkg:golang/github.com/grafana/loki/v3@"),
                        ("image/temporal", "pkg:golang/go.temporal.io/server@"), ("image/fluentd", "pkg:gem/fluentd@"),
                        ("image/fluentd", "pkg:deb/debian/libruby"), ("image/postgres", "pkg:deb/debian/postgresql-17@"),
                        ("image/valkey", "pkg:deb/debian/valkey-server@"), ("image/zaned", "pkg:npm/react@"),
                        ("image/zaned", "pkg:deb/debian/libmicrohttpd"), ("host", "pkg:deb/debian/libsodium23@")):
        assert [p for p in depends[owner] if p.startswith(purl)], (owner, purl)
    assert not [p for p in parts if "libllvm" in p], "its files are removed from the image"
    without = [p for p, c in parts.items() if not c.get("hashes")]
    assert [p for p in without if not p.startswith("pkg:golang/std@")] == []
    assert all(p in parts for refs in depends.values() for p in refs)


def test_licence_texts_and_the_offer_of_source(unpacked):
    text = subprocess.run(["zstd", "-q", "-d", "-c", unpacked / "legal/licences.txt.zst"], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=60).stdout
    for part in ("github.com/grafana/loki/v3 v3", "GNU AFFERO GENERAL PUBLIC LICENSE", "fluentd 1", "react ", "postgresql-17 ",
                 "/usr/share/common-licenses/GPL-2"):
        assert part in text, part
    missing = text.partition("Came without a text of its own:")[2].split("\n")[2:]
    print(f"\nwithout a text of their own: {[m for m in missing if m]}")
    assert len([m for m in missing if m]) <= 12
    offer = (unpacked / "legal/source-offer.txt").read_text()
    version = json.loads((unpacked / "images/loki.json").read_text())["version"]
    assert f"Grafana Loki {version}" in offer and "$" not in offer
    assert version in (unpacked / "legal/loki/go.mod").read_text()
