#!/usr/bin/env python3
"""standards.py -- senders that follow a standard: CloudEvents with its handshake."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

# --- CloudEvents --------------------------------------------------------------------------------

EVENTS = """
sources:
  events:
    provider: cloudevents-webhook
    secret: "a bearer token"
    options: { origin: a.example.org, rate: "120" }
  signed: { provider: x-hub-signature, secret: "a shared secret" }
destinations:
  out: { log: { file: out.jsonl } }
routes:
  - name: paid
    from: [events, signed]
    to: [out]
    match: { event: order.paid, header: { ce-tenant: acme } }
"""
BEARER = {"Authorization": "Bearer a bearer token"}


def cloudevent(number, **more):
    return {"specversion": "1.0", "id": f"e-{number}", "source": "/orders", "type": "order.paid",
            "tenant": "acme", "data": {"n": number}, **more}


def post_batch(d, events, path="/in/events", **headers):
    return d.post(path, json.dumps(events).encode(),
                  {**BEARER, "Content-Type": "application/cloudevents-batch+json", **headers})


def test_attributes_are_found_in_each_mode():
    with Daemon(EVENTS) as d:
        binary = d.post("/in/events", b'{"n":1}', {
            **BEARER, "Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "e-1",
            "ce-source": "/orders", "ce-type": "order.paid", "ce-tenant": "acme"})
        structured = d.post("/in/events", json.dumps(cloudevent(2)).encode(), {
            **BEARER, "Content-Type": "application/cloudevents+json; charset=utf-8",
            "ce-tenant": "forged"})
        assert binary.status == structured.status == 200, (binary.body, structured.body)
        batch = post_batch(d, [cloudevent(3), cloudevent(4, type="order.lost"), cloudevent(5)])
        assert batch.status == 200, batch.body
        ids = batch.json()["ids"]
        assert len(ids) == 3 and batch.json()["duplicates"] == 0
        types = [d.api("GET", "/events/" + i).json()["type"]
                 for i in (binary.json()["id"], structured.json()["id"], *ids)]
        assert types == ["order.paid"] * 3 + ["order.lost", "order.paid"], types
        counts = [len(d.api("GET", "/events/" + i).json()["deliveries"])
                  for i in (binary.json()["id"], structured.json()["id"], *ids)]
        assert counts == [1, 1, 1, 0, 1], counts
        third = d.api("GET", "/events/" + ids[0]).json()
        assert json.loads(third["body"]) == cloudevent(3)


def test_source_and_id_are_the_delivery_id_in_every_mode():
    with Daemon(EVENTS) as d:
        first = post_batch(d, [cloudevent(1), cloudevent(2)]).json()["ids"]
        alone = d.post("/in/events", json.dumps(cloudevent(2)).encode(),
                       {**BEARER, "Content-Type": "application/cloudevents+json"}).json()
        assert alone["duplicate"] and alone["id"] == first[1], alone
        again = post_batch(d, [cloudevent(2), cloudevent(3), cloudevent(3)]).json()
        assert again["duplicates"] == 2 and again["ids"][0] == first[1], again
        assert again["ids"][1] == again["ids"][2]
        assert post_batch(d, [cloudevent(1, source="/else")]).json()["duplicates"] == 0


def test_a_batch_that_was_answered_is_stored_whole():
    with Daemon(EVENTS) as d:
        ids = post_batch(d, [cloudevent(n) for n in range(256)]).json()["ids"]
        d.kill()
        d.start()
        assert len(set(ids)) == 256
        for event_id in (ids[0], ids[100], ids[255]):
            assert d.api("GET", "/events/" + event_id).json()["source"] == "events"
        assert d.api("GET", "/events/" + ids[255]).json()["body"] == json.dumps(cloudevent(255))
        long = post_batch(d, [cloudevent(n) for n in range(257)])
        assert long.status == 413 and "at most 256" in long.json()["error"]["message"], long.body


def test_what_is_no_good_batch_is_kept_as_it_came():
    with Daemon(EVENTS) as d:
        for body in (b"[]", b"{}", b"[7]", b"no json", json.dumps([cloudevent(1), {}]).encode()):
            reply = d.post("/in/events", body,
                           {**BEARER, "Content-Type": "application/cloudevents-batch+json"})
            assert reply.status == 200 and "id" in reply.json(), (body, reply.body)
            assert d.api("GET", "/events/" + reply.json()["id"]).json()["body"].encode() == body


def test_a_batch_is_verified_as_a_whole():
    with Daemon(EVENTS) as d:
        body = json.dumps([cloudevent(1), cloudevent(2)]).encode()
        mac = hmac.new(b"a shared secret", body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/cloudevents-batch+json",
                   "X-Hub-Signature-256": "sha256=" + mac}
        assert len(d.post("/in/signed", body, headers).json()["ids"]) == 2
        assert d.post("/in/signed", body.replace(b"e-2", b"e-3"), headers).status == 401
        assert len(d.events()) == 2


def test_the_handshake_is_for_the_configured_origin():
    with Daemon(EVENTS) as d:
        asked = {"WebHook-Request-Origin": "a.example.org", "WebHook-Request-Rate": "1000"}
        reply = d.request("OPTIONS", "/in/events", headers=asked)
        assert reply.status == 200 and reply.headers["WebHook-Allowed-Origin"] == "a.example.org"
        assert reply.headers["WebHook-Allowed-Rate"] == "120" and reply.headers["Allow"] == "POST"
        for headers in ({}, {"WebHook-Request-Origin": "b.example.org"},
                        {"WebHook-Request-Origin": "*"}):
            other = d.request("OPTIONS", "/in/events", headers=headers)
            assert other.status == 405, other.status
            assert "WebHook-Allowed-Origin" not in other.headers
        assert d.events() == []


if __name__ == "__main__":
    run(globals())
