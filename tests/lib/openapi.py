"""Every answer that a test gets, against the schema of the compatible API, where that file is at hand.

daemon.Client shows each answer to the recorder (tests/integration/conftest.py connects the two), so no test has to ask for
it. At the end of a run the differences that known_differences.py does not list fail it, and, in a run of all of
test_api_*.py, so do compatible routes that no test made succeed and listed differences that nobody met any more.
"""
import collections
import functools
import os
import pathlib
import re
import threading

import known_differences

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILE = pathlib.Path(os.environ.get("ZANE_REFERENCE", ROOT.parent / "shared" / "reference")) / "zaneops-openapi.yml"

# What this build has nothing of: whatever these paths answer is not compared.
ABSENT = re.compile(
    r"/compose/|/connectors/|-service/git/|/docker/image-search/|/http-logs/|/license/|metrics/|/runtime-logs/"
    r"|preview|/trigger-update/|/build-registries/|/shell/")
# What comes with the upgrades: compared once it answers, and not missed until then.
COMING = re.compile(r"/check-ongoing-update-status/")

Difference = collections.namedtuple("Difference", "method path status what")


def _date_time(value):
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value))


class Schema:
    """The compatible document, in a form that validators take."""

    def __init__(self, file=FILE):
        import jsonschema
        import yaml
        self.jsonschema = jsonschema
        self.doc = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.components = self.doc["components"]["schemas"]
        self._to_json_schema(self.doc["components"])
        self.formats = jsonschema.FormatChecker(formats=())
        self.formats.checkers = {"date-time": (_date_time, ())}
        self.patterns = [(t, re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(t.rstrip("/")))))
                         for t in self.doc["paths"]]

    def _to_json_schema(self, node):
        """Nullable is an alternative in JSON Schema; a member that the schema does not name is a difference."""
        if isinstance(node, list):
            for n in node:
                self._to_json_schema(n)
        elif isinstance(node, dict):
            for n in list(node.values()):
                self._to_json_schema(n)
            if isinstance(node.get("properties"), dict) and node.get("type") == "object":
                node.setdefault("additionalProperties", False)
            if node.get("nullable") is True:
                del node["nullable"]
                inner = dict(node)
                node.clear()
                node["anyOf"] = [{"type": "null"}, inner]

    def operations(self):
        """[(METHOD, template)] of all there is."""
        return [(m.upper(), t) for t, item in self.doc["paths"].items() for m in item if m != "parameters"]

    @functools.lru_cache(maxsize=4096)
    def path_of(self, path):
        """The template with the fewest variables that the path fits, or None."""
        path = path.split("?")[0].rstrip("/")
        hits = [t for t, pattern in self.patterns if pattern.fullmatch(path)]
        return min(hits, key=lambda t: t.count("{")) if hits else None

    def operation(self, method, template):
        return self.doc["paths"][template].get(method.lower())

    @functools.cache
    def responses(self, method, template):
        """What is declared, {status: schema or None for no body}, as corrected."""
        declared = {status: r["content"]["application/json"]["schema"] if r.get("content") else None
                    for status, r in self.operation(method, template)["responses"].items()}
        for c in known_differences.CORRECTED:
            if c.operation == f"{method} {template}":
                declared[str(c.status)] = self._component(c.schema)
        return declared

    @staticmethod
    def _component(name):
        if not isinstance(name, str):
            return name
        ref = {"$ref": f"#/components/schemas/{name.removesuffix('[]')}"}
        return {"type": "array", "items": ref} if name.endswith("[]") else ref

    @functools.cache
    def validator(self, method, template, status):
        schema = self.responses(method, template)[status]
        return self.jsonschema.Draft7Validator({**schema, "components": self.doc["components"]},
                                               format_checker=self.formats)

    def resolve(self, node):
        while "$ref" in node:
            node = self.components[node["$ref"].rsplit("/", 1)[1]]
        return node

    @functools.cache
    def codes_of_400(self, method, template):
        """{attr: codes} that the schema declares, None for what names no field."""
        found = collections.defaultdict(set)

        def walk(node):
            node = self.resolve(node)
            for n in node.get("oneOf", []) + node.get("allOf", []):
                walk(n)
            members = node.get("properties", {})
            if "errors" in members:
                walk(members["errors"]["items"])
            if "code" in members:
                attr, code = (self.resolve(members[k]) for k in ("attr", "code"))
                attrs = attr.get("enum") or [None]
                for a in attrs:
                    found[a].update(code.get("enum", ()))
        walk(self.operation(method, template)["responses"]["400"]["content"]["application/json"]["schema"])
        return dict(found)


def leaves(error):
    """[(place, what is wrong)] of a validation error: of alternatives, the one that fits best."""
    while error.validator in ("anyOf", "oneOf", "allOf") and error.context:
        branches = collections.defaultdict(list)
        for e in error.context:
            branches[e.schema_path[0]].append(e)
        # A null that was meant differs in its type only; anything else is closer to the branch that is no null.
        fits = [b for b in branches.values() if not (len(b) == 1 and b[0].validator == "type"
                                                     and b[0].validator_value == "null")] or list(branches.values())
        best = min(fits, key=len)
        if len(best) > 1:
            return [x for e in best for x in leaves(e)]
        error = best[0]
    place = ".".join("N" if isinstance(p, int) else p for p in error.absolute_path)
    if error.validator == "required":
        missing = [r for r in error.validator_value if r not in error.instance]
        return [(f"{place}.{m}".lstrip("."), "missing") for m in missing]
    if error.validator == "additionalProperties":
        extra = sorted(set(error.instance) - set(error.schema["properties"]))
        return [(f"{place}.{x}".lstrip("."), "extra") for x in extra]
    seen = "null" if error.instance is None else error.validator
    return [(place or "body", seen)]


class Recorder:
    """Collects what differs. Without the schema it collects nothing, and says so."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answers = self.compared = self.ours = self.absent = 0
        self.differences = {}  # Difference -> [count, example]
        self.succeeded = collections.Counter()
        self.met = set()  # entries of the list that were needed

    @functools.cached_property
    def schema(self):
        return Schema() if FILE.exists() else None

    def seen(self, answer):
        """Called for each answer of a run."""
        with self.lock:
            self.answers += 1
            if not self.schema:
                return
            template = self.schema.path_of(answer.path)
            if not template:
                self.ours += 1
                return
            if ABSENT.search(template):
                self.absent += 1
                return
            self.compared += 1
            if answer.status < 400:
                self.succeeded[(answer.method, template)] += 1
            for d in self.compare(template, answer):
                self.differences.setdefault(d, [0, repr(answer)[:600]])[0] += 1

    def check(self, answer):
        """At once what the end of the run says anyway; returns the answer."""
        template = self.schema and self.schema.path_of(answer.path)
        assert template or not self.schema, f"{answer.path} is not in the compatible schema"
        if template:
            with self.lock:
                found = [d for d in self.compare(template, answer) if not known_differences.find(d)]
            assert not found, f"{answer}: {found}"
        return answer

    def compare(self, template, answer):
        method, status = answer.method, str(answer.status)

        def difference(what):
            return Difference(method, template, answer.status, what)
        if self.schema.operation(method, template) is None:
            return [] if answer.status == 405 else [difference("method")]
        declared = self.schema.responses(method, template)
        if status not in declared:
            return [difference("status")]
        if declared[status] is None:
            return [difference("body")] if answer.body else []
        if not (answer.headers.get("Content-Type") or "").startswith("application/json"):
            return [difference("content type")]
        body = answer.json()
        if answer.status == 400:
            return [difference(what) for what in self._compare_400(method, template, body)]
        validator = self.schema.validator(method, template, status)
        found = {leaf for e in validator.iter_errors(body) for leaf in leaves(e)}
        return [difference(f"{place} {what}") for place, what in sorted(found)]

    def _compare_400(self, method, template, body):
        if set(body) != {"type", "errors"} or body["type"] not in ("validation_error", "client_error"):
            return ["envelope"]
        declared, found = self.schema.codes_of_400(method, template), set()
        for e in body["errors"]:
            if set(e) != {"code", "detail", "attr"} or not isinstance(e["detail"], str):
                return ["envelope"]
            attr = e["attr"]
            if (attr is None) != (body["type"] == "client_error"):
                return ["envelope"]
            attr = attr and re.sub(r"\.\d+(?=\.|$)", ".INDEX", attr)
            if e["code"] not in declared.get(attr, ()):
                found.add(f"{attr or '-'} {e['code']}")
        return sorted(found)

    # --- the end of a run ---------------------------------------------------------------------------------------

    def unknown(self):
        """{Difference: [count, example]} without those that are listed."""
        left = {}
        for d, met in sorted(self.differences.items()):
            entry = known_differences.find(d)
            if entry:
                self.met.add(entry)
            else:
                left[d] = met
        return left

    def missed(self):
        """Compatible operations of this build that no test made succeed."""
        return [o for o in self.schema.operations()
                if not ABSENT.search(o[1]) and not COMING.search(o[1]) and o not in self.succeeded]

    def report(self, complete):
        """(lines, whether all is well); complete: all tests of the API were in this run."""
        if not self.answers:
            return [], True
        if not self.schema:
            return [f"*** {FILE} is not there: {self.answers} answers were NOT compared with the compatible schema ***"], True
        unknown = self.unknown()
        lines = [f"{self.compared} of {self.answers} answers compared with the compatible schema"
                 f" ({self.ours} of routes of ours, {self.absent} of what this build has not),"
                 f" {len(self.succeeded)} operations succeeded,"
                 f" {len(self.differences) - len(unknown)} kinds of differences known, {len(unknown)} not"]
        lines += [f"  differs: {d.method} {d.path} {d.status}: {d.what} ({n} times)\n    {example}"
                  for d, (n, example) in unknown.items()]
        good = not unknown
        if complete:
            missed = self.missed()
            # Statuses of the server as a whole (busy, too long) come or do not, as the run goes.
            stale = [e for e in known_differences.KNOWN if e not in self.met and (e.operation, e.what) != ("* *", "status")]
            lines += [f"  never succeeded: {m} {t}" for m, t in missed]
            lines += [f"  listed as a difference, but nobody met it: {e.operation} {e.status} {e.what}" for e in stale]
            good = good and not missed and not stale
        return lines, good


RECORDER = Recorder()
