#!/usr/bin/env python3
"""One application or endpoint that hangs, fails or floods is nobody else's trouble: fair turns, the
circuit, quotas and rates of an application."""
from lib import *

CONFIG = "sending: { policy: private }\n"
REACH = 4  # attempts at a time of an endpoint that answered nothing yet
BUDGET = 1024  # attempts in flight of a delivery loop; one application alone may hold half


class Hanging:
    """Takes connections and never answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.held = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                self.held.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for one in self.held:
            one.close()


def app(d, uid, **more):
    reply = d.api("POST", "/app", {"name": uid, "uid": uid, **more})
    assert reply.status == 201, reply.body
    return reply.json()


def endpoint(d, app_, url, uid, **more):
    reply = d.api("POST", f"/app/{app_}/endpoint", {"url": url, "uid": uid, **more})
    assert reply.status == 201, reply.body
    return reply.json()


def send(d, app_, payload=None, code=202, **more):
    reply = d.api("POST", f"/app/{app_}/msg",
                  {"eventType": "x", "payload": payload or {}, **more})
    assert reply.status == code, reply.body
    return reply


def test_an_application_that_hangs_takes_no_turn_from_others():
    hanging, target = Hanging(), Target()
    with Daemon(CONFIG) as d:
        app(d, "hangs")
        app(d, "healthy")
        for i in range(BUDGET // 2 // REACH + 5):
            endpoint(d, "hangs", hanging.url, f"e{i}", concurrency=256, timeout=3600)
        endpoint(d, "healthy", target.url, "a")
        for _ in range(REACH + 1):
            send(d, "hangs")
        until(lambda: len(hanging.held) >= BUDGET // 2, "it holds what one may hold", 60)
        for _ in range(50):
            send(d, "healthy")
        until(lambda: len(target.requests) == 50, "the other is delivered meanwhile", 60)
        assert len(hanging.held) == BUDGET // 2, len(hanging.held)
    hanging.close()
    target.close()


def test_endpoints_that_hang_leave_room_for_others_of_their_application():
    hanging, sent, together = Hanging(), threading.Event(), threading.Semaphore(0)

    def answer(request, count):
        sent.wait()
        if count > 40:  # by then it is trusted with all that it was given
            together.acquire()
        return 200, {}, b""
    target = Target(answer)
    with Daemon(CONFIG) as d:
        app(d, "acme")
        for i in range(40):  # with 16 each they would hold all that the application may
            endpoint(d, "acme", hanging.url, f"e{i}", concurrency=16, timeout=3600)
        endpoint(d, "acme", target.url, "a", concurrency=16)
        for _ in range(60):
            send(d, "acme")
        sent.set()
        until(lambda: len(target.requests) == 40 + 16, "the other goes up to its concurrency", 60)
        for _ in range(60):
            together.release()
        until(lambda: len(target.requests) == 60, "the other is told everything", 60)
        until(lambda: len(hanging.held) == 40 * REACH, "those that hang hold what they may", 60)
    hanging.close()
    target.close()


def state(d, uid="a"):
    return d.api("GET", f"/app/acme/endpoint/{uid}").json()


def test_a_circuit_opens_asks_and_closes():
    answers = {"status": 500}
    target = Target(lambda request, count: (answers["status"], {}, b""))
    with Daemon(CONFIG) as d:
        app(d, "acme")
        made = endpoint(d, "acme", target.url, "a", retry=[3600], concurrency=1,
                        circuit={"failures": 3, "waitSeconds": 3600})
        assert made["circuitState"] == "closed" and made["circuit"]["failures"] == 3, made
        for _ in range(10):
            send(d, "acme")
        until(lambda: state(d)["circuitState"] == "open", "it opens")
        assert "circuitUntil" in state(d)
        assert len(target.requests) == 3, len(target.requests)
        # Changed in something else it stays open; a message sent again by hand asks at once.
        assert d.api("PATCH", "/app/acme/endpoint/a", {"description": "x"}).status == 200
        message = d.api("GET", "/app/acme/msg").json()["data"][0]["id"]
        assert d.api("POST", f"/app/acme/msg/{message}/endpoint/a/resend", {}).status == 202
        until(lambda: len(target.requests) == 4, "one asks")
        until(lambda: state(d)["circuitState"] == "open", "open again")
        answers["status"] = 200
        assert d.api("POST", "/app/acme/endpoint/a/circuit/close", {}).status == 204
        until(lambda: len(target.requests) >= 11, "what waited is sent")
        until(lambda: state(d)["circuitState"] == "closed", "closed")
        metrics = d.request("GET", "/metrics", headers={"Authorization": "Bearer " + d.token()},
                            base=d.admin).body.decode()
        assert re.search(r"^gaff_circuits_opened_total 1$", metrics, re.M), metrics
    target.close()


def test_a_destination_has_one_too():
    answers = {"status": 503}
    target = Target(lambda request, count: (answers["status"], {}, b""))
    config = f"""sources:
  hub: {{ provider: github, secrets: ["{SECRET}"] }}
destinations:
  ci: {{ http: {{ url: "{target.url}" }}, concurrency: 1, retry: {{ schedule: [1h] }},
         circuit: {{ failures: 2, wait: 1h }} }}
routes:
  - {{ from: hub, to: [ci] }}
"""
    with Daemon(config) as d:
        for i in range(5):
            body = b'{"n":%d}' % i
            assert d.post("/in/hub", body, github(body)).status == 200
        row = lambda: d.api("GET", "/destinations").json()["destinations"][0]
        until(lambda: row()["circuit"] == "open", "it opens")
        assert len(target.requests) == 2 and row()["circuit_until"]
        assert b"open" in d.cli("destinations", "ls").stdout
        answers["status"] = 200
        assert b"tried again" in d.cli("circuit", "close", "ci").stdout
        until(lambda: len(target.requests) == 5, "the rest arrives")
        assert row()["circuit"] == "closed"
        assert b"no destination" in d.cli("circuit", "close", "nobody", code=None).stderr
    target.close()


def test_messages_of_a_period_and_what_may_wait():
    hanging = Hanging()
    with Daemon(CONFIG) as d:
        made = app(d, "acme", messageLimit=3, messageLimitPeriod=2678400)
        assert made["messageLimit"] == 3, made
        for _ in range(3):
            send(d, "acme")
        refused = send(d, "acme", code=503)
        assert refused.json()["error"]["code"] == "message_limit_reached", refused.body
        d.kill()
        d.start()
        send(d, "acme", code=503)  # messages of the period are counted in the store
        assert d.api("PATCH", "/app/acme", {"messageLimit": 4}).status == 200
        send(d, "acme")
        send(d, "acme", code=503)
        assert 0 < int(refused.headers["Retry-After"]) <= 2678400
        assert d.api("PATCH", "/app/acme", {"messageLimit": None, "pendingLimit": 2}).status == 200
        endpoint(d, "acme", hanging.url, "a", timeout=3600)
        send(d, "acme")
        send(d, "acme")
        refused = send(d, "acme", code=503)
        assert refused.json()["error"]["code"] == "pending_limit_reached", refused.body
        d.kill()
        d.start()
        send(d, "acme", code=503)  # what waits is counted in the store
        assert d.api("DELETE", "/app/acme/endpoint/a").status == 204
        assert d.api("PATCH", "/app/acme", {"pendingLimit": 100000}).status == 200
        send(d, "acme")
        assert d.api("PATCH", "/app/acme", {"pendingLimit": 0}).status == 422
    hanging.close()


def test_the_rate_of_an_application_is_kept_by_all_its_endpoints_together():
    target = Target()
    with Daemon(CONFIG) as d:
        app(d, "acme", throttleRate=10)
        for i in range(4):
            endpoint(d, "acme", target.url, f"e{i}")
        began = time.monotonic()
        for _ in range(8):
            send(d, "acme")
        until(lambda: len(target.requests) == 32, "all arrive")
        # A lower bound alone: 32 attempts at 10 a second take three seconds; a slow machine longer.
        took = max(r["time"] for r in target.requests) - began
        assert took > 3.0, took
    target.close()


if __name__ == "__main__":
    run(globals())
