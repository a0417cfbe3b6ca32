#!/usr/bin/env python3
"""listen.py -- events of a daemon taken elsewhere: the stream that resumes, and the tunnel to a
program of another machine, across breaks and restarts, nothing lost and nothing twice."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import http.client as http_client

OPEN = "sources:\n  open: { provider: none }\n  other: { provider: none }\n"


class Tunnel:
    def __init__(self, d, *args, name="tunnel"):
        self.out = open(d.path(name), "ab")
        self.process = subprocess.Popen([GAFF, "listen", *args], cwd=d.dir, env=d.env,
                                        stdout=self.out, stderr=self.out,
                                        stdin=subprocess.DEVNULL)
        self.file = d.path(name)

    def text(self):
        with open(self.file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.out.close()


class Relay:
    """A connection in between that can be cut, as that of a laptop is."""
    def __init__(self, url):
        self.to = url.split("://")[1].split(":")
        self.open, self.lock = [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection((self.to[0], int(self.to[1])))
            with self.lock:
                self.open += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Ends what is open; says how many connections that were."""
        with self.lock:
            ended, self.open = self.open, []
        for s in ended:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(ended) // 2

    def close(self):
        self.listener.close()
        self.cut()


def stream(d, query="", headers=None):
    """An open answer of /listen, past the line that says where it begins."""
    host = d.admin.split("://")[1]
    c = http_client.HTTPConnection(host, timeout=60)
    c.request("GET", "/api/v1/listen" + query,
              headers={"Authorization": "Bearer " + d.token(), **(headers or {})})
    return c.getresponse()


def ids_of(response, count):
    out = []
    while len(out) < count:
        line = response.readline().decode()
        if line.startswith("data: {\"id\""):
            out.append(json.loads(line[6:])["id"])
    return out


def test_the_stream_resumes_behind_the_event_that_is_named():
    with Daemon(OPEN) as d:
        first = d.post("/in/open", b'{"n":0}').json()["id"]
        ids = [d.post("/in/open", b'{"n":%d}' % n).json()["id"] for n in range(1, 6)]
        got = ids_of(stream(d, "?after=" + first), 6)
        assert got == [first] + ids, got  # those of the last seconds may come again
        assert ids_of(stream(d, headers={"Last-Event-ID": first}), 6) == [first] + ids
        assert stream(d, "?after=nonsense").status == 400


def test_only_the_source_that_is_asked_for():
    with Daemon(OPEN) as d:
        first = d.post("/in/open", b"{}").json()["id"]
        d.post("/in/other", b"{}")
        last = d.post("/in/open", b'{"n":1}').json()["id"]
        assert ids_of(stream(d, f"?source=open&after={first}"), 2) == [first, last]


def test_the_tunnel_is_exact_and_tells_the_answer():
    target = Target(lambda request, count: (201, {}, b"made"))
    body = bytes(range(256)) * 8
    url = target.url + "/hooks?k=1"
    with Daemon(OPEN) as d, Tunnel(d, "--source", "open", "--forward", url) as t:
        until(lambda: "listening" in t.text(), "the tunnel")
        tail = stream(d)
        tail.close()
        until(lambda: d.post("/in/open?x=2", body, {"X-Mine": "yes", "Content-Type": "a/b"})
              and target.requests, "an event comes through")
        request = target.requests[-1]
        assert request["body"] == body
        assert request["path"] == "/hooks?k=1&x=2"
        assert request["headers"]["X-Mine"] == "yes" and request["headers"]["Content-Type"] == "a/b"
        until(lambda: "201 Created" in t.text(), "the answer is shown")
    target.close()


def test_several_listen_at_once_and_one_that_drops_loses_nothing():
    targets = [Target() for _ in range(3)]
    with Daemon(OPEN) as d:
        relay = Relay(d.admin)
        first = d.post("/in/open", b'{"n":-1}').json()["id"]
        steady, dropping, leaving = (["--after", first, "--forward", t.url] for t in targets)
        dropping = ["--api", relay.url, "--token", d.token()] + dropping
        want = set()

        def send(count):
            for _ in range(count):
                body = b'{"n":%d}' % len(want)
                assert d.post("/in/open", body).status == 200
                want.add(body)

        def came(target):
            return {r["body"] for r in target.requests}

        with Tunnel(d, *steady, name="steady"), Tunnel(d, *dropping, name="dropping"):
            with Tunnel(d, *leaving, name="leaving"):
                send(40)
                until(lambda: all(want <= came(t) for t in targets), "each gets each event")
            # One has ended; what another's connection cut off comes when it is back.
            cuts = 0
            for _ in range(4):
                send(10)
                cuts += relay.cut()
                send(10)
            until(lambda: all(want <= came(t) for t in targets[:2]), "none is lost")
            assert cuts >= 1
            # Who left goes on behind the last event it had, and has them all.
            last = [e["id"] for e in d.events(limit=500)][-41]
            with Tunnel(d, "--after", last, *leaving[2:], name="leaving"):
                until(lambda: want <= came(targets[2]), "the one that came back has them too")
        for t in targets[:2]:
            bodies = [r["body"] for r in t.requests if r["body"] in want]
            assert len(bodies) == len(set(bodies)), "one came twice"
        relay.close()
    for t in targets:
        t.close()


def test_nothing_is_lost_when_the_daemon_restarts_or_the_target_is_slow():
    sqlite_only("a new address is found in the data directory alone")
    target = Target()
    with Daemon(OPEN) as d:
        first = d.post("/in/open", b'{"n":-1}').json()["id"]
        with Tunnel(d, "--after", first, "--forward", target.url) as t:
            sent = []
            for lap in range(4):
                sent += [d.post("/in/open", b'{"n":%d}' % (lap * 50 + n)).json()["id"]
                         for n in range(50)]
                if lap % 2:
                    d.kill()
                    d.start()
                else:
                    d.stop()
                    d.start()
            want = {b'{"n":%d}' % n for n in range(200)}
            until(lambda: want <= {r["body"] for r in target.requests}, "all came through")
            bodies = [r["body"] for r in target.requests if r["body"] in want]
            assert len(bodies) == len(set(bodies)), "one came twice"
    target.close()


run(globals())
