"""hub_place.py -- the others of a WebSub hub, subscribers and publishers in one server, and what
they ask: for tests of the hub."""
import hashlib
import hmac
import threading
import urllib.parse

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib import until

SEALED = "secret_key: a-key-of-32-characters-or-of-more\n"
CONFIG = SEALED + """
public_url: https://hub.example.org
sending: {{ policy: private }}
hub:
  callbacks: ["127.0.0.1"]
  publish_token: "a token for publishers"
  lease: {{ min: {least}, default: 10d, max: 30d }}
  topics: {{ news: "{topic}" }}
"""
HUB_URL = "https://hub.example.org/hub"


class Place:
    """A server of others: a subscriber's callback and a publisher's topic. `say` answers a GET."""

    def __init__(self, say=None):
        self.asked, self.heard = [], []
        self.say = say or (lambda query: (200, {}, query.get("hub.challenge", "").encode()))
        self.take = lambda count: 200
        self.fetched = 0  # how often the topic was asked for
        self.gate = None  # an event that its answer waits for
        self.topic = (200, {"Content-Type": "application/atom+xml"}, b"<feed>1</feed>")
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path.startswith("/topic"):
                    place.fetched += 1
                    if place.gate:
                        place.gate.wait(120)
                    self.reply(*place.topic)
                    return
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query,
                                                    keep_blank_values=True, strict_parsing=True))
                place.asked.append((self.path, query))
                self.reply(*place.say(query))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                place.heard.append((self.path, self.headers, body))
                self.reply(place.take(len(place.heard)), {}, b"")

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def config(place, least="5m"):
    return CONFIG.format(topic=place.url + "/topic", least=least)


def ask(d, place, mode="subscribe", path="/callback", headers=None, **more):
    form = {"hub.mode": mode, "hub.topic": place.url + "/topic"}
    if mode != "publish":
        form["hub.callback"] = place.url + path
    form.update({"hub." + k: v for k, v in more.items()})
    form = {k: v for k, v in form.items() if v is not None}
    return d.post("/hub", urllib.parse.urlencode(form),
                  {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})


def endpoints(d):
    reply = d.api("GET", "/app/websub/endpoint")
    assert reply.status == 200, reply.body
    return reply.json()["data"]


def ready(d):
    """The hub makes its application when it starts."""
    until(lambda: d.api("GET", "/app/websub").status == 200, "the hub's application")


def subscribed(d, place, **more):
    before = d.log().count("msg=\"a subscription was ")
    reply = ask(d, place, **more)
    assert reply.status == 202, reply.body
    until(lambda: d.log().count("msg=\"a subscription was ") > before, "the confirmation")
    return endpoints(d)


def publish(d, payload, kind="news"):
    reply = d.api("POST", "/app/websub/msg", {"eventType": kind, "payload": payload})
    assert reply.status == 202, reply.body
    return reply.json()


def idle(d):
    return d.api("GET", "/hub").json()["jobs"] == 0


def signature(secret, body):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
