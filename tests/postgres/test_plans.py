#!/usr/bin/env python3
"""The plans of what is asked of the database often, as it made them while it worked: each by its
index, and no table scanned that grows with what is stored or waits."""
import os
import re

from cluster import QUICK
from nodes import HERE, Node, Target, config, database, main, server, until

EXPLAINED = {**QUICK, "session_preload_libraries": "auto_explain",
             "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
             "log_min_messages": "log"}
# Those that hold a row an event, a delivery, an attempt, a key.
GREAT = r"(queue|events|deliveries|attempts|dedupe|keys)(_default|_\d{8})?"
ROWS = 30000

FILL = """
CREATE FUNCTION pg_temp.first() RETURNS bigint LANGUAGE sql AS
    'SELECT ((extract(epoch FROM now()) * 1000)::bigint - 1577836800000) << 21';
INSERT INTO gaff.events SELECT pg_temp.first() + i, (extract(epoch FROM now()) * 1000)::bigint,
    'd' || i % 50, 'github', 'verified', 4, 'push', '', '\\x00', '', 'POST', '/', '', '', '',
    '{}' FROM generate_series(1, %(n)d) i;
INSERT INTO gaff.deliveries SELECT pg_temp.first() + %(n)d + i, pg_temp.first() + i,
    'd' || i % 50, 'r', 0, CASE WHEN i %% 100 = 0 THEN 3 ELSE 2 END, 1, 0, 0, 1, 'HTTP 500', true
    FROM generate_series(1, %(n)d) i;
INSERT INTO gaff.attempts SELECT pg_temp.first() + %(n)d + i, 1, 0, 0, 0, 200, '', '', '', '', '',
    pg_temp.first() + 2 * %(n)d + i, pg_temp.first() + i, 'd' || i % 50
    FROM generate_series(1, %(n)d) i;
INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts, created_ms,
                        next_ms, reason, listed)
    SELECT pg_temp.first() + 4 * %(n)d + i, pg_temp.first() + i, 'd' || 10 + i % 40, 'r', i % 3, 0,
    0, 0, 9000000000000, '', true FROM generate_series(1, %(n)d) i;
INSERT INTO gaff.dedupe SELECT gen_random_uuid(), i, i, 0, 9000000000000 + i
    FROM generate_series(1, %(n)d) i;
INSERT INTO gaff.keys SELECT gen_random_uuid(), gen_random_uuid(), i, 0, 9000000000000 + i
    FROM generate_series(1, %(n)d) i;
ANALYZE;
""".replace("% 50", "%% 50").replace("% 40", "%% 40").replace("% 3,", "%% 3,") % {"n": ROWS}


def filled():
    """A server that writes its plans down, and a database with much in it, some of it waiting."""
    s, target = server(EXPLAINED), Target()
    url = database(s)
    with Node(url, "one", config(target)) as one:
        one.accept()
        until(lambda: target.requests, "the schema is there and tomorrow's partition")
        assert one.stop() == 0
    s.sql(FILL, url.rsplit("/", 1)[1])
    return s, target, url


def plans(s, since=0):
    """[(text, plan)] of all that ran, in functions too."""
    entries = re.split(r"\n(?=\d{4}-\d\d-\d\d [^\n]*? LOG:)", s.log()[since:])
    return [e for e in entries if "Query Text:" in e]


def scans(plan):
    """Whole tables that were read, but for partitions in which the planner knew of nothing."""
    found = re.findall(r"Seq Scan on " + GREAT + r"\b[^\n]*? rows=(\d+) ", plan)
    return [f for f in found if int(f[2]) > 1]


def test_claims_and_outcomes_of_a_full_queue_go_by_its_indexes():
    s, target, url = filled()
    mark = len(s.log())
    with Node(url, "one", config(target, 20, ", order: fifo")) as one, \
            Node(url, "two", config(target, 20)) as two:
        for i in range(40):
            (one if i % 3 else two).accept(f"d{i % 10}", b'{"i": %d}' % i, f"x{i}")
            two.accept(f"d{i % 10}", b'{"i": %d}' % i, f"x{i}")
        until(lambda: len({r["headers"]["gaff-event-id"] for r in target.requests}) >= 41, "all")
    ran = [p for p in plans(s, mark) if "PL/pgSQL function " in p]
    for call in ("ingest", "claim", "heads", "settle", "record_attempts", "moved"):
        assert any(f"function {call}(" in p for p in ran), call
    bad = [p for p in ran if scans(p) and "function node_" not in p]
    assert not bad, bad[0]
    for text, index in (("FROM gaff.dedupe d WHERE d.key", "dedupe_pkey"),
                        ("ORDER BY q.next_ms, q.seq LIMIT", "queue_due"),
                        ("DELETE FROM gaff.queue q USING s", "queue_pkey")):
        found = [p for p in ran if text in p]
        assert found and all(index in p for p in found), (text, found[:1])


LISTS = [  # what is asked, a part of the statement by which it is known
    ("/events?limit=50", "FROM (SELECT * FROM (SELECT * FROM gaff.events"),
    ("/events?limit=50&source=d7", "FROM gaff.events"),
    ("/events?limit=50&source=d7&type=push&state=dead", "FROM gaff.events"),
    ("/events?limit=50&text=nowhere", "FROM gaff.events"),
    ("/deliveries?limit=50", "FROM gaff.all_deliveries"),
    ("/deliveries?limit=50&state=dead", "FROM gaff.all_deliveries"),
    ("/deliveries?limit=50&state=pending&destination=d11", "FROM gaff.all_deliveries"),
    ("/deliveries?limit=50&destination=d7", "FROM gaff.all_deliveries"),
    ("/dead/groups", "FROM gaff.all_deliveries"),
    ("/rejections?limit=50", "FROM gaff.rejections"),
    ("/status", "FROM gaff.counters"),
    ("/nodes", "FROM gaff.nodes"),
]


def test_lists_go_by_their_indexes():
    s, target, url = filled()
    with Node(url, "one", config(target)) as one:
        for path, text in LISTS:
            mark = len(s.log())
            assert one.api("GET", path).status == 200, path
            found = until(lambda: [p for p in plans(s, mark) if text in p.replace("\n", " ")],
                          "the plan of " + path)
            for p in found:
                assert not scans(p), (path, p)
        event = one.events(limit=1)[0]["id"]
        mark = len(s.log())
        assert one.api("GET", "/events/" + event).status == 200
        found = until(lambda: [p for p in plans(s, mark) if "FROM gaff.attempts" in p],
                      "the attempts of a delivery")
        assert not [p for p in plans(s, mark) if scans(p)], found


def test_attempts_of_an_endpoint_are_listed_and_counted_by_their_indexes():
    s, target, url = filled()
    name = url.rsplit("/", 1)[1]
    with Node(url, "one", "sending: { policy: private }\n") as one:
        assert one.api("POST", "/app", {"name": "a", "uid": "a"}).status == 201
        made = one.api("POST", "/app/a/endpoint", {"url": target.url, "uid": "e"}).json()["id"]
        # A fiftieth of all are its own: of those a hundredth failed, and as many were cancelled.
        s.sql(f"UPDATE gaff.attempts SET destination = '{made}' WHERE destination = 'd7'; "
              "WITH n AS (SELECT delivery_id, row_number() OVER (ORDER BY id) AS i "
              f"FROM gaff.attempts WHERE destination = '{made}') UPDATE gaff.attempts a "
              "SET result = CASE WHEN n.i % 100 = 1 THEN 1 ELSE 4 END FROM n "
              "WHERE a.delivery_id = n.delivery_id AND n.i % 100 IN (1, 2)", name)
        s.sql("VACUUM ANALYZE gaff.attempts", name)

        def asked(path):
            mark = len(s.log())
            reply = one.api("GET", "/app/a/" + path)
            assert reply.status == 200, reply.body
            found = until(lambda: [p for p in plans(s, mark) if "FROM gaff.attempts" in p],
                          "the plan of " + path)
            assert not [p for p in found if scans(p)], found
            return reply.json(), "".join(found)
        counts, plan = asked("endpoint/e/attempt-stats")
        assert counts == {"success": ROWS // 50 - 12, "fail": 6, "canceled": 6}, counts
        for index in ("destination_id_idx", "destination_id_idx1", "destination_id_idx2"):
            assert re.search(r"Index Only Scan using attempts_\w+_" + index + r"\b", plan), plan
        for status, count, index in ((2, 6, "idx1"), (4, 6, "idx2"), (0, 50, "idx")):
            page, plan = asked(f"attempt/endpoint/e?limit=50&status={status}")
            assert [a["status"] for a in page["data"]] == [status] * count, page
            assert re.search(r"destination_id_" + index + r"\b", plan), plan
        # The few that succeeded are found among those that did not by ids alone, however many: more
        # than are looked at first.
        s.sql(f"UPDATE gaff.attempts SET destination = '{made}' "
              "WHERE destination IN ('d8', 'd9', 'd10', 'd11'); "
              "WITH n AS (SELECT delivery_id, row_number() OVER (ORDER BY id) AS i "
              f"FROM gaff.attempts WHERE destination = '{made}' AND result = 0) "
              "UPDATE gaff.attempts a SET result = 1 FROM n "
              "WHERE a.delivery_id = n.delivery_id AND n.i > 3", name)
        s.sql("VACUUM ANALYZE gaff.attempts", name)
        page, plan = asked("attempt/endpoint/e?limit=50&status=0")
        assert [a["status"] for a in page["data"]] == [0] * 3, page
        ran = re.split(r"(?=Query Text:)", plan)
        lists = [p for p in ran if "WITH c AS MATERIALIZED" in p]
        counts = [p for p in ran if "WITH s AS MATERIALIZED" in p]
        assert len(lists) == 2 and counts, plan
        for p in lists + counts:
            for index in ("idx", "idx1", "idx2"):
                by = r"Scan (Backward )?using attempts_\w+_destination_id_" + index + r"\b"
                assert re.search("Index Only " + by, p), p
                assert not re.search("Index " + by, p), p


def test_deliveries_of_an_endpoint_are_counted_by_their_indexes():
    s, target, url = filled()
    name = url.rsplit("/", 1)[1]
    with Node(url, "one", "sending: { policy: private }\n") as one:
        assert one.api("POST", "/app", {"name": "a", "uid": "a"}).status == 201
        made = one.api("POST", "/app/a/endpoint", {"url": target.url, "uid": "e",
                                                   "delivery": "poll"}).json()["id"]
        # A fiftieth of what has ended is its own, some of it dead or cancelled, and a fortieth of
        # what waits.
        mine = f"WHERE destination = '{made}'"
        s.sql(f"UPDATE gaff.deliveries SET destination = '{made}' WHERE destination = 'd7'; "
              "WITH n AS (SELECT id, row_number() OVER (ORDER BY id) AS i "
              f"FROM gaff.deliveries {mine}) UPDATE gaff.deliveries d "
              "SET state = CASE WHEN n.i % 100 = 1 THEN 3 ELSE 5 END FROM n "
              "WHERE d.id = n.id AND n.i % 100 IN (1, 2); "
              f"UPDATE gaff.queue SET destination = '{made}' WHERE destination = 'd11'; "
              f"UPDATE gaff.queue SET attempts = 1 {mine} AND id / 40 % 5 = 0", name)
        s.sql("VACUUM ANALYZE gaff.deliveries, gaff.queue", name)
        waits, again = [int(n) for n in s.sql(
            "SELECT count(*), count(*) FILTER (WHERE attempts > 0) FROM gaff.queue " + mine,
            name).split("|")]
        assert waits == ROWS // 40 and again, (waits, again)
        mark = len(s.log())
        reply = one.api("GET", "/app/a/endpoint/e/stats")
        assert reply.json() == {"success": ROWS // 50 - 12, "fail": 6, "canceled": 6,
                                "pending": waits - again, "sending": again}, reply.body
        found = until(lambda: [p for p in plans(s, mark) if "FROM gaff.queue WHERE listed" in p],
                      "the plan of the counts")
        for plan in found:
            assert not scans(plan), plan
            for index in ("destination_id_idx", "destination_id_state_idx"):
                by = r"Index Only Scan using deliveries_\w+_" + index + r"\b"
                assert re.search(by, plan), plan
            assert re.search(r"using queue_listed\b|on queue_listed\b", plan), plan


def statements(name):
    """Statements of the store's source that begin so."""
    with open(os.path.join(HERE, "../../src/store/store_postgres_move.c"), encoding="utf8") as f:
        text = re.sub(r'"\s*\n\s*"', "", f.read())
    return re.findall(r'"(' + name + r'[^"]*)"', text)


def test_retention_goes_by_its_indexes():
    s, _, url = filled()
    name = url.rsplit("/", 1)[1]
    old = statements("DELETE FROM gaff")
    assert len(old) == 2, old
    for statement in old:
        plan = s.sql("EXPLAIN " + statement.replace("$1", "9000000000100"), name)
        assert not scans(plan) and re.search(r"(dedupe|keys)_until", plan), plan
    mark = len(s.log())
    s.sql("SELECT gaff.purge(1, 0, 9000000000000000000, 9000000000000, 0, 500)", name)
    ran = until(lambda: [p for p in plans(s, mark) if "function purge(" in p], "it ran")
    assert any("DELETE FROM gaff.events" in p for p in ran)
    bad = [p for p in ran if scans(p)]
    assert not bad, bad[0]
    # A whole day goes without a look at its rows.
    day = s.sql("SELECT gaff.day(min(id)) FROM gaff.events", name)
    s.sql("TRUNCATE gaff.queue", name)
    mark = len(s.log())
    assert int(s.sql(f"SELECT gaff.drop_day({int(day) + 1})", name)) >= 0
    bad = [p for p in plans(s, mark)
           if "function drop_day(" in p and {f[0] for f in scans(p)} - {"queue"}]
    assert not bad, bad[0]


if __name__ == "__main__":
    main(globals())
