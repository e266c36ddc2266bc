"""image/build with a small recipe and a cache of its own: what makes its results trustworthy."""
import json
import os
import subprocess

import pytest

RECIPE = {"base": "scratch", "c": {"/app": "app.c"}, "config": {"User": "1000:1000", "Entrypoint": ["/app"]}}


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    (folder / "app.c").write_text("int main(void) { return 0; }\n")
    return folder


def begin(root, recipe, tmp_path, out, *argv, path=""):
    env = {**os.environ, "ZANE_CACHE": str(tmp_path / "cache"), "PATH": path + os.environ["PATH"]}
    return subprocess.Popen([root / "image/build", "--out", tmp_path / out, "--recipe", recipe, *argv], env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def build(*argv, **kw):
    p = begin(*argv, **kw)
    said = p.communicate(timeout=60)[0]
    assert p.returncode == 0, said
    return said


def facts(tmp_path, out):
    return json.loads((tmp_path / out / "small.json").read_text())


def test_nothing_is_built_twice_and_any_change_builds_again(root, recipe, tmp_path):
    assert "building" in build(root, recipe, tmp_path, "a")
    assert "building" not in build(root, recipe, tmp_path, "b")
    assert facts(tmp_path, "a") == facts(tmp_path, "b")
    (recipe / "app.c").write_text("int main(void) { return 1; }\n")
    assert "building" in build(root, recipe, tmp_path, "c")
    assert facts(tmp_path, "a")["id"] != facts(tmp_path, "c")["id"]
    (recipe / "app.c").write_text("int main(void) { return 0; }\n")
    assert "building" not in build(root, recipe, tmp_path, "d")
    build(root, recipe, tmp_path, "e", "--no-cache")
    assert facts(tmp_path, "a")["id"] == facts(tmp_path, "e")["id"]


def test_two_at_the_same_time_build_once(root, recipe, tmp_path):
    both = [begin(root, recipe, tmp_path, out) for out in ("a", "b")]
    said = [p.communicate(timeout=60)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert sum("building" in s for s in said) == 1, said
    assert facts(tmp_path, "a") == facts(tmp_path, "b")


def test_a_source_that_changes_during_the_build_is_built_as_it_is_then(root, recipe, tmp_path):
    """The compiler of the first round changes what it has just read."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gcc").write_text(f'#!/bin/sh\n/usr/bin/gcc "$@" || exit\n[ -e {tmp_path}/once ] && exit\n: >{tmp_path}/once\n'
                               f'echo "int main(void) {{ return 7; }}" >{recipe}/app.c\n')
    (tools / "gcc").chmod(0o755)
    assert "changed meanwhile" in build(root, recipe, tmp_path, "a", path=f"{tools}:")
    build(root, recipe, tmp_path, "b", "--no-cache")
    assert facts(tmp_path, "a")["id"] == facts(tmp_path, "b")["id"]
    assert len(list((tmp_path / "cache/images").glob("small-*.tar"))) == 1


def test_the_cache_keeps_the_newest_four(root, recipe, tmp_path):
    for n in range(6):
        (recipe / "app.c").write_text(f"int main(void) {{ return {n}; }}\n")
        build(root, recipe, tmp_path, str(n))
    kept = {json.loads(p.read_text())["id"] for p in (tmp_path / "cache/images").glob("small-*.json")}
    assert kept == {facts(tmp_path, str(n))["id"] for n in range(2, 6)}
    assert len(list((tmp_path / "cache/images").glob("small-*.tar"))) == 4


def test_a_compiler_error_leaves_no_image(root, recipe, tmp_path):
    (recipe / "app.c").write_text("int main(void) { return x; }\n")
    p = begin(root, recipe, tmp_path, "a")
    assert "undeclared" in p.communicate(timeout=60)[0] and p.returncode != 0
    assert not list((tmp_path / "cache/images").glob("small-*"))
