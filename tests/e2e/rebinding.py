#!/usr/bin/env python3
"""rebinding.py -- every kind of call that Gaff makes, by a name whose owner changes his mind: an
address that is allowed at first, one inside the next time he is asked. What was judged is dialled,
and what is asked anew is judged anew. (Queues with TLS: queues.py.)"""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from resolver import Resolver, Trap, start_with_resolver
from urllib.parse import urlencode

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"  # the first one is allowed as the public is
METADATA = "169.254.169.254"

# The names of those who may name no address inside ...
PUBLIC = ["jwks", "confirm", "moved", "callback", "endpoint", "token", "proxy", "owned",
          "operational", "destination", "grant", "trial", "target", "kafka", "mail"]
# ... and of those whom the operator names: they may, but for the metadata of clouds.
OPERATORS = ["hub", "topic", "collector"]
STEADY = "steady"  # a hub that stays where it is, and sends whoever subscribes to "moved"


def name_of(kind):
    return kind + ".test"


class Outside:
    """Listens at that address alone, and knows who was meant: the name stands in a request, in a
    question to a proxy, and in the first bytes of TLS. It answers what lets a caller go on."""

    def __init__(self):
        self.met = set()
        self.ports = {}
        self.sockets = []
        for kind in ("", "kafka", "mail"):  # of the last two the first bytes say nothing
            s = socket.socket()
            s.bind((OUTSIDE, 0))
            s.listen(64)
            self.sockets.append(s)
            self.ports[kind] = s.getsockname()[1]
            threading.Thread(target=self.accept, args=(s, kind), daemon=True).start()
        self.port = self.ports[""]

    def accept(self, listener, kind):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer, kind), daemon=True).start()

    def serve(self, peer, kind):
        with peer:
            if kind:
                self.met.add(kind)
                return
            try:
                data = peer.recv(16384)
                for one in (*PUBLIC, *OPERATORS, STEADY):
                    marker = "proxied.test" if one == "proxy" else name_of(one)
                    if re.search(rb"(?<![a-z])" + marker.encode(), data.split(b"\r\n\r\n")[0]):
                        self.answer(peer, one, data)
                        self.met.add(one)
            except OSError:
                pass

    def answer(self, peer, kind, data):
        body, status, more = b"", "200 OK", ""
        challenge = re.search(rb"[?&.]challenge=([^& ]+)", data)
        if kind == "steady":
            status, more = "307 Moved", f"Location: http://{name_of('moved')}:{self.port}/\r\n"
        elif kind == "token":
            body = b'{"access_token":"t","token_type":"Bearer"}'
        elif kind == "topic":
            body = b"<feed/>"
        elif challenge:
            body = challenge.group(1)
        peer.sendall(f"HTTP/1.1 {status}\r\nConnection: close\r\n{more}Content-Length: "
                     f"{len(body)}\r\n\r\n".encode() + body)

    def close(self):
        for s in self.sockets:
            s.shutdown(socket.SHUT_RDWR)
            s.close()


PRESET = """id: asks
title: Asks
docs: https://example.org
verified-by: docs
evidence: this test
verify:
  scheme: hmac
  hash: sha256
  signature: { from: 'header:X-Sign', encoding: hex }
  signed: '{{ body }}'
handshake:
  - when: { .kind: confirm }
    fetch: { url: .url, hosts: [HOST] }
    reply: { status: 200, body: '' }
"""


def config(out):
    def url(kind):
        return f"http://{name_of(kind)}:{out.port}/"

    def topic(hub):
        return f'{{ hub: "{url(hub)}", topic: "https://example.org/" }}'

    def broker(kind):
        return f"{name_of(kind)}:{out.ports[kind]}"
    once = "retry: { attempts: 1 }"
    return f"""public_url: https://gaff.example.org
secret_key: a-key-of-32-characters-or-of-more
sending: {{ allow: [{OUTSIDE}/32] }}
outbound: {{ allow: [{OUTSIDE}/32] }}
hub: {{ callbacks: ["*"], publish: anyone, topics: {{ news: "{url('topic')}" }} }}
sources:
  s: {{ provider: none, insecure: true }}
  keyed: {{ provider: jwt-jwks, options: {{ url: "https://{name_of('jwks')}:{out.port}/" }} }}
  asks: {{ provider: asks, secret: {SECRET} }}
  subscribes: {{ provider: websub, secret: {SECRET}, subscribe: {topic('hub')} }}
  sent: {{ provider: websub, secret: {SECRET}, subscribe: {topic('steady')} }}
destinations:
  destination: {{ http: {{ url: "{url('destination')}", policy: public }}, {once} }}
  granted:
    http:
      url: "http://granted.test/"
      policy: public
      auth: {{ oauth2: {{ token_url: "{url('grant')}", client_id: c, client_secret: s }} }}
    {once}
  target: {{ apprise: {{ base: "{url('target')[:-1]}", key: k, policy: public }}, {once} }}
  kafka:
    kafka: {{ server: "{broker('kafka')}", topic: t, policy: public }}
    timeout: 2s
    {once}
  mail:
    email:
      server: "{broker('mail')}"
      tls: none
      policy: public
      from: a@example.org
      to: [b@example.org]
      title: t
    {once}
  trial: {{ http: {{ url: "{url('trial')}", policy: public }} }}
routes: [{{ from: s, to: [destination, granted, target, kafka, mail] }}]
"""


def make_endpoints(d, out):
    def url(kind):
        return f"http://{name_of(kind)}:{out.port}/"
    assert d.api("POST", "/app", {"name": "A", "uid": "a"}).status == 201
    for uid, more in (("endpoint", {"url": url("endpoint")}),
                      ("token", {"url": "http://192.88.99.1/", "oauth": {
                          "tokenUrl": url("token"), "clientId": "c", "clientSecret": "s"}}),
                      ("proxy", {"url": "http://proxied.test/", "proxy": url("proxy")}),
                      ("owned", {"url": url("owned"), "ownership": "challenge"})):
        made = d.api("POST", "/app/a/endpoint", {"uid": uid, "retry": [],
                                                 "circuit": {"failures": 0}, **more})
        assert made.status == 201, made.body
    made = d.api("POST", "/operational-webhook/endpoint",
                 {"url": url("operational"), "uid": "ops", "retry": []})
    assert made.status == 201, made.body


def call_all(d, out, round_number):
    """Makes each kind happen; the ids of an event and a message that lead to most of them."""
    event = d.post("/in/s", b"{}").json()["id"]
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().strip("=")
             for part in ({"alg": "RS256", "kid": "k"}, {"iat": int(time.time())})]
    status = d.post("/in/keyed", b"{}", {"Authorization": "Bearer " + ".".join(parts + ["c2ln"])}
                    ).status
    assert status in (401, 503), status
    body = json.dumps({"kind": "confirm", "n": round_number,
                       "url": f"https://{name_of('confirm')}:{out.port}/"}).encode()
    sign = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert d.post("/in/asks", body, {"X-Sign": sign, "Content-Type": "application/json"}
                  ).status == 200
    # Somebody of no interest, made so that the operator is told.
    assert d.api("POST", "/app/a/endpoint", {"url": "http://192.88.99.1/", "channels": ["none"]}
                 ).status == 201
    m = d.api("POST", "/app/a/msg", {"eventType": "x", "payload": {}}).json()
    d.api("POST", "/destinations/trial/test", {})
    until(lambda: d.api("GET", "/app/websub").status == 200, "the hub's application")
    for form in ({"hub.mode": "subscribe",
                  "hub.callback": f"http://{name_of('callback')}:{out.port}/"},
                 {"hub.mode": "publish"}):
        form["hub.topic"] = f"http://{name_of('topic')}:{out.port}/"
        reply = d.post("/hub", urlencode(form),
                       {"Content-Type": "application/x-www-form-urlencoded"})
        assert reply.status == 202, reply.body
    return event, m["id"]


def ended(d, path, count):
    """The attempts of each delivery, when each has been given up."""
    def look():
        rows = d.api("GET", path).json()["data"]
        return rows if len(rows) == count and all(
            r["status"] in (0, 2) and not r["nextAttempt"] for r in rows) else None
    return until(look, "each is given up or through", 60)


def expect_refusals(d, message, event):
    for what in ("a public key could not be fetched", "a confirmation failed",
                 "a hub refused a subscription", "a topic could not be fetched"):
        until(lambda: re.search(what + ".*(policy|refused)", d.log()), what)
    ended(d, f"/app/a/msg/{message}/endpoint", 4)
    for attempt in d.api("GET", f"/app/a/attempt/msg/{message}").json()["data"]:
        assert attempt["responseStatusCode"] == 0, attempt
    for one in d.settled(event, "dead")["deliveries"]:
        assert "policy" in one["reason"] or one["destination"] == "kafka", one


def test_no_call_is_led_inside_by_a_name():
    out = Outside()
    traps = [Trap(INSIDE, port) for port in out.ports.values()]
    # A subscriber is asked by the hub and sent to by a lane, each of which asks for the name.
    answers = {name_of(kind): [[OUTSIDE], [INSIDE]] for kind in PUBLIC}
    answers[name_of("callback")] = [[OUTSIDE], [OUTSIDE], [INSIDE]]
    answers[name_of(STEADY)] = [[OUTSIDE]]
    answers.update({name_of(kind): [[OUTSIDE], [METADATA]] for kind in OPERATORS})
    try:
        resolver = Resolver(answers)
    except OSError as why:
        raise Skip(f"no resolver can be started: {why}") from why
    try:
        with Daemon("", start=False, env={"OTEL_EXPORTER_OTLP_ENDPOINT":
                                          f"http://{name_of('collector')}:{out.port}"}) as d:
            d.write("presets.d/asks.yaml", PRESET.replace(
                "HOST", json.dumps(f"{name_of('confirm')}:{out.port}")))
            d.config(config(out))
            start_with_resolver(d, resolver)
            make_endpoints(d, out)
            call_all(d, out, 1)
            everybody = {*PUBLIC, *OPERATORS, STEADY}
            until(lambda: out.met == everybody, f"all are met outside, {everybody}", 60)
            until(lambda: d.api("GET", "/app/websub/endpoint").json()["data"], "a subscription")
            d.stop()
            assert [trap.connections for trap in traps] == [0] * len(traps)
            assert all(resolver.asked[name_of(kind)] for kind in everybody), resolver.asked

            # What was learned is kept for a while, so another process asks again.
            before = dict(resolver.asked)
            out.met.clear()
            # Whether anything was to be sent to the subscriber before the end is a matter of time.
            answers[name_of("callback")] = [[INSIDE]]
            d.write("log", b"", 0o644)
            start_with_resolver(d, resolver)
            event, message = call_all(d, out, 2)
            m = d.api("POST", "/app/websub/msg", {"eventType": "news", "payload": {}}).json()
            expect_refusals(d, message, event)
            ended(d, f"/app/websub/msg/{m['id']}/endpoint", 1)
            until(lambda: "a subscription was not confirmed" in d.log(), "the question")
            # The topic is taken away: its subscriber is told, or would be.
            d.config(config(out).replace('news: "http://topic', 'news: "http://other'))
            d.signal(signal.SIGHUP)
            until(lambda: "a subscriber could not be told of a denial" in d.log(), "the denial")
            until(lambda: all(resolver.asked[name] > n for name, n in before.items()),
                  "all are asked for again", 60)
            d.stop()
            assert out.met == {STEADY}, out.met
            assert [trap.connections for trap in traps] == [0] * len(traps)
    finally:
        resolver.close()
        out.close()
        for trap in traps:
            trap.close()


run(globals())
