#!/usr/bin/env python3
"""filters.py -- jq between the stored event and its delivery: where, transform, what fails, what
takes too long; several routes and destinations from one source."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *

FAST = "retry: { schedule: [50ms], jitter: 0 }"


def config(destinations, routes):
    return (f'sources:\n  github: {{ provider: github, secret: "{SECRET}" }}\n'
            f"destinations:\n{destinations}\nroutes:\n{routes}\n")


def push(d, body, **more):
    body = json.dumps(body).encode() if not isinstance(body, bytes) else body
    reply = d.post("/in/github", body, github(body, **more))
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def ended(d, event_id):
    """Waits until every delivery of the event is in a final state; they by destination."""
    def look():
        event = d.api("GET", "/events/" + event_id).json()
        states = [x["state"] for x in event["deliveries"]]
        return event if states and not {"pending", "claimed"} & set(states) else None
    try:
        event = until(look, f"the deliveries of {event_id} have ended")
    except AssertionError:
        print(d.api("GET", "/events/" + event_id).json()["deliveries"])
        raise
    return {x["destination"]: x for x in event["deliveries"]}


def needs_jq(d):
    said = d.cli("check", code=None)
    if b"no jq library" in said.stdout + said.stderr or b"built without jq" in said.stderr:
        raise Skip("no libjq here")


def test_where_decides_and_says_what_it_gave():
    text = config("  all: { log: { file: all.log } }\n"
                  "  main: { log: { file: main.log }, where: '.ref == \"refs/heads/main\"' }",
                  "  - { name: big, from: github, where: '(.commits | length) > 1',\n"
                  "      to: [all, main] }")
    with Daemon(text) as d:
        needs_jq(d)
        one = ended(d, push(d, {"ref": "refs/heads/main", "commits": [1]}))
        assert one["all"]["state"] == one["main"]["state"] == "skipped", one
        assert "where of the route gave false" in one["all"]["reason"]
        two = ended(d, push(d, {"ref": "refs/heads/dev", "commits": [1, 2]}))
        assert (two["all"]["state"], two["main"]["state"]) == ("delivered", "skipped")
        assert "where of the destination gave false" in two["main"]["reason"]
        three = ended(d, push(d, {"ref": "refs/heads/main", "commits": [1, 2]}))
        assert (three["all"]["state"], three["main"]["state"]) == ("delivered", "delivered")
        event = d.events()[0]["id"]
        assert "[filtered]" in d.cli("explain", event).stdout.decode()


def test_transform_makes_the_body():
    target = Target()
    text = config(f"""  json: {{ http: {{ url: '{target.url}/json' }},
          transform: '{{branch: (.ref | ltrimstr("refs/heads/")), by: $event.source,
                      type: $event.type}}' }}
  text: {{ http: {{ url: '{target.url}/text' }}, transform: '"pushed " + .ref' }}
  none: {{ http: {{ url: '{target.url}/none' }}, transform: 'empty' }}""",
                  "  - { from: github, to: [json, text, none] }")
    with Daemon(text) as d:
        needs_jq(d)
        by = ended(d, push(d, {"ref": "refs/heads/main"}))
        assert [by[n]["state"] for n in ("json", "text", "none")] == ["delivered", "delivered",
                                                                      "skipped"], by
        got = {r["path"]: r for r in target.requests}
        assert json.loads(got["/json"]["body"]) == {"branch": "main", "by": "github",
                                                    "type": "push"}
        assert got["/json"]["headers"]["Content-Type"] == "application/json"
        assert got["/text"]["body"] == b"pushed refs/heads/main"
        assert got["/text"]["headers"]["Content-Type"].startswith("text/plain")
        assert "/none" not in got


def test_what_fails_is_never_delivered():
    target = Target()
    cases = {"wrong-type": ".ref + 1 > 0", "raises": 'error("no")', "loops": "last(range(1e12))",
             "eats": '[limit(1e9; repeat("x" * 1000))] | length > 0', "halts": "halt"}
    destinations = "\n".join(
        f"  {name}: {{ http: {{ url: '{target.url}/{name}' }}, where: '{program}', {FAST} }}"
        for name, program in cases.items())
    destinations += f"\n  fine: {{ http: {{ url: '{target.url}/fine' }}, where: 'true' }}"
    text = config(destinations, f"  - {{ from: github, to: [{', '.join(cases)}, fine] }}")
    with Daemon(text) as d:
        needs_jq(d)
        by = ended(d, push(d, {"ref": "main"}))
        for name in cases:
            assert by[name]["state"] == "dead", (name, by[name])
            assert by[name]["log"][0]["error_class"] == "filter" if "log" in by[name] else True
        assert by["fine"]["state"] == "delivered"
        assert [r["path"] for r in target.requests] == ["/fine"]
        assert "took more than" in by["loops"]["reason"], by["loops"]["reason"]
        assert "number" in by["wrong-type"]["reason"], by["wrong-type"]["reason"]


def test_a_program_sees_its_event_alone():
    text = config("  env: { log: { file: env.log },\n"
                  "    where: '(env | length) == 0 and ($ENV | length) == 0' }\n"
                  "  input: { log: { file: input.log }, where: 'input', " + FAST + " }\n"
                  "  module: { log: { file: m.log }, where: '[limit(3; inputs)] | length == 0',\n"
                  "       " + FAST + " }",
                  "  - { from: github, to: [env, input, module] }")
    with Daemon(text, env={"SECRET_OF_THE_DAEMON": "x"}) as d:
        needs_jq(d)
        by = ended(d, push(d, {}))
        assert by["env"]["state"] == "delivered", by["env"]
        assert by["input"]["state"] == "dead"


def test_a_wrong_program_is_found_at_check():
    text = config("  a: { log: { file: a.log }, where: '.ref ==' }",
                  "  - { from: github, to: [a] }")
    d = Daemon(text, start=False)
    with d:
        said = d.cli("check", code=None)
        if b"no jq library" in said.stdout + said.stderr:
            raise Skip("no libjq here")
        out = said.stdout + said.stderr
        assert said.returncode != 0 and b"jq does not understand the program" in out, out
        assert b"gaff.yaml:6:" in out, out


def test_a_wrong_program_of_an_endpoint_is_found_when_it_is_written():
    target = Target()
    with Daemon("sending: { policy: private }\n") as d:
        assert d.api("POST", "/app", {"name": "acme", "uid": "acme"}).status == 201
        def put(method="POST", path="/app/acme/endpoint", **members):
            return d.api(method, path, {"url": target.url, **members})
        def places(reply):
            assert reply.status == 422, (reply.status, reply.body)
            return {".".join(fault["loc"]) for fault in reply.json()["detail"]}
        first = put(uid="a", where=".n ==")
        if b"no jq library" in first.body or b"built without jq" in first.body:
            raise Skip("no libjq here")
        assert places(first) == {"body.where"}, first.body
        assert "jq does not understand the program" in first.json()["detail"][0]["msg"]
        assert places(put(transform="{n: .n")) == {"body.transform"}
        assert places(put(where=".n > 1", transform="nofunction(1)")) == {"body.transform"}
        assert places(put(path="/operational-webhook/endpoint", where="(")) == {"body.where"}
        for name, value in (("match", {"json": {"/[": {"no": 1}}}), ("orderBy", "{{ .a"),
                            ("proxy", "socks://127.0.0.1:9"),
                            ("clientCertificate", {"certificate": "x", "key": "y"}),
                            ("oauth", {"tokenUrl": "https://a:b@c/", "clientId": "i",
                                       "clientSecret": "s"})):
            assert places(put(**{name: value})) == {"body." + name}, name
        assert d.api("GET", "/app/acme/endpoint").json()["data"] == []
        assert put(uid="a", where=".n > 1", transform="{m: .n} # a comment").status == 201
        one = "/app/acme/endpoint/a"
        assert places(put("PATCH", one, where=".n >")) == {"body.where"}
        assert places(put("PUT", one, transform="}")) == {"body.transform"}
        assert d.api("GET", one).json()["where"] == ".n > 1"
        assert put("PATCH", one, where=".n > 2", transform=None).status == 200
        # Many at once wait their turn, each for its own answer.
        replies = {}
        def make(n):
            replies[n] = put(uid=f"e{n}", where=f". == {n}" if n % 2 else f". == {n} (")
        threads = [threading.Thread(target=make, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for n, reply in replies.items():
            assert reply.status == (201 if n % 2 else 422), (n, reply.body)
        for n in (2, 3):
            message = {"eventType": "x", "payload": {"n": n}}
            assert d.api("POST", "/app/acme/msg", message).status == 202
        got = until(lambda: target.requests, "it arrives")[0]
        assert json.loads(got["body"]) == {"n": 3}
        assert d.stop() == 0
    target.close()


def test_what_is_wrong_in_a_definition_is_found_where_it_stands_and_never_kept():
    target = Target()
    http = {"http": {"url": target.url}}
    with Daemon("sources:\n  open: { provider: none }\n") as d:
        def put(path, doc):
            return d.api("PUT", "/definitions/" + path, doc)
        def wrong(path, doc, *places):
            """Refused, with each of these places at the beginning of a line, and not kept."""
            before, reply = d.api("GET", "/definitions").json(), put(path, doc)
            assert reply.status == 422, (path, reply.status, reply.body)
            said = reply.json()["error"]["message"].split("\n")
            assert [line.split(": ")[0] for line in said] == list(places), said
            assert d.api("GET", "/definitions").json() == before
            return said[0]
        first = put("destinations/a", {**http, "where": ".n =="})
        if b"no jq library" in first.body or b"built without jq" in first.body:
            raise Skip("no libjq here")
        said = wrong("destinations/a", {**http, "where": ".n =="}, "destinations.a.where")
        assert "jq does not understand the program" in said, said
        wrong("destinations/a", {**http, "transform": "{n: .n"}, "destinations.a.transform")
        wrong("destinations/a", {**http, "where": ".n > 1", "transform": "nofunction(1)"},
              "destinations.a.transform")
        assert put("destinations/a", {**http, "where": ".n > 1", "transform": "{m: .n}"}
                   ).status == 201
        route = {"from": "open", "to": ["a"]}
        wrong("routes/r", {**route, "where": "("}, "routes.r.where")
        wrong("routes/r", {**route, "transform": "1 +"}, "routes.r.transform")

        # What is compiled as the file's is: templates, conditions, times, and names of others.
        wrong("destinations/a", {**http, "order_by": "{{ .a"}, "destinations.a.order_by")
        wrong("destinations/a", {"http": {"url": target.url, "headers": {"X": "{{ .a"}}},
              "destinations.a.http.headers.X")
        wrong("destinations/a", {"http": {"url": "ftp://h/"}, "rate": "often"},
              "destinations.a.http.url", "destinations.a.rate")
        wrong("routes/r", {**route, "match": {"json": {"a": {"regex": "("}}}},
              "routes.r.match.json.a.regex")
        wrong("routes/r", {**route, "to": ["a", "nobody"]}, "routes.r.to[1]")
        wrong("routes/r", {**route, "where": " "}, "routes.r.where")
        wrong("sources/s", {"cron": "61 * * * *"}, "sources.s.cron")
        wrong("sources/s", {"provider": "github", "secrets": ["good-secret", ""]},
              "sources.s.secrets[0]", "sources.s.secrets[1]")

        # Many at once wait their turn, each for its own answer.
        replies = {}
        def make(n):
            replies[n] = put(f"routes/r{n}", {**route, "where": f". == {n}" + " (" * (n % 2)})
        threads = [threading.Thread(target=make, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {n: reply.status for n, reply in replies.items()} == {
            n: 422 if n % 2 else 201 for n in range(16)}
        who = {row["what"]: row["status"] for row in d.api("GET", "/audit").json()["entries"]}
        assert who["PUT /api/v1/definitions/routes/r2"] == 201, who
        assert who["PUT /api/v1/definitions/routes/r3"] == 422, who

        assert put("routes/r", {**route, "where": ".n < 9"}).status == 201
        def deliver(*numbers):
            for n in numbers:
                assert d.post("/in/open", b'{"n":%d}' % n).status == 200
        deliver(1, 5)
        until(lambda: len(target.requests) == 1, "the one that all programs let through")
        d.stop()
        d.start()
        deliver(9, 7)
        until(lambda: len(target.requests) == 2, "and one after the restart")
        assert [json.loads(r["body"]) for r in target.requests] == [{"m": 5}, {"m": 7}]
    target.close()


def test_a_route_that_filters_and_is_gone_lets_nothing_through():
    target = Target()
    here = f"  a: {{ http: {{ url: '{target.url}' }}, retry: {{ attempts: 1 }} }}"
    text = config(here.replace(target.url, "http://127.0.0.1:9"),
                  "  - { name: secretive, from: github, transform: '{}', to: [a] }")
    with Daemon(text) as d:
        needs_jq(d)
        event = push(d, {"secret": 1})
        assert ended(d, event)["a"]["state"] == "dead"
        d.config("listen: " + d.url[7:] + "\nadmin: { listen: " + d.admin[7:] + " }\n" +
                 config(here, "  - { name: other, from: github, to: [a] }"))
        until(lambda: d.log().count("msg=reloaded") or "configuration loaded" in d.log()
              or "reload" in d.log(), "a reload")
        d.cli("replay", event)
        until(lambda: ended(d, event)["a"]["attempts"] == 2, "the second attempt")
        by = ended(d, event)
        assert by["a"]["state"] == "dead" and "not in the configuration" in by["a"]["reason"], by
        assert target.requests == []


def test_several_routes_and_destinations_continue_and_stop():
    text = config("  a: { log: { file: a } }\n  b: { log: { file: b } }\n  c: { log: { file: c } }",
                  "  - { name: one, from: github, match: { json: { n: { at_least: 1 } } },\n"
                  "      to: [a, b] }\n"
                  "  - { name: two, from: github, match: { json: { n: { regex: '^[23]$' } } },\n"
                  "      then: stop, to: [b, c] }\n"
                  "  - { name: rest, from: github, to: [c] }")
    with Daemon(text) as d:
        assert set(ended(d, push(d, {"n": 1}))) == {"a", "b", "c"}
        assert set(ended(d, push(d, {"n": 2}))) == {"a", "b", "c"}
        assert set(ended(d, push(d, {"n": 0}))) == {"c"}
        said = d.cli("explain", d.events()[0]["id"]).stdout.decode()
        assert "route one: no: json n is \"0\", not at least 1" in said, said


run(globals())
