"""postgres_part.py -- the part `postgres` of bench/run, in pieces (PIECE=): PostgreSQL on the
same cores, fsync on, its own data directory. Ingest beside nginx, claims and outcomes as the store
calls them, accept -> deliver at a steady rate, ingest with few and with many events stored, and
deliveries of one node and of three to slow sinks."""
import json
import os
import sys
import time
import urllib.request

TOKEN = "a-token-for-the-bench-alone"
CLAIM_ROWS = 100000

# As the store does it: a claim, then the outcomes of what was claimed, each its own transaction.
CLAIM_AND_SETTLE = f"""
INSERT INTO gaff.lanes VALUES ('bench', (SELECT max(epoch) FROM gaff.nodes))
    ON CONFLICT (destination) DO UPDATE SET epoch = excluded.epoch;
INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts, created_ms,
                        next_ms, reason, listed)
    SELECT m + i, m + i, 'bench', 'r', 0, 0, 0, 0, 0, '', false
    FROM generate_series(1, {CLAIM_ROWS}) AS i, (SELECT greatest(
        (SELECT max(id) FROM gaff.events), (SELECT max(id) FROM gaff.deliveries), 0) AS m) AS e;
VACUUM ANALYZE gaff.queue;
DO $$
DECLARE
    me bigint := (SELECT max(epoch) FROM gaff.nodes);
    ids bigint[];
    n int;
    began timestamptz := clock_timestamp();
    done int := 0;
BEGIN
    LOOP
        SELECT array_agg(c.id) INTO ids FROM gaff.claim(me, 1000, 1, 'bench', 1, 256, false, 0) c
            WHERE c.id > 0;
        COMMIT;
        n := coalesce(array_length(ids, 1), 0);
        EXIT WHEN n = 0;
        PERFORM gaff.settle(me, 1000, ids, array_fill(2, ARRAY[n]),
            array_fill(0::bigint, ARRAY[n]), array_fill(0::bigint, ARRAY[n]),
            array_fill(1, ARRAY[n]), array_fill(''::bytea, ARRAY[n]),
            array_fill(0::bigint, ARRAY[n]), array_fill(1, ARRAY[n]), array_fill(0, ARRAY[n]),
            array_fill(0::bigint, ARRAY[n]), array_fill(0::bigint, ARRAY[n]),
            array_fill(200, ARRAY[n]), array_fill(''::text, ARRAY[n]),
            array_fill('HTTP 200 OK'::bytea, ARRAY[n]), array_fill('POST /'::bytea, ARRAY[n]),
            array_fill('HTTP/1.1 200 OK'::bytea, ARRAY[n]), array_fill(''::bytea, ARRAY[n]));
        COMMIT;
        done := done + n;
    END LOOP;
    RAISE NOTICE 'rate %', (done / extract(epoch FROM clock_timestamp() - began))::int;
END $$;
DELETE FROM gaff.lanes WHERE destination = 'bench';
"""

LATENCY = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY a.started_ms - e.received_ms)
FROM gaff.attempts a JOIN gaff.deliveries d ON d.id = a.delivery_id
JOIN gaff.events e ON e.id = d.event_id WHERE a.number = 1 AND e.id > {after}
"""


def run(bench):
    """bench: the functions of bench/run by name."""
    sys.path.insert(0, os.path.join(bench["TOP"], "tests", "postgres"))
    import cluster
    if not cluster.binaries():
        bench["say"]("\npostgres: its server is not installed (scripts/deps test)")
        return
    server = cluster.Server({"shared_buffers": "512MB", "max_wal_size": "4GB",
                             "checkpoint_timeout": "15min"})
    server.init()
    server.start()
    wanted = os.environ.get("PIECE", "")
    if wanted and wanted not in PIECES:
        sys.exit(f"PIECE is one of: {' '.join(PIECES)}")
    try:
        for name, piece in PIECES.items():
            if wanted in ("", name):
                piece(bench, server)
    finally:
        server.stop()
        server.remove()


def start_gaff(bench, server, database, extra=""):
    os.environ.update(GAFF_STORE=server.create(database), GAFF_ADMIN__TOKEN=TOKEN)
    try:
        p = bench["gaff"](extra, name=database)
    finally:
        del os.environ["GAFF_STORE"], os.environ["GAFF_ADMIN__TOKEN"]
    p.database = database
    with open(os.path.join(p.gaff_dir, "gaff.yaml"), encoding="utf-8") as f:
        p.admin = f.read().split("admin: { listen: ")[1].split(" ")[0]
    del p.gaff_dir  # no data directory to look into
    return p


def delivered(p):
    request = urllib.request.Request(f"http://{p.admin}/api/v1/status",
                                     headers={"Authorization": "Bearer " + TOKEN})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["deliveries"]["delivered"]


def ingest(bench, server):
    say, figure, middle = (bench[n] for n in ("say", "figure", "middle"))
    made = bench["payloads"]()
    servers = {"gaff on PostgreSQL": start_gaff(bench, server, "ingest"),
               "nginx return 200": bench["nginx"]()}
    for connections in (64, 256):
        got = bench["interleave"](servers, made["1k"], connections)
        rates = {n: [r["rate"] for r in v] for n, v in got.items()}
        say(f"\npostgres: ingest, 1k, {connections} connections: answers a second")
        for name, v in got.items():
            say(f"  {name:<24}{bench['spread'](rates[name])}   "
                f"p99 {middle([r['p99_us'] for r in v]):.0f} us")
        ours = middle(rates["gaff on PostgreSQL"])
        figure(f"postgres_ingest_1k_{connections}", ours)
        figure(f"postgres_ingest_1k_{connections}_vs_nginx",
               ours / middle(rates["nginx return 200"]))
        assert all(r["failed"] == 0 for r in got["gaff on PostgreSQL"])
    say(f"  {server.sql('SELECT count(*) FROM gaff.events', 'ingest')} events stored")
    for p in servers.values():
        bench["stop"](p)


def claims(bench, server):
    p = start_gaff(bench, server, "claims")
    rates = []
    for _ in range(3):
        said = server.run("psql", "-XAtq", "-d", server.url("claims"), input=CLAIM_AND_SETTLE)
        assert "rate " in said.stdout, said.stdout
        rates.append(int(said.stdout.split("rate ")[1].split()[0]))
    bench["say"]("\npostgres: claim + settle, 256 at a time, one connection: "
                 f"{bench['spread'](rates)}/s")
    bench["figure"]("postgres_claim_settle", bench["middle"](rates))
    bench["stop"](p)


def deliver(bench, server):
    say, figure, made = bench["say"], bench["figure"], bench["payloads"]()
    sink = bench["sink"]()
    p = start_gaff(bench, server, "deliver", bench["destination"](
        f"{{ http: {{ url: 'http://127.0.0.1:{sink.gaff_port}/' }}, concurrency: 64 }}"))
    bench["load"](p, made["1k"], 64, rate=1000, seconds=2)
    for rate in [int(r) for r in os.environ.get("RATES", "2000 5000").split()]:
        after = server.sql("SELECT coalesce(max(id), 0) FROM gaff.events", "deliver")
        before = delivered(p)
        got = bench["load"](p, made["1k"], 64, rate=rate, seconds=10)
        wanted = before + int(got["ok"])
        end = time.monotonic() + 60
        while delivered(p) < wanted and time.monotonic() < end:
            time.sleep(0.1)
        p50, p99 = (float(v) for v in server.sql(LATENCY.format(after=after), "deliver")
                    .strip("{}").split(","))
        say(f"\npostgres: accept, match, deliver at {rate}/s: {got['rate']:.0f}/s accepted, "
            f"delivery started after {p50:.0f} ms (p50), {p99:.0f} ms (p99)")
        figure(f"postgres_deliver_{rate}_start_p99_ms", p99)
        figure(f"postgres_deliver_{rate}_accepted", got["rate"])
    bench["stop"](p)
    bench["stop"](sink)


# A day's events with their deliveries and delivery ids, as they are stored, {count} of them.
FILL = """
SELECT setseed(0.5);
WITH t AS (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now),
m AS (SELECT ((t.now - 1577836800000) << 21) + {start} AS id, t.now FROM t),
e AS (
    INSERT INTO gaff.events SELECT m.id + i, m.now, 'github', 'github', 'verified', 0, 'push',
        'd', '\\x00', '', 'POST', '/in/github', '', '', 'Host: x',
        decode(repeat(md5(i::text), 16), 'hex') FROM m, generate_series(1, {count}) i),
d AS (
    INSERT INTO gaff.deliveries SELECT m.id + i, m.id + i, 'd', 'r', 0, 2, 1, m.now, m.now, m.now,
        '', false FROM m, generate_series(1, {count}) i)
INSERT INTO gaff.dedupe SELECT gen_random_uuid(), i, m.id + i, m.now, m.now + 86400000
    FROM m, generate_series(1, {count}) i;
"""
FILL_STEP = 250000


# After a checkpoint PostgreSQL writes each page whole the first time it is touched. Keys fall
# anywhere in their index: of a large one that costs for a while, of a small one for a moment, and
# neither is what an event costs between two checkpoints. So the large one is loaded for a minute.
GROWN_LOADS = 12


def rest(server):
    """Both begin alike: after a checkpoint, and with no vacuum at work."""
    server.sql("CHECKPOINT", "growth")
    end = time.monotonic() + 120
    while time.monotonic() < end and server.sql("SELECT count(*) FROM pg_stat_activity WHERE "
                                                "backend_type = 'autovacuum worker'") != "0":
        time.sleep(0.5)


def growth(bench, server):
    """Ingest, and how much of a second the database works for an event, with few and with many
    stored."""
    say, middle, made = bench["say"], bench["middle"], bench["payloads"]()
    goal = int(os.environ.get("GROWTH", "20000000" if os.environ.get("LARGE") else "2000000"))
    p = start_gaff(bench, server, "growth")
    bench["load"](p, made["1k"], 64, rate=5000, seconds=2)
    stored, rates = [], []
    for loads in (3, GROWN_LOADS):
        rest(server)
        got = [bench["load"](p, made["1k"], 64, seconds=5)["rate"] for _ in range(loads)]
        stored.append(int(server.sql("SELECT count(*) FROM gaff.events", "growth")))
        rates.append(middle(got))
        say(f"postgres: each 5 s at {stored[-1]} events: " + " ".join(f"{r:.0f}" for r in got))
        for i in range(0, goal - stored[0] if len(rates) == 1 else 0, FILL_STEP):
            server.sql(FILL.format(start=i, count=FILL_STEP), "growth")
    say(f"\npostgres: ingest, 1k, 64 connections: {rates[0]:.0f}/s up to {stored[0]} events "
        f"stored, {rates[1]:.0f}/s up to {stored[1]}")
    bench["figure"]("postgres_growth_rate_end_over_start", rates[1] / rates[0])
    bench["stop"](p)


# --- three nodes --------------------------------------------------------------------------------

LANES = 30
DELAY_MS = 1000  # of each answer of a sink: a node waits, and hardly works
SINK_PORT, NODE_PORT, ADMIN_PORT = 9001, 9002, 9003


class Space:
    """A network namespace with a sink of its own at 127.0.0.1:9001; what runs in it reaches the
    database by a socket in the file system."""

    def __init__(self, bench, number):
        self.bench, self.name = bench, f"gaff-bench-{os.getpid()}-{number}"
        run = bench["subprocess"].run
        run(["ip", "netns", "add", self.name], check=True)
        run([*self.inside(), "ip", "link", "set", "lo", "up"], check=True)
        self.sink = self.start(os.path.join(bench["work"], "sink"), "--port", str(SINK_PORT),
                               "--delay-ms", str(DELAY_MS))

    def inside(self):
        return ["ip", "netns", "exec", self.name]

    def start(self, *argv, cwd=None):
        return self.bench["start"]([*self.inside(), *argv], cwd=cwd)

    def node(self, database):
        directory = os.path.join(self.bench["work"], self.name)
        os.makedirs(directory, exist_ok=True)
        lanes = range(LANES)
        with open(os.path.join(directory, "gaff.yaml"), "w", encoding="utf-8") as f:
            f.write(f"listen: 127.0.0.1:{NODE_PORT}\nstore: \"{database}\"\n"
                    f"node: {self.name}\nlog: {{ level: warn }}\ndelivery_loops: 1\n"
                    f"admin: {{ listen: 127.0.0.1:{ADMIN_PORT}, token: {TOKEN} }}\nsources:\n"
                    + "".join(f"  s{i}: {{ provider: none, insecure: true }}\n" for i in lanes)
                    + "destinations:\n" + "".join(
                        f"  d{i}: {{ http: {{ url: 'http://127.0.0.1:{SINK_PORT}/' }}, "
                        "concurrency: 128 }\n" for i in lanes) + "routes:\n"
                    + "".join(f"  - {{ from: s{i}, to: [d{i}] }}\n" for i in lanes))
        return self.start(self.bench["GAFF"], "serve", "--config", "gaff.yaml", cwd=directory)

    def remove(self):
        self.bench["stop"](self.sink)
        self.bench["subprocess"].run(["ip", "netns", "del", self.name], check=True)


QUEUE = """
INSERT INTO gaff.events SELECT m.id + i, m.now, 's' || i % {lanes}, '', 'verified', 0, '', '',
    '\\x00', '', 'POST', '/', '', '', 'Content-Type: application/json', '{{}}'
    FROM (SELECT (t.now - 1577836800000) << 21 AS id, t.now FROM
          (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now) t) m,
         generate_series(1, {count}) i;
INSERT INTO gaff.queue (id, event_id, destination, route, order_key, state, attempts, created_ms,
                        next_ms, reason, listed)
    SELECT e.id, e.id, 'd' || right(e.source, -1), 'r', 0, 0, 0, e.received_ms, e.received_ms, '',
    false FROM gaff.events e;
ANALYZE gaff.queue;
"""


def settled(server, database):
    return int(server.sql("SELECT coalesce(sum(delivered), 0) FROM gaff.counters", database))


def rate_of(bench, server, count, url):
    """Deliveries a second of so many nodes, each with a sink beside it that is slow."""
    database = f"nodes{count}"
    server.create(database)
    spaces = [Space(bench, f"{count}{i}") for i in range(count)]
    try:
        nodes = [s.node(url.format(database)) for s in spaces]
        end = time.monotonic() + 30
        while server.sql("SELECT to_regclass('gaff.nodes') IS NOT NULL", database) != "t" or \
                int(server.sql("SELECT count(*) FROM gaff.nodes", database)) < count:
            if time.monotonic() > end:
                sys.exit(f"the nodes did not start; see {bench['work']}/log")
            time.sleep(0.1)
        server.sql(QUEUE.format(lanes=LANES, count=count * 40000), database)
        time.sleep(8)  # each takes its lanes
        before, began = settled(server, database), time.monotonic()
        time.sleep(12)
        rate = (settled(server, database) - before) / (time.monotonic() - began)
        owners = server.sql("SELECT string_agg(n::text, ' ') FROM (SELECT count(*) AS n FROM "
                            "gaff.lanes GROUP BY epoch) x", database)
        bench["say"](f"  {count} node{'s' if count > 1 else ''}: {rate:.0f} deliveries a second "
                     f"(lanes: {owners})")
        for p in nodes:
            bench["stop"](p)
        return rate
    finally:
        for s in spaces:
            s.remove()


def nodes(bench, server):
    if os.geteuid() != 0 or not bench["shutil"].which("ip"):
        bench["say"]("\npostgres: three nodes in network namespaces need root and ip(8)")
        return
    bench["say"](f"\npostgres: nodes in network namespaces of their own, each answer of a sink "
                 f"takes {DELAY_MS} ms")
    server.stop()
    server.settings["unix_socket_directories"] = server.top
    os.chmod(server.top, 0o755)
    server.start()
    url = f"postgres://gaff@/{{}}?host={server.top}&port={server.port}"
    one, three = (rate_of(bench, server, n, url) for n in (1, 3))
    bench["figure"]("postgres_three_nodes_over_one", three / one)


PIECES = {"ingest": ingest, "claims": claims, "deliver": deliver, "growth": growth, "nodes": nodes}
