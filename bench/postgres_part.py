"""postgres_part.py -- the part `postgres` of bench/run: PostgreSQL on the same cores, fsync
on, its own data directory. Ingest beside nginx, accept -> deliver at a steady rate, claims and
outcomes as the store calls them, and ingest again with many events stored."""
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
    try:
        measure(bench, server)
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


def measure(bench, server):
    say, figure, middle, load = (bench[n] for n in ("say", "figure", "middle", "load"))
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
    rates = []
    for _ in range(3):
        said = server.run("psql", "-XAtq", "-d", server.url("ingest"), input=CLAIM_AND_SETTLE)
        assert "rate " in said.stdout, said.stdout
        rates.append(int(said.stdout.split("rate ")[1].split()[0]))
    say(f"\npostgres: claim + settle, 256 at a time, one connection: {bench['spread'](rates)}/s")
    figure("postgres_claim_settle", middle(rates))
    for p in servers.values():
        bench["stop"](p)
    deliver(bench, server, made)


def deliver(bench, server, made):
    say, figure = bench["say"], bench["figure"]
    sink = bench["sink"]()
    p = start_gaff(bench, server, "deliver", bench["destination"](
        f"{{ http: {{ url: 'http://127.0.0.1:{sink.gaff_port}/' }}, concurrency: 64 }}"))
    bench["load"](p, made["1k"], 64, rate=1000, seconds=2)
    for rate in (2000, 5000):
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
