"""What an image or the host programs are made of, written down while they are built: Debian packages, Go modules, gems
and npm packages with versions, checksums and licence texts. image/bundle makes the SBOM and the licence file of it."""
import base64
import hashlib
import json
import pathlib
import re
import subprocess
import tarfile
import urllib.parse

RECORDS = "usr/share/doc/.packages"  # what apt knew of every package when a Debian root was made
LICENCE_FILE = re.compile(r"^(licen[sc]e|copying|copyright|notice|unlicense)([-._].*)?$", re.I)
COMMON = "usr/share/common-licenses/"  # the long texts that copyright files only name
DEADLINE = 300


def quoted(text):
    return urllib.parse.quote(text, safe="~")


class Parts:
    """The list, without doubles, and the texts by their hash."""

    def __init__(self):
        self.found, self.texts, self.common = {}, {}, {}

    def add(self, purl, name, version, hashes, texts=(), licences=()):
        ids = []
        for text in texts:
            text = text.replace("\r\n", "\n").strip("\n") + "\n"
            key = hashlib.sha256(text.encode()).hexdigest()
            self.texts[key] = text
            ids.append(key)
        self.found[purl] = {"purl": purl, "name": name, "version": version, "hashes": hashes, "texts": sorted(set(ids)),
                            "licences": sorted(set(licences))}

    def write(self, path):
        used = {key for part in self.found.values() for key in part["texts"]}
        path.write_text(json.dumps({"parts": [self.found[k] for k in sorted(self.found)],
                                    "texts": {k: self.texts[k] for k in sorted(used)}, "common": self.common}, sort_keys=True) + "\n", encoding="utf-8")


def sha256(hexadecimal):
    return {"SHA-256": hexadecimal}


def stanzas(text):
    for block in re.split(r"\n\n+", text.strip()):
        yield dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", block, re.M))


class DebianRoot:
    """The packages of a Debian root (as a tar): apt's records and the copyright files, which images do without."""

    def __init__(self, tar):
        self.copyright, self.records, self.common = {}, {}, {}
        with tarfile.open(tar) as archive:
            for info in archive:
                name = info.name.removeprefix("./")
                m = re.fullmatch(r"usr/share/doc/([^/]+)/copyright", name)
                if info.isreg() and (m or name == RECORDS or name.startswith(COMMON)):
                    text = archive.extractfile(info).read().decode("utf-8", "replace")
                    if name.startswith(COMMON):
                        self.common[name.removeprefix(COMMON)] = text
                    elif m:
                        self.copyright[m[1]] = text
                    else:
                        self.records = {(r["Package"], r["Version"]): r for r in stanzas(text)}
        self.by_source = {}
        for (package, _), record in sorted(self.records.items()):
            if package in self.copyright:
                self.by_source.setdefault(self.source(record), self.copyright[package])

    @staticmethod
    def source(record):
        return record.get("Source", record["Package"]).split(" ")[0]

    def add(self, parts, package, version, suite):
        record = self.records[package, version]
        # A package whose documents are a link to another one's has its text from that: both are of one source.
        parts.common = self.common
        text = self.copyright.get(package) or self.by_source.get(self.source(record))
        parts.add(f"pkg:deb/debian/{quoted(package)}@{quoted(version)}?arch={record['Architecture']}&distro={suite}", package, version,
                  sha256(record["SHA256"]), [text] if text else [])


def debian(parts, tar, root, suite):
    """The packages of root of which something is still there."""
    known = DebianRoot(tar)
    for status in stanzas((root / "var/lib/dpkg/status").read_text(encoding="utf-8")):
        info = root / "var/lib/dpkg/info"
        names = [info / f"{status['Package']}.list", info / f"{status['Package']}:{status['Architecture']}.list"]
        listed = next((p.read_text(encoding="utf-8").splitlines() for p in names if p.exists()), [])
        if any((root / line.lstrip("/")).is_file() or (root / line.lstrip("/")).is_symlink() for line in listed if line.count("/") > 1):
            known.add(parts, status["Package"], status["Version"], suite)


def debian_files(parts, tar, root, paths, suite):
    """The packages of root that these files (paths on this machine) belong to."""
    known = DebianRoot(tar)
    owned = {}
    for path in (root / "var/lib/dpkg/info").glob("*.list"):
        for line in path.read_text(encoding="utf-8").splitlines():
            owned[line] = path.name.removesuffix(".list").split(":")[0]
    versions = {s["Package"]: s["Version"] for s in stanzas((root / "var/lib/dpkg/status").read_text(encoding="utf-8"))}
    for path in paths:
        inside = "/" + str(path.relative_to(root))
        package = owned.get(inside) or owned.get(inside.removeprefix("/usr")) or owned["/usr" + inside]
        known.add(parts, package, versions[package], suite)


def machine_package(parts, package):
    """A package of this machine of which something was linked in statically."""
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ${Architecture}", package], stdout=subprocess.PIPE, text=True,
                           check=True, timeout=30).stdout
    version, arch = asked.split()
    text = pathlib.Path("/usr/share/doc", package, "copyright")
    hashes = {}
    shown = subprocess.run(["apt-cache", "show", f"{package}={version}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           check=False, timeout=60).stdout
    for record in stanzas(shown):
        if record.get("SHA256"):
            hashes = sha256(record["SHA256"])
    parts.add(f"pkg:deb/debian/{quoted(package)}@{quoted(version)}?arch={arch}", package, version, hashes,
              [text.read_text(encoding="utf-8", errors="replace")] if text.exists() else [])


def licence_texts(folder):
    return [p.read_text(encoding="utf-8", errors="replace") for p in sorted(folder.iterdir()) if p.is_file() and LICENCE_FILE.match(p.name)]


def go_binary(parts, go, env, path, names):
    """The modules in a Go program, replaced ones by what replaced them, and the standard library."""
    said = subprocess.run([*go, "version", "-m", path], stdout=subprocess.PIPE, text=True, check=True, env=env, timeout=DEADLINE).stdout
    modules = []
    for line in said.splitlines()[1:]:
        fields = line.split("\t")[1:]
        if fields[0] in ("mod", "dep") and len(fields) > 3 and fields[3]:
            modules.append(fields[1:4])
        elif fields[0] == "dep":
            modules.append(None)  # the next line names what replaced it
        elif fields[0] == "=>":
            modules.append(fields[1:4])
    cache = pathlib.Path(go_env(go, env, "GOMODCACHE"))
    for module in filter(None, modules):
        name, version, h1 = module
        folder = cache / (re.sub("[A-Z]", lambda m: "!" + m[0].lower(), f"{name}@{version}"))
        parts.add(f"pkg:golang/{urllib.parse.quote(name)}@{quoted(version)}", name, version,
                  sha256(base64.b64decode(h1.removeprefix("h1:")).hex()), licence_texts(folder))
    home = pathlib.Path(go_env(go, env, "GOROOT"))
    version = names["GO_VERSION"].removeprefix("go")
    parts.add(f"pkg:golang/std@{version}", "std", version, {}, licence_texts(home))


def go_env(go, env, name):
    return subprocess.run([*go, "env", name], stdout=subprocess.PIPE, text=True, check=True, env=env, timeout=60).stdout.strip()


def gems(parts, sums, folder):
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, file = line.split()
        full = file.removesuffix(".gem")
        name, version = re.fullmatch(r"(.+?)-(\d[^-]*)(?:-.+)?", full).groups()
        spec = folder / f"specifications/{full}.gemspec"
        listed = re.search(r"\.licenses = \[(.*?)\]", spec.read_text(encoding="utf-8")) if spec.exists() else None
        home = folder / "gems" / full
        parts.add(f"pkg:gem/{quoted(name)}@{quoted(version)}", name, version, sha256(digest),
                  licence_texts(home) if home.is_dir() else [], re.findall(r'"([^"]+)"', listed[1]) if listed else [])


def npm(parts, lock, licences):
    """The packages that are built into the dashboard: the same as web/licences.ts, whose texts these are."""
    sections = re.split(r"\n\n-{78}\n\n", licences.read_text(encoding="utf-8").strip())
    texts = {section.split("\n", 1)[0]: section for section in sections}
    for path, p in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        if not path or p.get("dev") or p.get("optional"):
            continue
        name = re.sub(r"^.*node_modules/", "", path)
        alg, _, digest = p["integrity"].partition("-")
        text = texts.get(f"{name} {p['version']}")
        parts.add(f"pkg:npm/{urllib.parse.quote(name)}@{quoted(p['version'])}", name, p["version"],
                  {{"sha512": "SHA-512", "sha256": "SHA-256", "sha1": "SHA-1"}[alg]: base64.b64decode(digest).hex()},
                  [text] if text else [], [p["license"]] if p.get("license") else [])
