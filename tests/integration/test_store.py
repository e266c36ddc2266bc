"""The statement catalogue and the migrations against a real Postgres."""
import os
import re
import shutil
import subprocess

import pytest
from daemon import Postgres


@pytest.fixture
def postgres():
    p = Postgres()
    try:
        yield p.start()
    finally:
        p.stop()


@pytest.fixture(scope="module")
def probe(root):
    made = subprocess.run(["make", "-s", "build/probe/store/catalogue_probe"], cwd=root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert made.returncode == 0, made.stdout
    return root / "build/probe/store/catalogue_probe"


def run(probe, postgres, folder):
    return subprocess.run([probe, folder, str(postgres.port)], env={**os.environ, "PGPASSWORD": postgres.password},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def test_every_statement_fits_the_migrated_schema(probe, postgres, root):
    done = run(probe, postgres, root / "migrations")
    assert done.returncode == 0, done.stdout
    count, bad, first, again = map(int, re.search(
        r"(\d+) statements, (\d+) bad, migrations first=(\d+) again=(\d+)", done.stdout).groups())
    assert count > 50 and bad == 0
    assert first == len(list((root / "migrations").glob("*.sql"))) and again == 0


def test_a_migration_that_changed_after_it_was_applied_is_refused(probe, postgres, root, tmp_path):
    folder = tmp_path / "migrations"
    shutil.copytree(root / "migrations", folder)
    assert run(probe, postgres, folder).returncode == 0
    last = sorted(folder.glob("*.sql"))[-1]
    last.write_text(last.read_text() + "\n-- one more thing\n")
    done = run(probe, postgres, folder)
    assert done.returncode == 1 and "was changed after it was applied" in done.stdout, done.stdout


def test_a_failing_migration_leaves_nothing_behind(probe, postgres, root, tmp_path):
    folder = tmp_path / "migrations"
    shutil.copytree(root / "migrations", folder)
    (folder / "9999_bad.expand.sql").write_text("create table half (n int);\ncreate table half (n int);\n")
    done = run(probe, postgres, folder)
    assert done.returncode == 1 and "9999_bad" in done.stdout, done.stdout
    assert postgres.query("select 1 from pg_tables where tablename = 'half'") == []
    assert postgres.query("select 1 from schema_migration where name like '9999%'") == []
