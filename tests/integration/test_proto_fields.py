"""The hand-written subset of the API against the official descriptor."""
import re

import node_programs

PROTO = "zaned/temporal/proto/temporal.proto"


def test_every_field_is_the_official_one(root):
    r = node_programs.run("proto_fields.js", root / PROTO)
    assert r.returncode == 0, r.stdout
    messages, fields = map(int, re.search(r"compared (\d+) messages, (\d+) fields", r.stdout).groups())
    assert messages >= 90 and fields >= 300, r.stdout


def test_a_wrong_number_and_a_wrong_type_are_found(root, tmp_path):
    broken = (root / PROTO).read_text()
    broken = broken.replace("int64 started_event_id = 5;", "int64 started_event_id = 77;", 1)
    broken = broken.replace("bool cancel_requested = 1;", "int64 cancel_requested = 1;", 1)
    (tmp_path / "broken.proto").write_text(broken)
    r = node_programs.run("proto_fields.js", tmp_path / "broken.proto")
    assert r.returncode == 1
    assert "startedEventId" in r.stdout and "cancelRequested" in r.stdout
