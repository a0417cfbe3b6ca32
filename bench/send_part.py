"""send_part.py -- the part `send` of bench/run: an application's messages, from the POST with an
idempotency key to the attempt that is listed. The caller is an organisation's token, as the SDKs
have it; endpoints are signed to and every outcome is stored."""
import contextlib
import http.client
import json
import os
import re
import socket
import sqlite3
import subprocess
import threading
import time

FAN_OUT = 10000
ENDPOINTS, HANGING, FAILING = 1000, 50, 50
DEADLINE_S = 30  # of an endpoint that hangs, which is the default

# From the message's arrival to the end of the first attempt, of the endpoints at the sink.
LATENCY = """
SELECT a.started_ms - e.received_ms + a.duration_us / 1000.0
FROM attempts a JOIN events e ON e.id = a.event_id JOIN names n ON n.id = e.source
WHERE a.number = 1 AND a.result = 0 AND n.name = ? ORDER BY 1
"""

# As a lane writes them: one delivery and one attempt of it after the other, by turns of the
# endpoints. ?1: how many there are, ?2: the first id, ?3: endpoints, whose names are in `who`.
MANY_EVENTS = """
WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < ?1 / 10)
INSERT INTO events SELECT ?2 + n * 64, received_ms, source, provider, verdict, flags, type, '',
    verdict_text, method, target, peer, body_hash, trace, head, body
FROM i, (SELECT * FROM events ORDER BY id LIMIT 1)
"""
MANY_DELIVERIES = """
WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < ?1)
INSERT INTO deliveries SELECT ?2 + (n / 10) * 64 + 1 + n % 10, ?2 + (n / 10) * 64,
    who.name, route, order_key, state, attempts, created_ms, next_ms, settled_ms, reason, listed
FROM i JOIN who ON who.id = n % ?3,
    (SELECT * FROM deliveries WHERE state = 2 ORDER BY id LIMIT 1)
"""
MANY_ATTEMPTS = """
WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < ?1)
INSERT INTO attempts SELECT ?2 + (n / 10) * 64 + 1 + n % 10, 1, result, started_ms, duration_us,
    status, error_class, summary, request, response, timing, ?2 + (n / 10) * 64 + 20 + n % 10,
    ?2 + (n / 10) * 64, who.name
FROM i JOIN who ON who.id = n % ?3,
    (SELECT * FROM attempts WHERE result = 0 ORDER BY delivery_id LIMIT 1)
"""


class Hole:
    """Takes connections and never answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.held = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.held.append(self.socket.accept()[0])

    def close(self):
        self.socket.close()
        for one in self.held:
            one.close()


class Sender:
    """A daemon and its sending API."""

    def __init__(self, bench, name):
        self.bench = bench
        self.server = bench["gaff"]("sending: { policy: private }\n"
                                    "limits: { connections_per_address: 10000 }\n", name=name)
        with open(os.path.join(self.server.gaff_dir, "gaff.yaml"), encoding="utf-8") as f:
            self.port = int(re.search(r"admin: { listen: 127.0.0.1:(\d+)", f.read()).group(1))
        bench["until_open"](self.port)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        self.token = subprocess.run([bench["GAFF"], "jwt", "--data", "gaff-data", "-o", "id"],
                                    cwd=self.server.gaff_dir, capture_output=True, text=True,
                                    check=True).stdout.strip()

    def ask(self, method, path, body=None, want=(200, 201, 202)):
        self.connection.request(method, "/api/v1" + path, body and json.dumps(body),
                                {"Authorization": "Bearer " + self.token})
        reply = self.connection.getresponse()
        text = reply.read()
        assert reply.status in want, f"{method} {path}: {reply.status} {text}"
        return json.loads(text)

    def application(self, uid):
        return self.ask("POST", "/app", {"name": uid, "uid": uid})["id"]

    def endpoint(self, app, url, **more):
        return self.ask("POST", f"/app/{app}/endpoint", {"url": url, **more})["id"]

    def body(self, size=1024):
        path = os.path.join(self.bench["work"], f"message{size}.json")
        message = {"eventType": "user.created", "payload": {"padding": ""}}
        message["payload"]["padding"] = "x" * (size - len(json.dumps(message)))
        with open(path, "w", encoding="utf-8") as f:
            json.dump(message, f)
        return path

    def load(self, app, seconds, connections=64, rate=0.0, warmup=0.5, size=1024):
        out = subprocess.run([
            os.path.join(self.bench["work"], "load"), "--port", str(self.port), "--path",
            f"/api/v1/app/{app}/msg", "--connections", str(connections),
            "--seconds", str(seconds), "--warmup", str(warmup), "--rate", str(rate), "--body",
            self.body(size), "--header", "Authorization: Bearer " + self.token, "--unique",
            "Idempotency-Key"], capture_output=True, text=True, check=False)
        assert out.returncode == 0, out.stderr + out.stdout
        return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", out.stdout)}

    def counts(self):
        return self.bench["status"](self.server)["deliveries"]

    def until_idle(self):
        while (d := self.counts())["pending"] + d["claimed"] > 0:
            time.sleep(0.05)

    def database(self):
        return sqlite3.connect(os.path.join(self.server.gaff_dir, "gaff-data", "gaff.db"))

    def restart(self):
        """A new daemon on the same store; the caller had the old one stopped."""
        self.connection.close()
        self.server = self.bench["start"]([self.bench["GAFF"], "serve", "--config", "gaff.yaml"],
                                          self.port, cwd=self.server.gaff_dir)
        return self


def run(bench):
    """bench: the functions of bench/run by name."""
    for part in (accept, fan_out, deliver, isolate, listing, large, memory):
        if os.environ.get("STEP", part.__name__) == part.__name__:
            part(bench)


def accept(bench):
    """Deliveries are planned and stored; their endpoint hangs, so that none is made meanwhile."""
    hole, sink = Hole(), bench["sink"]()
    apps = {"stored for later": hole.url,
            "delivered meanwhile": f"http://127.0.0.1:{sink.gaff_port}/"}
    got = {what: [] for what in apps}
    for i in range(bench["ROUNDS"]):
        for what, url in apps.items():
            s = Sender(bench, f"accept{i}{len(got[what])}{len(what)}")
            app = s.application("acme")
            s.endpoint(app, url, timeout=3600)
            before = cpu_s(s.server)
            r = s.load(app, bench["SECONDS"])
            r["cpu_us"] = (cpu_s(s.server) - before) / (r["ok"] * 1.17) * 1e6
            got[what].append(r)
            bench["stop"](s.server)
    bench["say"]("\nmessages accepted (POST, idempotency key, 1k, one endpoint, 64 connections), "
                 "a second")
    for what, rounds in got.items():
        bench["say"](f"  {what:<24}{bench['spread']([r['rate'] for r in rounds])}   p99 "
                     f"{bench['middle']([r['p99_us'] for r in rounds]):.0f} us, server CPU "
                     f"{bench['middle']([r['cpu_us'] for r in rounds]):.1f} us a request")
    bench["figure"]("send_accept", bench["middle"]([r["rate"] for r in got["stored for later"]]))
    bench["stop"](sink)
    hole.close()


def cpu_s(server):
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as f:
        parts = f.read().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def fan_out(bench):
    sink = bench["sink"]()
    s = Sender(bench, "fanout")
    app = s.application("acme")
    for i in range(FAN_OUT):
        s.endpoint(app, f"http://127.0.0.1:{sink.gaff_port}/{i}")
    answered, told = [], []
    for _ in range(7):
        began = time.monotonic()
        s.ask("POST", f"/app/{app}/msg", {"eventType": "user.created", "payload": {"id": 7}})
        answered.append((time.monotonic() - began) * 1000)
        s.until_idle()
        told.append(time.monotonic() - began)
        bench["catch_up"](s.server)
    delivered = s.counts()["delivered"]
    assert delivered == FAN_OUT * len(answered), delivered
    bench["say"](f"\none message to {FAN_OUT} endpoints: planned, committed and answered after "
                 f"{bench['middle'](answered):.0f} ms ({min(answered):.0f} to {max(answered):.0f}),"
                 f" everyone told after {bench['middle'](told):.2f} s")
    bench["figure"]("send_fan_out_10000_ms", bench["middle"](answered))
    bench["stop"](s.server)
    bench["stop"](sink)


def deliver(bench):
    """Sixteen endpoints with four attempts each at a time, beside libcurl with 64."""
    sink, rates, bare = bench["sink"](), [], []
    url = f"http://127.0.0.1:{sink.gaff_port}/"
    for i in range(min(3, bench["ROUNDS"])):
        out = subprocess.run([os.path.join(bench["work"], "client_bench"), url, "--calls", "20000",
                              "--in-flight", "64", "--body", "1024", "--rounds", "1"],
                             capture_output=True, text=True, check=True).stdout
        bare.append(max(float(v) for v in re.findall(r"^client_bare\S+ ([\d.]+)", out, re.M)))
        s = Sender(bench, f"send{i}")
        app = s.application("acme")
        for n in range(16):
            s.endpoint(app, f"{url}{n}", concurrency=4)
        s.load(app, bench["SECONDS"])
        rates.append(bench["settle_rate"](s.server))
        bench["stop"](s.server)
    bench["stop"](sink)
    ours, theirs = bench["middle"](rates), bench["middle"](bare)
    bench["say"](f"\nmessages delivered to a local sink, signed, each outcome stored: "
                 f"{bench['spread'](rates)} a second; libcurl alone {bench['spread'](bare)}")
    bench["figure"]("send_deliver", ours)
    bench["figure"]("send_deliver_vs_bare_libcurl", ours / theirs)


def p99_ms(s, app, healthy):
    """The median, the p99 and the count, once every message is stored as delivered to each of the
    healthy ones."""
    while True:
        s.bench["catch_up"](s.server)
        with contextlib.closing(s.database()) as db:
            found = [r[0] for r in db.execute(LATENCY, (app,))]
            sent = db.execute("SELECT count(*) FROM events e JOIN names n ON n.id = e.source"
                              " WHERE n.name = ?", (app,)).fetchone()[0]
        if len(found) == sent * healthy:
            return found[len(found) // 2], found[len(found) * 99 // 100], len(found)


def isolate(bench):
    hole, sink, broken = Hole(), bench["sink"](), bench["sink"]("--status", "500")
    url = f"http://127.0.0.1:{sink.gaff_port}/"
    got = {"alone": [], "with them": []}
    for i in range(min(3, bench["ROUNDS"])):
        s = Sender(bench, f"isolate{i}")
        for what, hanging, failing in (("alone", 0, 0), ("with them", HANGING, FAILING)):
            app = s.application(what.replace(" ", "-"))
            for n in range(ENDPOINTS):
                s.endpoint(app, hole.url if n < hanging else
                           f"http://127.0.0.1:{broken.gaff_port}/" if n < hanging + failing
                           else f"{url}{n}", timeout=DEADLINE_S)
            s.load(app, DEADLINE_S, connections=8, rate=3, warmup=0)
            got[what].append(p99_ms(s, app, ENDPOINTS - hanging - failing))
        bench["stop"](s.server)
    bench["say"](f"\n{ENDPOINTS} endpoints of one application, 3 messages a second to each: from "
                 "arrival to the outcome at the healthy ones")
    for what, rounds in got.items():
        bench["say"](f"  {what:<12} p50 {bench['middle']([r[0] for r in rounds]):.0f} ms, p99 "
                     f"{bench['spread']([r[1] for r in rounds])} ms, {rounds[0][2]} deliveries")
    bench["figure"]("send_p99_with_50_hanging_50_failing",
                    bench["middle"]([r[1] for r in got["with them"]]) /
                    bench["middle"]([r[1] for r in got["alone"]]))
    bench["stop"](sink)
    bench["stop"](broken)
    hole.close()


def many(s, count, endpoints=ENDPOINTS):
    """Writes that many attempts into the store of a daemon that has stopped: by turns of the
    endpoints it knows, ten a message. Gives the first id."""
    with contextlib.closing(s.database()) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -1000000")
        db.execute("CREATE TEMP TABLE who (id INTEGER PRIMARY KEY, name INTEGER)")
        db.execute("INSERT INTO who SELECT row_number() OVER () - 1, id FROM names"
                   " WHERE name LIKE 'ep\\_%' ESCAPE '\\'")
        first = db.execute("SELECT min(id) FROM events").fetchone()[0] - (3600000 << 21)
        db.execute(MANY_EVENTS, (count, first))
        db.execute(MANY_DELIVERIES, (count, first, endpoints))
        db.execute(MANY_ATTEMPTS, (count, first, endpoints))
        db.execute("UPDATE meta SET events = events + ?1 / 10, delivered = delivered + ?1",
                   (count,))
        db.commit()
    return first


def listing(bench):
    count = 5000000 if os.environ.get("LARGE") else 500000
    sink = bench["sink"]()
    s = Sender(bench, "listing")
    app = s.application("acme")
    ids = [s.endpoint(app, f"http://127.0.0.1:{sink.gaff_port}/{i}") for i in range(ENDPOINTS)]
    s.ask("POST", f"/app/{app}/msg", {"eventType": "user.created", "payload": {"id": 7}})
    s.until_idle()
    bench["stop"](s.server)
    bench["stop"](sink)
    many(s, count)
    s.restart()
    bench["say"](f"\none page of 50 among {count} attempts at {ENDPOINTS} endpoints")
    shapes = {"of one endpoint": "/app/{app}/attempt/endpoint/{id}",
              "its failed ones": "/app/{app}/attempt/endpoint/{id}?status=2",
              "its messages": "/app/{app}/endpoint/{id}/msg"}
    for what, path in shapes.items():
        took = []
        for one in ids[:101]:
            began = time.monotonic()
            page = s.ask("GET", path.format(app=app, id=one))
            took.append((time.monotonic() - began) * 1000)
            assert len(page["data"]) == (0 if "failed" in what else 50), page
        bench["say"](f"  {what:<18}{bench['middle'](took):.2f} ms ({min(took):.2f} to "
                     f"{max(took):.2f})")
        if what == "of one endpoint":
            bench["figure"]("send_list_attempts_ms", bench["middle"](took))
    bench["stop"](s.server)


def large(bench):
    """An endpoint with a million deliveries of which ten succeeded at their attempt, the oldest."""
    count = 1000000
    sink = bench["sink"]()
    s = Sender(bench, "large")
    app = s.application("acme")
    one = s.endpoint(app, f"http://127.0.0.1:{sink.gaff_port}/")
    s.ask("POST", f"/app/{app}/msg", {"eventType": "user.created", "payload": {"id": 7}})
    s.until_idle()
    bench["stop"](s.server)
    bench["stop"](sink)
    first = many(s, count, 1)
    with contextlib.closing(s.database()) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("UPDATE attempts SET result = 1 WHERE id >= ?1 + 64", (first,))
        db.commit()
    s.restart()
    bench["say"](f"\nan endpoint with {count} deliveries, of whose attempts ten succeeded")
    shapes = {"its statistics": f"endpoint/{one}/stats",
              "of its attempts": f"endpoint/{one}/attempt-stats",
              "those that failed": f"attempt/endpoint/{one}?status=2",
              "those that did not": f"attempt/endpoint/{one}?status=0"}
    for what, path in shapes.items():
        took = []
        for _ in range(7):
            began = time.monotonic()
            page = s.ask("GET", f"/app/{app}/{path}")
            took.append((time.monotonic() - began) * 1000)
        expected = {"its statistics": lambda p: p["success"] == count + 1,
                    "of its attempts": lambda p: (p["success"], p["fail"]) == (10, count - 9),
                    "those that failed": lambda p: len(p["data"]) == 50,
                    "those that did not": lambda p: len(p["data"]) == 10}
        assert expected[what](page), page
        bench["say"](f"  {what:<20}{bench['middle'](took):.1f} ms ({min(took):.1f} to "
                     f"{max(took):.1f})")
        if what in ("its statistics", "those that did not"):
            name = "send_statistics_1m_ms" if "stat" in what else "send_succeeded_among_1m_ms"
            bench["figure"](name, bench["middle"](took))
    bench["stop"](s.server)


def memory(bench):
    """Ten endpoints that hang: what waits for them is in the store. What it keeps at hand of its
    database is bounded and filled first, by messages that are delivered."""
    hole, sink = Hole(), bench["sink"]()
    s = Sender(bench, "pending")
    warm = s.application("warm")
    for i in range(10):
        s.endpoint(warm, f"http://127.0.0.1:{sink.gaff_port}/{i}")
    while s.counts()["delivered"] < 100000:
        s.load(warm, 1, size=256)
        s.until_idle()
    app = s.application("acme")
    for _ in range(10):
        s.endpoint(app, hole.url, timeout=3600, concurrency=2)
    seen = {}
    for goal in (1000, 1000000):
        while (d := s.counts())["pending"] + d["claimed"] < goal:
            s.load(app, 2 if goal > 1000 else 0.1, connections=8, warmup=0, size=256,
                   rate=0 if goal > 1000 else 500)
        bench["catch_up"](s.server)
        time.sleep(2)
        seen[goal] = bench["memory"](s.server)["Rss"]
        bench["say"](f"\nmemory with {d['pending'] + d['claimed']} deliveries pending: "
                     f"{seen[goal]:.1f} MiB resident")
    bench["figure"]("send_memory_1m_pending_over_1k", seen[1000000] / seen[1000])
    bench["stop"](s.server)
    bench["stop"](sink)
    hole.close()
