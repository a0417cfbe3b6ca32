#!/usr/bin/env python3
"""mcp.py -- gaff mcp as a host sees it, message by message. The official client is in tests/sdk."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

CONFIG = ("sources:\n  hooks: { provider: github, secret: \"" + SECRET + "\" }\n"
          "  open: { provider: none }\n"
          "destinations: { out: { log: { file: out.jsonl } } }\n"
          "routes: [ { name: all, from: open, to: [out] } ]\n")


class Mcp:
    def __init__(self, d, *args):
        self.process = subprocess.Popen([GAFF, "mcp", *args], cwd=d.dir, env=d.env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.next = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.code = self.process.wait(60)
        self.process.stdout.close()

    def raw(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, method, **params):
        self.next += 1
        answer = self.raw(json.dumps({"jsonrpc": "2.0", "id": self.next, "method": method,
                                      "params": params}).encode())
        assert answer["jsonrpc"] == "2.0" and answer["id"] == self.next, answer
        return answer

    def call(self, tool, /, **arguments):
        result = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        text = result["content"][0]["text"]
        return text if result["isError"] else json.loads(text)


def test_versions_are_agreed_on():
    with Daemon(CONFIG) as d, Mcp(d) as m:
        for asked, got in (("2025-06-18", "2025-06-18"), ("2024-11-05", "2024-11-05"),
                           ("2099-01-01", "2025-06-18")):
            result = m.ask("initialize", protocolVersion=asked, capabilities={},
                           clientInfo={"name": "t", "version": "1"})["result"]
            assert result["protocolVersion"] == got, result
            assert result["serverInfo"]["name"] == "gaff" and "tools" in result["capabilities"]
        assert m.ask("ping")["result"] == {}


def test_tools_tell_what_the_api_tells():
    with Daemon(CONFIG) as d, Mcp(d) as m:
        told = {"Authorization": "Bearer very-secret"}
        event = d.post("/in/open", b'{"n":1}', told).json()["id"]
        d.settled(event)
        assert d.post("/in/hooks", b"{}", github(b"{}", "another secret")).status == 401
        assert m.call("status")["state"] == "ready"
        assert [e["id"] for e in m.call("events_list", source="open", limit=5)["events"]] == [event]
        shown = m.call("event_show", id=event)
        assert shown["body"] == '{"n":1}' and shown["deliveries"][0]["state"] == "delivered"
        assert "very-secret" not in json.dumps(shown)
        assert m.call("event_explain", id=event)
        assert len(m.call("deliveries_list", event_id=event)["deliveries"]) == 1
        assert m.call("rejected_list")["rejections"][0]["verdict_text"]
        for name in ("dead_letters", "sources_list", "destinations_list", "routes_list"):
            assert isinstance(m.call(name), dict), name
        everything = json.dumps([m.call(t["name"]) for t in m.ask("tools/list")["result"]["tools"]
                                 if not t["inputSchema"]["required"]])
        assert SECRET not in everything and d.token() not in everything
        assert isinstance(m.call("event_show", id="evt_0000000000000"), str)  # an error's text


def test_nothing_can_be_changed_unless_it_is_allowed():
    with Daemon(CONFIG) as d:
        event = d.post("/in/open", b"{}").json()["id"]
        d.settled(event)
        with Mcp(d) as m:
            listed = m.ask("tools/list")["result"]["tools"]
            assert all(t["annotations"]["readOnlyHint"] for t in listed), listed
            for name, arguments in (("event_replay", {"id": event}),
                                    ("destination_pause", {"name": "out"})):
                refused = m.ask("tools/call", name=name, arguments=arguments)
                assert refused["error"]["code"] == -32602, refused
        with Mcp(d, "--allow-write") as m:
            assert not all(t["annotations"]["readOnlyHint"]
                           for t in m.ask("tools/list")["result"]["tools"])
            assert m.call("event_replay", id=event) == {"replayed": 1}
            m.call("destination_pause", name="out")
            assert m.call("destinations_list")["destinations"][0]["paused"] is True
            m.call("destination_resume", name="out")
            assert m.call("destinations_list")["destinations"][0]["paused"] is False


def test_answers_are_bounded():
    with Daemon(CONFIG) as d, Mcp(d) as m:
        event = d.post("/in/open", b"\xc3\xa4" * 100_000).json()["id"]
        body = m.call("event_show", id=event)["body"]
        assert len(body) < 5000 and body.endswith("[cut: 200000 bytes in all]"), body[-60:]
        for n in range(201):
            d.post("/in/open", b"%d" % n)
        assert len(m.call("events_list", limit=202)["events"]) == 201  # and a word about the rest


def test_what_is_malformed_is_refused_and_the_next_message_is_taken():
    with Daemon(CONFIG) as d, Mcp(d) as m:
        assert m.raw(b"{nonsense")["error"]["code"] == -32700
        assert m.raw(b"[]")["error"]["code"] == -32600
        assert m.raw(b'{"id":1,"method":"ping"}')["error"]["code"] == -32600
        assert m.raw(b'{"jsonrpc":"2.0","id":{},"method":"ping"}')["error"]["code"] == -32600
        assert m.ask("no/such")["error"]["code"] == -32601
        for params in ({"name": "nothing"}, {"name": "event_show"},
                       {"name": "event_show", "arguments": {"id": 7}},
                       {"name": "event_show", "arguments": []},
                       {"name": "events_list", "arguments": {"limit": "many"}},
                       {"name": "status", "arguments": {"extra": "x"}}):
            assert m.ask("tools/call", **params)["error"]["code"] == -32602, params
        # An argument stays one part of the path.
        assert isinstance(m.call("event_show", id="../sources"), str)
        m.process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        assert m.ask("ping")["result"] == {}
        too_long = m.raw(b'{"a":"' + b"x" * (4 << 20) + b'"}')
        assert too_long["error"]["code"] == -32600


def test_the_command_line_is_a_resource():
    with Daemon(CONFIG) as d, Mcp(d) as m:
        uri = m.ask("resources/list")["result"]["resources"][0]["uri"]
        text = m.ask("resources/read", uri=uri)["result"]["contents"][0]["text"]
        assert "gaff events show ID" in text
        assert m.ask("resources/read", uri="file:///etc/passwd")["error"]["code"] == -32602


def test_a_daemon_that_is_not_there_is_an_error_of_the_tool():
    with Daemon(CONFIG, start=False) as d, Mcp(d) as m:
        said = m.call("status")  # of a node the configuration says where it would be
        assert "no daemon found" in said or "cannot reach the daemon" in said, said
    assert m.code == 0


run(globals())
