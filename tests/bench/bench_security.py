"""Costs of the audit log and of a change of keys: the figures of docs/decisions/0007, on a real Postgres with fsync
off as the API tests run it. /usr/bin/python3 tests/bench/bench_security.py"""
import concurrent.futures
import hashlib
import io
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from daemon import Daemon  # noqa: E402

ENTRIES, CHANGES, SERVICE_ROWS, SNAPSHOTS = 100_000, 400, 1000, 5000
COLUMNS = ("seq,at,user_id,user_name,token_id,session_id,workspace_id,address,request_id,action,target,before,after,hash")


def timed(what, call):
    begun = time.monotonic()
    ret = call()
    print(f"{what}: {time.monotonic() - begun:.3f} s")
    return ret


def add_entries(d):
    """A long chain, hashed as docs/api/security.md says."""
    (seq, last), = d.postgres.query("select seq, hash from audit_head")
    rows = io.StringIO()
    for i in range(ENTRIES):
        seq += 1
        parts = [str(seq), f"2026-01-01T00:00:00.{i:06d}Z", "1", "admin", None, "ses_x", None, "10.0.0.1", f"r{i}",
                 "token.create", "tok_x", None, '{"name":"a"}']
        text = json.dumps(parts, separators=(",", ":"))
        last = hashlib.blake2b((last + text).encode(), digest_size=32).hexdigest()
        rows.write("\t".join("\\N" if p is None else p for p in [*parts, last]) + "\n")
    rows.seek(0)
    c = d.postgres.connect()
    with c.cursor() as k:
        k.copy_expert(f"copy audit_entry ({COLUMNS}) from stdin", rows)
        k.execute("update audit_head set seq = %s, hash = %s", (seq, last))
    c.commit()
    c.close()


def token_changes(client, threads):
    def pair(_):
        made = client.post("/api/tokens/", {"name": "x", "scope": "read"})
        assert made.status == 201 and client.delete(f"/api/tokens/{made.json()['id']}/").status == 204
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(pair, range(CHANGES // 2)))
    print(f"changes with an entry each, {threads} clients: {CHANGES / (time.monotonic() - begun):.0f}/s")


def seal_much(d, admin):
    made = admin.put("/api/deploys/big", {"image": "app:1", "env": {f"K{i}": f"v{i}" for i in range(20)}})
    assert made.status == 201, made
    d.postgres.query("insert into service_env (id, service_id, key, value_sealed, key_id) select 'env_dkr_' ||"
                     " md5(i::text || e.id), e.service_id, e.key || '_' || i, e.value_sealed, e.key_id"
                     f" from service_env e, generate_series(1, {SERVICE_ROWS}) i")
    d.postgres.query("insert into deployment select (jsonb_populate_record(x, jsonb_build_object('hash', 'dpl_dkr_' ||"
                     " md5(i::text), 'status', 'CANCELLED', 'finished_at', now(), 'is_current_production', false))).*"
                     f" from deployment x, generate_series(1, {SNAPSHOTS}) i")


def main():
    d = Daemon()
    try:
        admin = d.start().first_admin()
        for threads in (1, 8):
            token_changes(admin, threads)
        add_entries(d)
        verdict = timed(f"verify over {ENTRIES} entries and more", lambda: admin.get("/api/audit/verify/").json())
        assert verdict["intact"], verdict
        timed("a filter that matches nothing", lambda: admin.get("/api/audit/?scope=instance&target=nothing"))
        seal_much(d, admin)
        (d.root / "encryption_key").write_text("n" * 64 + "\n" + d.secrets["encryption_key"])
        done = timed("change of the key", lambda: d.run("rotate-keys"))
        assert done.returncode == 0, done
        print(done.stdout.decode().strip())
    finally:
        d.stop()


main()
