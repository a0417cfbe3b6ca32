#!/usr/bin/env python3
"""The WebSub hub of several nodes: any of them takes requests, one does what is asked, and when it
dies another goes on within the lease."""
import signal
import threading

from nodes import Node, common, database, main, until
from hub_place import Place, ask, config, endpoints, idle, publish, ready

HUB = ":hub"
BEARER = {"Authorization": "Bearer a token for publishers"}


def owner(s, url):
    """The name of the node that does the hub's work, as the database has it; "" for none."""
    return s.sql("SELECT n.name FROM gaff.lanes l JOIN gaff.nodes n USING (epoch) "
                 f"WHERE l.destination = '{HUB}'", url.rsplit("/", 1)[1]).strip()


def by_duty(s, url, nodes):
    """The node that has the duty, and the other."""
    name = until(lambda: owner(s, url), "somebody has the duty")
    one, other = nodes
    return (one, other) if name == one.env["GAFF_NODE"] else (other, one)


def heard(place):
    return sorted(path for path, _, _ in place.heard)


def test_any_node_takes_a_request_and_one_asks():
    s = common()
    with Place() as place:
        url, text = database(s), config(place)
        with Node(url, "one", text) as one, Node(url, "two", text) as two:
            for node in (one, two):
                ready(node)
            for i in range(40):
                assert ask((one, two)[i % 2], place, path=f"/{i}").status == 202
            until(lambda: len(endpoints(two)) == 40 and idle(two), "all are subscribed")
            assert sorted(path.split("?")[0] for path, _ in place.asked) == \
                sorted(f"/{i}" for i in range(40)), "each was asked once"
            publish(two, {"n": 1})
            until(lambda: len(place.heard) == 40, "all are told")


def test_what_a_dead_node_had_to_ask_another_asks():
    s, gate = common(), threading.Event()

    def say(query):
        gate.wait(120)
        return 200, {}, query["hub.challenge"].encode()

    with Place(say) as place:
        url, text = database(s), config(place)
        with Node(url, "one", text) as one, Node(url, "two", text) as two:
            for node in (one, two):
                ready(node)
            busy, left = by_duty(s, url, (one, two))
            # Of its own and of the other's: both are the dead one's to do.
            assert ask(busy, place, path="/a", secret="kept").status == 202
            assert ask(left, place, path="/b").status == 202
            until(lambda: len(place.asked) == 2, "both are being asked")
            busy.kill()
            until(lambda: owner(s, url) == left.env["GAFF_NODE"], "the other has the duty", 60)
            until(lambda: len(place.asked) == 4, "both are asked again")
            gate.set()
            until(lambda: len(endpoints(left)) == 2 and idle(left), "the subscriptions")
            assert len({q["hub.challenge"] for _, q in place.asked}) == 4
            publish(left, {"n": 1})
            until(lambda: heard(place) == ["/a", "/b"], "each is told")
            publish(left, {"n": 2})
            until(lambda: heard(place) == ["/a", "/a", "/b", "/b"], "and once")


def test_what_a_dead_node_was_fetching_is_distributed_once():
    s, gate = common(), threading.Event()
    with Place() as place:
        url, text = database(s), config(place)
        with Node(url, "one", text) as one, Node(url, "two", text) as two:
            for node in (one, two):
                ready(node)
            assert ask(one, place).status == 202
            until(lambda: len(endpoints(one)) == 1 and idle(one), "a subscription")
            busy, left = by_duty(s, url, (one, two))
            place.gate = gate
            assert ask(busy, place, "publish", headers=BEARER).status == 202
            until(lambda: place.fetched == 1, "it is being fetched")
            busy.kill()
            until(lambda: place.fetched == 2, "the other fetches it", 60)
            gate.set()
            until(lambda: idle(left), "the job is done")
            until(lambda: len(place.heard) == 1, "it is distributed")
            publish(left, {"n": 2})
            until(lambda: len(place.heard) == 2, "what comes next")
            assert place.heard[0][2] == place.topic[2] and place.heard[1][2] != place.topic[2]


def test_a_node_stopped_longer_than_its_lease_has_no_effect_of_its_own():
    s, gate = common(), threading.Event()
    with Place() as place:
        url, text = database(s), config(place)
        with Node(url, "one", text) as one, Node(url, "two", text) as two:
            for node in (one, two):
                ready(node)
            assert ask(one, place).status == 202
            until(lambda: len(endpoints(one)) == 1 and idle(one), "a subscription")
            busy, left = by_duty(s, url, (one, two))
            place.gate = gate
            assert ask(left, place, "publish", headers=BEARER).status == 202
            until(lambda: place.fetched == 1, "it is being fetched")
            busy.signal(signal.SIGSTOP)
            try:
                until(lambda: place.fetched == 2, "the other fetches it", 60)
                gate.set()
                until(lambda: idle(left), "the job is done")
            finally:
                busy.signal(signal.SIGCONT)
            until(lambda: "lost its lease" in busy.log(), "it heard of that")
            publish(busy, {"n": 2})
            until(lambda: len(place.heard) == 2, "once each")
            assert ask(busy, place, path="/later").status == 202
            until(lambda: len(endpoints(busy)) == 2, "the hub goes on")
            assert len(place.heard) == 2


def test_a_node_that_ends_leaves_the_duty_at_once():
    s = common()
    with Place() as place:
        url, text = database(s), config(place)
        with Node(url, "one", text) as one, Node(url, "two", text) as two:
            for node in (one, two):
                ready(node)
            busy, left = by_duty(s, url, (one, two))
            busy.stop()
            until(lambda: owner(s, url) == left.env["GAFF_NODE"], "the other has the duty")
            assert ask(left, place).status == 202
            until(lambda: len(endpoints(left)) == 1, "and does it")


main(globals())
