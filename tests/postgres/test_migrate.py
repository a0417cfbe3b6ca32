#!/usr/bin/env python3
"""`gaff migrate`: from SQLite to PostgreSQL and back, in two goes, with nothing changed on the way;
and what doctor says of the database."""
import json
import os
import subprocess
import tempfile

from nodes import Daemon, Node, Target, common, config, database, main, server, until

import lib


def migrate(*args, cwd, code=0):
    p = subprocess.run([lib.GAFF, "migrate", *args], cwd=cwd, capture_output=True, text=True,
                       timeout=120)
    assert p.returncode == code, p.stdout + p.stderr
    return p.stdout


def test_a_store_moves_to_postgres_and_back():
    s, state = common(), {"status": 500}
    target = Target(lambda r, n: (state["status"] if r["path"] == "/d0" else 200, {}, b"x"))
    url = database(s)
    text = config(target, 2)
    with Daemon(text) as d:
        for i in range(30):
            body = json.dumps({"i": i}).encode()
            d.post(f"/in/d{i % 2}", body, lib.github(body, delivery=str(i)))
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 15, "d0 gave up")
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 15, "d1 did")
        assert d.stop() == 0
        said = migrate("--from", "sqlite:gaff-data", "--to", url, cwd=d.dir)
        assert "the same in both" in said, said
        # More comes, and what was copied changes: the second go brings the target up to date.
        d.start()
        d.cli("dead", "replay", "--destination", "d0", "--yes")
        until(lambda: d.api("GET", "/status").json()["deliveries"]["dead"] == 15, "gave up again")
        body = b'{"i": 30}'
        d.post("/in/d1", body, lib.github(body, delivery="30"))
        until(lambda: d.api("GET", "/status").json()["deliveries"]["delivered"] == 16, "done")
        assert d.stop() == 0
        other = database(s)
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", other,
                                             cwd=d.dir)
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", other,
                                             cwd=d.dir)
        with Node(other, "one", text) as one:
            counts = one.api("GET", "/status").json()
            assert counts["events"] == 31 and counts["deliveries"]["dead"] == 15, counts
            repeat = one.hook("d1", body, "30").json()
            assert repeat.get("duplicate"), repeat
            state["status"] = 200
            one.cli("dead", "replay", "--yes")
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 31,
                  "dead letters are delivered from the new store")
            assert one.stop() == 0
        back = tempfile.mkdtemp(prefix="gaff-back-")
        assert "the same in both" in migrate("--from", other, "--to", "sqlite:" + back, cwd=d.dir)


def test_what_waited_is_brought_up_to_date():
    s, state = common(), {"status": 500}
    target = Target(lambda r, n: (state["status"], {}, b"x"))
    url = database(s)
    text = config(target).replace("[200ms, 200ms, 500ms]", "[1h]")
    with Daemon(text) as d:
        for i in range(5):
            body = json.dumps({"i": i}).encode()
            d.post("/in/d0", body, lib.github(body))
        until(lambda: len(target.requests) == 5, "tried once")
        assert d.stop() == 0
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", url, cwd=d.dir)
        d.start()
        d.cli("cancel", "--destination", "d0", "--yes")
        assert d.stop() == 0
        assert "the same in both" in migrate("--from", "sqlite:gaff-data", "--to", url, cwd=d.dir)
        with Node(url, "one", text) as one:
            assert one.api("GET", "/status").json()["deliveries"]["cancelled"] == 5


def test_doctor_looks_at_the_database():
    s, target = server({}), Target()
    url = database(s)
    with Node(url, "one", config(target)) as one:
        one.accept()
        said = one.cli("doctor", code=None).stdout.decode()
        for part in ("fsync is on", "node one", "queue: ", "partition of tomorrow is ready",
                     "indexes that are not valid: 0"):
            assert part in said, said
    quick = common()
    with Node(database(quick), "one", config(target)) as one:
        said = one.cli("doctor", code=1).stdout.decode()
        assert "BAD  fsync is off" in said, said


if __name__ == "__main__":
    main(globals())
