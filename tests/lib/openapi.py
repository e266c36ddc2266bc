"""Answers of the API against the schema of the compatible API, where that file is at hand."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILE = pathlib.Path(os.environ.get("ZANE_REFERENCE", ROOT.parent / "shared" / "reference")) / "zaneops-openapi.yml"

# What was measured to be different from the schema (docs/api.md §Differences).
NULL_TOO = {("Environment", "preview_metadata"), ("Environment", "variables")}
NOT_REQUIRED = {"Project": {"healthy_services", "total_services", "healthy_stack_services", "total_stack_services"}}


class Schema:
    def __init__(self):
        self.doc, self.checked, self.validators = None, set(), {}
        if not FILE.exists():
            print(f"\n*** {FILE} is not there: answers are NOT checked against the compatible schema ***",
                  file=sys.stderr, flush=True)
            return
        import yaml
        self.doc = yaml.load(FILE.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for name, s in self.doc["components"]["schemas"].items():
            for prop, v in s.get("properties", {}).items():
                if (name, prop) in NULL_TOO:
                    s["properties"][prop] = {"nullable": True, "allOf": [v]}
            if name in NOT_REQUIRED:
                s["required"] = [r for r in s["required"] if r not in NOT_REQUIRED[name]]
        self._to_json_schema(self.doc["components"])

    def _to_json_schema(self, node):
        """OpenAPI 3.0's nullable is an alternative in JSON Schema."""
        if isinstance(node, list):
            for n in node:
                self._to_json_schema(n)
        elif isinstance(node, dict):
            for n in list(node.values()):
                self._to_json_schema(n)
            if node.pop("nullable", None):
                inner = dict(node)
                node.clear()
                node["anyOf"] = [{"type": "null"}, inner]

    def path_of(self, path):
        path = path.split("?")[0].rstrip("/")
        hits = [t for t in self.doc["paths"]
                if re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(t.rstrip("/"))), path)]
        return min(hits, key=lambda t: t.count("{")) if hits else None

    def check(self, answer):
        """The answer's status and body are among what the schema declares. Returns the answer."""
        if not self.doc:
            return answer
        template = self.path_of(answer.path)
        assert template, f"{answer.path} is not in the compatible schema"
        declared = self.doc["paths"][template][answer.method.lower()]["responses"]
        status = str(answer.status)
        if status == "409" and status not in declared:
            return answer  # possible on more operations than the schema lists
        assert status in declared, f"{answer}: the schema has {list(declared)}"
        content = declared[status].get("content")
        if content is None:
            assert not answer.body, answer
        else:
            self._validate(template, answer, content["application/json"]["schema"])
        self.checked.add((answer.method, template, status))
        return answer

    def _validate(self, template, answer, schema):
        import jsonschema
        body = answer.json()
        if answer.status == 400:
            return self._validate_400(answer, body)
        key = (answer.method, template, answer.status)
        if key not in self.validators:
            full = {**schema, "components": self.doc["components"]}
            self.validators[key] = jsonschema.Draft7Validator(full)
        found = [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:300]}"
                 for e in self.validators[key].iter_errors(body)]
        assert not found, f"{answer.method} {answer.path} {answer.status}: {found[:5]}"

    def _validate_400(self, answer, body):
        """The schema lists attributes and codes one by one; ours are a few more, all of its kind."""
        assert body["type"] in ("validation_error", "client_error"), answer
        for e in body["errors"]:
            assert set(e) == {"code", "detail", "attr"}, answer
            assert re.fullmatch(r"[a-z_]+", e["code"]), answer
            assert e["attr"] or body["type"] == "client_error", answer
