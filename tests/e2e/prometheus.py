#!/usr/bin/env python3
"""Metrics as Prometheus itself sees them: its promtool judges the text, the alert rules and every
question of the Grafana dashboard; then a real Prometheus scrapes a real daemon, loads the rules and
answers those questions."""
import tempfile
import urllib.parse

from lib import *

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALERTS = TOP + "/dist/prometheus-alerts.yaml"
ALERTS_TEST = TOP + "/tests/prometheus/alerts_test.yaml"
CONFIG = f"""sources:
  github: {{ provider: github, secret: "{SECRET}" }}
destinations:
  audit: {{ log: {{ file: audit.jsonl }} }}
routes:
  - {{ from: github, to: [audit] }}
"""


def tool(name):
    path = shutil.which(name)
    if not path:
        raise Skip(f"{name} is not installed (scripts/deps test installs it)")
    return path


def promtool(*args, stdin=b""):
    p = subprocess.run([tool("promtool"), *args], input=stdin, capture_output=True, timeout=120,
                       check=False)
    assert p.returncode == 0, (args, p.stdout.decode(), p.stderr.decode())
    return p.stdout.decode() + p.stderr.decode()


def questions():
    """Every expression of the dashboard, with what Grafana fills in filled in."""
    with open(TOP + "/dist/grafana-dashboard.json", encoding="utf-8") as f:
        panels = json.load(f)["panels"]
    return [t["expr"].replace("$__rate_interval", "5m")
            for panel in panels for t in panel.get("targets", [])]


def alert_names(path, key):
    with open(path, encoding="utf-8") as f:
        return set(re.findall(key + r": (\w+)", f.read()))


def busy(d):
    """A daemon that has something to tell."""
    body = b'{"ref":"refs/heads/main"}'
    for _ in range(3):
        d.settled(d.post("/in/github", body, github(body)).json()["id"])
    assert d.post("/in/github", body, github(body, secret="another")).status == 401


def test_the_alert_rules_load_and_ring_when_they_shall():
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", ALERTS_TEST)
    names = alert_names(ALERTS, "alert")
    assert len(names) >= 6 and names == alert_names(ALERTS_TEST, "alertname"), names


def test_every_question_of_the_dashboard_is_one_that_prometheus_understands():
    rules = [{"record": f"question:{i}", "expr": expr} for i, expr in enumerate(questions())]
    assert len(rules) > 10
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, f)
        f.flush()
        promtool("check", "rules", f.name)


def test_the_text_is_as_prometheus_wants_it():
    tool("promtool")
    with Daemon(CONFIG) as d:
        busy(d)
        metrics = d.request("GET", "/metrics", headers={"Authorization": "Bearer " + d.token()},
                            base=d.admin)
        promtool("check", "metrics", stdin=metrics.body)
        assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        # The other format tells the same: its counters' families have no "_total".
        text, other = samples(d), samples(d, "application/openmetrics-text; version=1.0.0")
        assert {re.sub(r'le="(\d+)"', r'le="\1.0"', name) for name in text} == set(other)


def samples(d, accept="text/plain"):
    reply = d.request("GET", "/metrics", headers={"Authorization": "Bearer " + d.token(),
                                                  "Accept": accept}, base=d.admin)
    return {name: float(value) for name, value in
            re.findall(r"^(\w+(?:\{.*?\})?) (\S+)$", reply.body.decode(), re.M)}


def figures(target):
    """Destinations of every fate: one needs a retry, others fail for good, wait, are blocked."""
    return (f"sources: {{ hooks: {{ provider: none, insecure: true }},"
            f" github: {{ provider: github, secret: '{SECRET}' }} }}\n"
            f"destinations:\n"
            f"  there: {{ http: {{ url: '{target.url}' }}, retry: {{ schedule: [1ms] }} }}\n"
            f"  run: {{ exec: {{ command: [/bin/sh, -c, 'exit 3'] }}, retry: {{ attempts: 1 }} }}\n"
            f"  away: {{ http: {{ url: 'http://127.0.0.1:9/' }}, retry: {{ schedule: [1h] }} }}\n"
            f"  inside: {{ http: {{ url: 'http://localhost:{target.port}', policy: public }},"
            f" retry: {{ attempts: 1 }} }}\n"
            f"routes: [ {{ from: hooks, to: [there, run, away, inside] }} ]\n")


def test_each_figure_tells_what_happened():
    target = Target(lambda request, count: (503 if count == 1 else 200, {}, b""))
    with Daemon(figures(target)) as d:
        for n in range(3):
            d.post("/in/hooks", b'{"n":%d}' % n)
            until(lambda n=n: len(d.deliveries(state="delivered")) == n + 1, "the delivery")
        until(lambda: len(d.deliveries(state="dead")) == 6, "the failures")
        until(lambda: sum(x["attempts"] for x in d.deliveries(destination="away")) == 3, "tries")
        assert d.post("/in/github", b"{}", github(b"{}", secret="another")).status == 401
        got = samples(d)

        def has(value, name):
            assert got[name] == value, (name, got[name])

        has(1, 'gaff_retries_total{destination="there"}')
        has(0, 'gaff_retries_total{destination="away"}')
        has(3, 'gaff_deliveries_total{destination="there",outcome="delivered"}')
        has(3, 'gaff_deliveries_total{destination="run",outcome="dead"}')
        has(3, 'gaff_dead_letters{destination="run"}')
        has(3, 'gaff_dead_letters{destination="inside"}')
        has(0, 'gaff_dead_letters{destination="there"}')
        has(3, 'gaff_queue_depth{destination="away",state="scheduled"}')
        has(0, 'gaff_queue_depth{destination="there",state="scheduled"}')
        has(0, 'gaff_queue_oldest_age_seconds{destination="there"}')
        assert got['gaff_queue_oldest_age_seconds{destination="away"}'] > 0
        has(3, 'gaff_delivery_latency_seconds_count{destination="there"}')
        has(0, 'gaff_delivery_latency_seconds_count{destination="away"}')
        has(4, 'gaff_delivery_duration_seconds_count{destination="there"}')
        has(3, 'gaff_action_runs_total{action="exec",exit="exit"}')
        has(3, 'gaff_action_runs_total{action="http",exit="ok"}')
        has(3, 'gaff_action_runs_total{action="http",exit="connect"}')
        has(3, 'gaff_action_runs_total{action="http",exit="blocked"}')
        has(3, 'gaff_outbound_blocked_total{reason="loopback"}')
        has(0, 'gaff_outbound_blocked_total{reason="metadata"}')
        # Each request to `there` went over a connection, new or kept.
        new = got['gaff_outbound_connections_total{reused="false"}']
        assert new >= 1 and new + got['gaff_outbound_connections_total{reused="true"}'] >= 4, got
        has(1, 'gaff_events_rejected_total{source="github",reason="bad_signature"}')
        has(0, 'gaff_events_rejected_total{source="github",reason="stale_timestamp"}')
        has(1, 'gaff_http_requests_total{listener="webhooks",code="4xx"}')
        has(3, 'gaff_http_requests_total{listener="webhooks",code="2xx"}')
        has(4, 'gaff_http_request_duration_seconds_count{listener="webhooks"}')
        has(1, 'gaff_http_connections{listener="admin",state="active"}')
        has(0, 'gaff_store_errors_total{op="commit"}')
        assert got["gaff_store_commit_duration_seconds_count{}"] >= 3
        has(1, "gaff_config_last_reload_successful")
        d.config("sources: [\n")
        d.signal(signal.SIGHUP)
        until(lambda: samples(d)["gaff_config_last_reload_successful"] == 0, "the refusal")
    target.close()


def test_a_prometheus_scrapes_the_daemon_and_answers_the_dashboard():
    server = tool("prometheus")
    with Daemon(CONFIG) as d:
        busy(d)
        d.write("prometheus.yaml", json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [ALERTS],
            "scrape_configs": [{"job_name": "gaff", "authorization": {"credentials": d.token()},
                                "static_configs": [{"targets": [d.admin.split("://")[1]]}]}]}))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % s.getsockname()[1]
        with open(d.path("prometheus.log"), "wb") as log:
            p = subprocess.Popen([server, "--config.file", d.path("prometheus.yaml"),
                                  "--storage.tsdb.path", d.path("tsdb"),
                                  "--web.listen-address", address], stdout=log, stderr=log)
        try:
            def ask(path):
                try:
                    return d.request("GET", path, base="http://" + address).json()["data"]
                except (OSError, ValueError, KeyError):
                    assert p.poll() is None, open(d.path("prometheus.log")).read()[-2000:]
                    return None

            def query(expr):
                return ask("/api/v1/query?query=" + urllib.parse.quote(expr, safe=""))["result"]

            until(lambda: (ask("/api/v1/targets") or {}).get("activeTargets"), "a target", 60)
            until(lambda: query('up{job="gaff"} == 1'), "a scrape", 60)
            def judged():
                rules = [r for g in ask("/api/v1/rules")["groups"] for r in g["rules"]]
                return rules if all(r["health"] != "unknown" for r in rules) else None
            rules = until(judged, "the rules are judged", 60)
            assert {r["name"] for r in rules} == alert_names(ALERTS, "alert")
            assert all(r["health"] == "ok" for r in rules), rules
            got = query('gaff_events_received_total{source="github"}')
            assert got and got[0]["value"][1] == "3", got
            assert query("process_resident_memory_bytes / process_open_fds > 0")
            assert query("process_start_time_seconds * on (instance) gaff_build_info > 0")
            for expr in questions():
                query(expr)  # KeyError: no answer but an error
        finally:
            p.kill()
            p.wait()


if __name__ == "__main__":
    run(globals())
