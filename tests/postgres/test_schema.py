#!/usr/bin/env python3
"""The schema is brought up to date by whoever starts first, at any version, with all that is in it;
and a file that databases out there were made with never changes."""
import glob
import hashlib
import os
import threading

from nodes import HERE, Node, Target, common, config, database, main, until

FILES = os.path.join(HERE, "../../src/store/schema/postgres")
# What changes comes as a new file; its sum goes here when it lands.
FROZEN = {
    "001_tables.sql": "d0204a634b56b8c7e05071c6a71e95d0fdee1cee3dcd3939c1fb46c4239f8c71",
    "002_calls.sql": "3746ca64aca6ed6f8d431c36b83f0a43b116c5615efc96a4eccbc1043357a126",
    "003_filling.sql": "11f36bcd4901fb57c5c244aa8893643800251ee719faecbadec167cc5522c984",
    "004_days.sql": "0ed52513c681b892ec17aaab8e8cd00a1396ac9ab588141358257e802814ecbf",
    "005_keys.sql": "cddfbc7a4d1e1ee1c577e2525685872e8aed7093476383ae65242c6f0c51ca52",
    "006_attempts.sql": "1d36c41f2120a75e1bd3d274fb60c4098e1983cacd9a8024b00c1e498e647bd2",
    "007_unsent.sql": "05fc2067e67802f302dea76045ef905191a001725bf9f7f2e2a4d3364d4c9b64",
}


def test_files_stay_as_they_are():
    there = sorted(os.path.basename(p) for p in glob.glob(FILES + "/*.sql"))
    assert there == sorted(FROZEN), there
    for i, name in enumerate(there):
        with open(os.path.join(FILES, name), "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == FROZEN[name], name
        assert int(name[:3]) == i + 1, name


def make(s, url, version):
    """A database as a program of that version left it."""
    name = url.rsplit("/", 1)[1]
    s.sql("CREATE SCHEMA gaff", name)
    s.sql("CREATE TABLE gaff.migrations (number int PRIMARY KEY, applied timestamptz NOT NULL "
          "DEFAULT clock_timestamp())", name)
    for path in sorted(glob.glob(FILES + "/*.sql"))[:version]:
        # On stdin: the user of the server need not be one who may read this tree.
        with open(path, encoding="utf8") as f:
            s.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", s.url(name), stdin=f)
        s.sql(f"INSERT INTO gaff.migrations VALUES ({int(os.path.basename(path)[:3])})", name)
    s.sql("INSERT INTO gaff.events VALUES (457000000000000001, 1, 'd0', 'github', 'verified', 0, "
          "'push', 'once', '\\x00', '', 'POST', '/in/d0', '', '', "
          "'Content-Type: application/json', '{\"before\": 1}')", name)
    s.sql("INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts, "
          "created_ms, next_ms, reason, listed) VALUES (457000000000000002, 457000000000000001, "
          "'d0', 'r', 0, 0, 0, 1, 1, '', false)", name)
    s.sql("INSERT INTO gaff.counters (slot, day, events, pending) VALUES (1, "
          "gaff.day(457000000000000001), 1, 1)", name)


def numbers(s, url):
    return s.sql("SELECT string_agg(number::text, ' ' ORDER BY number) FROM gaff.migrations",
                 url.rsplit("/", 1)[1])


def test_every_older_schema_is_brought_up_to_date():
    s = common()
    for version in range(2, len(FROZEN)):
        target, url = Target(), database(s)
        make(s, url, version)
        with Node(url, "one", config(target)) as one:
            until(lambda: [r["body"] for r in target.requests] == [b'{"before": 1}'],
                  "what waited is delivered")
            one.accept()
            until(lambda: one.api("GET", "/status").json()["deliveries"]["delivered"] == 2, "both")
        assert numbers(s, url) == " ".join(str(i + 1) for i in range(len(FROZEN)))


def hold_until_three_wait(s, name):
    s.run("psql", "-XAtq", "-d", s.url(name), input="""BEGIN;
        SELECT pg_advisory_xact_lock(7205759402);
        DO $$ BEGIN
            WHILE (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted) < 3
            LOOP PERFORM pg_sleep(0.01); END LOOP;
        END $$;
        COMMIT;""")


def test_nodes_that_start_at_once_migrate_once():
    s, target = common(), Target()
    url = database(s)
    make(s, url, 2)
    name = url.rsplit("/", 1)[1]
    # The lock is held until all of them wait for it.
    holder = threading.Thread(target=hold_until_three_wait, args=(s, name), daemon=True)
    holder.start()
    until(lambda: s.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0",
          "the lock is taken")
    text = config(target)
    nodes = [Node(url, n, text, start=False) for n in ("one", "two", "three")]
    try:
        for node in nodes:
            node.start(wait=False)
        for node in nodes:
            until(lambda: "msg=ready" in node.log(), "it starts\n" + node.log(), 60)
        holder.join()
        assert numbers(s, url) == " ".join(str(i + 1) for i in range(len(FROZEN)))
        until(lambda: len(target.requests) == 1, "delivered, once")
    finally:
        for node in nodes:
            node.__exit__(None)


def test_a_node_works_on_while_another_brings_the_schema_up_to_date():
    """A step leaves what the version before it calls: nothing is refused meanwhile."""
    s = common()
    for version in range(2, len(FROZEN)):
        target, url = Target(), database(s)
        name, text = url.rsplit("/", 1)[1], config(target, 2)
        make(s, url, version)
        # To a program that takes it for what it knows, it is the schema of its time.
        for later in range(version + 1, len(FROZEN) + 1):
            s.sql(f"INSERT INTO gaff.migrations VALUES ({later})", name)
        with Node(url, "old", text) as old:
            old.accept("d1")
            s.sql(f"DELETE FROM gaff.migrations WHERE number > {version}", name)
            over, answers = threading.Event(), []

            def send():
                i = 0
                while not over.is_set():
                    answers.append(old.hook(f"d{i % 2}", b'{"i": %d}' % i).status)
                    i += 1
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            until(lambda: len(answers) >= 10, "it takes events")
            with Node(url, "new", text) as new:
                assert numbers(s, url) == " ".join(str(i + 1) for i in range(len(FROZEN)))
                reached = len(answers) + 20
                until(lambda: len(answers) >= reached, "the older one goes on")
                over.set()
                sender.join()
                assert set(answers) == {200}, answers
                new.accept("d0")
                until(lambda: new.api("GET", "/status").json()["deliveries"]["delivered"]
                      == len(answers) + 3, "all delivered, what waited before too", 60)


def test_a_schema_of_a_later_version_is_left_alone():
    s, target = common(), Target()
    url = database(s)
    with Node(url, "one", config(target)) as one:
        one.accept()
        s.sql(f"INSERT INTO gaff.migrations VALUES ({len(FROZEN) + 1})", url.rsplit("/", 1)[1])
        one.accept()  # who is at work goes on
        until(lambda: len(target.requests) == 2, "delivered")
        two = Node(url, "two", config(target), start=False)
        two.start(wait=False)
        assert two.process.wait(60) != 0
        assert "written by a newer version" in two.log(), two.log()
        one.accept()


if __name__ == "__main__":
    main(globals())
