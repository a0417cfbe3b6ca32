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
