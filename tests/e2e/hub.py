#!/usr/bin/env python3
"""The WebSub hub as subscribers and publishers meet it: each MUST of the recommendation that a hub
can break, and the hub against gaff's own subscriber."""
import urllib.parse

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hub_place import (HUB_URL, SEALED, Place, ask, config, endpoints, idle, publish, ready,
                       signature, subscribed)
from lib import *


def test_a_subscriber_is_asked_back_confirmed_and_told():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        one, = subscribed(d, place, path="/callback?who=me&x=%20y", secret="a s\u00e9cret",
                          lease_seconds="86400", nothing="of WebSub")
        path, query = place.asked[0]
        assert path.startswith("/callback?who=me&x=%20y&hub.mode=subscribe&"), path
        assert query["hub.topic"] == place.url + "/topic", query
        assert query["hub.lease_seconds"] == "86400" and len(query["hub.challenge"]) >= 32, query
        assert one["url"] == place.url + "/callback?who=me&x=%20y", one
        assert one["subscription"]["topic"] == place.url + "/topic", one
        assert one["filterTypes"] == ["news"], one
        publish(d, {"title": "first"})
        until(lambda: place.heard, "the distribution")
        path, headers, body = place.heard[0]
        assert path == "/callback?who=me&x=%20y", path
        assert json.loads(body) == {"title": "first"}
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Hub-Signature"] == signature("a s\u00e9cret", body)
        assert headers["Link"] == f'<{HUB_URL}>; rel="hub", <{place.url}/topic>; rel="self"'
        assert "cret" not in d.log().replace("secret", ""), "nothing of the secret"
        assert base64.b64encode("a s\u00e9cret".encode()) not in d.stored(), "it is sealed"


def test_without_a_secret_there_is_no_signature():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place)
        publish(d, {"n": 1})
        until(lambda: place.heard, "the distribution")
        assert place.heard[0][1]["X-Hub-Signature"] is None


def test_what_is_not_confirmed_is_no_subscription():
    answers = [(404, {}, b""), (200, {}, b"another"), (200, {}, b""), (500, {}, None),
               (302, {"Location": "/callback"}, None), (200, {}, b"with")]

    def say(query):
        status, headers, body = answers[len(place.asked) - 1]
        challenge = query["hub.challenge"].encode()
        return status, headers, challenge if body is None else \
            challenge + b" more" if body == b"with" else body

    with Place(say) as place, Daemon(config(place)) as d:
        ready(d)
        for i in range(len(answers)):
            assert ask(d, place, path=f"/{i}").status == 202
            until(lambda: d.log().count("a subscription was not confirmed") == i + 1, "the no")
        assert endpoints(d) == []
        assert "without the challenge" in d.log() and "HTTP 404" in d.log()
        publish(d, {})
    assert place.heard == []


def test_a_renewal_replaces_and_only_when_it_is_confirmed():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        first, = subscribed(d, place, secret="first", lease_seconds="3600")
        good = place.say
        place.say = lambda query: (404, {}, b"")
        assert ask(d, place, secret="stranger", lease_seconds="7200").status == 202
        until(lambda: "a subscription was not confirmed" in d.log(), "the no")
        one, = endpoints(d)
        assert one["subscription"] == first["subscription"], "unchanged"
        publish(d, {"n": 1})
        until(lambda: len(place.heard) == 1, "told as before")
        assert place.heard[0][1]["X-Hub-Signature"] == signature("first", place.heard[0][2])
        place.say = good
        second, = subscribed(d, place, secret="second", lease_seconds="7200")
        assert second["id"] == first["id"]
        assert second["subscription"]["until"] > first["subscription"]["until"]
        publish(d, {"n": 2})
        until(lambda: len(place.heard) == 2, "told with the new secret")
        assert place.heard[1][1]["X-Hub-Signature"] == signature("second", place.heard[1][2])
        subscribed(d, place)
        publish(d, {"n": 3})
        until(lambda: len(place.heard) == 3, "told without a secret")
        assert place.heard[2][1]["X-Hub-Signature"] is None


def test_unsubscribing_is_asked_back_too():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place)
        good = place.say
        place.say = lambda query: (404, {}, b"")
        assert ask(d, place, "unsubscribe").status == 202
        until(lambda: "the end of a subscription was not confirmed" in d.log(), "the no")
        assert len(endpoints(d)) == 1
        place.say = good
        assert ask(d, place, "unsubscribe", lease_seconds="ignored").status == 202
        until(lambda: endpoints(d) == [], "the end")
        path, query = place.asked[-1]
        assert query["hub.mode"] == "unsubscribe" and "hub.lease_seconds" not in query, path
        publish(d, {"n": 1})
        subscribed(d, place, path="/later")
        publish(d, {"n": 2})
        until(lambda: place.heard, "who came later")
        assert [(p, json.loads(b)) for p, _, b in place.heard] == [("/later", {"n": 2})]


def test_a_lease_ends():
    with Place() as place, Daemon(config(place, least="1s")) as d:
        ready(d)
        assert len(subscribed(d, place, lease_seconds="2")) == 1
        subscribed(d, place, path="/long", lease_seconds="99999999999")
        assert place.asked[-1][1]["hub.lease_seconds"] == str(30 * 86400), "no lease for ever"
        until(lambda: len(endpoints(d)) == 1, "the end of the lease", 60)
        assert "its lease ran out" in d.log()
        publish(d, {"n": 1})
        until(lambda: place.heard, "the other one")
        assert [p for p, _, _ in place.heard] == ["/long"]
        assert all(q["hub.mode"] == "subscribe" for _, q in place.asked), "nothing to deny"


def test_what_is_refused_is_said_in_plain_words():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        for status, part, more in (
                (400, "hub.mode", {"mode": "resubscribe"}),
                (400, "hub.mode is missing", {"mode": None}),
                (400, "hub.topic is missing", {"topic": None}),
                (404, "no such topic", {"topic": "https://blog.example.org/other"}),
                (400, "hub.callback is missing", {"callback": None}),
                (400, "hub.callback", {"callback": "ftp://127.0.0.1/"}),
                (400, "hub.callback", {"callback": "/relative"}),
                (400, "hub.callback", {"callback": "http://user:pw@127.0.0.1/"}),
                (400, "fragment", {"callback": "http://127.0.0.1/#here"}),
                (400, "longer than 2048", {"callback": "http://127.0.0.1/" + "x" * 2048}),
                (403, "does not call that host", {"callback": "http://other.example.org/"}),
                (400, "200 bytes", {"secret": "x" * 200}),
                (400, "lease_seconds", {"lease_seconds": "-1"}),
                (400, "lease_seconds", {"lease_seconds": "0"}),
                (400, "lease_seconds", {"lease_seconds": "ten days"}),
                (400, "hub.mode", {"mode": "denied"})):
            reply = ask(d, place, **more)
            assert reply.status == status and part in reply.body.decode(), (more, reply.body)
            assert reply.headers["Content-Type"].startswith("text/plain"), more
        assert ask(d, place, secret="x" * 199).status == 202
        reply = d.post("/hub", b"{}", {"Content-Type": "application/json"})
        assert reply.status == 415, reply.body
        reply = d.request("GET", "/hub?hub.mode=subscribe")
        assert reply.status == 405 and reply.headers["Allow"] == "POST"
        assert ask(d, place, nothing="x" * 20000).status == 413
        until(lambda: len(endpoints(d)) == 1, "the good one alone")


def test_callbacks_inside_the_network_are_not_called():
    text = """
public_url: https://hub.example.org
hub: {{ callbacks: ["*"], topics: {{ news: "{topic}" }} }}
"""
    with Place() as place, Daemon(text.format(topic=place.url + "/topic")) as d:
        ready(d)
        port = place.url.rsplit(":", 1)[1]
        for host in ("127.0.0.1", "[::1]", "2130706433", "0x7f.1", "10.0.0.1", "169.254.169.254"):
            reply = ask(d, place, callback=f"http://{host}:{port}/callback")
            assert reply.status == 400 and b"hub.callback" in reply.body, (host, reply.body)
        assert ask(d, place, callback=f"http://localhost:{port}/callback").status == 202
        until(lambda: "address not allowed by outbound policy" in d.log(), "the refusal")
        assert place.asked == [] and endpoints(d) == []


def test_a_ping_has_the_topic_fetched_and_distributed():
    bearer = {"Authorization": "Bearer a token for publishers"}
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place, secret="s")
        assert ask(d, place, "publish").status == 401
        wrong = {"Authorization": "Bearer a token for publisherz"}
        assert ask(d, place, "publish", headers=wrong).status == 401
        assert ask(d, place, "publish", headers=bearer).status == 202
        until(lambda: len(place.heard) == 1, "the distribution")
        _, headers, body = place.heard[0]
        assert body == b"<feed>1</feed>" and headers["Content-Type"] == "application/atom+xml"
        assert headers["X-Hub-Signature"] == signature("s", body)
        # Nothing new: it is not sent again. Something large: it is sent whole.
        assert ask(d, place, "publish", headers=bearer).status == 202
        large = os.urandom(300000)
        until(lambda: idle(d), "the second fetch")
        place.topic = (200, {"Content-Type": "application/octet-stream"}, large)
        form = {"hub.mode": "publish", "hub.topic": None, "hub.url": place.url + "/topic"}
        assert ask(d, place, "publish", headers=bearer, topic=None,
                   url=form["hub.url"]).status == 202
        until(lambda: len(place.heard) == 2, "the large one")
        assert place.heard[1][2] == large
        place.topic = (200, {}, b"x" * (1 << 20) + b"x")
        assert ask(d, place, "publish", headers=bearer).status == 202
        until(lambda: "larger than limits.body_size" in d.log(), "the refusal")


def test_a_topic_that_is_taken_out_is_denied_to_its_subscribers():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place, path="/callback?who=me", secret="s")
        d.config(config(place).replace("/topic", "/other"))
        d.cli("reload")
        until(lambda: len(place.asked) == 2, "the denial")
        path, query = place.asked[1]
        assert path.startswith("/callback?who=me&hub.mode=denied&"), path
        assert query == {"who": "me", "hub.mode": "denied", "hub.topic": place.url + "/topic",
                         "hub.reason": "the hub has this topic no more"}, query
        until(lambda: endpoints(d) == [] and idle(d), "the end")


def test_a_hub_that_is_taken_out_denies_what_it_had_also_after_a_restart():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place)
        d.stop()
        d.config(SEALED + "sending: { policy: private }\n")
        d.start()
        until(lambda: len(place.asked) == 2, "the denial")
        assert place.asked[1][1]["hub.mode"] == "denied"
        until(lambda: endpoints(d) == [], "the end")
        assert ask(d, place).status == 404 and d.api("GET", "/hub").status == 404


def test_what_the_operator_deletes_is_denied_and_what_he_disables_stays_so():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        one, = subscribed(d, place)
        patch = d.api("PATCH", f"/app/websub/endpoint/{one['id']}", {"disabled": True})
        assert patch.status == 200 and patch.json()["subscription"] == one["subscription"]
        again, = subscribed(d, place)
        assert again["disabled"] and again["id"] == one["id"]
        put = d.api("PUT", f"/app/websub/endpoint/{one['id']}", {"url": one["url"]})
        assert put.status == 200 and put.json()["subscription"]["topic"] == place.url + "/topic"
        assert d.api("DELETE", f"/app/websub/endpoint/{one['id']}").status == 204
        until(lambda: place.asked[-1][1]["hub.mode"] == "denied", "the denial")
        assert place.asked[-1][1]["hub.reason"] == "ended by the hub's operator"
        until(lambda: idle(d), "the end")


def test_an_application_that_the_operator_deletes_is_denied_to_all_and_begins_anew():
    many = 205  # more than a page of what is deleted at a time
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        for i in range(many):
            assert ask(d, place, path=f"/{i}", secret="s").status == 202
        until(lambda: idle(d), "all are asked", 60)
        assert len(d.api("GET", "/app/websub/endpoint?limit=250").json()["data"]) == many
        place.asked.clear()
        assert d.api("DELETE", "/app/websub").status == 204
        until(lambda: len(place.asked) == many, "all are told", 60)
        assert sorted(path.split("?")[0] for path, _ in place.asked) == \
            sorted(f"/{i}" for i in range(many))
        for _, query in place.asked:
            assert query == {"hub.mode": "denied", "hub.topic": place.url + "/topic",
                             "hub.reason": "ended by the hub's operator"}, query
        until(lambda: idle(d), "no job is left")
        ready(d)
        assert endpoints(d) == []
        assert len(subscribed(d, place, path="/again")) == 1
        publish(d, {"n": 1})
        until(lambda: place.heard, "the distribution")
        assert [path for path, _, _ in place.heard] == ["/again"]


def test_a_denial_of_a_deleted_application_outlives_a_kill_and_the_hub():
    gate = threading.Event()

    def say(query):
        if query["hub.mode"] == "denied":
            gate.wait(120)
        return 200, {}, query.get("hub.challenge", "").encode()

    with Place(say) as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place)
        assert d.api("DELETE", "/app/websub").status == 204
        until(lambda: len(place.asked) == 2, "it is being told")
        d.kill()
        d.config(SEALED + "sending: { policy: private }\n")
        gate.set()
        d.start()
        until(lambda: len(place.asked) == 3, "it is told again", 60)
        assert place.asked[2][1]["hub.mode"] == "denied"


def metrics(d):
    """Of the hub: name and labels -> value; by name alone for those that have none."""
    reply = d.request("GET", "/metrics", headers={"Authorization": "Bearer " + d.token()},
                      base=d.admin)
    return {name: int(value) for name, value in re.findall(
        r"^gaff_hub_(\S+) (\d+)$", reply.body.decode(), re.M) if value != "0"}


def test_what_the_hub_does_is_counted():
    bearer = {"Authorization": "Bearer a token for publishers"}
    many = "max_subscriptions: 2\n  publish_token:"
    with Place() as place, Daemon(config(place, "1s").replace("publish_token:", many)) as d:
        ready(d)
        assert metrics(d) == {}
        subscribed(d, place, path="/long")
        subscribed(d, place, path="/short", lease_seconds="2")
        assert metrics(d) == {'requests_total{answer="accepted"}': 2,
                              'jobs_total{mode="subscribe",outcome="done"}': 2,
                              'subscriptions{topic="news"}': 2}, metrics(d)
        assert ask(d, place, path="/third").status == 503
        assert ask(d, place, mode="resubscribe").status == 400
        # As the hub itself counts: the list of the store may be ahead of it.
        until(lambda: metrics(d).get('subscriptions{topic="news"}') == 1, "the lease ended", 60)
        good, place.say = place.say, lambda query: (404, {}, b"")
        assert ask(d, place, path="/no").status == 202
        until(lambda: "a subscription was not confirmed" in d.log(), "the no")
        place.say = good
        assert ask(d, place, "publish", headers=bearer).status == 202
        until(lambda: place.heard and idle(d), "the distribution")
        assert ask(d, place, "unsubscribe", path="/long").status == 202
        until(lambda: endpoints(d) == [] and idle(d), "the end")
        told = {'requests_total{answer="accepted"}': 5,
                'requests_total{answer="busy"}': 1,
                'requests_total{answer="refused"}': 1,
                'jobs_total{mode="subscribe",outcome="done"}': 2,
                'jobs_total{mode="subscribe",outcome="refused"}': 1,
                'jobs_total{mode="publish",outcome="done"}': 1,
                'jobs_total{mode="unsubscribe",outcome="done"}': 1,
                'leases_ended_total': 1}
        until(lambda: metrics(d) == told, f"all of it is told: {told}")


def test_who_is_gone_is_left_alone_until_it_subscribes_anew():
    with Place() as place, Daemon(config(place)) as d:
        ready(d)
        subscribed(d, place)
        place.take = lambda count: 410
        publish(d, {"n": 1})
        until(lambda: endpoints(d)[0]["disabled"], "the end")
        place.take = lambda count: 200
        one, = subscribed(d, place)
        assert not one["disabled"] and "disabledReason" not in one, one
        publish(d, {"n": 2})
        until(lambda: len(place.heard) == 2, "it is told again")


def test_the_limit_is_for_new_subscriptions():
    more = "max_subscriptions: 1\n  publish_token:"
    with Place() as place, Daemon(config(place).replace("publish_token:", more)) as d:
        ready(d)
        subscribed(d, place)
        reply = ask(d, place, path="/second")
        assert reply.status == 503 and reply.headers["Retry-After"], reply.body
        assert len(subscribed(d, place)) == 1, "a renewal is none"


def test_what_was_accepted_is_asked_after_a_kill():
    gate = threading.Event()

    def say(query):
        gate.wait(60)
        return 200, {}, query["hub.challenge"].encode()

    with Place(say) as place, Daemon(config(place)) as d:
        ready(d)
        assert ask(d, place, secret="kept").status == 202
        until(lambda: len(place.asked) == 1, "the question")
        d.kill()
        gate.set()
        d.start()
        until(lambda: len(endpoints(d)) == 1, "the confirmation", 240)
        assert len({q["hub.challenge"] for _, q in place.asked}) == len(place.asked) > 1
        publish(d, {"n": 1})
        until(lambda: place.heard, "the distribution")
        assert place.heard[0][1]["X-Hub-Signature"] == signature("kept", place.heard[0][2])


def test_a_newer_request_takes_the_place_of_one_that_waits():
    gate = threading.Event()

    def say(query):
        if len(place.asked) == 1:
            gate.wait(60)
        return 200, {}, query["hub.challenge"].encode()

    with Place(say) as place, Daemon(config(place)) as d:
        ready(d)
        assert ask(d, place, secret="older").status == 202
        until(lambda: len(place.asked) == 1, "the question")
        subscribed(d, place, secret="newer")
        gate.set()
        until(lambda: idle(d), "both are done")
        publish(d, {"n": 1})
        until(lambda: place.heard, "the distribution")
        assert place.heard[0][1]["X-Hub-Signature"] == signature("newer", place.heard[0][2])


class Public:
    """Where the internet meets a subscriber: what comes is handed to the daemon behind it."""

    def __init__(self):
        self.daemon = None
        public = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def hand_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                until(lambda: public.daemon, "the daemon's start")
                headers = {k: v for k, v in self.headers.items()
                           if k not in ("Host", "Content-Length", "Connection")}
                reply = public.daemon.request(self.command, self.path, body, headers)
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = hand_on

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_gaff_the_hub_and_gaff_the_subscriber_understand_each_other():
    subscriber = """
public_url: {public}
sources:
  feed:
    provider: websub
    secret: "a secret for the hub"
    {subscribe}
"""
    public = Public()
    with Place() as place, Daemon(config(place)) as hub:
        ready(hub)
        subscribe = f'subscribe: {{ hub: "{hub.url}/hub", topic: "{place.url}/topic", lease: 1d }}'
        with Daemon(subscriber.format(public=public.url, subscribe=subscribe)) as d:
            public.daemon = d
            until(lambda: d.api("GET", "/sources").json()["sources"][0]["subscription"] ==
                  "confirmed", "the confirmation", 60)
            until(lambda: len(endpoints(hub)) == 1, "the subscription")
            assert endpoints(hub)[0]["url"] == public.url + "/in/feed"
            bearer = {"Authorization": "Bearer a token for publishers"}
            assert ask(hub, place, "publish", headers=bearer).status == 202
            event, = until(d.events, "the content")
            event = d.api("GET", "/events/" + event["id"]).json()
            assert event["verdict"] == "verified" and event["body"] == "<feed>1</feed>", event
            # Given up at a reload, and asked for again at the next.
            d.config(subscriber.format(public=public.url, subscribe=""))
            d.cli("reload")
            until(lambda: endpoints(hub) == [], "the end", 60)
            d.config(subscriber.format(public=public.url, subscribe=subscribe))
            d.cli("reload")
            until(lambda: len(endpoints(hub)) == 1, "the next subscription", 60)
            # A denial is heard.
            hub.api("DELETE", "/app/websub/endpoint/" + endpoints(hub)[0]["id"])
            source = until(lambda: [s for s in d.api("GET", "/sources").json()["sources"]
                                    if s["subscription"] == "denied"], "the denial", 60)[0]
            assert source["subscription_reason"] == "ended by the hub's operator", source


def test_a_hub_is_configured_whole_or_not_at_all():
    with Place() as place:
        good = config(place)
    for old, new, part in (
            ("public_url: https://hub.example.org\n", "", "hub needs public_url"),
            ('  callbacks: ["127.0.0.1"]\n', "", "callbacks is missing"),
            ('["127.0.0.1"]', "[]", "1 to 100 hosts"),
            ('["127.0.0.1"]', '["https://a.example.org/x"]', "expected a host"),
            ("publish_token:", "publish: anyone\n  publish_token:", "is for publish: token"),
            ('publish_token: "a token for publishers"', "publish: token", "needs publish_token"),
            ('"a token for publishers"', '"short"', "shorter than 16 bytes"),
            ("default: 10d", "default: 60d", "min <= default <= max"),
            ("{ news: ", "{ News: ", "cannot be the name of a topic"),
            ("topics: {", "topic: {", "unknown key"),
            (f'news: "{place.url}/topic"', "", "1 to 1000 names"),
            (place.url, "ftp://127.0.0.1", "gaff.yaml:"),
            ("/topic", "/<topic>", "printable ASCII"),
            (" }\n", f', other: "{place.url}/topic" }}\n', "are the same URL")):
        at = good.rfind(old)
        assert at >= 0, old
        with Daemon(good[:at] + new + good[at + len(old):], start=False) as d:
            said = d.cli("check", code=None)
            assert said.returncode != 0 and part in said.stderr.decode(), (part, said.stderr)
    same = "sources: { a: { provider: none, path: /hub } }\nroutes: [{ from: a, to: [b] }]\n" \
           "destinations: { b: { log: {} } }\n"
    with Daemon(good + same, start=False) as d:
        assert b"are both at /hub" in d.cli("check", code=None).stderr
    with Daemon(good, start=False) as d:
        shown = d.cli("check", "--show").stdout.decode()
        assert "a token for publishers" not in shown and "publish: token" in shown, shown
        assert "min: 5m, default: 10d, max: 30d" in shown, shown


if __name__ == "__main__":
    run(globals())
