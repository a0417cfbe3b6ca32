#!/usr/bin/env python3
"""Messages fetched instead of sent, changed on their way, and taken out again."""
from lib import *

CONFIG = "sending: { policy: private }\n"


def make(d, path, body, status=201):
    reply = d.api("POST", path, body)
    assert reply.status == status, reply.body
    return reply.json() if reply.body else None


def send(d, n, kind="a", **more):
    return make(d, "/app/acme/msg", {"eventType": kind, "payload": {"n": n}, **more}, 202)


def fetch(d, path, code=200):
    reply = d.api("GET", path)
    assert reply.status == code, reply.body
    return reply.json()


def numbers(page):
    return [m["payload"]["n"] for m in page["data"]]


def test_a_poller_reads_in_order_by_the_filters_of_its_endpoint():
    target = Target()
    with Daemon(CONFIG) as d:
        make(d, "/app", {"name": "acme", "uid": "acme"})
        for kind in ("a", "b"):
            make(d, "/event-type", {"name": kind, "description": ""})
        make(d, "/app/acme/endpoint", {"url": target.url, "uid": "pull", "delivery": "poll",
                                       "eventTypes": ["a"]})
        for n in range(6):
            send(d, n, "b" if n == 3 else "a", channels=["x"] if n == 4 else None)
        base = "/app/acme/poller/pull"
        # What is younger than a second is not shown yet: neighbours may still be on their way.
        until(lambda: len(fetch(d, base)["data"]) == 5, "all are there")
        page = fetch(d, base + "?limit=2")
        assert numbers(page) == [0, 1] and not page["done"], page
        page = fetch(d, base + "?limit=9&iterator=" + page["iterator"])
        assert numbers(page) == [2, 4, 5] and page["done"], page
        again = fetch(d, base + "?iterator=" + page["iterator"])
        assert again["data"] == [] and again["iterator"] == page["iterator"], again
        assert numbers(fetch(d, base + "?channel=x")) == [4]
        assert fetch(d, base + "?event_type=b")["data"] == []
        fetch(d, base + "?limit=0", 422)
        fetch(d, base + "?iterator=nonsense", 422)
        fetch(d, "/app/acme/poller/nobody", 404)
        assert not target.requests  # nothing is sent to it
    target.close()


def test_a_consumer_is_where_it_confirmed_also_after_a_kill():
    with Daemon(CONFIG) as d:
        make(d, "/app", {"name": "acme", "uid": "acme"})
        make(d, "/app/acme/endpoint", {"url": "http://127.0.0.1:9/", "uid": "pull",
                                       "delivery": "poll"})
        for n in range(4):
            send(d, n)
        base = "/app/acme/poller/pull/consumer/worker-1"
        until(lambda: len(fetch(d, base)["data"]) == 4, "all are there")
        first = fetch(d, base + "?limit=2")
        assert numbers(fetch(d, base + "?limit=2")) == numbers(first) == [0, 1]  # not confirmed
        second = fetch(d, base + "?limit=2&iterator=" + first["iterator"])
        assert numbers(second) == [2, 3]
        d.kill()
        d.start()
        assert numbers(fetch(d, base)) == [2, 3]
        assert numbers(fetch(d, "/app/acme/poller/pull/consumer/other")) == [0, 1, 2, 3]
        seek = make(d, base + "/seek", {"after": "2020-01-02T00:00:00Z"}, 200)
        assert seek["iterator"].startswith("msg_") and numbers(fetch(d, base)) == [0, 1, 2, 3]
        make(d, base + "/seek", {"after": "2100-01-01T00:00:00Z"}, 200)
        assert fetch(d, base)["data"] == []
        assert d.api("POST", base + "/seek", {}).status == 422
        fetch(d, "/app/acme/poller/pull/consumer/a%20b", 422)


def test_programs_choose_and_change_what_an_endpoint_gets():
    target = Target()
    with Daemon(CONFIG) as d:
        make(d, "/app", {"name": "acme", "uid": "acme"})
        make(d, "/app/acme/endpoint", {
            "url": target.url, "uid": "a", "where": ".n > 1",
            "transform": "{text: \"n is \\(.n)\"}"})
        for n in range(4):
            send(d, n)
        until(lambda: len(target.requests) == 2, "two are told")
        got = sorted(json.loads(r["body"])["text"] for r in target.requests)
        assert got == ["n is 2", "n is 3"], got
        key = d.api("GET", "/app/acme/endpoint/a/secret").json()["key"]
        r = target.requests[0]
        signed = b".".join([r["headers"]["webhook-id"].encode(),
                            r["headers"]["webhook-timestamp"].encode(), r["body"]])
        mac = hmac.new(base64.b64decode(key[6:]), signed, hashlib.sha256).digest()
        assert r["headers"]["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
        canceled = d.api("GET", "/app/acme/attempt/endpoint/a?status=4").json()["data"]
        assert len(canceled) == 2 and canceled[0]["statusText"] == "canceled", canceled
        assert "gave false" in canceled[0]["response"], canceled
        # A program that does not end is ended, and delivers nothing.
        make(d, "/app/acme/endpoint", {"url": target.url + "/loop", "uid": "loop", "retry": [],
                                       "transform": "def f: f; f"})
        m = send(d, 7)
        def tried():
            found = d.api("GET", f"/app/acme/attempt/msg/{m['id']}").json()["data"]
            return [a for a in found if a["url"].endswith("/loop")]
        assert until(tried, "it was tried", 60)[0]["status"] == 2
        assert not [r for r in target.requests if r["path"] == "/loop"]
    target.close()


def test_payloads_are_taken_out():
    with Daemon(CONFIG) as d:
        make(d, "/app", {"name": "acme", "uid": "acme"})
        ids = [send(d, n, eventId=f"e{n}")["id"] for n in range(5)]
        reply = d.api("POST", "/app/acme/msg/bulk-expunge", {"ids": [ids[0], "e1", "nobody"]})
        if reply.status == 501:
            raise Skip("this store cannot take payloads out")
        assert reply.status == 200, reply.body
        assert reply.json()["results"] == {ids[0]: "expunged", "e1": "expunged",
                                           "nobody": "not-found"}, reply.body
        shown = lambda: [m["payload"] for m in d.api("GET", "/app/acme/msg").json()["data"]]
        assert shown().count({"expired": True}) == 2, shown()
        task = make(d, "/app/acme/msg/expunge-all-contents", {}, 202)
        assert task["task"] == "application.purge_content", task
        def finished():
            t = d.api("GET", "/background-task/" + task["id"]).json()
            return t if t["status"] == "finished" else None
        done = until(finished, "the job ends")
        assert done["data"]["messagesPurged"] == 3, done
        assert shown() == [{"expired": True}] * 5, shown()
        assert d.api("POST", "/app/acme/msg/bulk-expunge", {"ids": []}).status == 422


if __name__ == "__main__":
    run(globals())
