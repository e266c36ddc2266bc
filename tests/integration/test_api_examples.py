"""The examples of docs/api.md and docs/api/deploying.md work as written; other pages are run by the tests of their areas.

A block ```http WHO is: method and path, a JSON body if there is one, the status, the JSON answer if it is shown: the same
members, and the same values but for "detail" and lists of "…".
"""
import json
import re

import pytest

PAGES = {"docs/api.md": 3, "docs/api/deploying.md": 3}


def blocks(root, page):
    return re.findall(r"```http (\w+)\n(.*?)```", (root / page).read_text(), re.S)


def same(got, wanted):
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(k == "detail" or same(got[k], v) for k, v in wanted.items())
    if isinstance(wanted, list) and wanted != ["…"]:
        return len(got) == len(wanted) and all(map(same, got, wanted))
    return isinstance(got, list) if isinstance(wanted, list) else got == wanted


@pytest.mark.parametrize("page", PAGES)
def test_examples_work_as_written(admin, daemon, root, slug, page):
    callers = {"admin": admin, "member": admin, "anybody": daemon.client()}
    for who, block in blocks(root, page):
        request, *lines = block.replace("{service}", slug).strip().split("\n")
        at = next(n for n, line in enumerate(lines) if re.fullmatch(r"\d{3}", line))
        answer = callers[who].call(*request.split(), *map(json.loads, lines[:at]))
        assert answer.status == int(lines[at]), answer
        assert all(same(answer.json(), json.loads(line)) for line in lines[at + 1:]), answer
    assert len(blocks(root, page)) == PAGES[page]


def test_the_index_names_every_page(root):
    index = (root / "docs/api.md").read_text()
    assert [p.name for p in sorted((root / "docs/api").glob("*.md")) if f"(api/{p.name})" not in index] == []
