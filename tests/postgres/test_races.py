#!/usr/bin/env python3
"""Two nodes that write the same object at the same moment: each looked at what was there, and only
one of them comes first. Nobody is told of a conflict that only the moment made, and nothing that
was written is lost."""
import contextlib
import os
import subprocess
import threading

from nodes import Node, Target, common, database, main, until

SENDING = "sending: { policy: private }\n"
OBJECTS = 7205759405  # the lock of those who change objects


@contextlib.contextmanager
def held(s, url):
    """While this lasts, requests look at objects and wait with their changes; `.waiting` tells how
    many do."""
    name = url.rsplit("/", 1)[1]
    with subprocess.Popen([os.path.join(s.bin, "psql"), "-XAtq", "-d", s.url(name)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        p.stdin.write(b"BEGIN; SELECT pg_advisory_xact_lock(%d);\n" % OBJECTS)
        p.stdin.flush()
        p.stdout.readline()
        # pg_locks splits the number in two halves.
        yield lambda: int(s.sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND "
            f"(classid::bigint << 32) + objid::bigint = {OBJECTS} AND database = "
            f"(SELECT oid FROM pg_database WHERE datname = '{name}')"))
        p.stdin.write(b"COMMIT;\n")
        p.stdin.close()
        p.wait()


class Race:
    def __init__(self, s, url, nodes):
        self.s, self.url, self.nodes = s, url, nodes

    def __call__(self, *requests):
        """Each (method, path, body) is asked of a node of its own; both have looked before either
        writes. The replies in that order."""
        replies = [None] * len(requests)

        def ask(i):
            replies[i] = self.nodes[i].api(*requests[i])
        with held(self.s, self.url) as waiting:
            threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(requests))]
            for thread in threads:
                thread.start()
            until(lambda: waiting() >= len(requests), "all wait with their changes")
        for thread in threads:
            thread.join()
        return replies

    def both(self, method, path, one, two):
        return self((method, path, one), (method, path, two))


def statuses(replies):
    return sorted(r.status for r in replies)


@contextlib.contextmanager
def two_nodes():
    s = common()
    url = database(s)
    with Node(url, "one", SENDING) as one, Node(url, "two", SENDING) as two:
        def make(path, body):
            reply = one.api("POST", path, body)
            assert reply.status == 201, reply.body
            return reply.json()
        yield Race(s, url, (one, two)), make


def known(race, path):
    until(lambda: race.nodes[1].api("GET", path).status == 200, "the other node knows it")


def test_changes_of_an_application_that_meet_both_hold():
    with two_nodes() as (race, make):
        make("/app", {"name": "acme", "uid": "acme"})
        known(race, "/app/acme")
        replies = race.both("PATCH", "/app/acme", {"name": "renamed"}, {"metadata": {"n": "1"}})
        assert statuses(replies) == [200, 200], [r.body for r in replies]
        now = race.nodes[0].api("GET", "/app/acme").json()
        assert (now["name"], now["metadata"]) == ("renamed", {"n": "1"}), now
        replies = race.both("PUT", "/app/acme", {"name": "one", "uid": "acme"},
                            {"name": "two", "uid": "acme"})
        assert statuses(replies) == [200, 200], [r.body for r in replies]
        # A uid that another has is still refused, by whichever came second.
        make("/app", {"name": "other", "uid": "other"})
        known(race, "/app/other")
        replies = race(("PATCH", "/app/acme", {"uid": "taken"}),
                       ("PATCH", "/app/other", {"uid": "taken"}))
        assert statuses(replies) == [200, 409], [r.body for r in replies]


def test_an_application_that_two_make_is_made_once():
    with two_nodes() as (race, _):
        body = {"name": "n", "uid": "put"}
        replies = race.both("PUT", "/app/put", body, body)
        assert statuses(replies) == [200, 201], [r.body for r in replies]
        assert len({r.json()["id"] for r in replies}) == 1
        body["uid"] = "got"
        replies = race.both("POST", "/app?get_if_exists=true", body, body)
        assert statuses(replies) == [200, 201], [r.body for r in replies]
        assert len({r.json()["id"] for r in replies}) == 1
        body["uid"] = "new"
        replies = race.both("POST", "/app", body, body)
        assert statuses(replies) == [201, 409], [r.body for r in replies]
        uids = [a["uid"] for a in race.nodes[0].api("GET", "/app").json()["data"]]
        assert sorted(uids) == ["got", "new", "put"], uids


def test_changes_of_an_event_type_that_meet_both_hold():
    with two_nodes() as (race, make):
        make("/event-type", {"name": "user.created", "description": "first"})
        path = "/event-type/user.created"
        replies = race.both("PATCH", path, {"description": "second"}, {"groupName": "user"})
        assert statuses(replies) == [200, 200], [r.body for r in replies]
        now = race.nodes[0].api("GET", path).json()
        assert (now["description"], now["groupName"]) == ("second", "user"), now
        # Archived beside a change: both hold, in whichever order.
        replies = race(("DELETE", path, None), ("PATCH", path, {"description": "third"}))
        assert statuses(replies) == [200, 204], [r.body for r in replies]
        now = race.nodes[0].api("GET", path).json()
        assert (now["archived"], now["description"]) == (True, "third"), now
        # An archived one is made again by one of two; the other is told that it is there.
        body = {"name": "user.created", "description": "again"}
        replies = race.both("POST", "/event-type", body, body)
        assert statuses(replies) == [201, 409], [r.body for r in replies]
        assert [r.json()["code"] for r in replies if r.status == 409] == ["event_type_exists"]
        # Taken away beside a change.
        replies = race(("DELETE", path + "?expunge=true", None),
                       ("PATCH", path, {"description": "last"}))
        assert replies[0].status == 204 and replies[1].status in (200, 404), replies
        assert race.nodes[0].api("GET", path).status == 404


def test_event_types_that_two_make_are_made_once():
    with two_nodes() as (race, _):
        replies = race.both("PUT", "/event-type/a.b", {"description": "one"},
                            {"description": "two"})
        assert statuses(replies) == [200, 201], [r.body for r in replies]
        spec = {"openapi": "3.1.0", "webhooks": {name: {"post": {"summary": name}}
                                                 for name in ("a.b", "c.d", "e.f")}}
        replies = race.both("POST", "/event-type/import/openapi", {"spec": spec}, {"spec": spec})
        assert statuses(replies) == [200, 200], [r.body for r in replies]
        types = race.nodes[1].api("GET", "/event-type").json()["data"]
        assert [t["name"] for t in types] == ["a.b", "c.d", "e.f"], types


def test_endpoints_that_two_write_at_once():
    target = Target()
    with two_nodes() as (race, make):
        make("/app", {"name": "acme", "uid": "acme"})
        known(race, "/app/acme")
        path, body = "/app/acme/endpoint/e", {"url": target.url, "uid": "e"}
        replies = race.both("PUT", path, body, body)
        assert statuses(replies) == [200, 201], [r.body for r in replies]
        replies = race.both("PATCH", path, {"description": "one"}, {"metadata": {"n": "2"}})
        assert statuses(replies) == [200, 200], [r.body for r in replies]
        now = race.nodes[0].api("GET", path).json()
        assert (now["description"], now["metadata"]) == ("one", {"n": "2"}), now
        # Gone beside a replacement, which then is a new one.
        replies = race(("DELETE", path, None), ("PUT", path, body))
        assert replies[0].status == 204 and replies[1].status in (200, 201), replies
        data = race.nodes[0].api("GET", "/app/acme/endpoint").json()["data"]
        assert len(data) == (replies[1].status == 201), data
    target.close()


def test_many_writers_at_two_nodes_lose_nothing():
    """Without being held: each adds to a name of its own, over and over."""
    with two_nodes() as (race, make):
        make("/app", {"name": "acme", "uid": "acme"})
        make("/event-type", {"name": "t", "description": ""})
        known(race, "/app/acme")
        wrong = []

        def write(node, path, member):
            for n in range(40):
                reply = node.api("PATCH", path, {member: str(n)})
                if reply.status != 200:
                    wrong.append((path, n, reply.status, reply.body))
        jobs = [(race.nodes[0], "/app/acme", "name"), (race.nodes[1], "/app/acme", "uid"),
                (race.nodes[0], "/event-type/t", "description"),
                (race.nodes[1], "/event-type/t", "groupName")]
        app = race.nodes[0].api("GET", "/app/acme").json()["id"]
        threads = [threading.Thread(target=write, args=(node, path.replace("acme", app), member))
                   for node, path, member in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[:3]
        now = race.nodes[0].api("GET", "/app/" + app).json()
        assert (now["name"], now["uid"]) == ("39", "39"), now
        now = race.nodes[0].api("GET", "/event-type/t").json()
        assert (now["description"], now["groupName"]) == ("39", "39"), now


if __name__ == "__main__":
    main(globals())
