"""The SBOM (CycloneDX 1.5, JSON) and the file of licence texts, from what image/lib/parts.py wrote down."""
import datetime
import hashlib
import json
import uuid

SPDX = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Python-2.0", "Ruby", "Unlicense", "Zlib"}
LINE = "=" * 100


def hashes(of):
    return [{"alg": alg, "content": content} for alg, content in sorted(of.items())]


def licences(names):
    return [{"license": {"id" if name in SPDX else "name": name}} for name in names]


def library(part):
    found = {"type": "library", "bom-ref": part["purl"], "name": part["name"], "version": part["version"], "purl": part["purl"]}
    if part["hashes"]:
        found["hashes"] = hashes(part["hashes"])
    if part["licences"]:
        found["licenses"] = licences(part["licences"])
    return found


def merged(groups):
    """{purl: part} of all groups."""
    return {part["purl"]: part for _, parts in groups for part in parts["parts"]}


def document(version, created, groups):
    """groups: [(component of ours, its parts)]."""
    everything = merged(groups)
    product = {"type": "application", "bom-ref": "zane", "name": "zane", "version": version}
    depends = [{"ref": "zane", "dependsOn": sorted(own["bom-ref"] for own, _ in groups)}]
    depends += [{"ref": own["bom-ref"], "dependsOn": sorted(p["purl"] for p in parts["parts"])} for own, parts in groups]
    body = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"timestamp": datetime.datetime.fromtimestamp(created, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "component": product},
            "components": [own for own, _ in groups] + [library(everything[purl]) for purl in sorted(everything)],
            "dependencies": depends}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}", **body}


def image(name, facts):
    return {"type": "container", "bom-ref": f"image/{name}", "name": f"zane-{name}", "version": facts["version"],
            "hashes": hashes({"SHA-256": facts["id"].removeprefix("sha256:")})}


def host(facts):
    return {"type": "application", "bom-ref": "host", "name": "zane-host", "version": facts["version"],
            "hashes": hashes({"SHA-256": facts["sha256"]})}


def licence_file(groups):
    """Each text once, with all that it came with."""
    everything = merged(groups)
    texts = {key: text for _, parts in groups for key, text in parts["texts"].items()}
    users, without = {}, []
    for part in everything.values():
        label = f"{part['name']} {part['version']}" + (f" ({', '.join(part['licences'])})" if part["licences"] else "")
        for key in part["texts"]:
            users.setdefault(key, []).append(label)
        if not part["texts"]:
            without.append(label)
    out = [f"Licences of what this release contains: {len(everything)} components, {len(users)} texts.\n"]
    for labels, key in sorted((sorted(labels), key) for key, labels in users.items()):
        out.append("\n".join([LINE, *labels, LINE, "", texts[key]]))
    common = {name: text for _, parts in groups for name, text in parts.get("common", {}).items()}
    for name, text in sorted(common.items()):
        out.append("\n".join([LINE, f"/usr/share/common-licenses/{name}, which texts above name", LINE, "", text]))
    if without:
        out.append("\n".join([LINE, "Came without a text of its own:", LINE, *sorted(without), ""]))
    return "\n".join(out)
