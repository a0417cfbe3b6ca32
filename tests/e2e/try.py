#!/usr/bin/env python3
"""try.py -- a new configuration against stored events, by the daemon and without one; events sent
to a source by its name."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import http.client

HEAD = f'sources:\n  github: {{ provider: github, secret: "{SECRET}" }}\n' \
       f'  repo: {{ provider: github, secret: "{SECRET}", path: "/r/{{name}}" }}\n' \
       "destinations:\n  a: { log: { file: a.log } }\n  b: { log: { file: b.log } }\nroutes:\n"
OLD = HEAD + "  - { name: all, from: [github, repo], to: [a] }\n"
NEW = HEAD + ("  - { name: dev, from: github, match: { json: { ref: dev } }, then: stop,\n"
              "      to: [b] }\n"
              "  - { name: site, from: repo, match: { param: { name: site } }, then: stop,\n"
              "      to: [a, b] }\n"
              "  - { name: all, from: [github, repo], to: [a] }\n")


def fill(d, count, marked):
    def some(start):
        host = d.url.split("://")[1]
        c = http.client.HTTPConnection(host, timeout=60)
        for i in range(start, count, 8):
            body = json.dumps({"ref": "dev" if i < marked else "main", "n": i,
                               "x": "y" * 900}).encode()
            c.request("POST", "/in/github", body, github(body))
            assert c.getresponse().read()
    threads = [threading.Thread(target=some, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_ten_thousand_events_are_tried_in_little_time():
    with Daemon(OLD) as d:
        fill(d, 10000, 37)
        d.write("new.yaml", NEW)
        until(lambda: d.api("GET", "/status").status == 200, "the API")
        start = time.monotonic()
        out = d.cli("try", "--config", "new.yaml", "-o", "json").stdout
        took = time.monotonic() - start
        said = json.loads(out)
        assert (said["events"], said["changed"]) == (10000, 37), said
        assert {x["name"]: (x["less"], x["more"]) for x in said["destinations"]} == \
            {"a": (37, 0), "b": (0, 37)}
        assert said["differences"][0]["was"] == ["a"] and said["differences"][0]["would"] == ["b"]
        assert "route dev: matched -> b" in said["differences"][0]["trace"]
        print(f"  10,000 events tried in {took:.2f} s", flush=True)
        text = d.cli("try", "--config", "new.yaml").stdout.decode()
        assert text.startswith("of the last 10000 events, 37 would go elsewhere"), text
        d.cli("try", "--config", "new.yaml", "--fail-on-change", code=1)
        d.cli("try", "--config", "gaff.yaml", "--fail-on-change", code=0)
        assert len(d.deliveries(limit=5)) == 5 and d.deliveries(destination="b") == []


def test_a_wrong_configuration_says_where():
    with Daemon(OLD) as d:
        d.write("new.yaml", NEW.replace("to: [b]", "to: [nobody]"))
        said = d.cli("try", "--config", "new.yaml", code=None)
        assert said.returncode not in (0,) and b"new.yaml:" in said.stderr, said.stderr
        assert b"nobody" in said.stderr


def test_without_a_daemon_what_was_done_then_is_compared():
    sqlite_only("the store is named as a directory")
    with Daemon(OLD) as d:
        fill(d, 50, 5)
        body = b'{"ref":"x"}'
        assert d.post("/r/site", body, github(body)).status == 200
        assert d.post("/r/other", body, github(body)).status == 200
        d.write("new.yaml", NEW)
        d.cli("try", "--config", "new.yaml", "--store", "sqlite:gaff-data", code=1)  # it is locked
        assert d.stop() == 0
        said = json.loads(d.cli("try", "--config", "new.yaml", "--store", "sqlite:gaff-data",
                                "-o", "json").stdout)
        assert (said["events"], said["changed"]) == (52, 6), said
        assert said["compared_with"] == "what was done then"
        site = [x for x in said["differences"] if x["source"] == "repo"]
        assert len(site) == 1 and site[0]["would"] == ["a", "b"]


def test_send_to_a_source_goes_through_the_same_door():
    with Daemon(OLD) as d:
        said = d.cli("send", "github", "--event", "push", stdin=b'{"ref":"refs/heads/main"}')
        assert said.stdout.startswith(b"200 OK"), said.stdout
        event = until(lambda: d.events(), "the event")[0]
        assert event["source"] == "github" and event["verdict"] == "verified", event
        assert d.cli("send", "nobody", "--data", "{}", code=None).returncode != 0


run(globals())
