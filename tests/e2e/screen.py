#!/usr/bin/env python3
"""screen.py -- what `gaff listen` shows on a whole terminal, driven by tmux as a person's fingers
would."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import shlex

OPEN = "sources:\n  open: { provider: none }\n  other: { provider: none }\n"


class Terminal:
    """A tmux server of its own with one window, in which a command of gaff runs."""

    def __init__(self, d, *args, columns=120, rows=24, env=None, term="tmux-256color"):
        if not shutil.which("tmux"):
            raise Skip("no tmux (scripts/deps test)")
        self.socket = d.path("tmux-" + os.urandom(4).hex())
        environment = {**d.env, "TERM": term, **(env or {})}
        words = ["env", *(f"{k}={v}" for k, v in environment.items()), GAFF, *args]
        command = (f"cd {shlex.quote(d.dir)}; trap : INT; {shlex.join(words)}; "
                   "echo ended with $?; exec sleep 600")
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "/bin/sh", "-c",
                  command)

    def tmux(self, *args):
        p = subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *args], check=True,
                           capture_output=True, timeout=60,
                           env={"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        return p.stdout.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.text())
        self.tmux("kill-server")

    def text(self):
        return self.tmux("capture-pane", "-p")

    def shows(self, *parts):
        try:
            until(lambda: all(p in self.text() for p in parts), f"the screen shows {parts}", 60)
        except AssertionError:
            print(self.text())
            raise

    def hides(self, part):
        until(lambda: part not in self.text(), f"{part} leaves the screen", 60)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def line(self, part):
        return next((l for l in self.text().split("\n") if part in l), "")


def listening(d, *args, **more):
    t = Terminal(d, "listen", *args, **more)
    t.shows("Waiting for the first event.", "q quit")
    # It is shown before the stream is open: what comes from now on is on it.
    t.first = until(lambda: d.post("/in/other", b"{}").json()["id"] and "other" in t.text()
                    and d.events(source="other", limit=1), "the stream")
    return t


def test_events_are_listed_and_one_is_read_and_the_screen_is_given_back():
    with Daemon(OPEN) as d, listening(d) as t:
        first = d.post("/in/open", b'{"n":"first"}', {"X-Mine": "yes"}).json()["id"]
        second = d.post("/in/open", b'{"n":"second"}').json()["id"]
        t.shows(first, second)
        t.keys("k", "Enter")
        t.shows("# " not in t.text() and first, "POST /in/open", "X-Mine: yes", '{"n":"first"}')
        assert '"second"' not in t.text()
        t.keys("q")
        t.shows(first, second)
        t.keys("j", "Enter")
        t.shows('{"n":"second"}')
        t.keys("q", "q")
        t.shows("ended with 0")
        assert first not in t.text()  # the screen is as it was before


def test_a_filter_leaves_what_holds_the_text():
    with Daemon(OPEN) as d, listening(d) as t:
        wanted = d.post("/in/open", b"{}").json()["id"]
        t.shows(wanted)
        t.keys("/", "open")
        t.shows("filter: open", wanted)
        until(lambda: "other" not in t.text(), "the others are gone")
        t.keys("x", "BSpace", "Enter", "Enter")
        t.shows("POST /in/open")
        t.keys("q", "/", "Escape")
        t.shows("other")


def test_what_became_of_it_and_a_replay():
    answers = [500]
    target = Target(lambda request, count: (answers[0], {}, b""))
    with Daemon(OPEN + f"destinations: {{ ci: {{ http: {{ url: {target.url} }},"
                " retry: { schedule: [] } } }\n"
                "routes: [ { from: open, to: [ci] } ]\n") as d, listening(d) as t:
        event = d.post("/in/open", b"{}").json()["id"]
        until(lambda: "dead  ci" in t.line(event), "it is dead")
        answers[0] = 200
        t.keys("r")
        until(lambda: "delivered  ci" in t.line(event), "it is delivered")
        t.shows("1 deliveries again")
        assert len(target.requests) == 2
    target.close()


def test_the_tunnel_and_a_replay_to_this_machine():
    target = Target(lambda request, count: (201, {}, b""))
    with Daemon(OPEN) as d, listening(d, "--forward", target.url + "/hooks") as t:
        event = d.post("/in/open", b'{"n":1}').json()["id"]
        until(lambda: "201 Created" in t.line(event), "the answer")
        t.keys("r")
        until(lambda: len([r for r in target.requests if r["body"] == b'{"n":1}']) == 2,
              "it was sent again")
        t.shows("sent " + event)
    target.close()


def test_text_of_outsiders_cannot_write_to_the_terminal():
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\u202e"
    with Daemon(OPEN) as d, listening(d) as t:
        event = d.post("/in/open", ("hello" + evil + "end").encode(),
                       {"X-Evil": "a\u009b31mb"}).json()["id"]
        t.shows(event)
        t.keys("Enter")
        t.shows("POST /in/open", "hello\\x1b[2J\\x1b]0;owned\\x07\\u009b31m", "end")
        assert "owned" not in t.tmux("display-message", "-p", "#{pane_title}")


def test_a_smaller_and_a_larger_window():
    with Daemon(OPEN) as d, listening(d) as t:
        ids = [d.post("/in/open", b"%d" % n).json()["id"] for n in range(30)]
        t.shows(ids[-1])
        t.tmux("resize-window", "-x", "60", "-y", "10")
        until(lambda: "q quit" in t.text() or "enter details" in t.text(), "drawn anew")
        t.hides(ids[-1])  # no room for ids
        t.tmux("resize-window", "-x", "140", "-y", "40")
        t.shows(*ids)


def test_open_names_the_event_to_the_browser():
    with Daemon(OPEN) as d:
        d.write("browser.sh", "#!/bin/sh\necho \"$1\" > opened.tmp; mv opened.tmp opened\n")
        with listening(d, env={"BROWSER": d.path("browser.sh")}) as t:
            event = d.post("/in/open", b"{}").json()["id"]
            t.shows(event)
            t.keys("o")
            until(lambda: os.path.exists(d.path("opened")), "the browser starts")
            with open(d.path("opened"), encoding="ascii") as f:
                assert f.read().strip() == f"{d.admin}/#/events/{event}"


def test_lines_where_there_is_no_whole_screen():
    with Daemon(OPEN) as d:
        for args, more in ((("--plain",), {}), ((), {"term": "no-such-terminal"}),
                           (("-o", "jsonl"), {})):
            with Terminal(d, "listen", *args, **more) as t:
                if "jsonl" not in args:
                    t.shows("Ctrl-C ends it")
                sent = []

                def a_line():
                    sent.append(d.post("/in/open", b"{}").json()["id"])
                    text = t.text()
                    return next((i for i in reversed(sent) if i in text), None)
                event = until(a_line, "a line")
                t.keys("C-c")
                t.shows(event, "ended with 130")


def test_it_ends_when_the_daemon_refuses():
    with Daemon(OPEN) as d, Terminal(d, "listen", "--token", "wrong") as t:
        t.shows("ended with 4")


# ---- gaff top ----

def busy(target):
    return (OPEN + f"destinations: {{ ci: {{ http: {{ url: {target.url} }},"
            " retry: { schedule: [] } } }\nroutes: [ { from: open, to: [ci] } ]\n")


def test_top_shows_rates_lanes_and_errors_and_lives_on_without_the_daemon():
    target = Target(lambda request, count: (500, {}, b""))
    with Daemon(busy(target)) as d, Terminal(d, "top", "--every", "200ms") as t:
        t.shows("ready", "SOURCE", "DESTINATION", "open", "ci", "q quit")

        def is_busy():
            d.post("/in/open", b"{}")
            row = t.line("ci ").split()
            return len(row) > 5 and float(row[4]) > 0 and float(row[5]) > 0
        until(is_busy, "a rate of attempts, and of those that fail", 60)
        until(lambda: re.search(r"in [1-9][\d.]*/s|in 0\.[1-9]/s", t.text())
              or d.post("/in/open", b"{}") is None, "the rate of events", 60)
        until(lambda: int(t.line("ci ").split()[6]) > 0, "dead letters", 60)
        d.kill()
        t.shows("cannot reach")
        t.tmux("resize-window", "-x", "50", "-y", "6")
        t.shows("cannot reach")
        t.keys("q")
        t.shows("ended with 0")
    target.close()


def test_top_for_scripts():
    target = Target()
    with Daemon(busy(target)) as d:
        for n in range(3):
            d.settled(d.post("/in/open", b"%d" % n).json()["id"])
        now = json.loads(d.cli("top", "-o", "json", "--every", "100ms").stdout)
        assert now["state"] == "ready" and now["oldest_pending_age_ms"] is None, now
        assert now["deliveries"]["delivered"] == 3
        assert [(s["name"], s["received"]) for s in now["sources"]] == [("open", 3), ("other", 0)]
        assert now["destinations"][0]["name"] == "ci" and now["destinations"][0]["state"] == "ok"
        text = d.cli("top", "--every", "100ms").stdout.decode()
        assert "DESTINATION" in text and "\x1b" not in text, text
        d.api("POST", "/destinations/ci/pause")
        d.post("/in/open", b"held")
        now = json.loads(d.cli("top", "-o", "json", "--every", "100ms").stdout)
        assert now["destinations"][0]["state"] == "paused", now
        assert now["oldest_pending_age_ms"] >= 0
        assert d.cli("top", "--every", "1ms", code=2) and d.cli("top", "-o", "id", code=2)
    target.close()


run(globals())
