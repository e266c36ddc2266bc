"""The store against a real Postgres: migrations, the catalogue, transactions, the pool."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from daemon import Postgres

BUILD = os.environ.get("ZANE_BUILD", "build")


@pytest.fixture(scope="module")
def probe(root):
    path = f"{BUILD}/probe/store/store_probe"
    subprocess.run(["make", "-s", f"B={BUILD}", path], cwd=root, check=True)
    return pathlib.Path(root, path)


@pytest.fixture
def postgres():
    p = Postgres()
    try:
        yield p.start()
    finally:
        p.stop()


@pytest.fixture
def run(probe, postgres):
    def call(*argv):
        r = subprocess.run([probe, str(postgres.port), postgres.password, *map(str, argv)], capture_output=True,
                           text=True, timeout=120)
        assert r.stdout, r.stderr
        return json.loads(r.stdout)
    return call


@pytest.fixture
def migrated(run, root):
    done = run("migrate", root / "migrations")
    assert done["ok"] and done["applied"] >= 1, done
    return run


def test_migrations_run_once(migrated, root):
    assert migrated("migrate", root / "migrations") | {"applied": 0} == migrated("migrate", root / "migrations")


def test_changed_migration_is_refused(migrated, root, tmp_path):
    shutil.copytree(root / "migrations", tmp_path / "m")
    first = sorted((tmp_path / "m").glob("*.sql"))[0]
    first.write_text(first.read_text() + "\n-- later thought\n")
    r = migrated("migrate", tmp_path / "m")
    assert r["code"] == "resource_conflict" and first.name in r["msg"]


def test_failed_migration_leaves_nothing(run, postgres, tmp_path):
    (tmp_path / "0001_a.expand.sql").write_text("create table a (x int);")
    (tmp_path / "0002_b.expand.sql").write_text("create table b (x int); select 1/0;")
    r = run("migrate", tmp_path)
    assert not r["ok"] and "0002_b" in r["msg"]
    assert postgres.query("select to_regclass('a') is null, to_regclass('b') is null") == [(False, True)]
    (tmp_path / "0002_b.expand.sql").write_text("create table b (x int);")
    assert run("migrate", tmp_path)["applied"] == 1


def test_expand_runs_before_contract_of_one_number(run, tmp_path):
    (tmp_path / "0001_a.expand.sql").write_text("create table a (x int);")
    (tmp_path / "0001_a.contract.sql").write_text("alter table a drop column x;")
    r = run("migrate", tmp_path)
    assert r["ok"] and r["applied"] == 2, r


def test_misnamed_migration_is_refused(run, tmp_path):
    (tmp_path / "0001_a.expand.sql").write_text("create table a (x int);")
    (tmp_path / "2_late.sql").write_text("create table b (x int);")
    r = run("migrate", tmp_path)
    assert not r["ok"] and "2_late.sql" in r["msg"]


def test_two_migrate_at_the_same_time(run, root):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: run("migrate", root / "migrations"), range(2)))
    assert all(d["ok"] for d in done) and sorted(d["applied"] for d in done)[0] == 0, done


def test_every_statement_of_the_catalogue_can_be_prepared(migrated):
    r = migrated("catalogue")
    assert r["bad"] == [] and r["statements"] > 20


def test_a_hidden_failure_does_not_pass_for_a_commit(migrated, postgres):
    assert not migrated("swallowed")["ok"]
    assert postgres.query("select count(*) from workspace") == [(0,)]


def test_deadlock_is_tried_again(migrated, postgres):
    postgres.query("insert into app_user (username, password_hash) values ('a', ''), ('b', '')")
    r = migrated("contend")
    assert r == {"ok": True, "tries": 3}


def test_a_full_pool_says_busy_in_time(migrated):
    r = migrated("exhausted")
    assert r["code"] == "throttled" and 250 <= r["ms"] < 2000
