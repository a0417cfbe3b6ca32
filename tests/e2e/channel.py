#!/usr/bin/env python3
"""channel.py -- a source that is a channel: its stream, what is refused, and that nothing is lost
to a client that comes back. smee-client itself is in tests/sdk."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import http.client as http_client

NAME = "k3Jx0vQ2mT9sL5bW8cR1aZ"
PATH = "/in/" + NAME
STREAM = {"Accept": "text/event-stream"}
CONFIG = (f"sources:\n  dev: {{ provider: none, channel: true, path: {PATH} }}\n"
          "  shut: { provider: none }\n")


class Stream:
    def __init__(self, d, last=None):
        self.connection = http_client.HTTPConnection(d.url.split("://")[1], timeout=60)
        self.connection.request("GET", PATH, headers={**STREAM, **({"Last-Event-ID": last}
                                                                   if last else {})})
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        assert self.response.headers["Content-Type"] == "text/event-stream"

    def message(self):
        """The next block as a dict, but for pings, which come when they come; None at the end."""
        block = {}
        while line := self.response.readline().decode():
            if line == "\n" and block.get("event") != "ping":
                return block
            if line == "\n":
                block = {}
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            block[name] = value
        return None


def test_a_stream_begins_with_ready_and_tells_each_event_in_its_form():
    with Daemon(CONFIG) as d:
        s = Stream(d)
        first = s.message()
        assert first["event"] == "ready" and first["data"] == "{}", first
        event = d.post(PATH + "?q=1", b'{"a":\n1}', {"X-Mine": "yes", "Body": "not this",
                                                     "Content-Type": "application/json"})
        got = s.message()
        assert got["id"] == event.json()["id"] and "event" not in got, got
        data = json.loads(got["data"])
        assert data["body"] == {"a": 1} and data["query"] == {"q": "1"}, data
        assert data["x-mine"] == "yes" and isinstance(data["timestamp"], int)
        d.post(PATH, b"plain \xff text", {"Content-Type": "text/plain"})
        assert json.loads(s.message()["data"])["body"] == "plain \ufffd text"
        d.post("/in/shut", b"{}")
        d.post(PATH, b"")
        assert json.loads(s.message()["data"])["body"] == {}


def test_only_a_channel_is_read_and_only_as_a_stream():
    with Daemon(CONFIG) as d:
        assert d.request("GET", "/in/shut", headers=STREAM).status == 405
        assert d.request("GET", PATH).status == 405
        assert d.request("GET", PATH[:-1], headers=STREAM).status == 404


def test_a_path_that_can_be_guessed_is_no_channel():
    for path in ("", ", path: /in/short", ", path: '/in/{all}'"):
        with Daemon(f"sources: {{ dev: {{ provider: none, channel: true{path} }} }}\n",
                    start=False) as d:
            p = d.cli("check", code=78)
            text = (p.stdout + p.stderr).decode()
            assert "nobody can guess" in text and re.search(r"/in/[\w-]{22}", text), text


def test_a_client_that_comes_back_misses_nothing_across_a_kill():
    with Daemon(CONFIG) as d:
        s = Stream(d)
        s.message()
        sent = [d.post(PATH, b'{"n":%d}' % n).json()["id"] for n in range(3)]
        last = [s.message()["id"] for _ in range(2)][-1]
        s.connection.close()
        d.kill()
        d.start()
        sent += [d.post(PATH, b'{"n":%d}' % n).json()["id"] for n in range(3, 6)]
        s, seen = Stream(d, last), []
        while not set(sent[2:]) <= set(seen):
            seen.append(s.message()["id"])


def test_a_stream_ends_with_the_daemon_and_with_a_new_configuration():
    with Daemon(CONFIG) as d:
        s = Stream(d)
        s.message()
        d.config("sources:\n  dev: { provider: none, path: " + PATH + " }\n")
        d.cli("reload")
        assert s.message() is None
        assert d.request("GET", PATH, headers=STREAM).status == 405
        d.config(CONFIG)
        d.cli("reload")
        s = Stream(d)
        s.message()
        assert d.stop() == 0
        assert s.message() is None


run(globals())
