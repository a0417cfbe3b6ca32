#!/usr/bin/env python3
"""Several nodes on one PostgreSQL: who delivers what, and what happens when one dies, hangs or
leaves."""
import collections
import json
import os
import signal
import sys
import threading

from cluster import free_port
from nodes import (GAFF, HERE, TOKEN, Daemon, Node, Skip, Target, common, config,
                   database, github, main, server, until)

LANES = 8


def owners(s, url):
    """{lane: node name} as the database has it."""
    rows = s.sql("SELECT l.destination, n.name FROM gaff.lanes l JOIN gaff.nodes n USING (epoch)",
                 url.rsplit("/", 1)[1]).split("\n")
    return dict(row.split("|") for row in rows if row)


def delivered(node):
    return node.api("GET", "/status").json()["deliveries"]["delivered"]


def paths(target):
    return collections.Counter(r["path"] for r in target.requests)


def test_any_node_accepts_and_one_delivers_each_lane():
    s, target = common(), Target()
    url = database(s)
    text = config(target, LANES)
    with Node(url, "one", text) as one, Node(url, "two", text) as two:
        for i in range(20):
            for lane in range(LANES):
                (one if i % 2 else two).accept(f"d{lane}", json.dumps({"i": i}).encode())
        until(lambda: len(target.requests) == 20 * LANES, "all delivered, each once")
        assert set(paths(target).values()) == {20}
        until(lambda: set(owners(s, url).values()) == {"one", "two"}, "both own lanes")
        assert len(owners(s, url)) == LANES
        for node in (one, two):
            until(lambda: delivered(node) == 20 * LANES, "settled, as each node says")
        listed = two.cli("nodes").stdout.decode()
        assert "one" in listed and "two" in listed and "alive" in listed, listed


def test_a_repeat_is_found_whichever_node_it_comes_to():
    s, target = common(), Target()
    url = database(s)
    text = config(target)
    with Node(url, "one", text) as one, Node(url, "two", text) as two:
        first = one.accept(delivery="same")
        assert two.accept(delivery="same") == first
        until(lambda: len(target.requests) == 1, "delivered")
        assert one.api("GET", "/status").json()["events"] == 1


def test_what_a_dead_node_held_is_delivered_by_another():
    s, gate = common(), threading.Event()

    def answer(request, count):
        if not gate.is_set():
            gate.wait(60)
        return 200, {}, b""
    target = Target(answer)
    url = database(s)
    text = config(target, 4)
    with Node(url, "one", text) as one:
        for i in range(40):
            one.accept(f"d{i % 4}", json.dumps({"i": i}).encode())
        until(lambda: len(target.requests) >= 4, "some are under way")
        with Node(url, "two", text) as two:
            one.kill()
            gate.set()
            until(lambda: delivered(two) == 40, "all delivered by the other", 60)
            assert set(owners(s, url).values()) == {"two"}
            bodies = {r["body"] for r in target.requests}
            assert len(bodies) == 40


def test_a_node_stopped_longer_than_its_lease_starts_nothing_it_lost():
    s, target = common(), Target()
    url = database(s)
    text = config(target, 2)
    with Node(url, "one", text) as one:
        one.accept("d0")
        until(lambda: delivered(one) == 1, "one delivers")
        one.signal(signal.SIGSTOP)
        try:
            with Node(url, "two", text) as two:
                two.accept("d0")
                two.accept("d1")
                until(lambda: len(target.requests) == 3, "two took the lanes over")
                assert set(owners(s, url).values()) == {"two"}
                one.signal(signal.SIGCONT)
                until(lambda: "lost its lease" in one.log(), "one heard of it")
                for i in range(20):
                    (one if i % 2 else two).accept(f"d{i % 2}", json.dumps({"i": i}).encode())
                until(lambda: len(target.requests) >= 23, "all delivered")
                counts = collections.Counter(r["headers"]["gaff-event-id"]
                                             for r in target.requests)
                assert max(counts.values()) == 1, counts
        finally:
            one.signal(signal.SIGCONT)


def test_order_holds_across_nodes():
    s, seen = common(), []

    def answer(request, count):
        n = json.loads(request["body"])["n"]
        if n % 9 == 4 and seen.count(n) == 0:
            seen.append(n)
            return 500, {}, b""
        seen.append(n)
        return 200, {}, b""
    target = Target(answer)
    url = database(s)
    text = config(target, 1, ", order: fifo, concurrency: 8")
    with Node(url, "one", text) as one, Node(url, "two", text) as two:
        for n in range(60):
            (one if n % 2 else two).accept(body=json.dumps({"n": n}).encode())
        until(lambda: delivered(one) == 60, "all", 60)
        firsts = [n for i, n in enumerate(seen) if n not in seen[i + 1:]]
        assert firsts == list(range(60)), seen


def wrong_clock(seconds):
    sys.path.insert(0, os.path.join(HERE, "../fault"))
    from inject import build
    shim = build("wrong_clock", HERE)
    if not shim:
        raise Skip("no C compiler")
    env = {"LD_PRELOAD": shim, "WRONG_CLOCK_S": str(seconds)}
    if "asan" in GAFF:
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return env


def test_nodes_whose_clocks_are_hours_apart_share_the_work():
    s, seen = common(), []

    def answer(request, count):
        body = request["body"]
        seen.append((request["path"], body))
        # The first time each tenth fails: what waits for its next attempt is due by one clock.
        n = json.loads(body)["n"]
        return 500 if n % 10 == 3 and seen.count((request["path"], body)) == 1 else 200, {}, b""
    target = Target(answer)
    url = database(s)
    text = config(target, LANES, ", order: fifo")
    with Node(url, "late", text, env=wrong_clock(-3600)) as late, \
            Node(url, "right", text) as right, \
            Node(url, "early", text, env=wrong_clock(3600)) as early:
        nodes = (late, right, early)
        for n in range(30):
            for lane in range(LANES):
                nodes[(n + lane) % 3].accept(f"d{lane}", json.dumps({"n": n}).encode(), f"{n}")
        until(lambda: delivered(right) == 30 * LANES, "all delivered", 120)
        for lane in range(LANES):
            got = [json.loads(b)["n"] for p, b in seen if p == f"/d{lane}"]
            assert [n for i, n in enumerate(got) if n not in got[i + 1:]] == list(range(30)), got
        # A repeat is one by whichever clock.
        for node in nodes:
            assert node.hook("d0", b'{"n": 7}', "7").json().get("duplicate"), node
        told = {n["name"]: n for n in right.api("GET", "/nodes").json()["nodes"]}
        assert [n["state"] for n in told.values()] == ["alive"] * 3, told
        for node in nodes:
            assert "lost its lease" not in node.log(), node.log()
        for node in (late, early):
            assert "clock" in node.log(), node.log()
        skews = [round(told[n]["clock_skew_ms"] / 60000) for n in ("late", "right", "early")]
        assert skews == [-60, 0, 60], skews


def test_a_node_that_ends_in_good_order_leaves_its_lanes_at_once():
    s, target = common(), Target()
    url = database(s)
    text = config(target, 2)
    with Node(url, "one", text) as one, Node(url, "two", text) as two:
        one.accept("d0")
        until(lambda: len(target.requests) == 1, "delivered")
        assert one.stop() == 0
        two.accept("d0")
        two.accept("d1")
        until(lambda: len(target.requests) == 3, "delivered by the other")
        assert "one" not in owners(s, url).values()


SENDING = "sending: { policy: private }\nsecret_key: a-key-of-the-tests-that-is-long-enough\n"


def make(node, path, body):
    reply = node.api("POST", path, body)
    assert reply.status in (200, 201, 202), (reply.status, reply.body)
    return reply.json()


def test_what_one_node_is_told_of_all_know():
    s, target = common(), Target()
    url = database(s)
    with Node(url, "one", SENDING) as one, Node(url, "two", SENDING) as two:
        make(one, "/app", {"name": "acme", "uid": "acme"})
        made = make(one, "/app/acme/endpoint", {"url": target.url + "/a", "uid": "a"})
        message = {"eventType": "user.created", "payload": {"n": 1}}

        def told(path):
            two.api("POST", "/app/acme/msg", message)
            return path in paths(target)
        until(lambda: told("/a"), "two knows the application and its endpoint")
        # An address defined at one node is served by the other, and goes with it.
        assert one.api("PUT", "/definitions/sources/inbox",
                       {"provider": "none", "insecure": True}).status == 201
        until(lambda: two.post("/in/inbox", b"{}").status == 200, "two serves the address")
        assert one.api("DELETE", "/definitions/sources/inbox").status == 200
        until(lambda: two.post("/in/inbox", b"{}").status == 404, "and no more")
        # A change reaches whoever owns the lane.
        changed = one.api("PATCH", "/app/acme/endpoint/a", {"url": target.url + "/b"})
        assert changed.status == 200, changed.body
        until(lambda: told("/b"), "told at the new address")
        assert one.api("DELETE", "/app/acme/endpoint/" + made["id"]).status == 204
        until(lambda: two.api("GET", "/app/acme/endpoint").json()["data"] == [], "gone at two")


def asked(node, token, method="GET", path="/app/acme"):
    return node.request(method, "/api/v1" + path, b"", {"Authorization": "Bearer " + token},
                        base=node.admin).status


def test_a_token_is_good_and_void_on_all_nodes():
    s, secret = common(), "a-signing-secret-of-the-test"
    url = database(s)
    text = SENDING.replace(" }", f", jwt_secret: {secret} }}", 1)
    with Node(url, "one", SENDING) as one, Node(url, "two", SENDING) as two:
        make(one, "/app", {"name": "acme", "uid": "acme"})
        until(lambda: two.api("GET", "/app/acme").status == 200, "two knows it")
        kept, left, void = (make(one, "/auth/app-portal-access/acme", {})["token"]
                            for _ in range(3))

        def answers(token):
            return [asked(node, token) for node in (one, two)]
        assert [answers(t) for t in (kept, left, void)] == [[200, 200]] * 3
        # The one that asks is void, and no other; whichever node is asked.
        assert asked(two, left, "POST", "/auth/logout") == 204
        assert [answers(t) for t in (kept, left)] == [[200, 200], [401, 401]]
        for node in (one, two):
            node.stop()
            node.config(text)
            node.start()
        assert [answers(t) for t in (kept, left)] == [[200, 200], [401, 401]]
        made = two.cli("jwt", "--expires", "1h").stdout.decode().strip()
        assert answers(made) == [200, 200]
        assert two.api("POST", "/auth/app/acme/expire-all", {}).status == 204
        assert [answers(t) for t in (kept, left, void)] == [[401, 401]] * 3
        assert answers(made) == [200, 200]  # the organisation's, not the application's
        # Once more at the other: a node that knows of one such day hears of the next.
        until(lambda: asked(one, make(one, "/auth/app-portal-access/acme", {})["token"]) == 200,
              "a token of a later second")
        later = make(two, "/auth/app-portal-access/acme", {})["token"]
        assert answers(later) == [200, 200]
        assert one.api("POST", "/auth/app/acme/expire-all", {}).status == 204
        assert answers(later) == [401, 401]


def test_a_database_that_cannot_tell_lets_no_token_in():
    s = server()
    with Node(database(s), "one", SENDING) as one:
        make(one, "/app", {"name": "acme", "uid": "acme"})
        token = make(one, "/auth/app-portal-access/acme", {})["token"]
        assert asked(one, token) == 200
        s.kill()
        assert asked(one, token) == 503
        assert asked(one, "x" + token) == 401
        s.start()
        until(lambda: asked(one, token) == 200, "let in again")


def test_without_a_signing_secret_no_token_is_made_by_hand():
    s = common()
    with Node(database(s), "one", SENDING) as one:
        refused = one.cli("jwt", code=1).stderr.decode()
        assert "sending.jwt_secret" in refused, refused


def test_an_endpoint_that_waits_is_served_by_who_lives():
    s, state = common(), {"status": 500}
    target = Target(lambda r, n: (state["status"], {}, b""))
    url = database(s)
    with Node(url, "one", SENDING) as one:
        with Node(url, "two", SENDING) as two:
            make(one, "/app", {"name": "acme", "uid": "acme"})
            make(one, "/app/acme/endpoint",
                 {"url": target.url + "/a", "uid": "a", "retry": [1] * 50})
            until(lambda: two.api("GET", "/app/acme").status == 200, "two knows it")
            make(one, "/app/acme/msg", {"eventType": "user.created", "payload": {}})
            until(lambda: target.requests, "tried")
            one.kill()
            state["status"] = 200
            until(lambda: delivered(two) == 1, "delivered by two, which had nothing to do with it",
                  60)


def test_content_taken_out_is_gone_on_all_nodes():
    s, target = common(), Target()
    url = database(s)
    with Node(url, "one", SENDING) as one, Node(url, "two", SENDING) as two:
        make(one, "/app", {"name": "acme", "uid": "acme"})
        sent = make(one, "/app/acme/msg", {"eventType": "user.created", "payload": {"n": 41}})
        until(lambda: two.api("GET", "/app/acme").status == 200, "two knows it")
        path = "/app/acme/msg/" + sent["id"]
        assert two.api("GET", path).json()["payload"] == {"n": 41}
        assert two.api("DELETE", path + "/content").status == 204
        for node in (one, two):
            assert b"41" not in json.dumps(node.api("GET", path).json()["payload"]).encode()
        assert one.api("DELETE", "/app/acme/msg/msg_unknown/content").status == 404


MESSAGES = 700


def start_bulk_replay(node, target):
    """Every message of an application is planned anew; the job, and how often each was to be."""
    make(node, "/app", {"name": "acme", "uid": "acme"})
    make(node, "/app/acme/endpoint", {"url": target.url + "/a", "uid": "a"})
    for n in range(MESSAGES):
        make(node, "/app/acme/msg", {"eventType": "user.created", "payload": {"n": n}})
    until(lambda: len(target.requests) == MESSAGES, "each told once", 120)
    return make(node, "/app/acme/endpoint/a/bulk-replay",
                {"since": "2026-01-01T00:00:00Z"})["id"]


def told_again(target):
    """How often each message came after the first time."""
    return collections.Counter(r["headers"]["webhook-id"] for r in target.requests[MESSAGES:])


def test_a_job_has_one_worker():
    s, target = common(), Target()
    url = database(s)
    with Node(url, "one", SENDING) as one:
        job = start_bulk_replay(one, target)
        # Each of these finds a job that runs.
        with Node(url, "two", SENDING) as two, Node(url, "three", SENDING):
            until(lambda: two.api("GET", "/background-task/" + job).json()["status"] == "finished",
                  "the job ends", 120)
            until(lambda: len(target.requests) == 2 * MESSAGES, "all told again", 120)
            assert set(told_again(target).values()) == {1}
            assert s.sql("SELECT count(*) FROM gaff.queue", url.rsplit("/", 1)[1]) == "0"


def test_the_job_of_a_dead_node_is_gone_on_with():
    s, target = common(), Target()
    url = database(s)
    with Node(url, "one", SENDING) as one, Node(url, "two", SENDING) as two:
        job = start_bulk_replay(one, target)
        owner = until(lambda: owners(s, url).get(":tasks"), "somebody works on it")
        (one if owner == "one" else two).kill()
        left = two if owner == "one" else one
        until(lambda: left.api("GET", "/background-task/" + job).json()["status"] == "finished",
              "the other ends it", 120)
        until(lambda: left.api("GET", "/status").json()["deliveries"]["delivered"]
              >= 2 * MESSAGES, "all told again", 120)
        again = told_again(target)
        assert len(again) == MESSAGES, len(again)


def test_the_command_line_finds_a_node_by_its_configuration():
    s, target = common(), Target()
    with Daemon(f"store: {database(s)}\nlisten: 127.0.0.1:0\n"
                f"admin: {{ listen: 127.0.0.1:{free_port()}, token: {TOKEN} }}\n"
                + config(target)) as d:
        body = b"{}"
        event_id = d.post("/in/d0", body, github(body)).json()["id"]
        assert not {"GAFF_API", "GAFF_TOKEN", "GAFF_STORE"} & set(d.env)
        assert event_id in d.cli("events", "ls").stdout.decode()


if __name__ == "__main__":
    main(globals())
